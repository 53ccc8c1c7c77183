//! What only the operating system's own interface can do, behind one set of signatures. The only unsafe code
//! of the project.

#![expect(unsafe_code, reason = "this is the one place for it")]

#[cfg(target_os = "linux")]
mod linux;
#[cfg(unix)]
mod unix;

#[cfg(target_os = "linux")]
pub(super) use linux::{landlock_version, makes_user_namespaces, takes_filters};
#[cfg(unix)]
pub(super) use unix::{Image, detach, prepare_child};
