//! The runner's end of the socket to a puppet: see `puppet/src/link.rs` for the frames.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::stage::Seen;

/// More than a puppet says in one frame.
const MAX_FRAME: usize = 16 * 1024 * 1024;

/// Of the hundred bytes or so that the path of a socket may have, what `/plugline-XXXXXX/door` leaves.
const MAX_PLACE: usize = 80;

/// What came from a puppet.
#[derive(Debug)]
pub(super) enum Said {
    /// Here it is: its token and what it knows of itself.
    Here(Voice, Value),
    /// What the host wrote to it.
    Read(Vec<u8>),
    /// A report.
    Report(Value),
    /// It is gone.
    Gone,
}

/// The sending half.
#[derive(Debug)]
pub(super) struct Voice(UnixStream);

impl Voice {
    /// Has the puppet write to its standard output.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(b'O', bytes)
    }

    /// Has it write to its standard error.
    pub(super) fn complain(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(b'E', bytes)
    }

    /// Has it do something.
    pub(super) fn order(&mut self, order: &Value) -> io::Result<()> {
        self.send(b'J', order.to_string().as_bytes())
    }

    fn send(&mut self, kind: u8, rest: &[u8]) -> io::Result<()> {
        let length = u32::try_from(rest.len() + 1).map_err(io::Error::other)?;
        self.0.write_all(&length.to_be_bytes())?;
        self.0.write_all(&[kind])?;
        self.0.write_all(rest)
    }
}

/// Where the puppets of one case come to.
#[derive(Debug)]
pub(super) struct Door {
    address: PathBuf,
    secret: String,
    /// Nobody else may look into it. It goes with the door.
    _folder: TempDir,
}

impl Door {
    /// Opens it. Whoever comes with the secret is reported to `seen`, under the name that follows it.
    pub(super) fn open(seen: Sender<(Instant, Seen)>) -> io::Result<Self> {
        let folder = folder()?;
        let address = folder.path().join("door");
        let listener = UnixListener::bind(&address)?;
        let secret = secret()?;
        let expected = Arc::new(Expected { secret: secret.clone(), came: Mutex::default() });
        std::thread::Builder::new().name("puppets".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, expected) = (seen.clone(), Arc::clone(&expected));
                if seen.send((Instant::now(), Seen::Knock)).is_err() {
                    break; // The case is over.
                }
                // A thread that cannot be had closes the connection, which the puppet reports.
                let _none = std::thread::Builder::new()
                    .name("puppet".into())
                    .spawn(move || listen(stream, &expected, &seen));
            }
        })?;
        Ok(Self { address, secret, _folder: folder })
    }

    /// What a puppet of that name is started with, after its own path.
    pub(super) fn arguments(&self, name: &str) -> [String; 2] {
        [self.address.to_string_lossy().into_owned(), format!("{}:{name}", self.secret)]
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Wakes the listener, which finds nobody to tell any more.
        let _woken = UnixStream::connect(&self.address);
    }
}

/// Where the temporary files are, unless the name of a socket there would be longer than the system takes.
fn folder() -> io::Result<TempDir> {
    let usual = std::env::temp_dir();
    let place = if usual.as_os_str().len() > MAX_PLACE { Path::new("/tmp") } else { &usual };
    tempfile::Builder::new().prefix("plugline-").tempdir_in(place)
}

/// Nobody else on this machine can guess it.
fn secret() -> io::Result<String> {
    let mut bytes = [0_u8; 12];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Who may come.
#[derive(Debug)]
struct Expected {
    secret: String,
    /// How many of each name came: a plugin that a supervisor starts again bears the name of the first.
    came: Mutex<HashMap<String, u32>>,
}

impl Expected {
    /// The name of whoever has that token: `p`, then `p#2` …
    fn name(&self, token: &str) -> Option<String> {
        let name = token.strip_prefix(&self.secret)?.strip_prefix(':')?;
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        let count = came.entry(name.to_owned()).or_default();
        *count += 1;
        Some(if *count == 1 { name.to_owned() } else { format!("{name}#{count}") })
    }
}

fn listen(stream: UnixStream, expected: &Expected, seen: &Sender<(Instant, Seen)>) {
    let Ok(Some((name, mut frames))) = greet(stream, expected, seen) else { return };
    let tell = |said| seen.send((Instant::now(), Seen::Puppet(name.clone(), said))).is_ok();
    while let Ok((kind, rest)) = frame(&mut frames) {
        let said = match kind {
            b'I' => Said::Read(rest),
            b'J' => match serde_json::from_slice(&rest) {
                Ok(report) => Said::Report(report),
                Err(_) => break,
            },
            _ => break,
        };
        if !tell(said) {
            return;
        }
    }
    tell(Said::Gone);
}

type Frames = BufReader<UnixStream>;

/// Reads who it is.
fn greet(
    stream: UnixStream,
    expected: &Expected,
    seen: &Sender<(Instant, Seen)>,
) -> io::Result<Option<(String, Frames)>> {
    let voice = Voice(stream.try_clone()?);
    let mut frames = BufReader::with_capacity(64 * 1024, stream);
    let (_, hello) = frame(&mut frames)?;
    let mut hello: Value = serde_json::from_slice(&hello)?;
    let token = hello["hello"]["token"].as_str().unwrap_or_default();
    let Some(name) = expected.name(token) else {
        return Ok(None); // Not one of ours.
    };
    let facts = hello["hello"]["facts"].take();
    let here = Seen::Puppet(name.clone(), Said::Here(voice, facts));
    Ok(seen.send((Instant::now(), here)).is_ok().then_some((name, frames)))
}

fn frame(frames: &mut Frames) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    frames.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if !(1..=MAX_FRAME).contains(&length) {
        return Err(io::Error::other("a frame that no puppet sends"));
    }
    let mut rest = vec![0; length - 1];
    frames.read_exact(&mut rest)?;
    Ok((head[4], rest))
}

/// An order that is done at once, whatever the puppet is blocked in.
pub(super) fn exit_now() -> Value {
    json!({"do": "exit", "code": 0, "now": true})
}
