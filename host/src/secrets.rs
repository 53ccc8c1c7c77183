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
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use aho_corasick::Anchored;
use aho_corasick::automaton::Automaton as _;
use aho_corasick::nfa::noncontiguous::NFA;
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
const TEXTS: usize = 4096;

/// So many bytes of what is known are looked for at once; more would take too much memory.
const FINDER_BYTES: usize = 2 * PASSING_BYTES;

/// Takes secrets out of what is shown. Clones know the same.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    known: Arc<RwLock<Known>>,
}

#[derive(Clone, Default)]
struct Known {
    /// Finds all of them; made when somebody looks.
    finder: OnceLock<Arc<Finder>>,
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

    fn finder(&self) -> &Finder {
        self.finder.get_or_init(|| Arc::new(Finder::new(self.all())))
    }

    /// Takes a form of what is in the params of a call; says whether it was not there.
    fn pass(&mut self, form: String) -> bool {
        // One that is too long would push out all others, and itself.
        if form.len() > PASSING_BYTES || self.lasting.contains(&form) || self.passing.contains(&form) {
            return false;
        }
        self.passing_bytes += form.len();
        self.passing.push_back(form);
        while self.passing.len() > PASSING || self.passing_bytes > PASSING_BYTES {
            let Some(oldest) = self.passing.pop_front() else { break };
            self.passing_bytes -= oldest.len();
        }
        true
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

/// A secret, and each of its lines: standard error comes line by line.
fn texts(secret: &str) -> impl Iterator<Item = &str> {
    let lines = secret.lines().map(str::trim).filter(|line| line.len() < secret.len());
    std::iter::once(secret).chain(lines).filter(|text| text.len() >= SHORTEST)
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

/// Finds what is known in a text, in one pass over it: of a text that is as long as a message may be, a pass for each of a
/// thousand would take longer than any call has.
struct Finder {
    known: NFA,
    /// What is beyond [`FINDER_BYTES`].
    others: Vec<String>,
}

impl Finder {
    fn new<'a>(known: impl Iterator<Item = &'a str>) -> Self {
        let mut bytes = 0;
        let (known, others): (Vec<&str>, Vec<&str>) = known.partition(|form| {
            bytes += form.len();
            bytes <= FINDER_BYTES
        });
        // What is found is told by the text alone, and no state is for a start alone.
        let known = NFA::builder().prefilter(false).dense_depth(1).build(known);
        let others = others.into_iter().map(str::to_owned).collect();
        Self { known: known.expect("there are fewer states than numbers for them"), others }
    }

    /// Where they are, in order; what overlaps is one place.
    fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut state = self.known.start_state(Anchored::No).expect("a start anywhere is always there");
        for (at, byte) in text.iter().enumerate() {
            state = self.known.next_state(Anchored::No, state, *byte);
            if self.known.is_match(state) {
                // Of those that end here the first is the longest.
                let length = self.known.pattern_len(self.known.match_pattern(state, 0));
                add(&mut found, at + 1 - length..at + 1);
            }
        }
        if !self.others.is_empty() {
            for other in &self.others {
                found.extend(memchr::memmem::find_iter(text, other).map(|at| at..at + other.len()));
            }
            found.sort_by_key(|place| (place.start, place.end));
            found = found.into_iter().fold(Vec::new(), |mut found, place| {
                add(&mut found, place);
                found
            });
        }
        found
    }
}

/// Adds a place to others in order, of which those that it overlaps with are the last.
fn add(found: &mut Vec<Range<usize>>, mut place: Range<usize>) {
    while let Some(last) = found.pop_if(|last| place.start < last.end) {
        place = place.start.min(last.start)..place.end.max(last.end);
    }
    found.push(place);
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
        self.learn(texts(secret), Lasts::Always);
    }

    fn learn<'a>(&self, texts: impl Iterator<Item = &'a str>, lasts: Lasts) {
        let forms = texts.take(TEXTS).flat_map(forms);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for form in forms {
            let is_news = match lasts {
                Lasts::Always => known.lasting.insert(form),
                Lasts::AWhile => known.pass(form),
            };
            if is_news {
                known.finder.take();
            }
        }
    }

    /// Learns what these parts of one value say, whatever they are.
    pub(crate) fn hide_values<'a>(&self, parts: impl Iterator<Item = &'a Value>, lasts: Lasts) {
        let mut found = Vec::new();
        let mut rest: Vec<&Value> = parts.collect();
        while let Some(value) = rest.pop()
            && found.len() < TEXTS
        {
            match value {
                Value::String(text) if text.len() >= SHORTEST => found.push(Cow::Borrowed(text.as_str())),
                Value::Number(number) => found.push(Cow::Owned(number.to_string())),
                Value::Array(items) => rest.extend(items),
                Value::Object(members) => rest.extend(members.values()),
                Value::String(_) | Value::Null | Value::Bool(_) => {}
            }
        }
        self.learn(found.iter().flat_map(|text| texts(text)), lasts);
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
        let mut longest = 0;
        for secret in known.all().map(str::as_bytes) {
            let is_there = |length: &usize| match cut {
                Cut::After => plain.bytes.ends_with(&secret[..*length]),
                Cut::Before => plain.bytes.starts_with(&secret[secret.len() - length..]),
            };
            let most = secret.len().min(plain.bytes.len() + 1);
            longest = longest.max((SHORTEST..most).rev().find(is_there).unwrap_or_default());
        }
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
        let plain = Plain::of(text);
        let found = known.finder().find(&plain.bytes);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut clean, mut end) = (Vec::with_capacity(text.len()), 0);
        for part in found {
            let place = plain.place(text, part);
            clean.extend_from_slice(&text[end..place.start.max(end)]);
            clean.extend_from_slice(HIDDEN.as_bytes());
            end = place.end;
        }
        clean.extend_from_slice(&text[end..]);
        Cow::Owned(clean)
    }

    pub(crate) fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redact(text)),
            Value::Number(number) => {
                let text = number.to_string();
                if self.redact(text.clone()) == text { Value::Number(number) } else { HIDDEN.into() }
            }
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => Value::Object(self.members(members)),
            other => other,
        }
    }

    fn members(&self, members: Map<String, Value>) -> Map<String, Value> {
        members.into_iter().map(|(name, value)| (self.redact(name), self.value(value))).collect()
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
    use proptest::collection::vec;
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
            for (lasts, most) in [(Lasts::Always, TEXTS), (Lasts::AWhile, PASSING)] {
                let redactor = Redactor::default();
                hide_value(&redactor, &value, lasts);
                let known = redactor.known().all().count();
                assert!(known <= 5 * most, "{known} {lasts:?}");
            }
        }
        // The first text is all of them.
        let redactor = knows(&[&lines]);
        let (last, next) = (TEXTS - 2, TEXTS - 1);
        let text = format!("line {last:07}, line {next:07}");
        assert_eq!(redactor.redact(text), format!("{HIDDEN}, line {next:07}"));
    }

    proptest! {
        #[test]
        fn all_that_is_known_is_found_and_nothing_else(
            known in vec("[ab]{4,6}|[abc]{4,12}", 0..8),
            text in "[abc]{0,40}",
        ) {
            let found = Finder::new(known.iter().map(String::as_str)).find(text.as_bytes());
            let is_hidden = |at: usize| {
                let within = |form: &String| {
                    (0..text.len()).any(|from| text[from..].starts_with(form) && (from..from + form.len()).contains(&at))
                };
                known.iter().any(within)
            };
            for at in 0..text.len() {
                prop_assert_eq!(found.iter().any(|place| place.contains(&at)), is_hidden(at), "{} of {:?}", at, &text);
            }
            for pair in found.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
            }
        }
    }

    #[test]
    fn what_is_too_long_to_be_looked_for_with_the_others_is_found_all_the_same() {
        let long = "x".repeat(FINDER_BYTES) + "y";
        let redactor = knows(&["hunter2", &long]);
        assert_eq!(redactor.redact(format!("hunter2 {long} hunter2")), "[secret] [secret] [secret]");
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
