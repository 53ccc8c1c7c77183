//! The manifest of a plugin, made from what was registered: an OpenRPC document.
//!
//! A schema generator describes what is read or what is written, not both; so params and results have one
//! each. Where both define the same name differently, the result's is called `<Name>Out`.

use std::collections::BTreeSet;

use plugline_protocol::contract::{
    Components, ContentDescriptor, Document, ErrorSet, Info, Method, MethodExtension, OPENRPC_VERSION,
    ParamStructure, RootExtension, WireError,
};
use plugline_protocol::lifecycle::VERSIONS;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};

use crate::method::{About, SchemaOf};
use crate::plugin::{Plugin, object_schema};

const DEFINITIONS: &str = "#/components/schemas/";

pub(crate) fn of<S: Send + Sync + 'static>(plugin: &Plugin<S>) -> Document {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut takes = settings.clone().for_deserialize().into_generator();
    let mut gives = settings.for_serialize().into_generator();
    let served = plugin.methods.iter().map(|method| (method.name.as_str(), &method.about)).chain(
        plugin.notifications.iter().map(|notification| (notification.name.as_str(), &notification.about)),
    );
    // What the plugin takes, its host gives, and the other way round: a schema says what stands on the wire,
    // and what stands there was written by one side for the other to read. The plugin's own view is used.
    let mut methods: Vec<Drafted> =
        served.map(|(name, about)| Drafted::new(name, about, &mut takes, &mut gives)).collect();
    let mut host_methods: Vec<Drafted> = plugin
        .host_methods
        .iter()
        .map(|(name, about)| Drafted::new(name, about, &mut gives, &mut takes))
        .collect();
    let config = schema_in(&mut takes, plugin.config);
    let mut definitions = takes.take_definitions(true);
    let renamed = merge(&mut definitions, gives.take_definitions(true));
    for method in &mut methods {
        method.rename_results(&renamed);
    }
    for method in &mut host_methods {
        method.rename_params(&renamed);
    }
    let finish =
        |drafted: Vec<Drafted>| drafted.into_iter().map(|method| method.finish(&definitions)).collect();
    let mut document = Document {
        openrpc: OPENRPC_VERSION.to_owned(),
        info: Info {
            title: plugin.name.clone(),
            version: plugin.version.clone(),
            description: plugin.description.clone(),
            other: Map::new(),
        },
        methods: finish(methods),
        plugline: RootExtension {
            protocol: VERSIONS.to_vec(),
            provides: plugin.provides.clone(),
            requires: plugin.requires.clone(),
            config,
            host_methods: finish(host_methods),
            instances: plugin.instances,
        },
        components: Components::default(),
        other: Map::new(),
    };
    let used = serde_json::to_value(&document).expect("a manifest is plain JSON");
    document.components.schemas = reachable(&used, definitions);
    document
}

/// What stands in place, brought into draft-07 as the definitions are.
fn schema_in(generator: &mut SchemaGenerator, schema: SchemaOf) -> Schema {
    let mut schema = schema(generator);
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    schema
}

/// The definitions that something points at: params types themselves are taken apart into params.
fn reachable(root: &Value, mut definitions: Map<String, Value>) -> Map<String, Value> {
    let mut reached = Map::new();
    let mut found = vec![root.clone()];
    while let Some(schema) = found.pop() {
        let mut targets = Vec::new();
        collect_targets(&schema, &mut targets);
        for target in targets {
            if let Some(definition) = definitions.remove(&target) {
                found.push(definition.clone());
                reached.insert(target, definition);
            }
        }
    }
    reached
}

fn collect_targets(schema: &Value, targets: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(target) if name == "$ref" => {
                        targets.extend(target.strip_prefix(DEFINITIONS).map(str::to_owned));
                    }
                    member => collect_targets(member, targets),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_targets(item, targets)),
        _ => {}
    }
}

/// Adds the definitions of results to those of params; says which got another name.
fn merge(definitions: &mut Map<String, Value>, results: Map<String, Value>) -> Vec<(String, String)> {
    let mut differing: BTreeSet<&String> = BTreeSet::new();
    loop {
        let known = differing.len();
        for (name, schema) in &results {
            let mut held = Vec::new();
            collect_targets(schema, &mut held);
            // What holds one that gets another name is itself not what it was.
            let differs = |other: &Value| other != schema || held.iter().any(|name| differing.contains(name));
            if definitions.get(name).is_some_and(differs) {
                differing.insert(name);
            }
        }
        if differing.len() == known {
            break;
        }
    }
    let mut clashes: Vec<(String, String)> = Vec::new();
    for name in differing {
        let mut new = format!("{name}Out");
        while definitions.contains_key(&new)
            || results.contains_key(&new)
            || clashes.iter().any(|(_, taken)| *taken == new)
        {
            new.push_str("Out");
        }
        clashes.push((name.clone(), new));
    }
    for (name, mut schema) in results {
        rename(&mut schema, &clashes);
        let name = clashes.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new.clone());
        definitions.insert(name, schema);
    }
    clashes
}

fn rename(schema: &mut Value, renamed: &[(String, String)]) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(target) if name == "$ref" => {
                        let new = target
                            .strip_prefix(DEFINITIONS)
                            .and_then(|old| renamed.iter().find(|(name, _)| name == old));
                        if let Some((_, new)) = new {
                            *target = format!("{DEFINITIONS}{new}");
                        }
                    }
                    member => rename(member, renamed),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, renamed)),
        _ => {}
    }
}

/// A method whose schemas may still change their names.
struct Drafted<'a> {
    name: &'a str,
    about: &'a About,
    params: Option<Schema>,
    result: Option<Schema>,
    output: Option<Schema>,
    input: Option<Schema>,
}

impl<'a> Drafted<'a> {
    fn new(
        name: &'a str,
        about: &'a About,
        params: &mut SchemaGenerator,
        results: &mut SchemaGenerator,
    ) -> Self {
        Self {
            name,
            about,
            params: about.params.map(|schema| schema_in(params, schema)),
            result: about.result.map(|schema| schema_in(results, schema)),
            output: about.output.map(|schema| schema_in(results, schema)),
            input: about.input.map(|schema| schema_in(params, schema)),
        }
    }

    fn rename_results(&mut self, renamed: &[(String, String)]) {
        for schema in self.result.iter_mut().chain(&mut self.output) {
            *schema = renamed_schema(schema, renamed);
        }
    }

    fn rename_params(&mut self, renamed: &[(String, String)]) {
        for schema in self.params.iter_mut().chain(&mut self.input) {
            *schema = renamed_schema(schema, renamed);
        }
    }

    fn finish(self, definitions: &Map<String, Value>) -> Method {
        let params = self.params.as_ref().map(|schema| params_of(schema, definitions)).unwrap_or_default();
        let order: Vec<String> = params.iter().map(|param| param.name.clone()).collect();
        let errors = match &self.about.errors {
            ErrorSet::Declared(errors) => {
                errors.iter().map(|e| WireError { code: e.code, message: e.message.clone() }).collect()
            }
            ErrorSet::Any(_) => Vec::new(),
        };
        Method {
            name: self.name.to_owned(),
            description: self.about.description.clone(),
            param_structure: ParamStructure::ByName,
            params,
            result: self.result.map(|schema| ContentDescriptor {
                name: "result".to_owned(),
                description: None,
                required: false,
                schema,
                other: Map::new(),
            }),
            errors,
            examples: self.about.examples(&order),
            plugline: MethodExtension {
                errors: self.about.errors.clone(),
                idempotent: self.about.idempotent,
                output: self.output,
                input: self.input,
                examples: self.about.more_examples.clone(),
            },
            other: Map::new(),
        }
    }
}

fn renamed_schema(schema: &Schema, renamed: &[(String, String)]) -> Schema {
    let mut value = schema.clone().to_value();
    rename(&mut value, renamed);
    Schema::try_from(value).unwrap_or_else(|_| object_schema())
}

/// One content descriptor a member of the params type, the required ones first.
fn params_of(schema: &Schema, definitions: &Map<String, Value>) -> Vec<ContentDescriptor> {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix(DEFINITIONS));
    let object = match target {
        Some(name) => definitions.get(name).and_then(Value::as_object),
        None => schema.as_object(),
    };
    let Some(object) = object else { return Vec::new() };
    let required: Vec<&str> = object
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut params: Vec<ContentDescriptor> = object
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, schema)| ContentDescriptor {
            name: name.clone(),
            description: schema.get("description").and_then(Value::as_str).map(str::to_owned),
            required: required.contains(&name.as_str()),
            schema: Schema::try_from(schema.clone()).unwrap_or_default(),
            other: Map::new(),
        })
        .collect();
    params.sort_by_key(|param| !param.required);
    params
}
