//! On what, when and with which versions a run was made.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::peers::Places;

/// On what, when and with which versions.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory: String,
    pub(crate) kernel: String,
    pub(crate) date: String,
    /// Name and version.
    pub(crate) versions: Vec<(String, String)>,
}

const UNKNOWN: &str = "unknown";
/// Of the project's own lock file.
const OF_CARGO: [&str; 4] = ["jsonrpc-core", "serde_json", "crossbeam-channel", "rustix"];
/// Of that of MCP's Rust SDK.
const OF_MCP: [&str; 2] = ["rmcp", "tokio"];

impl Machine {
    /// This one, now.
    pub(crate) fn now(places: &Places) -> Self {
        Self {
            processor: proc_field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            memory: memory(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            date: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            versions: versions(places),
        }
    }
}

fn versions(places: &Places) -> Vec<(String, String)> {
    let commit = said("git", &["-C", &places.benches.to_string_lossy(), "describe", "--always", "--dirty"]);
    let mut versions = vec![
        ("plugline".into(), format!("{} ({commit})", env!("CARGO_PKG_VERSION"))),
        ("rustc".into(), said("rustc", &["--version"]).replace("rustc ", "")),
        ("go".into(), said("go", &["env", "GOVERSION"]).replace("go", "")),
    ];
    versions.push(("python".into(), said("python3", &["--version"]).replace("Python ", "")));
    for requirements in ["../sdk-python/requirements", "peers/python/mcp-requirements"] {
        let file = |kind| read(places.benches.join(format!("{requirements}.{kind}")));
        versions.extend(pinned(&file("txt"), &file("in")));
    }
    versions.extend(required(&read(places.benches.join("peers/go/go.mod"))));
    versions.extend(locked(&read(places.benches.join("../Cargo.lock")), &OF_CARGO));
    versions.extend(locked(&read(places.benches.join("peers/mcp/Cargo.lock")), &OF_MCP));
    versions
}

/// What a requirements.txt pins of what a requirements.in asks for.
fn pinned(lock: &str, asked: &str) -> Vec<(String, String)> {
    let asked: Vec<String> = asked.lines().map(|line| line.trim().replace('_', "-")).collect();
    let pin = |line: &str| {
        let (name, version) = line.split_once("==")?;
        Some((name.to_owned(), version.split(' ').next()?.to_owned()))
    };
    lock.lines().filter_map(pin).filter(|(name, _)| asked.contains(name)).collect()
}

/// What a go.mod requires directly.
fn required(module: &str) -> Vec<(String, String)> {
    let lines = module.lines().filter(|line| line.starts_with('\t') && !line.contains("// indirect"));
    lines.filter_map(|line| line.trim().split_once(' ')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

/// The versions of those packages in a Cargo.lock.
fn locked(lock: &str, names: &[&str]) -> Vec<(String, String)> {
    let quoted = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim_matches([' ', '=', '"']).to_owned())
    };
    let package = |block| Some((quoted(block, "name")?, quoted(block, "version")?));
    let packages = lock.split("[[package]]").filter_map(package);
    packages.filter(|(name, _)| names.contains(&name.as_str())).collect()
}

fn read(path: impl AsRef<std::path::Path>) -> String {
    fs::read_to_string(path).unwrap_or_else(|_| UNKNOWN.into())
}

fn proc_field(path: &str, name: &str) -> String {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
    line.map_or(UNKNOWN.into(), |(_, value)| value.trim().to_owned())
}

fn memory() -> String {
    let kib = proc_field("/proc/meminfo", "MemTotal");
    let kib = kib.strip_suffix(" kB").and_then(|kib| kib.parse::<f64>().ok());
    kib.map_or(UNKNOWN.into(), |kib| format!("{:.0} GiB", kib / 1024.0 / 1024.0))
}

/// The first line that a program says.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success());
    output
        .and_then(|output| Some(String::from_utf8(output.stdout).ok()?.lines().next()?.to_owned()))
        .unwrap_or_else(|| UNKNOWN.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_lock_files() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"b\"\n\
                    version = \"2.0.0\"\n";
        assert_eq!(locked(lock, &["b"]), [("b".to_owned(), "2.0.0".to_owned())]);
        let lock = "# why\na-b==1.2 \\\n    --hash=sha256:00\n    # via -r x.in\nc==3 ; python_version >= '3.11' \\\n";
        assert_eq!(pinned(lock, "# what\na_b\n"), [("a-b".to_owned(), "1.2".to_owned())]);
        let module = "module m\n\nrequire (\n\tm/a v1.0.0\n\tm/b v2.0.0 // indirect\n)\n";
        assert_eq!(required(module), [("m/a".to_owned(), "v1.0.0".to_owned())]);
    }
}
