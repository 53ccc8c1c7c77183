//! Standard input and output, taken away from the program that was started with them.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use plugline_protocol::peer::Pipes;

/// The wire, kept where nothing else in the process can reach it.
///
/// From [`take`](Self::take) on, what is printed goes to standard error and nothing can be read from standard
/// input, by this program, its libraries or its children.
#[derive(Debug)]
pub struct Stdio(());

/// Where the wire is.
enum Wire {
    /// Where the process was started with it.
    OnStdio,
    Taken(Pipes),
    /// With the connection that serves the host, for as long as the process lives.
    Serving,
}

static WIRE: Mutex<Wire> = Mutex::new(Wire::OnStdio);

impl Stdio {
    /// Takes standard input and output away. [`Plugin::serve`](crate::Plugin::serve) does this first; a `main`
    /// that does anything before it calls this before that. A second time does nothing.
    ///
    /// # Errors
    /// Where a descriptor cannot be duplicated.
    pub fn take() -> io::Result<()> {
        let mut wire = WIRE.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*wire, Wire::OnStdio) {
            // Both duplicates are close-on-exec: no child inherits the wire.
            let read: OwnedFd = os_pipe::dup_stdin()?.into();
            let write: OwnedFd = os_pipe::dup_stdout()?.into();
            rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
            rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
            *wire = Wire::Taken(Pipes { read, write });
        }
        Ok(())
    }

    pub(crate) fn pipes() -> io::Result<Pipes> {
        Self::take()?;
        let mut wire = WIRE.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *wire, Wire::Serving) {
            Wire::Taken(pipes) => Ok(pipes),
            Wire::OnStdio | Wire::Serving => Err(io::Error::other("this process serves a plugin already")),
        }
    }
}

/// Says something on standard error, where somebody may read it or not: a host that closed it, or a full disk,
/// must cost the plugin nothing (`eprintln!` would panic).
pub(crate) fn tell(what: &str) {
    let _unheard = writeln!(io::stderr(), "plugline: {what}");
}
