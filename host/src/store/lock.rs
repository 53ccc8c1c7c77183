//! The lock of whoever changes the store. Readers do without.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::time::{Duration, Instant};

use super::error::StoreError;
use super::held::Held;
use super::place::Place;
use super::step::Step;

/// How often a process that waits looks again. `flock` itself has no way to wait for so long and no longer.
const LOOK: Duration = Duration::from_millis(25);

/// What may stand in the file; bytes.
const HOLDER_BYTES: u64 = 200;

/// The store's lock. It ends with the process that has it, however that ends.
#[derive(Debug)]
pub(super) struct Lock {
    _held: Held,
}

impl Lock {
    /// Takes it, waiting for whoever has it.
    pub(super) fn take(
        place: &Place,
        patience: Duration,
        watch: &mut dyn FnMut(Step<'_>),
    ) -> Result<Self, StoreError> {
        let path = place.lock();
        let began = Instant::now();
        let mut told = false;
        let mut held = loop {
            let file = open(place).map_err(StoreError::io("open", &path))?;
            if let Some(held) = Held::exclusive(file).map_err(StoreError::io("lock", &path))? {
                break held;
            }
            if !told {
                watch(Step::Waiting { holder: &Self::named(place) });
                told = true;
            }
            if began.elapsed() >= patience {
                return Err(StoreError::Locked { lock: path, holder: Self::named(place), waited: patience });
            }
            std::thread::sleep(LOOK.min(patience));
        };
        note(held.file()).map_err(StoreError::io("write", &path))?;
        watch(Step::Locked);
        Ok(Self { _held: held })
    }

    /// Who has it, if somebody does.
    pub(super) fn holder(place: &Place) -> io::Result<Option<String>> {
        let file = match File::open(place.lock()) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        Ok(Held::shared(file)?.is_none().then(|| Self::named(place)))
    }

    /// What it says of who has it, or had it last; another process may be writing it.
    fn named(place: &Place) -> String {
        let mut text = Vec::new();
        // Nobody's name is no reason not to wait.
        let _unknown = File::open(place.lock()).and_then(|it| it.take(HOLDER_BYTES).read_to_end(&mut text));
        match String::from_utf8_lossy(&text).trim() {
            "" => "another process".to_owned(),
            holder => plugline_protocol::wire::escape(holder.as_bytes()),
        }
    }
}

fn open(place: &Place) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(place.lock())
}

/// Says who has it, for those who wait.
fn note(file: &mut File) -> io::Result<()> {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "process {} ({name})", std::process::id())
}
