//! The plugin as its author puts it together.

use std::process::ExitCode;
use std::sync::Arc;

use plugline_protocol::contract::{Document, Instances, RequiredContract};
use plugline_protocol::lifecycle::{Limits, Provided};
use plugline_protocol::wire::Error;
use schemars::{JsonSchema, Schema, json_schema};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::method::{About, Method, Notification, SchemaOf};
use crate::refusal::Refusal;
use crate::{manifest, serve};

/// Makes the state of a plugin from its config.
pub(crate) type Configure<S> = dyn Fn(&Value) -> Result<S, Error> + Send + Sync;

/// A plugin, put together and then [served](Self::serve). `S` is what its methods share: made from the config
/// when a host says hello.
pub struct Plugin<S = ()> {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: Option<String>,
    pub(crate) provides: Vec<Provided>,
    pub(crate) requires: Vec<RequiredContract>,
    pub(crate) host_methods: Vec<(String, About)>,
    pub(crate) methods: Vec<Method<S>>,
    pub(crate) notifications: Vec<Notification<S>>,
    pub(crate) config: SchemaOf,
    pub(crate) configure: Arc<Configure<S>>,
    pub(crate) limits: Limits,
    pub(crate) instances: Instances,
}

impl Plugin {
    /// A plugin without config and state. The version is semver.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        let any_object: SchemaOf = |_| json_schema!({ "type": "object" });
        Self::build(name.into(), version.into(), any_object, Arc::new(|_| Ok(())))
    }
}

impl<S: Send + Sync + 'static> Plugin<S> {
    /// A plugin whose state is made from its config, at the handshake. The version is semver.
    ///
    /// The function refuses to go on with a [`Refusal`], of which a `String` is one.
    pub fn configured<C, E>(
        name: impl Into<String>,
        version: impl Into<String>,
        make: impl Fn(C) -> Result<S, E> + Send + Sync + 'static,
    ) -> Self
    where
        C: DeserializeOwned + JsonSchema,
        E: Into<Refusal>,
    {
        let configure = move |config: &Value| {
            let config = serde_path_to_error::deserialize(config).map_err(|fault| {
                let path = pointer(fault.path());
                Refusal::Config { path, message: fault.into_inner().to_string() }.into_error()
            })?;
            make(config).map_err(|refusal| refusal.into().into_error())
        };
        Self::build(name.into(), version.into(), |schemas| schemas.subschema_for::<C>(), Arc::new(configure))
    }

    fn build(name: String, version: String, config: SchemaOf, configure: Arc<Configure<S>>) -> Self {
        Self {
            name,
            version,
            description: None,
            provides: Vec::new(),
            requires: Vec::new(),
            host_methods: Vec::new(),
            methods: Vec::new(),
            notifications: Vec::new(),
            config,
            configure,
            limits: Limits::default(),
            instances: Instances::default(),
        }
    }

    /// Says what it is for.
    #[must_use]
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Declares a contract that it provides, with its version.
    #[must_use]
    pub fn provides(mut self, contract: impl Into<String>, version: impl Into<String>) -> Self {
        self.provides.push(Provided {
            contract: contract.into(),
            version: version.into(),
            types: Vec::new(),
        });
        self
    }

    /// Declares a contract that it wants the host to provide, with its version.
    #[must_use]
    pub fn requires(mut self, contract: impl Into<String>, version: impl Into<String>) -> Self {
        self.requires.push(RequiredContract { contract: contract.into(), version: version.into() });
        self
    }

    /// Declares a method of the host that it may call, by its params and result.
    #[must_use]
    pub fn host_method<P: JsonSchema, R: JsonSchema>(mut self, name: impl Into<String>) -> Self {
        let params: SchemaOf = |schemas| schemas.subschema_for::<P>();
        let result: SchemaOf = |schemas| schemas.subschema_for::<R>();
        self.host_methods.push((name.into(), About::new(Some(params), Some(result))));
        self
    }

    /// Serves a method.
    ///
    /// # Panics
    /// Where the name is taken, or begins with `rpc.`.
    #[must_use]
    pub fn method(mut self, method: Method<S>) -> Self {
        self.check_name(&method.name);
        self.methods.push(method);
        self
    }

    /// Listens to a notification.
    ///
    /// # Panics
    /// Where the name is taken, or begins with `rpc.`.
    #[must_use]
    pub fn notification(mut self, notification: Notification<S>) -> Self {
        self.check_name(&notification.name);
        self.notifications.push(notification);
        self
    }

    fn check_name(&self, name: &str) {
        assert!(!name.starts_with("rpc."), "{name}: the prefix rpc. belongs to the protocol");
        let taken = self.methods.iter().any(|method| method.name == name)
            || self.notifications.iter().any(|notification| notification.name == name);
        assert!(!taken, "{name} is registered twice");
    }

    /// Changes what it accepts from its host.
    ///
    /// # Panics
    /// Where a limit is below its minimum.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits.checked();
        self
    }

    /// Says whether several processes of it may serve at once; `One` unless said.
    #[must_use]
    pub fn instances(mut self, instances: Instances) -> Self {
        self.instances = instances;
        self
    }

    /// What it declares of itself: the answer to `rpc.discover`.
    pub fn manifest(&self) -> Document {
        manifest::of(self)
    }

    /// Serves the host that started this process, until it is done. To be returned from `main`.
    ///
    /// Run by hand, on a terminal, it explains itself instead and exits with 64.
    pub fn serve(self) -> ExitCode {
        serve::run(self)
    }
}

/// As a JSON Pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key: name } | Segment::Enum { variant: name } => {
                Some(format!("/{}", name.replace('~', "~0").replace('/', "~1")))
            }
            Segment::Unknown => None,
        })
        .collect()
}

/// No constraint at all, as a schema.
pub(crate) fn object_schema() -> Schema {
    json_schema!({ "type": "object" })
}
