//! All that is printed. What comes from a plugin is escaped where it becomes a part of a line, on a terminal or not; and
//! should that be forgotten somewhere, no line that leaves here has a character that is not what it looks like.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use plugline_host::{Event, EventKind, Level};
use plugline_protocol::wire::{is_unseen, shown};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// What heads a page.
pub(crate) const HEADING: Style = Style::new().bold();
/// The bars of a picture.
pub(crate) const BAR: Style = AnsiColor::Cyan.on_default();
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// What is as it should be.
pub(crate) const FINE: Style = AnsiColor::Green.on_default();
/// What is there to be looked up.
pub(crate) const QUIET: Style = Style::new().dimmed();

/// Prints a line to standard error, which may be closed or full: what was done is done all the same, and the exit
/// code says so (`eprintln!` would panic).
macro_rules! say {
    ($($text:tt)*) => {{
        let text = format!($($text)*);
        let _unheard = writeln!(anstream::stderr(), "{}", guarded(&text));
    }};
}

/// How errors are printed, and what was measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Whether anybody reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    There,
    Gone,
}

/// Prints to standard output; a reader that has gone is no error of ours.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    write_out(text).map(|_| ())
}

fn write_out(text: &str) -> Result<Reader, Failure> {
    printed(anstream::stdout().write_all(guarded(text).as_bytes()))
}

/// What came of writing to standard output.
pub(crate) fn printed(written: std::io::Result<()>) -> Result<Reader, Failure> {
    match written.and_then(|()| std::io::stdout().flush()) {
        Ok(()) => Ok(Reader::There),
        Err(fault) if fault.kind() == std::io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(fault) => Err(Failure::System(format!("cannot print: {fault}"))),
    }
}

/// Prints an item of a stream as JSON, on one line, as it came.
pub(crate) fn item(raw: &RawValue) -> Result<Reader, Failure> {
    write_out(&(escape_json(raw.get()) + "\n"))
}

/// Prints a result as JSON: on a terminal over several lines, elsewhere on one, as it came.
pub(crate) fn result(raw: &RawValue) -> Result<(), Failure> {
    let pretty =
        std::io::stdout().is_terminal().then(|| serde_json::from_str::<Value>(raw.get()).ok()).flatten();
    let text = match pretty {
        Some(value) => format!("{value:#}"),
        None => raw.get().to_owned(),
    };
    print(&(escape_json(&text) + "\n"))
}

/// A time, in three digits or so.
pub(crate) fn time(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..1.0 => format!("{:.0} ns", micros * 1e3),
        1.0..100.0 => format!("{micros:.1} µs"),
        100.0..1e3 => format!("{micros:.0} µs"),
        1e3..1e5 => format!("{:.1} ms", micros / 1e3),
        1e5..1e6 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// JSON text in which no character is more than what it looks like; the value is the same.
pub(crate) fn escape_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push(c),
            // In JSON they stand between its parts alone: within a string they are written as escapes.
            '\t' | '\r' => escaped.push(' '),
            c if is_unseen(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(escaped, "\\u{unit:04x}").expect("a string takes all that is written");
                }
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// What this program's own styles write, and nothing else does.
const STYLES: [&str; 7] =
    ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[36m"];

/// The text, without what would do something to a terminal other than style it, or that nobody sees.
fn guarded(text: &str) -> Cow<'_, str> {
    let passes = |c: char| matches!(c, '\n' | '\t') || !is_unseen(c);
    if text.chars().all(passes) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(style) = STYLES.into_iter().find(|style| rest.starts_with(style)) {
            safe.push_str(style);
            rest = &rest[style.len()..];
            continue;
        }
        if passes(c) {
            safe.push(c)
        } else {
            safe.extend(c.escape_unicode())
        }
        rest = &rest[c.len_utf8()..];
    }
    Cow::Owned(safe)
}

/// Says that something is not as it should be.
pub(crate) fn warning(text: &str) {
    say!("{WARNING}warning:{WARNING:#} {text}");
}

/// Says what is being done, where that takes long.
pub(crate) fn note(text: &str) {
    say!("{QUIET}{text}{QUIET:#}");
}

/// What a plugin says besides results, for people.
pub(crate) fn event(event: &Event) {
    if event.dropped > 0 {
        warning(&format!("{} events came too fast and were dropped", event.dropped));
    }
    match &event.kind {
        EventKind::Log(log) => {
            let level = log.level.as_str();
            let style = match log.level {
                Level::Error => ERROR,
                Level::Warn => WARNING,
                Level::Info | Level::Debug | Level::Trace => QUIET,
            };
            let mut line = shown(&log.message);
            if let Some(target) = &log.target {
                line = format!("{}: {line}", shown(target));
            }
            for (name, value) in &log.fields {
                write!(line, " {}={}", shown(name), shown(&escape_json(&value.to_string())))
                    .expect("a string takes all that is written");
            }
            say!("{style}[{level}]{style:#} {line}");
        }
        EventKind::Stderr(line) => say!("{QUIET}[stderr]{QUIET:#} {}", shown(line)),
        EventKind::Stray { text, held_back } => {
            let more =
                if *held_back > 0 { format!(" ({held_back} before it not shown)") } else { String::new() };
            warning(&format!("the plugin printed to its standard output: {text}{more}"));
        }
        EventKind::Ignored(what) => warning(&shown(what)),
        EventKind::HeldBack { what, count } => {
            warning(&format!("{count} {what} more came within a second, and are not shown"));
        }
        EventKind::Unchecked(why) => {
            warning(&format!("nothing is checked: {why}; `plugline contract check` shows all that is wrong"));
        }
        EventKind::Leftover(why) => {
            warning(&format!(
                "the plugin's temporary directory is left: {why}; what is left then, a later host removes"
            ));
        }
        EventKind::Unhealthy { method } => warning(&format!("the plugin does not answer {method} even now")),
        _ => {}
    }
}

/// Why a command failed: what happened in one line, then what is known, then what to try.
///
/// `command` is the one that failed, as whoever asks for its help writes it.
pub(crate) fn failure(failure: &Failure, command: &str, format: Format) {
    if format == Format::Json {
        say!("{}", escape_json(&report(failure).to_string()));
        return;
    }
    say!("{ERROR}error:{ERROR:#} {} {QUIET}[{}]{QUIET:#}", failure.message(), failure.kind());
    let detail = |name: &str, text: &str| say!("  {QUIET}{name:<8}{QUIET:#} {text}");
    match failure {
        Failure::Plugin(fault) | Failure::NoManifest(fault) => {
            detail("command", fault.command());
            detail("phase", fault.phase().as_str());
            if let Some(data) = fault.remote().and_then(|error| error.data.as_ref()) {
                detail("data", &shown(&escape_json(&data.to_string())));
            }
            for invalid in fault.faults().unwrap_or_default() {
                detail("at", &shown(&format!("{}: {}", invalid.path, invalid.message)));
            }
            if let Some(evidence) = fault.evidence() {
                for (at, line) in evidence.stderr_tail.iter().enumerate() {
                    detail(if at == 0 { "stderr" } else { "" }, &shown(line));
                }
                if let Some(stray) = &evidence.stray {
                    detail("stdout", stray);
                }
            }
        }
        Failure::NotFound { tried, .. } => {
            for attempt in tried {
                detail("tried", attempt);
            }
        }
        Failure::Usage(_)
        | Failure::Demo(_)
        | Failure::Verdict(_)
        | Failure::Document { .. }
        | Failure::Store(_)
        | Failure::Manager(_)
        | Failure::System(_) => {}
    }
    if let Some(hint) = failure.hint(command) {
        detail("try", &hint);
    }
}

/// The same for programs.
fn report(failure: &Failure) -> Value {
    let mut error = Map::new();
    error.insert("kind".into(), failure.kind().into());
    error.insert("message".into(), failure.message().into());
    if let Failure::Plugin(fault) | Failure::NoManifest(fault) = failure {
        error.insert("phase".into(), fault.phase().as_str().into());
        error.insert("command".into(), fault.command().into());
        if let Some(remote) = fault.remote() {
            error.insert("code".into(), remote.code.code().into());
            error.insert("message".into(), remote.message.clone().into());
            if let Some(data) = &remote.data {
                error.insert("data".into(), data.clone());
            }
        }
        if let Some(faults) = fault.faults() {
            error.insert("data".into(), json!({ "errors": faults }));
        }
        if let Some(evidence) = fault.evidence() {
            let exit = evidence.exit;
            let known = [
                ("exit_code", exit.and_then(|exit| exit.code).map(Value::from)),
                ("signal", exit.and_then(|exit| exit.signal).map(Value::from)),
                (
                    "stderr_tail",
                    (!evidence.stderr_tail.is_empty()).then(|| evidence.stderr_tail.clone().into()),
                ),
                ("stray", evidence.stray.clone().map(Value::from)),
            ];
            error.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
    }
    if let Failure::Document { faults, .. } = failure {
        let faults = faults.as_slice().iter();
        let faults =
            faults.map(|it| json!({"at": it.at, "rule": it.rule, "what": it.what, "remedy": it.remedy}));
        error.insert("data".into(), json!({ "faults": faults.collect::<Vec<_>>() }));
    }
    if let Failure::NotFound { tried, .. } = failure {
        error.insert("tried".into(), tried.clone().into());
    }
    json!({ "error": error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_has_the_same_value_and_no_controls() {
        let value = json!({"a\u{9b}": "\u{7f}\u{202e}\u{1b}[2J ü \u{2028}", "b": [1, "\n"]});
        for text in [value.to_string(), format!("{value:#}")] {
            let escaped = escape_json(&text);
            assert!(!escaped.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{escaped}");
            assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap(), value);
        }
    }

    #[test]
    fn white_space_between_the_parts_stays_white_space() {
        let escaped = escape_json("{\t\"a\" :\r\n[\"\u{e0041}\\t\"]}");
        assert_eq!(escaped, "{ \"a\" : \n[\"\\udb40\\udc41\\t\"]}");
        assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap(), json!({"a": ["\u{e0041}\t"]}));
    }

    #[test]
    fn nothing_but_this_programs_styles_leaves_it() {
        for style in [HEADING, BAR, ERROR, WARNING, FINE, QUIET] {
            let text = format!("{style}a\tb{style:#}\n");
            assert_eq!(guarded(&text), text);
        }
        let text = "\u{1b}[8mhidden\u{1b}[2J\u{1b}[1;31m\u{9b}2J\u{202e}\u{200b}\u{7}";
        let wanted = "\\u{1b}[8mhidden\\u{1b}[2J\\u{1b}[1;31m\\u{9b}2J\\u{202e}\\u{200b}\\u{7}";
        assert_eq!(guarded(text), wanted);
    }
}
