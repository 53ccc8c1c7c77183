//! The store, with real files, archives and processes.

mod archives;
mod installs;
mod kills;
mod locks;
mod pack;
mod repositories;
mod signatures;
