//! The puppet as a process: it does what it is told, and reports what it sees.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// A puppet, and the runner's end of its socket.
struct Puppet {
    child: Child,
    socket: UnixStream,
    facts: Value,
}

impl Puppet {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("door");
        let listener = UnixListener::bind(&address).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_plugline-puppet"))
            .args([address.to_str().unwrap(), "token"])
            .env("CONF_SET", "yes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let socket = come(&listener, &mut child);
        let mut puppet = Self { child, socket, facts: Value::Null };
        let (kind, hello) = puppet.frame();
        assert_eq!(kind, b'J');
        let hello: Value = serde_json::from_slice(&hello).unwrap();
        assert_eq!(hello["hello"]["token"], "token");
        puppet.facts = hello["hello"]["facts"].clone();
        puppet
    }

    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 5];
        self.socket.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let mut rest = vec![0; length as usize - 1];
        self.socket.read_exact(&mut rest).unwrap();
        (head[4], rest)
    }

    fn report(&mut self) -> Value {
        let (kind, report) = self.frame();
        assert_eq!(kind, b'J', "{}", String::from_utf8_lossy(&report));
        serde_json::from_slice(&report).unwrap()
    }

    fn send(&mut self, kind: u8, rest: &[u8]) {
        let length = u32::try_from(rest.len() + 1).unwrap();
        self.socket.write_all(&length.to_be_bytes()).unwrap();
        self.socket.write_all(&[kind]).unwrap();
        self.socket.write_all(rest).unwrap();
    }

    fn order(&mut self, order: &Value) {
        self.send(b'J', order.to_string().as_bytes());
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

/// Waits for the puppet, which may have ended instead.
fn come(listener: &UnixListener, child: &mut Child) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    loop {
        match listener.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(false).unwrap();
                // Far more than it ever takes: a puppet that says nothing fails its test, and holds up nobody.
                socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                return socket;
            }
            Err(fault) if fault.kind() == std::io::ErrorKind::WouldBlock => {
                if let Some(status) = child.try_wait().unwrap() {
                    let mut told = String::new();
                    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
                    panic!("the puppet ended with {status} and never came: {told}");
                }
                std::thread::yield_now();
            }
            Err(fault) => panic!("{fault}"),
        }
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        // Both fail where it is gone already.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn it_relays_both_ways_and_says_how_it_was_started() {
    let mut puppet = Puppet::start();
    assert_eq!(puppet.facts["pid"], puppet.child.id());
    assert_eq!(puppet.facts["ppid"], std::process::id());
    assert_eq!(puppet.facts["environment"]["CONF_SET"], "yes");
    puppet.child.stdin.as_mut().unwrap().write_all(b"half a line").unwrap();
    assert_eq!(puppet.frame(), (b'I', b"half a line".to_vec()));
    puppet.send(b'O', b"exactly \xff this");
    puppet.send(b'E', b"and this");
    puppet.child.stdin.take();
    assert_eq!(puppet.report(), json!({"eof": true}));
    puppet.order(&json!({"seq": 1, "do": "exit", "code": 7}));
    assert_eq!(puppet.exit_code(), Some(7));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    puppet.child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    puppet.child.stderr.take().unwrap().read_to_end(&mut err).unwrap();
    assert_eq!((out, err), (b"exactly \xff this".to_vec(), b"and this".to_vec()));
}

#[test]
fn paused_it_reads_not_a_byte() {
    let mut puppet = Puppet::start();
    puppet.order(&json!({"seq": 1, "do": "pause"}));
    assert_eq!(puppet.report(), json!({"done": 1}));
    puppet.child.stdin.as_mut().unwrap().write_all(b"later").unwrap();
    puppet.order(&json!({"seq": 2, "do": "heed"}));
    assert_eq!(puppet.report(), json!({"done": 2}));
    puppet.order(&json!({"seq": 3, "do": "resume"}));
    let mut frames = [puppet.frame(), puppet.frame()];
    frames.sort();
    assert_eq!(frames[0], (b'I', b"later".to_vec()));
}

#[test]
fn a_closed_input_fails_the_next_write() {
    for _ in 0..20 {
        let mut puppet = Puppet::start();
        puppet.order(&json!({"seq": 1, "do": "close_stdin"}));
        assert_eq!(puppet.report(), json!({"done": 1, "what": null}));
        let refused = puppet.child.stdin.as_mut().unwrap().write_all(b"x").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::BrokenPipe);
    }
}

#[test]
fn a_flood_ends_where_nobody_takes_it_any_more() {
    let mut puppet = Puppet::start();
    puppet.child.stdout.take();
    puppet.order(&json!({"seq": 1, "do": "flood", "text": "x\n", "times": 1_000_000}));
    let report = puppet.report();
    assert_eq!(report["done"], 1);
    assert!(report["what"]["refused"].is_string(), "{report}");
}

#[test]
fn it_ends_with_its_runner() {
    let mut puppet = Puppet::start();
    puppet.socket.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(puppet.exit_code(), Some(70));
}
