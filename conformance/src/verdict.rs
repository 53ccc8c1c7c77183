//! What the suite says of one case: a verdict, and for a failure all that an implementer needs to see it again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The verdict on one variant of a case.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It does what the case wants.
    Pass,
    /// It does not.
    Fail {
        /// How.
        failure: Box<Failure>,
    },
    /// It does not, in the way that was expected.
    Xfail {
        /// How.
        failure: Box<Failure>,
        /// Why that was expected.
        reason: String,
    },
    /// It does, although a failure was expected: the entry is stale, which fails the run.
    Xpass {
        /// Why a failure was expected.
        reason: String,
    },
    /// It does not declare what the case needs.
    Unsupported {
        /// What is missing.
        missing: String,
    },
    /// Something that all cases rest on failed before.
    Blocked {
        /// What.
        by: String,
    },
    /// The suite could not carry out the case, which says nothing about the implementation.
    HarnessError {
        /// Why.
        fault: String,
    },
}

/// What kind of failure it is. Expected failures match by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something else came than was wanted.
    WrongMessage,
    /// Nothing came.
    NoMessage,
    /// What must not come came.
    Forbidden,
    /// A line that no sender may write, whatever the case is about.
    Output,
    /// The process ended, or closed its output, in the middle.
    Ended,
    /// It did not read what it was sent.
    NotRead,
    /// It did not end, or not as it must.
    Exit,
    /// It could not be started, or did not shake hands.
    Start,
}

impl Kind {
    /// As it is written in files of expected failures.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrongMessage => "wrong_message",
            Self::NoMessage => "no_message",
            Self::Forbidden => "forbidden",
            Self::Output => "output",
            Self::Ended => "ended",
            Self::NotRead => "not_read",
            Self::Exit => "exit",
            Self::Start => "start",
        }
    }
}

/// How a case failed. Everything that the implementation said is escaped.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// The kind.
    pub kind: Kind,
    /// At which step: `3 expect`, `handshake`, `end`.
    pub step: String,
    /// What was sent last.
    pub sent: Option<String>,
    /// What was wanted.
    pub want: String,
    /// What came instead.
    pub got: String,
    /// What to look at.
    pub hint: Option<String>,
    /// Requirement that the general rules blame, where it is none of the case's.
    pub rule: Option<String>,
    /// Whether a second run, for diagnosis alone, ended in the same way; `None` where there was none.
    pub again: Option<Again>,
    /// What passed, both ways.
    pub transcript: Vec<Passed>,
    /// The end of its standard error.
    pub stderr: Vec<String>,
}

/// What the second run of a failed case said. The first verdict stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// The same failure.
    Same,
    /// Another failure.
    Otherwise,
    /// None.
    Passed,
}

/// A line that passed, or something else that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Passed {
    /// After how many microseconds.
    pub at_us: u64,
    /// Which way.
    pub way: Way,
    /// The line, escaped and cut; or what happened.
    pub text: String,
    /// How many bytes it has, the LF not counted.
    pub bytes: usize,
}

/// Which way a line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the runner.
    Sent,
    /// To the runner.
    Received,
    /// Neither: something that happened.
    Event,
}

/// One variant that was judged, or was not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The case, and the variant where it has any: `FR-03/u2028`.
    pub name: String,
    /// What a correct implementation does.
    pub title: String,
    /// The level that counts for this implementation.
    pub level: crate::model::Level,
    /// The requirements.
    pub spec: Vec<String>,
    /// Whether the frozen requirements count it.
    pub scored: bool,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
}

fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((took.as_secs_f64() * 1e6).round() / 1e6)
}

impl Failure {
    /// A failure of which only the essence is known yet.
    #[must_use]
    pub fn new(kind: Kind, step: impl Into<String>, want: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            kind,
            step: step.into(),
            sent: None,
            want: want.into(),
            got: got.into(),
            hint: None,
            rule: None,
            again: None,
            transcript: Vec::new(),
            stderr: Vec::new(),
        }
    }
}

/// How a case stopped before its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// The implementation failed it.
    Failed(Box<Failure>),
    /// The suite did.
    Harness(String),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl From<crate::value::CaseFault> for Stop {
    fn from(fault: crate::value::CaseFault) -> Self {
        Self::Harness(fault.0)
    }
}

impl From<std::io::Error> for Stop {
    fn from(fault: std::io::Error) -> Self {
        Self::Harness(fault.to_string())
    }
}
