//! What a side can do beyond the minimum. A feature is used only where both sides that need it have it;
//! members that are not listed here are ignored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::object::present;

/// A capability with nothing more to say: an object, today empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Feature {}

/// What a plugin can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PluginCapabilities {
    /// It heeds `rpc.cancel`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub cancel: Option<Feature>,
    /// It sends `rpc.progress`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub progress: Option<Feature>,
    /// It sends `rpc.log`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub log: Option<Feature>,
    /// It has methods with streams; it then declares `cancel` too.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub streams: Option<Feature>,
    /// It calls methods of the host, and serves nested calls meanwhile.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub callbacks: Option<Feature>,
}

/// What a host can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HostCapabilities {
    /// It takes `rpc.progress`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub progress: Option<Feature>,
    /// It takes `rpc.log`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub log: Option<Feature>,
    /// It takes and sends streams.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub streams: Option<Feature>,
    /// It serves these methods, and heeds `rpc.cancel` for them.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub callbacks: Option<CallbackCapability>,
}

/// Which methods a host serves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CallbackCapability {
    /// Their full names, `<contract>.<method>`.
    pub methods: Vec<String>,
}
