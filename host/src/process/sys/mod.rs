//! What only the operating system's own interface can do, behind one set of signatures. The only unsafe code
//! of the project.

#![expect(unsafe_code, reason = "this is the one place for it")]

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(super) use unix::{detach, prepare_child};
