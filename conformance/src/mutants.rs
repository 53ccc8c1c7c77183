//! Named wrong implementations, which prove the suite: each must fail the cases that claim to find it, and the control,
//! which has no fault, must pass everything.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Deserialize;

use crate::library::{self, Library, LibraryFault};
use crate::model::Side;
use crate::run::{Implementation, matches};
use crate::trial::Trial;
use crate::verdict::{Kind, Stop};

/// A wrong implementation: the reference with `MUTANT=name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// Its name.
    pub name: String,
    /// What it does wrong.
    pub fault: String,
    /// What must become of it.
    pub sort: Sort,
}

/// What must become of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// It must be found out, and not by falling over.
    Wrong,
    /// It ends where it must not: to end is to be found out.
    Ends,
    /// It has no fault.
    Control,
}

/// A list: `mutants/plugin.yaml`, `mutants/host.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    /// The reference implementation.
    command: Vec<String>,
    /// The one without a fault.
    control: String,
    /// Those whose fault is that they end.
    #[serde(default)]
    ends: Vec<String>,
    /// What each does wrong.
    mutants: BTreeMap<String, String>,
}

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Every case that claims it failed, at the first try or the second.
    Killed {
        /// How many tries it took.
        tries: u32,
    },
    /// Some did not, or not as they must.
    Survived {
        /// Which, and how.
        reasons: Vec<String>,
    },
    /// The control passed everything.
    Sound,
    /// The control failed.
    Unsound {
        /// What.
        reasons: Vec<String>,
    },
}

impl Mutant {
    /// Whether its name is among these patterns, of which none is all.
    #[must_use]
    pub fn is_named(&self, patterns: &[String]) -> bool {
        patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, &self.name))
    }

    /// Whether it is the one without a fault.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.sort == Sort::Control
    }
}

impl Fate {
    /// Whether that is what must become of it.
    #[must_use]
    pub fn is_right(&self) -> bool {
        matches!(self, Self::Killed { .. } | Self::Sound)
    }

    /// In a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Killed { .. } => "killed",
            Self::Survived { .. } => "SURVIVED",
            Self::Sound => "sound",
            Self::Unsound { .. } => "UNSOUND",
        }
    }

    /// What speaks against it.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        match self {
            Self::Killed { .. } | Self::Sound => &[],
            Self::Survived { reasons } | Self::Unsound { reasons } => reasons,
        }
    }
}

fn read(side: Side) -> Result<List, LibraryFault> {
    let path = match side {
        Side::Plugin => "mutants/plugin.yaml",
        Side::Host => "mutants/host.yaml",
    };
    match library::file(path) {
        Some(bytes) => library::yaml(path, bytes),
        None => Err(LibraryFault { path: path.into(), fault: "it is not there".into() }),
    }
}

/// The command of the reference implementation, from the root of the repository.
///
/// # Errors
/// A list that is malformed.
pub fn reference(side: Side) -> Result<Vec<String>, LibraryFault> {
    Ok(read(side)?.command)
}

/// The mutants of one side, the control last.
///
/// # Errors
/// A list that is malformed.
pub fn list(side: Side) -> Result<Vec<Mutant>, LibraryFault> {
    let List { control, ends, mutants, .. } = read(side)?;
    let sort = |name: &str| if ends.iter().any(|ends| ends == name) { Sort::Ends } else { Sort::Wrong };
    let mut list: Vec<Mutant> =
        mutants.into_iter().map(|(name, fault)| Mutant { sort: sort(&name), name, fault }).collect();
    list.push(Mutant { name: control, fault: "nothing".into(), sort: Sort::Control });
    Ok(list)
}

/// What becomes of each mutant. `of` makes the implementation of a name.
pub fn fates<I: Implementation>(
    library: &Library,
    side: Side,
    list: &[Mutant],
    jobs: usize,
    of: impl Fn(&str) -> I + Sync,
) -> Vec<Fate> {
    let trials = library.trials(side);
    let fate = |mutant: &Mutant| {
        let implementation = of(&mutant.name);
        match mutant.sort {
            Sort::Control => control(&implementation, &trials),
            Sort::Wrong | Sort::Ends => wrong(&implementation, mutant, &trials),
        }
    };
    // The control comes last in a list, and takes longest.
    let waiting = Mutex::new(list.iter().enumerate().rev());
    let done = Mutex::new(Vec::with_capacity(list.len()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, 64) {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("nobody panics while they hold this").next();
                    let Some((at, mutant)) = next else { break };
                    let fate = fate(mutant);
                    done.lock().expect("nobody panics while they hold this").push((at, fate));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("nobody panics while they hold this");
    done.sort_by_key(|(at, _)| *at);
    // Some faults show only where the implementation gets to run in a certain moment: beside dozens of others it may
    // not. Whoever survived is tried once more, alone. A control has one try: it must never fail.
    let once_more = |(at, first): (usize, Fate)| match first {
        Fate::Survived { .. } => match fate(&list[at]) {
            Fate::Killed { .. } => Fate::Killed { tries: 2 },
            other => other,
        },
        first => first,
    };
    done.into_iter().map(once_more).collect()
}

fn control(implementation: &dyn Implementation, trials: &[Trial]) -> Fate {
    let failed: Vec<String> = trials
        .iter()
        .filter(|trial| implementation.missing(trial).is_none())
        .filter_map(|trial| {
            implementation.play(trial).map(|stop| format!("{}: {}", trial.name(), told(&stop)))
        })
        .collect();
    if failed.is_empty() { Fate::Sound } else { Fate::Unsound { reasons: failed } }
}

/// Each case that claims it must fail: of a claim of the whole case one variant is enough, a variant's own claim is its
/// own.
fn wrong(implementation: &dyn Implementation, mutant: &Mutant, trials: &[Trial]) -> Fate {
    let mut claims: BTreeMap<String, Vec<&Trial>> = BTreeMap::new();
    for trial in trials {
        let own = trial.variant.as_ref().is_some_and(|(_, variant)| variant.kills.contains(&mutant.name));
        if own {
            claims.entry(trial.name()).or_default().push(trial);
        } else if trial.case.kills.contains(&mutant.name) {
            claims.entry(trial.case.id.clone()).or_default().push(trial);
        }
    }
    if claims.is_empty() {
        return Fate::Survived { reasons: vec!["no case claims it".into()] };
    }
    let mut reasons = Vec::new();
    for (name, trials) in claims {
        let mut said = Vec::new();
        let killed = trials.iter().any(|trial| {
            if let Some(missing) = implementation.missing(trial) {
                said.push(format!("needs {missing}"));
                return false;
            }
            match implementation.play(trial) {
                Some(stop) if kills(&stop, mutant.sort) => true,
                Some(stop) => {
                    said.push(told(&stop));
                    false
                }
                None => {
                    said.push("passes".to_owned());
                    false
                }
            }
        });
        if !killed {
            said.dedup();
            reasons.push(format!("{name}: {}", said.join("; ")));
        }
    }
    if reasons.is_empty() { Fate::Killed { tries: 1 } } else { Fate::Survived { reasons } }
}

/// To fall over, or never to start, is no kill: a case that expects a rejection would be killed by anything.
fn kills(stop: &Stop, sort: Sort) -> bool {
    match stop {
        Stop::Harness(_) => false,
        Stop::Failed(failure) => match failure.kind {
            Kind::Start => false,
            Kind::Ended => sort == Sort::Ends,
            _ => true,
        },
    }
}

fn told(stop: &Stop) -> String {
    match stop {
        Stop::Harness(fault) => format!("the suite failed: {fault}"),
        Stop::Failed(failure) => {
            format!("{} at {}: {}, not {}", failure.kind.as_str(), failure.step, failure.got, failure.want)
        }
    }
}
