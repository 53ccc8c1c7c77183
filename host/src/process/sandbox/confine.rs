//! All that confines a child, made before it is forked.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use libc::sock_filter;

use super::bounds::{Bound, bounds};
use super::enforcement::Enforcement;
use super::error::SandboxError;
use super::files::{self, Own};
use super::private::PrivateDirectory;
use super::rules::{Sandbox, User};
use super::step::Step;
use super::support::Support;
use super::syscalls;

/// What is there as long as a confined process is.
#[derive(Debug)]
pub(in crate::process) struct Held {
    directory: PrivateDirectory,
    enforcement: Enforcement,
    /// The host's `PATH`, as far as it is of use.
    path: Option<OsString>,
}

/// What the child does to itself, in this order; see `sys/`.
#[derive(Debug)]
pub(in crate::process) struct Confinement {
    /// Becomes that user, of that group.
    pub(in crate::process) user: Option<(u32, u32)>,
    /// Has a user namespace of its own, in which its user is who it is.
    pub(in crate::process) namespace: Option<Maps>,
    pub(in crate::process) bounds: Vec<Bound>,
    pub(in crate::process) ruleset: Option<OwnedFd>,
    pub(in crate::process) filter: Option<Vec<sock_filter>>,
}

/// What is written to `/proc/self/uid_map` and `gid_map`.
#[derive(Debug, Clone)]
pub(in crate::process) struct Maps {
    pub(in crate::process) uid: String,
    pub(in crate::process) gid: String,
}

/// This user and group as they are.
pub(super) fn maps() -> Maps {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Maps { uid: format!("{uid} {uid} 1"), gid: format!("{gid} {gid} 1") }
}

/// Which variables of the host's environment such a plugin has, beside those of [`Held`].
pub(in crate::process) fn inherits(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| matches!(name, "LANG" | "TZ") || name.starts_with("LC_"))
}

/// Makes all that confines a child which runs that program, in that directory if it was told one.
pub(in crate::process) fn confine(
    sandbox: &Sandbox,
    program: &Path,
    directory: Option<&Path>,
) -> Result<(Confinement, Held), SandboxError> {
    let support = Support::here();
    if sandbox.user.is_some() && !support.root {
        return Err(SandboxError::NotRoot);
    }
    let enforcement = sandbox.enforcement(&support);
    if !enforcement.is_allowed() {
        return Err(SandboxError::Unenforced(enforcement.unenforced().cloned().collect()));
    }
    let temporary = PrivateDirectory::new(sandbox.user)
        .map_err(SandboxError::failed("its temporary directory cannot be made"))?;
    // A word is looked up in PATH by the child: of those so called it runs the first that it may.
    let program = Some(program).filter(|program| program.components().count() > 1);
    let own = Own { program, directory, temporary: temporary.path() };
    let path = std::env::var_os("PATH").map(|path| files::search_path(sandbox, &own, &path));
    // Where that fails, the directory goes with it.
    let confinement = steps(sandbox, &support, &own)?;
    Ok((confinement, Held { directory: temporary, enforcement, path }))
}

fn steps(sandbox: &Sandbox, support: &Support, own: &Own<'_>) -> Result<Confinement, SandboxError> {
    let ruleset = files::ruleset(sandbox, own)?;
    let filter = if support.system_calls { syscalls::filter(sandbox.network) } else { None };
    // Processes of another user are counted for that user; root's are not counted at all; and those of this user together
    // with the host's own, which are no affair of the plugin's.
    let counted = match (sandbox.user, support) {
        (Some(_), _) => Counted::ForItsUser,
        (None, Support { root: false, user_namespaces: true, .. }) => Counted::Apart,
        (None, _) => Counted::NotAtAll,
    };
    Ok(Confinement {
        user: sandbox.user.map(|User { uid, gid }| (uid, gid)),
        namespace: (sandbox.processes.is_some() && counted == Counted::Apart).then(maps),
        bounds: bounds(sandbox, counted != Counted::NotAtAll),
        ruleset,
        filter,
    })
}

/// Among which the processes of a plugin are counted.
#[derive(PartialEq, Eq)]
enum Counted {
    ForItsUser,
    Apart,
    NotAtAll,
}

/// What went wrong in the child, where that was in a step of its confinement.
pub(in crate::process) fn failure(fault: &io::Error) -> Option<SandboxError> {
    let (step, source) = Step::failed(fault)?;
    Some(SandboxError::Failed { step: step.as_str(), source: Arc::new(source) })
}

impl Held {
    pub(in crate::process) fn enforcement(&self) -> &Enforcement {
        &self.enforcement
    }

    /// What takes the place of the host's own in the environment.
    pub(in crate::process) fn environment(&self) -> Vec<(OsString, OsString)> {
        let homes = ["HOME", "TMPDIR"].map(|name| (name.into(), self.directory.path().into()));
        homes.into_iter().chain(self.path.clone().map(|path| ("PATH".into(), path))).collect()
    }

    /// The process and its group are gone. Says whether what they left is removed by then; if not, that goes on beside.
    pub(in crate::process) fn settle(self, until: Instant) -> io::Result<bool> {
        self.directory.remove(until)
    }
}
