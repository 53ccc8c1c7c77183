//! Packages: a plugin's directory, and the `plugline.toml` that describes it.
//!
//! Reads files and starts nothing. Where packages come from and where they are kept is the store's business.

mod error;
mod file;
mod model;
mod name;
mod path;
mod plain;
mod platform;
mod sha256;

pub use error::{PackageError, PackageFault, Place};
pub use file::{Build, schema};
pub use model::{Artifact, Package, Program, Run};
pub use name::PackageName;
pub use path::InnerPath;
pub use platform::{Arch, Os, Platform};
pub use sha256::Sha256;

pub(crate) use plain::open_plain;

/// The file that makes a directory a plugin's.
pub const FILE: &str = "plugline.toml";

/// So long may it be, in bytes.
pub const FILE_BYTES: u64 = 1024 * 1024;
