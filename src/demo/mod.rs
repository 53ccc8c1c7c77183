//! `plugline demo`: one contract, served in several languages, called through one trait.

mod workshop;

use std::env;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{Cell, CellAlignment, Table};
use plugline_example_users::{
    Claim, PasswdConfig, UserId, Users, UsersClient, UsersError, json_users, passwd_users,
};
use plugline_host::Launch;
use serde_json::{Value, json};

use self::workshop::Workshop;
use crate::failure::Failure;
use crate::output;

/// Each method is called this often, or for this long, whichever ends first.
const CALLS: usize = 200;
const AT_MOST: Duration = Duration::from_millis(500);

/// Call one contract in this process and in plugins of many languages, and compare.
#[derive(Args)]
pub(crate) struct Demo {}

/// One implementation of the contract.
struct Entrant {
    name: &'static str,
    language: &'static str,
    source: Source,
    weight: Weight,
}

enum Source {
    InProcess(Box<dyn Users>),
    Plugin(Box<Launch>),
    /// It is not there, and why.
    Missing(String),
}

/// Whether CI goes on without it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Needed,
    Optional,
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
        let json_questions = Questions {
            file: workshop.data(),
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
        let json_entrants = json_entrants(&workshop);
        workshop.unlock().map_err(|fault| system(&fault))?;
        output::print(&format!(
            "The users of a JSON file, {} ways through one contract:\n\n",
            json_entrants.len()
        ))?;
        let answers = compare(json_entrants, &json_questions, &mut missing)?;
        output::print(&format!(
            "users.find_users(\"einstein\") = {}\n\n",
            output::escape_json(&answers[4].to_string())
        ))?;

        output::print("The accounts of this machine, two ways:\n")?;
        let passwd_entrants = vec![
            Entrant::new("in-process", "Rust", Source::InProcess(Box::new(accounts))),
            Entrant::new("users-passwd", "Rust", workshop.program("users-passwd")),
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

impl Entrant {
    fn new(name: &'static str, language: &'static str, source: Source) -> Self {
        Self { name, language, source, weight: Weight::Needed }
    }

    fn optional(self) -> Self {
        Self { weight: Weight::Optional, ..self }
    }
}

/// Everyone who serves the users of a JSON file.
fn json_entrants(workshop: &Workshop) -> Vec<Entrant> {
    use workshop::{BASH, JQ, NODE, PERL, PYTHON, PYTHON_SDK, RUBY};
    let sdk = workshop.script(&["python3"], "python-sdk/users.py", &[PYTHON, PYTHON_SDK]);
    vec![
        Entrant::new("in-process", "Rust", Source::InProcess(Box::new(json_users()))),
        Entrant::new("users-json", "Rust", workshop.program("users-json")),
        Entrant::new("users.py", "Python, with the SDK", sdk),
        Entrant::new("users.py", "Python", workshop.script(&["python3"], "python/users.py", &[PYTHON])),
        Entrant::new("users.mjs", "Node", workshop.script(&["node"], "node/users.mjs", &[NODE])),
        Entrant::new("users.go", "Go", workshop.built("go", "go/users")),
        Entrant::new("users.c", "C", workshop.built("c", "c/users")),
        Entrant::new("Users.java", "Java", workshop.java()),
        Entrant::new("users.pl", "Perl", workshop.script(&["perl"], "perl/users.pl", &[PERL])).optional(),
        Entrant::new("users.rb", "Ruby", workshop.script(&["ruby"], "ruby/users.rb", &[RUBY])).optional(),
        Entrant::new("users.sh", "Bash and jq", workshop.script(&["bash"], "bash/users.sh", &[BASH, JQ])),
    ]
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
    let mut notes = String::new();
    for Entrant { name, language, source, weight } in entrants {
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
                row.push(Cell::new("not here").set_alignment(CellAlignment::Right));
                writeln!(notes, "{name} ({language}): {why}").expect("a string takes all that is written");
                if weight == Weight::Needed {
                    missing.push(format!("{name} ({language}): {why}"));
                }
            }
        }
        table.add_row(row);
    }
    output::print(&format!("{table}\nmedian time of a call, one after another\n{notes}"))?;
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
        Source::Plugin(launch) => {
            let started = Instant::now();
            let plugin = launch.guarded().start()?;
            let start = started.elapsed();
            let users: UsersClient = plugin.client()?;
            let round = ask(&users, questions, Some(start));
            plugin.stop();
            round.map(Ok)
        }
    }
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
                UsersError::Call(fault) => fault.downcast().map_or_else(
                    |fault| Failure::Demo(plugline_host::escape(fault.to_string().as_bytes())),
                    Failure::Plugin,
                ),
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
