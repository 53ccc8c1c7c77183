//! What of a sandbox is enforced, measure by measure: from what is wanted and what the kernel has. Pure.

use std::fmt;

use super::rules::{Sandbox, Unenforced};
use super::support::{LANDLOCK_SIGNALS, LANDLOCK_TCP, LANDLOCK_TRUNCATE, Support};

/// What of a plugin's sandbox is enforced, measure by measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enforcement {
    measures: Vec<Measure>,
    is_allowed: bool,
}

/// One of the things that a sandbox does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// What it is about: `files network signals tracing privileges group memory cpu processes descriptors file_size`.
    pub name: &'static str,
    /// Whether it is enforced.
    pub state: MeasureState,
}

/// Whether a measure is enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeasureState {
    /// It is.
    Enforced {
        /// By what.
        by: String,
    },
    /// It is not, or not in whole.
    Unenforced {
        /// Why.
        why: String,
        /// What to do about it.
        remedy: String,
    },
    /// It was not wanted.
    Open,
}

impl Enforcement {
    /// The measures, always all, in the same order.
    #[must_use]
    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }

    /// Whether a plugin is started with it: all is enforced that was wanted, or its user allowed that it is not.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.is_allowed
    }

    /// Those that were wanted and are not enforced.
    pub fn unenforced(&self) -> impl Iterator<Item = &Measure> {
        self.measures.iter().filter(|measure| matches!(measure.state, MeasureState::Unenforced { .. }))
    }
}

impl Sandbox {
    /// What of it a system with that would enforce.
    #[must_use]
    pub fn enforcement(&self, support: &Support) -> Enforcement {
        let measure = |name, state| Measure { name, state };
        let bound = |wanted: Option<String>| match wanted {
            None => MeasureState::Open,
            Some(by) => MeasureState::Enforced { by },
        };
        let measures = vec![
            measure("files", files(support)),
            measure("network", self.network_of(support)),
            measure("signals", signals(support)),
            measure("tracing", tracing(support)),
            measure("privileges", privileges(support)),
            measure("group", group(support)),
            measure(
                "memory",
                bound(self.memory.map(|bytes| {
                    format!("RLIMIT_DATA {bytes}, RLIMIT_AS {} for each process", addresses(bytes))
                })),
            ),
            measure(
                "cpu",
                bound(self.cpu.map(|time| format!("RLIMIT_CPU {} s for each process", seconds(time)))),
            ),
            measure("processes", self.processes_of(support)),
            measure(
                "descriptors",
                bound(self.descriptors.map(|count| format!("RLIMIT_NOFILE {count} for each process"))),
            ),
            measure(
                "file_size",
                bound(self.file_size.map(|bytes| format!("RLIMIT_FSIZE {bytes} for each file"))),
            ),
        ];
        let all = !measures.iter().any(|measure| matches!(measure.state, MeasureState::Unenforced { .. }));
        Enforcement { measures, is_allowed: all || self.unenforced == Unenforced::Warn }
    }

    fn network_of(&self, support: &Support) -> MeasureState {
        if self.network {
            return MeasureState::Open;
        }
        match (support.system_calls, support.landlock >= LANDLOCK_TCP) {
            (true, true) => enforced("seccomp: no sockets at all; for TCP Landlock, too"),
            (true, false) => enforced("seccomp: no sockets at all"),
            (false, true) => {
                unenforced("Landlock denies TCP alone; UDP and other sockets need seccomp", KERNEL)
            }
            (false, false) => unenforced("it needs seccomp", KERNEL),
        }
    }

    fn processes_of(&self, support: &Support) -> MeasureState {
        let Some(count) = self.processes else { return MeasureState::Open };
        match (self.user, support.root, support.user_namespaces) {
            (Some(user), ..) if user.uid != 0 => {
                enforced(&format!("RLIMIT_NPROC {count}, of all processes of user {}", user.uid))
            }
            (None, false, true) => enforced(&format!("RLIMIT_NPROC {count} in a user namespace of its own")),
            (None, false, false) => unenforced(
                "this user may make no user namespace, without which the kernel counts all of the user's processes together",
                "allow user namespaces (user.max_user_namespaces), or set no bound (`processes = \"none\"`)",
            ),
            _ => unenforced(
                "the host is root, and the kernel bounds no processes of root",
                "name a user for the plugin (`user = 65534`), or set no bound (`processes = \"none\"`)",
            ),
        }
    }
}

const KERNEL: &str = "use a newer kernel, or one with it switched on";

fn enforced(by: &str) -> MeasureState {
    MeasureState::Enforced { by: by.to_owned() }
}

fn unenforced(why: &str, remedy: &str) -> MeasureState {
    MeasureState::Unenforced { why: why.to_owned(), remedy: remedy.to_owned() }
}

fn files(Support { landlock, system_calls, .. }: &Support) -> MeasureState {
    match (*landlock, system_calls) {
        (0, _) => unenforced(
            "this kernel has no Landlock (Linux 5.13), or it was not switched on at boot (lsm=landlock,…)",
            KERNEL,
        ),
        (version @ 1..LANDLOCK_TRUNCATE, _) => unenforced(
            &format!("Landlock ABI {version} lets files outside be cut short; ABI 3 (Linux 6.2) does not"),
            KERNEL,
        ),
        (_, false) => unenforced("without seccomp, modes and owners of files outside can be changed", KERNEL),
        (version, true) => enforced(&format!("Landlock ABI {version}; modes, owners and times: seccomp")),
    }
}

fn signals(Support { landlock, .. }: &Support) -> MeasureState {
    match *landlock {
        version @ LANDLOCK_SIGNALS.. => enforced(&format!("Landlock ABI {version}")),
        _ => unenforced(
            "it can signal other processes of its user: that needs Landlock ABI 6 (Linux 6.12)",
            "use a newer kernel",
        ),
    }
}

fn tracing(Support { landlock, system_calls, .. }: &Support) -> MeasureState {
    match (*landlock, system_calls) {
        (0, _) => {
            unenforced("memory of other processes of its user is within its reach without Landlock", KERNEL)
        }
        (version, true) => enforced(&format!("Landlock ABI {version}, seccomp")),
        (version, false) => enforced(&format!("Landlock ABI {version}")),
    }
}

fn privileges(Support { system_calls, .. }: &Support) -> MeasureState {
    if *system_calls {
        enforced("no_new_privs, no capabilities; namespaces, keys, bpf and the like: seccomp")
    } else {
        unenforced("no_new_privs and no capabilities hold; namespaces, keys and bpf need seccomp", KERNEL)
    }
}

fn group(Support { system_calls, .. }: &Support) -> MeasureState {
    if *system_calls {
        enforced("seccomp: none of its processes leaves its group, which is killed with it")
    } else {
        unenforced("its processes can leave its group, and so outlive it, without seccomp", KERNEL)
    }
}

/// A part of a second counts as one.
pub(super) fn seconds(time: std::time::Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)).max(1)
}

/// How many bytes of addresses go with so many of memory. The kernel keeps a page of 4096 bytes for each 2 MiB of them that
/// are in use, be it only to read, and no limit counts those: so they take as much as the memory at most, and what mappings
/// of a page each take, of which there are 65,530 unless the system says otherwise.
pub(super) fn addresses(memory: u64) -> u64 {
    const FOR_EACH_PAGE: u64 = 2 << 20;
    memory.saturating_mul(FOR_EACH_PAGE / 4096)
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, state } = self;
        match state {
            MeasureState::Enforced { by } => write!(f, "{name}: {by}"),
            MeasureState::Unenforced { why, remedy } => write!(f, "{name}: {why}: {remedy}"),
            MeasureState::Open => write!(f, "{name}: open"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Support = Support { landlock: 7, system_calls: true, user_namespaces: true, root: false };

    fn missing(sandbox: &Sandbox, support: Support) -> Vec<&'static str> {
        sandbox.enforcement(&support).unenforced().map(|measure| measure.name).collect()
    }

    #[test]
    fn each_kernel_lacks_what_it_lacks() {
        let sandbox = Sandbox::new();
        for (landlock, lacks) in [
            (0, &["files", "signals", "tracing"][..]),
            (1, &["files", "signals"]),
            (2, &["files", "signals"]),
            (3, &["signals"]),
            (5, &["signals"]),
            (6, &[]),
            (9, &[]),
        ] {
            assert_eq!(missing(&sandbox, Support { landlock, ..ALL }), lacks, "Landlock ABI {landlock}");
        }
        let none = Support { landlock: 0, system_calls: false, user_namespaces: false, root: false };
        let lacks = ["files", "network", "signals", "tracing", "privileges", "group", "processes"];
        assert_eq!(missing(&sandbox, none), lacks);
        let without_filter = Support { system_calls: false, ..ALL };
        assert_eq!(missing(&sandbox, without_filter), ["files", "network", "privileges", "group"]);
    }

    #[test]
    fn processes_of_root_are_counted_for_another_user_alone() {
        let root = Support { root: true, ..ALL };
        assert_eq!(missing(&Sandbox::new(), root), ["processes"]);
        assert_eq!(missing(&Sandbox::new().user(0, 0), root), ["processes"]);
        assert!(missing(&Sandbox::new().user(65534, 65534), root).is_empty());
        assert!(missing(&Sandbox::new().processes(None), root).is_empty());
        let bare = Support { user_namespaces: false, ..ALL };
        assert_eq!(missing(&Sandbox::new(), bare), ["processes"]);
    }

    #[test]
    fn what_is_not_wanted_is_open_and_needs_nothing() {
        let open = Sandbox::new().network().memory(None).processes(None).descriptors(None).file_size(None);
        let enforcement = open.enforcement(&ALL);
        let open: Vec<_> = enforcement
            .measures()
            .iter()
            .filter(|it| it.state == MeasureState::Open)
            .map(|it| it.name)
            .collect();
        assert_eq!(open, ["network", "memory", "cpu", "processes", "descriptors", "file_size"]);
    }
}
