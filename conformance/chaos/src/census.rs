//! What this process has, and what others have of the run: from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::contract::DIRECTORY;

/// What this process has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    /// Its descriptors, with what they are of.
    pub descriptors: BTreeMap<String, String>,
    /// Its threads, by their names.
    pub threads: BTreeMap<String, usize>,
    /// Its child processes.
    pub children: Vec<u32>,
}

impl Holdings {
    /// As it is.
    ///
    /// # Errors
    /// Where `/proc` cannot be read.
    pub fn now() -> io::Result<Self> {
        let mut threads = BTreeMap::new();
        let mut children = Vec::new();
        for task in fs::read_dir("/proc/self/task")? {
            let task = task?.path();
            // It may have ended meanwhile.
            if let Ok(name) = fs::read_to_string(task.join("comm")) {
                *threads.entry(name.trim().to_owned()).or_default() += 1;
            }
            if let Ok(of_thread) = fs::read_to_string(task.join("children")) {
                children.extend(of_thread.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
        }
        Ok(Self { descriptors: descriptors()?, threads, children })
    }

    /// What there is that was not there before, each in words.
    #[must_use]
    pub fn beyond(&self, before: &Self) -> Beyond {
        let of = |target: &String, map: &BTreeMap<String, String>| {
            map.values().filter(|other| *other == target).count()
        };
        let mut descriptors: Vec<String> = Vec::new();
        for (number, target) in &self.descriptors {
            // Pipes and the like have a number in their name, so that each is another.
            let is_more = of(target, &self.descriptors) > of(target, &before.descriptors);
            if is_more && before.descriptors.get(number) != Some(target) {
                descriptors.push(format!("descriptor {number}: {target}"));
            }
        }
        let mut threads = Vec::new();
        for (name, count) in &self.threads {
            let more = count.saturating_sub(before.threads.get(name).copied().unwrap_or(0));
            if more > 0 {
                threads.push(format!("{more} of thread {name:?}"));
            }
        }
        let processes = self.children.iter().filter(|child| !before.children.contains(child));
        let processes = processes.map(|child| format!("child {child}: {}", describe(*child))).collect();
        Beyond { descriptors, threads, processes }
    }
}

/// What there is beyond what was before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beyond {
    /// Descriptors.
    pub descriptors: Vec<String>,
    /// Threads.
    pub threads: Vec<String>,
    /// Child processes.
    pub processes: Vec<String>,
}

impl Beyond {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.descriptors.is_empty() && self.threads.is_empty() && self.processes.is_empty()
    }
}

fn descriptors() -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        // The one that lists them is gone by now; others may be.
        if let Ok(target) = fs::read_link(entry.path()) {
            let target = target.to_string_lossy().into_owned();
            if !target.ends_with("/fd") {
                found.insert(entry.file_name().to_string_lossy().into_owned(), target);
            }
        }
    }
    Ok(found)
}

/// How many descriptors and threads this process has.
///
/// # Errors
/// Where `/proc` cannot be read.
pub fn counts() -> io::Result<(usize, usize)> {
    Ok((fs::read_dir("/proc/self/fd")?.count(), fs::read_dir("/proc/self/task")?.count()))
}

/// What a process is: its command line and state.
fn describe(pid: u32) -> String {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('?');
    format!("{} (state {state})", command.trim())
}

/// Whether a process is of the run in that directory. One that has ended and was not reaped is nobody's.
#[must_use]
pub fn is_of(pid: u32, directory: &Path) -> bool {
    let mark = [DIRECTORY.as_bytes(), b"=", directory.as_os_str().as_encoded_bytes()].concat();
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark)
}

/// All processes of the run in that directory, each in words.
#[must_use]
pub fn processes(directory: &Path) -> Vec<(u32, String)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| is_of(*pid, directory)).map(|pid| (pid, describe(pid))).collect()
}

/// What is in a directory, however deep.
#[must_use]
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        found.extend(files(&path));
        found.push(path);
    }
    found
}

/// What this process holds of the machine's memory; KiB.
///
/// # Errors
/// Where `/proc` cannot be read.
pub fn resident() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kib.ok_or_else(|| io::Error::other("/proc/self/status says nothing of VmRSS"))
}
