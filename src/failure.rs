//! Why a command did not do what it was asked, and the exit code that follows.

use std::process::ExitCode;

use plugline_host::manager::ManagerError;
use plugline_host::store::StoreError;
use plugline_host::{Error, Faults, Kind, Subject};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line, or a file it names, is not usable.
    Usage(String),
    /// A driver that resolves to nothing; what was tried.
    NotFound { driver: String, tried: Vec<String> },
    /// The plugin, or the call to it.
    Plugin(Box<Error>),
    /// The plugin gave no manifest.
    NoManifest(Box<Error>),
    /// Implementations of one contract disagree, or one that must be there is missing.
    Demo(String),
    /// What was looked for was found: faults, changes that a version does not tell of. They were printed.
    Verdict(String),
    /// A document breaks the rules.
    Document { name: String, faults: Faults },
    /// The store, or what was to be put into it.
    Store(Box<StoreError>),
    /// What a driver means cannot be had.
    Manager(Box<ManagerError>),
    /// What this machine would not do: write a file, print.
    System(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Store(fault)
                if matches!(
                    **fault,
                    StoreError::Source { .. } | StoreError::NoArchive { .. } | StoreError::StoreWithin { .. }
                ) =>
            {
                2
            }
            Self::Plugin(fault) if fault.kind() == Kind::RemoteError => 1,
            Self::Demo(_) | Self::Verdict(_) | Self::Document { .. } => 1,
            Self::Plugin(_)
            | Self::NoManifest(_)
            | Self::NotFound { .. }
            | Self::Store(_)
            | Self::Manager(_)
            | Self::System(_) => 3,
        })
    }

    /// The kind in reports.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) => Kind::InvalidRequest.as_str(),
            Self::NotFound { .. } => Kind::NotFound.as_str(),
            Self::Plugin(fault) | Self::NoManifest(fault) => fault.kind().as_str(),
            Self::Demo(_) => "disagreement",
            Self::Verdict(_) => "verdict",
            Self::Document { .. } => "invalid_document",
            Self::Store(fault) => store_kind(fault),
            Self::Manager(fault) => fault.kind().as_str(),
            Self::System(_) => "system",
        }
    }

    /// What happened, in one line.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Usage(message) | Self::Demo(message) | Self::Verdict(message) | Self::System(message) => {
                message.clone()
            }
            Self::Document { name, faults } => {
                let first = faults.as_slice().first().map(ToString::to_string).unwrap_or_default();
                format!("{name} breaks the rules: {first}")
            }
            Self::NotFound { driver, .. } => format!("there is no plugin {driver:?}"),
            Self::Plugin(fault) | Self::NoManifest(fault) => fault.to_string(),
            Self::Store(fault) => fault.to_string(),
            Self::Manager(fault) => fault.to_string(),
        }
    }

    /// What to try; `command` is the one that was given, as `contract gen`.
    pub(crate) fn hint(&self, command: &str) -> Option<String> {
        match self {
            Self::Usage(_) => Some(format!("`plugline help {command}`")),
            Self::Document { .. } => Some("`plugline contract check` shows all that is wrong with it".into()),
            Self::NotFound { .. } => Some(
                "a plugin is named by its path, such as ./users, by its name, by a URL, or with --command; `plugline list` shows what is installed".into(),
            ),
            Self::Manager(_) | Self::Demo(_) | Self::Verdict(_) | Self::System(_) => None,
            Self::Store(fault) => store_hint(fault),
            Self::NoManifest(fault) if fault.kind() == Kind::RemoteError => {
                Some("is it a plugin? It must answer rpc.discover with its manifest".into())
            }
            Self::Plugin(fault) | Self::NoManifest(fault) => plugin_hint(fault),
        }
    }
}

fn plugin_hint(fault: &Error) -> Option<String> {
    if let Error::Invalid { subject: Subject::Params | Subject::Input, .. } = fault {
        return Some(
            "`plugline describe PLUGIN` shows its params; `key=value` is text, `key:=7` is JSON; --no-validate sends them as they are".into(),
        );
    }
    if let Error::Invalid { subject: Subject::Result | Subject::Output, .. } = fault {
        return Some("the plugin does not do what its manifest says; --no-validate shows what came".into());
    }
    let hint = match fault.kind() {
        Kind::SpawnFailed => match fault {
            Error::Spawn { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                "make it executable: chmod +x"
            }
            Error::Spawn { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                "check the path, and the interpreter in its first line (#!)"
            }
            _ => "start it by hand: it must be a program that this machine can run",
        },
        Kind::HandshakeTimeout => {
            "is it a plugin? It must answer rpc.initialize on stdout and flush; --start-timeout gives it longer, --trace FILE shows what passed"
        }
        Kind::HandshakeInvalid | Kind::ProtocolViolation => {
            "is it a plugin? --trace FILE shows every line that passed"
        }
        Kind::StreamViolation => {
            "the plugin broke the rules of a stream; --trace FILE shows every line that passed"
        }
        Kind::VersionMismatch if matches!(fault, Error::Contract { .. }) => {
            "`plugline describe PLUGIN` shows what it provides"
        }
        Kind::VersionMismatch => "the plugin and this host speak no protocol version in common",
        Kind::InvalidConfig => {
            "give it a config: --config '{…}' or --config @file; `plugline describe` shows its schema"
        }
        // The one call of `describe`, which is part of the start.
        Kind::Timeout if matches!(fault, Error::Call { method, .. } if method == "rpc.discover") => {
            "is it a plugin? It must answer rpc.discover on stdout and flush; --start-timeout gives it longer, --trace FILE shows what passed"
        }
        Kind::Timeout => "--timeout gives the call longer; `none` waits for ever",
        Kind::PluginExited if fault.evidence().is_none_or(|evidence| evidence.stderr_tail.is_empty()) => {
            "it said nothing on standard error; run it by hand to see why it ends"
        }
        Kind::PluginExited => "its last words on standard error stand above",
        Kind::TooLarge => {
            "the limit is the receiver's own: maxLineBytes, for an item of a stream also streamWindowBytes"
        }
        _ => return remote_hint(fault),
    };
    Some(hint.to_owned())
}

fn store_kind(fault: &StoreError) -> &'static str {
    match fault {
        StoreError::NotInstalled { .. } | StoreError::NoPrevious { .. } => Kind::NotFound.as_str(),
        StoreError::Source { .. } | StoreError::NoArchive { .. } | StoreError::StoreWithin { .. } => {
            Kind::InvalidRequest.as_str()
        }
        StoreError::Fetch { .. } => "fetch_failed",
        StoreError::Changed { .. }
        | StoreError::Gone { .. }
        | StoreError::BrokenRecord { .. }
        | StoreError::OtherFormat { .. } => "broken_store",
        StoreError::Io { .. }
        | StoreError::Nowhere
        | StoreError::Locked { .. }
        | StoreError::InUse { .. } => "system",
        _ => "refused_package",
    }
}

fn store_hint(fault: &StoreError) -> Option<String> {
    let hint = match fault {
        StoreError::StoreWithin { .. } => "--store, or PLUGLINE_STORE, names another",
        StoreError::NotInstalled { .. } => "`plugline list` shows what is installed",
        StoreError::Changed { .. } | StoreError::BrokenRecord { .. } => {
            "`plugline doctor` shows all that is wrong"
        }
        StoreError::Checksum { .. } | StoreError::Signature { .. } => {
            "ask its author for the right one; nothing of it was unpacked"
        }
        StoreError::Package(_) | StoreError::NotAsSaid { .. } => {
            "docs/packages.md says how a package is made"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn remote_hint(fault: &Error) -> Option<String> {
    match fault.remote()?.code.code() {
        -32601 => Some("`plugline describe PLUGIN` lists its methods; it may also have called back a method of its host, and this command line serves none".into()),
        -32602 => {
            Some("`plugline describe PLUGIN` shows its params; `key=value` is text, `key:=7` is JSON".into())
        }
        _ => None,
    }
}

impl From<StoreError> for Failure {
    fn from(fault: StoreError) -> Self {
        Self::Store(Box::new(fault))
    }
}

impl From<Error> for Failure {
    fn from(fault: Error) -> Self {
        Self::Plugin(Box::new(fault))
    }
}

impl From<ManagerError> for Failure {
    fn from(fault: ManagerError) -> Self {
        match fault {
            ManagerError::NotFound { driver, tried } => {
                let tried = tried.iter().map(|it| plugline_host::escape(it.to_string().as_bytes()));
                Self::NotFound { driver, tried: tried.collect() }
            }
            ManagerError::Plugin(fault) => Self::Plugin(fault),
            ManagerError::Store(fault) => Self::Store(fault),
            ManagerError::Settings(fault) => Self::Usage(fault.to_string()),
            other => Self::Manager(Box::new(other)),
        }
    }
}
