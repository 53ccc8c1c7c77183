//! Whether a plugin has what a caller's contract asks for (`CONTRACT-22`, `CONTRACT-23`): by what its manifest says
//! of each method, not by a number alone. Pure.

use std::fmt;

use schemars::Schema;
use semver::{Version, VersionReq};

use super::document::{ContentDescriptor, Document, ErrorSet, Method};
use super::shape::{Definitions, Misfit, fits, fits_where_given};

/// What a caller asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The name of the contract.
    pub contract: &'a str,
    /// The version that the caller was made for; a plugin may provide any that is compatible by semver.
    pub version: &'a str,
    /// The contract's methods, as the caller knows them.
    pub document: &'a Document,
}

/// One way in which a plugin does not have what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// It does not provide the contract.
    NotProvided {
        /// The contract.
        contract: String,
        /// What it does provide, with versions.
        provides: Vec<String>,
    },
    /// It provides another version.
    Version {
        /// The contract.
        contract: String,
        /// Which versions would do.
        wanted: String,
        /// Which it has.
        provided: String,
    },
    /// It does not declare a method.
    NoMethod {
        /// The method.
        method: String,
    },
    /// It declares a method, and otherwise.
    Method {
        /// The method.
        method: String,
        /// What part of it: `result`, `the param "id"` …
        part: String,
        /// What about that.
        fault: String,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotProvided { contract, provides } if provides.is_empty() => {
                write!(f, "it does not provide {contract}, nor any other contract")
            }
            Self::NotProvided { contract, provides } => {
                write!(f, "it does not provide {contract}; it provides {}", provides.join(", "))
            }
            Self::Version { contract, wanted, provided } => {
                write!(f, "it provides {contract} {provided}, and {wanted} is wanted")
            }
            Self::NoMethod { method } => write!(f, "it does not declare {method}"),
            Self::Method { method, part, fault } => write!(f, "{method}: {part}: {fault}"),
        }
    }
}

/// Compares what a caller asks for with what a plugin declares.
///
/// Only what can break a call counts: a description, an order, a member that nobody asked for does not, nor a range,
/// a length or a pattern, which values are held to.
///
/// # Errors
/// All that differs.
pub fn compatible(wanted: &Wanted<'_>, declared: &Document) -> Result<(), Vec<Mismatch>> {
    check_version(wanted, declared).map_err(|mismatch| vec![mismatch])?;
    let mut mismatches = Vec::new();
    for method in &wanted.document.methods {
        match declared.methods.iter().find(|other| other.name == method.name) {
            None => mismatches.push(Mismatch::NoMethod { method: method.name.clone() }),
            Some(other) => {
                let ours = Side { method, definitions: &wanted.document.components.schemas };
                let theirs = Side { method: other, definitions: &declared.components.schemas };
                let faults = Comparison { ours, theirs, mismatches: &mut mismatches };
                faults.compare();
            }
        }
    }
    if mismatches.is_empty() { Ok(()) } else { Err(mismatches) }
}

fn check_version(wanted: &Wanted<'_>, declared: &Document) -> Result<(), Mismatch> {
    let provides = &declared.plugline.provides;
    let versions: Vec<&str> = provides
        .iter()
        .filter(|provided| provided.contract == wanted.contract)
        .map(|provided| provided.version.as_str())
        .collect();
    if versions.is_empty() {
        return Err(Mismatch::NotProvided {
            contract: wanted.contract.to_owned(),
            provides: provides.iter().map(|p| format!("{} {}", p.contract, p.version)).collect(),
        });
    }
    let requirement = format!("^{}", wanted.version);
    let fits = VersionReq::parse(&requirement).is_ok_and(|requirement| {
        versions
            .iter()
            .any(|version| Version::parse(version).is_ok_and(|version| requirement.matches(&version)))
    });
    if fits {
        Ok(())
    } else {
        Err(Mismatch::Version {
            contract: wanted.contract.to_owned(),
            wanted: requirement,
            provided: versions.join(", "),
        })
    }
}

/// A method as one side knows it.
#[derive(Clone, Copy)]
struct Side<'a> {
    method: &'a Method,
    definitions: Definitions<'a>,
}

/// One method, as both sides know it.
struct Comparison<'a> {
    ours: Side<'a>,
    theirs: Side<'a>,
    mismatches: &'a mut Vec<Mismatch>,
}

impl Comparison<'_> {
    fn compare(mut self) {
        let (ours, theirs) = (self.ours.method, self.theirs.method);
        for param in &ours.params {
            let part = format!("the param {:?}", param.name);
            match theirs.params.iter().find(|other| other.name == param.name) {
                None => self.differs(&part, "the plugin does not take it"),
                Some(other) if other.required && !param.required => {
                    self.differs(&part, "the plugin requires it, and the caller may leave it out");
                }
                Some(other) => self.check(&part, given_fits(param, other, self.ours, self.theirs)),
            }
        }
        for other in &theirs.params {
            if other.required && !ours.params.iter().any(|param| param.name == other.name) {
                let part = format!("the param {:?}", other.name);
                self.differs(&part, "the plugin requires it, and the caller does not know it");
            }
        }
        match (&ours.result, &theirs.result) {
            (None, None) => {}
            (Some(read), Some(written)) => self.read("the result", &read.schema, &written.schema),
            (Some(_), None) => {
                self.differs("the result", "there is none: the plugin takes it as a notification")
            }
            (None, Some(_)) => self.differs("the result", "there is one: the plugin takes no notification"),
        }
        let (wants, has) = (&ours.plugline, &theirs.plugline);
        match (&wants.output, &has.output) {
            (Some(read), Some(written)) => self.read("an item of the output", read, written),
            (None, None) => {}
            (Some(_), None) => self.differs("the output", "the plugin sends none"),
            (None, Some(_)) => self.differs("the output", "the plugin sends one, and the caller takes none"),
        }
        match (&wants.input, &has.input) {
            (Some(written), Some(read)) => self.written("an item of the input", written, read),
            (None, None) => {}
            (Some(_), None) => self.differs("the input", "the plugin takes none"),
            (None, Some(_)) => {
                self.differs("the input", "the plugin waits for one, and the caller sends none")
            }
        }
        self.compare_errors();
    }

    /// Of errors that both name, the data. One that the caller does not know reaches it as what it is.
    fn compare_errors(&mut self) {
        let (ErrorSet::Declared(known), ErrorSet::Declared(declared)) =
            (&self.ours.method.plugline.errors, &self.theirs.method.plugline.errors)
        else {
            return;
        };
        for ours in known {
            let Some(theirs) = declared.iter().find(|error| error.code == ours.code) else { continue };
            let part = format!("the data of error {} ({})", ours.code, ours.name);
            match (&ours.data, &theirs.data) {
                (Some(read), Some(written)) => self.read(&part, read, written),
                (Some(_), None) => self.differs(&part, "the plugin declares none"),
                (None, _) => {}
            }
        }
    }

    fn differs(&mut self, part: &str, fault: impl Into<String>) {
        self.mismatches.push(Mismatch::Method {
            method: self.ours.method.name.clone(),
            part: part.to_owned(),
            fault: fault.into(),
        });
    }

    fn check(&mut self, part: &str, outcome: Result<(), Misfit>) {
        if let Err(misfit) = outcome {
            self.differs(part, misfit.to_string());
        }
    }

    /// What the plugin writes and the caller reads.
    fn read(&mut self, part: &str, read: &Schema, written: &Schema) {
        let outcome =
            fits((written.as_value(), self.theirs.definitions), (read.as_value(), self.ours.definitions));
        self.check(part, outcome);
    }

    /// What the caller writes and the plugin reads.
    fn written(&mut self, part: &str, written: &Schema, read: &Schema) {
        let outcome =
            fits((written.as_value(), self.ours.definitions), (read.as_value(), self.theirs.definitions));
        self.check(part, outcome);
    }
}

/// A param that a call may leave out is left out rather than sent as `null`.
fn given_fits(
    given: &ContentDescriptor,
    taken: &ContentDescriptor,
    ours: Side<'_>,
    theirs: Side<'_>,
) -> Result<(), Misfit> {
    let written = (given.schema.as_value(), ours.definitions);
    let read = (taken.schema.as_value(), theirs.definitions);
    if given.required { fits(written, read) } else { fits_where_given(written, read) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document(version: &str, methods: &Value) -> Document {
        serde_json::from_value(json!({
            "openrpc": "1.3.2", "info": {"title": "t", "version": "0.1.0"}, "methods": methods,
            "components": {"schemas": {"Id": {"type": "string"}}},
            "x-plugline": {"protocol": [1], "provides": [{"contract": "a", "version": version}]}
        }))
        .unwrap()
    }

    fn method(changes: &Value) -> Value {
        let mut method = json!({
            "name": "a.b", "paramStructure": "by-name",
            "params": [{"name": "id", "required": true, "schema": {"$ref": "#/components/schemas/Id"}},
                       {"name": "note", "schema": {"type": ["string", "null"]}}],
            "result": {"name": "r", "schema": {"type": "object", "properties": {"x": {"type": "integer"}},
                                               "required": ["x"]}},
            "x-plugline": {"errors": [{"code": 1, "name": "N", "message": "n",
                                       "data": {"type": "object", "properties": {"why": {"type": "string"}},
                                                "required": ["why"]}}]}});
        let (Value::Object(method_members), Value::Object(changes)) = (&mut method, changes) else {
            panic!()
        };
        for (name, change) in changes {
            method_members.insert(name.clone(), change.clone());
        }
        method
    }

    fn faults(wanted: &Document, declared: &Document) -> Vec<String> {
        let wanted = Wanted { contract: "a", version: "1.2.0", document: wanted };
        match compatible(&wanted, declared) {
            Ok(()) => Vec::new(),
            Err(mismatches) => mismatches.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn versions_are_compatible_by_semver() {
        let methods = json!([method(&json!({}))]);
        let wanted = document("1.2.0", &methods);
        for (version, fits) in [
            ("1.2.0", true),
            ("1.2.1", true),
            ("1.10.0", true),
            ("1.1.9", false),
            ("2.0.0", false),
            ("1.2.0-rc.1", false),
            ("new", false),
        ] {
            assert_eq!(faults(&wanted, &document(version, &methods)).is_empty(), fits, "{version}");
        }
        let other = Wanted { contract: "z", version: "1.0.0", document: &wanted };
        let mismatch = compatible(&other, &wanted).unwrap_err();
        assert_eq!(mismatch[0].to_string(), "it does not provide z; it provides a 1.2.0");
    }

    #[test]
    fn what_cannot_break_is_no_difference() {
        let wanted = document("1.2.0", &json!([method(&json!({}))]));
        let declared = [
            json!({"description": "Another one."}),
            // An optional param more, in whatever order; one in place where the other points.
            json!({"params": [{"name": "id", "required": true, "schema": {"type": "string", "title": "Id"}},
                              {"name": "more", "schema": true},
                              {"name": "note", "schema": {"type": "string"}}]}),
            // A param may become optional, and take more.
            json!({"params": [{"name": "id", "schema": {"type": ["integer", "string"]}},
                              {"name": "note", "schema": true}]}),
            // A result may have more.
            json!({"result": {"name": "other", "schema": {"type": "object", "required": ["y", "x"], "properties": {
                "x": {"type": "integer", "minimum": 3}, "y": {}}}}}),
            json!({"x-plugline": {"errors": "any"}}),
            json!({"x-plugline": {"idempotent": true, "errors": [{"code": 2, "name": "M", "message": "m"}]}}),
        ];
        for declared in declared {
            let declared = document("1.3.0", &json!([{"name": "a.z", "params": []}, method(&declared)]));
            assert_eq!(faults(&wanted, &declared), Vec::<String>::new());
        }
    }

    #[test]
    fn what_breaks_is_named() {
        let wanted = document("1.2.0", &json!([method(&json!({}))]));
        let id = json!({"name": "id", "required": true, "schema": {"type": "string"}});
        let note = json!({"name": "note", "schema": {"type": "string"}});
        let rows = [
            (json!({"name": "a.c"}), "it does not declare a.b"),
            (json!({"params": [id]}), "a.b: the param \"note\": the plugin does not take it"),
            (
                json!({"params": [id, note, {"name": "new", "required": true, "schema": {}}]}),
                "a.b: the param \"new\": the plugin requires it, and the caller does not know it",
            ),
            (
                json!({"params": [id, {"name": "note", "required": true, "schema": {"type": "string"}}]}),
                "a.b: the param \"note\": the plugin requires it, and the caller may leave it out",
            ),
            (
                json!({"params": [{"name": "id", "required": true, "schema": {"type": "integer"}}, note]}),
                "a.b: the param \"id\": string is sent where integer is taken",
            ),
            (
                json!({"result": {"name": "r", "schema": {"type": "object", "properties": {"x": {"type": "integer"}}}}}),
                "a.b: the result: \"x\" may be missing",
            ),
            (
                json!({"result": {"name": "r", "schema": {"type": "object", "properties": {"x": {"type": "string"}},
                                                         "required": ["x"]}}}),
                "a.b: the result: at /x: string is sent where integer is taken",
            ),
            (
                json!({"x-plugline": {"output": {"type": "string"}}}),
                "a.b: the output: the plugin sends one, and the caller takes none",
            ),
            (
                json!({"x-plugline": {"input": {"type": "string"}}}),
                "a.b: the input: the plugin waits for one, and the caller sends none",
            ),
            (
                json!({"x-plugline": {"errors": [{"code": 1, "name": "N", "message": "n"}]}}),
                "a.b: the data of error 1 (N): the plugin declares none",
            ),
        ];
        for (change, fault) in rows {
            let declared = document("1.2.0", &json!([method(&change)]));
            assert_eq!(faults(&wanted, &declared), [fault], "{change}");
        }
        let mut notification = method(&json!({}));
        notification.as_object_mut().unwrap().remove("result");
        let found = faults(&wanted, &document("1.2.0", &json!([notification])));
        assert_eq!(found, ["a.b: the result: there is none: the plugin takes it as a notification"]);
    }
}
