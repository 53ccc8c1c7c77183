//! Why a command did not do what it was asked, and the exit code that follows.

use std::process::ExitCode;

use plugline_host::{Error, Kind};

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
    /// What this machine would not do: write a file, print.
    System(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Plugin(fault) if fault.kind() == Kind::RemoteError => 1,
            Self::Demo(_) => 1,
            Self::Plugin(_) | Self::NoManifest(_) | Self::NotFound { .. } | Self::System(_) => 3,
        })
    }

    /// The kind in reports.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) => Kind::InvalidRequest.as_str(),
            Self::NotFound { .. } => Kind::NotFound.as_str(),
            Self::Plugin(fault) | Self::NoManifest(fault) => fault.kind().as_str(),
            Self::Demo(_) => "disagreement",
            Self::System(_) => "system",
        }
    }

    /// What happened, in one line.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Usage(message) | Self::Demo(message) | Self::System(message) => message.clone(),
            Self::NotFound { driver, .. } => format!("there is no plugin {driver:?}"),
            Self::Plugin(fault) | Self::NoManifest(fault) => fault.to_string(),
        }
    }

    /// What to try.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(_) => Some("`plugline help call`, or another command in place of `call`".into()),
            Self::NotFound { .. } | Self::Demo(_) | Self::System(_) => None,
            Self::NoManifest(fault) if fault.kind() == Kind::RemoteError => {
                Some("is it a plugin? It must answer rpc.discover with its manifest".into())
            }
            Self::Plugin(fault) | Self::NoManifest(fault) => plugin_hint(fault),
        }
    }
}

fn plugin_hint(fault: &Error) -> Option<String> {
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

fn remote_hint(fault: &Error) -> Option<String> {
    match fault.remote()?.code.code() {
        -32601 => Some("`plugline describe PLUGIN` lists its methods; it may also have called back a method of its host, and this command line serves none".into()),
        -32602 => {
            Some("`plugline describe PLUGIN` shows its params; `key=value` is text, `key:=7` is JSON".into())
        }
        _ => None,
    }
}

impl From<Error> for Failure {
    fn from(fault: Error) -> Self {
        Self::Plugin(Box::new(fault))
    }
}
