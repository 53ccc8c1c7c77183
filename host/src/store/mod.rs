//! The store: packages that were installed, each in a directory named by the hash of what is in it.
//!
//! ```text
//! lock                      whoever changes the store holds it; readers do without
//! names/NAME.json           the releases of one plugin, which of them is current, and which was before
//! content/HASH/files        the files of a release: kind, SHA-256, size, path; HASH is the SHA-256 of this
//! content/HASH/package/     the files
//! content/HASH/lease        held while a release is in use; it is not deleted then
//! staging/                  what is being made or deleted
//! ```
//!
//! What a reader sees changes in one step, the renaming of `names/NAME.json`. Before it, all that the new one names is
//! there and written out to the disk; after it, what nobody names any more is deleted. A process that is killed in
//! between leaves staging, or content that nobody names; the next change deletes both.
//!
//! Who can write to the store can have its plugins run anything: its directory belongs to its user. What a start
//! verifies is that nothing has changed since the install by accident, or by a plugin that wrote into its directory.

mod archive;
mod change;
mod draft;
mod error;
mod examine;
mod fetch;
mod folder;
mod git;
mod held;
#[cfg(feature = "https")]
mod https;
mod inspect;
mod install;
mod lease;
mod limits;
mod lock;
mod names;
mod place;
mod read;
mod signature;
mod source;
mod staging;
mod step;
mod sweep;
mod tree;

pub use change::Removed;
pub use error::{EntryFault, StoreError};
pub use examine::{Complaint, Examination};
pub use install::{Change, Existing, InstallOptions, Installed};
pub use lease::Lease;
pub use limits::PackageLimits;
pub use names::{Origin, Release, StoredPlugin};
pub use place::VARIABLE;
pub use read::{Listing, Opened, Store};
pub use signature::Key;
pub use source::Source;
pub use step::Step;
pub use tree::TreeFault;

pub(crate) use held::Held;
