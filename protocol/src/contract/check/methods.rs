//! The rules for methods and host methods: names, params, what a notification has not, streams, errors.

use serde_json::Value;

use super::root::contracts;
use super::{items, text, unique};
use crate::contract::fault::Fault;

pub(super) fn check(document: &Value, faults: &mut Vec<Fault>) {
    let provided = contracts(document, "/x-plugline/provides");
    let required = contracts(document, "/x-plugline/requires");
    for (at, method) in items(document, "/methods") {
        let mut check = Check { at: &at, method, faults };
        check.common();
        check.belongs("MSG-35", &provided, "the plugin does not provide it", "/x-plugline/provides");
    }
    let known = [provided, required].concat();
    for (at, method) in items(document, "/x-plugline/hostMethods") {
        let mut check = Check { at: &at, method, faults };
        check.common();
        let not = "the plugin neither provides nor requires it";
        check.belongs("CONTRACT-15", &known, not, "/x-plugline/requires");
        for way in ["output", "input"] {
            if check.extension(way).is_some() {
                let at = format!("/x-plugline/{way}");
                check.tell(&at, "CALL-16", "a method of the host has no streams", "remove it");
            }
        }
    }
}

/// One method, where it stands, and where its faults go.
struct Check<'a, 'f> {
    at: &'a str,
    method: &'a Value,
    faults: &'f mut Vec<Fault>,
}

impl<'a> Check<'a, '_> {
    fn tell(&mut self, at: &str, rule: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(Fault::new(format!("{}{at}", self.at), rule, what, remedy));
    }

    fn extension(&self, member: &str) -> Option<&'a Value> {
        self.method.get("x-plugline")?.get(member)
    }

    fn common(&mut self) {
        match text(self.method, "paramStructure") {
            Some("by-name") => {}
            Some(other) => {
                let what = format!("params travel by name, and this says {other:?}");
                self.tell("/paramStructure", "CONTRACT-2", what, "say \"by-name\"");
            }
            None => {
                let what = "it is missing, and OpenRPC takes that for \"either\"";
                self.tell("/paramStructure", "CONTRACT-2", what, "say \"by-name\"");
            }
        }
        let mut optional = None;
        for (at, param) in items(self.method, "/params") {
            let name = text(param, "name").unwrap_or_default();
            if param.get("required") != Some(&Value::Bool(true)) {
                optional.get_or_insert(name);
            } else if let Some(before) = optional {
                let what = format!("the required param {name:?} comes after {before:?}, which is optional");
                self.tell(&at, "CONTRACT-5", what, "put the required ones first");
            }
            if name == "_meta" {
                self.tell(
                    &at,
                    "MSG-16",
                    "the member _meta belongs to the protocol",
                    "name the param otherwise",
                );
            }
        }
        if self.method.get("result").is_none() {
            self.notification();
        }
        self.errors();
    }

    /// What a method without a result cannot have: nothing is ever answered.
    fn notification(&mut self) {
        for member in ["output", "input", "errors", "idempotent"] {
            if self.extension(member).is_some() {
                let what = format!("a method without `result` is a notification, and has no {member}");
                let remedy = "add a `result` (of {\"type\": \"null\"} if it returns nothing), or remove this";
                self.tell(&format!("/x-plugline/{member}"), "CONTRACT-6", what, remedy);
            }
        }
        if self.method.get("errors").and_then(Value::as_array).is_some_and(|errors| !errors.is_empty()) {
            let what = "a method without `result` is a notification, which nobody answers with an error";
            let remedy =
                "add a `result` (of {\"type\": \"null\"} if it returns nothing), or remove the errors";
            self.tell("/errors", "CONTRACT-6", what, remedy);
        }
    }

    fn belongs(&mut self, rule: &'static str, contracts: &[&str], why: &str, list: &str) {
        let Some(name) = text(self.method, "name") else { return };
        if name.starts_with("rpc.") {
            let remedy = "name it <contract>.<method>";
            self.tell("/name", "MSG-36", "the prefix rpc. belongs to the protocol", remedy);
            return;
        }
        let segments = name.split('.').collect::<Vec<_>>();
        let fine = |segment: &&str| {
            !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if segments.len() < 2 || !segments.iter().all(fine) {
            let what = format!("{name:?} is no method name");
            let remedy = "name it <contract>.<method>, in ASCII letters, digits, _ and .";
            self.tell("/name", "MSG-35", what, remedy);
        } else if !contracts.iter().any(|it| name.strip_prefix(it).is_some_and(|rest| rest.starts_with('.')))
        {
            let contract = name.rsplit_once('.').map_or(name, |(contract, _)| contract);
            let what = format!("it belongs to contract {contract:?}, and {why}");
            let remedy =
                format!("add {{\"contract\": {contract:?}, \"version\": …}} to {list}, or rename the method");
            self.tell("/name", rule, what, remedy);
        }
    }

    fn errors(&mut self) {
        let listed: Vec<(Option<&Value>, Option<&str>)> = items(self.method, "/errors")
            .map(|(_, error)| (error.get("code"), text(error, "message")))
            .collect();
        let declared: Vec<(String, &Value)> = items(self.method, "/x-plugline/errors").collect();
        for (at, error) in &declared {
            let Some(code) = error.get("code") else { continue };
            if self.is_reserved(at, code) {
                continue;
            }
            let message = text(error, "message");
            match listed.iter().find(|(other, _)| *other == Some(code)) {
                None => {
                    let what = format!("error {code} does not stand in the method's `errors`");
                    let remedy = format!(
                        "add {{\"code\": {code}, \"message\": {:?}}} there, for tools that know OpenRPC alone",
                        message.unwrap_or_default()
                    );
                    self.tell(at, "CONTRACT-21", what, remedy);
                }
                Some((_, other)) if *other != message => {
                    let what = format!("error {code} has another message in the method's `errors`");
                    self.tell(&format!("{at}/message"), "CONTRACT-21", what, "let both say the same");
                }
                Some(_) => {}
            }
        }
        let codes = declared
            .iter()
            .filter_map(|(at, error)| Some((format!("{at}/code"), error.get("code")?.to_string())));
        let names = declared
            .iter()
            .filter_map(|(at, error)| Some((format!("{at}/name"), error.get("name")?.to_string())));
        let mut twice = Vec::new();
        unique(codes.chain(names), |at, value| twice.push((at, value.clone())));
        for (at, value) in twice {
            let what = format!("two errors of this method have {value}");
            self.tell(&at, "CONTRACT-19", what, "give each error its own code and name");
        }
    }

    fn is_reserved(&mut self, at: &str, code: &Value) -> bool {
        let reserved = code.as_i64().is_some_and(|code| (-32768..=-32000).contains(&code));
        if reserved {
            let what = format!("{code} is a code of JSON-RPC or of the protocol, not of an application");
            let remedy = "take an integer outside -32768 … -32000, such as 1";
            self.tell(&format!("{at}/code"), "ERR-6", what, remedy);
        }
        reserved
    }
}
