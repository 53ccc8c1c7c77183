//! Which files may be used, as a Landlock ruleset: a descriptor, which the child restricts itself with.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, Scope,
};

use super::error::SandboxError;
use super::rules::Sandbox;
use super::support::{LANDLOCK_SIGNALS, LANDLOCK_TCP};
use crate::process::sys;

/// Programs and libraries of the system, as far as they are there. None of them holds a secret: all users may read them.
const SYSTEM: [&str; 9] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"];

/// Of /etc what programs need to start, and to know whom to trust; never /etc itself, which has passwords.
const SETTINGS: [&str; 11] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/ld-musl-x86_64.path",
    "/etc/ld-musl-aarch64.path",
    "/etc/localtime",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/pki/ca-trust/extracted",
];

/// What names are resolved with.
const RESOLVER: [&str; 7] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
];

/// Devices that are read. Not /dev/zero: mapped, it is memory that no limit counts.
const DEVICES: [&str; 2] = ["/dev/random", "/dev/urandom"];
const SINK: &str = "/dev/null";

/// The newest version of Landlock that is made use of.
const NEWEST: u32 = 10;

/// The version of Landlock that the kernel has, as far as it is made use of.
pub(super) fn version() -> u32 {
    sys::landlock_version().min(NEWEST)
}

/// The files of the plugin itself.
pub(super) struct Own<'a> {
    /// Its program, where that is a path.
    pub(super) program: Option<&'a Path>,
    /// The directory that it was told to run in.
    pub(super) directory: Option<&'a Path>,
    /// Its temporary directory.
    pub(super) temporary: &'a Path,
}

/// The ruleset; nothing, where the kernel has no Landlock.
pub(super) fn ruleset(sandbox: &Sandbox, own: &Own<'_>) -> Result<Option<OwnedFd>, SandboxError> {
    let version = version();
    if version == 0 {
        return Ok(None);
    }
    let abi = ABI::from(version.cast_signed());
    let ruleset = handled(abi, version, sandbox.network).map_err(refused)?;
    let mut rules = Rules { abi, ruleset: Some(ruleset) };
    for path in SYSTEM
        .iter()
        .chain(&SETTINGS)
        .chain(&DEVICES)
        .chain(sandbox.network.then_some(&RESOLVER).into_iter().flatten())
    {
        rules.allow_if_there(Path::new(path), rules.reading())?;
    }
    for path in runtimes() {
        rules.allow_if_there(&path, rules.reading())?;
    }
    rules.allow_if_there(Path::new(SINK), AccessFs::ReadFile | AccessFs::WriteFile)?;
    for path in own.program.into_iter().chain(own.directory).chain(sandbox.read.iter().map(PathBuf::as_path))
    {
        rules.allow(path, rules.reading())?;
    }
    for path in sandbox.write.iter().map(PathBuf::as_path).chain([own.temporary]) {
        rules.allow(path, rules.writing())?;
    }
    Ok(rules.ruleset.take().and_then(Into::into))
}

/// Of a search path those directories in which it may read. Elsewhere there may be a program of the same name that it may not
/// start, and from which some would take where their files are.
pub(super) fn search_path(sandbox: &Sandbox, own: &Own<'_>, path: &OsStr) -> OsString {
    let readable: Vec<PathBuf> = SYSTEM
        .iter()
        .map(Path::new)
        .chain(own.directory)
        .chain(sandbox.read.iter().map(PathBuf::as_path))
        .filter_map(|path| fs::canonicalize(path).ok())
        .collect();
    let is_readable = |directory: &PathBuf| {
        fs::canonicalize(directory).is_ok_and(|found| readable.iter().any(|path| found.starts_with(path)))
    };
    let directories = std::env::split_paths(path).filter(is_readable);
    // None of them has the separator in it: it was split by that.
    std::env::join_paths(directories).unwrap_or_default()
}

/// Settings of Java, which Debian has in /etc/java-17-openjdk and the like.
fn runtimes() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/etc") else { return Vec::new() };
    let java = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("java-"))
    };
    entries.flatten().map(|entry| entry.path()).filter(java).collect()
}

fn handled(abi: ABI, version: u32, network: bool) -> Result<RulesetCreated, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if !network && version >= LANDLOCK_TCP {
        ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
    }
    if version >= LANDLOCK_SIGNALS {
        ruleset = ruleset.scope(Scope::from_all(abi))?;
    }
    ruleset.create()
}

fn refused(fault: landlock::RulesetError) -> SandboxError {
    SandboxError::failed("Landlock refuses the rules")(io::Error::other(fault))
}

struct Rules {
    abi: ABI,
    /// There until it is taken.
    ruleset: Option<RulesetCreated>,
}

impl Rules {
    fn reading(&self) -> BitFlags<AccessFs> {
        AccessFs::from_read(self.abi)
    }

    /// Whoever may write there, may not execute what was written; and make no devices, and command none.
    fn writing(&self) -> BitFlags<AccessFs> {
        AccessFs::from_all(self.abi)
            & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev)
    }

    fn allow(&mut self, path: &Path, access: BitFlags<AccessFs>) -> Result<(), SandboxError> {
        let fault = |source| SandboxError::Path { path: path.to_owned(), source: Arc::new(source) };
        // What the descriptor is of is what the rule is about, whatever the path is by now.
        let file = PathFd::new(path).map_err(|fault| match fault {
            landlock::PathFdError::OpenCall { source, .. } => source,
            other => io::Error::other(other),
        });
        let file = file.map_err(fault)?;
        let status = rustix::fs::fstat(&file).map_err(|errno| fault(errno.into()))?;
        let is_directory = rustix::fs::FileType::from_raw_mode(status.st_mode).is_dir();
        let access = if is_directory { access } else { access & AccessFs::from_file(self.abi) };
        let ruleset = self.ruleset.take().expect("it is taken at the end alone");
        self.ruleset = Some(ruleset.add_rule(PathBeneath::new(file, access)).map_err(refused)?);
        Ok(())
    }

    fn allow_if_there(
        &mut self,
        path: &Path,
        access: impl Into<BitFlags<AccessFs>>,
    ) -> Result<(), SandboxError> {
        match self.allow(path, access.into()) {
            // What this user cannot reach, the plugin does not need.
            Err(SandboxError::Path { source, .. })
                if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) =>
            {
                Ok(())
            }
            done => done,
        }
    }
}
