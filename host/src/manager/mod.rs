//! The manager: which plugins there are, which of them a driver means, and one handle for each that is used.
//!
//! - `driver.rs`: what a user wrote, told apart. `version.rs`: which of several versions, in which order. `found.rs`: what
//!   is known of a plugin that was not started. All pure.
//! - `discovery.rs`: looking for plugins; `cache.rs` remembers what their manifests say.
//! - `settings/`: `plugins.toml`, the environment over it, secrets.
//! - `resolve.rs`: from a driver to candidates, and why. `fetch.rs`: those that have to be fetched. `builtin.rs`: those that
//!   are the host's own.
//! - `prepare.rs`: from a candidate to what can be started; `build/` makes it of sources where it must be.
//! - `open.rs`: what is said before; `facade.rs`: what a host has; `inner.rs`: what all handles share. `entry.rs`: one plugin
//!   that is used. `fallback.rs`: the first version that works. `reload.rs`: another takes over.
//! - `steward.rs`: the one thread, which listens to plugins and looks for changes.
//!
//! Nothing here knows of messages or processes: what serves is the [supervisor](crate::Supervised)'s, what is installed the
//! [store](crate::store)'s.

mod build;
mod builtin;
mod cache;
mod discovery;
mod driver;
mod entry;
mod error;
mod event;
mod facade;
mod fallback;
mod fetch;
mod found;
mod inner;
mod open;
mod prepare;
mod reload;
mod resolve;
mod settings;
mod steward;
mod version;

pub use build::BuildError;
pub use cache::Work;
pub use discovery::Broken;
pub use driver::{Driver, DriverFault, Remote, Tried};
pub use error::ManagerError;
pub use event::{ManagerEvent, ManagerEventKind};
pub use facade::{ManagedPlugin, Manager, Reload};
pub use found::{Declared, Found, Place, Query};
pub use open::ManagerBuilder;
pub use resolve::{Candidate, Resolution};
pub use settings::{
    Common, Conflict, LimitSettings, Most, PluginSettings, Prefer, Reference, RestartSettings, SandboxChoice,
    SandboxSettings, Settings, SettingsError, Span, TimeoutSettings, UserId, Variable, When, WhenUnenforced,
};
pub use version::Rejection;
