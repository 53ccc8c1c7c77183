//! A plugin that answers any contract from its examples and schemas. The same call gets the same answer.

use std::sync::Arc;

use plugline_protocol::contract::{
    DeclaredError, Document, ErrorSet, Example, Manifest, Method as Described, Part, Validators, same,
    seed_of,
};
use plugline_protocol::peer::Call;
use plugline_protocol::wire::{Error, ParamFault, Params, error};
use schemars::Schema;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::method::{Method, Notification};
use crate::plugin::Plugin;
use crate::validated::params_fit;

/// So many items has an output of which no example tells.
const ITEMS: u64 = 3;

/// A plugin that provides what a manifest says, and does nothing.
///
/// A call that an example shows gets the example's output, result or error. Any other call with valid params gets values
/// made from the schemas, which the seed, the method and the params decide. Params and input that the schemas do not let
/// through are -32602, a config -32002.
///
/// ```
/// # let text = include_bytes!("../../../protocol/tests/it/contracts/users.json");
/// use plugline_protocol::contract::Manifest;
/// use plugline_sdk::testing::{Harness, mock};
///
/// let users = Harness::new().start(mock(&Manifest::read(text)?, 0))?;
/// let user: serde_json::Value = users.call("users.get_user", &serde_json::json!({"id": "einstein"}))?;
/// assert_eq!(user["username"], "einstein");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn mock(manifest: &Manifest, seed: u64) -> Plugin {
    let document = manifest.document();
    let validators = manifest.validators();
    let info = &document.info;
    let configure = {
        let validators = Arc::clone(validators);
        move |config: &Value| validators.config(config).map_err(|faults| error::invalid_config(&faults))
    };
    let anything = |_: &mut schemars::SchemaGenerator| Schema::default();
    let mut plugin = Plugin::build(info.title.clone(), info.version.clone(), anything, Arc::new(configure));
    for described in &document.methods {
        if described.result.is_some() {
            plugin = plugin.method(method(described, validators, seed));
        } else {
            plugin = plugin.notification(Notification::new(&*described.name, |(), _: Map<String, Value>| ()));
        }
    }
    plugin.provides.clone_from(&document.plugline.provides);
    plugin.declared = Some(Document::clone(document));
    plugin
}

/// What answers a method of the host as [`mock`] answers one of the plugin: for a host that stands in for another.
pub struct MockCallback(Script);

impl MockCallback {
    /// `None` where the manifest has no such host method, or it is a notification.
    pub fn of(manifest: &Manifest, method: &str, seed: u64) -> Option<Self> {
        let described = manifest.document().plugline.host_methods.iter().find(|it| it.name == method)?;
        described.result.as_ref()?;
        Some(Self(Script::new(described, manifest.validators(), seed)))
    }

    /// What is answered to these params.
    ///
    /// # Errors
    /// The error that an example shows; -32602 where the schemas do not let the params through.
    pub fn answer(&self, params: Map<String, Value>, call: &Call) -> Result<Value, Error> {
        self.0.answer(params, call)
    }
}

fn method(described: &Described, validators: &Arc<Validators>, seed: u64) -> Method {
    let script = Arc::new(Script::new(described, validators, seed));
    let check = {
        let (validators, name) = (Arc::clone(validators), described.name.clone());
        move |params: Params<'_>| params_fit(&validators, &name, &params)
    };
    let run = move |(): &(), params: Params<'_>, call: &Call, result: &mut Vec<u8>| {
        result.extend_from_slice(script.play(&params, call)?.get().as_bytes());
        Ok(())
    };
    let mut method = Method::untyped(described.name.clone(), Box::new(check), Box::new(run));
    let anything = |_: &mut schemars::SchemaGenerator| Schema::default();
    method.about.output = described.plugline.output.as_ref().map(|_| anything as _);
    method.about.input = described.plugline.input.as_ref().map(|_| anything as _);
    method
}

/// What a method answers.
struct Script {
    name: String,
    validators: Arc<Validators>,
    errors: Vec<DeclaredError>,
    scenes: Vec<Example>,
    seed: u64,
}

impl Script {
    fn new(described: &Described, validators: &Arc<Validators>, seed: u64) -> Self {
        let errors = match &described.plugline.errors {
            ErrorSet::Declared(errors) => errors.clone(),
            ErrorSet::Any(_) => Vec::new(),
        };
        Self {
            name: described.name.clone(),
            validators: Arc::clone(validators),
            errors,
            scenes: described.all_examples(),
            seed,
        }
    }

    fn play(&self, params: &Params<'_>, call: &Call) -> Result<Box<RawValue>, Error> {
        let result = self.answer(params.decode_open()?, call)?;
        to_raw_value(&result).map_err(|fault| error::internal(fault.to_string()))
    }

    fn answer(&self, given: Map<String, Value>, call: &Call) -> Result<Value, Error> {
        let seed = self.seed ^ seed_of(&format!("{}{}", self.name, Value::Object(given.clone())));
        let given = Value::Object(given);
        self.validators.params(&self.name, &given).map_err(|faults| error::invalid_params(&faults))?;
        let shown = |scene: &&Example| same(&Value::Object(scene.params.clone()), &given);
        let scenes = self.listen(self.scenes.iter().filter(shown).collect(), call)?;
        let scene = scenes.first().copied();
        let output = call.output::<Value>();
        if let Some(output) = &output {
            match scene {
                Some(scene) => scene.output.iter().flatten().try_for_each(|item| output.send(item))?,
                None => {
                    for number in 0..ITEMS {
                        output.send(&self.make(Part::Output, seed.wrapping_add(number))?)?;
                    }
                }
            }
        }
        match scene {
            None => self.make(Part::Result, seed),
            Some(Example { error: Some(error), .. }) => Err(self.error(error, seed)),
            Some(Example { result, .. }) => Ok(result.clone().unwrap_or_default()),
        }
    }

    /// Takes the input, and leaves the examples that show the same.
    fn listen<'a>(&self, mut scenes: Vec<&'a Example>, call: &Call) -> Result<Vec<&'a Example>, Error> {
        let Some(input) = call.input::<Value>() else { return Ok(scenes) };
        let mut count = 0;
        for item in input {
            let item = item?;
            if let Err(faults) = self.validators.input(&self.name, &item) {
                let numbered = faults.into_iter().map(|fault| ParamFault {
                    message: format!("item {count} of the input: {}", fault.message),
                    ..fault
                });
                return Err(error::invalid_params(&numbered.collect::<Vec<_>>()));
            }
            scenes.retain(|scene| {
                scene
                    .input
                    .as_ref()
                    .and_then(|items| items.get(count))
                    .is_some_and(|shown| same(shown, &item))
            });
            count += 1;
        }
        scenes.retain(|scene| scene.input.as_ref().map_or(0, Vec::len) == count);
        Ok(scenes)
    }

    fn error(&self, shown: &Value, seed: u64) -> Error {
        let code = shown.get("code").and_then(Value::as_i64).unwrap_or_default();
        let declared = self.errors.iter().find(|error| error.code == code);
        let message = shown.get("message").and_then(Value::as_str);
        let message =
            message.or(declared.map(|error| error.message.as_str())).unwrap_or("as the example shows");
        let made = || self.validators.make(&self.name, Part::ErrorData(code), seed);
        error::application(code, message, shown.get("data").cloned().or_else(made))
    }

    fn make(&self, part: Part, seed: u64) -> Result<Value, Error> {
        self.validators.make(&self.name, part, seed).ok_or_else(|| {
            let what = if part == Part::Output { "an item of its output" } else { "a result" };
            error::internal(format!(
                "the mock cannot make {what} from the schema: give an example of this call"
            ))
        })
    }
}
