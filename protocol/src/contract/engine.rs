//! The one place that knows the JSON Schema library: compiling, and saying what is wrong with a value and where.
//!
//! Schemas and values are hostile. Nothing is ever fetched, patterns run in linear time, and a value whose check would
//! take too long is refused beforehand (`cost`).

use std::cmp::Reverse;

use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use jsonschema::{Draft, PatternOptions, Registry, ValidationOptions, Validator};
use serde_json::{Value, json};

use super::schema::escaped;
use crate::wire::ParamFault;

/// What is wrong with a value in the eyes of one alternative.
type Branch = Vec<ValidationError<'static>>;

/// More faults of one value are not told.
const MOST: usize = 50;

/// A compiled pattern takes no more than this; bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// The URI under which a set of schemas is known while it is compiled. It is only a name.
const BASE: &str = "https://manifest.invalid/";

/// Whether `format` is checked, or only tells people something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Formats {
    Checked,
    /// Whoever uses the schema checks better than the library would.
    Told,
}

/// Schemas that may point at each other, ready to be compiled one by one.
pub(crate) struct Schemas {
    registry: Registry<'static>,
}

fn options<'a>() -> ValidationOptions<'a> {
    let patterns = PatternOptions::regex().size_limit(PATTERN_SIZE).dfa_size_limit(PATTERN_SIZE);
    jsonschema::options().with_draft(Draft::Draft7).with_pattern_options(patterns).offline()
}

impl Schemas {
    /// The schemas within this document, which point at each other from its root.
    pub(crate) fn new(document: Value) -> Result<Self, String> {
        Self::with(document, &[])
    }

    /// The same, and other documents, each with its URI.
    pub(crate) fn with(document: Value, others: &[(&str, &Value)]) -> Result<Self, String> {
        let mut registry = Registry::new().draft(Draft::Draft7);
        for (uri, schema) in others {
            registry = registry.add(uri, (*schema).clone()).map_err(|fault| fault.to_string())?;
        }
        let registry = registry.add(BASE, document).and_then(jsonschema::RegistryBuilder::prepare);
        Ok(Self { registry: registry.map_err(|fault| fault.to_string())? })
    }

    /// The schema at that JSON Pointer.
    pub(crate) fn compile(&self, at: &str, formats: Formats) -> Result<Validator, String> {
        let schema = json!({ "$ref": format!("{BASE}#{at}") });
        options()
            .should_validate_formats(formats == Formats::Checked)
            .with_registry(&self.registry)
            .build(&schema)
            .map_err(|fault| message(&fault))
    }
}

/// Whether a pattern can be compiled by the engine that runs in linear time.
pub(crate) fn pattern_fault(pattern: &str) -> Option<String> {
    options().build(&json!({ "pattern": pattern })).err().map(|fault| message(&fault))
}

/// Whether a pattern is found in one of the texts; one that cannot be compiled may be.
pub(crate) fn matches_any<'a>(pattern: &str, mut texts: impl Iterator<Item = &'a String>) -> bool {
    let compiled = options().build(&json!({ "pattern": pattern }));
    texts.any(|text| compiled.as_ref().map_or(true, |it| it.is_valid(&Value::String(text.clone()))))
}

/// What is wrong with a value, each with its JSON Pointer. A missing and an unknown member are named by their own
/// (`ERR-3`). What the value holds is not quoted: it may be secret, and it may be long.
pub(crate) fn faults(validator: &Validator, value: &Value) -> Vec<ParamFault> {
    let mut faults = Vec::new();
    for error in validator.iter_errors(value) {
        tell(&error, &mut faults);
        if faults.len() >= MOST {
            break;
        }
    }
    faults.truncate(MOST);
    faults
}

fn tell(error: &ValidationError<'_>, faults: &mut Vec<ParamFault>) {
    let path = error.instance_path().as_str().to_owned();
    let mut fault = |path: String, message: String| faults.push(ParamFault { path, message });
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            fault(format!("{path}/{}", escaped(name)), "it is missing".to_owned());
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            for name in unexpected {
                fault(format!("{path}/{}", escaped(name)), "no such member is known here".to_owned());
            }
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            match nearest(context, path.len()) {
                Some(branch) => branch.iter().for_each(|error| tell(error, faults)),
                None => {
                    let expected = expected(context, path.len());
                    fault(
                        path,
                        expected.unwrap_or_else(|| "it is none of what its schema lets through".into()),
                    );
                }
            }
        }
        _ => fault(path, message(error)),
    }
}

/// The branch that was meant, if one can be told: the only one that is not refused for what the value is as a whole,
/// or the one whose faults lie deepest within it.
fn nearest(branches: &[Branch], outer: usize) -> Option<&Branch> {
    let mut meant: Vec<&Branch> =
        branches.iter().filter(|branch| !refuses_the_whole(branch, outer)).collect();
    if let [only] = meant[..] {
        return Some(only);
    }
    let depth = |branch: &Branch| {
        branch.iter().map(|error| error.instance_path().as_str().len()).min().unwrap_or_default()
    };
    meant.sort_by_key(|branch| (Reverse(depth(branch)), branch.len()));
    let (first, second) = (meant.first()?, meant.get(1)?);
    (depth(first) > outer && depth(first) > depth(second)).then_some(first)
}

/// Whether a branch is refused for what the value is, rather than for something that is wrong within it: its type, its
/// constant, or that it is no reference.
fn refuses_the_whole(branch: &Branch, outer: usize) -> bool {
    branch.iter().any(|error| match error.kind() {
        ValidationErrorKind::Type { .. }
        | ValidationErrorKind::Constant { .. }
        | ValidationErrorKind::Enum { .. } => error.instance_path().as_str().len() == outer,
        ValidationErrorKind::Required { property } => property == "$ref",
        _ => false,
    })
}

/// What a value may be, where every alternative is refused for its type or for not being a constant.
fn expected(branches: &[Branch], outer: usize) -> Option<String> {
    let of_whole = |branch: &Branch, wanted: fn(&ValidationErrorKind) -> Option<String>| {
        let mut whole = branch.iter().filter(|error| error.instance_path().as_str().len() == outer);
        whole.find_map(|error| wanted(error.kind()))
    };
    let all =
        |wanted| branches.iter().map(|branch| of_whole(branch, wanted)).collect::<Option<Vec<String>>>();
    let constants = all(|kind| match kind {
        ValidationErrorKind::Constant { expected_value } => Some(expected_value.to_string()),
        ValidationErrorKind::Enum { options } => {
            Some(options.as_array()?.iter().map(Value::to_string).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    });
    let types = || {
        all(|kind| match kind {
            ValidationErrorKind::Type { kind: TypeKind::Single(kind) } => Some(kind.to_string()),
            _ => None,
        })
    };
    let told = |what: &str, list: Vec<String>| shortened(format!("{what} {}", list.join(", ")));
    constants
        .map(|list| told("it is none of", list))
        .or_else(|| types().map(|list| told("it is of none of the types", list)))
}

fn message(error: &ValidationError<'_>) -> String {
    shortened(error.masked_with("it").to_string())
}

fn shortened(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(300) {
        text.truncate(at);
        text.push('…');
    }
    text
}
