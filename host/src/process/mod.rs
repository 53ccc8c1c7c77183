//! A plugin's process: how it is started, watched, signalled and reaped. Knows nothing of messages.
//!
//! Public for programs that read and write the pipes themselves, such as the conformance suite; whoever wants calls
//! wants a [`Plugin`](crate::Plugin).
//!
//! What the child gets: stdin, stdout and stderr as pipes and no other descriptor; the default action for
//! every signal and an empty signal mask; a session and process group of its own; the directory it was told
//! or the host's; an environment of `PATH HOME USER LOGNAME SHELL LANG LC_* TZ TMPDIR` and what it was told.
//! On Linux it gets SIGTERM when the host dies, and may be confined to a [`Sandbox`].

mod attach;
mod child;
mod command;
mod guard;
mod sandbox;
mod spawner;
mod stderr;
mod sys;

pub use attach::Fifos;
pub use child::{Exit, Process, Signal};
pub use command::{Command, SpawnError};
pub(crate) use guard::Guard;
pub use plugline_protocol::peer::Pipes;
pub use sandbox::{Enforcement, Measure, MeasureState, Sandbox, SandboxError, Support, Unenforced};
