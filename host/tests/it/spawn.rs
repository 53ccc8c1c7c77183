//! Programs that cannot be started, and processes that end before they say a word.

use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use plugline_host::{Error, Exit, Kind, Phase, Plugin};
use serde_json::json;

use crate::support::{PATIENCE, SHORT, TIMEOUTS, start_fails};

#[test]
fn a_program_that_cannot_be_run_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).unwrap();
    let no_interpreter = dir.path().join("no-interpreter");
    std::fs::write(&no_interpreter, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&no_interpreter, std::fs::Permissions::from_mode(0o755)).unwrap();

    let programs = [
        dir.path().join("missing"),
        "plugline-no-such-program".into(),
        plain,
        no_interpreter,
        dir.path().into(),
    ];
    for program in programs {
        let error = Plugin::command(&program).arg("--flag").start().unwrap_err();
        assert_eq!((error.kind(), error.phase()), (Kind::SpawnFailed, Phase::Spawn), "{error}");
        assert!(error.to_string().contains(program.to_str().unwrap()), "{error}");
        assert!(error.command().ends_with(" --flag"), "{error:?}");
        assert!(matches!(error, Error::Spawn { .. }));
    }
}

#[test]
fn a_directory_that_is_none_fails_the_start() {
    let error = Plugin::command("true").dir("/no/such/directory").start().unwrap_err();
    assert_eq!(error.kind(), Kind::SpawnFailed, "{error}");
}

#[test]
fn a_silent_plugin_has_the_start_timeout() {
    let started = Instant::now();
    let error = start_fails("silent", &json!({}), |launch| {
        launch.timeouts(plugline_host::Timeouts { start: Some(SHORT * 4), ..TIMEOUTS })
    });
    assert_eq!((error.kind(), error.phase()), (Kind::HandshakeTimeout, Phase::Handshake), "{error}");
    assert!(started.elapsed() >= SHORT * 4 && started.elapsed() < PATIENCE);
}

#[test]
fn a_plugin_that_exits_at_once_leaves_its_status_and_last_words() {
    let error = start_fails("exits_at_once", &json!({}), |launch| launch);
    assert_eq!((error.kind(), error.phase()), (Kind::PluginExited, Phase::Handshake), "{error:?}");
    let evidence = error.evidence().unwrap();
    assert_eq!(evidence.exit, Some(Exit { code: Some(3), signal: None }));
    assert_eq!(evidence.stderr_tail, ["cannot load \\u{1b}[31mthe model"]);
    assert!(error.to_string().contains("exited with status 3"), "{error}");
    assert!(error.command().contains("exits_at_once"), "{error:?}");
}

#[test]
fn half_a_line_is_no_answer() {
    let error = start_fails("exits_after_half_a_line", &json!({}), |launch| launch);
    assert_eq!(error.kind(), Kind::PluginExited, "{error:?}");
    let evidence = error.evidence().unwrap();
    assert_eq!(evidence.exit, Some(Exit { code: Some(0), signal: None }));
    assert_eq!(evidence.stray, None);
}

#[test]
fn a_program_that_is_no_plugin_is_quoted() {
    let error = Plugin::command("echo").arg("usage: \u{1b}[2J").timeouts(TIMEOUTS).start().unwrap_err();
    assert_eq!(error.kind(), Kind::PluginExited, "{error:?}");
    assert_eq!(error.evidence().unwrap().stray.as_deref(), Some("usage: \\u{1b}[2J"));
}
