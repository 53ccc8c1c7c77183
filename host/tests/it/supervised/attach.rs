//! A plugin that somebody else starts, as under a debugger.

use std::fs::File;
use std::process::{Child, Command};
use std::time::Duration;

use plugline_host::{EventKind, Kind, Launch, Rung, Supervision, Timeouts};
use serde_json::json;

use super::contract::{Mortal, MortalClient, MortalHostContract};
use super::{Counting, Traces, eager, mortal};
use crate::support::{SHORT, eventually, is_gone, kind};

/// Two named pipes, and the plugin as somebody starts it by hand.
struct ByHand<'a>(&'a Traces);

impl ByHand<'_> {
    fn new(traces: &Traces) -> ByHand<'_> {
        for name in ["in", "out"] {
            let made = Command::new("mkfifo").arg(traces.file(name)).status().unwrap();
            assert!(made.success());
        }
        ByHand(traces)
    }

    fn launch(&self) -> Launch {
        Launch::attach(self.0.file("in"), self.0.file("out"))
            .serve_callbacks(MortalHostContract, Counting::default())
    }

    fn run(&self, redirections: &str) -> Reaped {
        // Whoever comes while the host still has the pipes of the one before would be given those, and their end.
        let input = std::path::PathBuf::from(self.0.file("in"));
        eventually("the host has let go of the one before", || {
            let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return true };
            !open.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|path| path == input))
        });
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec \"$0\" {redirections}")]).arg(mortal());
        shell.env("IN", self.0.file("in")).env("OUT", self.0.file("out"));
        shell.env("MORTAL_PIDS", self.0.file("pids")).env("PLUGLINE_PROTOCOL", "1");
        shell.stderr(File::create(self.0.file("stderr")).unwrap());
        Reaped(shell.spawn().unwrap())
    }
}

/// A child of the test, which does not outlive it.
struct Reaped(Child);

impl Reaped {
    fn exit_code(&mut self) -> Option<i32> {
        let mut code = None;
        eventually("it ends by itself", || {
            code = self.0.try_wait().unwrap();
            code.is_some()
        });
        code.unwrap().code()
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = self.0.kill();
        self.0.wait().unwrap();
    }
}

#[test]
fn in_whichever_order_it_opens_its_pipes() {
    for redirections in ["<\"$IN\" >\"$OUT\"", ">\"$OUT\" <\"$IN\""] {
        let traces = Traces::new();
        let by_hand = ByHand::new(&traces);
        let starting = std::thread::spawn({
            let launch = by_hand.launch();
            move || launch.start()
        });
        let mut process = by_hand.run(redirections);
        let plugin = starting.join().unwrap().unwrap();
        assert!(plugin.events().try_iter().any(|event| matches!(event.kind, EventKind::Attached)));
        assert_eq!(plugin.id(), 0);
        let client: MortalClient = plugin.client().unwrap();
        assert_eq!(client.pid().unwrap(), process.0.id());
        assert_eq!(plugin.stop().rung, Rung::Asked);
        assert_eq!(process.exit_code(), Some(0));
    }
}

#[test]
fn one_that_opens_one_pipe_and_goes_is_not_taken_for_the_plugin() {
    let traces = Traces::new();
    let by_hand = ByHand::new(&traces);
    let starting = std::thread::spawn({
        let launch = by_hand.launch();
        move || launch.start()
    });
    // Opened when the host has opened it, too.
    drop(File::open(traces.file("in")).unwrap());
    let mut process = by_hand.run("<\"$IN\" >\"$OUT\"");
    let plugin = starting.join().unwrap().unwrap();
    assert_eq!(plugin.call::<u32>("mortal.pid", &()).unwrap(), process.0.id());
    plugin.stop();
    assert_eq!(process.exit_code(), Some(0));
}

#[test]
fn it_is_told_to_go_but_never_killed() {
    let traces = Traces::new();
    let by_hand = ByHand::new(&traces);
    let launch = by_hand.launch().timeouts(Timeouts { start: None, call: None, ..crate::support::HURRIED });
    let mut process = by_hand.run("<\"$IN\" >\"$OUT\"");
    let plugin = launch.start().unwrap();
    let pid = process.0.id();
    // As a debugger has it, at a breakpoint.
    super::signal(pid, rustix::process::Signal::STOP);
    plugin.stop();
    assert!(!is_gone(pid) && process.0.try_wait().unwrap().is_none());
    super::signal(pid, rustix::process::Signal::CONT);
    assert_eq!(process.exit_code(), Some(0));
}

#[test]
fn a_supervised_one_waits_for_the_next_to_be_started_by_hand() {
    let traces = Traces::new();
    let by_hand = ByHand::new(&traces);
    let plugin = by_hand.launch().supervise(Supervision { idle: Some(Duration::from_millis(1)), ..eager() });
    for _ in 0..2 {
        std::thread::scope(|scope| {
            let call = scope.spawn(|| plugin.call::<u32>("mortal.pid", &()));
            let mut process = by_hand.run("<\"$IN\" >\"$OUT\"");
            assert_eq!(call.join().unwrap().unwrap(), process.0.id());
            // It is not stopped for being idle.
            std::thread::sleep(SHORT);
            assert_eq!(plugin.call::<u32>("mortal.pid", &()).unwrap(), process.0.id());
            let left = plugin.call::<()>("mortal.leave", &json!({"status": 6, "words": "done"}));
            assert_eq!(kind(left), Kind::PluginExited);
            assert_eq!(process.exit_code(), Some(6));
        });
    }
    // Nobody starts another: whoever waits for it is told when all is stopped.
    std::thread::scope(|scope| {
        let call = scope.spawn(|| plugin.call::<u32>("mortal.pid", &()));
        std::thread::sleep(SHORT);
        plugin.stop();
        assert_eq!(kind(call.join().unwrap()), Kind::Closed);
    });
}

#[test]
fn what_is_no_named_pipe_is_said_to_be_none() {
    let traces = Traces::new();
    traces.touch("file");
    let fault = Launch::attach(traces.file("file"), traces.file("file")).start().unwrap_err();
    assert_eq!(fault.kind(), Kind::SpawnFailed);
    assert!(fault.to_string().contains("is no named pipe: `mkfifo` makes one"), "{fault}");
    let by_hand = ByHand::new(&traces);
    let soon = Timeouts { start: Some(SHORT), ..Timeouts::default() };
    let fault = by_hand.launch().timeouts(soon).start().unwrap_err();
    assert!(fault.to_string().contains("no plugin came: start it with `<"), "{fault}");
}
