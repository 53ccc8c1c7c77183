//! A plugin's sandbox, as a command line says it, and what is missing of it.

use std::path::{Path, PathBuf};
use std::sync::Once;

use clap::Args;
use plugline_host::manager::UserId;
use plugline_host::{Launch, MeasureState, Sandbox, Unenforced};

use crate::arguments::{Patience, patience};
use crate::output;

/// What the plugin may reach.
#[derive(Args, Default)]
pub(crate) struct SandboxOptions {
    /// Start the plugin in a sandbox: its own files, the system's programs and libraries, a private temporary directory, no
    /// network (docs/sandbox.md). Linux only.
    #[arg(long)]
    sandbox: bool,
    /// Let it read and execute this file or directory, too.
    #[arg(long, value_name = "PATH", requires = "sandbox")]
    sandbox_read: Vec<PathBuf>,
    /// Let it read and write this file or directory, too.
    #[arg(long, value_name = "PATH", requires = "sandbox")]
    sandbox_write: Vec<PathBuf>,
    /// Let it use IPv4 and IPv6.
    #[arg(long, requires = "sandbox")]
    sandbox_network: bool,
    /// Run it as this user and group, which only root can do.
    #[arg(long, value_name = "UID[:GID]", requires = "sandbox")]
    sandbox_user: Option<UserId>,
    /// How much memory each of its processes may have: 512M, 2G, none; 1G unless said.
    #[arg(long, value_name = "SIZE", requires = "sandbox", value_parser = size)]
    sandbox_memory: Option<Most>,
    /// How long each of its processes may compute: 30s, none; none unless said.
    #[arg(long, value_name = "DURATION", requires = "sandbox", value_parser = patience)]
    sandbox_cpu: Option<Patience>,
    /// How many processes and threads it may have, or none for no bound; 128 unless said.
    #[arg(long, value_name = "COUNT", requires = "sandbox", value_parser = count)]
    sandbox_processes: Option<Most>,
    /// How many descriptors each of its processes may have, or none for no bound; 256 unless said.
    #[arg(long, value_name = "COUNT", requires = "sandbox", value_parser = count)]
    sandbox_descriptors: Option<Most>,
    /// How large a file that it writes may become: 10M, none; 256M unless said.
    #[arg(long, value_name = "SIZE", requires = "sandbox", value_parser = size)]
    sandbox_file_size: Option<Most>,
    /// What to do where this system cannot enforce all of it: start nothing, or warn and start it.
    #[arg(long, value_name = "WHAT", requires = "sandbox", value_enum, default_value_t = Otherwise::Error)]
    sandbox_unenforced: Otherwise,
}

/// What to do where a sandbox cannot be enforced in whole.
#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Otherwise {
    /// Start nothing.
    #[default]
    Error,
    /// Warn, and start it.
    Warn,
}

impl SandboxOptions {
    /// The sandbox that is asked for, if any, of a plugin that is started with these words, if it is. Who types the name of
    /// a script lets it be read.
    pub(crate) fn sandbox(&self, words: &[String]) -> Option<Sandbox> {
        if !self.sandbox {
            return None;
        }
        let scripts = words.iter().map(Path::new).filter(|path| path.is_file()).map(Path::to_owned);
        let mut sandbox = Sandbox::new();
        for path in scripts.chain(self.sandbox_read.iter().cloned()) {
            sandbox = sandbox.read(path);
        }
        for path in &self.sandbox_write {
            sandbox = sandbox.write(path);
        }
        if self.sandbox_network {
            sandbox = sandbox.network();
        }
        if let Some(UserId { uid, gid }) = self.sandbox_user {
            sandbox = sandbox.user(uid, gid);
        }
        if let Some(Most(bytes)) = self.sandbox_memory {
            sandbox = sandbox.memory(bytes);
        }
        if let Some(Patience(time)) = self.sandbox_cpu {
            sandbox = sandbox.cpu(time);
        }
        if let Some(Most(count)) = self.sandbox_processes {
            sandbox = sandbox.processes(count);
        }
        if let Some(Most(count)) = self.sandbox_descriptors {
            sandbox = sandbox.descriptors(count);
        }
        if let Some(Most(bytes)) = self.sandbox_file_size {
            sandbox = sandbox.file_size(bytes);
        }
        Some(sandbox.unenforced(match self.sandbox_unenforced {
            Otherwise::Error => Unenforced::Error,
            Otherwise::Warn => Unenforced::Warn,
        }))
    }
}

/// Warns of what is missing of a plugin's sandbox, whoever asked for it, where it is started all the same; once.
pub(crate) fn warn_of_unenforced(launch: &Launch) {
    static WARNED: Once = Once::new();
    let Some(enforcement) = launch.enforcement().filter(|enforcement| enforcement.is_allowed()) else {
        return;
    };
    if enforcement.unenforced().next().is_none() {
        return;
    }
    WARNED.call_once(|| {
        for measure in enforcement.unenforced() {
            if let MeasureState::Unenforced { why, .. } = &measure.state {
                output::warning(&format!("the sandbox does not hold for {}: {why}", measure.name));
            }
        }
    });
}

/// So many at most; none is no bound.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Most(Option<u64>);

fn count(text: &str) -> Result<Most, String> {
    match text {
        "none" => Ok(Most(None)),
        text => match text.parse() {
            Ok(number @ 1..) => Ok(Most(Some(number))),
            _ => Err("a whole number above 0, or none".into()),
        },
    }
}

/// `1000`, `10K`, `512M`, `2G`, or `none`: units of 1024.
fn size(text: &str) -> Result<Most, String> {
    const FORMS: &str = "a size is like 512M, 2G or 65536, or none";
    if text == "none" {
        return Ok(Most(None));
    }
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1 << 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let number: u64 = digits.parse().map_err(|_| FORMS)?;
    match number.checked_mul(unit) {
        Some(bytes @ 1..) => Ok(Most(Some(bytes))),
        _ => Err(FORMS.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts() {
        let bytes = |text| size(text).map(|most| most.0);
        assert_eq!(bytes("65536"), Ok(Some(65536)));
        assert_eq!(bytes("10K"), Ok(Some(10_240)));
        assert_eq!(bytes("512M"), Ok(Some(512 << 20)));
        assert_eq!(bytes("2g"), Ok(Some(2 << 30)));
        assert_eq!(bytes("none"), Ok(None));
        for text in ["", "G", "0", "-1M", "1.5G", "1T", "99999999999G"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(count("7"), Ok(Most(Some(7))));
        assert_eq!(count("none"), Ok(Most(None)));
        assert!(count("0").is_err() && count("many").is_err());
    }
}
