//! What `plugins.toml` may say of a plugin's sandbox. Pure.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::span::Span;
use crate::process::{Sandbox, Unenforced};

/// A sandbox, or none: `true` is the usual one, `false` is none, a table says more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum SandboxChoice {
    /// The usual one, or none.
    Switch(bool),
    /// One that is said in more words.
    Said(SandboxSettings),
}

/// What a plugin may reach, beside what `docs/sandbox.md` lists. Linux only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxSettings {
    /// Files and directories that it may read and execute; from the directory of this file.
    pub read: Vec<PathBuf>,
    /// Files and directories that it may read and write; from the directory of this file.
    pub write: Vec<PathBuf>,
    /// Whether it may use IPv4 and IPv6. Not, unless said.
    pub network: bool,
    /// As whom it runs, where the host is root: a number, or `"UID:GID"`.
    pub user: Option<UserId>,
    /// How much writable memory each of its processes may have, in bytes; 1073741824 unless said.
    pub memory_bytes: Option<Most>,
    /// How long each of its processes may compute; `none`, unless said.
    pub cpu: Option<Span>,
    /// How many processes and threads there may be of it; 128 unless said.
    pub processes: Option<Most>,
    /// How many descriptors each of its processes may have; 256 unless said.
    pub descriptors: Option<Most>,
    /// How large a file may become by what it writes, in bytes; 268435456 unless said.
    pub file_bytes: Option<Most>,
    /// What happens where this system cannot enforce all of it; `error` unless said.
    pub unenforced: WhenUnenforced,
}

/// What happens where a system cannot enforce all of a sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnenforced {
    /// The plugin is not started.
    #[default]
    Error,
    /// It is started, and an event says what is missing.
    Warn,
}

impl SandboxChoice {
    /// The sandbox that is meant, if any; paths go from that directory.
    pub(crate) fn sandbox(&self, dir: &Path) -> Option<Sandbox> {
        match self {
            Self::Switch(false) => None,
            Self::Switch(true) => Some(Sandbox::new()),
            Self::Said(settings) => Some(settings.sandbox(dir)),
        }
    }
}

impl SandboxSettings {
    fn sandbox(&self, dir: &Path) -> Sandbox {
        let mut sandbox = Sandbox::new();
        for path in &self.read {
            sandbox = sandbox.read(dir.join(path));
        }
        for path in &self.write {
            sandbox = sandbox.write(dir.join(path));
        }
        if self.network {
            sandbox = sandbox.network();
        }
        if let Some(UserId { uid, gid }) = self.user {
            sandbox = sandbox.user(uid, gid);
        }
        if let Some(Most(bytes)) = self.memory_bytes {
            sandbox = sandbox.memory(bytes);
        }
        if let Some(Span(time)) = self.cpu {
            sandbox = sandbox.cpu(time);
        }
        if let Some(Most(count)) = self.processes {
            sandbox = sandbox.processes(count);
        }
        if let Some(Most(count)) = self.descriptors {
            sandbox = sandbox.descriptors(count);
        }
        if let Some(Most(bytes)) = self.file_bytes {
            sandbox = sandbox.file_size(bytes);
        }
        sandbox.unenforced(match self.unenforced {
            WhenUnenforced::Error => Unenforced::Error,
            WhenUnenforced::Warn => Unenforced::Warn,
        })
    }
}

/// By hand, so that what is wrong within a table is said with its place in it.
impl<'de> Deserialize<'de> for SandboxChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SandboxChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or a table that says what the plugin may reach")
            }

            fn visit_bool<E: de::Error>(self, truth: bool) -> Result<SandboxChoice, E> {
                Ok(SandboxChoice::Switch(truth))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, members: A) -> Result<SandboxChoice, A::Error> {
                let members = de::value::MapAccessDeserializer::new(members);
                SandboxSettings::deserialize(members).map(SandboxChoice::Said)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// So many at most; none is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most(pub Option<u64>);

impl<'de> Deserialize<'de> for Most {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Most;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number above 0, or \"none\"")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Most, E> {
                match number {
                    0 => Err(E::invalid_value(de::Unexpected::Unsigned(0), &self)),
                    number => Ok(Most(Some(number))),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Most, E> {
                match text {
                    "none" => Ok(Most(None)),
                    text => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Most {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(number) => serializer.serialize_u64(number),
            None => serializer.serialize_str("none"),
        }
    }
}

impl JsonSchema for Most {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Most".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "none" }] })
    }
}

/// A user and a group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserId {
    /// The user.
    pub uid: u32,
    /// The group; the same number, unless said.
    pub gid: u32,
}

impl std::str::FromStr for UserId {
    type Err = String;

    /// `65534` or `65534:65534`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        match (uid.parse(), gid.parse()) {
            // That number means "as it was" to the system.
            (Ok(u32::MAX), _) | (_, Ok(u32::MAX)) | (Err(_), _) | (_, Err(_)) => {
                Err(format!("{text:?}: a user is a number, or UID:GID, both numbers"))
            }
            (Ok(uid), Ok(gid)) => Ok(Self { uid, gid }),
        }
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = UserId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a user's number, or \"UID:GID\"")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<UserId, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<UserId, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}:{}", self.uid, self.gid))
    }
}

impl JsonSchema for UserId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UserId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+(:[0-9]+)?$" }]
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Option<Sandbox>, String> {
        let choice: SandboxChoice = serde_json::from_value(value).map_err(|fault| fault.to_string())?;
        // Written and read again.
        let again = serde_json::from_value(serde_json::to_value(&choice).unwrap()).unwrap();
        assert_eq!(choice, again);
        Ok(choice.sandbox(Path::new("/etc/app")))
    }

    #[test]
    fn a_table_says_what_a_builder_does() {
        assert_eq!(read(json!(false)), Ok(None));
        assert_eq!(read(json!(true)), Ok(Some(Sandbox::new())));
        assert_eq!(read(json!({})), Ok(Some(Sandbox::new())));
        let said = json!({"read": ["data", "/srv"], "write": ["state"], "network": true, "user": "7:8",
            "memory_bytes": 1000, "cpu": "1m", "processes": "none", "descriptors": 9, "file_bytes": 10,
            "unenforced": "warn"});
        let built = Sandbox::new()
            .read("/etc/app/data")
            .read("/srv")
            .write("/etc/app/state")
            .network()
            .user(7, 8)
            .memory(1000)
            .cpu(Duration::from_secs(60))
            .processes(None)
            .descriptors(9)
            .file_size(10)
            .unenforced(Unenforced::Warn);
        assert_eq!(read(said), Ok(Some(built)));
        assert_eq!(read(json!({"user": 7})), Ok(Some(Sandbox::new().user(7, 7))));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (value, part) in [
            (json!("yes"), "expected true, false, or a table"),
            (json!({"reads": []}), "unknown field `reads`"),
            (json!({"processes": 0}), "expected a whole number above 0, or \"none\""),
            (json!({"memory_bytes": "1G"}), "expected a whole number above 0, or \"none\""),
            (json!({"user": "nobody"}), "a user is a number"),
            (json!({"user": -1}), "expected a user's number"),
            (json!({"user": 4_294_967_295_u32}), "a user is a number"),
            (json!({"unenforced": "ignore"}), "unknown variant `ignore`"),
        ] {
            let fault = read(value.clone()).expect_err("it is wrong");
            assert!(fault.contains(part), "{value}: {fault}");
        }
    }
}
