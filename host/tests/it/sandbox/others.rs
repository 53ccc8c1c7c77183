//! The network, other processes, and the kernel.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use plugline_host::Sandbox;
use serde_json::json;

use super::{Ground, NOBODY, Victim, done, is_root, refusal, sandboxes, tried, usual};
use crate::support::status;

const STREAM: i32 = libc::SOCK_STREAM;
const DATAGRAM: i32 = libc::SOCK_DGRAM;

#[test]
fn there_are_no_sockets() {
    let ground = Ground::new();
    for (family, kind) in [
        (libc::AF_INET, STREAM),
        (libc::AF_INET, DATAGRAM),
        (libc::AF_INET6, STREAM),
        (libc::AF_INET6, DATAGRAM),
        (libc::AF_UNIX, STREAM),
        (libc::AF_UNIX, DATAGRAM),
        (libc::AF_NETLINK, libc::SOCK_RAW),
    ] {
        ground.refused("make_socket", json!({"family": family, "kind": kind}), &["EACCES"]);
    }
    ground.refused("bind", json!({}), &["EACCES"]);
    // Which could be connected to somebody else's.
    ground.refused("pair", json!({"kind": DATAGRAM}), &["EACCES"]);
    for plugin in ground.each_confined() {
        assert_eq!(done(plugin, "pair", json!({"kind": STREAM})), "x");
    }
}

/// Where there is no loopback interface, a connection fails for that reason, and not because it was refused.
#[test]
fn nobody_is_connected_to_unless_that_was_wanted() {
    let ground = Ground::new();
    let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let free = ground.free();
    let without = tried(free, "connect", &json!({"port": port}));
    assert_ne!(without["refused"], "EACCES");
    for sandbox in sandboxes() {
        let Some(plugin) = ground.confined(sandbox.clone()) else { continue };
        assert_eq!(refusal(&plugin, "connect", json!({"port": port})), "EACCES");
        let Some(plugin) = ground.confined(sandbox.network()) else { continue };
        assert_eq!(tried(&plugin, "connect", &json!({"port": port})), without);
        done(&plugin, "bind", json!({}));
        done(&plugin, "make_socket", json!({"family": libc::AF_INET, "kind": DATAGRAM}));
        for family in [libc::AF_UNIX, libc::AF_PACKET] {
            assert_eq!(refusal(&plugin, "make_socket", json!({"family": family, "kind": STREAM})), "EACCES");
        }
    }
}

#[test]
fn other_processes_are_not_signalled() {
    let ground = Ground::new();
    let mut victims = vec![Victim::new(None)];
    for pid in [victims[0].id(), std::process::id()] {
        // 0 asks whether it could.
        ground.refused("kill", json!({"pid": pid, "signal": 0}), &["EPERM"]);
    }
    victims.extend(is_root().then(|| Victim::new(Some(NOBODY))));
    for plugin in ground.each_confined() {
        for victim in &mut victims {
            let kill = json!({"pid": victim.id(), "signal": libc::SIGKILL});
            assert_eq!(refusal(plugin, "kill", kill), "EPERM");
        }
        let host = json!({"pid": std::process::id(), "signal": libc::SIGKILL});
        assert_eq!(refusal(plugin, "kill", host), "EPERM");
        // All that may be signalled, but for itself. It was seen that none may before that is tried.
        tried(plugin, "kill", &json!({"pid": -1, "signal": libc::SIGKILL}));
        assert_eq!(done(plugin, "kill_itself", json!({})), -libc::SIGTERM);
        assert!(victims.iter_mut().all(Victim::lives));
    }
}

/// Whether processes of the same user may look into each other where there is no sandbox.
fn may_trace() -> bool {
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    scope.map_or(true, |scope| scope.trim() == "0")
}

#[test]
fn other_processes_are_not_looked_into() {
    let ground = Ground::new();
    let secret = Box::new(*b"hunter2");
    let peek = |pid: u32| json!({"number": libc::SYS_process_vm_readv, "pid": pid, "address": secret.as_ptr() as usize});
    let (mine, victim) = (std::process::id(), Victim::new(None));
    for pid in [mine, victim.id()] {
        for file in ["environ", "cmdline", "maps"] {
            ground.refused("read", json!({"path": format!("/proc/{pid}/{file}")}), &["EACCES"]);
        }
        ground.refused("list", json!({"path": format!("/proc/{pid}/fd")}), &["EACCES"]);
    }
    if may_trace() {
        ground.refused("trace", json!({"pid": victim.id()}), &["EPERM"]);
        ground.refused("peek", peek(mine), &["EPERM"]);
    }
    let nobody = is_root().then(|| Victim::new(Some(NOBODY)));
    for plugin in ground.each_confined() {
        for pid in [mine, victim.id()].into_iter().chain(nobody.as_ref().map(Victim::id)) {
            for file in ["environ", "cmdline", "maps", "mem"] {
                assert_eq!(refusal(plugin, "read", json!({"path": format!("/proc/{pid}/{file}")})), "EACCES");
            }
            assert_eq!(refusal(plugin, "write", json!({"path": format!("/proc/{pid}/mem")})), "EACCES");
            assert_eq!(refusal(plugin, "trace", json!({"pid": pid})), "EPERM");
            assert_eq!(refusal(plugin, "peek", peek(pid)), "EPERM");
        }
    }
    assert_eq!(*secret, *b"hunter2");
}

#[test]
fn limits_and_priorities_of_others_stay() {
    let ground = Ground::new();
    let victim = Victim::new(None);
    for pid in [victim.id(), std::process::id()] {
        for attempt in ["limit", "affinity", "priority"] {
            ground.refused(attempt, json!({"pid": pid}), &["EPERM"]);
        }
    }
    if is_root() {
        // Of its own user, where only the filter stands in the way.
        let victim = Victim::new(Some(NOBODY));
        let Some(plugin) = ground.confined(usual()) else { return };
        for attempt in ["limit", "affinity", "priority"] {
            assert_eq!(refusal(&plugin, attempt, json!({"pid": victim.id()})), "EPERM");
        }
    }
}

#[test]
fn its_group_is_not_left() {
    let ground = Ground::new();
    ground.refused("leave", json!({"how": "session"}), &["EPERM"]);
    ground.refused("leave", json!({"how": "group"}), &["EPERM"]);
}

#[test]
fn parts_of_the_kernel_are_closed() {
    let ground = Ground::new();
    // What fails without a sandbox, too, fails of the arguments there: of nonsense, so that it harms nobody.
    let calls = [
        ("unshare", libc::SYS_unshare, vec![libc::CLONE_NEWUSER as i64], "EPERM"),
        ("keyctl", libc::SYS_keyctl, vec![0, -4, 1], "EPERM"),
        ("io_uring_setup", 425, vec![0, 0], "EPERM"),
        ("memfd_create", libc::SYS_memfd_create, vec![0, 0], "EPERM"),
        ("shmget", libc::SYS_shmget, vec![0, 0, 0], "EPERM"),
        ("semget", libc::SYS_semget, vec![0, 0, 0], "EPERM"),
        ("mq_open", libc::SYS_mq_open, vec![0, 0, 0, 0], "EPERM"),
        ("bpf", libc::SYS_bpf, vec![0, 0, 0], "EPERM"),
        ("perf_event_open", libc::SYS_perf_event_open, vec![0, 0, -1, -1, 0], "EPERM"),
        ("userfaultfd", libc::SYS_userfaultfd, vec![-1], "EPERM"),
        ("mount", libc::SYS_mount, vec![0, 0, 0, 0, 0], "EPERM"),
        ("inotify_add_watch", libc::SYS_inotify_add_watch, vec![-1, 0, 0], "EPERM"),
        ("clone3", 435, vec![0, 0], "ENOSYS"),
        ("a call to come", 4000, vec![0], "ENOSYS"),
    ];
    let free = ground.free();
    for plugin in ground.each_confined() {
        for (name, number, arguments, error) in &calls {
            let params = json!({"number": number, "arguments": arguments});
            assert_eq!(refusal(plugin, "call", params.clone()), *error, "{name}");
            if !matches!(*name, "a call to come" | "unshare" | "mount" | "bpf") {
                assert_ne!(tried(free, "call", &params)["refused"], *error, "{name} without a sandbox");
            }
        }
        assert_eq!(done(plugin, "privileges", json!({}))[0], 1);
    }
}

#[test]
fn no_privileges_are_left_and_none_are_gained() {
    let ground = Ground::new();
    let free = ground.free();
    let no_new = status("NoNewPrivs");
    assert_eq!(done(free, "privileges", json!({}))[0], no_new);
    for plugin in ground.each_confined() {
        let [denied, held] = [0, 1].map(|at| done(plugin, "privileges", json!({}))[at].clone());
        assert_eq!(denied, 1);
        if is_root() {
            assert_eq!(held, 0);
        }
    }
    if !is_root() {
        return;
    }
    // A program that makes root of everybody.
    let tool = ground.at("package/id");
    std::fs::copy("/usr/bin/id", &tool).unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o4755)).unwrap();
    let without = Command::new(&tool).arg("-u").uid(NOBODY).gid(NOBODY).output().unwrap();
    let without = String::from_utf8(without.stdout).unwrap();
    let Some(plugin) = ground.confined(usual()) else { return };
    let within = done(&plugin, "run", json!({"words": [ground.text("package/id"), "-u"]}));
    assert_eq!(within, NOBODY.to_string());
    // Where the file system says nosuid, or this process may gain nothing itself, nobody gains anything anyway.
    let nosuid = rustix::fs::statvfs(&tool).unwrap().f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID);
    assert_eq!(without.trim() == "0", !nosuid && no_new == 0);
}

#[test]
fn it_is_given_what_it_was_given_alone() {
    let ground = Ground::new();
    // A descriptor as a careless library would have it.
    let careless = std::fs::File::open(ground.at("outside/secret")).unwrap();
    rustix::io::fcntl_setfd(&careless, rustix::io::FdFlags::empty()).unwrap();
    for plugin in ground.each_confined() {
        assert_eq!(done(plugin, "descriptors", json!({})), json!([0, 1, 2]));
        let environment = done(plugin, "environment", json!({}));
        let names: Vec<&String> = environment.as_object().unwrap().keys().collect();
        let known = |name: &&String| {
            matches!(name.as_str(), "PATH" | "LANG" | "TZ" | "HOME" | "TMPDIR" | "PLUGLINE_PROTOCOL")
                || name.starts_with("LC_")
        };
        assert!(names.iter().all(known), "{names:?}");
        assert_eq!(environment["HOME"], environment["TMPDIR"]);
        assert_ne!(environment["TMPDIR"], json!(std::env::temp_dir()));
    }
    if is_root() {
        let Some(plugin) = ground.confined(usual()) else { return };
        let who = done(&plugin, "who", json!({}));
        assert_eq!((&who["uid"], &who["gid"], &who["groups"]), (&json!(NOBODY), &json!(NOBODY), &json!([])));
    } else {
        let fault = ground.launch().sandbox(Sandbox::new().user(NOBODY, NOBODY)).start().unwrap_err();
        assert!(fault.to_string().contains("only root can start a plugin as another user"), "{fault}");
    }
    let mut text = String::new();
    (&careless).read_to_string(&mut text).unwrap();
    assert_eq!(text, "hunter2");
}
