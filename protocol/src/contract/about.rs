//! A method as its declarer describes it, before a document is made of it. Schemas are made only then, by the one
//! generator that all methods of the document share, so that a type has one definition.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};

use super::document::{AnyError, DeclaredError, ErrorSet, Example};

/// Makes the schema of a type, in whatever generator the document uses for its kind.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// Makes the schema of that type.
pub fn schema_of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

/// What a document says of a method.
pub struct About {
    /// `<contract>.<method>`.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// What it takes.
    pub params: ParamsOf,
    /// What it returns; none for a notification.
    pub result: Option<SchemaOf>,
    /// What an item of its output is, where it has any.
    pub output: Option<SchemaOf>,
    /// What an item of its input is, where it has any.
    pub input: Option<SchemaOf>,
    /// What it may answer instead.
    pub errors: ErrorsOf,
    /// Whether a second call does no more than the first.
    pub idempotent: bool,
    /// Whether it is on its way out.
    pub deprecated: bool,
    /// Real calls.
    pub examples: Vec<Example>,
}

/// What is known of a method's params.
pub enum ParamsOf {
    /// Nothing: they are not declared.
    Unknown,
    /// They are the members of this type.
    Members(SchemaOf),
    /// These, in this order.
    Each(Vec<ParamOf>),
}

/// One param.
pub struct ParamOf {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it means.
    pub description: Option<&'static str>,
    /// What it may be.
    pub schema: SchemaOf,
    /// Whether a call must have it.
    pub presence: Presence,
}

/// Whether a call must have a param.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It must.
    Required,
    /// It may.
    Optional,
}

/// What is known of a method's errors.
pub enum ErrorsOf {
    /// These.
    Listed(ErrorSet),
    /// Those of a type.
    Type(fn(&mut SchemaGenerator) -> ErrorSet),
}

impl About {
    /// A method of which no more is known than that.
    pub fn new(name: impl Into<String>, params: ParamsOf, result: Option<SchemaOf>) -> Self {
        Self {
            name: name.into(),
            description: None,
            params,
            result,
            output: None,
            input: None,
            errors: ErrorsOf::Listed(ErrorSet::default()),
            idempotent: false,
            deprecated: false,
            examples: Vec::new(),
        }
    }

    /// Whether it has a stream.
    pub fn has_streams(&self) -> bool {
        self.output.is_some() || self.input.is_some()
    }

    /// Declares one more error.
    pub fn declare(&mut self, declared: DeclaredError) {
        match &mut self.errors {
            ErrorsOf::Listed(ErrorSet::Declared(errors)) => errors.push(declared),
            errors => *errors = ErrorsOf::Listed(ErrorSet::Declared(vec![declared])),
        }
    }

    /// Declares that it relays errors which it does not know.
    pub fn declare_any(&mut self) {
        self.errors = ErrorsOf::Listed(ErrorSet::Any(AnyError::Any));
    }
}

impl Example {
    /// A call with these params, of which nothing more is said yet. Params that are no object stand under the name
    /// `params`, where whoever checks examples finds them.
    pub fn new(name: impl Into<String>, params: Value) -> Self {
        let params = match params {
            Value::Object(params) => params,
            other => Map::from_iter([("params".to_owned(), other)]),
        };
        Self { name: name.into(), params, input: None, output: None, result: None, error: None }
    }

    /// What it returned.
    #[must_use]
    pub fn returns(mut self, result: Value) -> Self {
        self.result = Some(result);
        self
    }

    /// The error that it ended in.
    #[must_use]
    pub fn fails(mut self, code: i64) -> Self {
        self.error = Some(serde_json::json!({ "code": code }));
        self
    }

    /// The items that were sent to it.
    #[must_use]
    pub fn takes(mut self, input: Vec<Value>) -> Self {
        self.input = Some(input);
        self
    }

    /// The items that came.
    #[must_use]
    pub fn gives(mut self, output: Vec<Value>) -> Self {
        self.output = Some(output);
        self
    }

    /// Whether OpenRPC has a place for it: it knows no streams, and no calls that fail.
    pub(super) fn is_pairing(&self) -> bool {
        self.input.is_none() && self.output.is_none() && self.error.is_none()
    }
}
