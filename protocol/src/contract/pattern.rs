//! How large a regular expression is once it is compiled, told from its text: what it costs to compile, to keep and to
//! match. `(a{90}){90}` has ten characters and eight thousand states.

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{Ast, ClassSet, ClassSetItem, RepetitionKind, RepetitionRange};

/// A class of characters by a property of theirs, `\p{L}` say, has hundreds of ranges.
const PROPERTY: u64 = 300;

/// As much as an engine compiles at most ([`PATTERN_SIZE`](super::engine)).
const LARGEST: u64 = 30_000;

/// About how many states it has, 1 to 30,000: a larger one is refused when it is compiled. What cannot be read here may be
/// compiled all the same (ECMAScript has escapes of its own), so it counts as the largest.
pub(super) fn states(pattern: &str) -> u64 {
    Parser::new().parse(pattern).map_or(LARGEST, |ast| of(&ast)).clamp(1, LARGEST)
}

fn of(ast: &Ast) -> u64 {
    let sum = |parts: &[Ast]| parts.iter().map(of).fold(0, u64::saturating_add);
    match ast {
        Ast::Empty(_) | Ast::Flags(_) | Ast::Assertion(_) => 0,
        Ast::Literal(_) | Ast::Dot(_) | Ast::ClassPerl(_) => 1,
        Ast::ClassUnicode(_) => PROPERTY,
        Ast::ClassBracketed(class) => set(&class.kind),
        Ast::Group(group) => of(&group.ast),
        Ast::Alternation(list) => sum(&list.asts),
        Ast::Concat(list) => sum(&list.asts),
        Ast::Repetition(repeated) => {
            let times = match &repeated.op.kind {
                RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore | RepetitionKind::OneOrMore => 1,
                RepetitionKind::Range(
                    RepetitionRange::Exactly(most)
                    | RepetitionRange::AtLeast(most)
                    | RepetitionRange::Bounded(_, most),
                ) => u64::from(*most),
            };
            of(&repeated.ast).saturating_mul(times.max(1))
        }
    }
}

fn set(class: &ClassSet) -> u64 {
    match class {
        ClassSet::Item(item) => item_of(item),
        ClassSet::BinaryOp(both) => set(&both.lhs).saturating_add(set(&both.rhs)),
    }
}

fn item_of(item: &ClassSetItem) -> u64 {
    match item {
        ClassSetItem::Empty(_) => 0,
        ClassSetItem::Literal(_)
        | ClassSetItem::Range(_)
        | ClassSetItem::Ascii(_)
        | ClassSetItem::Perl(_) => 1,
        ClassSetItem::Unicode(_) => PROPERTY,
        ClassSetItem::Bracketed(inner) => set(&inner.kind),
        ClassSetItem::Union(union) => union.items.iter().map(item_of).fold(0, u64::saturating_add),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_multiply_and_everything_else_adds_up() {
        for (pattern, wanted) in [
            ("", 1),
            ("^$", 1),
            ("abc", 3),
            ("^[a-z0-9_]{1,63}$", 189),
            ("a?b*c+.", 4),
            ("(ab|cd){10}", 40),
            ("((a{90}){90})", 8100),
            ("(a{200}){150}", LARGEST),
            ("(a{200}){151}", LARGEST),
            ("(?:(?:x{1000}){1000}){1000}", LARGEST),
            (r"\p{L}\w", 301),
            (r"^[\p{Lu}x]{2,}$", 602),
            ("(", LARGEST),
            (r"(a{90}){90}\cA", LARGEST),
        ] {
            assert_eq!(states(pattern), wanted, "{pattern}");
        }
        // More than can be counted, too.
        let beyond = format!("{}a{}", "(".repeat(8), "{1000})".repeat(8));
        assert_eq!(states(&beyond), LARGEST);
    }
}
