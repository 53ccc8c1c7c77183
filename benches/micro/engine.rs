//! The engine: both ends of a connection in one process, over pipes, without the cost of starting a process.

use std::borrow::Cow;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plugline_benches::params::{ById, Times};
use plugline_benches_driver::{Fault, User, einstein};
use plugline_protocol::peer::{PendingCall, RequestOptions};
use plugline_sdk::testing::{Harness, Running};
use plugline_sdk::{Call, Error, Method, Notification, Plugin, error};

const WINDOW: usize = 64;
const NOTIFICATIONS: u64 = 1000;

fn start() -> Running {
    let plugin = Plugin::new("bench", "1.0.0")
        .provides("users", "1.0.0")
        .method(Method::new("users.get_user", |(): &(), p: ById<'static>, _: &Call| {
            let user = einstein();
            if user.id == *p.id { Ok::<User, Error>(user) } else { Err(error(1, "no such user", None)) }
        }))
        .notification(Notification::new("users.seen", |(): &(), times: Times| {
            black_box(times.count);
        }));
    Harness::new().start(plugin).expect("a plugin within this process")
}

fn round_trip(criterion: &mut Criterion) {
    let (plugin, einstein) = (start(), einstein());
    let params = ById { id: Cow::Borrowed(&einstein.id) };
    criterion.bench_function("round trip", |bencher| {
        bencher.iter(|| {
            let user: User = plugin.call("users.get_user", &params).expect("an answer");
            assert_eq!(user, einstein);
        });
    });
}

fn pipelined(criterion: &mut Criterion) {
    let (plugin, einstein) = (start(), einstein());
    let params = ById { id: Cow::Borrowed(&einstein.id) };
    let mut group = criterion.benchmark_group("pipelined");
    group.throughput(Throughput::Elements(WINDOW as u64));
    group.bench_function("64 calls at once", |bencher| {
        bencher.iter(|| -> Result<(), Fault> {
            let begin = || plugin.connection().request("users.get_user", &params, RequestOptions::default());
            let calls: Vec<PendingCall> = (0..WINDOW).map(|_| begin()).collect::<Result<_, _>>()?;
            for call in calls {
                assert_eq!(call.wait_as::<User>()?, einstein);
            }
            Ok(())
        });
    });
    group.finish();
}

/// A plugin takes only so many notifications that it has not handled; the call waits for them.
fn one_way(criterion: &mut Criterion) {
    let (plugin, einstein) = (start(), einstein());
    let params = ById { id: Cow::Borrowed(&einstein.id) };
    let mut group = criterion.benchmark_group("notify");
    group.throughput(Throughput::Elements(NOTIFICATIONS));
    group.bench_function("1000 notifications and a call", |bencher| {
        bencher.iter(|| {
            for _ in 0..NOTIFICATIONS {
                plugin.notify("users.seen", &Times { count: 1 }).expect("room");
            }
            plugin.call::<User>("users.get_user", &params).expect("an answer")
        });
    });
    group.finish();
}

criterion_group!(benches, round_trip, pipelined, one_way);
criterion_main!(benches);
