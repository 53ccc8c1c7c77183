//! What the kernel says of a process: memory, CPU time, context switches.

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use plugline_benches_driver::{Fault, process_time};

/// What the kernel says of a thread that ended while it was asked for.
const ESRCH: i32 = 3;

/// Its proportional share of memory; bytes.
pub(crate) fn pss(pid: u32) -> Result<u64, Fault> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:").map(|kib| kib * 1024)
}

/// The most memory that it ever had resident; bytes.
pub(crate) fn peak(pid: u32) -> Result<u64, Fault> {
    field(&format!("/proc/{pid}/status"), "VmHWM:").map(|kib| kib * 1024)
}

/// Its CPU time.
pub(crate) fn cpu(pids: &[u32]) -> Result<Duration, Fault> {
    pids.iter().map(|pid| process_time(*pid)).sum()
}

/// How often its threads that still run have left a core, of themselves or not.
pub(crate) fn switches(pids: &[u32]) -> Result<u64, Fault> {
    let mut total = 0;
    for pid in pids {
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let path = task?.path().join("status").to_string_lossy().into_owned();
            let status = match fs::read_to_string(&path) {
                Ok(status) => status,
                // It has ended since it was listed.
                Err(fault) if fault.kind() == ErrorKind::NotFound || fault.raw_os_error() == Some(ESRCH) => {
                    continue;
                }
                Err(fault) => return Err(format!("{path}: {fault}").into()),
            };
            total += number(&path, &status, "voluntary_ctxt_switches:")?;
            total += number(&path, &status, "nonvoluntary_ctxt_switches:")?;
        }
    }
    Ok(total)
}

fn field(path: &str, name: &str) -> Result<u64, Fault> {
    let text = fs::read_to_string(path).map_err(|fault| format!("{path}: {fault}"))?;
    number(path, &text, name)
}

fn number(path: &str, text: &str, name: &str) -> Result<u64, Fault> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    Ok(value.ok_or_else(|| format!("{path} has no {name}"))?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_all_of_it() {
        let pid = std::process::id();
        assert!(pss(pid).unwrap() > 0);
        assert!(peak(pid).unwrap() >= pss(pid).unwrap() / 2);
        assert!(cpu(&[pid]).unwrap() > Duration::ZERO);
        let before = switches(&[pid]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        assert!(switches(&[pid]).unwrap() > before);
    }
}
