//! CPU time of processes, to the nanosecond.

use std::time::Duration;

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::Fault;

/// The CPU time, user and system, of this process and of those.
///
/// # Errors
/// Where one of them has ended.
pub fn cpu_time(pids: &[u32]) -> Result<Duration, Fault> {
    let own = Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?);
    pids.iter().try_fold(own, |total, pid| Ok(total + process_time(*pid)?))
}

/// The CPU time, user and system, of that process.
///
/// # Errors
/// Where it has ended.
pub fn process_time(pid: u32) -> Result<Duration, Fault> {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?))?;
    Ok(clock_gettime(clock)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_counts_twice_where_it_is_named() {
        let (once, twice) = (cpu_time(&[]).unwrap(), cpu_time(&[std::process::id()]).unwrap());
        assert!(twice >= once * 2, "{once:?} {twice:?}");
    }
}
