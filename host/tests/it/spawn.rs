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

/// The C library's execvp would have a shell read it.
#[test]
fn what_the_kernel_does_not_start_is_no_shell_script() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("a shell was here");
    for (name, content) in [("empty", ""), ("foreign", "MZ\n>\"$TRACE\"\n"), ("unmarked", ">\"$TRACE\"\n")] {
        let program = dir.path().join(name);
        std::fs::write(&program, content).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        for word in [program.clone(), name.into()] {
            let launch = Plugin::command(&word).env("TRACE", &trace).env("PATH", dir.path());
            let error = launch.start().unwrap_err();
            assert_eq!((error.kind(), error.phase()), (Kind::SpawnFailed, Phase::Spawn), "{error}");
            assert!(error.to_string().contains("nor a script that begins with #!"), "{error}");
        }
    }
    assert!(!trace.exists());
}

#[test]
fn a_word_is_looked_up_in_the_path_of_the_plugin() {
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str, content: Option<(&str, u32)>| {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        if let Some((content, mode)) = content {
            let program = folder.join("found");
            std::fs::write(&program, content).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        folder.into_os_string().into_string().unwrap()
    };
    let nothing = folder("nothing", None);
    let forbidden = folder("forbidden", Some(("#!/bin/sh\nexit 4\n", 0o644)));
    let right = folder("right", Some(("#!/bin/sh\nexit 5\n", 0o755)));
    let later = folder("later", Some(("#!/bin/sh\nexit 6\n", 0o755)));
    let status = |path: &[&str]| {
        let error =
            Plugin::command("found").env("PATH", path.join(":")).timeouts(TIMEOUTS).start().unwrap_err();
        error.evidence().and_then(|it| it.exit).and_then(|it| it.code).ok_or(error.to_string())
    };
    assert_eq!(status(&["/no/such/directory", &nothing, &forbidden, &right, &later]), Ok(5));
    let refused = status(&[&nothing, &forbidden]).unwrap_err();
    assert!(refused.contains("Permission denied"), "{refused}");
    let missing = status(&[&nothing]).unwrap_err();
    assert!(missing.contains("No such file"), "{missing}");
}

#[test]
fn what_cannot_stand_in_an_argument_is_refused() {
    for launch in [
        Plugin::command("true").arg("a\0b"),
        Plugin::command("true").env("A", "a\0b"),
        Plugin::command("tr\0ue"),
    ] {
        let error = launch.start().unwrap_err();
        assert_eq!(error.kind(), Kind::SpawnFailed, "{error}");
        assert!(error.to_string().contains("nul byte"), "{error}");
    }
}

#[test]
fn a_directory_that_is_none_fails_the_start() {
    for none in ["/no/such/directory", "/dev/null"] {
        let error = Plugin::command("true").dir(none).start().unwrap_err();
        assert_eq!(error.kind(), Kind::SpawnFailed, "{error}");
        let said = format!("({none}, where it is to run, is no directory)");
        assert!(error.to_string().contains(&said), "{error}");
    }
    // The program alone is to blame where the directory is there.
    let error = Plugin::command("plugline-no-such-program").dir("/").start().unwrap_err();
    assert!(!error.to_string().contains("no directory"), "{error}");
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
