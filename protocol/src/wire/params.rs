//! Params of a request or notification: raw until a handler's type decodes them.
//!
//! Decoding is closed (`MSG-38`): a member that the type does not have is a fault, without the type
//! having to say so. `_meta` belongs to the protocol and never reaches the type.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{Error, ParamFault, invalid_params, shorten};
use super::glance::split_number;
use super::id::RequestId;
use super::text::without_value;

const META: &str = "_meta";

/// The params of a message, undecoded.
#[derive(Debug, Clone, Copy)]
pub struct Params<'a>(Option<&'a str>);

impl<'a> Params<'a> {
    /// Absent params: the same as `{}`.
    pub const NONE: Self = Self(None);

    pub(super) fn new(raw: Option<&'a RawValue>) -> Self {
        Self(raw.map(RawValue::get))
    }

    /// Params that were only [glanced](super::glance) at: decoding them says whether they are JSON at all.
    pub(crate) fn unchecked(text: &'a str) -> Self {
        Self(Some(text))
    }

    /// Params from the JSON text of an object.
    pub fn from_raw(raw: &'a RawValue) -> Self {
        Self(Some(raw.get()))
    }

    /// The JSON text; `{}` where the message had none.
    pub fn get(&self) -> &'a str {
        self.0.unwrap_or("{}")
    }

    /// The same params, to be kept.
    pub fn to_owned(&self) -> OwnedParams {
        OwnedParams(self.0.map(Box::from))
    }

    /// Whether these are by name, as the protocol wants them.
    pub fn is_object(&self) -> bool {
        self.get().starts_with('{')
    }

    pub(super) fn is_structured(&self) -> bool {
        self.get().starts_with(['{', '['])
    }

    /// Decodes into a handler's type; `()` is "takes no params".
    ///
    /// # Errors
    /// -32602 with `data.errors` where a member is missing, ill-typed or unknown.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.decode_as(Unknown::Refused)
    }

    /// Decodes the params of an `rpc.*` method, whose unknown members are ignored.
    ///
    /// # Errors
    /// -32602 with `data.errors` where a member is missing or ill-typed.
    pub fn decode_open<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.decode_as(Unknown::Ignored)
    }

    fn decode_as<T: DeserializeOwned>(&self, unknown: Unknown) -> Result<T, Error> {
        if !self.is_object() {
            let message = "params must be an object".to_owned();
            return Err(invalid_params(&[ParamFault { path: String::new(), message }]));
        }
        let mut json = serde_json::Deserializer::from_str(self.get());
        let members = Members { inner: &mut json, unknown, refused: &RefCell::new(None) };
        // To know at every moment where one is costs more than the decoding; only a fault is looked for again.
        match T::deserialize(members) {
            Ok(decoded) if json.end().is_ok() => Ok(decoded),
            _ => self.decode_with_path(unknown),
        }
    }

    #[cold]
    fn decode_with_path<T: DeserializeOwned>(&self, unknown: Unknown) -> Result<T, Error> {
        let refused = RefCell::new(None);
        let mut json = serde_json::Deserializer::from_str(self.get());
        let members = Members { inner: &mut json, unknown, refused: &refused };
        let decoded = serde_path_to_error::deserialize(members).map_err(|fault| {
            let path = match refused.take() {
                Some(name) => pointer_segment(&name),
                None => pointer(fault.path()),
            };
            let message = reason(&fault.into_inner());
            let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
            let path = path + &missing.map(pointer_segment).unwrap_or_default();
            invalid_params(&[ParamFault { path, message }])
        })?;
        let at_end = json.end().map_err(|fault| ParamFault { path: String::new(), message: reason(&fault) });
        at_end.map(|()| decoded).map_err(|fault| invalid_params(&[fault]))
    }

    /// What the caller says about the call itself. Unknown and ill-typed members are ignored.
    pub fn meta(&self) -> Meta {
        let text = self.get();
        if let Some(meta) = Meta::at_end(text) {
            return meta;
        }
        // Cheap refusal first: many a message has no `_meta`, nor an escape that could spell it.
        if !may_have_meta(text.as_bytes()) {
            return Meta::default();
        }
        self.raw_meta().map(Meta::read).unwrap_or_default()
    }

    /// Whether the reserved member is there at all, with whatever value.
    pub(super) fn has_meta(&self) -> bool {
        self.raw_meta().is_some()
    }

    fn raw_meta(&self) -> Option<&'a RawValue> {
        #[derive(Deserialize)]
        struct Probe<'a> {
            #[serde(borrow, default, deserialize_with = "present")]
            _meta: Option<&'a RawValue>,
        }
        serde_json::from_str::<Probe<'a>>(self.get()).ok().and_then(|probe| probe._meta)
    }
}

/// The params of a message, undecoded, apart from its line.
#[derive(Debug, Clone)]
pub struct OwnedParams(Option<Box<str>>);

impl OwnedParams {
    /// The params.
    pub fn as_params(&self) -> Params<'_> {
        Params(self.0.as_deref())
    }
}

/// Whether the text names the reserved member, or has an escape that could.
pub(super) fn may_have_meta(text: &[u8]) -> bool {
    static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(META));
    NAME.find(text).is_some() || memchr::memchr_iter(b'\\', text).any(|at| text.get(at + 1) == Some(&b'u'))
}

/// Keeps `null` apart from an absent member.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The member `_meta` of any params (`MSG-16`).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "The member `_meta` of any params: what the caller says about the call itself.")]
pub struct Meta {
    /// The caller gives up after this many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// The id of the request in whose handling this one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<RequestId>,
    /// W3C trace context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl Meta {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As this crate writes it: the last member of the params, with what nearly all have. Where the text is JSON it
    /// is no part of a string, since the quote before the name would end that, nor of a member, since the last brace
    /// would close that.
    fn at_end(params: &str) -> Option<Self> {
        let inner = params.strip_suffix("}}")?;
        let (before, members) = inner.split_at(inner.rfind('{')?);
        if !before.strip_suffix("\"_meta\":")?.ends_with([',', '{']) {
            return None;
        }
        let (deadline_ms, rest) = split_number(members.strip_prefix("{\"deadlineMs\":")?)?;
        let parent = match rest.strip_prefix(",\"parent\":") {
            None if rest.is_empty() => None,
            None => return None,
            Some(id) => match split_number(id)? {
                (id, "") => Some(RequestId::Number(id)),
                _ => return None,
            },
        };
        Some(Self { deadline_ms: Some(deadline_ms), parent, traceparent: None })
    }

    fn read(raw: &RawValue) -> Self {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Raw<'a> {
            #[serde(borrow)]
            deadline_ms: Option<&'a RawValue>,
            #[serde(borrow)]
            parent: Option<&'a RawValue>,
            #[serde(borrow)]
            traceparent: Option<&'a RawValue>,
        }
        fn lenient<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
            raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
        }
        let raw: Raw<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
        Self {
            deadline_ms: lenient(raw.deadline_ms),
            parent: lenient(raw.parent),
            traceparent: lenient(raw.traceparent),
        }
    }
}

pub(crate) fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
            serde_path_to_error::Segment::Map { key } => pointer_segment(key),
            serde_path_to_error::Segment::Enum { variant } => pointer_segment(variant),
            serde_path_to_error::Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

fn pointer_segment(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The parser's words without the value, which may be secret or long, and without its line and column, which count from
/// nowhere the sender knows.
fn reason(fault: &serde_json::Error) -> String {
    let text = without_value(fault);
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

#[derive(Clone, Copy)]
enum Unknown {
    Refused,
    Ignored,
}

/// A deserialiser of an object that hides `_meta` and, where a struct says which members it has, refuses
/// the others.
struct Members<'r, D> {
    inner: D,
    unknown: Unknown,
    /// The member that was refused, for the error.
    refused: &'r RefCell<Option<String>>,
}

impl<'r, D> Members<'r, D> {
    fn filter<V>(&self, visitor: V, accepted: Option<&'static [&'static str]>) -> MemberVisitor<'r, V> {
        let accepted = match self.unknown {
            Unknown::Refused => accepted,
            Unknown::Ignored => None,
        };
        MemberVisitor { visitor, accepted, refused: self.refused }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Members<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let filter = self.filter(visitor, None);
        self.inner.deserialize_any(filter)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let filter = self.filter(visitor, None);
        self.inner.deserialize_map(filter)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let filter = self.filter(visitor, Some(fields));
        self.inner.deserialize_struct(name, fields, filter)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let filter = self.filter(IgnoredAny, Some(&[]));
        self.inner.deserialize_map(filter)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq tuple
        tuple_struct identifier
    }
}

struct MemberVisitor<'r, V> {
    visitor: V,
    accepted: Option<&'static [&'static str]>,
    refused: &'r RefCell<Option<String>>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for MemberVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let Self { visitor, accepted, refused } = self;
        visitor.visit_map(MemberAccess { map, accepted, refused })
    }
}

/// The name of a member, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a member")
            }

            fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

struct MemberAccess<'r, A> {
    map: A,
    accepted: Option<&'static [&'static str]>,
    refused: &'r RefCell<Option<String>>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for MemberAccess<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        loop {
            let Some(Name(name)) = self.map.next_key()? else {
                return Ok(None);
            };
            if name == META {
                self.map.next_value::<IgnoredAny>()?;
                continue;
            }
            if let Some(accepted) = self.accepted
                && !accepted.contains(&name.as_ref())
            {
                let fault = match accepted {
                    [] => {
                        de::Error::custom(format!("unknown member {:?}: no params are taken", shorten(&name)))
                    }
                    _ => de::Error::custom(format!(
                        "unknown member {:?}, expected one of {accepted:?}",
                        shorten(&name)
                    )),
                };
                *self.refused.borrow_mut() = Some(shorten(&name).to_owned());
                return Err(fault);
            }
            return seed.deserialize(de::value::CowStrDeserializer::new(name)).map(Some);
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Add {
        a: i64,
        #[serde(alias = "bee")]
        b: i64,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Nested {
        list: Vec<Add>,
    }

    fn decode<T: DeserializeOwned>(text: &str) -> Result<T, (String, String)> {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        Params::from_raw(&raw).decode::<T>().map_err(|error| {
            assert_eq!(error.code.code(), -32602);
            let fault = &error.data.unwrap()["errors"][0];
            let part = |name: &str| fault[name].as_str().unwrap().to_owned();
            (part("path"), part("message"))
        })
    }

    #[test]
    fn a_struct_is_closed_without_saying_so() {
        assert_eq!(decode::<Add>(r#"{"a":1,"b":2}"#), Ok(Add { a: 1, b: 2 }));
        assert_eq!(decode::<Add>(r#"{"a":1,"bee":2}"#), Ok(Add { a: 1, b: 2 }));
        let (path, message) = decode::<Add>(r#"{"a":1,"b":2,"c/d":3}"#).unwrap_err();
        assert_eq!(path, "/c~1d");
        assert!(message.contains("unknown member"), "{message}");
    }

    #[test]
    fn faults_point_at_their_place() {
        let (path, message) = decode::<Nested>(r#"{"list":[{"a":1,"b":2},{"a":"x","b":2}]}"#).unwrap_err();
        assert_eq!(path, "/list/1/a");
        assert!(!message.contains("line"), "{message}");
        let (path, message) = decode::<Add>(r#"{"a":1}"#).unwrap_err();
        assert_eq!((path.as_str(), message.as_str()), ("/b", "missing field `b`"));
    }

    #[test]
    fn meta_never_reaches_the_type() {
        assert_eq!(decode::<Add>(r#"{"_meta":{"parent":1},"a":1,"b":2}"#), Ok(Add { a: 1, b: 2 }));
        assert_eq!(decode::<Value>(r#"{"_meta":{},"a":1}"#), Ok(json!({"a": 1})));
        assert_eq!(decode::<()>(r#"{"_meta":{}}"#), Ok(()));
        assert_eq!(decode::<Option<Add>>(r#"{"_meta":3,"a":1,"b":2}"#), Ok(Some(Add { a: 1, b: 2 })));
    }

    #[test]
    fn no_params_takes_none() {
        assert_eq!(Params::NONE.decode::<()>(), Ok(()));
        assert_eq!(decode::<()>(r#"{"x":1}"#).unwrap_err().0, "/x");
        assert_eq!(decode::<Add>("[1,2]").unwrap_err().0, "");
    }

    #[test]
    fn too_deep_is_a_fault_and_no_overflow() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(decode::<Value>(&format!(r#"{{"a":{deep}}}"#)).is_err());
    }

    #[test]
    fn meta_ignores_what_it_cannot_read() {
        let meta = |text: &str| {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            Params::from_raw(&raw).meta()
        };
        assert_eq!(
            meta(r#"{"_meta":{"deadlineMs":5,"parent":"p","x":1}}"#),
            Meta { deadline_ms: Some(5), parent: Some(RequestId::Text("p".into())), traceparent: None }
        );
        for (text, parent) in [
            (r#"{"a":1,"_meta":{"deadlineMs":5,"parent":3}}"#, Some(RequestId::Number(3))),
            (r#"{"_meta":{"deadlineMs":5}}"#, None),
            (r#"{"a":{"_meta":{"deadlineMs":9}},"_meta":{"deadlineMs":5}}"#, None),
        ] {
            assert_eq!(meta(text), Meta { deadline_ms: Some(5), parent, traceparent: None }, "{text}");
        }
        assert_eq!(meta(r#"{"a":{"b":1,"_meta":{"deadlineMs":9}}}"#), Meta::default());
        assert_eq!(meta(r#"{"a":",\"_meta\":{\"deadlineMs\":9}}"}"#), Meta::default());
        assert_eq!(meta(r#"{"_meta":{"deadlineMs":"5","parent":-1,"traceparent":7}}"#), Meta::default());
        assert_eq!(meta(r#"{"_meta":7}"#), Meta::default());
        assert_eq!(meta(r#"{"a":"_meta"}"#), Meta::default());
        assert_eq!(meta(r#"{"\u005fmeta":{"deadlineMs":5}}"#).deadline_ms, Some(5));
    }
}
