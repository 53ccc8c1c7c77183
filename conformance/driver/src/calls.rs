//! Calls of the driver: begun at once and in order, each then watched by a thread of its own.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use plugline_host::{CallFuture, CallOptions, Canceller, Error, Input, OutputStream, Progress};
use serde_json::{Value, json};

use crate::answers::{Answers, failure};
use crate::plugins::Held;
use crate::{Board, handle, refused};

const TIMEOUT_MS: u64 = 30_000;

/// What a running call may be told.
pub(crate) struct Handle {
    cancelled: AtomicBool,
    reason: OnceLock<String>,
    canceller: OnceLock<Canceller>,
    /// Who waits for a call that is not sent yet.
    waiter: OnceLock<Thread>,
    /// How many items the consumer may still take; `None` is as many as come.
    allowed: Mutex<Option<u64>>,
    changed: Condvar,
    input: Option<Sender<Feed>>,
}

/// What goes into a call's input, with the command to be answered.
pub(crate) enum Feed {
    Items(u64, Vec<Value>),
    End(u64),
}

impl Handle {
    fn allowed(&self) -> MutexGuard<'_, Option<u64>> {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cancel(&self, reason: Option<&str>) {
        if let Some(reason) = reason {
            self.reason.get_or_init(|| reason.to_owned());
        }
        self.allow(None);
        self.cancelled.store(true, Ordering::Release);
        self.pass_on();
        self.waiter.get().iter().for_each(|waiter| waiter.unpark());
    }

    /// Cancels the call where it was sent, once.
    fn pass_on(&self) {
        if let Some(canceller) = self.canceller.get()
            && self.cancelled.swap(false, Ordering::AcqRel)
        {
            canceller.cancel(self.reason.get().map(String::as_str));
        }
    }

    fn sent(&self, canceller: Canceller) {
        self.canceller.get_or_init(|| canceller);
        self.pass_on();
    }

    /// Lets the consumer take so many more.
    pub(crate) fn allow(&self, more: Option<u64>) {
        let mut allowed = self.allowed();
        *allowed = more.map(|more| allowed.unwrap_or_default() + more);
        self.changed.notify_all();
    }

    /// Waits until the consumer may take an item, and counts it.
    fn take(&self) {
        let allowed = self.changed.wait_while(self.allowed(), |allowed| *allowed == Some(0));
        if let Some(left) = allowed.unwrap_or_else(PoisonError::into_inner).as_mut() {
            *left -= 1;
        }
    }

    pub(crate) fn feed(&self, feed: Feed) -> Result<(), Value> {
        let over = || refused("closed", "the call takes no more input");
        let input = self.input.as_ref().ok_or_else(|| refused("invalid_request", "the call has no input"))?;
        input.send(feed).map_err(|_| over())
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn call(board: &Arc<Board>, answers: &Arc<Answers>, seq: u64, command: &Value, held: &Arc<Held>) {
    let plugin = match held.handle() {
        Ok(plugin) => plugin,
        Err(fault) => return answers.err(seq, fault),
    };
    let method = command["method"].as_str().unwrap_or_default().to_owned();
    let params = command.get("params").cloned().unwrap_or_else(|| json!({}));
    let options = match command.get("timeout_ms").map(Value::as_u64) {
        Some(None) => CallOptions::no_timeout(),
        given => CallOptions::timeout(Duration::from_millis(given.flatten().unwrap_or(TIMEOUT_MS))),
    };
    let shown = command["output"] == true;
    let output = shown || command["output"] == "discard";
    // What is fed before the call is sent waits here.
    let (feeder, feeds) = channel();
    let feeds = (command["input"] == true).then_some(feeds);
    let handle = Arc::new(Handle {
        cancelled: AtomicBool::new(false),
        reason: OnceLock::new(),
        canceller: OnceLock::new(),
        waiter: OnceLock::new(),
        allowed: Mutex::new(command["take"].as_u64()),
        changed: Condvar::new(),
        input: feeds.as_ref().map(|_| feeder),
    });
    board.calls().insert(seq, Arc::clone(&handle));
    held.open.fetch_add(1, Ordering::AcqRel);
    // Without streams, sending never waits: it is done here, so that calls go in the order of their commands.
    let plain = (!output && feeds.is_none()).then(|| plugin.call_async(&method, &params, options));
    let (board, answers, held) = (Arc::clone(board), Arc::clone(answers), Arc::clone(held));
    std::thread::spawn(move || {
        let outcome = match plain {
            Some(future) => {
                drop(plugin);
                wait(future, &handle, &answers, seq)
            }
            None => streams(
                plugin,
                &method,
                &params,
                options,
                &handle,
                &answers,
                seq,
                Streams { output, shown, feeds },
            ),
        };
        board.calls().remove(&seq);
        held.open.fetch_sub(1, Ordering::AcqRel);
        match outcome {
            Ok(result) => answers.ok(seq, json!({"result": result})),
            Err(fault) => answers.err(seq, fault),
        }
    });
}

fn progress(answers: &Arc<Answers>, seq: u64) -> impl FnMut(Progress) + Send + 'static {
    let answers = Arc::clone(answers);
    move |progress| {
        let mut told = json!({"progress": progress.progress});
        if let Some(total) = progress.total {
            told["total"] = json!(total);
        }
        if let Some(message) = progress.message {
            told["message"] = message.into();
        }
        answers.say(&json!({"seq": seq, "progress": told}));
    }
}

fn wait(
    future: CallFuture<Value>,
    handle: &Handle,
    answers: &Arc<Answers>,
    seq: u64,
) -> Result<Value, Value> {
    let mut future = pin!(future.on_progress(progress(answers, seq)));
    handle.waiter.get_or_init(std::thread::current);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return outcome.map_err(|error| failure(&error));
        }
        match future.canceller() {
            Some(canceller) => handle.sent(canceller),
            // Nothing was sent, and nothing will be once the future is dropped.
            None if handle.cancelled.load(Ordering::Acquire) => {
                return Err(refused("cancelled", "the call was cancelled before it was sent"));
            }
            None => {}
        }
        std::thread::park();
    }
}

/// Which streams a call has.
struct Streams {
    output: bool,
    /// The runner wants to see the items.
    shown: bool,
    feeds: Option<Receiver<Feed>>,
}

#[expect(clippy::too_many_arguments, reason = "one call, as it was commanded")]
fn streams(
    plugin: handle::Handle,
    method: &str,
    params: &Value,
    options: CallOptions,
    handle: &Arc<Handle>,
    answers: &Arc<Answers>,
    seq: u64,
    streams: Streams,
) -> Result<Value, Value> {
    let failed = |error: Error| failure(&error);
    let Streams { output, shown, feeds } = streams;
    if !output {
        let (input, call) = plugin.begin_with_input(method, params, options).map_err(failed)?;
        drop(plugin);
        handle.sent(call.canceller());
        take_in(input, feeds, answers);
        let result = call.wait_with_progress(progress(answers, seq)).map_err(failed)?;
        return Ok(serde_json::from_str(result.get()).unwrap_or_default());
    }
    let stream: OutputStream<Value, Value> = if feeds.is_some() {
        let (input, stream) = plugin.stream_with_input(method, params, options).map_err(failed)?;
        take_in(input, feeds, answers);
        stream
    } else {
        plugin.stream(method, params, options).map_err(failed)?
    };
    drop(plugin);
    consume(stream, handle, answers, seq, shown).map_err(failed)
}

fn consume(
    mut stream: OutputStream<Value, Value>,
    handle: &Handle,
    answers: &Arc<Answers>,
    seq: u64,
    shown: bool,
) -> Result<Value, Error> {
    handle.sent(stream.canceller());
    loop {
        handle.take();
        match stream.next_with_progress(progress(answers, seq)) {
            None => return stream.finish(),
            Some(item) => {
                let item = item?;
                if shown {
                    answers.say(&json!({"seq": seq, "item": item}));
                }
            }
        }
    }
}

/// Sends what the runner feeds, in order; each command is answered when its last item is written.
fn take_in(input: Input<Value>, feeds: Option<Receiver<Feed>>, answers: &Arc<Answers>) {
    let answers = Arc::clone(answers);
    std::thread::spawn(move || {
        let mut input = Some(input);
        for feed in feeds.into_iter().flatten() {
            let (seq, sent) = match (feed, &input) {
                (Feed::Items(seq, items), Some(input)) => (seq, input.send_all(&items)),
                (Feed::End(seq), Some(_)) => (seq, input.take().map_or(Ok(()), Input::finish)),
                (Feed::Items(seq, _) | Feed::End(seq), None) => {
                    answers.err(seq, refused("closed", "the input has ended"));
                    continue;
                }
            };
            match sent {
                Ok(()) => answers.ok(seq, json!({})),
                Err(error) => answers.err(seq, failure(&error)),
            }
        }
    });
}
