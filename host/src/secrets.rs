//! What is not to be shown, and what keeps it out of what is: events, errors, transcripts.
//!
//! A secret is a text that the host was told of ([`Launch::secret`](crate::Launch::secret), `secrets` in `plugins.toml`), or
//! a part of a config or of params that is `writeOnly` by the plugin's manifest. Wherever a plugin says it again, as it is
//! or as JSON, a URL or this project's escapes write it, `[secret]` stands in its place. What a plugin hides (base64, a
//! secret letter by letter) is not found: who was given a secret can pass it on. Results are what a host asked for, and
//! come as they are.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use plugline_protocol::lifecycle::messages::{Log, Progress};
use plugline_protocol::lifecycle::{HandshakeFault, Identity};
use plugline_protocol::peer::{CallError, CloseReason, HandshakeError, Violation};
use plugline_protocol::wire::{Error as WireError, escape};
use serde_json::{Map, Value};

use crate::error::Evidence;
use crate::event::EventKind;
use crate::supervisor::{Decision, Failure};

/// What is shorter stands in texts by chance, and would spoil all of them; bytes.
pub(crate) const SHORTEST: usize = 4;
/// What is shown in the place of a secret.
pub(crate) const HIDDEN: &str = "[secret]";
/// So many forms of secrets that were in params are remembered; the oldest are forgotten first …
const PASSING: usize = 1024;
/// … and so many bytes of them.
const PASSING_BYTES: usize = 1024 * 1024;

/// Of the secrets of one value, so many texts and lines of texts are known: a plugin says by its manifest what is secret, and
/// who calls it is not to spend their time on millions.
const TEXTS: usize = 1024;
/// So many bytes are looked at for what is known, a byte as often as there are forms: some tenths of a second at most. What
/// would take more is hidden as a whole.
const LOOKED_AT: usize = 256 * 1024 * 1024;
/// What a text costs beside its own bytes.
const EACH_TEXT: usize = 256;

/// Takes secrets out of what is shown. Clones know the same.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    known: Arc<RwLock<Known>>,
}

#[derive(Clone, Default)]
struct Known {
    /// As long as the plugin runs.
    lasting: HashSet<String>,
    /// Those of calls, in the order in which they came.
    passing: VecDeque<String>,
    passing_bytes: usize,
}

impl Known {
    fn all(&self) -> impl Iterator<Item = &str> {
        self.lasting.iter().chain(&self.passing).map(String::as_str)
    }

    /// Whether it would take too long to look for all of them in so many texts, of so many bytes together.
    fn are_too_many(&self, texts: usize, bytes: usize) -> bool {
        let forms = self.lasting.len() + self.passing.len();
        forms.saturating_mul(bytes.saturating_add(texts.saturating_mul(EACH_TEXT))) > LOOKED_AT
    }

    /// Takes a form of what is in the params of a call.
    fn pass(&mut self, form: String) {
        // One that is too long would push out all others, and itself.
        if form.len() > PASSING_BYTES || self.lasting.contains(&form) || self.passing.contains(&form) {
            return;
        }
        self.passing_bytes += form.len();
        self.passing.push_back(form);
        while self.passing.len() > PASSING || self.passing_bytes > PASSING_BYTES {
            let Some(oldest) = self.passing.pop_front() else { break };
            self.passing_bytes -= oldest.len();
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

/// The lines of a secret: standard error comes line by line.
fn lines(secret: &str) -> impl Iterator<Item = &str> {
    secret.lines().map(str::trim).filter(|line| (SHORTEST..secret.len()).contains(&line.len()))
}

/// The ways in which a text may stand in another, without backslashes: how many there are depends on how often it was
/// escaped, a text in JSON in an error that is quoted …
fn forms(text: &str) -> impl Iterator<Item = String> {
    let json = Value::from(text).to_string();
    let json = &json[1..json.len() - 1];
    let forms =
        [text.to_owned(), escape(text.as_bytes()), json.to_owned(), ascii(json), percent_encoded(text)];
    forms.into_iter().map(|form| form.replace('\\', "")).filter(|form| form.len() >= SHORTEST)
}

/// How many texts there are in a value, names and numbers included, and how many bytes they have together.
fn weight(value: &Value) -> (usize, usize) {
    let (mut texts, mut bytes) = (0, 0);
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        match value {
            Value::String(text) => bytes += text.len(),
            Value::Array(items) => rest.extend(items),
            Value::Object(members) => {
                texts += members.len();
                bytes += members.keys().map(String::len).sum::<usize>();
                rest.extend(members.values());
            }
            // As texts they are short.
            Value::Number(_) => {}
            Value::Null | Value::Bool(_) => continue,
        }
        texts += 1;
    }
    (texts, bytes)
}

/// How many bytes at the end of a text are the beginning of another, in time that grows as they do (Knuth, Morris and Pratt).
fn overlap(text: &[u8], other: &[u8]) -> usize {
    let length = text.len().min(other.len());
    let (text, other) = (&text[text.len() - length..], &other[..length]);
    // Of each beginning of the other, how much of its end is its beginning again.
    let mut again = vec![0; length];
    let mut matched = 0;
    for at in 1..length {
        while matched > 0 && other[at] != other[matched] {
            matched = again[matched - 1];
        }
        matched += usize::from(other[at] == other[matched]);
        again[at] = matched;
    }
    matched = 0;
    for byte in text {
        while matched > 0 && *byte != other[matched] {
            matched = again[matched - 1];
        }
        matched += usize::from(*byte == other[matched]);
    }
    matched
}

/// A text without its backslashes, and where each byte of it stood.
struct Plain<'a> {
    bytes: Cow<'a, [u8]>,
    /// Empty where there were none.
    places: Vec<usize>,
}

impl<'a> Plain<'a> {
    fn of(text: &'a [u8]) -> Self {
        if memchr::memchr(b'\\', text).is_none() {
            return Self { bytes: Cow::Borrowed(text), places: Vec::new() };
        }
        let plain = text.iter().enumerate().filter(|(_, byte)| **byte != b'\\');
        let (places, bytes): (Vec<usize>, Vec<u8>) = plain.map(|(at, byte)| (at, *byte)).unzip();
        Self { bytes: Cow::Owned(bytes), places }
    }

    /// Where something stood in the text, with the backslashes before it.
    fn place(&self, text: &[u8], part: Range<usize>) -> Range<usize> {
        if self.places.is_empty() {
            return part;
        }
        let (first, last) = (self.places[part.start], self.places[part.end - 1]);
        let before = text[..first].iter().rev().take_while(|byte| **byte == b'\\').count();
        first - before..last + 1
    }
}

/// JSON text in ASCII alone, as many writers of JSON have it.
fn ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(ascii, "\\u{unit:04x}").expect("a string takes all that is written");
            }
        }
    }
    ascii
}

/// As it stands in a URL (RFC 3986, section 2.1).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes all that is written");
        }
    }
    encoded
}

/// Where a text was cut, so that only a part of a secret may stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Before,
    After,
}

impl Redactor {
    /// The same secrets in one that learns others by itself.
    pub(crate) fn fork(&self) -> Self {
        let known = Known { lasting: self.known().lasting.clone(), ..Known::default() };
        Self { known: Arc::new(RwLock::new(known)) }
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on, this is not shown.
    pub(crate) fn hide(&self, secret: &str) {
        self.learn(std::iter::once(secret).chain(lines(secret)), Lasts::Always);
    }

    /// Learns the first of these texts.
    fn learn<'a>(&self, texts: impl Iterator<Item = &'a str>, lasts: Lasts) {
        let texts: Vec<&str> = texts.take(TEXTS).collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match lasts {
            Lasts::Always => known.lasting.extend(texts.into_iter().flat_map(forms)),
            // Those that come last are kept longest.
            Lasts::AWhile => texts.into_iter().rev().flat_map(forms).for_each(|form| known.pass(form)),
        }
    }

    /// Learns what these parts of one value say, whatever they are.
    pub(crate) fn hide_values<'a>(&self, parts: impl Iterator<Item = &'a Value>, lasts: Lasts) {
        let mut found: Vec<Cow<'a, str>> = Vec::new();
        let mut rest: VecDeque<&Value> = parts.collect();
        while let Some(value) = rest.pop_front()
            && found.len() < TEXTS
        {
            match value {
                Value::String(text) => found.push(Cow::Borrowed(text)),
                Value::Number(number) => found.push(Cow::Owned(number.to_string())),
                Value::Array(items) => rest.extend(items),
                Value::Object(members) => rest.extend(members.values()),
                Value::Null | Value::Bool(_) => {}
            }
            found.pop_if(|text| text.len() < SHORTEST);
        }
        // A text of thousands of lines leaves room for those that are short.
        found.sort_by_key(|text| text.len());
        let wholes = found.iter().map(|text| &**text);
        self.learn(wholes.clone().chain(wholes.flat_map(lines)), lasts);
    }

    /// The text, without the secrets.
    pub(crate) fn redact(&self, text: String) -> String {
        match self.redact_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => text,
            // What is taken out of it begins and ends between two characters.
            Cow::Owned(clean) => String::from_utf8(clean).unwrap_or_else(|_| HIDDEN.to_owned()),
        }
    }

    /// The same of a text that was cut: the part of a secret that stands at its edge is one, too.
    pub(crate) fn redact_cut(&self, text: String, cut: Cut) -> String {
        let text = self.redact(text);
        let body = text.trim_end_matches('…');
        let plain = Plain::of(body.as_bytes());
        let known = self.known();
        let longest = known.all().map(|secret| match cut {
            Cut::After => overlap(&plain.bytes, secret.as_bytes()),
            Cut::Before => overlap(secret.as_bytes(), &plain.bytes),
        });
        let longest = longest.filter(|length| *length >= SHORTEST).max().unwrap_or_default();
        if longest == 0 {
            return text;
        }
        let part = match cut {
            Cut::After => plain.bytes.len() - longest..plain.bytes.len(),
            Cut::Before => 0..longest,
        };
        let mut place = plain.place(body.as_bytes(), part);
        // A character may have been cut, too.
        while !text.is_char_boundary(place.start) {
            place.start -= 1;
        }
        while !text.is_char_boundary(place.end) {
            place.end += 1;
        }
        format!("{}{HIDDEN}{}", &text[..place.start], &text[place.end..])
    }

    /// Bytes that may be no text, without the secrets.
    pub(crate) fn redact_bytes<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let known = self.known();
        if known.all().next().is_none() {
            return Cow::Borrowed(text);
        }
        if known.are_too_many(1, text.len()) {
            return Cow::Owned(HIDDEN.into());
        }
        let plain = Plain::of(text);
        let mut found: Vec<Range<usize>> = Vec::new();
        // Most texts are short, and no place for most secrets.
        for secret in known.all().filter(|secret| secret.len() <= plain.bytes.len()) {
            let at = memchr::memmem::find_iter(&plain.bytes, secret);
            found.extend(at.map(|at| plain.place(text, at..at + secret.len())));
        }
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_by_key(|place| place.start);
        let (mut clean, mut end) = (Vec::with_capacity(text.len()), 0);
        for place in found {
            // One secret may be part of another, or overlap with it.
            if place.start >= end {
                clean.extend_from_slice(&text[end..place.start]);
                clean.extend_from_slice(HIDDEN.as_bytes());
            }
            end = end.max(place.end);
        }
        clean.extend_from_slice(&text[end..]);
        Cow::Owned(clean)
    }

    pub(crate) fn value(&self, value: Value) -> Value {
        let (texts, bytes) = weight(&value);
        if self.known().are_too_many(texts, bytes) { HIDDEN.into() } else { self.clean(value) }
    }

    fn members(&self, members: Map<String, Value>) -> Map<String, Value> {
        match self.value(Value::Object(members)) {
            Value::Object(members) => members,
            hidden => Map::from_iter([("hidden".to_owned(), hidden)]),
        }
    }

    fn clean(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redact(text)),
            Value::Number(number) => {
                let text = number.to_string();
                if self.redact(text.clone()) == text { Value::Number(number) } else { HIDDEN.into() }
            }
            Value::Array(items) => items.into_iter().map(|item| self.clean(item)).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(name, value)| (self.redact(name), self.clean(value))).collect()
            }
            other => other,
        }
    }

    pub(crate) fn progress(&self, mut report: Progress) -> Progress {
        report.message = report.message.map(|message| self.redact(message));
        report
    }

    fn lines(&self, lines: Vec<String>) -> Vec<String> {
        lines.into_iter().map(|line| self.redact(line)).collect()
    }

    /// The last lines on standard error: the first of them may have lost its beginning, and of the last the end may not
    /// have been read yet.
    pub(crate) fn tail(&self, mut lines: Vec<String>) -> Vec<String> {
        if let Some(first) = lines.first_mut() {
            *first = self.redact_cut(std::mem::take(first), Cut::Before);
        }
        if let Some(last) = lines.last_mut() {
            *last = self.redact_cut(std::mem::take(last), Cut::After);
        }
        self.lines(lines)
    }

    pub(crate) fn call_error(&self, fault: CallError) -> CallError {
        match fault {
            CallError::Remote(error) => CallError::Remote(self.wire_error(error)),
            CallError::Undecodable(what) => CallError::Undecodable(self.redact(what)),
            CallError::Refused(why) => CallError::Refused(self.redact(why)),
            CallError::Closed(reason) => CallError::Closed(self.close_reason(reason)),
            other => other,
        }
    }

    fn wire_error(&self, error: WireError) -> WireError {
        let WireError { code, message, data } = error;
        WireError { code, message: self.redact(message), data: data.map(|data| self.value(data)) }
    }

    pub(crate) fn close_reason(&self, reason: Arc<CloseReason>) -> Arc<CloseReason> {
        let quoted = |quote: &String| self.redact_cut(quote.clone(), Cut::After);
        let violation = match &*reason {
            CloseReason::Violation(Violation::Message { reason, quote }) => {
                Violation::Message { reason: self.redact(reason.clone()), quote: quoted(quote) }
            }
            CloseReason::Violation(Violation::Stray { quote }) => Violation::Stray { quote: quoted(quote) },
            _ => return reason,
        };
        Arc::new(CloseReason::Violation(violation))
    }

    pub(crate) fn handshake_error(&self, fault: HandshakeError) -> HandshakeError {
        match fault {
            HandshakeError::Call(cause) => HandshakeError::Call(self.call_error(cause)),
            HandshakeError::Fault(HandshakeFault::IllTyped(what)) => {
                HandshakeError::Fault(HandshakeFault::IllTyped(self.redact(what)))
            }
            HandshakeError::Fault(fault) => HandshakeError::Fault(fault),
        }
    }

    fn evidence(&self, evidence: Evidence) -> Evidence {
        let Evidence { exit, stderr_tail, stray } = evidence;
        Evidence { exit, stderr_tail: self.lines(stderr_tail), stray: stray.map(|stray| self.redact(stray)) }
    }

    fn identity(&self, Identity { name, version }: Identity) -> Identity {
        Identity { name: self.redact(name), version: self.redact(version) }
    }

    fn decision(&self, decision: Decision) -> Decision {
        use Decision::{CrashLoop, Replaced, Restarting, StartFailed, SwapFailed, Swapped};
        match decision {
            StartFailed { reason } => StartFailed { reason: self.redact(reason) },
            Restarting { attempt, after, reason } => {
                Restarting { attempt, after, reason: self.redact(reason) }
            }
            Replaced { reason } => Replaced { reason: self.redact(reason) },
            SwapFailed { reason } => SwapFailed { reason: self.redact(reason) },
            Swapped { plugin, cut_off } => Swapped { plugin: self.identity(plugin), cut_off },
            CrashLoop { failures, again } => {
                let clean = |Failure { reason, evidence }| Failure {
                    reason: self.redact(reason),
                    evidence: self.evidence(evidence),
                };
                CrashLoop { failures: failures.into_iter().map(clean).collect(), again }
            }
            other => other,
        }
    }

    /// What is told of an event.
    pub(crate) fn event(&self, kind: EventKind) -> EventKind {
        if self.knows_nothing() {
            return kind;
        }
        match kind {
            EventKind::Stderr(text) => EventKind::Stderr(self.redact(text)),
            EventKind::Ignored(text) => EventKind::Ignored(self.redact(text)),
            EventKind::Unchecked(text) => EventKind::Unchecked(self.redact(text)),
            EventKind::Stray { text, held_back } => {
                EventKind::Stray { text: self.redact_cut(text, Cut::After), held_back }
            }
            EventKind::Log(Log { level, message, target, fields }) => EventKind::Log(Log {
                level,
                message: self.redact(message),
                target: target.map(|target| self.redact(target)),
                fields: self.members(fields),
            }),
            EventKind::Ready(mut hello) => {
                hello.plugin = self.identity(hello.plugin);
                for provided in &mut hello.provides {
                    provided.contract = self.redact(std::mem::take(&mut provided.contract));
                    provided.version = self.redact(std::mem::take(&mut provided.version));
                    provided.types = self.lines(std::mem::take(&mut provided.types));
                }
                EventKind::Ready(hello)
            }
            EventKind::Exited { exit, wanted, stderr_tail } => {
                EventKind::Exited { exit, wanted, stderr_tail: self.tail(stderr_tail) }
            }
            EventKind::Supervision(decision) => EventKind::Supervision(self.decision(decision)),
            EventKind::Started { .. }
            | EventKind::Attached
            | EventKind::Unhealthy { .. }
            | EventKind::HeldBack { .. }
            | EventKind::Unenforced { .. }
            | EventKind::Leftover(_) => kind,
        }
    }

    pub(crate) fn knows_nothing(&self) -> bool {
        self.known().all().next().is_none()
    }
}

/// How long a secret is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasts {
    Always,
    AWhile,
}

#[cfg(test)]
mod tests {
    use plugline_protocol::wire::error;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn knows(secrets: &[&str]) -> Redactor {
        let redactor = Redactor::default();
        secrets.iter().for_each(|secret| redactor.hide(secret));
        redactor
    }

    fn hide_value(redactor: &Redactor, value: &Value, lasts: Lasts) {
        redactor.hide_values(std::iter::once(value), lasts);
    }

    #[test]
    fn what_is_shown_has_no_secret_in_any_form() {
        let redactor = knows(&["a\"b\u{202e}c", "hunter2", "hunter22", "no"]);
        for (text, shown) in [
            ("plain", "plain"),
            ("the token is hunter22!", "the token is [secret]!"),
            ("hunter2 hunter22", "[secret] [secret]"),
            (r#"{"t":"a\"b"#, r#"{"t":"a\"b"#),
            ("not", "not"),
            // One within another, and one behind another.
            ("xhunter22hunter2x", "x[secret][secret]x"),
            (r"a path: C:\\hunter2\\x", r"a path: C:[secret]\\x"),
        ] {
            assert_eq!(redactor.redact(text.into()), shown);
        }
        for form in [
            json!({"t": "a\"b\u{202e}c"}).to_string(),
            r#"{"t": "a\"b\u202ec"}"#.to_owned(),
            escape("a\"b\u{202e}c".as_bytes()),
            format!("{:?}", "a\"b\u{202e}c"),
            // In JSON in JSON in an error that is quoted.
            format!("{:?}", json!({"t": json!("a\"b\u{202e}c").to_string()}).to_string()),
            "https://x/?t=a%22b%E2%80%AEc".to_owned(),
        ] {
            let shown = redactor.redact(form.clone());
            assert!(shown.contains(HIDDEN), "{form}: {shown}");
            assert_eq!(redactor.redact_bytes(form.as_bytes()), shown.as_bytes());
        }
    }

    #[test]
    fn each_line_of_a_secret_is_one() {
        let redactor = knows(&["-----BEGIN KEY-----\nMIIB\r\nabc\n-----END KEY-----\n"]);
        for (line, shown) in [("key: MIIB", "key: [secret]"), ("abc", "abc"), ("-----BEGIN KEY-----", HIDDEN)]
        {
            assert_eq!(redactor.redact(line.into()), shown);
        }
    }

    #[test]
    fn the_part_of_a_secret_at_either_end_of_a_tail_is_one() {
        let redactor = knows(&["hunter22"]);
        let tail = |lines: &[&str]| redactor.tail(lines.iter().map(ToString::to_string).collect());
        assert_eq!(
            tail(&["er22 is it", "it is hunt", "it is hunte"]),
            ["[secret] is it", "it is hunt", "it is [secret]"]
        );
        assert_eq!(tail(&["nter22 or hunte"]), ["[secret] or [secret]"]);
    }

    #[test]
    fn the_part_of_a_secret_at_an_edge_is_one() {
        let redactor = knows(&["hunter22"]);
        let cut = |text: &str, cut| redactor.redact_cut(text.to_owned(), cut);
        assert_eq!(cut("token=hunter2…", Cut::After), "token=[secret]…");
        assert_eq!(cut("token=hunt", Cut::After), "token=[secret]");
        assert_eq!(cut("token=hun…", Cut::After), "token=hun…");
        assert_eq!(cut("er22 is it", Cut::Before), "[secret] is it");
        assert_eq!(cut("r22 is it", Cut::Before), "r22 is it");
    }

    #[test]
    fn secrets_of_calls_are_forgotten_in_their_order_and_others_never() {
        let redactor = knows(&["lasting"]);
        for number in 0..10_000 {
            hide_value(&redactor, &json!({"a": [format!("passing{number}")]}), Lasts::AWhile);
        }
        let known = redactor.known().passing.len();
        assert!(known <= PASSING, "{known}");
        hide_value(&redactor, &json!("x".repeat(PASSING_BYTES)), Lasts::AWhile);
        assert_eq!(redactor.redact("lasting passing9999".into()), "[secret] passing9999");
        hide_value(&redactor, &json!(123_456), Lasts::AWhile);
        assert_eq!(redactor.value(json!([123_456, 12])), json!([HIDDEN, 12]));
        let fork = redactor.fork();
        assert_eq!(fork.redact("lasting 123456".into()), "[secret] 123456");
    }

    #[test]
    fn of_one_value_so_many_texts_are_secrets_and_no_more() {
        let lines: String = (0..50_000).map(|number| format!("line {number:07}\n")).collect();
        let texts: Vec<String> = lines.lines().map(str::to_owned).collect();
        for value in [json!(lines), json!(texts)] {
            let redactor = Redactor::default();
            hide_value(&redactor, &value, Lasts::Always);
            let known = redactor.known().lasting.len();
            assert!((TEXTS..=5 * TEXTS).contains(&known), "{known}");
        }
        // The first text is all of them.
        let redactor = knows(&[&lines]);
        let (last, next) = (TEXTS - 2, TEXTS - 1);
        let text = format!("line {last:07}, line {next:07}");
        assert_eq!(redactor.redact(text), format!("{HIDDEN}, line {next:07}"));
    }

    #[test]
    fn a_long_secret_leaves_room_for_a_short_one() {
        let lines: String = (0..5000).map(|number| format!("line {number:07}\n")).collect();
        for lasts in [Lasts::Always, Lasts::AWhile] {
            let redactor = Redactor::default();
            hide_value(&redactor, &json!({"password": "hunter2", "bundle": lines, "zone": "area51"}), lasts);
            assert_eq!(redactor.redact("hunter2 area51".into()), "[secret] [secret]", "{lasts:?}");
        }
    }

    #[test]
    fn what_would_take_too_long_to_look_at_is_hidden_as_a_whole() {
        let texts: Vec<String> = (0..200).map(|number| format!("hunter{number}")).collect();
        let redactor = knows(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let forms = redactor.known().lasting.len();
        let most = LOOKED_AT / forms - EACH_TEXT;
        assert_eq!(redactor.redact("x".repeat(most)).len(), most);
        assert_eq!(redactor.redact("x".repeat(most + 1)), HIDDEN);
        let items = LOOKED_AT / forms / EACH_TEXT;
        assert_ne!(redactor.value(json!(vec![(); items])), json!(HIDDEN));
        assert_eq!(redactor.value(json!(vec![1; items])), json!(HIDDEN));
        let many: Vec<String> = (0..TEXTS).map(|number| format!("secret {number}")).collect();
        hide_value(&redactor, &json!(many), Lasts::Always);
        assert_eq!(redactor.value(json!(vec!["x"; 1000])), json!(HIDDEN));
        assert_eq!(redactor.value(json!(["x", "secret 7"])), json!(["x", HIDDEN]));
    }

    proptest! {
        #[test]
        fn an_overlap_is_the_longest(text in "[ab]{0,20}", other in "[ab]{0,20}") {
            let (text, other) = (text.as_bytes(), other.as_bytes());
            let longest = (0..=other.len()).rev().find(|length| text.ends_with(&other[..*length]));
            prop_assert_eq!(overlap(text, other), longest.expect("nothing is there"));
        }
    }

    #[test]
    fn an_error_that_a_plugin_answers_says_none() {
        let redactor = knows(&["hunter2"]);
        let answer = error::application(1, "hunter2 is wrong", Some(json!({"hunter2": ["hunter2", 1]})));
        let violation =
            Violation::Message { reason: "hunter2".into(), quote: format!("{}hunt…", "x".repeat(196)) };
        for fault in [
            CallError::Remote(answer),
            CallError::Undecodable("invalid type: string \"hunter2\"".into()),
            CallError::Refused("hunter2".into()),
            CallError::Closed(Arc::new(CloseReason::Violation(violation))),
            CallError::Closed(Arc::new(CloseReason::Violation(Violation::Stray { quote: "hunter2".into() }))),
        ] {
            let clean = redactor.call_error(fault);
            assert!(!format!("{clean:?} {clean}").contains("hunt"), "{clean:?}");
            assert!(format!("{clean:?}").contains(HIDDEN), "{clean:?}");
        }
        let fault = HandshakeError::Fault(HandshakeFault::IllTyped("hunter2".into()));
        assert!(!format!("{:?}", redactor.handshake_error(fault)).contains("hunter2"));
    }
}
