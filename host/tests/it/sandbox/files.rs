//! Files: reading, writing, and by detours.

use std::fs;

use plugline_host::Sandbox;
use serde_json::json;

use super::{Ground, done, is_root, refusal, usual};

#[test]
fn files_outside_are_not_read() {
    let ground = Ground::new();
    let secret = ground.text("outside/secret");
    ground.refused("read", json!({"path": secret}), &["EACCES"]);
    ground.refused("through_a_link", json!({"path": secret}), &["EACCES"]);
    ground.refused("read", json!({"path": "../outside/secret"}), &["EACCES"]);
    // Another name for it, in the directory that it may read.
    ground.refused("link", json!({"path": secret}), &["EXDEV", "EACCES", "EPERM"]);
    for path in ["/etc/passwd", "/etc/group", "/proc/1/cmdline", "/proc/self/status", "/proc/mounts"] {
        ground.refused("read", json!({"path": path}), &["EACCES"]);
    }
    for path in ["/", "/etc", "/proc", "/dev", "/tmp"] {
        ground.refused("list", json!({"path": path}), &["EACCES"]);
    }
    if is_root() {
        ground.refused("read", json!({"path": "/etc/shadow"}), &["EACCES"]);
    }
}

#[test]
fn nothing_is_written_outside() {
    let ground = Ground::new();
    let secret = ground.text("outside/secret");
    ground.file("package/data", "its own");
    let fresh = |ground: &Ground| {
        ground.file("outside/secret", "hunter2");
        let _absent = fs::remove_file(ground.at("outside/new"));
        let _absent = fs::remove_file(ground.at("package/new"));
    };
    let refused = |attempt, params, errors: &[&str]| ground.refused_after(attempt, params, errors, fresh);
    refused("write", json!({"path": ground.text("outside/new")}), &["EACCES"]);
    refused("write", json!({"path": secret}), &["EACCES"]);
    // Its own package is not its own to change.
    refused("write", json!({"path": "new"}), &["EACCES"]);
    refused("write", json!({"path": "data"}), &["EACCES"]);
    refused("through_a_link", json!({"path": secret, "write": true}), &["EACCES"]);
    refused("truncate", json!({"path": secret}), &["EACCES"]);
    refused("remove", json!({"path": secret}), &["EACCES"]);
    refused("rename", json!({"path": secret, "to": ground.text("outside/new")}), &["EACCES", "EXDEV"]);
    refused("execute_what_it_wrote", json!({"in": ground.text("outside")}), &["EACCES"]);
    assert_eq!(fs::read_to_string(ground.at("outside/secret")).unwrap(), "hunter2");
}

#[test]
fn modes_times_and_attributes_of_files_stay() {
    let ground = Ground::new();
    let secret = ground.text("outside/secret");
    ground.refused("chmod", json!({"path": secret}), &["EPERM"]);
    ground.refused("utime", json!({"path": secret}), &["EPERM"]);
    // What some file systems do not have, and not each root may make.
    let outside = ground.text("outside");
    for (attempt, params, errors) in [
        ("setxattr", json!({"path": secret}), &["EPERM"][..]),
        ("set_flags", json!({"path": ground.text("package/escape.py")}), &["ENOTTY"]),
        ("device", json!({"in": outside}), &["EACCES", "EPERM"]),
    ] {
        let free = ground.free();
        let can = super::tried(free, attempt, &params).get("did").is_some();
        if can {
            ground.refused(attempt, params, errors);
        }
    }
}

#[test]
fn its_own_directory_is_for_all_but_programs() {
    let ground = Ground::new();
    for plugin in ground.each_confined() {
        assert_eq!(done(plugin, "use_private", json!({})), "kept");
        let private = done(plugin, "opened", json!({}));
        assert_eq!(refusal(plugin, "execute_what_it_wrote", json!({"in": private})), "EACCES");
        // As root, too: devices would lead out.
        let device = refusal(plugin, "device", json!({"in": private}));
        assert!(["EACCES", "EPERM"].contains(&device.as_str()), "{device}");
        let others = std::fs::metadata(private.as_str().unwrap()).unwrap();
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(others.permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn what_is_granted_can_be_used() {
    let ground = Ground::new();
    ground.folder("outside/state");
    let granted = usual().read(ground.at("outside/secret")).write(ground.at("outside/state"));
    let Some(plugin) = ground.confined(granted) else { return };
    assert_eq!(done(&plugin, "read", json!({"path": ground.text("outside/secret")})), "hunter2");
    assert_eq!(refusal(&plugin, "write", json!({"path": ground.text("outside/secret")})), "EACCES");
    done(&plugin, "write", json!({"path": ground.text("outside/state/new")}));
    assert_eq!(fs::read_to_string(ground.at("outside/state/new")).unwrap(), "written by a plugin");
    assert_eq!(
        refusal(&plugin, "execute_what_it_wrote", json!({"in": ground.text("outside/state")})),
        "EACCES"
    );
    assert_eq!(refusal(&plugin, "write", json!({"path": ground.text("outside/other")})), "EACCES");
}

#[test]
fn a_path_that_is_not_there_is_named() {
    if !usual().enforcement(&Sandbox::support()).is_allowed() {
        return;
    }
    let ground = Ground::new();
    let fault = ground.launch().sandbox(usual().read("/no/such/place")).start().unwrap_err();
    assert!(
        fault.to_string().contains("the sandbox is to let it use /no/such/place: No such file"),
        "{fault}"
    );
    assert_eq!(fault.kind(), plugline_host::Kind::SpawnFailed);
}
