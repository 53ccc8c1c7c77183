//! An executor of a few lines, and hundreds of tasks on it that call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use plugline_host::{CallOptions, Kind, Plugin};

use super::calls::{Add, Shared, Sum};
use super::open::Opened;
use super::random::Random;
use crate::support::PATIENCE;

/// Tells the executor which task to poll.
struct Ready {
    task: usize,
    ready: Sender<usize>,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        // The executor may be gone, and the call with it.
        let _gone = self.ready.send(self.task);
    }
}

struct Task<'a> {
    call: Pin<Box<plugline_host::CallFuture<Sum>>>,
    opened: Opened<'a>,
    add: Add,
    within: Duration,
    may: &'static [Kind],
}

/// So many calls at once, each awaited by a task of its own; some are dropped, some cancelled, some in a hurry.
pub(super) fn run(shared: &Shared, plugin: &Plugin, random: &mut Random, count: usize) {
    let (ready, to_poll) = channel();
    let mut tasks: Vec<Option<Task<'_>>> = Vec::with_capacity(count);
    for task in 0..count {
        let add = Add::new(random, 500);
        let hurry = random.one_in(8);
        let within = if hurry { Duration::from_micros(random.skewed(20_000)) } else { PATIENCE };
        let opened = shared.open.begin("task");
        let call = Box::pin(plugin.call_async("stress.add", &add, CallOptions::timeout(within)));
        let may: &[Kind] = if hurry { &[Kind::Timeout, Kind::Cancelled] } else { &[Kind::Cancelled] };
        tasks.push(Some(Task { call, opened, add, within, may }));
        ready.send(task).unwrap();
    }
    let mut left = count;
    while left > 0 {
        // One that is never woken is seen by who watches what is open.
        let number = to_poll.recv().unwrap();
        if random.one_in(50) {
            // Of some other.
            match &mut tasks[usize::try_from(random.below(count as u64)).unwrap()] {
                Some(task) if random.one_in(2) => {
                    task.call.canceller().iter().for_each(|canceller| canceller.cancel(None));
                }
                other => {
                    if let Some(task) = other.take() {
                        drop(task.call);
                        task.opened.end("dropped", task.within);
                        left -= 1;
                    }
                }
            }
        }
        let Some(task) = &mut tasks[number] else { continue };
        let waker = Waker::from(Arc::new(Ready { task: number, ready: ready.clone() }));
        if let Poll::Ready(outcome) = task.call.as_mut().poll(&mut Context::from_waker(&waker)) {
            let Task { opened, add, within, may, .. } = tasks[number].take().unwrap();
            if let Some(sum) = shared.end(opened, within, outcome, may) {
                add.check(&sum);
            }
            left -= 1;
        }
    }
}
