//! A plugin that says far more than its host reads, and a host that says far more than it means.

use std::io::Read as _;

use serde_json::json;

use crate::process::{Process, all_capabilities};

/// How much more its peak may be after ten times the flood; KiB.
const GROWTH: u64 = 2 * 1024;

#[test]
fn a_flood_takes_no_memory_however_long_it_is() {
    let (mut reader, writer) = os_pipe::pipe().unwrap();
    let mut rough = Process::with_stdout("rough", writer.into());
    let params = json!({"protocolVersions": [1], "capabilities": all_capabilities()});
    rough.request(0, "rpc.initialize", &params);
    // As slowly as a pipe and a thread make it: what is read is looked through for the end, and forgotten.
    let mut chunk = vec![0; 4096];
    let mut read_until = |mark: &str| {
        let (mut text, mut steps) = (Vec::new(), 0);
        loop {
            let count = reader.read(&mut chunk).unwrap();
            assert!(count > 0, "it ended before {mark}");
            steps += chunk[..count].iter().filter(|byte| **byte == b'\n').count();
            text.extend_from_slice(&chunk[..count]);
            if text.windows(mark.len()).any(|window| window == mark.as_bytes()) {
                return steps;
            }
            let kept = text.len().saturating_sub(mark.len());
            text.drain(..kept);
        }
    };
    read_until("\"id\":0,");
    let mut peaks = Vec::new();
    for (id, n) in [(1, 20_000), (2, 200_000)] {
        rough.request(id, "rough.steps", &json!({ "n": n }));
        assert_eq!(read_until(&format!("\"id\":{id},\"result\"")), n + 1);
        peaks.push(rough.peak_memory());
    }
    eprintln!("at its peak it had {} KiB, and {} KiB after ten times as much", peaks[0], peaks[1]);
    assert!(peaks[1] <= peaks[0] + GROWTH, "{peaks:?}");
}

#[test]
fn a_flood_of_cancels_and_unknown_messages_holds_up_no_call() {
    let mut rough = Process::rough();
    for id in 0..20 {
        let flood = [
            json!({"jsonrpc": "2.0", "method": "rpc.cancel", "params": {"id": 1_000_000 + id}}),
            json!({"jsonrpc": "2.0", "method": "rpc.progress", "params": {"id": 7, "progress": 1}}),
            json!({"jsonrpc": "2.0", "method": "nobody.listens", "params": {}}),
            json!({"jsonrpc": "2.0", "id": 1_000_000 + id, "result": null}),
        ];
        let lines = flood.map(|line| format!("{line}\n")).concat().repeat(1000);
        rough.send_bytes(lines.as_bytes());
        assert_eq!(rough.result("rough.echo", &json!({ "value": id })), id);
    }
    rough.end().expect_success();
}

#[test]
fn what_was_ignored_is_told_so_often_and_no_more() {
    for (ignored, told) in [(20, 20), (21, 21), (200, 21)] {
        let mut rough = Process::rough();
        (0..ignored).for_each(|_| rough.notify("nobody.listens", &json!({})));
        let stderr = rough.end().expect_success().stderr;
        let about: Vec<&String> = stderr.iter().filter(|line| line.contains("ignored")).collect();
        assert_eq!(about.len(), told, "{stderr:#?}");
        assert_eq!(about.last().unwrap().contains("more was ignored"), ignored > 20, "{stderr:#?}");
    }
}
