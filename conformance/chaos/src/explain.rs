//! From a failed call and what happened before to its cause. A failure that nothing explains is a fault of the host.
//!
//! The rules are narrow where an error is: a call that failed because a process was killed by SIGSEGV is explained by that
//! signal alone. They are wide where an error cannot be: a deadline passes for whatever kept the plugin from answering.

use std::time::Duration;

use plugline_host::Kind;
use plugline_host::process::Exit;

use crate::clock::Moment;
use crate::journal::{ALL, Entry, What, signal_name};

/// What happened so long before a call began may be the cause of its failure: a plugin that was killed again and again
/// rests, and is told so to whoever calls.
pub const BEFORE: Duration = Duration::from_secs(30);

/// What was over so long before a call began may still keep it from an answer.
const SHORTLY: Duration = Duration::from_secs(10);

/// What a caller had in mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// A result.
    Result,
    /// A result, or that there is none in so short a time.
    Hurried,
    /// To cancel the call.
    Cancel,
    /// That the plugin misbehaves.
    Fault,
}

/// A call that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was called.
    pub plugin: String,
    /// In which way.
    pub way: &'static str,
    /// What its caller had in mind.
    pub intent: Intent,
    /// What kind of failure the host says it is.
    pub kind: Kind,
    /// What it says.
    pub text: String,
    /// The error that it was answered with, if it was.
    pub code: Option<i64>,
    /// How the process ended, as far as the error says.
    pub exit: Option<Exit>,
    /// Whether the error is of a start, not of the call itself.
    pub is_of_start: bool,
    /// When it began.
    pub begun: Moment,
    /// When it ended.
    pub ended: Moment,
}

impl Failure {
    /// From when on what happened may be its cause.
    #[must_use]
    pub fn since(&self) -> Moment {
        self.begun.before(BEFORE)
    }
}

const INTERNAL: i64 = -32603;
const SHUTTING_DOWN: i64 = -32003;
const CANCELLED: i64 = -32004;
const DEADLINE: i64 = -32005;

/// Why a call failed, by what happened to its plugin, the last first; nothing, where nothing explains it.
#[must_use]
pub fn cause(failure: &Failure, history: &[Entry]) -> Option<String> {
    match (failure.intent, failure.kind) {
        (Intent::Cancel, Kind::Cancelled) => return Some("its caller cancelled it".into()),
        (Intent::Hurried, Kind::Timeout) => return Some("its deadline was short".into()),
        _ => {}
    }
    if let (Kind::RemoteError, Some(DEADLINE)) = (failure.kind, failure.code)
        && failure.intent == Intent::Hurried
    {
        return Some("its deadline was short".into());
    }
    // What was done to the plugin itself, then what was done to all.
    let (own, all): (Vec<&Entry>, Vec<&Entry>) = history.iter().partition(|entry| entry.plugin != ALL);
    let found = own
        .iter()
        .find(|entry| shows(failure, &entry.what))
        .or_else(|| all.iter().find(|entry| shows(failure, &entry.what)))
        .or_else(|| own.iter().find(|entry| may_have(failure, entry)))
        .or_else(|| all.iter().find(|entry| may_have(failure, entry)));
    found.map(|entry| name(&entry.what))
}

/// Whether the failure shows that it was that.
fn shows(failure: &Failure, what: &What) -> bool {
    let misbehaved = |how: &[&str]| matches!(what, What::Misbehaved(what) if how.contains(&&**what));
    match (failure.kind, failure.exit) {
        (Kind::PluginExited, Some(Exit { signal: Some(6), .. })) => misbehaved(&["abort"]),
        (Kind::PluginExited, Some(Exit { signal: Some(signal), .. })) => {
            *what == What::Signal(signal) || (signal == 11 && misbehaved(&["segv"]))
        }
        (Kind::PluginExited, Some(Exit { code: Some(code), .. })) if code > 0 => {
            misbehaved(&["exit", "half"]) || (failure.is_of_start && is_broken(what))
        }
        (Kind::TooLarge, _) => misbehaved(&["oversize"]),
        (Kind::ProtocolViolation, _) => {
            (breaks(what) && !misbehaved(&["close_stdin", "close_stdout", "oversize"]))
                || (failure.is_of_start && matches!(what, What::Broken(how) if how == "garbage"))
        }
        (Kind::HandshakeInvalid, _) => is_broken(what),
        (Kind::CrashLoop, _) => *what == What::CrashLoop,
        (Kind::SpawnFailed, _) if failure.text.contains("os error 24") => *what == What::Descriptors,
        (Kind::SpawnFailed | Kind::NotFound, _) => is_broken(what),
        (Kind::RemoteError, _) if failure.code == Some(INTERNAL) => misbehaved(&["panic"]),
        (Kind::Closed, _) if failure.text.contains("manager was stopped") => *what == What::StopAll,
        _ => false,
    }
}

/// Whether that can have had this failure.
fn may_have(failure: &Failure, entry: &Entry) -> bool {
    let what = &entry.what;
    match failure.kind {
        Kind::PluginExited => match failure.exit {
            // One that heeds SIGTERM, or the end of its input, exits by itself.
            Some(Exit { code: Some(0), .. }) => *what == What::Signal(15) || lets_go(what) || breaks(what),
            // What does not go by itself is made to; it may have closed its pipes a moment before.
            Some(Exit { signal: Some(9 | 15), .. }) => {
                lets_go(what) || breaks(what) || matches!(what, What::Misbehaved(how) if how == "stubborn")
            }
            // One that was attached to is reaped by whoever started it.
            Some(Exit { code: None, signal: None }) | None => ends(what),
            Some(_) => false,
        },
        // The plugin closed a pipe, or this side let go of it.
        Kind::Closed => ends(what) || breaks(what) || lets_go(what),
        // One that is killed is started again in less time than a call has: that is no reason.
        Kind::Timeout => holds_up(what) && entry.until >= failure.begun.before(SHORTLY),
        Kind::HandshakeTimeout => holds_up(what) || ends(what),
        Kind::SpawnFailed | Kind::NotFound => *what == What::Descriptors,
        Kind::HandshakeInvalid => breaks(what),
        Kind::VersionMismatch | Kind::Unsupported => is_broken(what),
        Kind::RemoteError => match failure.code {
            Some(INTERNAL) => ends(what) || lets_go(what),
            // Its call was over already, or it was about to go.
            Some(SHUTTING_DOWN) => lets_go(what) || ends(what),
            Some(CANCELLED | DEADLINE) => lets_go(what) || holds_up(what) || ends(what),
            _ => false,
        },
        // A call that others made for it was cancelled with it.
        Kind::Cancelled => lets_go(what) || ends(what),
        _ => false,
    }
}

fn ends(what: &What) -> bool {
    match what {
        What::Signal(_) => true,
        What::Misbehaved(how) => {
            matches!(&**how, "exit" | "abort" | "segv" | "half" | "close_stdout" | "close_stdin" | "stubborn")
        }
        _ => false,
    }
}

/// It breaks the protocol.
fn breaks(what: &What) -> bool {
    match what {
        What::Misbehaved(how) => {
            matches!(
                &**how,
                "garbage"
                    | "half"
                    | "twice"
                    | "oversize"
                    | "spoilt"
                    | "noise"
                    | "close_stdout"
                    | "close_stdin"
            )
        }
        _ => false,
    }
}

/// The host lets go of an instance.
fn lets_go(what: &What) -> bool {
    matches!(
        what,
        What::StopAll | What::GivenUp(_) | What::TookOver | What::NotTakenOver | What::Idle | What::CrashLoop
    ) || matches!(what, What::Replaced(_) | What::Broken(_))
}

fn is_broken(what: &What) -> bool {
    matches!(what, What::Broken(_) | What::Store(_))
}

/// It keeps a plugin from answering, or the host from starting it.
fn holds_up(what: &What) -> bool {
    match what {
        What::Stopped
        | What::StoodStill
        | What::Descriptors
        | What::Replaced(_)
        | What::Broken(_)
        | What::GivenUp(_)
        | What::CrashLoop
        | What::StopAll => true,
        What::Misbehaved(how) => {
            matches!(
                &**how,
                "deaf"
                    | "slow"
                    | "spin"
                    | "stubborn"
                    | "close_stdin"
                    | "close_stdout"
                    | "stray"
                    | "stderr"
                    | "log"
            )
        }
        _ => false,
    }
}

/// The cause, in words.
fn name(what: &What) -> String {
    match what {
        What::Signal(signal) => format!("it was killed by {}", signal_name(*signal)),
        What::Stopped => "it was stopped by SIGSTOP".into(),
        What::Misbehaved(how) => format!("it misbehaved: {how}"),
        What::Replaced(_) | What::TookOver | What::NotTakenOver => {
            "another version was put in its place".into()
        }
        What::Broken(_) => "a broken version was put in its place".into(),
        What::Descriptors => "the host had no descriptors".into(),
        What::Store(_) => "the store changed".into(),
        What::StoodStill => "the run itself stood still".into(),
        What::StopAll => "all were stopped".into(),
        What::GivenUp(_) => "the host gave it up, as it did not answer".into(),
        What::CrashLoop => "it had failed again and again".into(),
        What::Idle => "nobody had used it".into(),
        What::Exited(_) | What::Told(_) | What::Settings => "the host told of it".into(),
    }
}

/// Whether the host told that a process of the plugin ended as the call's error says.
#[must_use]
pub fn is_told(failure: &Failure, history: &[Entry]) -> bool {
    match (failure.kind, failure.exit) {
        (Kind::PluginExited, Some(exit)) => history.iter().any(|entry| entry.what == What::Exited(exit)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: Kind, exit: Option<Exit>) -> Failure {
        let now = Moment::now();
        Failure {
            plugin: "p".into(),
            way: "echo",
            intent: Intent::Result,
            kind,
            text: String::new(),
            code: None,
            exit,
            is_of_start: false,
            begun: now,
            ended: now,
        }
    }

    fn entry(what: What) -> Entry {
        let now = Moment::now();
        Entry { at: now, until: now, plugin: "p".into(), what }
    }

    const fn signal(signal: i32) -> Option<Exit> {
        Some(Exit { code: None, signal: Some(signal) })
    }

    #[test]
    fn an_end_is_explained_by_what_ends_so_and_by_nothing_else() {
        let misbehaved = |how: &str| What::Misbehaved(how.into());
        for (kind, exit, what, explained) in [
            (Kind::PluginExited, signal(9), What::Signal(9), true),
            (Kind::PluginExited, signal(9), What::Signal(11), false),
            (Kind::PluginExited, signal(11), What::Signal(9), false),
            (Kind::PluginExited, signal(6), misbehaved("abort"), true),
            (Kind::PluginExited, signal(6), misbehaved("exit"), false),
            (Kind::PluginExited, signal(9), What::GivenUp(String::new()), true),
            (Kind::PluginExited, Some(Exit { code: Some(3), signal: None }), What::Signal(9), false),
            (Kind::ProtocolViolation, None, misbehaved("garbage"), true),
            (Kind::ProtocolViolation, None, misbehaved("slow"), false),
            (Kind::ProtocolViolation, None, What::Signal(9), false),
            (Kind::Timeout, None, What::Stopped, true),
            (Kind::Timeout, None, What::Idle, false),
            (Kind::Timeout, None, What::Signal(9), false),
            (Kind::CrashLoop, None, What::Signal(9), false),
            (Kind::CrashLoop, None, What::CrashLoop, true),
            (Kind::Overloaded, None, What::Stopped, false),
            (Kind::InvalidRequest, None, What::Signal(9), false),
        ] {
            let found = cause(&failure(kind, exit), &[entry(what.clone())]);
            assert_eq!(found.is_some(), explained, "{kind} {exit:?} {what:?}: {found:?}");
            assert_eq!(cause(&failure(kind, exit), &[]), None);
        }
    }

    #[test]
    fn a_broken_version_explains_that_it_does_not_start_and_no_more() {
        let exit = Some(Exit { code: Some(1), signal: None });
        for (kind, exit, how, of_a_start, of_a_call) in [
            (Kind::ProtocolViolation, None, "garbage", true, false),
            (Kind::ProtocolViolation, None, "exit", false, false),
            (Kind::PluginExited, exit, "exit", true, false),
        ] {
            for (is_of_start, explained) in [(true, of_a_start), (false, of_a_call)] {
                let failure = Failure { is_of_start, ..failure(kind, exit) };
                let found = cause(&failure, &[entry(What::Broken(how.into()))]);
                assert_eq!(found.is_some(), explained, "{kind} {how} {is_of_start}: {found:?}");
            }
        }
    }

    #[test]
    fn what_its_caller_did_explains_a_call_that_was_to_end_so() {
        let rows = [
            (Intent::Cancel, Kind::Cancelled, true),
            (Intent::Hurried, Kind::Timeout, true),
            (Intent::Result, Kind::Timeout, false),
            (Intent::Result, Kind::Cancelled, false),
            (Intent::Hurried, Kind::ProtocolViolation, false),
        ];
        for (intent, kind, explained) in rows {
            let failure = Failure { intent, ..failure(kind, None) };
            assert_eq!(cause(&failure, &[]).is_some(), explained, "{intent:?} {kind}");
        }
    }

    #[test]
    fn the_end_that_a_call_failed_of_has_to_be_told() {
        let failed = failure(Kind::PluginExited, signal(9));
        let told = |signal| entry(What::Exited(Exit { code: None, signal: Some(signal) }));
        assert!(is_told(&failed, &[told(9)]));
        assert!(!is_told(&failed, &[told(11)]));
        assert!(!is_told(&failed, &[entry(What::Signal(9))]));
        assert!(is_told(&failure(Kind::Timeout, None), &[]));
    }
}
