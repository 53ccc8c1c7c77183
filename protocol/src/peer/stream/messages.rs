//! What the reader does with the messages of streams. Those that crossed with the end of theirs are let go
//! (`STREAM-20`).

use super::items::Items;
use crate::lifecycle::messages::{Credit, InputEnd};
use crate::lifecycle::methods;
use crate::peer::connection::{Connection, Side};
use crate::peer::error::{CloseReason, Violation};
use crate::wire::{Params, RequestId, error};

/// Why a message of a stream was not taken.
pub(in crate::peer) enum NotTaken {
    /// It is not as specified, or nothing is to be done about it.
    Ignored(String),
    /// The other side broke the connection with it.
    Broken(CloseReason),
}

impl NotTaken {
    fn ignored(reason: impl std::fmt::Display) -> Self {
        Self::Ignored(reason.to_string())
    }
}

/// Takes a message of a stream whose line cost that many bytes.
pub(in crate::peer) fn take(
    connection: &Connection,
    line: usize,
    method: &str,
    params: Params<'_>,
) -> Result<(), NotTaken> {
    let inner = &connection.inner;
    let open = |fault: crate::wire::Error| NotTaken::Ignored(fault.message);
    match method {
        methods::OUTPUT => listed(params, line).and_then(|(id, items)| output(connection, &id, items, line)),
        methods::INPUT => listed(params, line).map(|(id, items)| input(connection, &id, items, line)),
        methods::INPUT_END => params.decode_open::<InputEnd>().map_err(open).map(|end| {
            let request = inner.in_flight.get(&end.id);
            request
                .iter()
                .filter_map(|request| request.flow.input.as_ref())
                .for_each(|input| input.complete());
        }),
        methods::OUTPUT_CREDIT => params.decode_open::<Credit>().map_err(open).map(|credit| {
            let request = inner.in_flight.get(&credit.id);
            let output = request.iter().filter_map(|request| request.flow.output.as_ref());
            output.for_each(|output| output.give(credit.bytes));
        }),
        methods::INPUT_CREDIT => params
            .decode_open::<Credit>()
            .map_err(open)
            .map(|credit| inner.pending.input_credit(&credit.id, credit.bytes)),
        _ => Err(NotTaken::ignored("it is of no stream")),
    }
}

fn listed(params: Params<'_>, line: usize) -> Result<(RequestId, Items), NotTaken> {
    Items::read(params, line).map_err(NotTaken::Ignored)
}

fn output(connection: &Connection, id: &RequestId, items: Items, line: usize) -> Result<(), NotTaken> {
    connection.inner.pending.output(id, items, line).map_err(|(method, fault)| match connection.inner.side {
        Side::Host => NotTaken::Broken(CloseReason::Violation(Violation::Stream { method, fault })),
        Side::Plugin => NotTaken::ignored(fault),
    })
}

/// The call is answered for it, by its handler or when that ends (`ERR-9`).
fn input(connection: &Connection, id: &RequestId, items: Items, line: usize) {
    let Some(request) = connection.inner.in_flight.get(id) else { return };
    let put = match &request.flow.input {
        Some(input) => input.put(items, line),
        None => Err(super::StreamFault::NoStream),
    };
    if let Err(fault) = put {
        request.fail(error::stream_violation(&fault.to_string()));
    }
}
