//! Params and results of the `rpc.*` methods but for the handshake's. All are open: unknown members are
//! ignored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::wire::{MAX_INTEGER, RequestId};

/// Params of `rpc.shutdown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Shutdown {
    /// How long requests in flight may go on before they are cancelled; milliseconds.
    pub grace_ms: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { grace_ms: 5000 }
    }
}

/// Params of `rpc.ping`, and its result: an object, today empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ping {}

/// Params of `rpc.cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cancel {
    /// The call, by its caller's id.
    pub id: RequestId,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Params of `rpc.progress`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// The call, by its caller's id.
    pub id: RequestId,
    /// How far it has come; never decreases within a call.
    #[serde(serialize_with = "short")]
    pub progress: f64,
    /// What `progress` will be at the end.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "short_option")]
    pub total: Option<f64>,
    /// What is being done, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For following every step.
    Trace,
    /// For finding a fault.
    Debug,
    /// For knowing what goes on.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// As on the wire: `trace debug info warn error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Params of `rpc.log`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Log {
    /// How much it matters.
    pub level: Level,
    /// The line.
    pub message: String,
    /// Which part of the plugin says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What else is known, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
}

/// Params of `rpc.output` and `rpc.input`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Items {
    /// The call, by its caller's id.
    pub id: RequestId,
    /// The next items of the stream, in their order.
    pub items: Vec<Value>,
}

/// Params of `rpc.inputEnd`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InputEnd {
    /// The call, by its caller's id.
    pub id: RequestId,
}

/// Params of `rpc.outputCredit` and `rpc.inputCredit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Credit {
    /// The call, by its caller's id.
    pub id: RequestId,
    /// How many more bytes of stream lines may be sent.
    pub bytes: u64,
}

/// Whole numbers travel without a fraction.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn short<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && number.abs() <= MAX_INTEGER as f64 {
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}

fn short_option<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => short(number, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_travel_without_a_fraction() {
        let progress = Progress { id: RequestId::Number(7), progress: 2.0, total: Some(2.5), message: None };
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(text, r#"{"id":7,"progress":2,"total":2.5}"#);
    }
}
