//! Holding a running plugin to its manifest. Each example runs in a process of its own: it has to hold from the config
//! that a user begins with, not after whatever ran before.

use std::time::Duration;

use plugline_host::{Call, CallOptions, Error, Launch, Plugin};
use plugline_protocol::contract::{
    Document, ErrorSet, Example, Fault, Manifest, Method, Part, ValueFaults, same, seed_of,
};
use plugline_protocol::wire::ErrorCode;
use plugline_sdk::testing::MockCallback;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// Of a value that is shown, so many characters are.
const SHOWN: usize = 200;
/// Of an output of which an example does not tell, so many items are looked at.
const ITEMS: usize = 1000;

/// A plugin, its manifest, and how it is tried.
pub(super) struct Trial<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) launch: &'a dyn Fn() -> Result<Launch, Failure>,
    pub(super) timeout: Duration,
    pub(super) generate: u32,
    pub(super) seed: u64,
}

/// How much was tried.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub(super) examples: usize,
    pub(super) refusals: usize,
    pub(super) generated: usize,
}

/// How a call ended, and what came before.
struct Called {
    output: Vec<Value>,
    outcome: Result<Value, Error>,
}

impl Trial<'_> {
    /// All that does not hold.
    pub(super) fn run(&self) -> Result<(Vec<Fault>, Ran), Failure> {
        let (mut faults, mut ran) = (Vec::new(), Ran::default());
        let document = self.manifest.document();
        self.handshake(document, &mut faults)?;
        for (index, method) in document.methods.iter().enumerate() {
            let at = format!("/methods/{index}");
            let openrpc = method.examples.len();
            for (number, example) in method.all_examples().iter().enumerate() {
                let at = match number.checked_sub(openrpc) {
                    None => format!("{at}/examples/{number}"),
                    Some(number) => format!("{at}/x-plugline/examples/{number}"),
                };
                self.example(&at, method, example, &mut faults)?;
                ran.examples += 1;
            }
            if method.result.is_some() {
                ran.refusals += self.refusals(&at, method, &mut faults)?;
                ran.generated += self.generated(&at, method, &mut faults)?;
            }
        }
        Ok((faults, ran))
    }

    /// A process of its own, whose callbacks are answered from the manifest's examples and schemas.
    fn start(&self) -> Result<Plugin, Failure> {
        let mut launch = (self.launch)()?;
        for method in &self.manifest.document().plugline.host_methods {
            launch = match MockCallback::of(self.manifest, &method.name, self.seed) {
                Some(mock) => launch
                    .callback(&*method.name, move |params: Map<String, Value>, call: &Call| {
                        mock.answer(params, call)
                    }),
                None => launch.on_notification(&*method.name, |_: Map<String, Value>| ()),
            };
        }
        Ok(launch.start()?)
    }

    fn handshake(&self, document: &Document, faults: &mut Vec<Fault>) -> Result<(), Failure> {
        let plugin = self.start()?;
        let hello = plugin.hello();
        let mut differs = |at: &str, member: &str, said: Value, declared: Value| {
            if !same(&said, &declared) {
                let what = format!(
                    "the handshake says {member} {}, and the manifest {}",
                    shown(&said),
                    shown(&declared)
                );
                faults.push(fault(at, "CONTRACT-11", what, "let both say the same"));
            }
        };
        differs("/info/title", "name", json!(hello.plugin.name), json!(document.info.title));
        differs("/info/version", "version", json!(hello.plugin.version), json!(document.info.version));
        differs("/x-plugline/provides", "provides", json!(hello.provides), json!(document.plugline.provides));
        match plugin.discover() {
            Ok(later) if later == *document => {}
            Ok(_) => {
                let what = "after the handshake the plugin answers rpc.discover otherwise than before it";
                faults.push(fault("", "LIFE-4", what.to_owned(), "answer the same at any time"));
            }
            Err(error) => {
                faults.push(fault("", "LIFE-4", error.to_string(), "answer rpc.discover at any time"))
            }
        }
        plugin.stop();
        Ok(())
    }

    fn call(&self, plugin: &Plugin, method: &Method, params: &Map<String, Value>, input: &[Value]) -> Called {
        let options = CallOptions::timeout(self.timeout);
        let extension = &method.plugline;
        if extension.output.is_none() && extension.input.is_none() {
            let outcome = plugin.begin(&method.name, params, options).and_then(|call| call.wait());
            return Called { output: Vec::new(), outcome };
        }
        let mut output = Vec::new();
        if extension.input.is_none() {
            let outcome =
                plugin.stream::<Value, Value>(&method.name, params, options).and_then(|mut items| {
                    for item in items.by_ref().take(ITEMS) {
                        output.push(item?);
                    }
                    if output.len() < ITEMS { items.finish() } else { Ok(Value::Null) }
                });
            return Called { output, outcome };
        }
        let outcome = plugin
            .stream_with_input::<Value, Value, Value>(&method.name, params, options)
            .and_then(|(sender, mut items)| {
                std::thread::scope(|scope| {
                    // Who has enough answers before; the call says what came of it.
                    scope.spawn(move || {
                        input.iter().try_for_each(|item| sender.send(item)).and_then(|()| sender.finish())
                    });
                    for item in items.by_ref() {
                        output.push(item?);
                    }
                    items.finish()
                })
            });
        Called { output, outcome }
    }

    fn example(
        &self,
        at: &str,
        method: &Method,
        example: &Example,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Failure> {
        let plugin = self.start()?;
        let mut tell = |what: String| {
            let what = format!("example {:?} does not hold: {what}", example.name);
            faults.push(fault(
                at,
                "CONTRACT-9",
                what,
                "let the example say what the plugin does, or mend the plugin",
            ));
        };
        if method.result.is_none() {
            // Notifications are handled before a request that follows them, so that it would be seen if it died.
            let told = plugin.notify(&method.name, &example.params).and_then(|()| plugin.ping().map(drop));
            if let Err(error) = told {
                tell(error.to_string());
            }
            plugin.stop();
            return Ok(());
        }
        let input = example.input.as_deref().unwrap_or_default();
        let Called { output, outcome } = self.call(&plugin, method, &example.params, input);
        plugin.stop();
        if let Some(expected) = &example.output {
            let expected = Value::Array(expected.clone());
            let output = Value::Array(output.clone());
            if !same(&expected, &output) {
                tell(format!("it shows output {}, and {} came", shown(&expected), shown(&output)));
            }
        }
        match (&outcome, &example.error) {
            (Ok(result), None) => {
                if let Some(expected) = example.result.as_ref().filter(|expected| !same(expected, result)) {
                    tell(format!("it shows the result {}, and {} came", shown(expected), shown(result)));
                }
            }
            (Ok(result), Some(expected)) => {
                tell(format!(
                    "it shows the error {}, and the result {} came",
                    shown(expected),
                    shown(result)
                ));
            }
            (Err(error), None) => tell(error.to_string()),
            (Err(error), Some(expected)) => match error.remote() {
                None => tell(error.to_string()),
                Some(remote) => {
                    let came =
                        json!({"code": remote.code.code(), "message": remote.message, "data": remote.data});
                    let shows = expected.as_object().into_iter().flatten();
                    if shows
                        .into_iter()
                        .any(|(member, value)| !came.get(member).is_some_and(|it| same(value, it)))
                    {
                        tell(format!("it shows the error {}, and {} came", shown(expected), shown(&came)));
                    }
                }
            },
        }
        self.declared(at, method, &Called { output, outcome }, faults);
        Ok(())
    }

    /// Whether what came is what the schemas say, whatever was called.
    fn declared(&self, at: &str, method: &Method, called: &Called, faults: &mut Vec<Fault>) {
        let validators = self.manifest.validators();
        let mut held = |what: &str, seen: Result<(), ValueFaults>| {
            for it in seen.err().into_iter().flatten() {
                let place = if it.path.is_empty() { String::new() } else { format!(" at {}", it.path) };
                let what = format!(
                    "{} gives {what} that its manifest does not say{place}: {}",
                    method.name, it.message
                );
                faults.push(fault(at, "CONTRACT-11", what, "mend the schema, or the plugin"));
            }
        };
        for item in &called.output {
            held("an item", validators.output(&method.name, item));
        }
        match &called.outcome {
            Ok(result) => held("a result", validators.result(&method.name, result)),
            Err(error) => {
                if let Some(remote) = error.remote() {
                    let code = remote.code.code();
                    held("an error", validators.error(&method.name, code, remote.data.as_ref()));
                }
            }
        }
    }

    /// Params that it has to refuse: one that is unknown, and each that is required left out.
    fn refusals(&self, at: &str, method: &Method, faults: &mut Vec<Fault>) -> Result<usize, Failure> {
        let whole = method.all_examples().first().map(|example| example.params.clone());
        let made = || self.manifest.validators().make(&method.name, Part::Params, self.seed);
        let Some(whole) = whole.or_else(|| made()?.as_object().cloned()) else { return Ok(0) };
        let mut unknown = whole.clone();
        unknown.insert("noSuchParam".to_owned(), Value::Null);
        let mut wrong = vec![("a param that it does not have".to_owned(), unknown)];
        for param in method.params.iter().filter(|param| param.required) {
            let mut less = whole.clone();
            less.remove(&param.name);
            wrong.push((format!("no {:?}, which is required,", param.name), less));
        }
        let plugin = self.start()?;
        let count = wrong.len();
        for (what, params) in wrong {
            let called = self.call(&plugin, method, &params, &[]);
            let refused = matches!(&called.outcome, Err(error)
                if error.remote().is_some_and(|remote| remote.code == ErrorCode::InvalidParams));
            if !refused {
                let came = match &called.outcome {
                    Ok(result) => format!("the result {} came", shown(result)),
                    Err(error) => error.to_string(),
                };
                let what =
                    format!("{} was called with {what} and did not answer -32602: {came}", method.name);
                faults.push(fault(
                    at,
                    "MSG-38",
                    what,
                    "refuse params that the manifest does not let through",
                ));
            }
        }
        plugin.stop();
        Ok(count)
    }

    /// Made-up params, which it has to take.
    fn generated(&self, at: &str, method: &Method, faults: &mut Vec<Fault>) -> Result<usize, Failure> {
        if self.generate == 0 {
            return Ok(0);
        }
        let plugin = self.start()?;
        let validators = self.manifest.validators();
        let mut count = 0;
        for number in 0..self.generate {
            let seed = self.seed ^ seed_of(&format!("{} {number}", method.name));
            let params = validators.make(&method.name, Part::Params, seed);
            let Some(Value::Object(params)) = params else { continue };
            let item = |item: u64| validators.make(&method.name, Part::Input, seed.wrapping_add(item));
            let input: Vec<Value> = (0..3).filter_map(item).collect();
            let called = self.call(&plugin, method, &params, &input);
            count += 1;
            match &called.outcome {
                Err(error) if error.remote().is_none() => {
                    let what = format!("called with {}: {error}", shown(&Value::Object(params)));
                    faults.push(fault(at, "CONTRACT-11", what, "mend the plugin"));
                    break;
                }
                Err(error) if error.remote().is_some_and(|it| it.code == ErrorCode::InvalidParams) => {
                    let params = shown(&Value::Object(params));
                    let what =
                        format!("{} refuses {params}, which its schemas let through: {error}", method.name);
                    faults.push(fault(at, "CONTRACT-11", what, "say in the schema what is refused"));
                }
                // One that declares `any` relays what its callbacks were answered, such an error too.
                Err(error)
                    if error.remote().is_some_and(|it| it.code == ErrorCode::InternalError)
                        && matches!(method.plugline.errors, ErrorSet::Declared(_)) =>
                {
                    let params = shown(&Value::Object(params));
                    let what = format!("{} cannot be called with {params}: {error}", method.name);
                    let remedy = "let the handler return a result, or an error that the contract declares";
                    faults.push(fault(at, "ERR-4", what, remedy));
                }
                _ => self.declared(at, method, &called, faults),
            }
        }
        plugin.stop();
        Ok(count)
    }
}

fn fault(at: &str, rule: &'static str, what: String, remedy: &str) -> Fault {
    Fault { at: at.to_owned(), rule, what, remedy: remedy.to_owned() }
}

fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    if let Some((at, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(at);
        text.push('…');
    }
    text
}
