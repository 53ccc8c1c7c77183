//! Does wrong what the run is to find: so it is seen that it does.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::process::{Child, Command};
use std::time::Duration;

use plugline_host::Kind;
use plugline_host::process::Exit;

use crate::clock::Moment;
use crate::contract::{DIRECTORY, MARKS};
use crate::explain::{Failure, Intent};
use crate::journal::What;
use crate::marks::Declared;
use crate::options::Break;
use crate::run::Run;

/// What was left, until it is let go.
#[derive(Debug, Default)]
pub struct Left {
    children: Vec<Child>,
}

impl Drop for Left {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may be gone already.
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// Does these wrong.
///
/// # Errors
/// Where one cannot be done.
pub fn commit(breaks: &[Break], run: &Run) -> std::io::Result<Left> {
    let mut left = Left::default();
    let directory = &run.layout.directory;
    for wrong in breaks {
        match wrong {
            Break::Lost => drop(run.ledger.begin("a call that is lost", "nobody", Duration::from_secs(3600))),
            Break::Doubled => {
                let id = run.ledger.begin("a call that ends twice", "nobody", Duration::ZERO);
                run.ledger.end(id, "result");
                run.ledger.end(id, "result");
            }
            Break::Hung => {
                let id = run.ledger.begin("a call that hangs", "nobody", Duration::ZERO);
                std::thread::sleep(crate::ledger::GRACE + Duration::from_secs(1));
                run.ledger.look();
                run.ledger.end(id, "result");
            }
            Break::Unexplained => run.bring(failure(Kind::InvalidRequest, None)),
            Break::Untold => {
                run.journal.note("nobody", What::Signal(9));
                run.bring(failure(Kind::PluginExited, Some(Exit { code: None, signal: Some(9) })));
            }
            // A plugin does that, when there is one.
            Break::Wrong => {}
            Break::Mark => {
                let id = run.ledger.begin("a call that is handled twice", "nobody", Duration::ZERO);
                run.ledger.end(id, "result");
                run.marks.begin(id, Declared::Nothing);
                run.marks.answered(id);
                let file = directory.join(MARKS).join("nobody");
                let mut file = OpenOptions::new().create(true).append(true).open(file)?;
                file.write_all(format!("{id}\n{id}\n").as_bytes())?;
            }
            Break::Process => {
                left.children.push(Command::new("sleep").arg("600").env(DIRECTORY, directory).spawn()?);
            }
            Break::Descriptor => std::mem::forget(File::open(directory.join(MARKS))?),
            Break::Thread => {
                drop(std::thread::Builder::new().name("left".into()).spawn(std::thread::park));
            }
            Break::File => fs::write(run.layout.temporary().join("left"), "")?,
            Break::Memory => std::mem::forget(vec![1_u8; 3 << 20]),
        }
    }
    Ok(left)
}

fn failure(kind: Kind, exit: Option<Exit>) -> Failure {
    let now = Moment::now();
    Failure {
        plugin: "nobody".into(),
        way: "a call that fails",
        intent: Intent::Result,
        kind,
        text: "for no reason".into(),
        code: None,
        exit,
        is_of_start: false,
        begun: now,
        ended: now,
    }
}
