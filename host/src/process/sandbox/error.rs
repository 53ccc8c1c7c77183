//! Why a plugin was not put into a sandbox, and so not started.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use plugline_protocol::wire::escape;

use super::enforcement::Measure;

/// Why a plugin was not put into its sandbox. It was not started then.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SandboxError {
    /// This is not Linux.
    OtherSystem,
    /// The plugin was started by somebody else, and cannot be confined any more.
    Attached,
    /// What this system cannot enforce; each says why, and what to do.
    Unenforced(Vec<Measure>),
    /// A path that it was to read or write.
    Path {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Only root can run a plugin as another user.
    NotRoot,
    /// What was to be done before the plugin could run.
    Failed {
        /// What it was.
        step: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

impl SandboxError {
    #[cfg(target_os = "linux")]
    pub(super) fn failed(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Failed { step, source: Arc::new(source) }
    }
}

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherSystem => {
                write!(f, "there is a sandbox on Linux only, and this is {}", std::env::consts::OS)
            }
            Self::Attached => f.write_str(
                "a plugin that somebody else starts cannot be put into a sandbox: let the host start it, or attach to it \
                 without one",
            ),
            Self::Unenforced(measures) => {
                f.write_str("the sandbox cannot be enforced here: ")?;
                for (at, measure) in measures.iter().enumerate() {
                    write!(f, "{}{measure}", if at == 0 { "" } else { "; " })?;
                }
                f.write_str("; or start it with what is left of the sandbox (`unenforced = \"warn\"`)")
            }
            Self::Path { path, source } => {
                let path = escape(path.as_os_str().as_encoded_bytes());
                write!(f, "the sandbox is to let it use {path}: {source}")
            }
            Self::NotRoot => f.write_str("only root can start a plugin as another user: leave `user` out"),
            Self::Failed { step, source } => write!(f, "the sandbox: {step}: {source}"),
        }
    }
}

impl std::error::Error for SandboxError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Path { source, .. } | Self::Failed { source, .. } => Some(&**source),
            Self::OtherSystem | Self::Attached | Self::NotRoot | Self::Unenforced(_) => None,
        }
    }
}
