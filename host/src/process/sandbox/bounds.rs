//! What a sandbox bounds, as resource limits of the child.

use rustix::process::{Resource, getrlimit};

use super::enforcement::{addresses, seconds};
use super::rules::Sandbox;

/// A resource limit: when it is said, and beyond what it cannot be raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::process) struct Bound {
    pub(in crate::process) resource: Resource,
    pub(in crate::process) soft: u64,
    pub(in crate::process) hard: u64,
}

/// The stack of the first thread, and by default of each; bytes. It is not counted as memory, and could be raised.
const STACK: u64 = 8 << 20;
/// Signals that wait, which a user has so many of in all.
const SIGNALS: u64 = 1024;

/// The limits of a sandbox, none above what this process has itself: nobody could raise that. Processes are bounded where
/// it is the plugin's that are counted.
pub(super) fn bounds(sandbox: &Sandbox, counts_processes: bool) -> Vec<Bound> {
    let most = |resource| getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let bound = |resource, value: u64| {
        let value = value.min(most(resource));
        Bound { resource, soft: value, hard: value }
    };
    let mut bounds = vec![
        // No picture of its memory, which may be as large; no queues, which no other limit counts; no priority over others.
        bound(Resource::Core, 0),
        bound(Resource::Msgqueue, 0),
        bound(Resource::Rtprio, 0),
        bound(Resource::Nice, 0),
        bound(Resource::Sigpending, SIGNALS),
        bound(Resource::Stack, getrlimit(Resource::Stack).current.unwrap_or(STACK).min(STACK)),
    ];
    let wanted = [
        (Resource::Data, sandbox.memory),
        (Resource::As, sandbox.memory.map(addresses)),
        (Resource::Nproc, sandbox.processes.filter(|_| counts_processes)),
        (Resource::Nofile, sandbox.descriptors),
        (Resource::Fsize, sandbox.file_size),
    ];
    bounds.extend(wanted.into_iter().filter_map(|(resource, value)| Some(bound(resource, value?))));
    if let Some(time) = sandbox.cpu {
        let time = seconds(time);
        // SIGXCPU says what it was; SIGKILL ends what does not heed it.
        let Bound { resource, soft, .. } = bound(Resource::Cpu, time);
        bounds.push(Bound { resource, soft, hard: time.saturating_add(1).min(most(Resource::Cpu)) });
    }
    bounds
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_bound_is_a_limit() {
        let of = |sandbox: &Sandbox, resource| {
            bounds(sandbox, true).into_iter().find(|bound| bound.resource == resource)
        };
        let sandbox = Sandbox::new().cpu(Duration::from_millis(1500)).memory(1 << 20).file_size(None);
        let cpu = of(&sandbox, Resource::Cpu).unwrap();
        assert_eq!((cpu.soft, cpu.hard), (2, 3));
        assert_eq!(of(&sandbox, Resource::Data).map(|bound| bound.hard), Some(1 << 20));
        assert_eq!(of(&sandbox, Resource::As).map(|bound| bound.hard), Some(512 << 20));
        assert_eq!(of(&Sandbox::new().memory(None), Resource::As), None);
        assert_eq!(of(&Sandbox::new().memory(1 << 60), Resource::As).map(|bound| bound.hard), Some(u64::MAX));
        assert_eq!(of(&sandbox, Resource::Fsize), None);
        assert_eq!(of(&Sandbox::new(), Resource::Cpu), None);
        assert!(of(&Sandbox::new(), Resource::Stack).is_some_and(|bound| bound.hard <= STACK));
        assert!(of(&Sandbox::new(), Resource::Nproc).is_some());
        assert!(bounds(&Sandbox::new(), false).iter().all(|bound| bound.resource != Resource::Nproc));
        assert_eq!(of(&Sandbox::new(), Resource::Core).map(|bound| bound.hard), Some(0));
    }
}
