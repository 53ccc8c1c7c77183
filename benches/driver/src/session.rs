//! The operations that every system with blocking calls has.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::protocol::{Request, Response};
use crate::workload::{Manager, Method, User, einstein, expect};
use crate::{Fault, cpu_time};

/// A system that is measured.
pub trait System {
    /// One running plugin of it.
    type Instance: Instance;

    /// How many calls make one latency.
    const BATCH: usize = 1;

    /// Starts a plugin.
    ///
    /// # Errors
    /// [`Fault`] where it does not start.
    fn start(&self) -> Result<Self::Instance, Fault>;
}

/// One running plugin.
pub trait Instance: Sync {
    /// What is called.
    fn manager(&self) -> &dyn Manager;

    /// Its process, where it has one.
    fn pid(&self) -> Option<u32>;

    /// Receives that many bytes in chunks; says how many came.
    ///
    /// # Errors
    /// [`Fault`] where the system has no streams, or this one failed.
    fn stream(&self, _chunk: usize, _bytes: usize) -> Result<usize, Fault> {
        Err("unsupported: stream".into())
    }
}

/// The plugins that run, and what is done with them.
pub struct Session<S: System> {
    system: S,
    file: String,
    about: User,
    instances: Vec<S::Instance>,
}

impl<S: System + Sync> Session<S> {
    /// Nothing runs yet; `file` is what `OnLoad` loads.
    pub fn new(system: S, file: String) -> Self {
        Self { system, file, about: einstein(), instances: Vec::new() }
    }

    /// The plugins that run.
    pub fn instances(&self) -> &[S::Instance] {
        &self.instances
    }

    /// The plugin that was started first.
    ///
    /// # Errors
    /// [`Fault`] where none was.
    pub fn first(&self) -> Result<&S::Instance, Fault> {
        self.instances.first().ok_or_else(|| "nothing was started".into())
    }

    /// The processes of the plugins that run.
    pub fn pids(&self) -> Vec<u32> {
        self.instances.iter().filter_map(Instance::pid).collect()
    }

    /// Does one of the operations that every system has.
    ///
    /// # Errors
    /// [`Fault`] where it fails, is not known, or a result is wrong.
    pub fn operate(&mut self, request: &Request) -> Result<Response, Fault> {
        match request.op.as_str() {
            "start" => self.start(request.count.max(1)),
            "stop" => {
                self.instances.clear();
                Ok(Response::default())
            }
            "sequential" => self.sequential(request),
            "callers" => self.callers(request),
            "stream" => self.measure(|this| {
                let received = this.first()?.stream(request.chunk, request.bytes)?;
                if received != request.bytes {
                    return Err(format!("{received} bytes of {} were streamed", request.bytes).into());
                }
                Ok(Response { bytes: received, ..Response::default() })
            }),
            _ => request.unsupported(),
        }
    }

    /// Does something and adds how long it took and how much CPU time.
    ///
    /// # Errors
    /// That of the operation.
    pub fn measure(
        &self,
        operation: impl FnOnce(&Self) -> Result<Response, Fault>,
    ) -> Result<Response, Fault> {
        let pids = self.pids();
        let (cpu, began) = (cpu_time(&pids)?, Instant::now());
        let response = operation(self)?;
        let (wall, cpu) = (began.elapsed(), cpu_time(&pids)?.saturating_sub(cpu));
        Ok(Response { wall_ns: nanos(wall), cpu_ns: nanos(cpu), ..response })
    }

    /// Starts plugins one after another, each to its first result, and says how long the last one took.
    fn start(&mut self, count: usize) -> Result<Response, Fault> {
        let mut wall = Duration::ZERO;
        for _ in 0..count {
            let began = Instant::now();
            let instance = self.system.start()?;
            let loaded = Method::OnLoad.call(instance.manager(), &self.about, &self.file)?;
            let got = Method::GetUser.call(instance.manager(), &self.about, &self.file)?;
            wall = began.elapsed();
            self.instances.push(instance);
            expect(Method::OnLoad, &self.about, &loaded)?;
            expect(Method::GetUser, &self.about, &got)?;
        }
        Ok(Response { wall_ns: nanos(wall), pids: self.pids(), ..Response::default() })
    }

    fn targets(&self, request: &Request) -> Result<&[S::Instance], Fault> {
        self.first()?;
        Ok(if request.spread { &self.instances } else { &self.instances[..1] })
    }

    fn sequential(&self, request: &Request) -> Result<Response, Fault> {
        let method = request.method.ok_or("which method?")?;
        let targets = self.targets(request)?;
        let mut latencies = Vec::with_capacity(1 << 16);
        let mut answers = Vec::with_capacity(S::BATCH);
        let measured = self.measure(|_| {
            let began = Instant::now();
            for target in targets.iter().cycle() {
                if began.elapsed() >= request.span() {
                    break;
                }
                let start = Instant::now();
                for _ in 0..S::BATCH {
                    answers.push(method.call(target.manager(), &self.about, &self.file)?);
                }
                latencies.push(nanos(start.elapsed()) / S::BATCH as u64);
                for answer in answers.drain(..) {
                    expect(method, &self.about, &answer)?;
                }
                if request.micros > 0 {
                    thread::sleep(request.pause());
                }
            }
            Ok(Response::default())
        })?;
        let calls = latencies.len() * S::BATCH;
        Ok(Response { calls, batch: S::BATCH, latencies_ns: latencies, ..measured })
    }

    fn callers(&self, request: &Request) -> Result<Response, Fault> {
        let method = request.method.ok_or("which method?")?;
        let targets = self.targets(request)?;
        let over = AtomicBool::new(false);
        self.measure(|_| {
            let latencies = thread::scope(|scope| {
                let caller = |target: &S::Instance| -> Result<Vec<u64>, Fault> {
                    let mut latencies = Vec::with_capacity(1 << 12);
                    while !over.load(Ordering::Relaxed) {
                        let start = Instant::now();
                        let answer = method.call(target.manager(), &self.about, &self.file)?;
                        latencies.push(nanos(start.elapsed()));
                        expect(method, &self.about, &answer)?;
                    }
                    Ok(latencies)
                };
                let callers: Vec<_> = (0..request.callers)
                    .map(|n| {
                        let target = &targets[n % targets.len()];
                        scope.spawn(move || caller(target))
                    })
                    .collect();
                thread::sleep(request.span());
                over.store(true, Ordering::Relaxed);
                let joined =
                    callers.into_iter().map(|caller| caller.join().map_err(|_| "a caller panicked")?);
                joined.collect::<Result<Vec<_>, Fault>>()
            })?
            .concat();
            Ok(Response { calls: latencies.len(), latencies_ns: latencies, ..Response::default() })
        })
    }
}

/// As the line protocol has it.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
