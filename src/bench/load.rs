//! The load: callers in closed loops, and the latencies that they see. It prints nothing but how far it has come.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded, unbounded};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use plugline_host::{CallOptions, OutputStream, Plugin, RunningCall};
use serde_json::value::RawValue;

use crate::failure::Failure;

/// The steps of the bar.
pub(super) const WHOLE: u64 = 1000;
/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// The call that is made again and again.
pub(super) struct Calls<'a> {
    pub(super) plugin: &'a Plugin,
    pub(super) method: &'a str,
    /// As they go into each line.
    pub(super) params: Box<RawValue>,
    pub(super) options: CallOptions,
    /// Whether it may have items, which are taken as they come.
    pub(super) has_output: bool,
}

/// A call under way.
enum UnderWay {
    Plain(RunningCall),
    Output(OutputStream<Box<RawValue>, Box<RawValue>>),
}

impl Calls<'_> {
    fn begin(&self) -> Result<UnderWay, Failure> {
        let Self { plugin, method, params, options, has_output } = self;
        Ok(if *has_output {
            UnderWay::Output(plugin.stream(method, params, *options)?)
        } else {
            UnderWay::Plain(plugin.begin(method, params, *options)?)
        })
    }
}

impl UnderWay {
    /// Waits for the result, which nobody looks into.
    fn wait(self) -> Result<(), Failure> {
        match self {
            Self::Plain(call) => call.wait_with_progress(|_| ())?,
            Self::Output(mut output) => {
                for item in &mut output {
                    item?;
                }
                output.finish()?
            }
        };
        Ok(())
    }
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(super) enum Callers {
    /// Threads that each wait for one result at a time, and a while after it.
    Blocking { callers: usize, think: Duration },
    /// One thread that keeps several calls in flight.
    Pipelined { depth: usize },
}

/// When it ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// No call begins after that time, but each caller makes one.
    Time(Duration),
    Calls(u64),
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Measured {
    /// Of all calls; nanoseconds.
    pub(super) latencies: Histogram<u64>,
    /// From the start of the first call to the last result.
    pub(super) elapsed: Duration,
}

/// Calls until the limit, or until a call fails.
pub(super) fn run(
    calls: &Calls<'_>,
    callers: Callers,
    limit: Limit,
    bar: &ProgressBar,
) -> Result<Measured, Failure> {
    let (go_on, ending) = bounded(1);
    let budget = Budget { limit, begun: AtomicU64::new(0), ending };
    let (told, outcomes) = unbounded();
    thread::scope(|scope| {
        // Before the first of them starts, all are there.
        let gate = bounded(callers.threads());
        for _ in 0..callers.threads() {
            caller(scope, (calls, callers), &budget, gate.1.clone(), told.clone())?;
        }
        drop(told);
        let start = Instant::now();
        for _ in 0..callers.threads() {
            gate.0.send(start).expect("this end has a receiver, too");
        }
        gather(calls.plugin, &outcomes, go_on, || bar.set_position(budget.spent(start))).map(|times| {
            Measured { latencies: times.latencies, elapsed: times.last.saturating_duration_since(start) }
        })
    })
}

/// Starts a caller, who begins when the gate opens, and ends where it never does.
fn caller<'scope>(
    scope: &'scope Scope<'scope, '_>,
    (calls, callers): (&'scope Calls<'_>, Callers),
    budget: &'scope Budget,
    gate: Receiver<Instant>,
    told: Sender<Result<Times, Failure>>,
) -> Result<(), Failure> {
    let work = move || {
        let Ok(start) = gate.recv() else { return };
        // Nobody hears it where an earlier failure is told already.
        let _unheard = told.send(match callers {
            Callers::Blocking { think, .. } => blocking(calls, budget, start, think),
            Callers::Pipelined { depth } => pipelined(calls, budget, start, depth),
        });
    };
    let spawned = thread::Builder::new().name("caller".into()).spawn_scoped(scope, work);
    spawned.map(drop).map_err(|fault| Failure::System(format!("cannot start a caller: {fault}")))
}

/// Waits for all callers. After the first failure no call begins, and the plugin is stopped for those under way
/// not to be waited for to their deadlines.
fn gather(
    plugin: &Plugin,
    outcomes: &Receiver<Result<Times, Failure>>,
    go_on: Sender<()>,
    tick: impl Fn(),
) -> Result<Times, Failure> {
    let mut all = Times::since(Instant::now());
    loop {
        match outcomes.recv_timeout(TICK) {
            Ok(Ok(times)) => all.add(&times),
            Ok(Err(fault)) => {
                drop(go_on);
                plugin.stop();
                return Err(fault);
            }
            Err(RecvTimeoutError::Timeout) => tick(),
            Err(RecvTimeoutError::Disconnected) => return Ok(all),
        }
    }
}

/// What one caller saw.
struct Times {
    latencies: Histogram<u64>,
    /// When its last result came.
    last: Instant,
}

impl Times {
    fn since(start: Instant) -> Self {
        Self { latencies: Histogram::new(3).expect("there are histograms of three digits"), last: start }
    }

    /// A call has its result.
    fn record(&mut self, begun: Instant) {
        self.last = Instant::now();
        let latency = self.last.saturating_duration_since(begun).as_nanos();
        let latency = u64::try_from(latency).unwrap_or(u64::MAX);
        self.latencies.record(latency).expect("it grows to whatever is recorded");
    }

    fn add(&mut self, other: &Self) {
        self.latencies.add(&other.latencies).expect("it grows to whatever is added");
        self.last = self.last.max(other.last);
    }
}

/// What the callers have in common.
struct Budget {
    limit: Limit,
    /// How many calls were begun, where they are counted.
    begun: AtomicU64,
    /// Closed when a call has failed.
    ending: Receiver<()>,
}

impl Budget {
    /// Whether its caller is to make another call.
    fn takes(&self, start: Instant, times: &Times, made: u64) -> bool {
        if self.ending.try_recv() == Err(TryRecvError::Disconnected) {
            return false;
        }
        match self.limit {
            Limit::Time(_) if made == 0 => true,
            Limit::Time(time) => times.last.saturating_duration_since(start) < time,
            Limit::Calls(calls) => self.begun.fetch_add(1, Ordering::Relaxed) < calls,
        }
    }

    /// Waits, but not beyond the end; whether time is left.
    fn think(&self, start: Instant, think: Duration) -> bool {
        let left = match self.limit {
            Limit::Time(time) => time.saturating_sub(start.elapsed()),
            Limit::Calls(_) => Duration::MAX,
        };
        self.ending.recv_timeout(think.min(left)) == Err(RecvTimeoutError::Timeout) && think < left
    }

    /// How much of it is spent, of the [`WHOLE`].
    fn spent(&self, start: Instant) -> u64 {
        let share = match self.limit {
            Limit::Time(time) => start.elapsed().as_secs_f64() / time.as_secs_f64(),
            Limit::Calls(calls) => self.begun.load(Ordering::Relaxed) as f64 / calls as f64,
        };
        (share.min(1.0) * WHOLE as f64) as u64
    }
}

fn blocking(calls: &Calls<'_>, budget: &Budget, start: Instant, think: Duration) -> Result<Times, Failure> {
    let mut times = Times::since(start);
    let mut made = 0;
    while budget.takes(start, &times, made) {
        if made > 0 && !think.is_zero() && !budget.think(start, think) {
            break;
        }
        let begun = Instant::now();
        calls.begin()?.wait()?;
        times.record(begun);
        made += 1;
    }
    Ok(times)
}

/// Waits for the oldest call, then begins another.
fn pipelined(calls: &Calls<'_>, budget: &Budget, start: Instant, depth: usize) -> Result<Times, Failure> {
    let mut times = Times::since(start);
    let mut made = 0;
    let mut under_way = VecDeque::with_capacity(depth);
    loop {
        while under_way.len() < depth && budget.takes(start, &times, made) {
            made += 1;
            let begun = Instant::now();
            under_way.push_back((begun, calls.begin()?));
        }
        let Some((begun, call)) = under_way.pop_front() else { return Ok(times) };
        call.wait()?;
        times.record(begun);
    }
}

impl Callers {
    fn threads(self) -> usize {
        match self {
            Self::Blocking { callers, .. } => callers,
            Self::Pipelined { .. } => 1,
        }
    }
}
