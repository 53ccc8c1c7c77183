//! The raw pipe: what the same bytes cost without any messages. It has only one method, called `GetUser`.

use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use plugline_benches::echo::{Ends, REQUEST, RESPONSE, Wait};
use plugline_benches_driver::{Fault, Method, Request, Response, cpu_time, serve};

use crate::{nanos, sibling};

struct Echo {
    child: Child,
    ends: Ends<ChildStdout, ChildStdin>,
}

pub(crate) fn run(wait: Wait) -> Result<(), Fault> {
    let mut running = Vec::new();
    serve(|request| match (request.op.as_str(), request.method) {
        ("start", _) => {
            let began = Instant::now();
            for _ in 0..request.count.max(1) {
                let mut echo = Echo::start(wait, &[])?;
                echo.call()?;
                running.push(echo);
            }
            let pids = running.iter().map(|echo| echo.child.id()).collect();
            Ok(Response { wall_ns: nanos(began.elapsed()), pids, ..Response::default() })
        }
        ("stop", _) => {
            running.drain(..).try_for_each(Echo::stop)?;
            Ok(Response::default())
        }
        ("sequential", Some(Method::GetUser)) => {
            sequential(running.first_mut().ok_or("nothing was started")?, request)
        }
        ("stream", _) => stream(wait, request),
        _ => request.unsupported(),
    })?;
    running.into_iter().try_for_each(Echo::stop)
}

impl Echo {
    fn start(wait: Wait, args: &[String]) -> Result<Self, Fault> {
        let mut command = Command::new(sibling("echo-plugin")?);
        command.arg(wait.name()).args(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipes".into());
        };
        Ok(Self { child, ends: Ends::new(from, to, wait)? })
    }

    fn call(&mut self) -> Result<(), Fault> {
        let mut response = [0; RESPONSE.len()];
        self.ends.send(&REQUEST)?;
        self.ends.receive(&mut response)?;
        if response == RESPONSE { Ok(()) } else { Err("the response is wrong".into()) }
    }

    fn stop(self) -> Result<(), Fault> {
        let Self { mut child, ends } = self;
        drop(ends);
        child.wait()?;
        Ok(())
    }
}

fn sequential(echo: &mut Echo, request: &Request) -> Result<Response, Fault> {
    let mut latencies = Vec::with_capacity(1 << 16);
    let pids = [echo.child.id()];
    let (cpu, began) = (cpu_time(&pids)?, Instant::now());
    while began.elapsed() < request.span() {
        let start = Instant::now();
        echo.call()?;
        latencies.push(nanos(start.elapsed()));
        if request.micros > 0 {
            std::thread::sleep(request.pause());
        }
    }
    let (wall, cpu) = (began.elapsed(), cpu_time(&pids)?.saturating_sub(cpu));
    Ok(Response {
        wall_ns: nanos(wall),
        cpu_ns: nanos(cpu),
        calls: latencies.len(),
        batch: 1,
        latencies_ns: latencies,
        ..Response::default()
    })
}

fn stream(wait: Wait, request: &Request) -> Result<Response, Fault> {
    let args = [request.chunk.to_string(), request.bytes.to_string()];
    let mut buffer = vec![0; request.chunk];
    let mut echo = Echo::start(wait, &args)?;
    // The first chunk is not timed: the process starts with it.
    let first = request.chunk.min(request.bytes);
    echo.ends.receive(&mut buffer[..first])?;
    let mut received = first;
    let pids = [echo.child.id()];
    let (cpu, began) = (cpu_time(&pids)?, Instant::now());
    while received < request.bytes {
        let wanted = request.chunk.min(request.bytes - received);
        echo.ends.receive(&mut buffer[..wanted])?;
        received += wanted;
    }
    let (wall, cpu) = (began.elapsed(), cpu_time(&pids)?.saturating_sub(cpu));
    echo.stop()?;
    Ok(Response { wall_ns: nanos(wall), cpu_ns: nanos(cpu), bytes: received - first, ..Response::default() })
}
