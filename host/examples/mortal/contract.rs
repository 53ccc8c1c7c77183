//! What the tests of supervision call.

use plugline_sdk::{CallFailed, Context, Items, contract};

/// A plugin that ends when it is told.
#[contract(name = "mortal", version = "1.0.0")]
pub(crate) trait Mortal: Send + Sync {
    /// Counts the call and returns the number.
    fn count(&self, n: u64) -> Result<u64, CallFailed>;

    /// Returns the number.
    #[idempotent]
    fn look(&self, n: u64) -> Result<u64, CallFailed>;

    /// Who answers: a process id.
    fn pid(&self) -> Result<u32, CallFailed>;

    /// What it was told to be.
    fn name(&self) -> Result<String, CallFailed>;

    /// Waits until there is such a file, and says who answers.
    fn hold(&self, context: &Context, file: &str) -> Result<u32, CallFailed>;

    /// How long the caller waits yet: milliseconds, or for ever.
    fn left(&self, context: &Context) -> Result<Option<u64>, CallFailed>;

    /// Writes the words to standard error and ends.
    fn leave(&self, status: i32, words: &str) -> Result<(), CallFailed>;

    /// Ends, but for the second time: each leaves a line in the file.
    #[idempotent]
    fn leave_once(&self, file: &str) -> Result<String, CallFailed>;

    /// The same, which a second time harms.
    fn leave_once_only(&self, file: &str) -> Result<String, CallFailed>;

    /// The same, after it called the host.
    #[idempotent]
    fn call_and_leave_once(&self, context: &Context, file: &str) -> Result<String, CallFailed>;

    /// The same, after that many items.
    #[idempotent]
    fn items_and_leave_once(&self, file: &str, items: u64) -> Result<Items<u64, CallFailed>, CallFailed>;

    /// Answers, and then calls the host.
    fn call_later(&self, context: &Context) -> Result<(), CallFailed>;
}

/// What a host serves to it.
#[contract(name = "mortal_host", version = "1.0.0")]
pub(crate) trait MortalHost: Send + Sync {
    /// Something happened.
    fn seen(&self, n: u64) -> Result<u64, CallFailed>;
}
