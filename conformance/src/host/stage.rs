//! Everything of one case: a driver, the puppets that its host starts, and all that was seen of them, in order.
//!
//! What is seen is kept until a step claims it. Nothing here knows steps; nothing waits longer than it is told.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use plugline_host::process::Command;
use serde_json::{Value, json};

use super::driver::Driver;
use super::judge::{Judge, Wrong};
use super::puppet::{Door, Said, Voice};
use crate::json::{Fault, Json};
use crate::model::Allowance;
use crate::verdict::{Passed, Way};

/// What of a line a transcript shows; bytes.
const SHOWN: usize = 400;

/// Something that happened.
#[derive(Debug)]
pub(super) enum Seen {
    /// The driver said a line.
    Driver(Vec<u8>),
    /// The driver's standard output ended.
    DriverEnd,
    /// Of a puppet.
    Puppet(String, Said),
    /// Somebody came to the door; nothing yet.
    Knock,
}

/// Something that was seen and can be claimed by one step.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) json: Json,
    /// How long its line was, LF counted.
    pub(super) size: usize,
    pub(super) at: Instant,
    pub(super) claimed: bool,
}

/// A puppet that came.
#[derive(Debug)]
pub(super) struct Puppet {
    voice: Voice,
    pub(super) facts: Value,
    /// What of a line the host has not finished.
    rest: Vec<u8>,
    /// What of a line we have not finished.
    sent: Vec<u8>,
    /// Answers to pings that came while a line of ours was half written.
    held_back: Vec<u8>,
    /// What the host said.
    pub(super) messages: Vec<Item>,
    /// What the puppet reported.
    pub(super) reports: Vec<Item>,
    pub(super) judge: Judge,
    pub(super) gone: bool,
    /// Its standard input has ended.
    pub(super) ended: bool,
    pub(super) pings: Pings,
    serial: u64,
}

/// Whether the host's `rpc.ping` is answered by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pings {
    Answered,
    Left,
}

/// Why a case cannot go on.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The host is wrong.
    Wrong { puppet: String, wrong: Wrong },
    /// The driver wrote a line that is no JSON.
    Garbled { line: Vec<u8>, fault: String },
    /// There is no such driver, or it is no program.
    NotStarted(io::Error),
    /// The suite, the driver or the machine is.
    Harness(String),
}

impl Trouble {
    pub(super) fn harness(what: &str, fault: impl std::fmt::Display) -> Self {
        Self::Harness(format!("{what}: {fault}"))
    }
}

/// Whether something came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Something,
    /// Not within that time.
    Nothing,
}

pub(super) struct Stage {
    pub(super) driver: Driver,
    door: Door,
    seen: Receiver<(Instant, Seen)>,
    puppet_program: PathBuf,
    allows: Vec<Allowance>,
    pub(super) puppets: BTreeMap<String, Puppet>,
    /// Lines of the driver with a `seq`, and without.
    pub(super) replies: Vec<Item>,
    pub(super) events: Vec<Item>,
    pub(super) silent: bool,
    /// What the steps call a command, and its number.
    pub(super) commands: BTreeMap<String, u64>,
    /// Which puppet a launch was for, by the number of the command; what the driver calls its plugin.
    launches: BTreeMap<u64, String>,
    pub(super) plugins: BTreeMap<String, String>,
    serial: u64,
    started: Instant,
    pub(super) transcript: Vec<Passed>,
}

impl Stage {
    pub(super) fn open(
        command: &Command,
        puppet_program: PathBuf,
        allows: Vec<Allowance>,
    ) -> Result<Self, Trouble> {
        let (sender, seen) = channel();
        let door = Door::open(sender.clone())
            .map_err(|fault| Trouble::harness("a socket on the loopback cannot be opened", fault))?;
        let driver = Driver::start(command, &sender)?;
        Ok(Self {
            driver,
            door,
            seen,
            puppet_program,
            allows,
            puppets: BTreeMap::new(),
            replies: Vec::new(),
            events: Vec::new(),
            silent: false,
            commands: BTreeMap::new(),
            launches: BTreeMap::new(),
            plugins: BTreeMap::new(),
            serial: 0,
            started: Instant::now(),
            transcript: Vec::new(),
        })
    }

    /// The words that start a puppet of that name.
    pub(super) fn argv(&self, name: &str) -> Value {
        let [address, token] = self.door.arguments(name);
        json!([self.puppet_program.to_string_lossy(), address, token])
    }

    /// What the driver answered to the last launch of that puppet, where that has failed.
    pub(super) fn refused(&self, name: &str) -> Option<&Json> {
        let (seq, _) = self.launches.iter().rfind(|(_, puppet)| *puppet == name)?;
        let answers = self.replies.iter().map(|item| &item.json);
        answers
            .filter(|json| json.get("seq").map(Json::to_value).as_ref() == Some(&Value::from(*seq)))
            .find(|json| json.get("err").is_some())
    }

    /// Keeps for the transcript what passed, or happened.
    fn note(&mut self, who: &str, way: Way, what: &[u8]) {
        let what = what.strip_suffix(b"\n").unwrap_or(what);
        let shown = plugline_host::escape(&what[..what.len().min(SHOWN)]);
        let more = if what.len() > SHOWN { " …" } else { "" };
        self.transcript.push(Passed {
            at_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            way,
            text: format!("{who}: {shown}{more}"),
            bytes: what.len(),
        });
    }

    /// Tells the driver to do something; says under which number.
    pub(super) fn command(
        &mut self,
        name: &str,
        mut command: Value,
        puppet: Option<&str>,
    ) -> Result<u64, Trouble> {
        self.serial += 1;
        command["seq"] = self.serial.into();
        self.commands.insert(name.to_owned(), self.serial);
        if let Some(puppet) = puppet {
            self.launches.insert(self.serial, puppet.to_owned());
        }
        self.note("driver", Way::Sent, command.to_string().as_bytes());
        // A driver that is gone shows as the end of its output, to whoever waits for the answer.
        let _gone = self.driver.send(&command);
        Ok(self.serial)
    }

    /// Has a puppet write to its standard output.
    pub(super) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Trouble> {
        self.note(name, Way::Sent, bytes);
        let puppet = self.puppet(name)?;
        puppet.sent.extend_from_slice(bytes);
        while let Some(end) = memchr(&puppet.sent) {
            let line: Vec<u8> = puppet.sent.drain(..=end).collect();
            puppet.judge.of_plugin(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii_end());
        }
        // One that is gone shows where it is waited for.
        let _gone = puppet.voice.write(bytes);
        self.let_go(name)
    }

    /// Writes the answers that were held back, between two lines.
    fn let_go(&mut self, name: &str) -> Result<(), Trouble> {
        let puppet = self.puppet(name)?;
        if puppet.sent.is_empty() && !puppet.held_back.is_empty() {
            let answers = std::mem::take(&mut puppet.held_back);
            self.write(name, &answers)?;
        }
        Ok(())
    }

    pub(super) fn complain(&mut self, name: &str, text: &str) -> Result<(), Trouble> {
        self.note(&format!("{name}'s standard error"), Way::Sent, text.as_bytes());
        let _gone = self.puppet(name)?.voice.complain(text.as_bytes());
        Ok(())
    }

    /// Has a puppet do something; says under which number it reports that it is done.
    pub(super) fn order(&mut self, name: &str, mut order: Value) -> Result<u64, Trouble> {
        self.note(name, Way::Event, order.to_string().as_bytes());
        let puppet = self.puppet(name)?;
        puppet.serial += 1;
        order["seq"] = puppet.serial.into();
        let _gone = puppet.voice.order(&order);
        Ok(puppet.serial)
    }

    pub(super) fn puppet(&mut self, name: &str) -> Result<&mut Puppet, Trouble> {
        let known: Vec<String> = self.puppets.keys().cloned().collect();
        self.puppets.get_mut(name).ok_or_else(|| {
            Trouble::Harness(format!("no plugin {name:?} has been started; there are {}", known.join(", ")))
        })
    }

    /// Takes in what comes next, and judges it.
    pub(super) fn pump(&mut self, until: Instant) -> Result<Came, Trouble> {
        let left = until.saturating_duration_since(Instant::now());
        match self.seen.recv_timeout(left) {
            Ok((at, seen)) => self.take_in(at, seen).map(|()| Came::Something),
            Err(RecvTimeoutError::Timeout) => Ok(Came::Nothing),
            // The door holds a sender as long as this lives.
            Err(RecvTimeoutError::Disconnected) => Err(Trouble::Harness("nobody listens any more".into())),
        }
    }

    fn take_in(&mut self, at: Instant, seen: Seen) -> Result<(), Trouble> {
        match seen {
            Seen::Knock => Ok(()),
            Seen::DriverEnd => {
                self.silent = true;
                self.note("driver", Way::Event, b"its output has ended");
                Ok(())
            }
            Seen::Driver(line) => self.hear(at, line.trim_ascii_end()),
            Seen::Puppet(name, Said::Here(voice, facts)) => {
                self.note(&name, Way::Event, format!("starts as process {}", facts["pid"]).as_bytes());
                let puppet = Puppet {
                    voice,
                    facts,
                    rest: Vec::new(),
                    sent: Vec::new(),
                    held_back: Vec::new(),
                    messages: Vec::new(),
                    reports: Vec::new(),
                    judge: Judge::default(),
                    gone: false,
                    ended: false,
                    pings: Pings::Answered,
                    serial: 0,
                };
                self.puppets.insert(name, puppet);
                Ok(())
            }
            Seen::Puppet(name, Said::Read(bytes)) => self.read(&name, at, &bytes),
            Seen::Puppet(name, Said::Report(report)) => {
                self.note(&name, Way::Event, report.to_string().as_bytes());
                let puppet = self.puppet(&name)?;
                puppet.ended |= report.get("eof").is_some();
                let json = Json::read(report.to_string().as_bytes()).expect("it was made of JSON");
                puppet.reports.push(Item { json, size: 0, at, claimed: false });
                Ok(())
            }
            Seen::Puppet(name, Said::Gone) => {
                self.note(&name, Way::Event, b"is gone");
                let puppet = self.puppet(&name)?;
                puppet.gone = true;
                let json = Json::read(br#"{"gone":true}"#).expect("it is JSON");
                puppet.reports.push(Item { json, size: 0, at, claimed: false });
                Ok(())
            }
        }
    }

    /// A line of the driver.
    fn hear(&mut self, at: Instant, line: &[u8]) -> Result<(), Trouble> {
        self.note("driver", Way::Received, line);
        let garbled = |fault: Fault| Trouble::Garbled { line: line.to_vec(), fault: fault.to_string() };
        let json = Json::read(line).map_err(garbled)?;
        let seq = json.get("seq").map(Json::to_value);
        let item = Item { json, size: line.len() + 1, at, claimed: false };
        let Some(seq) = seq else {
            self.events.push(item);
            return Ok(());
        };
        if let (Some(puppet), Some(plugin)) =
            (seq.as_u64().and_then(|seq| self.launches.get(&seq)), item.json.pointer("/ok/plugin"))
        {
            self.plugins.insert(puppet.clone(), plugin.as_str().unwrap_or_default().to_owned());
        }
        self.replies.push(item);
        Ok(())
    }

    /// Bytes that the host wrote to a plugin.
    fn read(&mut self, name: &str, at: Instant, bytes: &[u8]) -> Result<(), Trouble> {
        let allows = std::mem::take(&mut self.allows);
        let outcome = self.lines(name, at, bytes, &allows);
        self.allows = allows;
        outcome
    }

    fn lines(&mut self, name: &str, at: Instant, bytes: &[u8], allows: &[Allowance]) -> Result<(), Trouble> {
        self.puppet(name)?.rest.extend_from_slice(bytes);
        let whole = std::mem::take(&mut self.puppet(name)?.rest);
        let mut lines: Vec<&[u8]> = whole.split(|byte| *byte == b'\n').collect();
        let rest = lines.pop().unwrap_or_default().to_vec();
        self.puppet(name)?.rest = rest;
        for line in lines {
            self.note(name, Way::Received, line);
            let puppet = self.puppet(name)?;
            let json = puppet
                .judge
                .of_host(line, allows)
                .map_err(|wrong| Trouble::Wrong { puppet: name.to_owned(), wrong })?;
            let answers = puppet.pings == Pings::Answered
                && json.get("method").and_then(Json::as_str) == Some("rpc.ping");
            let id = json.get("id").map(Json::to_value);
            puppet.messages.push(Item { json, size: line.len() + 1, at, claimed: false });
            if let (true, Some(id)) = (answers, id) {
                let answer = json!({"jsonrpc": "2.0", "id": id, "result": {}});
                self.puppet(name)?.held_back.extend_from_slice(format!("{answer}\n").as_bytes());
                self.let_go(name)?;
            }
        }
        Ok(())
    }

    /// Waits until the driver has exited.
    pub(super) fn driver_exit(&mut self, until: Instant) -> Result<Option<ExitStatus>, Trouble> {
        loop {
            let status = self.driver.try_wait();
            if let Some(status) = status.map_err(|fault| Trouble::harness("waiting for the driver", fault))? {
                return Ok(Some(status));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            // Its output ends a moment before it does; what comes meanwhile is taken in.
            self.pump(until.min(Instant::now() + Duration::from_millis(5)))?;
        }
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}
