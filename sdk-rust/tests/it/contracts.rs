//! Plugins that are put together of contracts, within this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use plugline_sdk::testing::Harness;
use plugline_sdk::{
    Call, CallFailed, Client as _, Context, ContractError, Error, Example, Items, Kind, Method, Plugin,
    contract,
};
use serde_json::{Value, json};

/// Counts.
#[contract(name = "counter", version = "1.0.0")]
trait Counter: Send + Sync {
    /// Adds to what was counted.
    #[notification]
    fn add(&self, count: u32);

    /// What was counted.
    #[idempotent]
    #[example(name = "nothing yet", params = json!({}), result = json!(0))]
    fn total(&self) -> Result<u32, CallFailed>;

    /// Counts on, telling the one who watches.
    fn up(&self, context: &Context, steps: u32) -> Result<Items<u32, CounterError, u32>, CounterError>;
}

/// Says whether it has had enough.
#[contract(name = "watcher", version = "1.0.0")]
trait Watcher: Send + Sync {
    fn has_enough(&self, context: &Context, count: u32) -> Result<bool, CallFailed>;

    #[notification]
    fn watched(&self, count: u32);
}

#[contract(name = "reset", version = "2.1.0")]
trait Reset: Send + Sync {
    fn reset(&self) -> Result<(), Error>;
}

#[derive(Debug, thiserror::Error, ContractError)]
enum CounterError {
    #[error("the watcher had enough at {at}")]
    #[code(1)]
    Enough { at: u32 },
    #[error(transparent)]
    Call(#[from] CallFailed),
}

#[derive(Default)]
struct Count(AtomicU32);

impl Counter for Count {
    fn add(&self, count: u32) {
        self.0.fetch_add(count, Ordering::SeqCst);
    }

    fn total(&self) -> Result<u32, CallFailed> {
        Ok(self.0.load(Ordering::SeqCst))
    }

    fn up(&self, context: &Context, steps: u32) -> Result<Items<u32, CounterError, u32>, CounterError> {
        let watcher: WatcherClient = context.client()?;
        let from = self.0.fetch_add(steps, Ordering::SeqCst);
        let context = context.clone();
        let counted = (from + 1..=from + steps).map(move |count| {
            watcher.watched(count);
            match watcher.has_enough(&context, count)? {
                true => Err(CounterError::Enough { at: count }),
                false => Ok(count),
            }
        });
        Ok(Items::new(counted).with_summary(move || Ok(from + steps)))
    }
}

impl Reset for Count {
    fn reset(&self) -> Result<(), Error> {
        match self.0.swap(0, Ordering::SeqCst) {
            0 => Err(plugline_sdk::error(77, "nobody declared this", Some(json!([1])))),
            _ => Ok(()),
        }
    }
}

/// Has enough at that count.
struct Patience {
    enough: u32,
    seen: Arc<AtomicU32>,
}

impl Watcher for Patience {
    fn has_enough(&self, _: &Context, count: u32) -> Result<bool, CallFailed> {
        assert_eq!(self.seen.load(Ordering::SeqCst), count, "told before it was asked");
        Ok(count >= self.enough)
    }

    fn watched(&self, count: u32) {
        self.seen.store(count, Ordering::SeqCst);
    }
}

fn plugin() -> Plugin<Count> {
    Plugin::configured("counter", "0.1.0", |_: Value| Ok::<_, String>(Count::default()))
        .contract(CounterContract)
        .contract(ResetContract)
        .requires_contract(WatcherContract)
        .method(Method::new("counter.by_hand", |count: &Count, (): (), _: &Call| {
            count.total().map_err(Error::from)
        }))
        .example("counter.by_hand", Example::new("none", json!({})).returns(json!(0)))
}

fn patient(enough: u32) -> Patience {
    Patience { enough, seen: Arc::default() }
}

#[test]
fn one_state_serves_several_contracts() {
    let running = Harness::new().start(plugin()).unwrap();
    let (counter, reset): (CounterClient, ResetClient) = (running.client(), running.client());
    counter.add(3);
    counter.add(4);
    assert_eq!(counter.total().unwrap(), 7);
    assert_eq!(running.call::<u32>("counter.by_hand", &()).unwrap(), 7);
    reset.reset().unwrap();
    // A method that declares any error relays it as it is.
    let error = reset.reset().unwrap_err();
    assert_eq!((error.code.code(), error.data), (77, Some(json!([1]))));
}

#[test]
fn the_caller_serves_a_contract_and_is_told_in_order() {
    let running = Harness::new().serve_callbacks(WatcherContract, patient(5)).start(plugin()).unwrap();
    let counter: CounterClient = running.client();
    let context = Context::new();
    let mut items = counter.up(&context, 3).unwrap();
    assert_eq!(items.by_ref().map(Result::unwrap).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(items.finish().unwrap(), 3);
    let fault = counter.up(&context, 3).unwrap().find_map(Result::err).unwrap();
    assert!(matches!(fault, CounterError::Enough { at: 5 }), "{fault}");
    // The same within this process, without any wire.
    let here = CounterClient::of(Arc::new(Count::default()));
    let context = Context::new().serve(WatcherContract, Arc::new(patient(2)));
    let all: Vec<_> = here.up(&context, 3).unwrap().collect();
    assert!(matches!(all[..], [Ok(1), Err(CounterError::Enough { at: 2 })]), "{all:?}");
}

#[test]
fn a_caller_without_what_is_required_is_told_so() {
    let running = Harness::new().start(plugin()).unwrap();
    let counter: CounterClient = running.client();
    let fault = counter.up(&Context::new(), 1).and_then(|mut items| items.next().unwrap()).unwrap_err();
    assert!(fault.to_string().contains("the host does not serve watcher.has_enough"), "{fault}");
}

#[test]
fn the_manifest_has_the_contracts_and_what_the_plugin_adds() {
    let manifest = serde_json::to_value(plugin().manifest()).unwrap();
    let own = &manifest["x-plugline"];
    assert_eq!(
        own["provides"],
        json!([{"contract": "counter", "version": "1.0.0"}, {"contract": "reset", "version": "2.1.0"}])
    );
    assert_eq!(own["requires"], json!([{"contract": "watcher", "version": "1.0.0"}]));
    let names = |methods: &Value| -> Vec<String> {
        methods.as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&own["hostMethods"]), ["watcher.has_enough", "watcher.watched"]);
    let methods = &manifest["methods"];
    assert_eq!(
        names(methods),
        ["counter.total", "counter.up", "reset.reset", "counter.by_hand", "counter.add"]
    );
    assert_eq!(methods[0]["examples"][0]["name"], "nothing yet");
    assert_eq!(methods[2]["x-plugline"]["errors"], "any");
    assert_eq!(methods[3]["examples"][0]["result"]["value"], 0);
    let alone = serde_json::to_value(CounterContract::document()).unwrap();
    assert_eq!(alone["methods"][0], methods[4]);
    assert_eq!(alone["info"]["title"], "counter");
}

#[test]
#[should_panic(expected = "counter.add is registered twice")]
fn a_contract_is_provided_once() {
    drop(plugin().contract(CounterContract));
}

#[test]
#[should_panic(expected = "counter.nothing is not served")]
fn an_example_is_of_a_method() {
    drop(plugin().example("counter.nothing", Example::new("x", json!({}))));
}

#[test]
fn one_context_ends_what_was_made_with_it_wherever_that_is() {
    let running = Harness::new().start(plugin()).unwrap();
    let counter: CounterClient = running.client();
    let context = Context::new().timeout(Duration::from_secs(60));
    assert!(context.deadline().is_some() && !context.is_cancelled());
    context.clone().cancel(Some("changed my mind"));
    assert!(context.is_cancelled());
    let Err(CounterError::Call(failed)) = counter.up(&context, 1) else { panic!() };
    assert_eq!(failed.kind(), Kind::Cancelled);
    assert!(failed.to_string().contains("changed my mind"), "{failed}");
    assert_eq!(counter.total().unwrap(), 0, "it was not sent");
}
