//! `plugline demo`: one contract, served in several languages, called through one trait.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{Cell, CellAlignment, Table};
use plugline_example_users::{
    Claim, DATA, PasswdConfig, UserId, Users, UsersClient, UsersError, json_users, passwd_users,
};
use plugline_host::{Launch, Plugin};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output;

/// Each method is called this often, or for this long, whichever ends first.
const CALLS: usize = 200;
const AT_MOST: Duration = Duration::from_millis(500);

const MANIFEST: &str = include_str!("../examples/users/users.openrpc.json");
const PYTHON: &str = include_str!("../examples/users/python/users.py");
const BASH: &str = include_str!("../examples/users/bash/users.sh");

/// Call one contract in Rust, Python, Bash and in this process, and compare.
#[derive(Args)]
pub(crate) struct Demo {}

/// Where the implementations are looked for and the data lies.
struct Workshop {
    folder: tempfile::TempDir,
    /// Where this program and the example plugins are.
    programs: PathBuf,
}

/// One implementation of the contract.
struct Entrant {
    name: &'static str,
    language: &'static str,
    source: Source,
}

enum Source {
    InProcess(Box<dyn Users>),
    Plugin {
        launch: Box<Launch>,
        needs: &'static [&'static str],
    },
    /// It is not there, and why.
    Missing(String),
}

/// What an implementation said, and how long it took.
struct Round {
    answers: Vec<Value>,
    medians: Vec<Duration>,
    start: Option<Duration>,
}

/// What is asked of every implementation.
struct Questions {
    file: String,
    id: UserId,
    mail: String,
    query: String,
}

const METHODS: [&str; 5] = ["on_load", "get_user", "get_user_by_claim", "get_user_groups", "find_users"];

impl Demo {
    #[expect(clippy::unused_self, reason = "the same shape as the other commands")]
    pub(crate) fn run(self) -> Result<(), Failure> {
        let system =
            |fault: &dyn std::fmt::Display| Failure::System(format!("the demo cannot be set up: {fault}"));
        let workshop = Workshop::set_up().map_err(|fault| system(&fault))?;
        let file = workshop.folder.path().join("data/users.json").display().to_string();
        let json_questions = Questions {
            file,
            id: UserId {
                opaque_id: "4c510ada-c86b-4815-8820-42cdf82c3d51".into(),
                idp: "cernbox.cern.ch".into(),
            },
            mail: "einstein@cern.ch".into(),
            query: "einstein".into(),
        };
        let accounts = passwd_users(PasswdConfig::default()).map_err(|fault| system(&fault))?;
        let uid = rustix::process::getuid().as_raw().to_string();
        let account = accounts
            .get_user(&UserId { opaque_id: uid, idp: "localhost".into() })
            .or_else(|_| accounts.get_user_by_claim(Claim::Username, "root"))
            .map_err(|fault| system(&fault))?;
        let passwd_questions = Questions {
            file: PasswdConfig::default().passwd,
            id: account.id,
            mail: account.mail,
            query: account.username,
        };
        let mut missing = Vec::new();
        output::print("The users of a JSON file, four ways through one contract:\n")?;
        let json_entrants = vec![
            Entrant {
                name: "in-process",
                language: "Rust",
                source: Source::InProcess(Box::new(json_users())),
            },
            Entrant { name: "users-json", language: "Rust", source: workshop.program("users-json") },
            Entrant {
                name: "users.py",
                language: "Python",
                source: workshop.script("python/users.py", &["python3"]),
            },
            Entrant {
                name: "users.sh",
                language: "Bash + jq",
                source: workshop.script("bash/users.sh", &["bash", "jq"]),
            },
        ];
        let answers = compare(json_entrants, &json_questions, &mut missing)?;
        output::print(&format!(
            "users.find_users(\"einstein\") = {}\n\n",
            output::escape_json(&answers[4].to_string())
        ))?;

        output::print("The accounts of this machine, two ways:\n")?;
        let passwd_entrants = vec![
            Entrant { name: "in-process", language: "Rust", source: Source::InProcess(Box::new(accounts)) },
            Entrant { name: "users-passwd", language: "Rust", source: workshop.program("users-passwd") },
        ];
        let answers = compare(passwd_entrants, &passwd_questions, &mut missing)?;
        output::print(&format!(
            "users.get_user_groups(you) = {}\n",
            output::escape_json(&answers[3].to_string())
        ))?;

        if !missing.is_empty() && env::var_os("CI").is_some_and(|ci| ci == "true") {
            return Err(Failure::Demo(format!("missing, and in CI nothing may be: {}", missing.join("; "))));
        }
        Ok(())
    }
}

impl Workshop {
    fn set_up() -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("plugline-demo-").tempdir()?;
        let files = [
            ("users.openrpc.json", MANIFEST),
            ("data/users.json", DATA),
            ("python/users.py", PYTHON),
            ("bash/users.sh", BASH),
        ];
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        let programs = env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { folder, programs })
    }

    /// An example plugin that was built beside this program.
    fn program(&self, name: &str) -> Source {
        let path = self.programs.join(name);
        if path.is_file() {
            Source::Plugin { launch: Box::new(Plugin::command(path)), needs: &[] }
        } else {
            Source::Missing(format!("{name} is not beside this program: cargo build --release --workspace"))
        }
    }

    fn script(&self, name: &str, needs: &'static [&'static str]) -> Source {
        Source::Plugin { launch: Box::new(Plugin::command(self.folder.path().join(name))), needs }
    }
}

/// Asks all of them, shows the table, and returns what the first one answered.
fn compare(
    entrants: Vec<Entrant>,
    questions: &Questions,
    missing: &mut Vec<String>,
) -> Result<Vec<Value>, Failure> {
    let mut table = Table::new();
    let mut header: Vec<Cell> = ["implementation", "language", "start"].into_iter().map(Cell::new).collect();
    header.extend(METHODS.map(Cell::new));
    header.push(Cell::new("agrees"));
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    let mut reference: Option<Vec<Value>> = None;
    let mut disagreements = String::new();
    for Entrant { name, language, source } in entrants {
        let mut row = vec![Cell::new(name), Cell::new(language)];
        match enter(source, questions)? {
            Ok(round) => {
                let start = round.start.map_or_else(|| "–".to_owned(), output::time);
                let times =
                    std::iter::once(start).chain(round.medians.iter().map(|median| output::time(*median)));
                row.extend(times.map(|time| Cell::new(time).set_alignment(CellAlignment::Right)));
                let wanted = reference.get_or_insert_with(|| round.answers.clone());
                let agrees = *wanted == round.answers;
                for ((method, wanted), got) in METHODS.iter().zip(wanted).zip(&round.answers) {
                    if wanted != got {
                        writeln!(disagreements, "{name} users.{method}: wanted {wanted}, got {got}")
                            .expect("a string takes all that is written");
                    }
                }
                row.push(Cell::new(if agrees { "yes" } else { "NO" }));
            }
            Err(why) => {
                row.push(Cell::new(format!("skipped: {why}")));
                missing.push(format!("{name}: {why}"));
            }
        }
        table.add_row(row);
    }
    output::print(&format!("{table}\nmedian time of a call, one after another\n"))?;
    if !disagreements.is_empty() {
        return Err(Failure::Demo(format!(
            "the implementations disagree:\n{}",
            output::escape_json(&disagreements)
        )));
    }
    reference.ok_or_else(|| Failure::Demo("nothing could be called".into()))
}

/// Asks one implementation everything; `Err` within says why it is not there.
fn enter(source: Source, questions: &Questions) -> Result<Result<Round, String>, Failure> {
    match source {
        Source::Missing(why) => Ok(Err(why)),
        Source::InProcess(users) => ask(&*users, questions, None).map(Ok),
        Source::Plugin { launch, needs } => {
            if let Some(tool) = needs.iter().find(|tool| !on_path(tool)) {
                return Ok(Err(format!("{tool} is not on this machine")));
            }
            let started = Instant::now();
            let plugin = launch.start()?;
            let start = started.elapsed();
            let round = ask(&UsersClient::new(plugin.clone()), questions, Some(start));
            plugin.stop();
            round.map(Ok)
        }
    }
}

fn on_path(tool: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(tool).is_file()))
}

fn ask(users: &dyn Users, questions: &Questions, start: Option<Duration>) -> Result<Round, Failure> {
    let Questions { file, id, mail, query } = questions;
    let mut round = Round { answers: Vec::new(), medians: Vec::new(), start };
    round.time(|| users.on_load(file).map(|()| Value::Null))?;
    round.time(|| users.get_user(id).map(|user| json!(user)))?;
    round.time(|| users.get_user_by_claim(Claim::Mail, mail).map(|user| json!(user)))?;
    round.time(|| users.get_user_groups(id).map(|groups| json!(groups)))?;
    round.time(|| users.find_users(query).map(|users| json!(users)))?;
    Ok(round)
}

impl Round {
    fn time(&mut self, mut call: impl FnMut() -> Result<Value, UsersError>) -> Result<(), Failure> {
        let begin = Instant::now();
        let mut times = Vec::with_capacity(CALLS);
        let mut answer = None;
        while times.len() < CALLS && (answer.is_none() || begin.elapsed() < AT_MOST) {
            let start = Instant::now();
            let value = call().map_err(|fault| match fault {
                UsersError::Call(fault) => Failure::Plugin(fault),
                other => Failure::Demo(plugline_host::escape(other.to_string().as_bytes())),
            })?;
            times.push(start.elapsed());
            answer.get_or_insert(value);
        }
        times.sort();
        self.medians.push(times[times.len() / 2]);
        self.answers.push(answer.unwrap_or_default());
        Ok(())
    }
}
