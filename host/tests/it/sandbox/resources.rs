//! Memory, time, processes, descriptors, files.

use std::time::Duration;

use plugline_host::{CallOptions, Error, EventKind, Exit, Kind, Plugin};
use serde_json::{Value, json};

use super::{Ground, done, is_root, refusal, sandboxes, usual};
use crate::support::event;

#[test]
fn no_fork_bomb() {
    const MOST: u64 = 20;
    let ground = Ground::new();
    let free = ground.free();
    assert_eq!(done(free, "fork", json!({"count": 2 * MOST})), json!([2 * MOST, null]));
    assert_eq!(done(free, "threads", json!({"count": 2 * MOST})), json!([2 * MOST, null]));
    let Some(plugin) = ground.confined(usual().processes(MOST)) else { return };
    for attempt in ["fork", "threads"] {
        let outcome = done(&plugin, attempt, json!({"count": 2 * MOST}));
        assert_eq!(outcome[1], "EAGAIN", "{attempt}: {outcome}");
        let count = outcome[0].as_u64().unwrap();
        assert!(count < MOST, "{attempt}: {outcome}");
        // Those of other plugins do not count; as root, those of the same user do.
        assert!(is_root() || count == MOST - 1, "{attempt}: {outcome}");
        plugin.ping().unwrap();
    }
}

#[test]
fn memory_has_an_end() {
    const MOST: u64 = 256 << 20;
    let ground = Ground::new();
    let more = json!({"bytes": MOST + (1 << 20)});
    let free = ground.free();
    // The kernel's tables for so much would take more than the memory.
    let addresses = json!({"bytes": 512 * MOST});
    done(free, "allocate", more.clone());
    done(free, "map_for_reading", addresses.clone());
    done(free, "share_memory", json!({"bytes": 4096}));
    done(free, "allocate_as_a_stack", json!({"bytes": 4096}));
    for sandbox in sandboxes() {
        let Some(plugin) = ground.confined(sandbox.memory(MOST)) else { continue };
        assert_eq!(refusal(&plugin, "allocate", more.clone()), "ENOMEM");
        done(&plugin, "allocate", json!({"bytes": MOST / 2}));
        assert_eq!(refusal(&plugin, "map_for_reading", addresses.clone()), "ENOMEM");
        done(&plugin, "map_for_reading", json!({"bytes": 256 * MOST}));
        // Which would not be counted.
        for attempt in ["share_memory", "allocate_as_a_stack"] {
            assert_eq!(refusal(&plugin, attempt, json!({"bytes": 4096})), "EPERM", "{attempt}");
        }
        plugin.ping().unwrap();
    }
}

#[test]
fn a_file_has_an_end() {
    const MOST: u64 = 1 << 20;
    let ground = Ground::new();
    let free = ground.free();
    let more = 2 * MOST;
    assert_eq!(done(free, "fill", json!({"in": ground.text("outside"), "bytes": more})), more);
    for sandbox in sandboxes() {
        let Some(plugin) = ground.confined(sandbox.file_size(MOST)) else { continue };
        let private = done(&plugin, "opened", json!({}));
        assert_eq!(refusal(&plugin, "fill", json!({"in": private, "bytes": more})), "EFBIG");
        assert_eq!(done(&plugin, "fill", json!({"in": private, "bytes": MOST})), MOST);
        plugin.ping().unwrap();
    }
}

#[test]
fn descriptors_have_an_end() {
    const MOST: u64 = 32;
    let ground = Ground::new();
    let free = ground.free();
    assert_eq!(done(free, "open_many", json!({"count": 2 * MOST})), json!([2 * MOST, null]));
    for sandbox in sandboxes() {
        let Some(plugin) = ground.confined(sandbox.descriptors(MOST)) else { continue };
        assert_eq!(done(&plugin, "open_many", json!({"count": 2 * MOST})), json!([MOST - 3, "EMFILE"]));
        plugin.ping().unwrap();
    }
}

/// Seconds of a processor may take long on a busy machine.
fn burn(plugin: &Plugin, seconds: f64) -> Result<Value, Error> {
    let options = CallOptions::timeout(Duration::from_secs(300));
    plugin.begin("t.burn", &json!({"seconds": seconds}), options)?.wait()
}

#[test]
fn computing_has_an_end_where_that_was_wanted() {
    let ground = Ground::new();
    let free = ground.free();
    burn(free, 1.2).unwrap();
    for sandbox in sandboxes() {
        let Some(plugin) = ground.confined(sandbox.cpu(Duration::from_secs(1))) else { continue };
        let fault = burn(&plugin, 1000.0).unwrap_err();
        assert_eq!(fault.kind(), Kind::PluginExited, "{fault:?}");
        assert!(fault.to_string().contains("was killed by SIGXCPU"), "{fault}");
        let exit = event(&plugin, "it ends", |kind| match kind {
            EventKind::Exited { exit, .. } => Some(exit),
            _ => None,
        });
        assert_eq!(exit, Exit { code: None, signal: Some(libc::SIGXCPU) });
    }
}

#[test]
fn limits_are_not_raised() {
    let ground = Ground::new();
    for sandbox in sandboxes() {
        let sandbox = sandbox.cpu(Duration::from_secs(60));
        let Some(plugin) = ground.confined(sandbox) else { continue };
        let limits = done(&plugin, "limits", json!({}));
        for none in ["CORE", "MSGQUEUE", "RTPRIO", "NICE"] {
            assert_eq!(limits[none], json!([0, 0]), "{none}");
        }
        assert_eq!(limits["DATA"], json!([1 << 30, 1 << 30]));
        assert_eq!(limits["AS"], json!([1_u64 << 39, 1_u64 << 39]));
        assert_eq!(limits["CPU"], json!([60, 61]));
        for kind in [
            "RLIMIT_DATA",
            "RLIMIT_AS",
            "RLIMIT_NOFILE",
            "RLIMIT_FSIZE",
            "RLIMIT_CPU",
            "RLIMIT_CORE",
            "RLIMIT_STACK",
        ] {
            assert_eq!(refusal(&plugin, "raise_limit", json!({"kind": kind})), "EPERM", "{kind}");
        }
        plugin.ping().unwrap();
    }
}
