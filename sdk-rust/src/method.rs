//! A method or notification that a plugin serves, with all that its manifest says of it.

use std::sync::Arc;

use plugline_protocol::contract::{AnyError, DeclaredError, ErrorSet, Example, ExamplePairing, ExampleValue};
use plugline_protocol::peer::{Call, Input, Output};
use plugline_protocol::wire::{Error, Params, error};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

type Run<S> = dyn Fn(&S, Params<'_>, &Call) -> Result<Box<RawValue>, Error> + Send + Sync;
type Listen<S> = dyn Fn(&S, Params<'_>) -> Result<(), Error> + Send + Sync;
type Check = dyn Fn(Params<'_>) -> Result<(), Error> + Send + Sync;

/// Makes the schema of a type, in whatever generator the manifest uses for its kind.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A method that a plugin serves, for a plugin whose state is `S`.
pub struct Method<S = ()> {
    pub(crate) name: String,
    pub(crate) about: About,
    pub(crate) run: Arc<Run<S>>,
    pub(crate) check: Arc<Check>,
}

/// What the manifest says.
pub(crate) struct About {
    pub(crate) description: Option<String>,
    pub(crate) params: Option<SchemaOf>,
    /// None for a notification.
    pub(crate) result: Option<SchemaOf>,
    /// What an item of its output is, where it has any.
    pub(crate) output: Option<SchemaOf>,
    /// What an item of its input is, where it has any.
    pub(crate) input: Option<SchemaOf>,
    pub(crate) errors: ErrorSet,
    pub(crate) idempotent: bool,
    pub(crate) examples: Vec<(String, Map<String, Value>, Value)>,
    /// Those that OpenRPC has no place for.
    pub(crate) more_examples: Vec<Example>,
}

impl About {
    pub(crate) fn new(params: Option<SchemaOf>, result: Option<SchemaOf>) -> Self {
        Self {
            description: None,
            params,
            result,
            output: None,
            input: None,
            errors: ErrorSet::default(),
            idempotent: false,
            examples: Vec::new(),
            more_examples: Vec::new(),
        }
    }

    /// The examples with their params in this order.
    pub(crate) fn examples(&self, order: &[String]) -> Vec<ExamplePairing> {
        let value = |name: &str, value: &Value| ExampleValue { name: name.to_owned(), value: value.clone() };
        self.examples
            .iter()
            .map(|(name, params, result)| ExamplePairing {
                name: name.clone(),
                params: order.iter().filter_map(|name| params.get(name).map(|v| value(name, v))).collect(),
                result: Some(value("result", result)),
            })
            .collect()
    }
}

impl<S: Send + Sync + 'static> Method<S> {
    /// A method `<contract>.<name>` and the function that serves it.
    ///
    /// The function may block: others are served meanwhile. A member of the params that `P` does not have is
    /// refused; `()` takes no params. A panic is answered with -32603.
    pub fn new<P, R, E>(
        name: impl Into<String>,
        function: impl Fn(&S, P, &Call) -> Result<R, E> + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema,
        E: Into<Error>,
    {
        Self::of_call(name.into(), function)
    }

    /// A method with an output stream: what its function [sends](Output::send) reaches the host as it is sent,
    /// what it returns is the summary after that. `()` is none.
    ///
    /// Where the host does not take what is sent, the function waits in `send`, and stops with its error when
    /// the host no longer wants it.
    ///
    /// ```
    /// # use plugline_sdk::{Call, Error, Method, Output};
    /// # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Range { end: u32 }
    /// # let method: Method =
    /// Method::with_output("math.count", |(), range: Range, _: &Call, output: Output<'_, u32>| {
    ///     for number in 0..range.end {
    ///         output.send(&number)?;
    ///     }
    ///     Ok::<_, Error>(())
    /// });
    /// ```
    pub fn with_output<P, T, R, E>(
        name: impl Into<String>,
        function: impl Fn(&S, P, &Call, Output<'_, T>) -> Result<R, E> + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema,
        T: Serialize + JsonSchema,
        R: Serialize + JsonSchema,
        E: Into<Error>,
    {
        let mut this = Self::of_call(name.into(), move |state, params, call| {
            function(state, params, call, call.output().expect("declared below"))
        });
        this.about.output = Some(|schemas| schemas.subschema_for::<T>());
        this
    }

    /// A method with an input stream, item by item as the host sends them. A function that has enough returns.
    ///
    /// ```
    /// # use plugline_sdk::{Call, Error, Input, Method};
    /// # let method: Method =
    /// Method::with_input("math.sum", |(), (), _: &Call, input: Input<'_, i64>| {
    ///     input.sum::<Result<i64, Error>>()
    /// });
    /// ```
    pub fn with_input<P, I, R, E>(
        name: impl Into<String>,
        function: impl Fn(&S, P, &Call, Input<'_, I>) -> Result<R, E> + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema,
        I: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema,
        E: Into<Error>,
    {
        let mut this = Self::of_call(name.into(), move |state, params, call| {
            function(state, params, call, call.input().expect("declared below"))
        });
        this.about.input = Some(|schemas| schemas.subschema_for::<I>());
        this
    }

    /// A method with both streams.
    pub fn with_input_and_output<P, I, T, R, E>(
        name: impl Into<String>,
        function: impl Fn(&S, P, &Call, Input<'_, I>, Output<'_, T>) -> Result<R, E> + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema,
        I: DeserializeOwned + JsonSchema,
        T: Serialize + JsonSchema,
        R: Serialize + JsonSchema,
        E: Into<Error>,
    {
        let mut this = Self::of_call(name.into(), move |state, params, call| {
            let (input, output) = (call.input(), call.output());
            function(state, params, call, input.expect("declared below"), output.expect("declared below"))
        });
        this.about.input = Some(|schemas| schemas.subschema_for::<I>());
        this.about.output = Some(|schemas| schemas.subschema_for::<T>());
        this
    }

    fn of_call<P, R, E>(
        name: String,
        function: impl Fn(&S, P, &Call) -> Result<R, E> + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema,
        E: Into<Error>,
    {
        let run = move |state: &S, params: Params<'_>, call: &Call| {
            let result = function(state, params.decode()?, call).map_err(Into::into)?;
            serde_json::value::to_raw_value(&result)
                .map_err(|fault| error::internal(format!("the result has no JSON form: {fault}")))
        };
        Self {
            name,
            about: About::new(
                Some(|schemas| schemas.subschema_for::<P>()),
                Some(|schemas| schemas.subschema_for::<R>()),
            ),
            run: Arc::new(run),
            check: Arc::new(|params| params.decode::<P>().map(drop)),
        }
    }

    /// A method whose types are not known here.
    pub(crate) fn untyped(
        name: String,
        function: impl Fn(&S, Params<'_>, &Call) -> Result<Box<RawValue>, Error> + Send + Sync + 'static,
    ) -> Self {
        let anything: SchemaOf = |_| Schema::default();
        let mut about = About::new(None, Some(anything));
        about.errors = ErrorSet::Any(AnyError::Any);
        Self { name, about, run: Arc::new(function), check: Arc::new(|_| Ok(())) }
    }

    /// Its full name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says what it does.
    #[must_use]
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.about.description = Some(description.into());
        self
    }

    /// Declares an error that it may answer. The code lies outside -32768 … -32000.
    #[must_use]
    pub fn error(mut self, code: i64, name: impl Into<String>, message: impl Into<String>) -> Self {
        let declared = DeclaredError { code, name: name.into(), message: message.into(), data: None };
        match &mut self.about.errors {
            ErrorSet::Declared(errors) => errors.push(declared),
            ErrorSet::Any(_) => self.about.errors = ErrorSet::Declared(vec![declared]),
        }
        self
    }

    /// Declares that it relays errors which it does not know.
    #[must_use]
    pub fn any_error(mut self) -> Self {
        self.about.errors = ErrorSet::Any(AnyError::Any);
        self
    }

    /// Declares that calling it twice does no more than calling it once.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.about.idempotent = true;
        self
    }

    /// Gives a real call: the params as an object, and what it returns.
    #[must_use]
    pub fn example(mut self, name: impl Into<String>, params: Value, result: Value) -> Self {
        let params = match params {
            Value::Object(params) => params,
            other => Map::from_iter([("params".to_owned(), other)]),
        };
        self.about.examples.push((name.into(), params, result));
        self
    }

    /// Gives a real call with streams, or one that ends in an error.
    #[must_use]
    pub fn stream_example(mut self, example: Example) -> Self {
        self.about.more_examples.push(example);
        self
    }
}

/// A notification that a plugin listens to, for a plugin whose state is `S`.
pub struct Notification<S = ()> {
    pub(crate) name: String,
    pub(crate) about: About,
    pub(crate) listen: Arc<Listen<S>>,
}

impl<S: Send + Sync + 'static> Notification<S> {
    /// A notification `<contract>.<name>` and the function that takes it. Notifications are taken one after
    /// another in the order sent, before any request that was sent after them; so it must not wait for the
    /// host.
    pub fn new<P: DeserializeOwned + JsonSchema>(
        name: impl Into<String>,
        function: impl Fn(&S, P) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            about: About::new(Some(|schemas| schemas.subschema_for::<P>()), None),
            listen: Arc::new(move |state, params| {
                function(state, params.decode()?);
                Ok(())
            }),
        }
    }

    /// Says what it is about.
    #[must_use]
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.about.description = Some(description.into());
        self
    }
}
