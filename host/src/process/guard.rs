//! A process that outlives the host for long enough to kill what ignores both the end of its input and SIGTERM: a
//! plugin, or the build of one.
//!
//! It is a shell that waits on a pipe whose other end only the host has: a line means that what it guards is gone
//! and so may it be; end of file means that the host is.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{spawner, sys};

/// The one form of `kill` that POSIX has for a group: dash refuses `kill -9 -- -1234`.
const SCRIPT: &str = "read -r _ || { sleep \"$2\"; kill -s KILL -- \"-$1\"; } 2>/dev/null";

#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    stdin: os_pipe::PipeWriter,
}

impl Guard {
    /// Guards the process group that this process leads, which has so many whole seconds once the host is gone.
    pub(crate) fn start(leader: u32, grace: Duration) -> io::Result<Self> {
        let (child_stdin, stdin) = os_pipe::pipe()?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "plugline-guard", &leader.to_string(), &grace.as_secs().to_string()])
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

/// What it guards is gone: so is the guard when it is dropped.
impl Drop for Guard {
    fn drop(&mut self) {
        // A guard that somebody killed needs no dismissal.
        let _gone = self.stdin.write_all(b"done\n");
        let _reaped_elsewhere = self.shell.wait();
    }
}
