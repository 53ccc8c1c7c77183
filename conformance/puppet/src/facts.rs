//! What a process can say of how it was started.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Everything that the host decided: ids, environment, directory, descriptors, signals.
///
/// Of the signals, SIGPIPE says nothing: Rust's runtime ignores it before `main`.
pub(crate) fn facts() -> Value {
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let directory = std::env::current_dir().map(|dir| dir.to_string_lossy().into_owned()).ok();
    let (group, session) = leaders();
    json!({
        "pid": std::process::id(),
        "ppid": rustix::process::getppid().map(number),
        "group": group,
        "session": session,
        "environment": environment,
        "directory": directory,
        "descriptors": descriptors(),
        "blocked": signals("SigBlk:"),
        "ignored": signals("SigIgn:"),
    })
}

fn number(id: rustix::process::Pid) -> i32 {
    id.as_raw_nonzero().get()
}

/// The process group and the session; nothing for one whose leader is outside of this PID namespace, as a container's is.
#[cfg(target_os = "linux")]
fn leaders() -> (Option<i32>, Option<i32>) {
    // Not rustix's getpgrp and getsid: they panic where the kernel says 0, which is what it calls a leader outside.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which is the only part that may hold spaces or parentheses: state, parent, group, session.
    let mut ids = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().skip(2);
    let mut leader = || ids.next()?.parse().ok().filter(|&id| id != 0);
    (leader(), leader())
}

/// The process group and the session.
#[cfg(not(target_os = "linux"))]
fn leaders() -> (Option<i32>, Option<i32>) {
    use rustix::process::{getpgrp, getsid};
    (Some(number(getpgrp())), getsid(None).ok().map(number))
}

/// The open descriptors; nothing where the system does not list them.
fn descriptors() -> Option<Vec<u32>> {
    let listed = std::fs::read_dir("/proc/self/fd").or_else(|_| std::fs::read_dir("/dev/fd")).ok()?;
    let mut numbers: Vec<u32> =
        listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    // The one that the listing itself needed is closed by now.
    numbers.retain(|number| std::fs::metadata(format!("/dev/fd/{number}")).is_ok());
    numbers.sort_unstable();
    Some(numbers)
}

/// The signals in a mask of `/proc/self/status`; nothing where there is none.
fn signals(name: &str) -> Option<Vec<u32>> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix(name))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some((1..=64).filter(|signal| mask & (1 << (signal - 1)) != 0).collect())
}
