//! Packages by https, from a server that the test brings with it, in a network of its own.
//!
//! What it does not show: a server that falls silent or sends without end. The limits for both are minutes and
//! hundreds of megabytes, and the command line does not change them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::store::{Shop, archive};
use super::{PLUGLINE, stderr, stdout};

fn beside(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/https").join(name).display().to_string()
}

/// Runs `plugline` with each of these words, where `{port}` is the server's, which has the files of that folder.
fn run(files: &Path, commands: &[Value]) -> Value {
    let order = json!({
        "files": files,
        "certificate": beside("server.pem"),
        "key": beside("server.key"),
        "commands": commands,
    });
    let mut child = Command::new("python3")
        .args(["-B", &beside("serve.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(order.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

#[test]
fn an_archive_by_https_and_nothing_else() {
    let shop = Shop::new();
    archive(&shop.at("users.tar.gz"), "1.0.0");
    let store = shop.store();
    let trusting = json!({"SSL_CERT_FILE": beside("ca.pem")});
    let install = |source: &str, more: &[&str]| {
        let words = [&[PLUGLINE, "--json", "install", "--store", &store, source], more].concat();
        json!({"words": words, "environment": trusting})
    };
    let at = |path: &str| format!("https://localhost:{{port}}/{path}");
    let mut stranger = install(&at("users.tar.gz"), &[]);
    stranger["environment"] = json!({"SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": "/nonexistent"});
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    // What is installed, or what is said.
    let rows = [
        (install(&at("users.tar.gz?token=hunter2"), &[]), Ok("new")),
        (install(&at("moved.tar.gz"), &[]), Ok("nothing")),
        (install(&at("gone.tar.gz"), &[]), Err("there is nothing there (404)")),
        (install(&at("loop.tar.gz"), &[]), Err("beyond the limit redirects")),
        (install(&at("down.tar.gz"), &[]), Err("it leads to an address without https")),
        (install(&at("huge.tar.gz"), &[]), Err("beyond its limit archive_bytes, 536870912")),
        (install(&at("short.tar.gz"), &[]), Err("cannot fetch")),
        (install(&at("users.tar.gz"), &["--require-signature", key]), Err("there is no signature beside it")),
        // A certificate that is not for this name, and one that nobody trusts.
        (install("https://127.0.0.1:{port}/users.tar.gz", &[]), Err("cannot fetch")),
        (stranger, Err("cannot fetch")),
        (install("https://nowhere.invalid/users.tar.gz", &[]), Err("cannot fetch")),
    ];
    let (commands, wanted): (Vec<Value>, Vec<Result<&str, &str>>) = rows.into_iter().unzip();
    let ran = run(shop.folder(), &commands);
    assert_eq!(ran["plain"], 0, "nobody asks without TLS");
    for ((command, ran), wanted) in commands.iter().zip(ran["commands"].as_array().unwrap()).zip(wanted) {
        let words = &command["words"];
        match wanted {
            Ok(change) => {
                assert_eq!(ran["code"], 0, "{words}: {ran}");
                let report: Value = serde_json::from_str(ran["stdout"].as_str().unwrap()).unwrap();
                assert_eq!(report["change"], *change, "{words}");
            }
            Err(said) => {
                assert_eq!(ran["code"], 3, "{words}: {ran}");
                assert!(ran["stderr"].as_str().unwrap().contains(said), "{words}: {ran}");
            }
        }
        assert!(!ran.to_string().contains("hunter2"), "{ran}");
    }
    assert_eq!(shop.versions(), ["1.0.0"]);
}
