//! A plugin as something that trials are carried out against.

use plugline_host::process::Command;

use super::play::{Pace, Played, play};
use super::probe::{Class, Profile, Target};
use crate::model::Side;
use crate::run::{Implementation, env_options};
use crate::trial::Trial;
use crate::verdict::Stop;

/// How often a case runs before it is said that a time was not kept.
const TIMED_TRIES: u32 = 3;

impl Implementation for Target {
    fn side(&self) -> Side {
        Side::Plugin
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn profile(&self) -> String {
        let profile = match self.profile {
            Profile::Fixture => "fixture",
            Profile::BlackBox => "black-box",
        };
        match self.class {
            Class::Full => profile.to_owned(),
            Class::Minimal => format!("{profile}, minimal plugin"),
        }
    }

    fn command(&self) -> String {
        self.command.to_string()
    }

    fn given(&self) -> Vec<String> {
        let mut given = env_options(&self.command);
        given.extend(self.config.is_some().then(|| "--config <json>".to_owned()));
        given
    }

    fn missing(&self, trial: &Trial) -> Option<String> {
        Self::missing(self, trial).map(str::to_owned)
    }

    fn is_minimal(&self) -> bool {
        self.class == Class::Minimal
    }

    /// Of a case that names a time, the best of several runs counts: a busy machine makes a plugin late, and none makes it
    /// early.
    fn play(&self, trial: &Trial) -> Option<Stop> {
        let mut tries = 1;
        loop {
            let Played { stopped, pace, .. } = play(trial, self);
            match stopped {
                Some(_) if pace == Pace::Overdue && tries < TIMED_TRIES => tries += 1,
                Some(Stop::Failed(mut failure)) if pace == Pace::Overdue => {
                    failure.got.push_str(&format!("; in none of {TIMED_TRIES} runs was it in time"));
                    return Some(Stop::Failed(failure));
                }
                stopped => return stopped,
            }
        }
    }
}

/// A plugin of which nothing is known but how it is started.
pub struct Unprobed(pub Command);

impl Implementation for Unprobed {
    fn side(&self) -> Side {
        Side::Plugin
    }

    fn name(&self) -> String {
        "(it could not be asked)".to_owned()
    }

    fn profile(&self) -> String {
        "not probed".to_owned()
    }

    fn command(&self) -> String {
        self.0.to_string()
    }

    fn given(&self) -> Vec<String> {
        env_options(&self.0)
    }

    fn missing(&self, _: &Trial) -> Option<String> {
        None
    }

    fn is_minimal(&self) -> bool {
        false
    }

    fn play(&self, _: &Trial) -> Option<Stop> {
        Some(Stop::Harness("it was not probed".to_owned()))
    }
}
