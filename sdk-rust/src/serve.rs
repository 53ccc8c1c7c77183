//! A plugin as a process: its stdio, its signals and how it ends.

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use plugline_protocol::peer::{CloseReason, Connection, Pipes, Setup, Side, Wake};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::plugin::Plugin;
use crate::session::Session;
use crate::stdio::{Stdio, tell};

/// A person started it: what sysexits(3) calls a usage error.
const EXIT_USAGE: u8 = 64;
/// What is in flight when the host closes stdin, or says SIGTERM, has so long to end; draining may itself take a quarter
/// of a second more than it is given.
const GRACE: Duration = Duration::from_millis(1500);
/// By then all is finished and written: two seconds are what there is.
const END: Duration = Duration::from_millis(1950);

pub(crate) fn run<S: Send + Sync + 'static>(plugin: Plugin<S>) -> ExitCode {
    let served = Stdio::pipes().and_then(|pipes| {
        if pipes.read.is_terminal() {
            explain(&plugin);
            return Ok(ExitCode::from(EXIT_USAGE));
        }
        serve(plugin, pipes)
    });
    served.unwrap_or_else(|fault| {
        tell(&format!("cannot serve: {fault}"));
        ExitCode::FAILURE
    })
}

fn serve<S: Send + Sync + 'static>(plugin: Plugin<S>, pipes: Pipes) -> io::Result<ExitCode> {
    let terminated = on_sigterm()?;
    let (ended_sender, ended) = bounded(1);
    let limits = plugin.limits;
    let session = Arc::new(Session::new(plugin, ended_sender));
    let connection = Connection::open(
        pipes,
        Setup {
            side: Side::Plugin,
            limits,
            strict: false,
            service: Arc::clone(&session) as _,
            transcript: None,
            ended: Arc::new(Wake::new()?),
            unanswered: Duration::from_secs(5),
        },
    )?;
    let reason: Option<Arc<CloseReason>> = select! {
        recv(ended) -> reason => reason.ok(),
        recv(terminated) -> _ => None,
    };
    Ok(match reason.as_deref() {
        None => {
            session.shut_down();
            finish(&connection)
        }
        Some(CloseReason::EndOfFile) => finish(&connection),
        // Nobody reads any more: there is nobody to tell either.
        Some(CloseReason::Write(_)) => ExitCode::SUCCESS,
        Some(reason) => {
            tell(&format!("the connection ended: {reason}"));
            ExitCode::FAILURE
        }
    })
}

fn finish(connection: &Connection) -> ExitCode {
    let began = Instant::now();
    connection.drain(None, GRACE);
    if !connection.flush(END.saturating_sub(began.elapsed())) {
        tell("the host does not read the last answers");
    }
    ExitCode::SUCCESS
}

/// SIGTERM arrives on the channel. SIGINT is for the host: Ctrl-C goes to every process of a terminal, and
/// ignoring it would be inherited by children.
fn on_sigterm() -> io::Result<Receiver<()>> {
    signal_hook::flag::register(SIGINT, Arc::new(AtomicBool::new(false)))?;
    let (mut reader, writer) = os_pipe::pipe()?;
    signal_hook::low_level::pipe::register(SIGTERM, writer)?;
    let (sender, receiver): (Sender<()>, _) = bounded(1);
    std::thread::Builder::new().name("plugline-signals".into()).spawn(move || {
        let mut byte = [0];
        // The write end is never closed, so this returns only when a signal has come.
        if reader.read_exact(&mut byte).is_ok() {
            // The receiver is gone where the process is on its way out already.
            let _ending = sender.send(());
        }
        std::thread::park();
    })?;
    Ok(receiver)
}

fn explain<S: Send + Sync + 'static>(plugin: &Plugin<S>) {
    let manifest = plugin.manifest();
    eprintln!(
        "{} {} is a Plugline plugin: a program that a host starts and calls.",
        plugin.name, plugin.version
    );
    if let Some(description) = &plugin.description {
        eprintln!("{description}");
    }
    for provided in &plugin.provides {
        eprintln!("\nIt provides {} {}:", provided.contract, provided.version);
        for method in
            manifest.methods.iter().filter(|m| m.name.starts_with(&format!("{}.", provided.contract)))
        {
            let params: Vec<&str> = method.params.iter().map(|param| param.name.as_str()).collect();
            let about = method.description.as_deref().unwrap_or_default();
            eprintln!("  {}({})  {about}", method.name, params.join(", "));
        }
    }
    let program = std::env::args().next().unwrap_or_else(|| plugin.name.clone());
    let example = manifest.methods.first().map_or("rpc.ping", |method| method.name.as_str());
    eprintln!("\nTo call it by hand:  plugline call {program} {example} name=value …");
}
