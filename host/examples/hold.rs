//! Starts a plugin, prints its process id, and holds it until the end: to see what becomes of a plugin whose
//! host is killed.
//!
//! `hold [--guarded] [--sandbox] PROGRAM [ARG…]`

use std::ffi::OsString;
use std::process::ExitCode;

use plugline_host::{EventKind, Plugin, Sandbox, Unenforced};

fn main() -> Result<ExitCode, plugline_host::Error> {
    hold(std::env::args_os().skip(1))
}

/// Returns when the plugin has ended, which is not meant to happen.
pub(crate) fn hold(words: impl Iterator<Item = OsString>) -> Result<ExitCode, plugline_host::Error> {
    let mut words = words.peekable();
    let guarded = words.next_if(|word| word == "--guarded").is_some();
    let confined = words.next_if(|word| word == "--sandbox").is_some();
    let Some(program) = words.next() else {
        eprintln!("usage: hold [--guarded] [--sandbox] PROGRAM [ARG…]");
        return Ok(ExitCode::from(2));
    };
    let launch = Plugin::command(program).args(words);
    // One that keeps it from nothing that it does: what is seen is its end.
    let sandbox = || Sandbox::new().processes(None).read("/").write(std::env::temp_dir());
    let launch = if confined { launch.sandbox(sandbox().unenforced(Unenforced::Warn)) } else { launch };
    let plugin = if guarded { launch.guarded() } else { launch }.start()?;
    println!("{}", plugin.id());
    let ended = plugin.events().iter().find(|event| matches!(event.kind, EventKind::Exited { .. }));
    eprintln!("{ended:?}");
    Ok(ExitCode::from(3))
}
