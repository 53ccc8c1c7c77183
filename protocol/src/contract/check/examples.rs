//! Whether a document's examples fit what it declares (`CONTRACT-7` to `CONTRACT-9`, `CONTRACT-20`). That they hold
//! when they are run, only running shows.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::contract::cost::MOST;
use crate::contract::document::{Document, Example, ExamplePairing, Method};
use crate::contract::fault::Fault;
use crate::contract::values::{Part, Validators, ValueFaults};

/// To say what is wrong with examples takes far longer than to find that they are right: no more is said once those that
/// are wrong took so many steps.
const STEPS_TOLD: u64 = 200_000;

pub(crate) fn check(document: &Document, validators: &Validators) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut spent = Spent::default();
    let lists =
        [("/methods", &document.methods), ("/x-plugline/hostMethods", &document.plugline.host_methods)];
    for (list, methods) in lists {
        for (index, method) in methods.iter().enumerate() {
            let order =
                method.params.iter().enumerate().map(|(place, param)| (param.name.as_str(), place)).collect();
            let (at, faults, spent) = (format!("{list}/{index}"), &mut faults, &mut spent);
            let mut check = Check { at, method, order, validators, spent, faults };
            for (index, pairing) in method.examples.iter().enumerate() {
                check.pairing(&format!("/examples/{index}"), pairing);
            }
            for (index, example) in method.plugline.examples.iter().enumerate() {
                check.example(&format!("/x-plugline/examples/{index}"), example);
            }
        }
    }
    faults
}

struct Check<'a> {
    at: String,
    method: &'a Method,
    /// At which place each param stands.
    order: HashMap<&'a str, usize>,
    validators: &'a Validators,
    spent: &'a mut Spent,
    faults: &'a mut Vec<Fault>,
}

/// How many steps the examples of a document took.
#[derive(Debug, Default)]
struct Spent {
    all: u64,
    /// Those that are wrong.
    wrong: u64,
    /// That it is too much was told.
    told: bool,
}

impl Check<'_> {
    fn tell(&mut self, at: &str, rule: &'static str, what: impl Into<String>, remedy: &str) {
        self.faults.push(Fault::new(format!("{}{at}", self.at), rule, what, remedy));
    }

    /// What is wrong with a value; nothing is looked at any more once all examples took too long.
    fn check(&mut self, at: &str, part: Part, value: &Value) -> Result<(), ValueFaults> {
        let name = &self.method.name;
        let steps = self.validators.steps(name, part, value);
        self.spent.all = self.spent.all.saturating_add(steps);
        if self.spent.all > MOST {
            if !std::mem::replace(&mut self.spent.told, true) {
                let what = "to check the examples of this document would take too long";
                self.tell(at, "CONTRACT-9", what, "give fewer or smaller ones");
            }
            return Ok(());
        }
        if self.spent.wrong > STEPS_TOLD {
            return Ok(());
        }
        let checked = match part {
            Part::Params => self.validators.params(name, value),
            Part::Result => self.validators.result(name, value),
            Part::Output => self.validators.output(name, value),
            Part::Input => self.validators.input(name, value),
            Part::ErrorData(code) => self.validators.error(name, code, Some(value)),
        };
        if checked.is_err() {
            self.spent.wrong += steps;
        }
        checked
    }

    fn pairing(&mut self, at: &str, pairing: &ExamplePairing) {
        let order = |this: &Self, name: &str| this.order.get(name).copied();
        let mut last = None;
        for (index, value) in pairing.params.iter().enumerate() {
            let at = format!("{at}/params/{index}/name");
            match order(self, &value.name) {
                None => {
                    let what = format!("the method has no param {:?}", value.name);
                    self.tell(&at, "CONTRACT-7", what, "name it as the method's params do");
                }
                place if place <= last => {
                    let what = format!("{:?} stands after a param that is declared after it", value.name);
                    self.tell(
                        &at,
                        "CONTRACT-7",
                        what,
                        "list the params in the order of their declaration, each once",
                    );
                }
                place => last = place,
            }
        }
        let params: Map<String, Value> =
            pairing.params.iter().map(|value| (value.name.clone(), value.value.clone())).collect();
        let seen = self.check(at, Part::Params, &Value::Object(params));
        for fault in seen.err().into_iter().flatten() {
            let mut segments = fault.path.splitn(3, '/').skip(1);
            let name = segments.next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
            let rest = segments.next().map(|rest| format!("/{rest}")).unwrap_or_default();
            let at = match pairing.params.iter().position(|value| value.name == name) {
                // That it is unknown was told above.
                Some(_) if order(self, &name).is_none() => continue,
                Some(index) => format!("{at}/params/{index}/value{rest}"),
                None => format!("{at}/params"),
            };
            let what =
                if name.is_empty() { fault.message } else { format!("param {name:?}: {}", fault.message) };
            self.tell(&at, "CONTRACT-9", what, "give params that the method's schemas let through");
        }
        match (&self.method.result, &pairing.result) {
            (Some(_), Some(result)) => {
                let at = format!("{at}/result/value");
                let seen = self.check(&at, Part::Result, &result.value);
                self.value(&at, "CONTRACT-9", seen);
            }
            (Some(_), None) => {
                let remedy =
                    "add the result; an example that ends in an error stands under x-plugline.examples";
                self.tell(at, "CONTRACT-8", "it has no result", remedy);
            }
            (None, Some(_)) => {
                self.tell(&format!("{at}/result"), "CONTRACT-8", "a notification has no result", "remove it");
            }
            (None, None) => {}
        }
    }

    fn example(&mut self, at: &str, example: &Example) {
        let name = &self.method.name;
        let mut check = |at: String, part, value: &Value| {
            let seen = self.check(&at, part, value);
            self.value(&at, "CONTRACT-9", seen);
        };
        check(format!("{at}/params"), Part::Params, &Value::Object(example.params.clone()));
        for (index, item) in example.input.iter().flatten().enumerate() {
            check(format!("{at}/input/{index}"), Part::Input, item);
        }
        for (index, item) in example.output.iter().flatten().enumerate() {
            check(format!("{at}/output/{index}"), Part::Output, item);
        }
        if example.input.is_none() && self.method.plugline.input.is_some() {
            let what = "the method has an input stream, and the example does not say what is sent";
            self.tell(at, "CONTRACT-20", what, "add `input`, [] if nothing is sent");
        }
        match (&example.result, &example.error) {
            (Some(_), Some(_)) => {
                self.tell(at, "CONTRACT-20", "it has a result and an error", "a call ends in one of them");
            }
            (Some(result), None) => {
                let at = format!("{at}/result");
                let seen = self.check(&at, Part::Result, result);
                self.value(&at, "CONTRACT-9", seen);
            }
            (None, Some(error)) => {
                let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
                let seen = if self.method.result.is_none() {
                    self.validators.result(name, &Value::Null)
                } else if let Some(data) = error.get("data") {
                    self.check(&format!("{at}/error"), Part::ErrorData(code), data)
                } else {
                    self.validators.error_code(name, code)
                };
                self.value(&format!("{at}/error"), "CONTRACT-9", seen);
            }
            // A stream without a summary.
            (None, None) => {
                if self.method.result.is_some() && self.validators.result(name, &Value::Null).is_err() {
                    let what = "it has neither a result nor an error, and the method does not return null";
                    self.tell(at, "CONTRACT-20", what, "add what the call returned");
                }
            }
        }
    }

    fn value(&mut self, at: &str, rule: &'static str, seen: Result<(), ValueFaults>) {
        for fault in seen.err().into_iter().flatten() {
            let at = format!("{at}{}", fault.path);
            self.tell(&at, rule, fault.message, "give an example that fits, or mend the schema");
        }
    }
}
