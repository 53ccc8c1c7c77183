//! What the plugins of a run provide, and what the host serves to them.

use plugline_sdk::{CallFailed, Context, ContractError, Items, contract};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The environment variable that all processes of a run have, and no other: the run's directory.
pub const DIRECTORY: &str = "PLUGLINE_CHAOS_DIR";
/// The environment variable that says how the host calls the plugin.
pub const NAME: &str = "PLUGLINE_CHAOS_NAME";
/// The environment variable that a plugin has of which one instance may serve.
pub const ONE: &str = "PLUGLINE_CHAOS_ONE";
/// The file in the run's directory to which a plugin writes what it is about to do wrong: when by the monotonic clock in
/// nanoseconds, its name, its process id, what.
pub const CONFESSIONS: &str = "confessions";
/// The directory in the run's directory where each process has a file of the marks that it was called to leave.
pub const MARKS: &str = "marks";

/// What all plugins of a run can, also those that are written without an SDK.
#[contract(name = "chaos", version = "1.0.0")]
pub trait Chaos: Send + Sync {
    /// Gives back what it was given, and says who it is; takes so many microseconds for it.
    #[idempotent]
    fn echo(&self, id: u64, text: &str, us: u64) -> Result<Answer, ChaosError>;

    /// The same, and leaves a mark. A second call would leave another.
    fn mark(&self, id: u64, us: u64) -> Result<Answer, ChaosError>;

    /// The same; but another mark does no harm.
    #[idempotent]
    fn remark(&self, id: u64, us: u64) -> Result<Answer, ChaosError>;

    /// Fails.
    fn fail(&self, id: u64) -> Result<Answer, ChaosError>;

    /// Misbehaves in that way, so many times or milliseconds. What a plugin cannot do is no error.
    fn fault(&self, what: &str, n: u64) -> Result<(), ChaosError>;
}

/// What takes an SDK, or the same work.
#[contract(name = "feats", version = "1.0.0")]
pub trait Feats: Send + Sync {
    /// Asks the host, which asks in turn, as deep as that; what comes back is `id` plus the depth.
    fn nest(&self, context: &Context, id: u64, depth: u64) -> Result<u64, ChaosError>;

    /// Says that it has begun, and waits so many milliseconds.
    fn wait(&self, context: &Context, id: u64, ms: u64) -> Result<Answer, ChaosError>;

    /// Says after each step that it is done, and how many there were.
    fn steps(&self, context: &Context, n: u64) -> Result<u64, ChaosError>;

    /// Counts from `id` on, so many numbers.
    fn count(&self, id: u64, n: u64) -> Result<Items<u64, ChaosError>, ChaosError>;

    /// The sum of all numbers.
    fn sum(&self, numbers: Items<u64, CallFailed>) -> Result<u64, ChaosError>;

    /// Twice each number, as it comes.
    fn double(&self, numbers: Items<u64, CallFailed>) -> Result<Items<u64, ChaosError>, ChaosError>;

    /// Does nothing.
    #[notification]
    fn note(&self, id: u64);
}

/// What the host serves.
#[contract(name = "chaos_host", version = "1.0.0")]
pub trait ChaosHost: Send + Sync {
    /// Asks the plugin that asks, with a depth that is less by one, unless it is 0.
    fn nest(&self, context: &Context, id: u64, depth: u64) -> Result<u64, ChaosError>;
}

/// Who answered, and what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// As it was given.
    pub id: u64,
    /// As it was given; empty where nothing was.
    pub text: String,
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error, ContractError)]
pub enum ChaosError {
    /// It was asked to fail.
    #[error("as it was asked to: {id}")]
    #[code(1)]
    Planned {
        /// As it was given.
        id: u64,
    },
    /// What can always happen.
    #[error(transparent)]
    Call(#[from] CallFailed),
}
