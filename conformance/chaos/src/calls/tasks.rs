//! Calls that are awaited: an executor of a few lines, and tasks on it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};

use plugline_host::{CallFuture, CallOptions, Supervised};
use serde_json::json;

use super::desk::{Begun, Desk, PATIENCE};
use super::ways::load;
use crate::contract::Answer;
use crate::explain::Intent;
use crate::fleet::Member;
use crate::random::Random;

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
    future: Pin<Box<CallFuture<Answer>>>,
    call: Begun<'a>,
    text: String,
}

/// A few calls at once, each awaited by a task of its own. Some are dropped while they are awaited.
pub(super) fn run(desk: &Desk, member: &Member, plugin: &Supervised, random: &mut Random) {
    let (ready, to_poll) = channel();
    let mut tasks: Vec<Option<Task<'_>>> = Vec::new();
    let count = 1 + random.skewed(30);
    for task in 0..count {
        let (text, us) = load(random, 1000);
        let call = desk.begin("awaited call", member, Intent::Result, PATIENCE);
        let params = json!({"id": call.id, "text": text, "us": us / 10});
        let future = plugin.call_async("chaos.echo", &params, CallOptions::timeout(PATIENCE));
        tasks.push(Some(Task { future: Box::pin(future), call, text }));
        let _there = ready.send(usize::try_from(task).unwrap_or(0));
    }
    let mut left = tasks.len();
    while left > 0 {
        // One that is never woken is seen by who looks at what is open.
        let Ok(number) = to_poll.recv() else { return };
        if random.one_in(60)
            && let Some(other) = tasks.iter_mut().find(|task| task.is_some()).and_then(Option::take)
        {
            drop(other.future);
            other.call.dropped();
            left -= 1;
        }
        let Some(task) = &mut tasks[number] else { continue };
        let waker = Waker::from(Arc::new(Ready { task: number, ready: ready.clone() }));
        if let Poll::Ready(outcome) = task.future.as_mut().poll(&mut Context::from_waker(&waker))
            && let Some(Task { call, text, .. }) = tasks[number].take()
        {
            call.answered(outcome, &text);
            left -= 1;
        }
    }
}
