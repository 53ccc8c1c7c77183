//! A plugin that is started by hand, attached to over two named pipes, and let go of; again and again.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use plugline_host::{CallOptions, Launch, Supervision};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::io::Errno;
use serde_json::json;

use super::desk::{Desk, PATIENCE};
use crate::contract::{Answer, DIRECTORY, NAME};
use crate::explain::Intent;
use crate::faults::Kind;
use crate::journal::{Journal, What};
use crate::listener;
use crate::random::Random;

/// What the host calls it.
const ATTACHED: &str = "attached";
const VERSION: &str = "1.0.0";

/// Attaches and lets go until that is over.
pub fn attach(desk: &Desk, journal: &Journal, mut random: Random) {
    let directory = desk.fleet.layout.directory.join(ATTACHED);
    while !desk.is_over() {
        match life(desk, journal, &directory, &mut random) {
            Ok(()) => {}
            // There are none just now, for whoever starts it by hand either.
            Err(fault) if fault.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => {}
            Err(fault) => {
                desk.faults.found(Kind::Panic, ATTACHED, format!("cannot be started by hand: {fault}"));
                return;
            }
        }
        std::thread::sleep(Duration::from_millis(random.below(500)));
    }
    // What is not there cannot be removed.
    drop(fs::remove_dir_all(directory));
}

fn life(desk: &Desk, journal: &Journal, directory: &Path, random: &mut Random) -> io::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir(directory)?;
    let (stdin, stdout) = (directory.join("in"), directory.join("out"));
    for pipe in [&stdin, &stdout] {
        mkfifoat(CWD, pipe, Mode::RUSR | Mode::WUSR)?;
    }
    let supervised = Launch::attach(&stdin, &stdout).supervise(Supervision::default());
    let mut child = by_hand(desk, &stdin, &stdout)?;
    let is_killed = random.one_in(3);
    let mut was_lost = false;
    for number in 0..1 + random.below(20) {
        if is_killed && number == 3 {
            journal.note(ATTACHED, What::Signal(9));
            child.kill()?;
        }
        let call = desk.begin_at("call of one attached to", ATTACHED, Intent::Result, PATIENCE);
        let params = json!({"id": call.id, "text": "", "us": 100});
        let outcome = supervised.call_with::<Answer>("chaos.echo", &params, CallOptions::timeout(PATIENCE));
        was_lost = outcome.is_err();
        call.answered(outcome, "");
        if was_lost {
            break; // Nobody starts another.
        }
    }
    supervised.stop();
    for event in supervised.events().try_iter() {
        listener::of_plugin(ATTACHED, event.kind, journal);
    }
    if was_lost {
        // It may still wait for somebody who opens the other ends of its pipes, who had no descriptors for that.
        child.kill()?;
    }
    child.wait().map(drop)
}

fn by_hand(desk: &Desk, stdin: &Path, stdout: &Path) -> io::Result<Child> {
    let layout = &desk.fleet.layout;
    Command::new("sh")
        .args(["-c", "exec \"$1\" \"$2\" <\"$3\" >\"$4\"", "sh"])
        .arg(layout.directory.join("chaos-plugin"))
        .arg(VERSION)
        .args([stdin, stdout])
        .env(DIRECTORY, &layout.directory)
        .env(NAME, ATTACHED)
        .env("TMPDIR", layout.temporary())
        .env("PLUGLINE_PROTOCOL", "1")
        .stderr(Stdio::null())
        .spawn()
}
