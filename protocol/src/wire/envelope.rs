//! The envelope: which kind of message a line is, by which members are there (`MSG-*`).
//!
//! Every member is borrowed as raw JSON; params, results and error data are decoded later, by whoever
//! knows their type. No untagged enums: a message is never guessed from its shape.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{Error, application, shorten};
use super::id::RequestId;
use super::params::Params;

/// One message, borrowed from its line.
#[derive(Debug)]
pub enum Message<'a> {
    /// Asks for exactly one response.
    Request(Request<'a>),
    /// Is never answered.
    Notification(Notification<'a>),
    /// Answers a request of this side.
    Response(Response<'a>),
}

/// A request with a usable id and a string method; its params are an object, an array or absent.
#[derive(Debug)]
pub struct Request<'a> {
    /// The caller's id for the call.
    pub id: RequestId,
    /// What is called.
    pub method: Cow<'a, str>,
    /// With what.
    pub params: Params<'a>,
}

/// A notification in good order.
#[derive(Debug)]
pub struct Notification<'a> {
    /// What it is about.
    pub method: Cow<'a, str>,
    /// An object, or absent.
    pub params: Params<'a>,
}

/// A response in good order.
#[derive(Debug)]
pub struct Response<'a> {
    /// The id that this side gave its request.
    pub id: RequestId,
    /// Result or error.
    pub outcome: Outcome<'a>,
}

/// What a response says.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// The result, undecoded.
    Result(&'a RawValue),
    /// The error, its data undecoded.
    Error(RemoteError<'a>),
}

/// The error object of a response.
#[derive(Debug)]
pub struct RemoteError<'a> {
    /// What kind of error; section 3 of `SPEC.md`, or the contract.
    pub code: i64,
    /// For people.
    pub message: Cow<'a, str>,
    /// What the contract declares for the code.
    pub data: Option<&'a RawValue>,
}

impl RemoteError<'_> {
    /// The error in the common vocabulary.
    ///
    /// # Errors
    /// Where the data cannot be held: nested too deep, a number out of range, a lone surrogate.
    pub fn to_error(&self) -> Result<Error, serde_json::Error> {
        let data = self.data.map(|raw| serde_json::from_str(raw.get())).transpose()?;
        Ok(application(self.code, self.message.as_ref(), data))
    }
}

/// Why a line is no message. What follows from it differs by side: a plugin answers, a host takes it as
/// stray output or as a violation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not UTF-8, or not JSON.
    #[error("not JSON: {0}")]
    Parse(String),
    /// JSON, but not an object: an array (a batch), a string, a number …
    #[error("a message is an object, not {0}")]
    NotAnObject(&'static str),
    /// An object with none of the members of a message.
    #[error("an object with none of jsonrpc, id, method, result, error")]
    NoEnvelope,
    /// An object that is no valid message.
    #[error("{reason}")]
    Invalid {
        /// The id to echo, where the line is a request whose id can be used.
        id: Option<RequestId>,
        /// What is wrong.
        reason: String,
    },
    /// A notification that is broken: logged and ignored by either side, whatever is wrong with it.
    #[error("notification {method:?} ignored: {reason}")]
    BrokenNotification {
        /// Its method; empty where that is what is wrong.
        method: String,
        /// What is wrong.
        reason: String,
    },
    /// An error response whose id is null: the peer could not tell which message it refused.
    #[error("the peer refused a message: error {code} ({message:?}) with a null id")]
    Unaddressed {
        /// The code of the error.
        code: i64,
        /// Its message.
        message: String,
    },
}

impl Malformed {
    fn invalid(id: Option<RequestId>, reason: impl Into<String>) -> Self {
        Self::Invalid { id, reason: reason.into() }
    }
}

/// Classifies one line.
///
/// # Errors
/// [`Malformed`] says why it is no message.
pub fn decode(line: &[u8]) -> Result<Message<'_>, Malformed> {
    let text = std::str::from_utf8(line).map_err(|fault| Malformed::Parse(fault.to_string()))?;
    match text.trim_ascii_start().bytes().next() {
        Some(b'{') => {}
        first => return Err(not_an_object(text, first)),
    }
    let not_json = |fault: serde_json::Error| Malformed::Parse(fault.to_string());
    let members: Members = serde_json::from_str(text).map_err(not_json)?;
    if members.names == Names::ToCheck {
        serde_json::from_str::<IgnoredAny>(text).map_err(not_json)?;
    }
    members.classify()
}

fn not_an_object(text: &str, first: Option<u8>) -> Malformed {
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(fault) => Malformed::Parse(fault.to_string()),
        Ok(_) => Malformed::NotAnObject(match first {
            Some(b'[') => "an array (batches are not part of the protocol)",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }),
    }
}

/// The members of an object that matter, each as it stands in the line. Present and `null` is not absent.
#[derive(Default)]
struct Members<'a> {
    jsonrpc: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
    /// A member of the envelope that came twice.
    duplicate: Option<&'static str>,
    names: Names,
}

/// Whether the names of the members are JSON. `serde_json` does not look whether one that is taken as bytes has control
/// characters, which JSON has only as escapes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Names {
    #[default]
    Sound,
    /// One has a control character, by an escape or as it is.
    ToCheck,
}

impl<'a> Members<'a> {
    fn classify(self) -> Result<Message<'a>, Malformed> {
        if let Some(name) = self.duplicate {
            return Err(Malformed::invalid(None, format!("the member {name} stands twice")));
        }
        match (self.method, self.result, self.error) {
            (Some(method), None, None) => match self.id {
                Some(id) => self.request(id, method),
                None => self.notification(method),
            },
            (Some(_), _, _) => Err(Malformed::invalid(None, "both a method and a result or an error")),
            (None, Some(_), Some(_)) => Err(Malformed::invalid(None, "both a result and an error")),
            (None, Some(result), None) => self.response(Outcome::Result(result)),
            (None, None, Some(error)) => {
                let error = remote_error(error).ok_or_else(|| {
                    Malformed::invalid(None, "an error needs an integer code and a string message")
                })?;
                if self.id.is_some_and(|id| id.get() == "null") {
                    let message = shorten(&error.message).to_owned();
                    return Err(Malformed::Unaddressed { code: error.code, message });
                }
                self.response(Outcome::Error(error))
            }
            (None, None, None) if self.id.is_some() || self.jsonrpc.is_some() => {
                Err(Malformed::invalid(None, "neither a method nor a result nor an error"))
            }
            (None, None, None) => Err(Malformed::NoEnvelope),
        }
    }

    fn request(self, id: &RawValue, method: &'a RawValue) -> Result<Message<'a>, Malformed> {
        let id =
            RequestId::from_json(id.get()).map_err(|fault| Malformed::invalid(None, fault.to_string()))?;
        let fault = |reason: &str| Err(Malformed::invalid(Some(id.clone()), reason));
        if !self.is_version_2() {
            return fault("the member jsonrpc must be \"2.0\"");
        }
        let Some(method) = string(method) else {
            return fault("a method is a string");
        };
        let params = Params::new(self.params);
        if !params.is_structured() {
            return fault("params must be an object");
        }
        Ok(Message::Request(Request { id, method, params }))
    }

    fn notification(self, method: &'a RawValue) -> Result<Message<'a>, Malformed> {
        let version = self.is_version_2();
        let params = Params::new(self.params);
        let broken = |method: &str, reason: &str| {
            Err(Malformed::BrokenNotification { method: method.to_owned(), reason: reason.to_owned() })
        };
        match string(method) {
            Some(name) if !version => broken(&name, "the member jsonrpc must be \"2.0\""),
            Some(name) if !params.is_object() => broken(&name, "params must be an object"),
            Some(method) => Ok(Message::Notification(Notification { method, params })),
            None if method.get().starts_with('"') => broken("", "the method is not a Unicode string"),
            None => Err(Malformed::invalid(None, "a method is a string")),
        }
    }

    fn response(self, outcome: Outcome<'a>) -> Result<Message<'a>, Malformed> {
        if !self.is_version_2() {
            return Err(Malformed::invalid(None, "the member jsonrpc of a response must be \"2.0\""));
        }
        let id = self.id.and_then(|id| RequestId::from_json(id.get()).ok());
        let id = id.ok_or_else(|| Malformed::invalid(None, "a response without a valid id"))?;
        Ok(Message::Response(Response { id, outcome }))
    }

    fn is_version_2(&self) -> bool {
        self.jsonrpc.is_some_and(|raw| raw.get() == "\"2.0\"" || string(raw).is_some_and(|v| v == "2.0"))
    }
}

/// The string that a raw value is, borrowed where it has no escapes.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|text| text.0)
}

/// An error object, taken as far as it can be: of a member that stands twice the last one counts, and a message
/// that is no Unicode string is replaced.
fn remote_error(raw: &RawValue) -> Option<RemoteError<'_>> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get()).ok()?;
    let code = serde_json::from_str(members.get("code")?.get()).ok()?;
    let message = *members.get("message")?;
    let message = match string(message) {
        None if message.get().starts_with('"') => "(a message that is not Unicode)".into(),
        message => message?,
    };
    Some(RemoteError { code, message, data: members.get("data").copied() })
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(key) = map.next_key::<Key>()? {
            let (name, member) = match key {
                Key::Jsonrpc => ("jsonrpc", &mut members.jsonrpc),
                Key::Id => ("id", &mut members.id),
                Key::Method => ("method", &mut members.method),
                Key::Params => ("params", &mut members.params),
                Key::Result => ("result", &mut members.result),
                Key::Error => ("error", &mut members.error),
                Key::Other(names) => {
                    if names == Names::ToCheck {
                        members.names = names;
                    }
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if member.replace(map.next_value()?).is_some() {
                members.duplicate = Some(name);
            }
        }
        Ok(members)
    }
}

/// The name of a member, however it is escaped.
enum Key {
    Jsonrpc,
    Id,
    Method,
    Params,
    Result,
    Error,
    Other(Names),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }
            fn visit_bytes<E>(self, name: &[u8]) -> Result<Key, E> {
                Ok(match name {
                    b"jsonrpc" => Key::Jsonrpc,
                    b"id" => Key::Id,
                    b"method" => Key::Method,
                    b"params" => Key::Params,
                    b"result" => Key::Result,
                    b"error" => Key::Error,
                    name if name.iter().any(|byte| *byte < b' ') => Key::Other(Names::ToCheck),
                    _ => Key::Other(Names::Sound),
                })
            }
        }
        // As bytes, since a name may hold a lone surrogate; such a one is none of ours.
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, wanted: &str) {
        let seen = match decode(line.as_bytes()) {
            Ok(Message::Request(r)) => format!("request {} {}", r.id, r.method),
            Ok(Message::Notification(n)) => format!("notification {}", n.method),
            Ok(Message::Response(Response { id, outcome: Outcome::Result(raw) })) => {
                format!("result {id} {raw}")
            }
            Ok(Message::Response(Response { id, outcome: Outcome::Error(e) })) => {
                format!("error {id} {} {} {:?}", e.code, e.message, e.data.map(RawValue::get))
            }
            Err(Malformed::Parse(_)) => "parse".into(),
            Err(Malformed::NotAnObject(_)) => "not an object".into(),
            Err(Malformed::NoEnvelope) => "no envelope".into(),
            Err(Malformed::Invalid { id, .. }) => format!("invalid {id:?}"),
            Err(Malformed::BrokenNotification { method, .. }) => format!("broken {method}"),
            Err(Malformed::Unaddressed { code, .. }) => format!("unaddressed {code}"),
        };
        assert_eq!(seen, wanted, "{:.200}", line);
    }

    #[test]
    fn messages_are_told_apart_by_their_members() {
        check(r#"{"jsonrpc":"2.0","id":1,"method":"a.b"}"#, "request 1 a.b");
        check(r#"{"jsonrpc":"2.0","id":"1","method":"a.b","params":{}}"#, "request \"1\" a.b");
        check(r#"{"jsonrpc":"2.0","id":1,"method":"a.b","params":[]}"#, "request 1 a.b");
        check(r#"{"jsonrpc":"2.0","method":"a.b"}"#, "notification a.b");
        check(r#"{"jsonrpc":"2.0","id":1,"result":null}"#, "result 1 null");
        check(
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m","data":null}}"#,
            "error 1 1 m Some(\"null\")",
        );
        check(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}"#, "error 1 1 m None");
    }

    #[test]
    fn an_error_is_taken_as_far_as_it_can_be() {
        check(
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":0,"code":1,"message":"m","x":0}}"#,
            "error 1 1 m None",
        );
        check(
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"\ud800","data":"\ud800"}}"#,
            r#"error 1 1 (a message that is not Unicode) Some("\"\\ud800\"")"#,
        );
    }

    #[test]
    fn unknown_members_order_and_escapes_do_not_matter() {
        check(
            r#"{"x":[{"id":9}],"params":{},"method":"a\u002eb","id":3,"jsonrpc":"2\u002e0"}"#,
            "request 3 a.b",
        );
        check(r#"{"\u006asonrpc":"2.0","\u0069d":1,"\u006dethod":"m"}"#, "request 1 m");
        check(r#" {"jsonrpc":"2.0","\ud800":1,"id":1,"method":"m"} "#, "request 1 m");
    }

    #[test]
    fn invalid_requests_keep_an_id_that_can_be_used() {
        for line in [
            r#"{"id":1,"method":"m"}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#,
            r#"{"jsonrpc":2.0,"id":1,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":null}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":"x"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#,
        ] {
            check(line, "invalid Some(1)");
        }
    }

    #[test]
    fn other_invalid_messages_have_none() {
        for line in [
            r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":-1,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1.0,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","method":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","result":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","error":{"code":1,"message":""}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":""}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":1,"error":null}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":null}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#,
            r#"{"id":1,"result":1}"#,
            r#"{"jsonrpc":"2.0","result":1}"#,
            r#"{"jsonrpc":"2.0","id":null,"result":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"m"}"#,
        ] {
            check(line, "invalid None");
        }
    }

    #[test]
    fn a_broken_notification_is_still_one() {
        check(r#"{"method":"m"}"#, "broken m");
        check(r#"{"jsonrpc":"2.0","method":"m","params":[1]}"#, "broken m");
        check(r#"{"jsonrpc":"2.0","method":"m","params":3}"#, "broken m");
        check(r#"{"jsonrpc":"2.0","method":"\ud800"}"#, "broken ");
    }

    #[test]
    fn what_is_no_message_at_all() {
        check("garbage", "parse");
        check("{\"jsonrpc\":", "parse");
        check("{} {}", "parse");
        check("[]", "not an object");
        check(r#"[{"jsonrpc":"2.0","id":1,"method":"m"}]"#, "not an object");
        check("7", "not an object");
        check("{}", "no envelope");
        check(r#"{"level":"info"}"#, "no envelope");
        check(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":""}}"#, "unaddressed -32700");
        assert!(matches!(decode(b"{\"jsonrpc\":\"2.0\",\"x\":\"\xff\"}"), Err(Malformed::Parse(_))));
    }

    #[test]
    fn a_name_has_control_characters_as_escapes_only() {
        check(r#"{"jsonrpc":"2.0","a\u0000\n":1,"id":1,"method":"m"}"#, "request 1 m");
        check("{\"jsonrpc\":\"2.0\",\"a\0\":1,\"id\":1,\"method\":\"m\"}", "parse");
        check("{\"jsonrpc\":\"2.0\",\"\\n\t\":1,\"id\":1,\"method\":\"m\"}", "parse");
    }

    #[test]
    fn deep_nesting_does_not_overflow() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        check(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"a":{deep}}}}}"#), "request 1 m");
    }
}
