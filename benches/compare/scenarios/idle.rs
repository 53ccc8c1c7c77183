//! Many plugins that nobody calls.

use std::thread;
use std::time::Duration;

use plugline_benches_driver::Fault;

use crate::client::Client;
use crate::figures::Figures;
use crate::mode::Mode;
use crate::options::Scale;
use crate::peers::Places;
use crate::procfs::{cpu, switches};

pub(crate) const PLUGINS: usize = 100;
/// Threads that wait for work end after a while, which is no wake-up of an idle plugin.
const SETTLE: Duration = Duration::from_secs(4);

/// CPU time and context switches, of the host and of the plugins together, while nothing happens.
pub(super) fn idle(places: &Places, mode: Mode, scale: &Scale, figures: &mut Figures) -> Result<(), Fault> {
    let mut client = Client::plugline(places, mode)?;
    let plugins = client.start_plugins(PLUGINS)?.pids;
    let host = [client.id()];
    thread::sleep(SETTLE.min(scale.idle));
    let before = (cpu(&host)?, switches(&host)?, cpu(&plugins)?, switches(&plugins)?);
    thread::sleep(scale.idle);
    let after = (cpu(&host)?, switches(&host)?, cpu(&plugins)?, switches(&plugins)?);
    figures.add("idle.host-cpu", (after.0 - before.0).as_nanos() as f64);
    figures.add("idle.host-switches", after.1 as f64 - before.1 as f64);
    figures.add("idle.plugins-cpu", (after.2 - before.2).as_nanos() as f64);
    figures.add("idle.plugins-switches", after.3 as f64 - before.3 as f64);
    Ok(())
}
