//! The manifest: an OpenRPC 1.3.2 document kept to the protocol's profile (`CONTRACT-*`). What OpenRPC
//! cannot say stands under `x-plugline`. Members that this model does not name are kept as they came.

use schemars::Schema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::normalise;
use crate::lifecycle::Provided;

/// The version of OpenRPC that manifests are written in.
pub const OPENRPC_VERSION: &str = "1.3.2";

/// A manifest: the answer to `rpc.discover`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The version of OpenRPC.
    pub openrpc: String,
    /// Name and version of the plugin.
    pub info: Info,
    /// Every method it serves.
    pub methods: Vec<Method>,
    /// Schemas that several methods share.
    #[serde(default)]
    pub components: Components,
    /// What OpenRPC cannot say of a plugin.
    #[serde(rename = "x-plugline", default)]
    pub plugline: RootExtension,
    /// Other members.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A document, read where what breaks a rule can still be shown: its references to content descriptors, errors and
/// examples are replaced by what they point at, as OpenRPC lets them stand for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved(pub Document);

impl<'de> Deserialize<'de> for Resolved {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What leads nowhere stays, and is no descriptor.
        let mut _leads_nowhere = Vec::new();
        let value = normalise::inlined(Value::deserialize(deserializer)?, &mut _leads_nowhere);
        Document::deserialize(value).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Name and version of a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// The plugin's name.
    pub title: String,
    /// The plugin's version, by semver.
    pub version: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Other members.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A method or, without a result, a notification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Method {
    /// `<contract>.<method>`.
    pub name: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Always by name.
    #[serde(default)]
    pub param_structure: ParamStructure,
    /// What it takes; the required ones first.
    pub params: Vec<ContentDescriptor>,
    /// What it returns; a notification has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ContentDescriptor>,
    /// The errors that the contract names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<WireError>,
    /// Calls that were really made, with what they returned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<ExamplePairing>,
    /// What OpenRPC cannot say of a method.
    #[serde(rename = "x-plugline", default, skip_serializing_if = "MethodExtension::is_empty")]
    pub plugline: MethodExtension,
    /// Other members.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Method {
    /// Whether it is on its way out, as OpenRPC says that.
    pub fn is_deprecated(&self) -> bool {
        is_deprecated(&self.other)
    }

    /// Says that it is on its way out.
    pub fn deprecate(&mut self) {
        self.other.insert(DEPRECATED.to_owned(), true.into());
    }

    /// Every real call of it, those of OpenRPC and those of `x-plugline`, in one form.
    pub fn all_examples(&self) -> Vec<Example> {
        let pairings = self.examples.iter().map(|pairing| Example {
            name: pairing.name.clone(),
            params: pairing.params.iter().map(|param| (param.name.clone(), param.value.clone())).collect(),
            input: None,
            output: None,
            result: pairing.result.as_ref().map(|result| result.value.clone()),
            error: None,
        });
        pairings.chain(self.plugline.examples.iter().cloned()).collect()
    }

    /// Adds a real call, where OpenRPC has a place for it or where `x-plugline` has.
    pub fn add_example(&mut self, example: &Example) {
        if !example.is_pairing() {
            self.plugline.examples.push(example.clone());
            return;
        }
        let value = |name: &str, value: &Value| ExampleValue { name: name.to_owned(), value: value.clone() };
        let given = |param: &ContentDescriptor| Some(value(&param.name, example.params.get(&param.name)?));
        let name = self.result.as_ref().map_or(RESULT, |result| &result.name);
        let result = example.result.as_ref().map(|result| value(name, result));
        let params = self.params.iter().filter_map(given).collect();
        self.examples.push(ExamplePairing { name: example.name.clone(), params, result });
    }
}

/// The member by which OpenRPC says that something is on its way out.
pub(super) const DEPRECATED: &str = "deprecated";

fn is_deprecated(other: &Map<String, Value>) -> bool {
    other.get(DEPRECATED) == Some(&Value::Bool(true))
}

/// What results are called, where nobody says.
pub(super) const RESULT: &str = "result";

/// How params travel. The protocol has one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParamStructure {
    /// As an object.
    #[default]
    #[serde(rename = "by-name")]
    ByName,
}

/// A param or a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContentDescriptor {
    /// Its name; of a param, the member in the params object.
    pub name: String,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a call must have it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// What it may be: JSON Schema draft-07.
    pub schema: Schema,
    /// Other members.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ContentDescriptor {
    /// Whether it is on its way out, as OpenRPC says that.
    pub fn is_deprecated(&self) -> bool {
        is_deprecated(&self.other)
    }
}

/// An error as OpenRPC lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireError {
    /// The code on the wire.
    pub code: i64,
    /// What it says, for people.
    pub message: String,
}

/// A real call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExamplePairing {
    /// What it shows.
    pub name: String,
    /// One value a param, in the order of the params.
    pub params: Vec<ExampleValue>,
    /// What came back; a notification's has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ExampleValue>,
}

/// A value in an [`ExamplePairing`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExampleValue {
    /// The param's or result's name.
    pub name: String,
    /// The value.
    pub value: Value,
}

/// Schemas by name, at which `#/components/schemas/NAME` points.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Components {
    /// The schemas.
    #[serde(default)]
    pub schemas: Map<String, Value>,
    /// Other members.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// `x-plugline` at the root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RootExtension {
    /// The protocol versions that the plugin speaks.
    #[serde(default)]
    pub protocol: Vec<u32>,
    /// The contracts it provides.
    #[serde(default)]
    pub provides: Vec<Provided>,
    /// The contracts that it wants its host to provide.
    #[serde(default)]
    pub requires: Vec<RequiredContract>,
    /// What its config may be: JSON Schema draft-07.
    #[serde(default = "anything")]
    pub config: Schema,
    /// The methods of the host that it may call.
    #[serde(default)]
    pub host_methods: Vec<Method>,
    /// Whether several processes may serve at once.
    #[serde(default)]
    pub instances: Instances,
}

impl Default for RootExtension {
    fn default() -> Self {
        Self {
            protocol: Vec::new(),
            provides: Vec::new(),
            requires: Vec::new(),
            config: anything(),
            host_methods: Vec::new(),
            instances: Instances::One,
        }
    }
}

fn anything() -> Schema {
    Schema::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// A contract that a plugin wants its host to provide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequiredContract {
    /// The name of the contract.
    pub contract: String,
    /// Its version, by semver.
    pub version: String,
}

/// Whether several processes of a plugin may serve at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Instances {
    /// One at a time.
    #[default]
    One,
    /// As many as the host likes.
    Many,
}

/// `x-plugline` at a method.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodExtension {
    /// What an item of the output stream may be, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Schema>,
    /// What an item of the input stream may be, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Schema>,
    /// The errors that the contract names.
    #[serde(default, skip_serializing_if = "ErrorSet::is_empty")]
    pub errors: ErrorSet,
    /// Whether a second call does no more than the first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub idempotent: bool,
    /// Examples of streams and of errors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

impl MethodExtension {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The errors that a method may answer besides the protocol's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ErrorSet {
    /// These.
    Declared(Vec<DeclaredError>),
    /// The text `any`: the method relays errors that it does not know.
    Any(AnyError),
}

/// The one text that an [`ErrorSet`] may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnyError {
    /// `"any"`.
    #[serde(rename = "any")]
    Any,
}

impl ErrorSet {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Declared(errors) if errors.is_empty())
    }
}

impl Default for ErrorSet {
    fn default() -> Self {
        Self::Declared(Vec::new())
    }
}

/// An error that a contract names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeclaredError {
    /// The code on the wire; outside -32768 … -32000.
    pub code: i64,
    /// A name for programs.
    pub name: String,
    /// What it says, for people.
    pub message: String,
    /// What its data may be, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Schema>,
}

/// A real call with a stream or an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// What it shows.
    pub name: String,
    /// The params object.
    pub params: Map<String, Value>,
    /// What was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Vec<Value>>,
    /// What came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Vec<Value>>,
    /// What it returned, `null` included.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Or which error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
}

/// What is there, and be it `null`.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_survives_reading_and_writing() {
        let text = r##"{"openrpc":"1.3.2","info":{"title":"t","version":"0.1.0","license":{"name":"MIT"}},
            "methods":[{"name":"a.b","paramStructure":"by-name","params":[
                {"name":"x","required":true,"schema":{"$ref":"#/components/schemas/X"}}],
                "result":{"name":"r","schema":true},"errors":[{"code":1,"message":"m"}],
                "x-plugline":{"errors":"any","idempotent":true,
                    "examples":[{"name":"null is a result","params":{"x":1},"output":[1],"result":null}]}}],
            "components":{"schemas":{"X":{"type":"integer"}}},
            "x-plugline":{"protocol":[1],"provides":[{"contract":"a","version":"1.0.0"}],"requires":[],
                "config":{"type":"object"},"hostMethods":[],"instances":"many"}}"##;
        let document: Document = serde_json::from_str(text).unwrap();
        assert_eq!(document.plugline.instances, Instances::Many);
        assert_eq!(document.methods[0].plugline.errors, ErrorSet::Any(AnyError::Any));
        let again = serde_json::to_value(&document).unwrap();
        let wanted: Value = serde_json::from_str(text).unwrap();
        assert_eq!(again, wanted);
    }
}
