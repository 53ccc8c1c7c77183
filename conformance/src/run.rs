//! A whole run: which trials, in which order, how many at once, and what it all comes to.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use plugline_host::process::Command;
use serde::Serialize;

use crate::expected::{self, Expected};
use crate::library::Library;
use crate::model::{Level, Runs, Side};
use crate::trial::Trial;
use crate::verdict::{Again, Failure, Outcome, Stop, Verdict};

/// Something that trials are carried out against.
pub trait Implementation: Sync {
    /// Which side it is.
    fn side(&self) -> Side;
    /// What it is, in words: its name and version.
    fn name(&self) -> String;
    /// How it is tested: `fixture`, `black-box`, `host`; with its class where that is not the full one.
    fn profile(&self) -> String;
    /// As a person would type it.
    fn command(&self) -> String;
    /// What else it was given, as options of the command line. Values are left out: they may be secrets.
    fn given(&self) -> Vec<String>;
    /// What it does not declare of what a trial needs.
    fn missing(&self, trial: &Trial) -> Option<String>;
    /// Whether requirements marked † bind it only as SHOULD.
    fn is_minimal(&self) -> bool;
    /// Carries out one trial; how it stopped before its end, if it did.
    fn play(&self, trial: &Trial) -> Option<Stop>;
}

/// How a run is made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which trials, by their names: `*` is any text. None: all.
    pub only: Vec<String>,
    /// Which failures are expected.
    pub expected: Vec<Expected>,
    /// How many trials run at once.
    pub jobs: usize,
    /// From which params are generated.
    pub seed: u64,
    /// Whether a failed trial runs once more.
    pub retry: Retry,
}

/// Whether a failed trial that is a MUST runs once more, as diagnosis; the first verdict stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It does.
    Once,
    /// It does not.
    Never,
}

/// What a run comes to.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of this format.
    pub format: u32,
    /// The version of the suite.
    pub suite: String,
    /// The requirements that counted.
    pub requirements: String,
    /// Which side was judged.
    pub side: Side,
    /// What was judged.
    pub implementation: String,
    /// How.
    pub profile: String,
    /// As it was started.
    pub command: String,
    /// What else it was given, as options without their values.
    #[serde(skip)]
    pub given: Vec<String>,
    /// From which params were generated.
    pub seed: u64,
    /// The sentence.
    pub conclusion: Conclusion,
    /// How many of each verdict.
    pub counts: Counts,
    /// Each trial.
    pub outcomes: Vec<Outcome>,
    /// How long it took.
    #[serde(serialize_with = "seconds", rename = "seconds")]
    pub took: Duration,
}

/// The sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// No requirement is broken.
    Conformant,
    /// None but those that were expected to be.
    AsExpected,
    /// Some are.
    NotConformant,
    /// The suite itself failed.
    Harness,
}

/// How many of each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// MUSTs that hold, of those that were judged and count.
    pub must: (usize, usize),
    /// SHOULDs that hold, of those that were judged and count.
    pub should: (usize, usize),
    /// Not declared.
    pub unsupported: usize,
    /// Expected failures.
    pub xfail: usize,
    /// Expected failures that did not come.
    pub xpass: usize,
    /// Not judged, since something before them failed.
    pub blocked: usize,
    /// Faults of the suite.
    pub harness_error: usize,
    /// Trials that ran and do not count yet.
    pub unscored: usize,
}

pub(crate) fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((took.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// Judges an implementation by all these trials.
pub fn run(
    library: &Library,
    implementation: &dyn Implementation,
    trials: &[Trial],
    settings: &Settings,
) -> Report {
    let began = Instant::now();
    let chosen: Vec<&Trial> = trials.iter().filter(|trial| is_chosen(&settings.only, trial)).collect();
    let (alone, beside): (Vec<&Trial>, Vec<&Trial>) =
        chosen.into_iter().partition(|trial| trial.case.runs == Runs::Alone);
    let judge = |trial: &Trial| judge(library, implementation, trial, settings.retry);
    let mut outcomes = at_once(&beside, settings.jobs, &judge);
    outcomes.extend(alone.into_iter().map(judge));
    outcomes.sort_by(|one, other| one.name.cmp(&other.name));
    expected::apply(&settings.expected, &mut outcomes, &expected::today());
    report(library, implementation, outcomes, settings.seed, began.elapsed())
}

/// Whether any of these trials is chosen.
#[must_use]
pub fn is_any_chosen(only: &[String], trials: &[Trial]) -> bool {
    trials.iter().any(|trial| is_chosen(only, trial))
}

/// The report of an implementation that could not even be probed: everything else is blocked.
pub fn blocked(
    library: &Library,
    implementation: &dyn Implementation,
    first: Failure,
    trials: &[Trial],
    settings: &Settings,
) -> Report {
    let mut outcomes: Vec<Outcome> = trials
        .iter()
        .filter(|trial| is_chosen(&settings.only, trial))
        .map(|trial| {
            let by = format!("{}: {}", first.step, first.want);
            outcome(library, implementation, trial, Verdict::Blocked { by }, Duration::ZERO)
        })
        .collect();
    outcomes.insert(
        0,
        Outcome {
            name: "probe".into(),
            title: "it starts, shakes hands, describes itself, answers a ping and ends".into(),
            level: Level::Must,
            spec: ["LIFE-4", "LIFE-11", "LIFE-33", "LIFE-45"].map(str::to_owned).to_vec(),
            scored: true,
            verdict: Verdict::Fail { failure: Box::new(first) },
            took: Duration::ZERO,
        },
    );
    report(library, implementation, outcomes, settings.seed, Duration::ZERO)
}

/// The options that set an environment, without the values.
pub(crate) fn env_options(command: &Command) -> Vec<String> {
    command.env.keys().map(|name| format!("--env {}=<value>", name.to_string_lossy())).collect()
}

fn report(
    library: &Library,
    implementation: &dyn Implementation,
    outcomes: Vec<Outcome>,
    seed: u64,
    took: Duration,
) -> Report {
    let counts = Counts::of(&outcomes);
    Report {
        format: 1,
        suite: env!("CARGO_PKG_VERSION").into(),
        requirements: library.requirements.version.clone(),
        side: implementation.side(),
        implementation: implementation.name(),
        profile: implementation.profile(),
        command: implementation.command(),
        given: implementation.given(),
        seed,
        conclusion: conclusion(&outcomes, &counts),
        counts,
        outcomes,
        took,
    }
}

fn is_chosen(only: &[String], trial: &Trial) -> bool {
    let name = trial.name();
    only.is_empty() || only.iter().any(|pattern| matches(pattern, &name) || *pattern == trial.case.id)
}

/// Whether a pattern, in which `*` is any text, is a whole name.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(after, &rest[at..]))
        }),
    }
}

/// Several at once; each has a process of its own.
fn at_once(trials: &[&Trial], jobs: usize, judge: &(dyn Fn(&Trial) -> Outcome + Sync)) -> Vec<Outcome> {
    let waiting = Mutex::new(trials.iter());
    let done = Mutex::new(Vec::with_capacity(trials.len()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, 64) {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no judge panics while it holds this").next();
                    let Some(trial) = next else { break };
                    let outcome = judge(trial);
                    done.lock().expect("no judge panics while it holds this").push(outcome);
                }
            });
        }
    });
    done.into_inner().expect("no judge panics while it holds this")
}

fn judge(library: &Library, implementation: &dyn Implementation, trial: &Trial, retry: Retry) -> Outcome {
    let began = Instant::now();
    if let Some(missing) = implementation.missing(trial) {
        return outcome(library, implementation, trial, Verdict::Unsupported { missing }, Duration::ZERO);
    }
    let verdict = match implementation.play(trial) {
        None => Verdict::Pass,
        Some(Stop::Harness(fault)) => Verdict::HarnessError { fault },
        Some(Stop::Failed(mut failure)) => {
            // What costs nothing needs no diagnosis, and may be the slowest of all.
            if retry == Retry::Once && level(library, implementation, trial) == Level::Must {
                failure.again = Some(match implementation.play(trial) {
                    None => Again::Passed,
                    Some(Stop::Failed(second))
                        if (second.kind, &second.step) == (failure.kind, &failure.step) =>
                    {
                        Again::Same
                    }
                    Some(_) => Again::Otherwise,
                });
            }
            Verdict::Fail { failure }
        }
    };
    outcome(library, implementation, trial, verdict, began.elapsed())
}

/// How much a trial counts for this implementation.
fn level(library: &Library, implementation: &dyn Implementation, trial: &Trial) -> Level {
    if implementation.is_minimal() && library.is_daggered(&trial.spec()) {
        return Level::Should;
    }
    trial.level()
}

fn outcome(
    library: &Library,
    implementation: &dyn Implementation,
    trial: &Trial,
    verdict: Verdict,
    took: Duration,
) -> Outcome {
    Outcome {
        name: trial.name(),
        title: trial.title(),
        level: level(library, implementation, trial),
        scored: library.is_scored(&trial.case.id),
        spec: trial.spec(),
        verdict,
        took,
    }
}

impl Counts {
    fn of(outcomes: &[Outcome]) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            match &outcome.verdict {
                Verdict::Unsupported { .. } => counts.unsupported += 1,
                Verdict::Blocked { .. } => counts.blocked += 1,
                Verdict::HarnessError { .. } => counts.harness_error += 1,
                Verdict::Pass | Verdict::Fail { .. } | Verdict::Xfail { .. } | Verdict::Xpass { .. } => {
                    match outcome.verdict {
                        Verdict::Xfail { .. } => counts.xfail += 1,
                        Verdict::Xpass { .. } => counts.xpass += 1,
                        _ => {}
                    }
                    if !outcome.scored {
                        counts.unscored += 1;
                        continue;
                    }
                    let (held, all) = match outcome.level {
                        Level::Must => (&mut counts.must.0, &mut counts.must.1),
                        Level::Should => (&mut counts.should.0, &mut counts.should.1),
                    };
                    *all += 1;
                    if matches!(outcome.verdict, Verdict::Pass | Verdict::Xpass { .. }) {
                        *held += 1;
                    }
                }
            }
        }
        counts
    }
}

fn conclusion(outcomes: &[Outcome], counts: &Counts) -> Conclusion {
    let musts = |is: fn(&Verdict) -> bool| {
        outcomes.iter().any(|outcome| outcome.scored && outcome.level == Level::Must && is(&outcome.verdict))
    };
    if counts.harness_error > 0 {
        Conclusion::Harness
    } else if counts.must.1 + counts.should.1 == 0
        || counts.xpass + counts.blocked > 0
        || musts(|verdict| matches!(verdict, Verdict::Fail { .. }))
    {
        Conclusion::NotConformant
    } else if musts(|verdict| matches!(verdict, Verdict::Xfail { .. })) {
        Conclusion::AsExpected
    } else {
        Conclusion::Conformant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_chosen_by_pattern() {
        for (pattern, name, chosen) in [
            ("FR-03", "FR-03", true),
            ("FR-*", "FR-03/u2028", true),
            ("*/u2028", "FR-03/u2028", true),
            ("F*3*8", "FR-03/u2028", true),
            ("FR-03", "FR-031", false),
            ("*", "", true),
            ("*ä", "ää", true),
        ] {
            assert_eq!(matches(pattern, name), chosen, "{pattern} {name}");
        }
    }
}
