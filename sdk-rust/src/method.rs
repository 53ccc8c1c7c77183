//! A method or notification that a plugin serves, with all that its manifest says of it.

use std::sync::Arc;

use plugline_protocol::contract::{About, DeclaredError, Example, ParamsOf, SchemaOf, schema_of};
use plugline_protocol::peer::{Call, Input, Output, write_result};
use plugline_protocol::typed::{Served, Serves};
use plugline_protocol::wire::{Error, Params};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Appends the JSON text of the result.
pub(crate) type Run<S> = dyn Fn(&S, Params<'_>, &Call, &mut Vec<u8>) -> Result<(), Error> + Send + Sync;
type Listen<S> = dyn Fn(&S, Params<'_>) -> Result<(), Error> + Send + Sync;
pub(crate) type Check = dyn Fn(Params<'_>) -> Result<(), Error> + Send + Sync;

/// A method that a plugin serves, for a plugin whose state is `S`.
pub struct Method<S = ()> {
    pub(crate) about: About,
    pub(crate) check: Box<Check>,
    /// Decodes the params before it does anything else.
    pub(crate) run: Box<Run<S>>,
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
        this.about.output = Some(schema_of::<T>);
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
        this.about.input = Some(schema_of::<I>);
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
        this.about.input = Some(schema_of::<I>);
        this.about.output = Some(schema_of::<T>);
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
        let run = move |state: &S, params: Params<'_>, call: &Call, result: &mut Vec<u8>| {
            write_result(&function(state, params.decode()?, call).map_err(Into::into)?, result)
        };
        Self {
            about: About::new(name, ParamsOf::Members(schema_of::<P>), Some(schema_of::<R>)),
            check: Box::new(|params| params.decode::<P>().map(drop)),
            run: Box::new(run),
        }
    }

    /// A method whose types are not known here.
    pub(crate) fn untyped(name: String, check: Box<Check>, run: Box<Run<S>>) -> Self {
        let anything: SchemaOf = |_| Schema::default();
        let mut about = About::new(name, ParamsOf::Unknown, Some(anything));
        about.declare_any();
        Self { about, check, run }
    }

    /// Its full name.
    pub fn name(&self) -> &str {
        &self.about.name
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
        self.about.declare(DeclaredError { code, name: name.into(), message: message.into(), data: None });
        self
    }

    /// Declares that it relays errors which it does not know.
    #[must_use]
    pub fn any_error(mut self) -> Self {
        self.about.declare_any();
        self
    }

    /// Declares that calling it twice does no more than calling it once.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.about.idempotent = true;
        self
    }

    /// Says that it is on its way out, and served as long as it is there.
    #[must_use]
    pub fn deprecated(mut self) -> Self {
        self.about.deprecated = true;
        self
    }

    /// Gives a real call: the params as an object, and what it returns.
    #[must_use]
    pub fn example(mut self, name: impl Into<String>, params: Value, result: Value) -> Self {
        self.about.examples.push(Example::new(name, params).returns(result));
        self
    }

    /// Gives a real call with streams, or one that ends in an error.
    #[must_use]
    pub fn stream_example(mut self, example: Example) -> Self {
        self.about.examples.push(example);
        self
    }
}

/// A notification that a plugin listens to, for a plugin whose state is `S`.
pub struct Notification<S = ()> {
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
            about: About::new(name, ParamsOf::Members(schema_of::<P>), None),
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

    /// Says that it is on its way out, and listened to as long as it is there.
    #[must_use]
    pub fn deprecated(mut self) -> Self {
        self.about.deprecated = true;
        self
    }
}

/// A method of a contract, served by a state that implements its trait.
pub(crate) enum OfContract<S> {
    Method(Method<S>),
    Notification(Notification<S>),
}

impl<S: Send + Sync + 'static> OfContract<S> {
    pub(crate) fn new(about: About, served: Served<S>) -> Self {
        match served.serves {
            Serves::Request { run, check } => {
                Self::Method(Method { about, check: Box::new(check), run: Box::new(run) })
            }
            Serves::Notification { listen } => {
                Self::Notification(Notification { about, listen: Arc::new(listen) })
            }
        }
    }
}
