//! A document in the making: what is known of methods and types becomes OpenRPC.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};

use super::about::{About, ErrorsOf, ParamsOf, Presence, SchemaOf};
use super::definitions::{merge, reachable, renamed};
use super::document::{
    Components, ContentDescriptor, Document, ErrorSet, Info, Instances, Method, MethodExtension,
    OPENRPC_VERSION, ParamStructure, RESULT, RequiredContract, RootExtension, WireError,
};
use super::schema::COMPONENTS;
use crate::lifecycle::{Provided, VERSIONS};

/// What a document is made from.
pub struct Draft<'a> {
    /// Whose document it is.
    pub info: Info,
    /// The contracts that it describes.
    pub provides: Vec<Provided>,
    /// The contracts that are wanted of the host.
    pub requires: Vec<RequiredContract>,
    /// The methods, in this order.
    pub methods: Vec<&'a About>,
    /// The methods of the host.
    pub host_methods: Vec<&'a About>,
    /// What the config may be.
    pub config: SchemaOf,
    /// Whether several processes may serve at once.
    pub instances: Instances,
}

impl Draft<'_> {
    /// The document.
    pub fn document(self) -> Document {
        let settings = SchemaSettings::draft07().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        let mut takes = settings.clone().for_deserialize().into_generator();
        let mut gives = settings.for_serialize().into_generator();
        // What the plugin takes, its host gives, and the other way round: a schema says what stands on the wire,
        // and what stands there was written by one side for the other to read. The plugin's own view is used.
        let mut methods: Vec<Drafted<'_>> =
            self.methods.into_iter().map(|about| Drafted::new(about, &mut takes, &mut gives)).collect();
        let mut host_methods: Vec<Drafted<'_>> =
            self.host_methods.into_iter().map(|about| Drafted::new(about, &mut gives, &mut takes)).collect();
        let config = schema_in(&mut takes, self.config);
        let mut definitions = takes.take_definitions(true);
        let clashes = merge(&mut definitions, gives.take_definitions(true));
        for method in &mut methods {
            method.rename_results(&clashes);
        }
        for method in &mut host_methods {
            method.rename_params(&clashes);
        }
        let finish = |drafted: Vec<Drafted<'_>>| {
            drafted.into_iter().map(|method| method.finish(&definitions)).collect()
        };
        let mut document = Document {
            openrpc: OPENRPC_VERSION.to_owned(),
            info: self.info,
            methods: finish(methods),
            plugline: RootExtension {
                protocol: VERSIONS.to_vec(),
                provides: self.provides,
                requires: self.requires,
                config,
                host_methods: finish(host_methods),
                instances: self.instances,
            },
            components: Components::default(),
            other: Map::new(),
        };
        let used = serde_json::to_value(&document).expect("a document is plain JSON");
        document.components.schemas = reachable(&used, definitions);
        document
    }
}

/// What stands in place, brought into draft-07 as the definitions are.
fn schema_in(generator: &mut SchemaGenerator, schema: SchemaOf) -> Schema {
    let schema = schema(generator);
    transformed(generator, schema)
}

fn transformed(generator: &mut SchemaGenerator, mut schema: Schema) -> Schema {
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    schema
}

/// A method whose schemas may still change their names.
struct Drafted<'a> {
    about: &'a About,
    params: Params,
    result: Option<Schema>,
    output: Option<Schema>,
    input: Option<Schema>,
    errors: ErrorSet,
}

/// The params as schemas.
enum Params {
    Unknown,
    Members(Schema),
    Each(Vec<ContentDescriptor>),
}

impl<'a> Drafted<'a> {
    fn new(about: &'a About, params: &mut SchemaGenerator, results: &mut SchemaGenerator) -> Self {
        Self {
            about,
            params: Params::new(&about.params, params),
            result: about.result.map(|schema| schema_in(results, schema)),
            output: about.output.map(|schema| schema_in(results, schema)),
            input: about.input.map(|schema| schema_in(params, schema)),
            errors: errors_in(results, &about.errors),
        }
    }

    fn rename_results(&mut self, clashes: &[(String, String)]) {
        for schema in self.result.iter_mut().chain(&mut self.output) {
            *schema = renamed(schema, clashes);
        }
        if let ErrorSet::Declared(errors) = &mut self.errors {
            for data in errors.iter_mut().filter_map(|error| error.data.as_mut()) {
                *data = renamed(data, clashes);
            }
        }
    }

    fn rename_params(&mut self, clashes: &[(String, String)]) {
        match &mut self.params {
            Params::Unknown => {}
            Params::Members(schema) => *schema = renamed(schema, clashes),
            Params::Each(params) => {
                for param in params {
                    param.schema = renamed(&param.schema, clashes);
                }
            }
        }
        if let Some(schema) = &mut self.input {
            *schema = renamed(schema, clashes);
        }
    }

    fn finish(self, definitions: &Map<String, Value>) -> Method {
        let About { name, description, idempotent, deprecated, examples, .. } = self.about;
        let params = match self.params {
            Params::Unknown => Vec::new(),
            Params::Members(schema) => members_of(&schema, definitions),
            Params::Each(params) => params,
        };
        let listed = match &self.errors {
            ErrorSet::Declared(errors) => {
                errors.iter().map(|e| WireError { code: e.code, message: e.message.clone() }).collect()
            }
            ErrorSet::Any(_) => Vec::new(),
        };
        let mut method = Method {
            name: name.clone(),
            description: description.clone(),
            param_structure: ParamStructure::ByName,
            result: self.result.map(|schema| ContentDescriptor {
                name: RESULT.to_owned(),
                description: None,
                required: false,
                schema,
                other: Map::new(),
            }),
            errors: listed,
            examples: Vec::new(),
            plugline: MethodExtension {
                errors: self.errors,
                idempotent: *idempotent,
                output: self.output,
                input: self.input,
                examples: Vec::new(),
            },
            params,
            other: Map::new(),
        };
        if *deprecated {
            method.deprecate();
        }
        examples.iter().for_each(|example| method.add_example(example));
        method
    }
}

fn errors_in(generator: &mut SchemaGenerator, errors: &ErrorsOf) -> ErrorSet {
    let mut errors = match errors {
        ErrorsOf::Listed(errors) => errors.clone(),
        ErrorsOf::Type(list) => list(generator),
    };
    if let ErrorSet::Declared(errors) = &mut errors {
        for data in errors.iter_mut().filter_map(|error| error.data.as_mut()) {
            *data = transformed(generator, data.clone());
        }
    }
    errors
}

impl Params {
    fn new(params: &ParamsOf, schemas: &mut SchemaGenerator) -> Self {
        match params {
            ParamsOf::Unknown => Self::Unknown,
            ParamsOf::Members(schema) => Self::Members(schema_in(schemas, *schema)),
            ParamsOf::Each(params) => {
                let descriptor = |param: &super::about::ParamOf| ContentDescriptor {
                    name: param.name.to_owned(),
                    description: param.description.map(str::to_owned),
                    required: param.presence == Presence::Required,
                    schema: schema_in(schemas, param.schema),
                    other: Map::new(),
                };
                Self::Each(required_first(params.iter().map(descriptor).collect()))
            }
        }
    }
}

/// The order that the profile wants (`CONTRACT-5`).
fn required_first(mut params: Vec<ContentDescriptor>) -> Vec<ContentDescriptor> {
    params.sort_by_key(|param| !param.required);
    params
}

/// One content descriptor a member of the params type.
fn members_of(schema: &Schema, definitions: &Map<String, Value>) -> Vec<ContentDescriptor> {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix(COMPONENTS));
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
    let params =
        object.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, schema)| {
            ContentDescriptor {
                name: name.clone(),
                description: schema.get("description").and_then(Value::as_str).map(str::to_owned),
                required: required.contains(&name.as_str()),
                schema: Schema::try_from(schema.clone()).unwrap_or_default(),
                other: Map::new(),
            }
        });
    required_first(params.collect())
}
