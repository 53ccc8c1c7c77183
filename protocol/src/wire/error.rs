//! The error vocabulary of the wire: [`jsonrpc_core`]'s `Error` and `ErrorCode`, and the codes that
//! the protocol adds (section 3 of `SPEC.md`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use jsonrpc_core::{Error, ErrorCode};

/// -32000: a request came before the handshake.
pub const NOT_INITIALIZED: i64 = -32000;
/// -32001: no protocol version in common; `data.supported` lists the plugin's.
pub const UNSUPPORTED_PROTOCOL: i64 = -32001;
/// -32002: the plugin cannot work with this config; `data.errors` says where.
pub const INVALID_CONFIG: i64 = -32002;
/// -32003: a request came after `rpc.shutdown`.
pub const SHUTTING_DOWN: i64 = -32003;
/// -32004: the request was cancelled by its caller.
pub const CANCELLED: i64 = -32004;
/// -32005: the deadline of the request passed.
pub const DEADLINE_EXCEEDED: i64 = -32005;
/// -32006: too many requests at once, or nested too deep; `data.limit`.
pub const OVERLOADED: i64 = -32006;
/// -32007: a line is longer than its receiver takes; `data.limit`, `data.size` where known.
pub const MESSAGE_TOO_LARGE: i64 = -32007;
/// -32008: the caller broke the rules of a stream.
pub const STREAM_VIOLATION: i64 = -32008;
/// -32009: the plugin judges itself unfit here; `data.reason`.
pub const DECLINED: i64 = -32009;

/// Where a value breaks its schema: one entry of `data.errors` (`ERR-3`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParamFault {
    /// JSON Pointer (RFC 6901) from the params, or from the config; `""` is the whole.
    pub path: String,
    /// What is wrong there, for people.
    pub message: String,
}

fn server(code: i64, message: impl Into<String>, data: Option<Value>) -> Error {
    Error { code: ErrorCode::from(code), message: message.into(), data }
}

/// The beginning of a name that the other side chose, short enough for an error.
pub(crate) fn shorten(name: &str) -> &str {
    const LONGEST: usize = 200;
    let mut end = name.len().min(LONGEST);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// An error with any code, as an application declares in its contract.
pub fn application(code: i64, message: impl Into<String>, data: Option<Value>) -> Error {
    server(code, message, data)
}

/// -32700, with what the parser said.
pub fn parse_error(reason: impl Into<String>) -> Error {
    server(ErrorCode::ParseError.code(), reason, None)
}

/// -32600, with what is invalid about the message.
pub fn invalid_request(reason: impl Into<String>) -> Error {
    server(ErrorCode::InvalidRequest.code(), reason, None)
}

/// -32601 for this method.
pub fn method_not_found(method: &str) -> Error {
    server(ErrorCode::MethodNotFound.code(), format!("no method {:?}", shorten(method)), None)
}

/// -32602 with `data.errors`.
pub fn invalid_params(faults: &[ParamFault]) -> Error {
    let message = faults.first().map_or_else(
        || "invalid params".to_owned(),
        |fault| {
            if fault.path.is_empty() {
                format!("invalid params: {}", fault.message)
            } else {
                format!("invalid params: {}: {}", fault.path, fault.message)
            }
        },
    );
    server(ErrorCode::InvalidParams.code(), message, Some(json!({ "errors": faults })))
}

/// -32603: the callee failed in a way that its contract does not name.
pub fn internal(reason: impl Into<String>) -> Error {
    server(ErrorCode::InternalError.code(), reason, None)
}

/// [`NOT_INITIALIZED`] for this method.
pub fn not_initialized(method: &str) -> Error {
    server(NOT_INITIALIZED, format!("{:?} came before rpc.initialize", shorten(method)), None)
}

/// [`UNSUPPORTED_PROTOCOL`], with what is supported.
pub fn unsupported_protocol(supported: &[u32]) -> Error {
    server(UNSUPPORTED_PROTOCOL, "no protocol version in common", Some(json!({ "supported": supported })))
}

/// [`INVALID_CONFIG`] with `data.errors`.
pub fn invalid_config(faults: &[ParamFault]) -> Error {
    let message = faults
        .first()
        .map_or_else(|| "invalid config".to_owned(), |fault| format!("invalid config: {}", fault.message));
    server(INVALID_CONFIG, message, Some(json!({ "errors": faults })))
}

/// [`SHUTTING_DOWN`].
pub fn shutting_down() -> Error {
    server(SHUTTING_DOWN, "the plugin is shutting down", None)
}

/// [`CANCELLED`], with the reason that the caller gave.
pub fn cancelled(reason: Option<&str>) -> Error {
    let message = reason.map_or_else(|| "cancelled".to_owned(), |why| format!("cancelled: {why}"));
    server(CANCELLED, message, None)
}

/// [`DEADLINE_EXCEEDED`].
pub fn deadline_exceeded() -> Error {
    server(DEADLINE_EXCEEDED, "the deadline of the request passed", None)
}

/// [`OVERLOADED`] with the limit that was reached and what it counts.
pub fn overloaded(what: &str, limit: u64) -> Error {
    server(OVERLOADED, format!("more than {limit} {what}"), Some(json!({ "limit": limit })))
}

/// [`MESSAGE_TOO_LARGE`] with the limit and, where known, the size; bytes.
pub fn too_large(limit: usize, size: Option<usize>) -> Error {
    let (message, data) = match size {
        Some(size) => (
            format!("a line of {size} bytes is over the limit of {limit}"),
            json!({ "limit": limit, "size": size }),
        ),
        None => (format!("a line is over the limit of {limit} bytes"), json!({ "limit": limit })),
    };
    server(MESSAGE_TOO_LARGE, message, Some(data))
}

/// [`STREAM_VIOLATION`], with what the caller did.
pub fn stream_violation(what: &str) -> Error {
    server(STREAM_VIOLATION, format!("stream violation: {what}"), None)
}

/// [`DECLINED`] with the reason.
pub fn declined(reason: impl Into<String>) -> Error {
    let reason = reason.into();
    let data = json!({ "reason": reason });
    server(DECLINED, format!("the plugin declined: {reason}"), Some(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_vocabulary() {
        for code in [-32700, -32600, -32601, -32602, -32603, NOT_INITIALIZED, DECLINED, 1, 1001] {
            assert_eq!(ErrorCode::from(code).code(), code);
        }
    }

    #[test]
    fn faults_are_in_the_data() {
        let fault = ParamFault { path: "/a".into(), message: "missing".into() };
        let error = invalid_params(&[fault]);
        assert_eq!(error.data.unwrap()["errors"][0]["path"], "/a");
    }
}
