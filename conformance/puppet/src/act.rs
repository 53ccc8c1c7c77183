//! What the runner says to do, in its order. What may take long is done by a thread of its own, so that the runner
//! can always end this process or have it read again.

use std::io;
use std::os::fd::BorrowedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use rustix::io::Errno;
use serde_json::{Value, json};

use crate::intake::{Intake, Pace};
use crate::link::{Frame, Link};
use crate::signals::Heed;

/// What is written at a time, when much is.
const CHUNK: usize = 64 * 1024;

/// Does what cannot wait for a write that may be blocked; says whether that was all.
pub(crate) fn at_once(frame: &Frame, link: &Link, intake: &Intake, heed: &Heed) -> io::Result<bool> {
    let Frame::Order(order) = frame else { return Ok(false) };
    match order["do"].as_str() {
        Some("pause") => intake.set(Pace::Paused),
        Some("resume") => intake.set(Pace::Reading),
        Some("heed") => heed.set(true),
        Some("ignore") => heed.set(false),
        Some("exit") if order["now"] == true => exit(order),
        _ => return Ok(false),
    }
    link.report(&json!({"done": order["seq"]}))?;
    Ok(true)
}

fn exit(order: &Value) -> ! {
    let code = order["code"].as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or_default();
    std::process::exit(code)
}

/// The thread that does the rest, one thing after another.
pub(crate) fn start(
    link: &Arc<Link>,
    intake: &Arc<Intake>,
    address: &str,
    token: &str,
) -> io::Result<Sender<Frame>> {
    let (sender, frames) = channel();
    let (link, intake, address, token) =
        (Arc::clone(link), Arc::clone(intake), address.to_owned(), token.to_owned());
    std::thread::Builder::new().name("actor".into()).spawn(move || {
        for frame in frames {
            let told = match frame {
                Frame::Output(bytes) => fault(&link, "stdout", write(&Raw(rustix::stdio::stdout()), &bytes)),
                Frame::Complaint(bytes) => {
                    fault(&link, "stderr", write(&Raw(rustix::stdio::stderr()), &bytes))
                }
                Frame::Order(order) => link.report(&done(&order, act(&order, &intake, &address, &token))),
            };
            if told.is_err() {
                break;
            }
        }
    })?;
    Ok(sender)
}

/// Only what goes wrong is worth a report.
fn fault(link: &Link, of: &str, outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Ok(()) => Ok(()),
        Err(fault) => link.report(&json!({"fault": of, "error": fault.to_string()})),
    }
}

fn done(order: &Value, outcome: io::Result<Value>) -> Value {
    match outcome {
        Ok(what) => json!({"done": order["seq"], "what": what}),
        Err(fault) => json!({"done": order["seq"], "error": fault.to_string()}),
    }
}

/// A standard stream without the buffer that the library has for it: a byte is written when the runner says so.
struct Raw(BorrowedFd<'static>);

fn write(to: &Raw, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to.0, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(())
}

fn act(order: &Value, intake: &Intake, address: &str, token: &str) -> io::Result<Value> {
    match order["do"].as_str() {
        Some("exit") => exit(order),
        Some("kill") => {
            let number = order["signal"].as_i64().and_then(|number| i32::try_from(number).ok());
            let signal = number.and_then(rustix::process::Signal::from_named_raw);
            let signal = signal.ok_or_else(|| io::Error::other("no such signal"))?;
            rustix::process::kill_process(rustix::process::getpid(), signal)?;
            Ok(Value::Null)
        }
        // The descriptor is replaced rather than closed: the next file opened must not become standard output.
        Some("close_stdout") => {
            let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
            rustix::stdio::dup2_stdout(nowhere)?;
            Ok(Value::Null)
        }
        Some("close_stdin") => intake.close().map(|()| Value::Null),
        Some("flood") => flood(order),
        Some("spawn") => spawn(order, address, token),
        other => Err(io::Error::other(format!("the runner said {other:?}, which this puppet cannot do"))),
    }
}

/// Writes a text many times; says how much of it was written when that was not taken any more.
fn flood(order: &Value) -> io::Result<Value> {
    let text = order["text"].as_str().unwrap_or_default();
    let times = order["times"].as_u64().unwrap_or_default();
    let at_once = (CHUNK / text.len().max(1)).max(1) as u64;
    let block = text.repeat(usize::try_from(at_once).map_err(io::Error::other)?);
    let (mut left, mut written) = (times, 0_u64);
    let stdout = Raw(rustix::stdio::stdout());
    while left > 0 {
        let now = left.min(at_once);
        let bytes = &block.as_bytes()[..text.len() * usize::try_from(now).map_err(io::Error::other)?];
        if let Err(fault) = write(&stdout, bytes) {
            return Ok(json!({"written": written, "refused": fault.to_string()}));
        }
        written += bytes.len() as u64;
        left -= now;
    }
    Ok(json!({"written": written}))
}

/// Starts a process that holds this one's standard streams, and nothing else.
fn spawn(order: &Value, address: &str, token: &str) -> io::Result<Value> {
    let name = order["name"].as_str().unwrap_or("child");
    let mut command = Command::new(std::env::current_exe()?);
    command.args([address, &format!("{token}.{name}"), "held"]);
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    if order["group"] == "own" {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    // It ends when the runner does, and is left behind on purpose.
    let child = command.spawn()?;
    Ok(json!({"pid": child.id()}))
}
