//! A sandbox from its start to its end: what is removed, whatever the end; and who has one.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use plugline_host::{
    CallOptions, Error, EventKind, Kind, Launch, Plugin, Sandbox, SandboxError, Supervision, Unenforced,
};
use serde_json::{Value, json};

use super::{Ground, done, tried, usual};
use crate::support::{HURRIED, event, eventually};

fn private(plugin: &Plugin) -> PathBuf {
    done(plugin, "opened", json!({})).as_str().unwrap().into()
}

#[test]
fn its_directory_is_gone_whatever_its_end() {
    let ground = Ground::new();
    for depth in [0, 3_000] {
        let Some(plugin) = ground.confined(usual()) else { return };
        let directory = private(&plugin);
        assert!(directory.is_dir());
        done(&plugin, "nest", json!({"depth": depth}));
        plugin.stop();
        // What takes longer goes on beside.
        eventually("it is removed", || !directory.exists());
    }
    let Some(plugin) = ground.confined(usual()) else { return };
    let directory = private(&plugin);
    let id = rustix::process::Pid::from_raw(plugin.id().cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    event(&plugin, "it ends", |kind| matches!(kind, EventKind::Exited { .. }).then_some(()));
    assert!(!directory.exists(), "killed");
}

#[test]
fn a_start_that_fails_leaves_no_directory() {
    if !usual().enforcement(&Sandbox::support()).is_allowed() {
        return;
    }
    // Where nobody else makes any.
    let place = tempfile::tempdir().unwrap();
    super::open_to_all(place.path());
    crate::support::alone(
        "sandbox::life::a_start_that_fails_leaves_no_directory",
        |mut command| {
            command.env("TMPDIR", place.path());
            command
        },
        || {
            let count = || std::fs::read_dir(std::env::temp_dir()).unwrap().count();
            let fails = |launch: Launch| launch.sandbox(usual()).timeouts(HURRIED).start().unwrap_err();
            let before = count();
            assert_eq!(fails(Plugin::command("/no/such/program")).kind(), Kind::SpawnFailed);
            assert_eq!(fails(Plugin::command("/bin/sh").dir("/no/such/directory")).kind(), Kind::SpawnFailed);
            assert_eq!(fails(Plugin::command("/bin/false")).kind(), Kind::PluginExited);
            eventually("all is removed", || count() == before);
        },
    );
}

/// Whoever it left behind is killed with it: it cannot have left the group.
#[test]
fn nobody_is_left_behind() {
    let ground = Ground::new();
    let Some(plugin) = ground.confined(usual()) else { return };
    let directory = private(&plugin);
    done(&plugin, "leave_behind", json!({}));
    plugin.stop();
    eventually("it is removed", || !directory.exists());
}

#[test]
fn each_instance_has_a_directory_of_its_own() {
    let ground = Ground::new();
    if ground.confined(usual()).is_none() {
        return;
    }
    let manifest: Arc<plugline_host::Document> = serde_json::from_value(json!({
        "openrpc": "1.3.2", "info": {"title": "escape", "version": "1.0.0"}, "methods": [],
        "x-plugline": {"instances": "many"}
    }))
    .map(Arc::new)
    .unwrap();
    let launch = || ground.launch().sandbox(usual()).manifest(Arc::clone(&manifest));
    let settings = Supervision { instances: NonZeroUsize::new(2).unwrap(), ..Supervision::default() };
    let supervised = launch().supervise(settings);
    let directory = |outcome: Value| -> PathBuf { outcome["did"].as_str().unwrap().into() };
    let ask = || directory(supervised.call::<Value>("t.opened", &json!({})).unwrap());
    let mut seen: Vec<PathBuf> = Vec::new();
    eventually("both are asked", || {
        let first = ask();
        // While that one is busy, the other is asked, if it is there already.
        let params = json!({"seconds": 0.05});
        let busy = supervised.begin("t.burn", &params, CallOptions::default()).unwrap();
        let both = [first, ask()];
        busy.wait::<Value>().unwrap();
        for directory in both {
            if !seen.contains(&directory) {
                seen.push(directory);
            }
        }
        seen.len() == 2
    });
    assert!(seen.iter().all(|directory| directory.is_dir()));
    supervised.swap(launch()).map(drop).unwrap_or_else(|fault| panic!("{fault:?}"));
    let after = ask();
    assert!(!seen.contains(&after) && after.is_dir());
    assert!(seen.iter().all(|directory| !directory.exists()));
    supervised.stop();
    assert!(!after.exists());
}

#[test]
fn who_was_started_by_somebody_else_is_not_confined() {
    let fault = Launch::attach("/no/in", "/no/out").sandbox(Sandbox::new()).start().unwrap_err();
    assert!(matches!(fault, Error::Sandbox { source: SandboxError::Attached, .. }), "{fault:?}");
    assert_eq!(fault.kind(), Kind::Unsupported);
    assert!(fault.to_string().contains("let the host start it"), "{fault}");
}

/// What cannot be had is an error, or an event for each.
#[test]
fn what_is_not_enforced_is_never_left_unsaid() {
    let ground = Ground::new();
    // Of root no process is counted, on no kernel; others may have a kernel that does it all.
    let sandbox = Sandbox::new();
    let missing: Vec<&str> =
        sandbox.enforcement(&Sandbox::support()).unenforced().map(|measure| measure.name).collect();
    assert!(!super::is_root() || missing.contains(&"processes"));
    ground.confined(sandbox.clone());
    let plugin = ground.all_the_same(sandbox.unenforced(Unenforced::Warn));
    for name in missing {
        event(&plugin, name, |kind| match kind {
            EventKind::Unenforced { measure, why } => (measure == name && !why.is_empty()).then_some(()),
            _ => None,
        });
    }
    tried(&plugin, "who", &json!({}));
}

#[test]
fn a_manifest_is_asked_for_within_it() {
    let ground = Ground::new();
    if !usual().enforcement(&Sandbox::support()).is_allowed() {
        return;
    }
    let fault = ground.launch().sandbox(usual()).discover().unwrap_err();
    // This one has none; it was asked, and not refused by the system.
    assert_eq!(fault.remote().map(|error| error.code.code()), Some(-32601), "{fault:?}");
    let fault = ground.launch().sandbox(Sandbox::new().read("/no/such")).discover().unwrap_err();
    assert!(matches!(fault, Error::Sandbox { .. }), "{fault:?}");
}

impl Ground {
    fn all_the_same(&self, mut sandbox: Sandbox) -> Plugin {
        if let (_, Some(prefix)) = super::interpreter() {
            sandbox = sandbox.read(prefix);
        }
        self.launch().sandbox(sandbox).start().unwrap_or_else(|fault| panic!("{fault:?}"))
    }
}
