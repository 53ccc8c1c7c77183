//! Secrets that a plugin says again: in none of what a host shows.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use plugline_host::{CallOptions, Direction, EventKind, Kind, Launch, Plugin, Validation, settle};
use serde_json::{Value, json};

use super::support::PATIENCE;

const TOKEN: &str = "to\"ken-\\hunter22";
const PIN: &str = "pin-0815-4711";
const KEY: &str = "key-of-the-environment";
const PASSWORD: &str = "password-of-a-call";

/// Lines as a transcript has them.
type Lines = Mutex<Vec<(Direction, Vec<u8>)>>;

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/echoes.py")
}

/// A plugin that says all it is given, with all that its host knows to be secret.
fn launch() -> Launch {
    Plugin::command("python3")
        .arg("-B")
        .arg(script())
        .config(json!({"token": TOKEN, "pin": PIN, "file": "plain-file"}))
        .secret(TOKEN)
        .secret_env("KEY", KEY)
        .env("PLAIN", "plain-variable")
        .validate(Validation::Offered)
}

#[track_caller]
fn says_none(what: &str, text: &str) {
    for secret in ["hunter22", "0815", "of-the-environment", "of-a-call"] {
        assert!(!text.contains(secret), "{what} says {secret}: {text}");
    }
}

#[test]
fn neither_events_nor_errors_nor_transcripts_say_a_secret() {
    let lines: Arc<Lines> = Arc::default();
    let raw: Arc<Mutex<Vec<u8>>> = Arc::default();
    let (seen, all) = (Arc::clone(&lines), Arc::clone(&raw));
    let plugin = launch()
        .transcript(move |direction, line| seen.lock().unwrap().push((direction, line.to_vec())))
        .raw_transcript(move |_, line| all.lock().unwrap().extend(line))
        .start()
        .unwrap();
    let mut told = Vec::new();
    let params = json!({"password": PASSWORD, "user": "plain-user"});
    let call = plugin.begin("t.say", &params, CallOptions::default()).unwrap();
    let failed = call.wait_with_progress(|report| told.push(format!("{report:?}"))).unwrap_err();
    assert_eq!(failed.kind(), Kind::RemoteError);
    says_none("an error", &format!("{failed} {failed:?} {:?}", failed.remote()));
    assert!(failed.to_string().contains("[secret]"), "{failed}");
    assert!(failed.remote().unwrap().data.as_ref().unwrap()["plain-user"] == 1, "{failed:?}");
    says_none("progress", &told.join(" "));
    // What is asked for comes as it is.
    assert_eq!(plugin.call::<Value>("t.given", &json!({})).unwrap()["token"], TOKEN);
    // A typed result that is none is quoted by its decoder.
    let failed = plugin.call::<u32>("t.text", &json!({})).unwrap_err();
    says_none("an error of decoding", &format!("{failed} {failed:?}"));
    let failed = plugin.call::<Value>("t.break", &json!({})).unwrap_err();
    assert_eq!(failed.kind(), Kind::ProtocolViolation, "{failed:?}");
    says_none("an error of a violation", &format!("{failed} {failed:?}"));
    let events = plugin.events();
    plugin.stop();
    let mut kinds = Vec::new();
    while let Ok(event) = events.recv_timeout(PATIENCE) {
        says_none("an event", &format!("{event} {event:?}"));
        kinds.push(match event.kind {
            EventKind::Log(_) => "log",
            EventKind::Stderr(_) => "stderr",
            EventKind::Stray { .. } => "stray",
            EventKind::Ready(_) => "ready",
            EventKind::Exited { .. } => break,
            _ => continue,
        });
    }
    for kind in ["log", "stderr", "stray", "ready"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    let lines = lines.lock().unwrap();
    for (direction, line) in lines.iter() {
        // The one result that was asked for has it on the wire; a transcript does not.
        says_none(&format!("a line that was {direction:?}"), &String::from_utf8_lossy(line));
    }
    let text: String = lines.iter().map(|(_, line)| String::from_utf8_lossy(line).into_owned()).collect();
    for plain in ["plain-file", "plain-user", "t.say"] {
        assert!(text.contains(plain), "{plain}: {text}");
    }
    let raw = String::from_utf8_lossy(&raw.lock().unwrap()).into_owned();
    assert!(raw.contains(PIN) && raw.contains(PASSWORD), "{raw}");
}

#[test]
fn a_start_that_fails_says_no_secret() {
    for how in ["refuse", "die", "garbage", "ill-typed"] {
        let failed = launch().arg(how).start().unwrap_err();
        says_none(how, &format!("{failed} {failed:?} {:?}", failed.evidence()));
        assert!(format!("{failed:?}").contains("[secret]"), "{how}: {failed:?}");
    }
    settle(PATIENCE);
}

#[test]
fn nothing_that_is_debugged_has_a_config_in_it() {
    let launch = launch();
    says_none("a launch", &format!("{launch:?}"));
    let plugin = launch.start().unwrap();
    says_none("a plugin", &format!("{plugin:?}"));
    plugin.stop();
}
