//! Why the manager does not have a plugin, by blame: who named it, who packed it, who wrote it, this machine.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plugline_protocol::contract::Faults;
use plugline_protocol::peer::Kind;
use plugline_protocol::typed::CallFailed;
use plugline_protocol::wire::escape;

use super::build::BuildError;
use super::driver::Tried;
use super::settings::SettingsError;
use crate::error::Error;
use crate::package::PackageError;
use crate::store::StoreError;
use crate::supervisor::SwapError;

/// Why the manager does not have a plugin. In its text all that others wrote is escaped.
#[derive(Debug)]
#[non_exhaustive]
pub enum ManagerError {
    /// A driver that resolves to nothing.
    NotFound {
        /// The driver.
        driver: String,
        /// Where it was looked for, and why it is not there.
        tried: Vec<Tried>,
    },
    /// Several plugins could be meant, and the settings want none to be taken then.
    Ambiguous {
        /// What was looked for.
        what: String,
        /// What it could be.
        candidates: Vec<String>,
    },
    /// The settings cannot be used.
    Settings(SettingsError),
    /// A secret of a plugin's settings cannot be had.
    Secret {
        /// The plugin, as the host calls it.
        plugin: String,
        /// Which one, and why.
        why: String,
    },
    /// A package cannot be built.
    Build(Box<BuildError>),
    /// A package cannot be used.
    Package(Box<PackageError>),
    /// The store does not give a package.
    Store(Box<StoreError>),
    /// A manifest breaks the rules.
    Manifest {
        /// The file.
        file: PathBuf,
        /// All that is wrong with it.
        faults: Faults,
    },
    /// A built-in could not be made, or is not what was asked for.
    BuiltIn {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// None of the versions works.
    NoneWorks {
        /// The plugin, as the host calls it.
        plugin: String,
        /// What was tried, and why it failed.
        attempts: Vec<(String, ManagerError)>,
    },
    /// What is there now does not take over from what serves.
    Swap(Box<SwapError>),
    /// The plugin.
    Plugin(Box<Error>),
    /// The system would not do something.
    Io {
        /// What.
        doing: String,
        /// What it said.
        source: io::Error,
    },
    /// Nobody could wait for it any longer: it is being built, or started.
    NotYet {
        /// The plugin, as the host calls it.
        plugin: String,
        /// How long was waited.
        after: Duration,
    },
    /// The call for which it was to start was cancelled.
    Cancelled,
    /// It failed a moment ago, and is not tried again yet: the same as for who asked first.
    Again(Arc<Self>),
    /// The manager was stopped.
    Stopped,
}

impl ManagerError {
    /// What kind of failure this is: one of the closed set.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Ambiguous { .. } | Self::Settings(_) => Kind::InvalidRequest,
            Self::Secret { .. } => Kind::InvalidConfig,
            Self::Build(_) | Self::Package(_) | Self::Store(_) | Self::Io { .. } => Kind::SpawnFailed,
            Self::Manifest { .. } => Kind::HandshakeInvalid,
            Self::BuiltIn { .. } => Kind::Unsupported,
            // The newest one says most.
            Self::NoneWorks { attempts, .. } => {
                attempts.first().map_or(Kind::NotFound, |(_, why)| why.kind())
            }
            Self::Swap(fault) => fault.cause.kind(),
            Self::Plugin(fault) => fault.kind(),
            Self::NotYet { .. } => Kind::Timeout,
            Self::Cancelled => Kind::Cancelled,
            Self::Again(fault) => fault.kind(),
            Self::Stopped => Kind::Closed,
        }
    }

    /// What happened, and the plugin's last words, where it had any: in one line, for those who were not there.
    pub(crate) fn in_full(&self) -> String {
        let evidence = self.plugin().and_then(Error::evidence);
        match evidence.and_then(|evidence| evidence.stderr_tail.last()) {
            Some(words) => format!("{self}; its last words were: {words}"),
            None => self.to_string(),
        }
    }

    /// The failure of the plugin itself, where it is one.
    #[must_use]
    pub fn plugin(&self) -> Option<&Error> {
        match self {
            Self::Plugin(fault) => Some(fault),
            Self::Swap(fault) => Some(&fault.cause),
            Self::NoneWorks { attempts, .. } => attempts.first().and_then(|(_, why)| why.plugin()),
            Self::Again(fault) => fault.plugin(),
            _ => None,
        }
    }
}

impl fmt::Display for ManagerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { driver, tried } => {
                write!(f, "there is no plugin {driver:?}")?;
                let mut lead = ": tried ";
                for tried in tried {
                    write!(f, "{lead}{}", escape(tried.to_string().as_bytes()))?;
                    lead = "; ";
                }
                Ok(())
            }
            Self::Ambiguous { what, candidates } => write!(
                f,
                "{} could be {}; say which by its version or its path, or set conflict = \"first\"",
                escape(what.as_bytes()),
                escape(candidates.join(" or ").as_bytes())
            ),
            Self::Settings(fault) => fault.fmt(f),
            Self::Secret { plugin, why } => write!(f, "{plugin}: {}", escape(why.as_bytes())),
            Self::Build(fault) => fault.fmt(f),
            Self::Package(fault) => fault.fmt(f),
            Self::Store(fault) => fault.fmt(f),
            Self::Manifest { file, faults } => {
                let first = faults.as_slice().first().map(ToString::to_string).unwrap_or_default();
                let file = escape(file.as_os_str().as_encoded_bytes());
                write!(f, "the manifest {file} breaks the rules: {}", escape(first.as_bytes()))
            }
            Self::BuiltIn { name, why } => write!(f, "the built-in {name}: {}", escape(why.as_bytes())),
            Self::NoneWorks { plugin, attempts } => {
                write!(f, "no version of {plugin} works")?;
                for (what, why) in attempts {
                    write!(f, "; {what}: {why}")?;
                }
                Ok(())
            }
            Self::Swap(fault) => fault.fmt(f),
            Self::Plugin(fault) => fault.fmt(f),
            Self::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
            Self::NotYet { plugin, after } => {
                write!(
                    f,
                    "{plugin} is not ready after {} ms: it is still being started or built",
                    after.as_millis()
                )
            }
            Self::Cancelled => f.write_str("the call was cancelled before the plugin was ready"),
            Self::Again(fault) => fault.fmt(f),
            Self::Stopped => f.write_str("the manager was stopped"),
        }
    }
}

impl std::error::Error for ManagerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Settings(fault) => Some(fault),
            Self::Build(fault) => Some(fault),
            Self::Package(fault) => Some(fault),
            Self::Store(fault) => Some(fault),
            Self::Manifest { faults, .. } => Some(faults),
            Self::Swap(fault) => Some(fault),
            Self::Plugin(fault) => Some(fault),
            Self::Io { source, .. } => Some(source),
            Self::Again(fault) => fault.source(),
            _ => None,
        }
    }
}

impl From<Error> for ManagerError {
    fn from(fault: Error) -> Self {
        Self::Plugin(Box::new(fault))
    }
}

impl From<BuildError> for ManagerError {
    fn from(fault: BuildError) -> Self {
        Self::Build(Box::new(fault))
    }
}

impl From<PackageError> for ManagerError {
    fn from(fault: PackageError) -> Self {
        Self::Package(Box::new(fault))
    }
}

impl From<StoreError> for ManagerError {
    fn from(fault: StoreError) -> Self {
        Self::Store(Box::new(fault))
    }
}

impl From<SettingsError> for ManagerError {
    fn from(fault: SettingsError) -> Self {
        Self::Settings(fault)
    }
}

/// So that a function that finds a plugin and calls it has one type of error.
impl From<ManagerError> for CallFailed {
    fn from(fault: ManagerError) -> Self {
        let remote = fault.plugin().and_then(Error::remote).cloned();
        Self::with_source(fault.kind(), remote, fault)
    }
}
