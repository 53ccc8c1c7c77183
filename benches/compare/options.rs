//! The command line, and how much is measured.

use std::time::Duration;

use crate::peers::PEERS;

pub(crate) const USAGE: &str = "\
usage: compare [--quick] [--only NAME,…] [--render]

  --quick   a smoke round: asserts every result, proves that every peer is there; writes its results to the target
            directory, not to benches/
  --only    only these peers; prints the results and writes none. `extras` is what only Plugline is measured with
  --render  writes the results of the last full run anew, without measuring";

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) only: Option<Vec<String>>,
    pub(crate) render: bool,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Rounds over all peers.
    pub(crate) rounds: usize,
    /// How often each of Plugline's own scenarios is run.
    pub(crate) repetitions: usize,
    /// One method of one peer in one round, and each point of a curve.
    pub(crate) span: Duration,
    /// Many callers of one peer in one round.
    pub(crate) callers: Duration,
    /// Calls with time to think between them.
    pub(crate) think: Duration,
    /// How often each peer is started in one round.
    pub(crate) starts: usize,
    /// A stream; bytes.
    pub(crate) stream: usize,
    /// A flood; lines.
    pub(crate) flood: usize,
    /// How long idle plugins are watched.
    pub(crate) idle: Duration,
    /// How many calls of the slowest handler; ten times as many of faster ones.
    pub(crate) slow: usize,
    /// How many calls a pipelined client makes.
    pub(crate) pipelined: usize,
    /// How many bytes are transferred at each size of message.
    pub(crate) transfer: usize,
}

impl Options {
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => options.quick = true,
                "--render" => options.render = true,
                "--only" => {
                    let names = args.next().ok_or("--only needs names")?;
                    options.only = Some(names.split(',').map(known).collect::<Result<_, _>>()?);
                }
                other => return Err(format!("what is {other}?")),
            }
        }
        Ok(options)
    }

    /// Whether that peer is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == name))
    }

    /// The command that was given, as one types it.
    pub(crate) fn command(&self) -> String {
        let mut command = String::from("scripts/bench");
        if self.quick {
            command.push_str(" --quick");
        }
        if let Some(only) = &self.only {
            command.push_str(" --only ");
            command.push_str(&only.join(","));
        }
        command
    }

    pub(crate) fn scale(&self) -> Scale {
        let millis = Duration::from_millis;
        if self.quick {
            Scale {
                rounds: 1,
                repetitions: 1,
                span: millis(20),
                callers: millis(100),
                think: millis(200),
                starts: 2,
                stream: 32 << 20,
                flood: 50_000,
                idle: Duration::from_secs(5),
                slow: 3,
                pipelined: 5_000,
                transfer: 16 << 20,
            }
        } else {
            Scale {
                rounds: 11,
                repetitions: 5,
                span: millis(250),
                callers: millis(600),
                think: Duration::from_secs(4),
                starts: 5,
                stream: 512 << 20,
                flood: 1_000_000,
                idle: Duration::from_secs(60),
                slow: 20,
                pipelined: 100_000,
                transfer: 64 << 20,
            }
        }
    }
}

/// What only Plugline is measured with.
pub(crate) const EXTRAS: &str = "extras";

fn known(name: &str) -> Result<String, String> {
    let names = || PEERS.iter().map(|peer| peer.name).chain([EXTRAS]);
    if names().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    Err(format!("nothing is called {name:?}; there are {}", names().collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Options, String> {
        Options::parse(args.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_command_is_what_was_given() {
        for given in ["", "--quick", "--only plugline,pie", "--quick --only extras"] {
            assert_eq!(parse(given).unwrap().command(), format!("scripts/bench {given}").trim_end());
        }
        parse("--only").unwrap_err();
        let why = parse("--only plugline,pies").unwrap_err();
        assert!(why.starts_with("nothing is called \"pies\"; there are plugline, "), "{why}");
        parse("quick").unwrap_err();
    }

    #[test]
    fn only_what_is_named_is_wanted() {
        assert!(parse("").unwrap().wants("pie"));
        assert!(!parse("--only plugline").unwrap().wants("pie"));
    }
}
