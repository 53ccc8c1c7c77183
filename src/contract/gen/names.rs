//! Names: from what a document calls things to identifiers of a language. Every name that is made is unique in its
//! scope and no reserved word. Knows nothing of types.

use std::collections::BTreeSet;

/// The words of a name: split at what is no ASCII letter or digit, and where the case changes.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let characters: Vec<char> = name.chars().collect();
    let mut word = String::new();
    for (at, &character) in characters.iter().enumerate() {
        if !character.is_ascii_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            continue;
        }
        let before = at.checked_sub(1).map(|at| characters[at]);
        let after = characters.get(at + 1);
        let rises = before.is_some_and(|before| before.is_ascii_lowercase() || before.is_ascii_digit());
        let ends_capitals = before.is_some_and(|before| before.is_ascii_uppercase())
            && after.is_some_and(char::is_ascii_lowercase);
        if character.is_ascii_uppercase() && (rises || ends_capitals) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.push(character);
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    // A word all in capitals is an acronym or a constant: `HTTP` becomes `Http`.
    let rest = if word.chars().any(|c| c.is_ascii_lowercase()) {
        rest.to_owned()
    } else {
        rest.to_ascii_lowercase()
    };
    first.to_ascii_uppercase() + &rest
}

/// `UserId`. What starts with a digit gets an `N` before it, what has no letter at all is `Value`.
pub(crate) fn pascal(name: &str) -> String {
    let joined: String = words(name).iter().map(|word| capitalised(word)).collect();
    match joined.chars().next() {
        None => "Value".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("N{joined}"),
        Some(_) => joined,
    }
}

/// `user_id`.
pub(crate) fn snake(name: &str) -> String {
    let joined = words(name).join("_").to_ascii_lowercase();
    match joined.chars().next() {
        None => "value".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("n{joined}"),
        Some(_) => joined,
    }
}

/// `userId`.
pub(crate) fn camel(name: &str) -> String {
    let pascal = pascal(name);
    let (first, rest) = pascal.split_at(1);
    first.to_ascii_lowercase() + rest
}

/// `USER_ID`.
pub(crate) fn screaming(name: &str) -> String {
    snake(name).to_ascii_uppercase()
}

/// Names that are taken, in one scope.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    taken: BTreeSet<String>,
    /// What is put behind a reserved word, and before the number of a name that is taken.
    escape: &'static str,
}

impl Scope {
    /// A scope in which these words cannot be names.
    pub(crate) fn new(reserved: &[&str], escape: &'static str) -> Self {
        Self { taken: reserved.iter().map(|&word| word.to_owned()).collect(), escape }
    }

    /// This name, or one made from it that is free.
    pub(crate) fn take(&mut self, name: &str) -> String {
        let mut free = name.to_owned();
        if self.taken.contains(&free) {
            free.push_str(self.escape);
        }
        let base = free.clone();
        let mut number = 2;
        while self.taken.contains(&free) {
            free = format!("{base}{number}");
            number += 1;
        }
        self.taken.insert(free.clone());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_names() {
        for (name, wanted) in [
            ("get_user", ["GetUser", "get_user", "getUser"]),
            ("opaque-id", ["OpaqueId", "opaque_id", "opaqueId"]),
            ("HTTPServer", ["HttpServer", "http_server", "httpServer"]),
            ("userID", ["UserId", "user_id", "userId"]),
            ("NOT_FOUND", ["NotFound", "not_found", "notFound"]),
            ("2fa", ["N2fa", "n2fa", "n2fa"]),
            ("a.b.c", ["ABC", "a_b_c", "aBC"]),
            ("über", ["Ber", "ber", "ber"]),
            ("日本", ["Value", "value", "value"]),
            ("", ["Value", "value", "value"]),
            ("*/ evil();", ["Evil", "evil", "evil"]),
        ] {
            assert_eq!([pascal(name), snake(name), camel(name)], wanted, "{name:?}");
        }
        assert_eq!(screaming("inReview"), "IN_REVIEW");
    }

    #[test]
    fn names_are_unique_and_never_reserved() {
        let mut scope = Scope::new(&["type", "value"], "_");
        assert_eq!(scope.take("type"), "type_");
        assert_eq!(scope.take("type"), "type_2");
        assert_eq!(scope.take("name"), "name");
        assert_eq!(scope.take("name"), "name_");
        assert_eq!(scope.take("name"), "name_2");
        assert_eq!(scope.take("value"), "value_");
    }
}
