//! The plugins of a run, used by a manager.
//!
//! - `layout.rs`: where they are. `member.rs`: one of them, as callers have it.

mod layout;
mod member;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use plugline_host::manager::Manager;
use plugline_host::{Backoff, Breaker, Health, Launch, Limits, Plugin, Supervision, Timeouts};
use plugline_sdk::Context;

pub use layout::{Kind, Layout, Make, Place, Shape};
pub use member::{Member, Versions};

use crate::contract::{
    ChaosError, ChaosHost, ChaosHostContract, DIRECTORY, Feats as _, FeatsClient, NAME, ONE,
};

/// How probable it is that a call has a wild one misbehave by itself.
const WILD: &str = "0.003";

/// The plugins of a round.
pub struct Fleet {
    /// Who uses them.
    pub manager: Manager,
    /// All of them.
    pub members: Vec<Member>,
    /// Where they are.
    pub layout: Arc<Layout>,
}

/// What so many plugins are: some of each kind, the first few of those that matter most.
#[must_use]
pub fn kinds(count: usize) -> Vec<Kind> {
    use Make::{Plain, Rust, Sdk, Wild};
    use Place::{Direct, Package, Store};
    use Shape::{One, Pool, Single};
    const TURNS: [(Make, Shape, Place); 12] = [
        (Rust, Single, Package),
        (Plain, Single, Package),
        (Sdk, Single, Package),
        (Rust, Pool(3), Package),
        (Wild, Single, Package),
        (Plain, Single, Store),
        (Rust, Single, Direct),
        (Plain, One, Package),
        (Sdk, Pool(2), Package),
        (Plain, Pool(2), Package),
        (Rust, One, Package),
        (Plain, Single, Direct),
    ];
    let kind = |number: usize| {
        let (make, shape, place) = TURNS[number % TURNS.len()];
        let of = match make {
            Rust => "rust",
            Sdk => "sdk",
            Plain => "plain",
            Wild => "wild",
        };
        Kind { name: format!("{of}-{number}"), make, shape, place }
    };
    (0..count).map(kind).collect()
}

/// What the host serves.
struct Host;

impl ChaosHost for Host {
    fn nest(&self, context: &Context, id: u64, depth: u64) -> Result<u64, ChaosError> {
        if depth == 0 {
            return Ok(id);
        }
        let plugin: FeatsClient = context.client()?;
        Ok(plugin.nest(context, id, depth - 1)? + 1)
    }
}

/// How a plugin of the run is started, besides what its settings say.
fn prepare(launch: Launch, layout: &Layout, kind: Option<&Kind>, name: &str) -> Launch {
    let launch = launch
        .env(DIRECTORY, &layout.directory)
        .env(NAME, name)
        .env("TMPDIR", layout.temporary())
        .serve_callbacks(ChaosHostContract, Host);
    match kind {
        Some(Kind { shape: Shape::One, .. }) => launch.env(ONE, "1"),
        Some(Kind { make: Make::Wild, .. }) => launch.env("PLUGLINE_CHAOS_WILD", WILD),
        _ => launch,
    }
}

/// How a plugin is kept alive that the host supervises by itself: as the settings of the others say.
fn supervision() -> Supervision {
    Supervision {
        instances: NonZeroUsize::MIN,
        backoff: Backoff {
            first: Duration::from_millis(50),
            most: Duration::from_secs(1),
            ..Backoff::default()
        },
        breaker: Breaker { failures: 6, within: Duration::from_secs(10), rest: Some(Duration::from_secs(2)) },
        health: Some(Health { interval: Duration::from_secs(1), ..Health::default() }),
        drain: Duration::from_secs(4),
        ..Supervision::default()
    }
}

fn timeouts() -> Timeouts {
    let second = Duration::from_secs(1);
    Timeouts {
        start: Some(8 * second),
        call: Some(15 * second),
        grace: second,
        exit: second,
        term: second,
        unanswered: 2 * second,
    }
}

impl Fleet {
    /// Lays the plugins out anew, and opens a manager of them. `before` is how many versions each had.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub fn open(
        layout: &Arc<Layout>,
        kinds: &[Kind],
        before: &BTreeMap<String, u64>,
    ) -> Result<Self, Box<dyn Error>> {
        let version = |kind: &Kind| before.get(&kind.name).copied().unwrap_or(0) + 1;
        for kind in kinds {
            let package = layout.package(kind);
            if package.exists() {
                fs::remove_dir_all(&package)?;
            }
            layout.lay_out(kind, &format!("1.0.{}", version(kind)))?;
            if kind.place == Place::Store {
                layout.install(kind)?;
            }
        }
        layout.write_settings(kinds)?;
        let manager = {
            let (layout, kinds) = (Arc::clone(layout), kinds.to_vec());
            Manager::builder()
                .settings_file(layout.settings())
                .store(layout.store()?)
                .cache(layout.directory.join("cache"))
                .environment([("PATH", std::env::var_os("PATH").unwrap_or_default())])
                .host("plugline-chaos", env!("CARGO_PKG_VERSION"))
                .prepare(move |name, launch| {
                    prepare(launch, &layout, kinds.iter().find(|kind| kind.name == name), name)
                })
                .open()?
        };
        let mut members = Vec::new();
        for kind in kinds {
            let version = version(kind);
            let member = match kind.place {
                Place::Package | Place::Store => Member::managed(kind.clone(), manager.plugin(&kind.name)?),
                Place::Direct => {
                    let plugin =
                        direct(layout, kind, &format!("1.0.{version}"), None).supervise(supervision());
                    let launch = direct(layout, kind, &format!("1.0.{version}"), None);
                    Member::direct(kind.clone(), plugin, launch)
                }
            };
            member.follow(version);
            if kind.place == Place::Store {
                // What earlier rounds installed is there to go back to.
                (1..version).for_each(|earlier| member.works(&format!("1.0.{earlier}")));
            }
            let version = format!("1.0.{version}");
            member.works(&version);
            member.stands(&version);
            members.push(member);
        }
        Ok(Self { manager, members, layout: Arc::clone(layout) })
    }

    /// How many versions each had.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<String, u64> {
        self.members.iter().map(|member| (member.name().to_owned(), member.version_count())).collect()
    }
}

/// How a version of a plugin is started that the host supervises by itself.
#[must_use]
pub fn direct(layout: &Layout, kind: &Kind, version: &str, broken: Option<&str>) -> Launch {
    let package = layout.package(kind);
    let words = layout.command(kind, version, broken);
    let program = match words.first() {
        Some(word) if word.starts_with("./") => package.join(word),
        Some(word) => word.into(),
        None => package.join("nothing"),
    };
    let limits = Limits { max_line_bytes: 1 << 20, ..Limits::default() };
    let launch = Plugin::command(program)
        .args(words.into_iter().skip(1))
        .dir(package)
        .instance(&*kind.name)
        .limits(limits)
        .timeouts(timeouts());
    prepare(launch, layout, Some(kind), &kind.name)
}
