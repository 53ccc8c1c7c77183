//! `rpc.initialize`: what each side says, and what is wrong with it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::capabilities::{HostCapabilities, PluginCapabilities};
use super::limits::Limits;
use super::object::{object, present};
use super::{VERSIONS, choose_version};
use crate::wire::{Error, ParamFault, Params, error, shown};

/// A name and a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// What it is called.
    pub name: String,
    /// Its own version, by semver.
    pub version: String,
}

/// A contract that a plugin provides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Provided {
    /// The name of the contract.
    pub contract: String,
    /// Its version, by semver.
    pub version: String,
    /// The kinds of thing it is provided for, where the contract has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
}

/// What the host says in `rpc.initialize`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// The protocol versions that the host speaks.
    pub protocol_versions: Vec<i64>,
    /// Who the host is.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub host: Option<Identity>,
    /// The name under which the host knows this instance of the plugin.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text")]
    pub instance: Option<String>,
    /// The plugin's configuration.
    #[serde(default = "empty_config")]
    pub config: Value,
    /// What the host accepts.
    #[serde(default, deserialize_with = "object")]
    pub limits: Limits,
    /// What the host can do.
    #[serde(default, deserialize_with = "object")]
    pub capabilities: HostCapabilities,
}

/// The config is left out: there may be secrets in it.
impl fmt::Debug for InitializeParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol_versions, host, instance, config: _, limits, capabilities } = self;
        let mut shown = f.debug_struct("InitializeParams");
        shown.field("protocol_versions", protocol_versions).field("host", host).field("instance", instance);
        shown.field("limits", limits).field("capabilities", capabilities).finish_non_exhaustive()
    }
}

/// What the plugin answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitializeResult {
    /// The highest version in common.
    pub protocol_version: u32,
    /// Who the plugin is.
    #[serde(deserialize_with = "object")]
    pub plugin: Identity,
    /// The contracts it provides, as its manifest says.
    pub provides: Vec<Provided>,
    /// What the plugin accepts.
    #[serde(default, deserialize_with = "object")]
    pub limits: Limits,
    /// What the plugin can do.
    #[serde(default, deserialize_with = "object")]
    pub capabilities: PluginCapabilities,
}

/// A string where the member is there at all: null is none.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

fn empty_config() -> Value {
    json!({})
}

impl InitializeParams {
    /// Reads what a host sent.
    ///
    /// # Errors
    /// -32602 where a member is missing, ill-typed or a limit is below its minimum; -32001 where no
    /// version is in common.
    pub fn read(params: &Params<'_>) -> Result<(Self, u32), Error> {
        let this: Self = params.decode_open()?;
        if let Some((name, minimum)) = this.limits.below_minimum() {
            let message = format!("must be at least {minimum}");
            return Err(error::invalid_params(&[ParamFault { path: format!("/limits/{name}"), message }]));
        }
        let version =
            choose_version(&this.protocol_versions).ok_or_else(|| error::unsupported_protocol(VERSIONS))?;
        Ok((this, version))
    }
}

/// Why the answer to `rpc.initialize` is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeFault {
    /// Members are missing or ill-typed.
    #[error("the result of rpc.initialize is not as specified: {}", shown(.0))]
    IllTyped(String),
    /// The plugin chose a version that was not offered.
    #[error("the plugin chose protocol version {chosen}, which was not offered ({VERSIONS:?} were)")]
    Version {
        /// What it chose.
        chosen: u32,
    },
    /// A limit below its minimum.
    #[error("the plugin's limit {name} is below its minimum of {minimum}")]
    Limit {
        /// Which one, as on the wire.
        name: &'static str,
        /// The least that is allowed.
        minimum: u64,
    },
    /// `streams` without `cancel`.
    #[error("the plugin declares streams without cancel")]
    StreamsWithoutCancel,
}

impl InitializeResult {
    /// Reads what a plugin answered.
    ///
    /// # Errors
    /// [`HandshakeFault`] where it breaks the specification.
    pub fn read(result: &str) -> Result<Self, HandshakeFault> {
        let mut json = serde_json::Deserializer::from_str(result);
        let this: Self = object(&mut json).map_err(|fault| HandshakeFault::IllTyped(fault.to_string()))?;
        if !VERSIONS.contains(&this.protocol_version) {
            return Err(HandshakeFault::Version { chosen: this.protocol_version });
        }
        if let Some((name, minimum)) = this.limits.below_minimum() {
            return Err(HandshakeFault::Limit { name, minimum });
        }
        if this.capabilities.streams.is_some() && this.capabilities.cancel.is_none() {
            return Err(HandshakeFault::StreamsWithoutCancel);
        }
        Ok(this)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn read(params: &str) -> Result<(InitializeParams, u32), Error> {
        let raw = RawValue::from_string(params.to_owned()).unwrap();
        InitializeParams::read(&Params::from_raw(&raw))
    }

    #[test]
    fn only_the_versions_are_required_and_unknown_members_ignored() {
        let (params, version) = read(r#"{"protocolVersions":[1],"x":1,"capabilities":{"y":{}}}"#).unwrap();
        assert_eq!(version, 1);
        assert_eq!(params.config, json!({}));
        assert_eq!(params.limits, Limits::default());
    }

    #[test]
    fn faults_of_a_host() {
        let code = |params: &str| read(params).unwrap_err().code.code();
        assert_eq!(code("{}"), -32602);
        assert_eq!(code(r#"{"protocolVersions":1}"#), -32602);
        assert_eq!(code(r#"{"protocolVersions":[1],"instance":3}"#), -32602);
        assert_eq!(code(r#"{"protocolVersions":[1],"limits":{"maxLineBytes":65535}}"#), -32602);
        assert_eq!(code(r#"{"protocolVersions":[1],"limits":{"maxInFlight":0}}"#), -32602);
        assert_eq!(code(r#"{"protocolVersions":[1],"capabilities":{"log":true}}"#), -32602);
        assert_eq!(code(r#"{"protocolVersions":[1],"capabilities":{"log":null}}"#), -32602);
        assert_eq!(code(r#"{"protocolVersions":[1],"host":["n","1"]}"#), -32602);
        assert_eq!(code(r#"{"protocolVersions":[1],"instance":null}"#), -32602);
        assert_eq!(code(r#"{"protocolVersions":[2]}"#), error::UNSUPPORTED_PROTOCOL);
    }

    #[test]
    fn faults_of_a_plugin() {
        let with = |more: &str| {
            let text = format!(
                r#"{{"protocolVersion":1,"plugin":{{"name":"n","version":"1.0.0"}},"provides":[]{more}}}"#
            );
            InitializeResult::read(&text)
        };
        assert!(with("").is_ok());
        assert!(with(r#","x":1"#).is_ok());
        assert!(matches!(with(r#","limits":3"#), Err(HandshakeFault::IllTyped(_))));
        assert!(matches!(with(r#","limits":{"maxDepth":0}"#), Err(HandshakeFault::Limit { .. })));
        assert_eq!(with(r#","capabilities":{"streams":{}}"#), Err(HandshakeFault::StreamsWithoutCancel));
        assert!(matches!(with(r#","capabilities":[]"#), Err(HandshakeFault::IllTyped(_))));
        assert!(matches!(with(r#","capabilities":{"log":[]}"#), Err(HandshakeFault::IllTyped(_))));
        assert!(matches!(InitializeResult::read("[1,[\"n\",\"1\"],[]]"), Err(HandshakeFault::IllTyped(_))));
        assert!(matches!(InitializeResult::read("null"), Err(HandshakeFault::IllTyped(_))));
        let other = r#"{"protocolVersion":2,"plugin":{"name":"n","version":"1"},"provides":[]}"#;
        assert_eq!(InitializeResult::read(other), Err(HandshakeFault::Version { chosen: 2 }));
    }
}
