//! The plugin as its author puts it together.

use std::process::ExitCode;
use std::sync::Arc;

use plugline_protocol::contract::{
    About, Document, Example, Instances, ParamsOf, RequiredContract, SchemaOf, schema_of,
};
use plugline_protocol::lifecycle::{Limits, Provided};
use plugline_protocol::typed::{Contract, Original, Serve, provided, required};
use plugline_protocol::wire::{Error, error, without_value};
use schemars::{JsonSchema, json_schema};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::method::{Method, Notification, OfContract};
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
    pub(crate) host_methods: Vec<About>,
    pub(crate) methods: Vec<Method<S>>,
    pub(crate) notifications: Vec<Notification<S>>,
    pub(crate) config: SchemaOf,
    pub(crate) configure: Arc<Configure<S>>,
    pub(crate) limits: Limits,
    pub(crate) instances: Instances,
    /// The manifest, where it is not made from what is registered.
    pub(crate) declared: Option<Document>,
    /// What is declared as it stands in the documents that contracts were written in.
    pub(crate) originals: Vec<Document>,
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
                Refusal::Config { path, message: without_value(fault.inner()) }.into_error()
            })?;
            make(config).map_err(|refusal| refusal.into().into_error())
        };
        Self::build(name.into(), version.into(), schema_of::<C>, Arc::new(configure))
    }

    pub(crate) fn build(
        name: String,
        version: String,
        config: SchemaOf,
        configure: Arc<Configure<S>>,
    ) -> Self {
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
            declared: None,
            originals: Vec::new(),
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
        self.host_methods.push(About::new(name, ParamsOf::Members(schema_of::<P>), Some(schema_of::<R>)));
        self
    }

    /// Provides a contract: serves its methods by its state, which implements the contract's trait. Several contracts
    /// are provided by several of these.
    ///
    /// ```compile_fail
    /// # use plugline_sdk::{CallFailed, Plugin, contract};
    /// #[contract(name = "greet", version = "1.0.0")]
    /// trait Greet: Send + Sync {
    ///     fn hello(&self) -> Result<String, CallFailed>;
    /// }
    /// // The state is `()`, which is no `Greet`.
    /// Plugin::new("greeter", "0.1.0").contract(GreetContract);
    /// ```
    ///
    /// A contract that was written as a document, and whose trait was made of it, is declared as it stands there, with
    /// what the document says of the config and of `instances`; the config is held to it too.
    ///
    /// # Panics
    /// Where a method of it is served already, or two documents say different things of the config.
    #[must_use]
    pub fn contract<C: Serve<S>>(mut self, _: C) -> Self {
        self = match (C::original(), provided::<C>()) {
            (Some(original), Some(document)) => self.written(original, document),
            _ => self.provides(C::NAME, C::VERSION),
        };
        for (about, served) in C::methods().into_iter().zip(C::served()) {
            self = match OfContract::new(about, served) {
                OfContract::Method(method) => self.method(method),
                OfContract::Notification(notification) => self.notification(notification),
            };
        }
        self
    }

    /// Declares a contract that it wants its host to provide, with its methods. A method that has a
    /// [`Context`](crate::Context) calls it: `context.client::<AuditClient>()`.
    ///
    /// ```compile_fail
    /// # use plugline_sdk::{CallFailed, Items, Plugin, contract};
    /// #[contract(name = "feed", version = "1.0.0")]
    /// trait Feed: Send + Sync {
    ///     fn news(&self) -> Result<Items<String, CallFailed>, CallFailed>;
    /// }
    /// // Methods of a host have no streams (CALL-16).
    /// Plugin::new("reader", "0.1.0").requires_contract(FeedContract);
    /// ```
    #[must_use]
    pub fn requires_contract<C: Contract>(mut self, _: C) -> Self {
        const { assert!(!C::STREAMS, "a method of this contract has a stream, and methods of a host have none") };
        match required::<C>() {
            Some(document) => self.originals.push(document),
            None => {
                self = self.requires(C::NAME, C::VERSION);
                self.host_methods.extend(C::methods());
            }
        }
        self
    }

    /// Declares what a document says of a contract, and holds the config to it.
    fn written(mut self, original: &'static dyn Original, document: Document) -> Self {
        self.provides.extend(document.plugline.provides.iter().cloned());
        if document.plugline.instances == Instances::Many {
            self.instances = Instances::Many;
        }
        let config = &document.plugline.config;
        if manifest::tells(config) {
            let before =
                self.originals.iter().map(|other| &other.plugline.config).find(|it| manifest::tells(it));
            match before {
                Some(other) => assert!(other == config, "two documents say different things of the config"),
                None => {
                    let configure = self.configure;
                    self.configure = Arc::new(move |config| {
                        original.config_fits(config).map_err(|faults| error::invalid_config(&faults))?;
                        configure(config)
                    });
                }
            }
        }
        self.originals.push(document);
        self
    }

    /// Adds a real call of one of its methods to the manifest: one that holds for this plugin, where its contract's own
    /// hold for any.
    ///
    /// # Panics
    /// Where it does not serve that method.
    #[must_use]
    pub fn example(mut self, method: &str, example: Example) -> Self {
        let mut methods = self.methods.iter_mut().map(|method| &mut method.about);
        let about = methods.find(|about| about.name == method);
        about.unwrap_or_else(|| panic!("{method} is not served")).examples.push(example);
        self
    }

    /// Serves a method.
    ///
    /// # Panics
    /// Where the name is taken, or begins with `rpc.`.
    #[must_use]
    pub fn method(mut self, method: Method<S>) -> Self {
        self.check_name(&method.about.name);
        self.methods.push(method);
        self
    }

    /// Listens to a notification.
    ///
    /// # Panics
    /// Where the name is taken, or begins with `rpc.`.
    #[must_use]
    pub fn notification(mut self, notification: Notification<S>) -> Self {
        self.check_name(&notification.about.name);
        self.notifications.push(notification);
        self
    }

    fn check_name(&self, name: &str) {
        assert!(!name.starts_with("rpc."), "{name}: the prefix rpc. belongs to the protocol");
        let taken = self.methods.iter().any(|method| method.about.name == name)
            || self.notifications.iter().any(|notification| notification.about.name == name);
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
        self.declared.clone().unwrap_or_else(|| manifest::of(self))
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
