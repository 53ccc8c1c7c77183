//! What to start, and starting it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugline_protocol::lifecycle::{VERSIONS, VERSIONS_VARIABLE};
use plugline_protocol::peer::Pipes;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::child::{Exit, Process};
use super::{spawner, sys};

/// The variables that a plugin inherits from its host; `LC_*` too.
const INHERITED: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"];

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: BTreeMap<OsString, OsString>,
    pub(crate) dir: Option<PathBuf>,
    /// Have a guard process kill what ignores the end of its host.
    pub(crate) guard: bool,
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    /// The program itself.
    #[error("{0}")]
    Program(io::Error),
    /// What it needs: descriptors, threads.
    #[error("{0}")]
    Host(#[from] io::Error),
}

/// What a pipe holds where the system grants it; bytes. Linux begins with 64 KiB, less than a chunk of a stream
/// takes on the wire, and each line that does not fit is one more wake-up.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 256 * 1024;

#[cfg(target_os = "linux")]
fn widen(end: &impl std::os::fd::AsFd) {
    // Beyond what a user may have in all, it stays as it is.
    let _as_it_is = rustix::pipe::fcntl_setpipe_size(end, PIPE_BYTES);
}

#[cfg(not(target_os = "linux"))]
fn widen(_: &impl std::os::fd::AsFd) {}

impl Command {
    pub(crate) fn new(program: PathBuf) -> Self {
        Self { program, args: Vec::new(), env: BTreeMap::new(), dir: None, guard: false }
    }

    /// Starts it. What it writes to stderr goes to `stderr`, a line at a time; `exited` is called once, when
    /// it is gone and reaped.
    pub(crate) fn spawn(
        &self,
        stderr: impl FnMut(&[u8]) + Send + 'static,
        exited: impl FnOnce(Exit) + Send + 'static,
    ) -> Result<(Arc<Process>, Pipes), SpawnError> {
        let (child_stdin, stdin) = os_pipe::pipe()?;
        let (stdout, child_stdout) = os_pipe::pipe()?;
        let (stderr_pipe, child_stderr) = os_pipe::pipe()?;
        widen(&stdin);
        widen(&stdout);
        // The write end is ours alone (a pipe's two ends are two file descriptions), so this does not reach
        // the plugin. A write to a plugin that does not read can so be given up.
        let flags = fcntl_getfl(&stdin).map_err(io::Error::from)?;
        fcntl_setfl(&stdin, flags | OFlags::NONBLOCK).map_err(io::Error::from)?;

        let mut command = std::process::Command::new(self.absolute_program()?);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.environment(std::env::vars_os()))
            .stdin(child_stdin)
            .stdout(child_stdout)
            .stderr(child_stderr);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        sys::prepare_child(&mut command);
        let child = spawner::spawn(command).map_err(SpawnError::Program)?;
        let process = Process::watch(child, stderr_pipe.into(), self.guard, stderr, exited)?;
        Ok((process, Pipes { read: stdout.into(), write: stdin.into() }))
    }

    /// A path is meant from where the host stands, wherever the plugin is to run.
    fn absolute_program(&self) -> io::Result<PathBuf> {
        if self.program.components().count() > 1 {
            std::path::absolute(&self.program)
        } else {
            Ok(self.program.clone())
        }
    }

    fn environment(
        &self,
        host: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> BTreeMap<OsString, OsString> {
        let inherited = |name: &OsStr| {
            name.to_str().is_some_and(|name| INHERITED.contains(&name) || name.starts_with("LC_"))
        };
        let versions: Vec<String> = VERSIONS.iter().map(u32::to_string).collect();
        let mut environment: BTreeMap<OsString, OsString> =
            host.into_iter().filter(|(name, _)| inherited(name)).collect();
        environment.insert(VERSIONS_VARIABLE.into(), versions.join(",").into());
        environment.extend(self.env.clone());
        environment
    }
}

/// As a person would type it, for messages.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, self.program.as_os_str())?;
        for arg in &self.args {
            f.write_str(" ")?;
            word(f, arg)?;
        }
        Ok(())
    }
}

fn word(f: &mut fmt::Formatter<'_>, word: &OsStr) -> fmt::Result {
    let text = plugline_protocol::wire::escape(Path::new(word).as_os_str().as_encoded_bytes());
    let plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        f.write_str(&text)
    } else {
        write!(f, "'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_an_allow_list_and_what_is_set_wins() {
        let mut command = Command::new("plugin".into());
        command.env.insert("LANG".into(), "C".into());
        command.env.insert("TOKEN".into(), "t".into());
        let host = [("PATH", "/bin"), ("LANG", "de"), ("LC_ALL", "de"), ("SECRET", "s"), ("LD_PRELOAD", "x")];
        let host = host.map(|(name, value)| (name.into(), value.into()));
        let seen: Vec<(String, String)> = command
            .environment(host)
            .into_iter()
            .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()))
            .collect();
        let wanted =
            [("LANG", "C"), ("LC_ALL", "de"), ("PATH", "/bin"), (VERSIONS_VARIABLE, "1"), ("TOKEN", "t")];
        assert_eq!(seen, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_command_reads_as_it_would_be_typed() {
        let mut command = Command::new("./a b".into());
        command.args = vec!["x=1".into(), "it's".into(), "".into()];
        assert_eq!(command.to_string(), "'./a b' x=1 'it'\\''s' ''");
    }
}
