//! A typed call beside the same call written by hand, over the same engine, with the same types: what a contract costs.
//!
//! Criterion measures each alone. Then the two are made in turns, so that whatever else the machine does happens to both,
//! and what the typed one costs more is printed; above [`ALLOWED`] this ends with 1.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use plugline_benches_driver::{User, UserId, einstein};
use plugline_protocol::peer::{CallError, RequestOptions};
use plugline_sdk::testing::{Harness, Running};
use plugline_sdk::{Call, CallFailed, Context, ContractError, Error, Method, Plugin, contract, error};
use serde::{Deserialize, Serialize};

/// The smallest part of the `users` contract.
#[contract(name = "users", version = "1.0.0")]
trait Users: Send + Sync {
    /// Finds one user by id.
    #[idempotent]
    fn get_user(&self, id: &UserId) -> Result<User, UsersError>;

    /// The same, for a caller that may cancel it.
    #[idempotent]
    fn get_user_within(&self, context: &Context, id: &UserId) -> Result<User, UsersError>;
}

#[derive(Debug, thiserror::Error, ContractError)]
enum UsersError {
    #[error("no such user")]
    #[code(1)]
    NotFound,
    #[error(transparent)]
    Call(#[from] CallFailed),
}

struct One;

impl Users for One {
    fn get_user(&self, id: &UserId) -> Result<User, UsersError> {
        let user = einstein();
        if user.id == *id { Ok(user) } else { Err(UsersError::NotFound) }
    }

    fn get_user_within(&self, context: &Context, id: &UserId) -> Result<User, UsersError> {
        context.check()?;
        self.get_user(id)
    }
}

/// The params as whoever writes them by hand does.
#[derive(Serialize)]
struct Sent<'a> {
    id: &'a UserId,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Taken {
    id: UserId,
}

fn by_hand() -> Running {
    let plugin = Plugin::new("bench", "1.0.0").provides("users", "1.0.0").method(Method::new(
        "users.get_user",
        |(): &(), Taken { id }: Taken, _: &Call| {
            One.get_user(&id).map_err(|_| -> Error { error(1, "no such user", None) })
        },
    ));
    Harness::new().start(plugin).expect("a plugin within this process")
}

fn by_contract() -> Running {
    let plugin = Plugin::configured("bench", "1.0.0", |_: serde_json::Value| Ok::<_, String>(One))
        .contract(UsersContract);
    Harness::new().start(plugin).expect("a plugin within this process")
}

fn get_user(running: &Running, id: &UserId) -> Result<User, CallError> {
    // What the client of the harness waits at most.
    let options = RequestOptions::timeout(std::time::Duration::from_secs(10));
    running.connection().request("users.get_user", &Sent { id }, options)?.wait_as()
}

fn contract(criterion: &mut Criterion) {
    let einstein = einstein();
    let mut group = criterion.benchmark_group("contract");
    let (hand, typed) = (by_hand(), by_contract());
    let client: UsersClient = typed.client();
    group.bench_function("by hand", |bencher| {
        bencher.iter(|| black_box(get_user(&hand, &einstein.id).expect("an answer")));
    });
    group.bench_function("by contract", |bencher| {
        bencher.iter(|| black_box(client.get_user(&einstein.id).expect("an answer")));
    });
    group.bench_function("by contract, with a context", |bencher| {
        let context = Context::new();
        bencher.iter(|| black_box(client.get_user_within(&context, &einstein.id).expect("an answer")));
    });
    // The same without the way there and back.
    let here = <UsersClient as plugline_sdk::Client>::of(std::sync::Arc::new(One));
    group.bench_function("in this process", |bencher| {
        bencher.iter(|| black_box(here.get_user(&einstein.id).expect("an answer")));
    });
    group.finish();
}

/// How much more a typed call may cost.
const ALLOWED: f64 = 0.10;
/// So many turns, of so many calls each.
const TURNS: usize = 400;
const CALLS: u32 = 250;

/// How long a call of either kind takes, and how much more the second: the middle of what it was in each turn.
fn costs_more(mut first: impl FnMut(), mut second: impl FnMut()) -> (Duration, Duration, f64) {
    let time = |call: &mut dyn FnMut()| {
        let begun = Instant::now();
        (0..CALLS).for_each(|_| call());
        begun.elapsed().as_secs_f64()
    };
    let mut turns: Vec<(f64, f64)> = Vec::new();
    for turn in 0..TURNS {
        // Whoever comes second finds the caches warm.
        if turn % 2 == 0 {
            let first = time(&mut first);
            turns.push((first, time(&mut second)));
        } else {
            let second = time(&mut second);
            turns.push((time(&mut first), second));
        }
    }
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let each = |seconds: Vec<f64>| Duration::from_secs_f64(middle(seconds)) / CALLS;
    let more = turns.iter().map(|(first, second)| second / first - 1.0).collect();
    let (first, second) = turns.into_iter().unzip();
    (each(first), each(second), middle(more))
}

fn main() -> ExitCode {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // `cargo test --benches` asks whether it runs, and not how fast.
    if std::env::args().any(|word| word == "--test" || word == "--list") {
        return ExitCode::SUCCESS;
    }
    let einstein = einstein();
    let (hand, typed) = (by_hand(), by_contract());
    let client: UsersClient = typed.client();
    let (hand, typed, more) = costs_more(
        || drop(black_box(get_user(&hand, &einstein.id).expect("an answer"))),
        || drop(black_box(client.get_user(&einstein.id).expect("an answer"))),
    );
    let (percent, allowed) = (more * 100.0, ALLOWED * 100.0);
    println!(
        "by hand {hand:.2?}, by contract {typed:.2?}: {percent:+.1} %, of {allowed:+.0} % that it may be"
    );
    if more > ALLOWED { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

criterion_group!(benches, contract);
