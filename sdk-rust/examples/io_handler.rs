//! A handler that was written for `jsonrpc-core`, served as it is.

use jsonrpc_core::{Error, IoHandler, Params, Value};
use plugline_sdk::Plugin;

#[derive(serde::Deserialize)]
struct Divide {
    dividend: i64,
    divisor: i64,
}

/// Params that have no members.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// What was there before.
fn handler() -> IoHandler {
    let mut handler = IoHandler::new();
    handler.add_sync_method("math.divide", |params: Params| {
        let Divide { dividend, divisor } = params.parse()?;
        let quotient = dividend.checked_div(divisor).ok_or_else(|| Error::invalid_params("no quotient"))?;
        Ok(Value::from(quotient))
    });
    handler.add_method("math.zero", |params: Params| async {
        let Nothing {} = params.parse()?;
        Ok(Value::from(0))
    });
    handler.add_alias("math.div", "math.divide");
    handler
}

fn main() -> std::process::ExitCode {
    Plugin::new("calculator", "0.1.0").provides("math", "1.0.0").io_handler(handler()).serve()
}
