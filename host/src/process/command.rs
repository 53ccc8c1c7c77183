//! What to start, and starting it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugline_protocol::lifecycle::{VERSIONS, VERSIONS_VARIABLE};
use plugline_protocol::peer::Pipes;
use plugline_protocol::wire::escape;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::child::{Exit, Process};
use super::sandbox::{self, Held, Sandbox, SandboxError};
use super::{spawner, sys};

/// The variables that a plugin inherits from its host; `LC_*` too.
const INHERITED: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"];

/// What to start.
#[derive(Clone)]
pub struct Command {
    /// The program: a path, or a word that is looked up in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What its environment has beside the variables that are inherited, or in their place.
    pub env: BTreeMap<OsString, OsString>,
    /// Where it runs, if not where the host does.
    pub dir: Option<PathBuf>,
    /// Have a guard process kill what ignores the end of its host.
    pub guard: bool,
    /// What it may reach, where that is bounded.
    pub sandbox: Option<Sandbox>,
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program itself.
    #[error("{0}")]
    Program(io::Error),
    /// What it needs: descriptors, threads.
    #[error("{0}")]
    Host(#[from] io::Error),
    /// Its sandbox.
    #[error("{0}")]
    Sandbox(#[from] SandboxError),
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
    /// A program without arguments.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self { program, args: Vec::new(), env: BTreeMap::new(), dir: None, guard: false, sandbox: None }
    }

    /// Starts it. What it writes to stderr goes to `stderr`, a line at a time; `exited` is called once, when
    /// it is gone and reaped. Of the pipes, `write` is its stdin and does not block; `read` is its stdout and does.
    ///
    /// # Errors
    /// Where the program cannot be started, or this process has no descriptors or threads left.
    pub fn spawn(
        &self,
        stderr: impl FnMut(&[u8]) + Send + 'static,
        exited: impl FnOnce(Exit) + Send + 'static,
    ) -> Result<(Arc<Process>, Pipes), SpawnError> {
        let program = self.absolute_program()?;
        let confined = self
            .sandbox
            .as_ref()
            .map(|it| sandbox::confine(it, &program, self.dir.as_deref()))
            .transpose()?;
        let (confinement, held) = confined.unzip();
        let (child_stdin, stdin) = os_pipe::pipe()?;
        let (stdout, child_stdout) = os_pipe::pipe()?;
        let (stderr_pipe, child_stderr) = os_pipe::pipe()?;
        widen(&stdin);
        widen(&stdout);
        // The write end is ours alone (a pipe's two ends are two file descriptions), so this does not reach
        // the plugin. A write to a plugin that does not read can so be given up.
        let flags = fcntl_getfl(&stdin).map_err(io::Error::from)?;
        fcntl_setfl(&stdin, flags | OFlags::NONBLOCK).map_err(io::Error::from)?;

        let environment = self.environment(std::env::vars_os(), held.as_ref());
        let image = sys::Image::new(&program, &self.args, &environment).map_err(SpawnError::Program)?;
        let mut command = std::process::Command::new(program);
        command.stdin(child_stdin).stdout(child_stdout).stderr(child_stderr);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        sys::prepare_child(&mut command, image, confinement);
        let child = spawner::spawn(command).map_err(|fault| match sandbox::failure(&fault) {
            Some(fault) => SpawnError::Sandbox(fault),
            None => SpawnError::Program(self.explained(fault)),
        })?;
        let process = Process::watch(child, stderr_pipe.into(), self.guard, held, stderr, exited)?;
        Ok((process, Pipes { read: stdout.into(), write: stdin.into() }))
    }

    /// A directory that is not there, and what a sandbox does not let be started, look as if the program were not there; and
    /// the system does not say what a program has to be.
    fn explained(&self, fault: io::Error) -> io::Error {
        let kind = fault.kind();
        if fault.raw_os_error() == Some(libc::ENOEXEC) {
            let more = "neither a program for this machine nor a script that begins with #!";
            return io::Error::new(kind, format!("{fault} ({more})"));
        }
        if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            && let Some(dir) = self.dir.as_ref().filter(|dir| !dir.is_dir())
        {
            let dir = escape(dir.as_os_str().as_encoded_bytes());
            return io::Error::new(kind, format!("{fault} ({dir}, where it is to run, is no directory)"));
        }
        match &self.sandbox {
            Some(_) if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
                let more = "in a sandbox it can start what it may read, which is its own files, the system's and what \
                            `read` names, as far as its user may";
                io::Error::new(kind, format!("{fault} ({more})"))
            }
            _ => fault,
        }
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
        held: Option<&Held>,
    ) -> BTreeMap<OsString, OsString> {
        let inherited = |name: &OsStr| match held {
            Some(_) => sandbox::inherits(name),
            None => name.to_str().is_some_and(|name| INHERITED.contains(&name) || name.starts_with("LC_")),
        };
        let versions: Vec<String> = VERSIONS.iter().map(u32::to_string).collect();
        let mut environment: BTreeMap<OsString, OsString> =
            host.into_iter().filter(|(name, _)| inherited(name)).collect();
        environment.extend(held.into_iter().flat_map(Held::environment));
        environment.insert(VERSIONS_VARIABLE.into(), versions.join(",").into());
        environment.extend(self.env.clone());
        environment
    }
}

/// Of the environment only the names: what a plugin is given there may be a secret.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, args, env, dir, guard, sandbox } = self;
        let names: Vec<&OsString> = env.keys().collect();
        let mut shown = f.debug_struct("Command");
        shown.field("program", program).field("args", args).field("env", &names);
        shown.field("dir", dir).field("guard", guard).field("sandbox", sandbox).finish()
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
    let text = escape(Path::new(word).as_os_str().as_encoded_bytes());
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
            .environment(host, None)
            .into_iter()
            .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()))
            .collect();
        let wanted =
            [("LANG", "C"), ("LC_ALL", "de"), ("PATH", "/bin"), (VERSIONS_VARIABLE, "1"), ("TOKEN", "t")];
        assert_eq!(seen, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_in_the_environment_is_not_shown() {
        let mut command = Command::new("plugin".into());
        command.env.insert("TOKEN".into(), "hunter2".into());
        let shown = format!("{command:?} {command}");
        assert!(shown.contains("TOKEN") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_command_reads_as_it_would_be_typed() {
        let mut command = Command::new("./a b".into());
        command.args = vec!["x=1".into(), "it's".into(), "".into()];
        assert_eq!(command.to_string(), "'./a b' x=1 'it'\\''s' ''");
    }
}
