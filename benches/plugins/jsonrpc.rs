//! The workload served by a `jsonrpc-core` handler, a line of input at a time.
#![forbid(unsafe_code)]

use std::error::Error;
use std::future::Future;
use std::io::{self, BufRead, Write};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jsonrpc_core::{Error as RpcError, IoHandler, Params};
use plugline_benches::params::{ByClaim, ById, Find, OnLoad};
use plugline_benches_driver::{Fault, Manager, UserList};
use serde::Serialize;
use serde::de::DeserializeOwned;

type Reply = Result<jsonrpc_core::Value, RpcError>;

fn main() -> Result<(), Box<dyn Error>> {
    let users = Arc::new(UserList::default());
    let mut handler = IoHandler::new();
    let mut serve = |name: &str, method: fn(&UserList, Params) -> Reply| {
        let users = Arc::clone(&users);
        handler.add_sync_method(name, move |params| method(&users, params));
    };
    serve("users.on_load", |users, p| reply(p, |p: OnLoad<'static>| users.on_load(&p.file)));
    serve("users.get_user", |users, p| reply(p, |p: ById<'static>| users.get_user(&p.id)));
    serve("users.get_user_by_claim", |users, p| {
        reply(p, |p: ByClaim<'static>| users.get_user_by_claim(&p.claim, &p.value))
    });
    serve("users.get_user_groups", |users, p| reply(p, |p: ById<'static>| users.get_user_groups(&p.id)));
    serve("users.find_users", |users, p| reply(p, |p: Find<'static>| users.find_users(&p.query)));

    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answered = pin!(handler.handle_request(&line?)).poll(&mut Context::from_waker(Waker::noop()));
        // Handlers of `add_sync_method` never wait.
        let Poll::Ready(Some(mut response)) = answered else { return Err("no answer".into()) };
        response.push('\n');
        out.write_all(response.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

fn reply<P: DeserializeOwned, R: Serialize>(
    params: Params,
    method: impl FnOnce(P) -> Result<R, Fault>,
) -> Reply {
    let failed = |fault: Fault| RpcError { message: fault.to_string(), ..RpcError::internal_error() };
    let result = method(params.parse()?).map_err(failed)?;
    serde_json::to_value(result).map_err(|fault| failed(fault.into()))
}
