//! What a client makes its calls with.

use std::cell::RefCell;
use std::sync::Arc;

use serde::Serialize;

use super::context::Context;
use super::failed::CallFailed;
use crate::peer::{Call, CallError, Connection, InputSender, PendingCall, RequestOptions, Trace};

/// What is known of a method before it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodInfo {
    /// `<contract>.<method>`.
    pub name: &'static str,
    /// A second call does no more than the first, so whoever lost the answer may ask again.
    pub idempotent: bool,
}

/// Who makes calls: a plugin that a host started, one that is started anew when it ends, one of several, the host of a
/// plugin. It chooses the connection, and may choose another where the method bears that.
pub trait Caller: Send + Sync {
    /// Has a call made. `make` makes it, over the connection that it is given; what it returns is how that went. It
    /// may be run again where a second call does no harm. The context is that of the call, where it has one: until when
    /// somebody waits for it, whatever is to be done before it can be made.
    ///
    /// # Errors
    /// [`CallFailed`] where the last attempt failed, or none could be made.
    fn call(
        &self,
        method: &'static MethodInfo,
        context: Option<&Context>,
        make: &mut MakeCall<'_>,
    ) -> Result<(), CallFailed>;

    /// Tells whom it concerns that a notification whose sender asks for no outcome was not sent. Nobody, by default.
    fn lost(&self, method: &'static MethodInfo, failed: CallFailed) {
        let _ = (method, failed);
    }
}

/// Makes a call, in one attempt.
pub type MakeCall<'a> = dyn FnMut(Attempt<'_>) -> Result<(), CallError> + 'a;

/// Says why a call failed, with all that its side knows of the other.
pub trait Blame: Send + Sync {
    /// Why.
    fn failed(&self, method: &'static MethodInfo, cause: CallError) -> CallFailed;
}

/// A connection to make a call over, and how.
pub struct Attempt<'a> {
    way: Way<'a>,
    /// How long to wait for the answer, unless the call says otherwise; and what else holds of it.
    pub options: RequestOptions,
    blame: &'a Arc<dyn Blame>,
    noted: Option<&'a Noted>,
}

/// What became of an attempt, for whoever may make another.
#[derive(Debug, Default)]
pub struct Noted(RefCell<Option<Trace>>);

impl Noted {
    /// Whether a request was sent. Where none was, nothing can have come of it.
    pub fn sent(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Whether the other side asked something of this one in its handling, or told it.
    pub fn called_back(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(Trace::called_back)
    }
}

enum Way<'a> {
    Over(&'a Connection),
    /// In the handling of a call.
    Within(&'a Call),
}

impl<'a> Attempt<'a> {
    /// Over that connection. What fails later, of a call that has streams, is for the blame to explain.
    pub fn over(connection: &'a Connection, options: RequestOptions, blame: &'a Arc<dyn Blame>) -> Self {
        Self { way: Way::Over(connection), options, blame, noted: None }
    }

    /// Notes what becomes of it.
    #[must_use]
    pub fn noting(mut self, noted: &'a Noted) -> Self {
        self.noted = Some(noted);
        self
    }

    pub(super) fn within(call: &'a Call, blame: &'a Arc<dyn Blame>) -> Self {
        Self { way: Way::Within(call), options: RequestOptions::default(), blame, noted: None }
    }

    pub(super) fn blame(&self) -> &Arc<dyn Blame> {
        self.blame
    }

    pub(super) fn request(
        &self,
        method: &str,
        params: &impl Serialize,
        options: RequestOptions,
    ) -> Result<PendingCall, CallError> {
        let sent = match self.way {
            Way::Over(connection) => connection.request(method, params, options),
            Way::Within(call) => call.request(method, params, options),
        }?;
        self.note(&sent);
        Ok(sent)
    }

    fn note(&self, sent: &PendingCall) {
        if let Some(Noted(noted)) = self.noted {
            noted.replace(Some(sent.trace()));
        }
    }

    /// Methods of a host have no streams, so there is one way; the connection says so itself.
    pub(super) fn request_with_input(
        &self,
        method: &str,
        params: &impl Serialize,
        options: RequestOptions,
    ) -> Result<(PendingCall, InputSender), CallError> {
        let connection = match self.way {
            Way::Over(connection) => connection,
            Way::Within(call) => call.connection(),
        };
        let sent = connection.request_with_input(method, params, options)?;
        self.note(&sent.0);
        Ok(sent)
    }

    pub(super) fn notify(&self, method: &str, params: &impl Serialize) -> Result<(), CallError> {
        match self.way {
            Way::Over(connection) => connection.notify(method, params, self.options.timeout),
            Way::Within(call) => call.notify(method, params),
        }
    }

    /// Waits for what the other side has to say.
    pub(super) fn waiting<R>(&self, wait: impl FnOnce() -> R) -> R {
        match self.way {
            Way::Over(_) => wait(),
            Way::Within(call) => call.waiting(wait),
        }
    }
}

/// Makes calls over one connection, whatever becomes of it.
pub struct Direct {
    connection: Connection,
    options: RequestOptions,
    blame: Arc<dyn Blame>,
}

impl Direct {
    /// Over that connection; each call so, unless it says otherwise.
    pub fn new(connection: Connection, options: RequestOptions) -> Self {
        Self { connection, options, blame: Arc::new(Bare) }
    }
}

impl Caller for Direct {
    fn call(
        &self,
        method: &'static MethodInfo,
        _: Option<&Context>,
        make: &mut MakeCall<'_>,
    ) -> Result<(), CallFailed> {
        make(Attempt::over(&self.connection, self.options.clone(), &self.blame))
            .map_err(|cause| self.blame.failed(method, cause))
    }
}

/// The host of a plugin, to its handler of a call.
pub(super) struct HostOf {
    call: Call,
    blame: Arc<dyn Blame>,
}

/// Knows of the other side what the connection says.
struct Bare;

impl Blame for Bare {
    fn failed(&self, _: &'static MethodInfo, cause: CallError) -> CallFailed {
        cause.into()
    }
}

impl HostOf {
    pub(super) fn new(call: Call) -> Self {
        Self { call, blame: Arc::new(Bare) }
    }
}

impl Caller for HostOf {
    fn call(
        &self,
        method: &'static MethodInfo,
        _: Option<&Context>,
        make: &mut MakeCall<'_>,
    ) -> Result<(), CallFailed> {
        make(Attempt::within(&self.call, &self.blame)).map_err(|cause| self.blame.failed(method, cause))
    }
}
