//! Connections on which nothing goes on cost nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use plugline_host::Plugin;

use super::launch;
use crate::support::alone;

const PLUGINS: usize = 20;
/// By then all that was to go to sleep sleeps.
const SETTLED: Duration = Duration::from_millis(100);
const WATCHED: Duration = Duration::from_secs(1);

/// What the threads of a process have done so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Spent {
    /// Context switches of each thread, by its name and number.
    switches: BTreeMap<String, u64>,
    /// In user space and in the kernel.
    ticks: u64,
}

fn spent(process: u32) -> Spent {
    let mut spent = Spent::default();
    for task in std::fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let task = task.unwrap().path();
        let number = task.file_name().unwrap().to_str().unwrap().to_owned();
        let read = |file| std::fs::read_to_string(task.join(file));
        // A thread may end while it is looked at.
        let (Ok(status), Ok(stat)) = (read("status"), read("stat")) else { continue };
        let of = |name| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        let count = |name| of(name).parse::<u64>().unwrap();
        let switches = count("voluntary_ctxt_switches:") + count("nonvoluntary_ctxt_switches:");
        spent.switches.insert(format!("{} {number}", of("Name:")), switches);
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        spent.ticks += fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>();
    }
    spent
}

#[test]
fn idle_plugins_cost_nothing() {
    alone(
        "stress::idle::idle_plugins_cost_nothing",
        |host| host,
        || {
            let heard = Arc::default();
            let plugins: Vec<Plugin> = (0..PLUGINS).map(|_| launch(&heard).start().unwrap()).collect();
            for plugin in &plugins {
                for _ in 0..100 {
                    plugin.ping().unwrap();
                }
                assert_eq!(
                    plugin.call::<u64>("stress.nest", &serde_json::json!({"depth": 4, "n": 1})).unwrap(),
                    5
                );
            }
            std::thread::sleep(SETTLED);
            // Once: workers that found nothing more to do end after two seconds, which may be within one of these.
            for last in [false, false, true] {
                if costs_nothing(&plugins, last) {
                    return;
                }
            }
        },
    );
}

/// Whether nothing was done for a while; says what was, where it had to be nothing.
fn costs_nothing(plugins: &[Plugin], had_to: bool) -> bool {
    let now = || {
        let mut host = spent(std::process::id());
        host.switches.retain(|name, _| name.starts_with("plugline-"));
        (host, plugins.iter().map(|plugin| spent(plugin.id())).collect::<Vec<_>>())
    };
    let (host_before, before) = now();
    std::thread::sleep(WATCHED);
    let (host_after, after) = now();
    // This thread reads all that, which takes a while.
    let ticks = host_after.ticks - host_before.ticks;
    if had_to {
        assert_eq!(after, before, "what plugins did while nothing was to be done");
        assert_eq!(
            host_after.switches, host_before.switches,
            "what the host did while nothing was to be done"
        );
        assert!(ticks <= 3, "{ticks} ticks of the host");
    }
    after == before && host_after.switches == host_before.switches && ticks <= 3
}
