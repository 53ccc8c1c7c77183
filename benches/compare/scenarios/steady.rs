//! One call after another: on two cores and one, with time to think, with a busy neighbour.

use std::time::Duration;

use plugline_benches_driver::{Fault, Method, Request};

use crate::client::Client;
use crate::figures::Figures;
use crate::mode::Mode;
use crate::options::Scale;
use crate::peers::Places;

/// How long a caller thinks; ms.
pub(crate) const THINK: [u64; 2] = [1, 10];

/// All cores, then one for both processes, with the raw pipe on one core beside it.
pub(super) fn cores(places: &Places, mode: Mode, scale: &Scale, figures: &mut Figures) -> Result<(), Fault> {
    let mut client = Client::plugline(places, mode)?;
    client.start_plugins(1)?;
    figures.add_calls("plain", client.sequential(Method::GetUser, scale.span)?)?;
    drop(client);
    for (peer, name) in [("plugline", "one-core"), ("echo-blocking", "one-core-echo")] {
        let mut client = Client::start_on_core(places, peer, Some(mode), 0)?;
        client.start_plugins(1)?;
        figures.add_calls(name, client.sequential(Method::GetUser, scale.span)?)?;
    }
    Ok(())
}

/// The caller waits between calls.
pub(super) fn think(places: &Places, mode: Mode, scale: &Scale, figures: &mut Figures) -> Result<(), Fault> {
    let mut client = Client::plugline(places, mode)?;
    client.start_plugins(1)?;
    for millis in THINK {
        let request = Request {
            op: "sequential".into(),
            method: Some(Method::GetUser),
            millis: u64::try_from(scale.think.as_millis())?,
            micros: millis * 1000,
            ..Request::default()
        };
        figures.add_calls(&format!("think-{millis}ms"), client.ask(&request)?)?;
    }
    Ok(())
}

/// All cores but the first are kept busy by somebody else.
pub(super) fn busy(places: &Places, mode: Mode, scale: &Scale, figures: &mut Figures) -> Result<(), Fault> {
    let cores = std::thread::available_parallelism()?.get();
    let busy = (1..cores).map(|core| Client::start_spinning(places, core)).collect::<Result<Vec<_>, _>>()?;
    let mut client = Client::plugline(places, mode)?;
    client.start_plugins(1)?;
    figures
        .add_calls("busy", client.sequential(Method::GetUser, scale.span.max(Duration::from_millis(100)))?)?;
    drop(busy);
    Ok(())
}
