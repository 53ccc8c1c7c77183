//! Where calls are made: each is entered in the ledger, and what comes of it is looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use plugline_host::Supervised;

use super::failed::Says;
use crate::clock::Moment;
use crate::contract::Answer;
use crate::explain::{Failure, Intent};
use crate::faults::{Faults, Kind};
use crate::fleet::{Fleet, Member};
use crate::ledger::{CallId, Ledger};
use crate::marks::Marks;
use crate::recovery::Recovery;

/// How long a call may take, unless it is in a hurry.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);
/// How long choosing a version and starting it may take: all versions that there are, each with its time to start.
const START: Duration = Duration::from_secs(30);

/// What all callers share.
pub struct Desk {
    /// The plugins.
    pub fleet: Arc<Fleet>,
    /// All calls.
    pub ledger: Arc<Ledger>,
    /// Those that leave marks.
    pub marks: Arc<Marks>,
    /// What was found.
    pub faults: Arc<Faults>,
    /// How long plugins were away.
    pub recovery: Arc<Recovery>,
    /// Where failures are brought.
    pub failures: Sender<Failure>,
    /// No more calls are to be made.
    pub over: AtomicBool,
}

/// A call that was begun.
#[must_use]
pub struct Begun<'a> {
    desk: &'a Desk,
    /// Its number, also to the plugin.
    pub id: CallId,
    plugin: &'a str,
    member: Option<&'a Member>,
    way: &'static str,
    intent: Intent,
    at: Moment,
}

impl Desk {
    /// Whether no more calls are to be made.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A call of a plugin begins.
    pub fn begin<'a>(
        &'a self,
        way: &'static str,
        member: &'a Member,
        intent: Intent,
        within: Duration,
    ) -> Begun<'a> {
        let begun = self.begin_at(way, member.name(), intent, within);
        Begun { member: Some(member), ..begun }
    }

    /// A call begins of what is no plugin of the manager's.
    pub fn begin_at<'a>(
        &'a self,
        way: &'static str,
        plugin: &'a str,
        intent: Intent,
        within: Duration,
    ) -> Begun<'a> {
        let id = self.ledger.begin(way, plugin, within);
        Begun { desk: self, id, plugin, member: None, way, intent, at: Moment::now() }
    }

    /// The handle of a plugin; where none serves yet, that is a call of its own.
    pub fn handle(&self, member: &Member) -> Option<Supervised> {
        if let Some(plugin) = member.if_serving() {
            return Some(plugin);
        }
        let begun = self.begin("start", member, Intent::Result, START);
        begun.ended(member.supervised())
    }
}

impl Begun<'_> {
    /// It has no outcome that anybody takes.
    pub fn dropped(self) {
        self.desk.ledger.end(self.id, "dropped by its caller");
    }

    /// It ended so; what there is of it, if anything.
    pub fn ended<T, E: Says>(self, outcome: Result<T, E>) -> Option<T> {
        match outcome {
            Ok(result) => {
                self.desk.ledger.end(self.id, "result");
                Some(result)
            }
            Err(fault) => {
                self.failed(&fault);
                None
            }
        }
    }

    /// It failed.
    pub fn failed(self, fault: &impl Says) {
        let ended = Moment::now();
        let said = fault.said();
        self.desk.ledger.end(self.id, said.kind.as_str());
        let failure = Failure {
            plugin: self.plugin.to_owned(),
            way: self.way,
            intent: self.intent,
            kind: said.kind,
            text: said.text,
            code: said.code,
            exit: said.exit,
            is_of_start: said.is_of_start,
            begun: self.at,
            ended,
        };
        // Whoever takes them is there until all callers are gone.
        let _taken = self.desk.failures.send(failure);
    }

    /// It ended so, and is to have given back that text.
    pub fn answered<E: Says>(self, outcome: Result<Answer, E>, text: &str) {
        let Self { desk, id, plugin, member, way, .. } = self;
        let Some(answer) = self.ended(outcome) else { return };
        let may_answer = member.is_none_or(|member| member.may_answer(&answer.version));
        if answer.id != id || answer.text != text || !may_answer {
            let got = format!(
                "call {} with {} bytes from version {}",
                answer.id,
                answer.text.len(),
                answer.version
            );
            let what = format!("{way} (call {id} with {} bytes): the result is of {got}", text.len());
            desk.faults.found(Kind::Wrong, plugin, what);
        }
        if member.is_some_and(Member::is_one_process) {
            desk.recovery.answered(plugin, answer.pid);
        }
    }

    /// It ended so, and is to have that value.
    pub fn is<T: PartialEq + std::fmt::Debug, E: Says>(self, outcome: Result<T, E>, wanted: &T) {
        let Self { desk, id, plugin, way, .. } = self;
        let Some(result) = self.ended(outcome) else { return };
        if result != *wanted {
            desk.faults.found(
                Kind::Wrong,
                plugin,
                format!("{way} (call {id}): {result:?} in place of {wanted:?}"),
            );
        }
    }

    /// It was asked to fail.
    pub fn was_to_fail<E: Says>(self, outcome: Result<Answer, E>, planned: impl FnOnce(&E) -> bool) {
        match outcome {
            Err(fault) if planned(&fault) => self.desk.ledger.end(self.id, "the error it asked for"),
            Err(fault) => self.failed(&fault),
            Ok(answer) => {
                let Self { desk, id, plugin, way, .. } = self;
                desk.ledger.end(id, "result");
                desk.faults.found(Kind::Wrong, plugin, format!("{way} (call {id}) was to fail: {answer:?}"));
            }
        }
    }
}
