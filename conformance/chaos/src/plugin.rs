//! The plugin of a run over the Rust SDK: `chaos-plugin VERSION [BROKEN]`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plugline_sdk::{CallFailed, Context, Instances, Items, Level, Plugin};
use rustix::process::{Signal, getpid, kill_process};
use rustix::time::{ClockId, clock_gettime};

use crate::contract::{
    Answer, CONFESSIONS, Chaos, ChaosContract, ChaosError, ChaosHost as _, ChaosHostClient,
    ChaosHostContract, DIRECTORY, Feats, FeatsContract, MARKS, NAME, ONE,
};

/// The plugin as a program.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let version = words.next().unwrap_or_else(|| "1.0.0".into());
    match words.next().as_deref() {
        None => {}
        Some("exit") => {
            eprintln!("broken: it exits at once");
            return ExitCode::from(7);
        }
        Some("garbage") => println!("{{\"jsonrpc\": broken"),
        // It says nothing, ever.
        Some(_) => std::thread::sleep(Duration::from_secs(3600)),
    }
    let instances = if std::env::var_os(ONE).is_some() { Instances::One } else { Instances::Many };
    Plugin::configured("rust", version.clone(), move |_: serde_json::Value| {
        Ok::<_, String>(Wreck::new(version.clone()))
    })
    .describe("Does what it is asked to, and misbehaves when it is told to.")
    .instances(instances)
    .contract(ChaosContract)
    .contract(FeatsContract)
    .requires_contract(ChaosHostContract)
    .serve()
}

/// What it knows of itself.
struct Wreck {
    version: String,
    name: String,
    directory: PathBuf,
    /// So much longer each call takes; milliseconds.
    slow: AtomicU64,
    slow_calls: AtomicU64,
}

impl Wreck {
    fn new(version: String) -> Self {
        Self {
            version,
            name: std::env::var(NAME).unwrap_or_default(),
            directory: std::env::var_os(DIRECTORY).map(PathBuf::from).unwrap_or_default(),
            slow: AtomicU64::new(0),
            slow_calls: AtomicU64::new(0),
        }
    }

    fn answer(&self, id: u64, text: &str, us: u64) -> Answer {
        std::thread::sleep(Duration::from_micros(us));
        if self.slow_calls.load(Ordering::Relaxed) > 0 {
            self.slow_calls.fetch_sub(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(self.slow.load(Ordering::Relaxed)));
        }
        Answer { id, text: text.to_owned(), pid: std::process::id(), version: self.version.clone() }
    }

    /// In one write, so that it is there whole or not at all.
    fn append(&self, path: &str, line: &str) {
        let path = self.directory.join(path);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let written = file.and_then(|mut file: File| file.write_all(line.as_bytes()));
        if let Err(fault) = written {
            eprintln!("{}: {fault}", path.display());
        }
    }

    fn leave_mark(&self, id: u64) {
        self.append(&format!("{MARKS}/{}", std::process::id()), &format!("{id}\n"));
    }

    fn confess(&self, what: &str) {
        let now = clock_gettime(ClockId::Monotonic);
        let nanos = now.tv_sec * 1_000_000_000 + now.tv_nsec;
        self.append(CONFESSIONS, &format!("{nanos} {} {} {what}\n", self.name, std::process::id()));
        eprintln!("about to misbehave: {what}");
    }
}

impl Chaos for Wreck {
    fn echo(&self, id: u64, text: &str, us: u64) -> Result<Answer, ChaosError> {
        Ok(self.answer(id, text, us))
    }

    fn mark(&self, id: u64, us: u64) -> Result<Answer, ChaosError> {
        self.leave_mark(id);
        Ok(self.answer(id, "", us))
    }

    fn remark(&self, id: u64, us: u64) -> Result<Answer, ChaosError> {
        self.leave_mark(id);
        Ok(self.answer(id, "", us))
    }

    fn fail(&self, id: u64) -> Result<Answer, ChaosError> {
        Err(ChaosError::Planned { id })
    }

    fn fault(&self, what: &str, n: u64) -> Result<(), ChaosError> {
        self.confess(what);
        match what {
            "exit" => std::process::exit(i32::try_from(n).unwrap_or(1)),
            "abort" => std::process::abort(),
            "segv" => {
                let _ends = kill_process(getpid(), Signal::SEGV);
                std::thread::sleep(Duration::from_secs(1));
            }
            "panic" => panic!("as it was told to"),
            "stderr" => (0..n).for_each(|line| eprintln!("flood {line} {}", "x".repeat(200))),
            "stray" => (0..n).for_each(|line| println!("stray {line} {}", "x".repeat(200))),
            "slow" => {
                self.slow.store(n, Ordering::Relaxed);
                self.slow_calls.store(20, Ordering::Relaxed);
            }
            "spin" => {
                let since = std::time::Instant::now();
                while since.elapsed() < Duration::from_millis(n) {
                    std::hint::spin_loop();
                }
            }
            "child" => {
                // It is nobody's but the group's.
                let child = std::process::Command::new("sleep").arg("600").spawn();
                drop(child.map_err(|fault| eprintln!("no child: {fault}")));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Feats for Wreck {
    fn nest(&self, context: &Context, id: u64, depth: u64) -> Result<u64, ChaosError> {
        if depth == 0 {
            return Ok(id);
        }
        let host: ChaosHostClient = context.client()?;
        Ok(host.nest(context, id, depth - 1)? + 1)
    }

    fn wait(&self, context: &Context, id: u64, ms: u64) -> Result<Answer, ChaosError> {
        context.progress(0.0, None, None);
        context.sleep(Duration::from_millis(ms))?;
        Ok(self.answer(id, "", 0))
    }

    fn steps(&self, context: &Context, n: u64) -> Result<u64, ChaosError> {
        for step in 1..=n {
            context.check()?;
            let step = f64::from(u32::try_from(step).unwrap_or(u32::MAX));
            context.progress(step, Some(f64::from(u32::try_from(n).unwrap_or(u32::MAX))), Some("a step"));
            context.log(Level::Debug, "a step");
        }
        Ok(n)
    }

    fn count(&self, id: u64, n: u64) -> Result<Items<u64, ChaosError>, ChaosError> {
        Ok(Items::all(id..id + n))
    }

    fn sum(&self, mut numbers: Items<u64, CallFailed>) -> Result<u64, ChaosError> {
        Ok(numbers.try_fold(0, |sum, number| number.map(|number| sum + number))?)
    }

    fn double(&self, numbers: Items<u64, CallFailed>) -> Result<Items<u64, ChaosError>, ChaosError> {
        Ok(Items::new(numbers.map(|number| Ok(number? * 2))))
    }

    fn note(&self, _: u64) {}
}
