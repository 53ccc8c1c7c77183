//! A plugin's process: how it is started, watched, signalled and reaped. Knows nothing of messages.
//!
//! What the child gets: stdin, stdout and stderr as pipes and no other descriptor; the default action for
//! every signal and an empty signal mask; a session and process group of its own; the directory it was told
//! or the host's; an environment of [`INHERITED`] and what it was told. On Linux it gets SIGTERM when the
//! host dies.

mod child;
mod command;
mod guard;
mod spawner;
mod stderr;
mod sys;

pub use child::Exit;
pub(crate) use child::{Process, Signal};
pub(crate) use command::{Command, SpawnError};
