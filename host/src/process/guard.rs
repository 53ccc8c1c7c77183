//! A process that outlives the host for long enough to kill a plugin that ignores both the end of its input
//! and SIGTERM.
//!
//! It is a shell that waits on a pipe whose other end only the host has: a line means that the plugin is gone
//! and so may it be; end of file means that the host is.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};

use super::{spawner, sys};

/// Long enough for the ladder that a plugin would have got from a living host. The one form of `kill` that
/// POSIX has for a group: dash refuses `kill -9 -- -1234`.
const SCRIPT: &str = "read -r _ || { sleep 5; kill -s KILL -- \"-$1\"; } 2>/dev/null";

#[derive(Debug)]
pub(super) struct Guard {
    shell: Child,
    stdin: os_pipe::PipeWriter,
}

impl Guard {
    /// Guards the process group that this process leads.
    pub(super) fn start(leader: u32) -> io::Result<Self> {
        let (child_stdin, stdin) = os_pipe::pipe()?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "plugline-guard", &leader.to_string()])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .stdin(child_stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        sys::detach(&mut command);
        Ok(Self { shell: spawner::spawn(command)?, stdin })
    }
}

/// The plugin is gone: so is the guard when it is dropped.
impl Drop for Guard {
    fn drop(&mut self) {
        // A guard that somebody killed needs no dismissal.
        let _gone = self.stdin.write_all(b"done\n");
        let _reaped_elsewhere = self.shell.wait();
    }
}
