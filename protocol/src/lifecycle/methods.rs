//! The names of the protocol's own methods.

/// What every one of them begins with.
pub const PREFIX: &str = "rpc.";

/// Request, host to plugin: the handshake.
pub const INITIALIZE: &str = "rpc.initialize";
/// Request, host to plugin: the manifest.
pub const DISCOVER: &str = "rpc.discover";
/// Request, either way: are you there?
pub const PING: &str = "rpc.ping";
/// Request, host to plugin: finish and answer.
pub const SHUTDOWN: &str = "rpc.shutdown";
/// Notification, caller to callee: the answer is no longer wanted.
pub const CANCEL: &str = "rpc.cancel";
/// Notification, callee to caller: how far a call has come.
pub const PROGRESS: &str = "rpc.progress";
/// Notification, plugin to host: a line for the log.
pub const LOG: &str = "rpc.log";
/// Notification, callee to caller: items of an output stream.
pub const OUTPUT: &str = "rpc.output";
/// Notification, caller to callee: items of an input stream.
pub const INPUT: &str = "rpc.input";
/// Notification, caller to callee: the input stream ends.
pub const INPUT_END: &str = "rpc.inputEnd";
/// Notification, caller to callee: room for more output.
pub const OUTPUT_CREDIT: &str = "rpc.outputCredit";
/// Notification, callee to caller: room for more input.
pub const INPUT_CREDIT: &str = "rpc.inputCredit";
