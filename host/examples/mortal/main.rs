//! A plugin for the tests of supervision. Its environment says what it is like:
//!
//! - `MORTAL_NAME`: its version; `MORTAL_INSTANCES=many`: several of its processes may serve; `MORTAL_IN_FLIGHT`: how many
//!   calls it takes at once.
//! - `MORTAL_PIDS`: a file that gets its process id; `MORTAL_COUNTS`: one that gets how many calls it counted, as it ends.
//! - `MORTAL_LOCK`: a file that it locks as long as it lives; where another has it, it ends with status 9.
//! - `MORTAL_WAIT`: a file that has to be there before it shakes hands; `MORTAL_FAIL`: one that keeps it from starting.
//! - `MORTAL_REFUSE`: why it declines.
//! - `MORTAL_LEAVE`: a file that has to be there before it ends; another with `.awaited` to its name says that it waits.

mod contract;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugline_sdk::{CallFailed, Context, Instances, Items, Limits, Plugin, Refusal};
use serde_json::Value;

use contract::{Mortal, MortalContract, MortalHost, MortalHostClient, MortalHostContract};

/// How many calls were counted.
static COUNTED: AtomicU64 = AtomicU64::new(0);

struct Life {
    name: String,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(format!("MORTAL_{name}")).ok()
}

fn append(file: &str, line: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(file).expect("the test made its folder");
    file.write_all(format!("{line}\n").as_bytes()).expect("there is room for a line");
}

fn wait_for(file: &str, go_on: impl Fn() -> Result<(), CallFailed>) -> Result<(), CallFailed> {
    while !Path::new(file).exists() {
        go_on()?;
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Whether this is the first time; it leaves a line each time.
fn is_first(file: &str) -> bool {
    append(file, "here");
    std::fs::read_to_string(file).is_ok_and(|lines| lines.lines().count() == 1)
}

fn leave(status: i32, words: &str) -> ! {
    eprintln!("{words}");
    std::process::exit(status);
}

impl Mortal for Life {
    fn count(&self, n: u64) -> Result<u64, CallFailed> {
        COUNTED.fetch_add(1, Ordering::Relaxed);
        Ok(n)
    }

    fn look(&self, n: u64) -> Result<u64, CallFailed> {
        Ok(n)
    }

    fn pid(&self) -> Result<u32, CallFailed> {
        Ok(std::process::id())
    }

    fn name(&self) -> Result<String, CallFailed> {
        Ok(self.name.clone())
    }

    fn hold(&self, context: &Context, file: &str) -> Result<u32, CallFailed> {
        wait_for(file, || context.check())?;
        Ok(std::process::id())
    }

    fn left(&self, context: &Context) -> Result<Option<u64>, CallFailed> {
        let left = context.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        Ok(left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)))
    }

    fn leave(&self, status: i32, words: &str) -> Result<(), CallFailed> {
        leave(status, words)
    }

    fn leave_once(&self, file: &str) -> Result<String, CallFailed> {
        if is_first(file) { leave(4, "the first time") } else { Ok("the second time".into()) }
    }

    fn leave_once_only(&self, file: &str) -> Result<String, CallFailed> {
        self.leave_once(file)
    }

    fn call_and_leave_once(&self, context: &Context, file: &str) -> Result<String, CallFailed> {
        context.client::<MortalHostClient>()?.seen(7)?;
        self.leave_once(file)
    }

    fn items_and_leave_once(&self, file: &str, items: u64) -> Result<Items<u64, CallFailed>, CallFailed> {
        let (first, seen) = (is_first(file), format!("{file}.seen"));
        let mut next = 0;
        Ok(Items::new(std::iter::from_fn(move || {
            next += 1;
            if first && next > items {
                if items > 0 {
                    wait_for(&seen, || Ok(())).ok()?;
                }
                leave(4, "the first time");
            }
            (next <= 3).then_some(Ok(next))
        })))
    }

    fn call_later(&self, context: &Context) -> Result<(), CallFailed> {
        let host: MortalHostClient = context.client()?;
        std::thread::spawn(move || host.seen(8));
        Ok(())
    }
}

fn main() -> ExitCode {
    if let Some(file) = variable("PIDS") {
        append(&file, &std::process::id().to_string());
    }
    let _lock = variable("LOCK").map(|path| {
        let file = File::create(path).expect("the test made its folder");
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => file,
            Err(_) => leave(9, "another one serves"),
        }
    });
    if variable("FAIL").is_some_and(|file| Path::new(&file).exists()) {
        let _ready = variable("WAIT").map(|file| wait_for(&file, || Ok(())));
        leave(3, "it cannot start");
    }
    let name = variable("NAME").unwrap_or_else(|| "1.0.0".into());
    let instances = variable("INSTANCES").map_or(Instances::One, |_| Instances::Many);
    let mut limits = Limits::default();
    if let Some(in_flight) = variable("IN_FLIGHT") {
        limits.max_in_flight = in_flight.parse().expect("it is a number");
    }
    let life = name.clone();
    let code = Plugin::configured("mortal", name, move |_: Value| {
        let _ready = variable("WAIT").map(|file| wait_for(&file, || Ok(())));
        if let Some(reason) = variable("REFUSE") {
            return Err(Refusal::Declined(reason));
        }
        Ok(Life { name: life.clone() })
    })
    .contract(MortalContract)
    .requires_contract(MortalHostContract)
    .instances(instances)
    .limits(limits)
    .serve();
    if let Some(file) = variable("COUNTS") {
        append(&file, &COUNTED.load(Ordering::Relaxed).to_string());
    }
    if let Some(file) = variable("LEAVE") {
        append(&format!("{file}.awaited"), "here");
        wait_for(&file, || Ok(())).expect("nothing cancels it");
    }
    code
}
