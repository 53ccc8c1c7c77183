//! Checking values against a manifest: params, results, the items of streams, the data of errors, the config.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::cost::{self, Cost, Shared};
use super::document::{Document, ErrorSet, Method};
use super::engine::{self, Formats, Schemas};
use super::fault::{Fault, Faults};
use super::generate;
use super::{places, stack, write_only};
use crate::wire::ParamFault;

/// The codes of JSON-RPC and of the protocol, which no contract declares (`ERR-6`).
const RESERVED: RangeInclusive<i64> = -32768..=-32000;

/// With so many shared schemas no way through them is long.
const SHARED_ON_ANY_STACK: usize = 64;

/// The schemas of a manifest, compiled.
#[derive(Debug)]
pub struct Validators {
    methods: HashMap<String, OfMethod>,
    config: Checked,
    shared: Map<String, Value>,
    /// How many states each pattern has.
    patterns: HashMap<String, u64>,
}

/// What is wrong is said in full where the check took no more steps than this: to find all that is wrong takes far
/// longer than to find that something is.
const STEPS_TOLD: u64 = 100_000;

#[derive(Debug)]
struct OfMethod {
    params: Checked,
    /// None for a notification.
    result: Option<Checked>,
    output: Option<Checked>,
    input: Option<Checked>,
    errors: Errors,
}

#[derive(Debug)]
enum Errors {
    Any,
    /// The data of each, by its code.
    Declared(HashMap<i64, Option<Checked>>),
}

/// A schema, and what it was compiled to.
#[derive(Debug)]
struct Checked {
    schema: Value,
    validator: Validator,
    /// Whether some of what it describes may be `writeOnly`.
    hides: bool,
}

/// A part of a method that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The params.
    Params,
    /// The result; of a stream, the summary.
    Result,
    /// An item of its output.
    Output,
    /// An item of its input.
    Input,
    /// The data of an error, by its code.
    ErrorData(i64),
}

/// Why a value was not accepted: what is wrong with it, and where.
pub type ValueFaults = Vec<ParamFault>;

impl Validators {
    /// Compiles the schemas of a document.
    ///
    /// # Errors
    /// Those that cannot be compiled. Of a document that was [checked](super::Manifest), all can.
    pub fn new(document: &Document) -> Result<Self, Faults> {
        if document.components.schemas.len() <= SHARED_ON_ANY_STACK {
            return Self::compiled(document);
        }
        // The library goes from one schema to the next, and a long way needs more stack than a thread may have.
        let cannot =
            || Fault::new("", "CONTRACT-3", "there is no room to compile its schemas", "use fewer schemas");
        stack::with_room(|| Self::compiled(document)).ok_or_else(cannot)?
    }

    fn compiled(document: &Document) -> Result<Self, Faults> {
        let mut compiler = Compiler::new(document)?;
        let mut methods = HashMap::new();
        let lists =
            [("/methods", &document.methods), ("/x-plugline/hostMethods", &document.plugline.host_methods)];
        for (list, described) in lists {
            for (index, method) in described.iter().enumerate() {
                if let Some(compiled) = compiler.method(list, index, method) {
                    methods.insert(method.name.clone(), compiled);
                }
            }
        }
        let config = compiler.schema("/x-plugline/config");
        Faults::none_or(compiler.faults)?;
        let config = config.expect("a schema that cannot be compiled is a fault");
        let all = places::all_schemas(&compiler.document);
        let patterns = cost::patterns(all.into_iter().map(|(_, schema)| schema));
        Ok(Self { methods, config, shared: document.components.schemas.clone(), patterns })
    }

    /// Checks the params of a method or notification. `_meta` is the protocol's, and is left out (`MSG-17`).
    ///
    /// # Errors
    /// What is wrong, each with a JSON Pointer from the params. A method that is not declared is one fault.
    pub fn params(&self, method: &str, params: &Value) -> Result<(), ValueFaults> {
        let stripped;
        let params = match params {
            Value::Object(members) if members.contains_key("_meta") => {
                let mut members = members.clone();
                members.remove("_meta");
                stripped = Value::Object(members);
                &stripped
            }
            params => params,
        };
        self.check(&self.method(method)?.params, params)
    }

    /// Checks what a method returned; of a stream, the summary.
    ///
    /// # Errors
    /// What is wrong, each with a JSON Pointer from the result.
    pub fn result(&self, method: &str, result: &Value) -> Result<(), ValueFaults> {
        match &self.method(method)?.result {
            Some(schema) => self.check(schema, result),
            None => fault("it is a notification, which has no result"),
        }
    }

    /// Checks an item of a method's output stream.
    ///
    /// # Errors
    /// What is wrong, each with a JSON Pointer from the item.
    pub fn output(&self, method: &str, item: &Value) -> Result<(), ValueFaults> {
        match &self.method(method)?.output {
            Some(schema) => self.check(schema, item),
            None => fault("the method has no output stream"),
        }
    }

    /// Checks an item of a method's input stream.
    ///
    /// # Errors
    /// What is wrong, each with a JSON Pointer from the item.
    pub fn input(&self, method: &str, item: &Value) -> Result<(), ValueFaults> {
        match &self.method(method)?.input {
            Some(schema) => self.check(schema, item),
            None => fault("the method has no input stream"),
        }
    }

    /// Checks an error that a method answered. The codes of JSON-RPC and of the protocol are always there to be
    /// answered.
    ///
    /// # Errors
    /// That the error is not declared, or what is wrong with its data.
    pub fn error(&self, method: &str, code: i64, data: Option<&Value>) -> Result<(), ValueFaults> {
        self.error_code(method, code)?;
        match &self.method(method)?.errors {
            Errors::Declared(declared) => match declared.get(&code) {
                Some(Some(schema)) => self.check(schema, data.unwrap_or(&Value::Null)),
                Some(None) | None => Ok(()),
            },
            Errors::Any => Ok(()),
        }
    }

    /// Checks that a method may answer an error of that code, whatever its data.
    ///
    /// # Errors
    /// That it is not declared.
    pub fn error_code(&self, method: &str, code: i64) -> Result<(), ValueFaults> {
        match &self.method(method)?.errors {
            Errors::Declared(declared) if !RESERVED.contains(&code) && !declared.contains_key(&code) => {
                fault(&format!("error {code} is not among those that the method declares"))
            }
            Errors::Declared(_) | Errors::Any => Ok(()),
        }
    }

    /// Checks the config of the plugin.
    ///
    /// # Errors
    /// What is wrong, each with a JSON Pointer from the config.
    pub fn config(&self, config: &Value) -> Result<(), ValueFaults> {
        self.check(&self.config, config)
    }

    /// Makes a value from the schema of a part of a method; the same seed makes the same one. `None` where there is no
    /// such part, or nothing is found that its schema lets through.
    pub fn make(&self, method: &str, part: Part, seed: u64) -> Option<Value> {
        let checked = self.part(method, part)?;
        generate::value(&checked.schema, &self.shared, seed, |value| self.check(checked, value).is_ok())
    }

    /// Where in a value, which is that part of a method, stands what is `writeOnly` by its schema, and so is not to be
    /// shown: JSON Pointers.
    pub fn hidden(&self, method: &str, part: Part, value: &Value) -> BTreeSet<String> {
        self.part(method, part).map(|checked| self.hidden_by(checked, value)).unwrap_or_default()
    }

    /// Where in a config stands what is `writeOnly` by its schema: JSON Pointers.
    pub fn hidden_config(&self, config: &Value) -> BTreeSet<String> {
        self.hidden_by(&self.config, config)
    }

    /// Whether anything that a method takes or gives may be `writeOnly`.
    pub fn hides(&self, method: &str) -> bool {
        self.methods.get(method).is_some_and(OfMethod::hides)
    }

    /// The same of any method.
    pub fn hides_any(&self) -> bool {
        self.methods.values().any(OfMethod::hides)
    }

    fn hidden_by(&self, checked: &Checked, value: &Value) -> BTreeSet<String> {
        if checked.hides { write_only::places(&checked.schema, value, &self.shared) } else { BTreeSet::new() }
    }

    fn part(&self, method: &str, part: Part) -> Option<&Checked> {
        self.methods.get(method)?.part(part)
    }

    /// Whether that method is declared, host methods included.
    pub fn has(&self, method: &str) -> bool {
        self.methods.contains_key(method)
    }

    fn method(&self, method: &str) -> Result<&OfMethod, ValueFaults> {
        self.methods.get(method).ok_or_else(|| {
            vec![ParamFault { path: String::new(), message: format!("the manifest declares no {method:?}") }]
        })
    }

    /// How many steps the check of a part of a method takes; nothing where there is no such part.
    pub(crate) fn steps(&self, method: &str, part: Part, value: &Value) -> u64 {
        let checked = self.methods.get(method).and_then(|method| method.part(part));
        let Some(checked) = checked else { return 0 };
        match self.cost(checked, value) {
            Cost::Bearable(steps) => steps,
            // No document is so long that it could be both deep and cheap.
            Cost::Deep | Cost::TooMuch => cost::MOST,
        }
    }

    fn cost(&self, checked: &Checked, value: &Value) -> Cost {
        cost::of(&checked.schema, value, &self.reached(), cost::SHALLOW)
    }

    fn reached(&self) -> Shared<'_> {
        Shared { schemas: &self.shared, patterns: &self.patterns }
    }

    fn check(&self, checked: &Checked, value: &Value) -> Result<(), ValueFaults> {
        match self.cost(checked, value) {
            Cost::Bearable(steps) => checked.check(value, steps),
            Cost::TooMuch => too_much(),
            Cost::Deep => {
                stack::with_room(|| match cost::of(&checked.schema, value, &self.reached(), usize::MAX) {
                    Cost::Bearable(steps) => checked.check(value, steps),
                    Cost::Deep | Cost::TooMuch => too_much(),
                })
                .unwrap_or_else(|| fault("there is no room to check it: it is too deep"))
            }
        }
    }
}

impl OfMethod {
    fn hides(&self) -> bool {
        let data = match &self.errors {
            Errors::Any => None,
            Errors::Declared(declared) => Some(declared.values().flatten()),
        };
        let parts = [Some(&self.params), self.result.as_ref(), self.output.as_ref(), self.input.as_ref()];
        parts.into_iter().flatten().chain(data.into_iter().flatten()).any(|checked| checked.hides)
    }

    fn part(&self, part: Part) -> Option<&Checked> {
        match part {
            Part::Params => Some(&self.params),
            Part::Result => self.result.as_ref(),
            Part::Output => self.output.as_ref(),
            Part::Input => self.input.as_ref(),
            Part::ErrorData(code) => match &self.errors {
                Errors::Declared(declared) => declared.get(&code)?.as_ref(),
                Errors::Any => None,
            },
        }
    }
}

impl Checked {
    fn check(&self, value: &Value, steps: u64) -> Result<(), ValueFaults> {
        if self.validator.is_valid(value) {
            Ok(())
        } else if steps <= STEPS_TOLD {
            Err(engine::faults(&self.validator, value))
        } else {
            fault("it is not what its schema says, and to say where would take too long")
        }
    }
}

fn too_much() -> Result<(), ValueFaults> {
    fault(
        "to check it would take too long: the schema has too many alternatives at every level, or a pattern too large \
         for so long a text",
    )
}

fn fault(message: &str) -> Result<(), ValueFaults> {
    Err(vec![ParamFault { path: String::new(), message: message.to_owned() }])
}

/// Compiles the schemas of a document where they stand in it, so that none is copied for another.
struct Compiler {
    schemas: Schemas,
    document: Value,
    /// Whether a shared schema, to which any other may point, is `writeOnly` somewhere.
    shared_hide: bool,
    faults: Vec<Fault>,
}

impl Compiler {
    fn new(document: &Document) -> Result<Self, Faults> {
        let cannot =
            |fault: String| Fault::new("", "CONTRACT-3", fault, "write its schemas as draft-07 has them");
        let mut value = serde_json::to_value(document).map_err(|fault| cannot(fault.to_string()))?;
        // The params of a method are one object on the wire, and none in the document.
        let lists = [("methods", &document.methods), ("hostMethods", &document.plugline.host_methods)];
        let mut objects = Map::new();
        for (list, methods) in lists {
            for (index, method) in methods.iter().enumerate() {
                objects.insert(format!("{list}-{index}"), params_schema(method));
            }
        }
        if let Some(members) = value.as_object_mut() {
            members.insert("definitions".to_owned(), Value::Object(objects));
        }
        let schemas = Schemas::new(value.clone()).map_err(cannot)?;
        let shared_hide = document.components.schemas.values().any(write_only::is_said);
        Ok(Self { schemas, document: value, shared_hide, faults: Vec::new() })
    }

    fn method(&mut self, list: &str, index: usize, method: &Method) -> Option<OfMethod> {
        let at = format!("{list}/{index}");
        let name = list.rsplit('/').next().unwrap_or_default();
        let params = self.schema(&format!("/definitions/{name}-{index}"))?;
        let result = self.optional(&format!("{at}/result/schema"), method.result.is_some())?;
        let extension = &method.plugline;
        let output = self.optional(&format!("{at}/x-plugline/output"), extension.output.is_some())?;
        let input = self.optional(&format!("{at}/x-plugline/input"), extension.input.is_some())?;
        let errors = match &extension.errors {
            ErrorSet::Any(_) => Errors::Any,
            ErrorSet::Declared(declared) => {
                let mut codes = HashMap::new();
                for (index, error) in declared.iter().enumerate() {
                    let data = format!("{at}/x-plugline/errors/{index}/data");
                    codes.insert(error.code, self.optional(&data, error.data.is_some())?);
                }
                Errors::Declared(codes)
            }
        };
        Some(OfMethod { params, result, output, input, errors })
    }

    #[expect(clippy::option_option, reason = "whether it could be compiled, and whether it is there")]
    fn optional(&mut self, at: &str, is_there: bool) -> Option<Option<Checked>> {
        if is_there { self.schema(at).map(Some) } else { Some(None) }
    }

    fn schema(&mut self, at: &str) -> Option<Checked> {
        match self.schemas.compile(at, Formats::Checked) {
            Ok(validator) => {
                let schema = self.document.pointer(at).cloned().unwrap_or_default();
                let hides = self.shared_hide || write_only::is_said(&schema);
                Some(Checked { schema, validator, hides })
            }
            Err(fault) => {
                let what = format!("the schema cannot be compiled: {fault}");
                self.faults.push(Fault::new(at, "CONTRACT-3", what, "write it as draft-07 has it"));
                None
            }
        }
    }
}

/// The params of a method as one object, closed (`MSG-38`).
pub fn params_schema(method: &Method) -> Value {
    let properties: Map<String, Value> =
        method.params.iter().map(|param| (param.name.clone(), param.schema.as_value().clone())).collect();
    let required: Vec<&str> =
        method.params.iter().filter(|param| param.required).map(|param| param.name.as_str()).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}
