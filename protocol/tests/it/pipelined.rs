//! Calls that tasks await, and many calls from one thread.

use std::future::Future as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use futures::executor::{LocalPool, block_on};
use futures::future::{join, join_all};
use futures::task::LocalSpawnExt as _;
use plugline_protocol::peer::{Call, CallError, CallFuture, Handler, Kind, RequestOptions};
use plugline_protocol::wire::{Error, error};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::ends::{End, PATIENCE, both, in_flight, patient};

fn echo() -> Handler {
    Handler::new(|params: Value, _: &Call| Ok::<_, Error>(params))
}

/// A handler that waits until it is cancelled, and says so.
fn until_cancelled() -> (Handler, crossbeam_channel::Receiver<()>) {
    let (sender, cancelled) = bounded(1000);
    let handler = Handler::new(move |(): (), call: &Call| {
        let ended = call.sleep(Duration::from_secs(60));
        sender.send(()).unwrap();
        ended
    });
    (handler, cancelled)
}

fn kind<R: std::fmt::Debug>(result: Result<R, CallError>) -> Kind {
    result.unwrap_err().kind()
}

#[test]
fn tasks_wait_for_places_without_blocking_their_thread() {
    let (host, _plugin) =
        both(End::host().remote(in_flight(3)), End::plugin().limits(in_flight(3)).on("t.echo", echo()));
    let mut pool = LocalPool::new();
    let done = Arc::new(AtomicU64::new(0));
    for number in 0..500_u64 {
        let call = host.connection.call_async::<Value>("t.echo", &json!({"n": number}), patient());
        let done = Arc::clone(&done);
        let task = async move {
            assert_eq!(call.await.unwrap(), json!({"n": number}));
            done.fetch_add(1, Ordering::Relaxed);
        };
        pool.spawner().spawn_local(task).unwrap();
    }
    pool.run();
    assert_eq!(done.load(Ordering::Relaxed), 500);
    assert_eq!(host.connection.unanswered(), 0);
}

#[test]
fn tasks_and_threads_call_at_once() {
    let (host, _plugin) = both(End::host(), End::plugin().on("t.echo", echo()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..500 {
                    assert_eq!(host.call("t.echo", &json!({"n": number})).unwrap()["n"], number);
                }
            });
            scope.spawn(|| {
                for number in 0..500 {
                    let call =
                        host.connection.call_async::<Value>("t.echo", &json!({"n": number}), patient());
                    assert_eq!(block_on(call).unwrap()["n"], number);
                }
            });
        }
    });
}

#[test]
fn a_task_has_a_deadline_sent_or_not() {
    let (hold, cancelled) = until_cancelled();
    let (host, _plugin) = both(
        End::host().remote(in_flight(1)).unanswered(Duration::from_secs(60)),
        End::plugin().limits(in_flight(1)).on("t.hold", hold).on("t.echo", echo()),
    );
    let short = || RequestOptions::timeout(Duration::from_millis(50));
    let first = host.connection.call_async::<Value>("t.hold", &(), short());
    let second = host.connection.call_async::<Value>("t.echo", &(), short());
    let (first, second) = block_on(join(first, second));
    assert_eq!((kind(first), kind(second)), (Kind::Timeout, Kind::Timeout));
    cancelled.recv().unwrap();
}

/// Wakes nobody, as an executor that is gone may.
struct Broken;

impl Wake for Broken {
    fn wake(self: Arc<Self>) {
        panic!("the executor is gone");
    }
}

/// Says so when it is woken.
struct Told(Sender<()>);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        // The test may be over.
        let _unheard = self.0.try_send(());
    }
}

#[track_caller]
fn expect_pending<R: DeserializeOwned>(
    call: Pin<&mut CallFuture<R>>,
    waker: impl Wake + Send + Sync + 'static,
) {
    let waker = Waker::from(Arc::new(waker));
    assert!(call.poll(&mut Context::from_waker(&waker)).is_pending());
}

#[test]
fn a_waker_that_panics_puts_off_no_deadline_of_others() {
    let (host, _raw) = End::host().against_raw();
    let call = |millis| {
        let options = RequestOptions::timeout(Duration::from_millis(millis));
        host.connection.call_async::<()>("t.never", &json!({}), options)
    };
    let (mut first, mut second) = (pin!(call(10)), pin!(call(20)));
    let (told, is_told) = bounded(1);
    expect_pending(first.as_mut(), Broken);
    expect_pending(second.as_mut(), Told(told));
    is_told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(kind(block_on(second)), Kind::Timeout);
    assert_eq!(kind(block_on(first)), Kind::Timeout);
}

#[test]
fn a_waker_that_panics_keeps_no_answer_from_others() {
    let (host, mut raw) = End::host().against_raw();
    let call = || host.connection.call_async::<u32>("t.two", &json!({}), patient());
    let (mut first, mut second) = (pin!(call()), pin!(call()));
    let (told, is_told) = bounded(1);
    expect_pending(first.as_mut(), Broken);
    expect_pending(second.as_mut(), Told(told));
    let answer = |id| format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "result": id}));
    raw.send_bytes(format!("{}{}", answer(0), answer(1)).as_bytes());
    is_told.recv_timeout(PATIENCE).unwrap();
    assert_eq!((block_on(first).unwrap(), block_on(second).unwrap()), (0, 1));
}

#[test]
fn a_handler_that_runs_where_it_was_read_does_not_keep_what_came_before_from_a_task() {
    let (open, opened) = bounded::<()>(0);
    let handler = Handler::new(move |(): (), _: &Call| {
        opened.recv_timeout(PATIENCE).map_err(|_| error::internal("never opened"))
    });
    let (host, mut raw) = End::host().on("t.wait", handler).against_raw();
    let mut call = pin!(host.connection.call_async::<u32>("t.two", &json!({}), patient()));
    let (told, is_told) = bounded(1);
    expect_pending(call.as_mut(), Told(told));
    raw.line();
    let answer = json!({"jsonrpc": "2.0", "id": 0, "result": 2});
    let callback = json!({"jsonrpc": "2.0", "id": 0, "method": "t.wait", "params": {}});
    raw.send_bytes(format!("{answer}\n{callback}\n").as_bytes());
    is_told.recv_timeout(PATIENCE / 2).unwrap();
    assert_eq!(block_on(call).unwrap(), 2);
    open.send(()).unwrap();
    raw.expect_result(0, &Value::Null);
}

#[test]
fn dropping_a_future_cancels_its_call() {
    let (hold, cancelled) = until_cancelled();
    let (host, _plugin) = both(End::host(), End::plugin().on("t.hold", hold));
    let mut call = host.connection.call_async::<Value>("t.hold", &(), patient());
    // Awaited once, so that it is registered everywhere.
    assert!(block_on(async { futures::poll!(&mut call) }).is_pending());
    drop(call);
    cancelled.recv().unwrap();
}

#[test]
fn a_future_that_is_dropped_leaves_its_place_in_the_queue_to_the_next() {
    let (hold, cancelled) = until_cancelled();
    let (host, _plugin) = both(
        End::host().remote(in_flight(1)),
        End::plugin().limits(in_flight(1)).on("t.hold", hold).on("t.echo", echo()),
    );
    let mut holding = host.connection.call_async::<Value>("t.hold", &(), patient());
    let mut dropped = host.connection.call_async::<Value>("t.echo", &(), patient());
    let mut waiting = host.connection.call_async::<Value>("t.echo", &json!({"n": 1}), patient());
    block_on(async {
        assert!(futures::poll!(&mut holding).is_pending());
        assert!(futures::poll!(&mut dropped).is_pending());
        assert!(futures::poll!(&mut waiting).is_pending());
    });
    holding.canceller().unwrap().cancel(None);
    assert_eq!(kind(block_on(holding)), Kind::Cancelled);
    cancelled.recv().unwrap();
    // By now `dropped` may have been told of the place.
    drop(dropped);
    assert_eq!(block_on(waiting).unwrap(), json!({"n": 1}));
}

#[test]
fn a_place_that_came_too_late_for_one_is_told_to_the_next() {
    let late = Duration::from_millis(200);
    let (hold, _cancelled) = until_cancelled();
    let (host, _plugin) = both(
        End::host().remote(in_flight(1)),
        End::plugin().limits(in_flight(1)).on("t.hold", hold).on("t.echo", echo()),
    );
    let mut holding = host.connection.call_async::<Value>("t.hold", &(), patient());
    let mut first = host.connection.call_async::<Value>("t.echo", &(), RequestOptions::timeout(late));
    let asked = std::time::Instant::now();
    block_on(async {
        assert!(futures::poll!(&mut holding).is_pending());
        assert!(futures::poll!(&mut first).is_pending());
    });
    let mut next = host.connection.call_async::<Value>("t.echo", &json!({"n": 1}), patient());
    let (sender, waits) = bounded(1);
    let next = std::thread::spawn(move || {
        block_on(async {
            assert!(futures::poll!(&mut next).is_pending());
            sender.send(()).unwrap();
            next.await
        })
    });
    waits.recv().unwrap();
    holding.canceller().unwrap().cancel(None);
    assert_eq!(kind(block_on(holding)), Kind::Cancelled);
    // The first was told of the place, and comes back to it when its own time is over.
    std::thread::sleep(late.saturating_sub(asked.elapsed()));
    assert_eq!(kind(block_on(first)), Kind::Timeout);
    assert_eq!(next.join().unwrap().unwrap(), json!({"n": 1}));
}

#[test]
fn progress_comes_to_the_task() {
    let climb = Handler::new(|(): (), call: &Call| {
        for step in 0..10 {
            call.progress(f64::from(step), None, None);
        }
        Ok::<_, Error>(())
    });
    let (host, _plugin) = both(End::host(), End::plugin().on("t.climb", climb));
    let (sender, seen) = bounded(100);
    let call = host.connection.call_async::<()>("t.climb", &(), patient());
    block_on(call.on_progress(move |progress| sender.send(progress.progress).unwrap())).unwrap();
    assert_eq!(seen.iter().collect::<Vec<_>>(), (0..10).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn what_was_not_sent_before_the_end_is_given_back() {
    let (hold, _cancelled) = until_cancelled();
    let (host, _plugin) =
        both(End::host().remote(in_flight(1)), End::plugin().limits(in_flight(1)).on("t.hold", hold));
    let call = |n, options| host.connection.call_async::<Value>("t.hold", &json!({"n": n}), options);
    let (mut sent, mut late) = (call(0, patient()), call(1, RequestOptions::timeout(Duration::ZERO)));
    let mut waiting = call(2, patient()).on_progress(drop);
    assert!(block_on(async { futures::poll!(&mut waiting) }).is_pending());
    assert_eq!(kind(block_on(&mut late)), Kind::Timeout);
    host.connection.shut();
    let mut never = call(3, patient());
    for call in [&mut sent, &mut waiting, &mut never] {
        assert_eq!(kind(block_on(call)), Kind::Closed);
    }
    assert!(sent.take_unsent().is_none(), "something may have come of it");
    assert!(late.take_unsent().is_none(), "its time is over");
    let (params, progress) = waiting.take_unsent().unwrap();
    assert_eq!((params.get(), progress.is_some()), (r#"{"n":2}"#, true));
    assert_eq!(never.take_unsent().unwrap().0.get(), r#"{"n":3}"#);
    assert!(never.take_unsent().is_none(), "once");
}

#[test]
fn tasks_are_told_of_the_end() {
    let (hold, _cancelled) = until_cancelled();
    let (host, plugin) =
        both(End::host().remote(in_flight(1)), End::plugin().limits(in_flight(1)).on("t.hold", hold));
    let calls = (0..3).map(|_| host.connection.call_async::<Value>("t.hold", &(), patient()));
    let calls: Vec<_> = calls.collect();
    let waiting = std::thread::spawn(move || block_on(join_all(calls)));
    host.connection.shut();
    for outcome in waiting.join().unwrap() {
        assert_eq!(kind(outcome), Kind::Closed);
    }
    drop(plugin);
}

#[test]
fn many_results_come_in_order() {
    let half = Handler::new(|n: Value, _: &Call| match n["n"].as_u64() {
        Some(n) if n % 7 == 3 => Err(error::application(7, "no".to_owned(), None)),
        _ => Ok(n),
    });
    let (host, _plugin) =
        both(End::host().remote(in_flight(5)), End::plugin().limits(in_flight(5)).on("t.half", half));
    let params = (0..200_u64).map(|n| json!({ "n": n }));
    let results = host.connection.call_many::<Value, _>("t.half", params, patient());
    for (n, result) in results.enumerate() {
        match n % 7 {
            3 => assert_eq!(kind(result), Kind::RemoteError),
            _ => assert_eq!(result.unwrap(), json!({ "n": n })),
        }
    }
    // What cannot be sent is the result of that call alone.
    let params = [json!({}), json!([1]), json!({})];
    let results: Vec<_> = host.connection.call_many::<Value, _>("t.half", params, patient()).collect();
    let kinds: Vec<_> = results.into_iter().map(|result| result.map_err(|fault| fault.kind())).collect();
    assert_eq!(kinds, [Ok(json!({})), Err(Kind::InvalidRequest), Ok(json!({}))]);
}

#[test]
fn so_many_of_many_are_under_way_and_no_more_whatever_the_other_side_takes() {
    const MOST: u64 = 4096;
    let (host, raw) = End::host().remote(in_flight(u32::MAX)).against_raw();
    let asked = AtomicU64::new(0);
    let params = (0..100_000).map(|number| {
        asked.fetch_add(1, Ordering::Relaxed);
        json!({ "n": number })
    });
    let soon = RequestOptions::timeout(Duration::ZERO);
    let mut results = host.connection.call_many::<u64, _>("t.never", params, soon);
    assert_eq!(kind(results.next().unwrap()), Kind::Timeout);
    assert!(asked.load(Ordering::Relaxed) <= MOST, "{asked:?}");
    assert_eq!(raw.line()["id"], 0);
}

#[test]
fn dropping_many_cancels_those_under_way() {
    let (hold, cancelled) = until_cancelled();
    let (host, _plugin) = both(End::host(), End::plugin().on("t.hold", hold).on("t.echo", echo()));
    let params = std::iter::once(json!({})).chain(std::iter::repeat_n(json!({}), 3));
    let mut results = host.connection.call_many::<Value, _>(
        "t.hold",
        params,
        RequestOptions::timeout(Duration::from_millis(100)),
    );
    assert_eq!(kind(results.next().unwrap()), Kind::Timeout);
    drop(results);
    for _ in 0..4 {
        cancelled.recv().unwrap();
    }
}
