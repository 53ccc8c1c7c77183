//! What was measured: values by name, one a round.

use std::collections::BTreeMap;

use plugline_benches_driver::{Fault, Response};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::mode::Mode;
use crate::stats::{median, percentile, spread};

/// The figures of one system. Names are `<scenario>.<figure>`; times are in ns, sizes in bytes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures(BTreeMap<String, Vec<f64>>);

/// One whole run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) machine: Machine,
    /// The command that was given.
    pub(crate) command: String,
    /// How long it took; s.
    pub(crate) seconds: u64,
    /// How many rounds.
    pub(crate) rounds: usize,
    /// How long idle plugins were watched; s.
    pub(crate) idle_seconds: u64,
    /// The figures of each peer, by its name.
    pub(crate) peers: BTreeMap<String, Figures>,
    /// The peers that could not be measured, and why.
    pub(crate) missing: BTreeMap<String, String>,
    /// What failed, and why.
    pub(crate) failures: Vec<String>,
    /// What was measured of Plugline alone.
    pub(crate) modes: BTreeMap<Mode, Figures>,
}

impl Figures {
    /// Adds a value.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64) {
        self.0.entry(name.into()).or_default().push(value);
    }

    /// Adds what a series of calls gave: percentiles, and CPU time a call.
    pub(crate) fn add_calls(&mut self, scenario: &str, mut response: Response) -> Result<(), Fault> {
        let latencies = &mut response.latencies_ns;
        for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            let value =
                percentile(latencies, share).ok_or_else(|| format!("{scenario}: no call was made"))?;
            self.add(format!("{scenario}.{name}"), value as f64);
        }
        self.add(format!("{scenario}.cpu"), response.cpu_ns as f64 / response.calls as f64);
        Ok(())
    }

    /// Adds how many calls there were in what time.
    pub(crate) fn add_throughput(&mut self, scenario: &str, response: &Response) -> Result<(), Fault> {
        if response.calls == 0 {
            return Err(format!("{scenario}: no call was made").into());
        }
        let calls = response.calls as f64;
        self.add(format!("{scenario}.rate"), calls * 1e9 / response.wall_ns as f64);
        self.add(format!("{scenario}.wall"), response.wall_ns as f64 / calls);
        self.add(format!("{scenario}.cpu"), response.cpu_ns as f64 / calls);
        Ok(())
    }

    /// The median over the rounds.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        median(self.0.get(name)?)
    }

    /// The least and the greatest of the rounds.
    pub(crate) fn spread(&self, name: &str) -> Option<(f64, f64)> {
        spread(self.0.get(name)?)
    }

    /// The points of a curve: what stands between `<curve>.` and `.<figure>`, and the median there.
    pub(crate) fn curve(&self, curve: &str, figure: &str) -> Vec<(u64, f64)> {
        let point = |name: &String| {
            let at = name.strip_prefix(curve)?.strip_prefix('.')?.strip_suffix(figure)?.strip_suffix('.')?;
            Some((at.parse().ok()?, self.get(name)?))
        };
        let mut points: Vec<_> = self.0.keys().filter_map(point).collect();
        points.sort_unstable_by_key(|(at, _)| *at);
        points
    }
}

impl Run {
    /// Something could not be measured, or gave a wrong result.
    pub(crate) fn failed(&mut self, what: String) {
        eprintln!("  failed: {what}");
        self.failures.push(what);
    }

    /// A figure of a peer.
    pub(crate) fn peer(&self, peer: &str, name: &str) -> Option<f64> {
        self.peers.get(peer)?.get(name)
    }

    /// A figure of Plugline alone.
    pub(crate) fn mode(&self, mode: Mode, name: &str) -> Option<f64> {
        self.modes.get(&mode)?.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_in_the_order_of_its_points() {
        let mut figures = Figures::default();
        for (at, value) in [(100, 3.0), (1, 1.0), (20, 2.0), (20, 4.0)] {
            figures.add(format!("callers.{at}.wall"), value);
            figures.add(format!("callers.{at}.cpu"), 9.0);
        }
        assert_eq!(figures.curve("callers", "wall"), [(1, 1.0), (20, 3.0), (100, 3.0)]);
        assert_eq!(figures.spread("callers.20.wall"), Some((2.0, 4.0)));
    }

    #[test]
    fn calls_become_percentiles_and_cpu_time_a_call() {
        let mut figures = Figures::default();
        let response =
            Response { latencies_ns: (1..=10).collect(), calls: 10, cpu_ns: 50, ..Response::default() };
        figures.add_calls("GetUser", response).unwrap();
        assert_eq!(figures.get("GetUser.p50"), Some(5.0));
        assert_eq!(figures.get("GetUser.p99"), Some(10.0));
        assert_eq!(figures.get("GetUser.cpu"), Some(5.0));
        figures.add_calls("none", Response::default()).unwrap_err();
    }
}
