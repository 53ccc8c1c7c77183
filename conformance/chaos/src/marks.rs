//! What calls left behind: a plugin that is called to leave a mark writes the call's number, so that it shows how often
//! the call was handled, whatever its caller was told.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::contract::MARKS;
use crate::faults::{Faults, Kind};
use crate::ledger::CallId;

/// How often a call may have been handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// Its method declares nothing: at most once.
    Nothing,
    /// Its method is idempotent: at most twice.
    Idempotent,
}

/// The calls of one round that leave marks.
#[derive(Debug)]
pub struct Marks {
    faults: Arc<Faults>,
    calls: Mutex<HashMap<CallId, (Declared, bool)>>,
}

/// How often calls were handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handled {
    /// So many calls left marks.
    pub calls: u64,
    /// So many of them two.
    pub twice: u64,
}

impl Marks {
    /// None yet.
    #[must_use]
    pub fn new(faults: Arc<Faults>) -> Self {
        Self { faults, calls: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, (Declared, bool)>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call is about to be made.
    pub fn begin(&self, id: CallId, declared: Declared) {
        self.lock().insert(id, (declared, false));
    }

    /// It has a result, so it was handled.
    pub fn answered(&self, id: CallId) {
        if let Some((_, answered)) = self.lock().get_mut(&id) {
            *answered = true;
        }
    }

    /// Compares with what the plugins wrote, none of which runs any more, and forgets both.
    ///
    /// # Errors
    /// Where the marks cannot be read.
    pub fn check(&self, directory: &Path) -> io::Result<Handled> {
        let mut left: HashMap<CallId, u64> = HashMap::new();
        for file in fs::read_dir(directory.join(MARKS))? {
            let path = file?.path();
            for line in fs::read_to_string(&path)?.lines() {
                match line.parse() {
                    Ok(id) => *left.entry(id).or_default() += 1,
                    Err(_) => self.faults.found(Kind::Mark, "", format!("a mark that is none: {line:?}")),
                }
            }
            fs::remove_file(path)?;
        }
        let calls = std::mem::take(&mut *self.lock());
        let mut handled = Handled::default();
        for (id, (declared, answered)) in calls {
            let times = left.remove(&id).unwrap_or(0);
            handled.calls += u64::from(times > 0);
            handled.twice += u64::from(times > 1);
            let most = match declared {
                Declared::Nothing => 1,
                Declared::Idempotent => 2,
            };
            if times > most || (answered && times == 0) {
                let what = format!(
                    "call {id} was handled {times} times; declared: {declared:?}, answered: {answered}"
                );
                self.faults.found(Kind::Mark, "", what);
            }
        }
        for id in left.into_keys() {
            self.faults.found(Kind::Mark, "", format!("call {id} was handled, and nobody made it"));
        }
        Ok(handled)
    }
}
