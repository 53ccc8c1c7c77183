//! One JSON object a line on standard input, an operation; one on standard output, its figures.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Fault;
use crate::workload::Method;

/// An operation. What it does not need is left at its default.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// What is to be done: `start`, `stop`, `sequential`, `callers`, `stream`, or what one system has besides.
    pub op: String,
    /// Which call, where it is one of the workload.
    pub method: Option<Method>,
    /// For how long; ms.
    pub millis: u64,
    /// From how many threads.
    pub callers: usize,
    /// The size of one piece of a stream; bytes.
    pub chunk: usize,
    /// The size of a stream or a message; bytes.
    pub bytes: usize,
    /// How long the caller waits between calls, or a handler takes; µs.
    pub micros: u64,
    /// How many calls.
    pub calls: usize,
    /// How many at once, or of what a call does many.
    pub count: usize,
    /// To all plugins in turn, not to the first one only.
    pub spread: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Response {
    /// Why there are no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took; ns.
    pub wall_ns: u64,
    /// CPU time of client and plugins; ns.
    pub cpu_ns: u64,
    /// How many calls were made.
    pub calls: usize,
    /// How many bytes were received.
    pub bytes: usize,
    /// How many calls make one latency; above 1 where a call is shorter than reading the clock.
    pub batch: usize,
    /// The latency of each call or batch, per call; ns.
    #[serde(deserialize_with = "or_default")]
    pub latencies_ns: Vec<u64>,
    /// The processes of all plugins that run.
    #[serde(deserialize_with = "or_default")]
    pub pids: Vec<u32>,
}

/// Go writes an empty list as null.
fn or_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl Request {
    /// The span that `millis` says.
    pub fn span(&self) -> Duration {
        Duration::from_millis(self.millis)
    }

    /// The span that `micros` says.
    pub fn pause(&self) -> Duration {
        Duration::from_micros(self.micros)
    }

    /// That no such operation is known.
    ///
    /// # Errors
    /// Always.
    pub fn unsupported(&self) -> Result<Response, Fault> {
        Err(format!("unsupported: {}", self.op).into())
    }
}

/// Serves operations until standard input ends.
///
/// # Errors
/// Where standard input or output fails.
pub fn serve(mut operation: impl FnMut(&Request) -> Result<Response, Fault>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let done = serde_json::from_str(&line?).map_err(Fault::from).and_then(|request| operation(&request));
        let response =
            done.unwrap_or_else(|fault| Response { error: Some(fault.to_string()), ..Response::default() });
        serde_json::to_writer(&mut out, &response)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}
