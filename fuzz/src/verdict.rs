//! What the Rust envelope says of lines, for the Python fuzz targets to compare theirs with. In: the length of a line,
//! four bytes, the lowest first, then the line. Out: one line of JSON. The target `envelope` does that, where it is asked
//! to in its environment: a program that is built for fuzzing has libFuzzer in it.

use std::io::{self, Read as _, Write as _};

use plugline_protocol::wire::{Malformed, Message, Outcome, decode};
use serde_json::{Value, json};

/// Tells what lines are until there are no more, and ends this process; does nothing where nobody asked for it.
pub fn serve_if_asked() {
    if std::env::var_os("PLUGLINE_VERDICTS").is_some() {
        let served = serve();
        std::process::exit(i32::from(served.is_err()));
    }
}

fn serve() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut line = vec![0; u32::from_le_bytes(length) as usize];
        input.read_exact(&mut line)?;
        writeln!(output, "{}", verdict(&line))?;
        output.flush()?;
    }
    Ok(())
}

fn verdict(line: &[u8]) -> Value {
    match decode(line) {
        Ok(Message::Request(request)) => {
            let meta = request.params.meta();
            let meta = json!([meta.deadline_ms, meta.parent, meta.traceparent]);
            let params = request.params.get();
            json!({"is": "request", "id": request.id, "method": request.method, "params": params, "meta": meta})
        }
        Ok(Message::Notification(notification)) => {
            json!({"is": "notification", "method": notification.method, "params": notification.params.get()})
        }
        Ok(Message::Response(response)) => match response.outcome {
            Outcome::Result(result) => json!({"is": "result", "id": response.id, "result": result.get()}),
            Outcome::Error(error) => {
                json!({"is": "error", "id": response.id, "code": error.code, "message": error.message})
            }
        },
        Err(Malformed::Parse(_)) => json!({"is": "parse"}),
        Err(Malformed::NotAnObject(_)) => json!({"is": "no_object"}),
        Err(Malformed::NoEnvelope) => json!({"is": "stranger"}),
        Err(Malformed::Invalid { id, .. }) => json!({"is": "invalid", "id": id}),
        Err(Malformed::BrokenNotification { .. }) => json!({"is": "broken_notification"}),
        Err(Malformed::Unaddressed { .. }) => json!({"is": "unaddressed"}),
    }
}
