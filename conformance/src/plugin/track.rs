//! A list of steps on its way: what is done, what is waited for. Several may go on at once.

use std::collections::VecDeque;
use std::time::Duration;

use plugline_host::escape;
use plugline_host::process::{Exit, Signal};
use serde_json::{Value, json};

use super::play::{Ending, Pace, Play, Subject, is_match, shown};
use crate::hygiene::Origin;
use crate::json::Json;
use crate::matcher::{self, Mismatch, Unmatched, short};
use crate::model::{Action, Allowance, Credit, Exits, Feed, Step, Take, Then};
use crate::session::Reading;
use crate::value;
use crate::verdict::{Kind, Stop};

/// How far a track came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advance {
    /// Something was done.
    Moved,
    /// Nothing can be done until something comes.
    Waits,
    /// Nothing is left to do.
    Done,
}

/// A list of steps on its way.
pub(super) struct Track<'s> {
    /// The innermost is last.
    frames: Vec<Frame<'s>>,
    /// How the labels of its steps begin.
    label: String,
    /// What is known of the step that waits; `None` where the next one has not begun.
    current: Option<(Duration, State<'s>)>,
}

struct Frame<'s> {
    steps: &'s [Step],
    at: usize,
    rounds: Option<Rounds<'s>>,
}

struct Rounds<'s> {
    name: &'s str,
    number: i64,
    left: usize,
}

/// What a step that waits has to remember.
enum State<'s> {
    /// Nothing.
    Plain,
    /// The id of its ping.
    Fence(String),
    /// What has not come yet.
    AnyOrder(Vec<Value>),
    /// What came of the subject and was not it; how many, and the last of them.
    Await(usize, Option<String>),
    /// Bytes that wait for those before them to be read.
    Chunks(VecDeque<Vec<u8>>),
    /// Items that came, and bytes for which credit was not given yet.
    Take { items: Vec<Json>, owed: i64 },
    /// Items that have not gone.
    Feed(VecDeque<Value>),
    /// Lists of steps.
    Parallel(Vec<Track<'s>>),
}

impl<'s> Track<'s> {
    pub(super) fn new(steps: &'s [Step], label: &str) -> Self {
        let frames = vec![Frame { steps, at: 0, rounds: None }];
        Self { frames, label: label.to_owned(), current: None }
    }

    fn label(&self, step: &Step) -> String {
        let mut numbers: Vec<String> = Vec::new();
        for frame in &self.frames {
            numbers.push((frame.at + 1).to_string());
        }
        let note = step.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        format!("{}{} {}{note}", self.label, numbers.join("."), step.action.name())
    }

    /// Does what can be done now.
    pub(super) fn advance(&mut self, play: &mut Play<'_>) -> Result<Advance, Stop> {
        let Some(frame) = self.frames.last_mut() else { return Ok(Advance::Done) };
        let Some(step) = frame.steps.get(frame.at) else {
            return Ok(self.end_of_frame());
        };
        for frame in &self.frames {
            if let Some(rounds) = &frame.rounds {
                play.scope.set(rounds.name, rounds.number.into());
            }
        }
        play.step = self.label(step);
        if let Action::Repeat(repeat) = &step.action {
            let times = play.scope.times(&repeat.times)?;
            if times == 0 {
                return Ok(self.step_done());
            }
            let rounds = Rounds { name: &repeat.r#as, number: repeat.from, left: times - 1 };
            self.frames.push(Frame { steps: &repeat.steps, at: 0, rounds: Some(rounds) });
            return Ok(Advance::Moved);
        }
        let (mut since, mut state) = match self.current.take() {
            Some(current) => current,
            None => {
                // The clock does not run while we make up what is to be sent.
                let state = begin(step, play, &self.label)?;
                (play.session.age(), state)
            }
        };
        let advance = go_on(step, &mut state, play)?;
        if advance == Advance::Done {
            return Ok(self.step_done());
        }
        // The tracks within a `parallel` look at the clock themselves.
        if !matches!(state, State::Parallel(_)) {
            let patience = patience(step, play);
            since = match step.action {
                // As long as some of it goes, it reads.
                Action::Send(_) | Action::Line(_) | Action::Bytes(_) => since.max(play.session.moved_at()),
                // Some items went, or came: what is waited for is the next.
                _ if advance == Advance::Moved => play.session.age(),
                _ => since,
            };
            if play.session.age() - since > patience {
                let stop = too_late(step, &state, play);
                return Err(match step.within_ms {
                    Some(ms) => overdue(ms, stop, play),
                    None => stop,
                });
            }
        }
        self.current = Some((since, state));
        Ok(advance)
    }

    fn step_done(&mut self) -> Advance {
        if let Some(frame) = self.frames.last_mut() {
            frame.at += 1;
        }
        Advance::Moved
    }

    fn end_of_frame(&mut self) -> Advance {
        let frame = self.frames.last_mut().expect("a frame has come to its end");
        if let Some(rounds) = &mut frame.rounds
            && rounds.left > 0
        {
            rounds.left -= 1;
            rounds.number += 1;
            frame.at = 0;
            return Advance::Moved;
        }
        self.frames.pop();
        match self.frames.last_mut() {
            Some(outer) => {
                outer.at += 1;
                Advance::Moved
            }
            None => Advance::Done,
        }
    }
}

/// A step that names a time gets a little beside it; and all get what many bytes take, to the slowest of parsers.
fn patience(step: &Step, play: &Play<'_>) -> Duration {
    const MICROSECONDS_A_KIB: u64 = 1000;
    let deadlines = &play.target.deadlines;
    let base = match (step.within_ms, &step.action) {
        (Some(ms), _) => Duration::from_millis(ms) + deadlines.beside,
        (None, Action::Exits(_)) => deadlines.exit,
        _ => deadlines.step,
    };
    base + Duration::from_micros(play.session.passed() / 1024 * MICROSECONDS_A_KIB)
}

fn begin<'s>(step: &'s Step, play: &mut Play<'_>, label: &str) -> Result<State<'s>, Stop> {
    Ok(match &step.action {
        Action::Send(message) => {
            let message = play.scope.expand(message)?;
            let length = match &step.length {
                None => None,
                Some(length) => Some(play.scope.times(length)?),
            };
            let mut line = value::line(&message, length)?;
            line.push(b'\n');
            writable(play)?;
            if message.get("method") == Some(&json!("rpc.input")) {
                let id = message.pointer("/params/id").map(Value::to_string).unwrap_or_default();
                *play.input_credit_of(&id) -= i64::try_from(line.len()).unwrap_or(i64::MAX);
            }
            play.write(&line, Origin::Message);
            State::Plain
        }
        Action::Line(bytes) => {
            let mut line = play.scope.bytes(bytes)?;
            line.push(b'\n');
            writable(play)?;
            play.write(&line, Origin::Raw);
            State::Plain
        }
        Action::Bytes(bytes) => {
            let bytes = play.scope.bytes(bytes)?;
            writable(play)?;
            play.write(&bytes, Origin::Raw);
            State::Plain
        }
        Action::Chunks(chunks) => {
            writable(play)?;
            State::Chunks(chunks.iter().map(|chunk| play.scope.bytes(chunk)).collect::<Result<_, _>>()?)
        }
        Action::AnyOrder(patterns) => State::AnyOrder(
            patterns.iter().map(|pattern| play.scope.expand(pattern)).collect::<Result<_, _>>()?,
        ),
        Action::Fence | Action::Alive => State::Fence(play.begin_fence()),
        Action::Take(_) => State::Take { items: Vec::new(), owed: 0 },
        Action::Feed(Feed { items, .. }) => match play.scope.expand(items)? {
            Value::Array(items) => State::Feed(items.into()),
            other => {
                return Err(Stop::Harness(format!(
                    "feed: a list is wanted, not {}",
                    short(&other.to_string())
                )));
            }
        },
        Action::Never(pattern) => {
            let pattern = play.scope.expand(pattern)?;
            play.forbid(pattern)?;
            State::Plain
        }
        Action::CloseStdin => {
            play.session.close_stdin();
            State::Plain
        }
        Action::CloseStdout => {
            play.session.close_stdout();
            State::Plain
        }
        Action::Signal(name) => {
            play.session.signal(match name.as_str() {
                "TERM" => Signal::Terminate,
                "INT" => Signal::Interrupt,
                "KILL" => Signal::Kill,
                _ => return Err(Stop::Harness(format!("signal: {name}: TERM, INT or KILL"))),
            });
            State::Plain
        }
        Action::PauseReader => {
            play.session.set_reading(Reading::Paused);
            State::Plain
        }
        Action::ResumeReader => {
            play.session.set_reading(Reading::On);
            State::Plain
        }
        Action::Parallel(tracks) => {
            let tracks = tracks.iter().enumerate();
            State::Parallel(
                tracks.map(|(at, steps)| Track::new(steps, &format!("{label}track {} ", at + 1))).collect(),
            )
        }
        Action::Driver(_) | Action::Reply(_) | Action::Event(_) | Action::Puppet(_) | Action::Report(_) => {
            return Err(Stop::Harness(format!("{}: a step for hosts", step.action.name())));
        }
        Action::Await(_) => State::Await(0, None),
        Action::Expect(_) | Action::Spent(_) | Action::Exits(_) | Action::Repeat(_) => State::Plain,
    })
}

fn writable(play: &Play<'_>) -> Result<(), Stop> {
    if play.session.has_stdin() {
        Ok(())
    } else {
        Err(Stop::Harness(format!("{}: its standard input was closed", play.step)))
    }
}

/// Whether the step is done.
fn go_on(step: &Step, state: &mut State<'_>, play: &mut Play<'_>) -> Result<Advance, Stop> {
    let done = match (&step.action, state) {
        (Action::Send(_) | Action::Line(_) | Action::Bytes(_), _) => sent(play)?,
        (Action::Chunks(_), State::Chunks(chunks)) => return chunk(chunks, play),
        (Action::Expect(pattern), _) => {
            let pattern = play.scope.expand(pattern)?;
            expect(&pattern, step, play)?
        }
        (Action::Await(pattern), State::Await(others, last)) => {
            let pattern = play.scope.expand(pattern)?;
            wait_for(&pattern, step, others, last, play)?
        }
        (Action::AnyOrder(_), State::AnyOrder(patterns)) => any_order(patterns, play)?,
        (Action::Fence | Action::Alive, State::Fence(id)) => {
            if !play.is_passed(id) {
                play.expect_life("an answer to rpc.ping")?;
            }
            play.is_passed(id)
        }
        (Action::Take(take), State::Take { items, owed }) => return taken(take, items, owed, play),
        (Action::Feed(feed), State::Feed(items)) => return fed(feed, items, play),
        (Action::Spent(id), _) => {
            let id = play.scope.expand(id)?.to_string();
            let spent = play.hygiene.credit(&id).is_some_and(|credit| credit <= 0);
            if !spent {
                play.expect_life(&format!("output of call {id} until its credit is used up"))?;
                not_over(&id, play)?;
            }
            spent
        }
        (Action::Exits(exits), _) => exited(exits, play)?,
        (_, State::Parallel(tracks)) => return side_by_side(tracks, play),
        _ => true,
    };
    Ok(if done { Advance::Done } else { Advance::Waits })
}

/// Why a step that waits too long fails.
fn too_late(step: &Step, state: &State<'_>, play: &Play<'_>) -> Stop {
    let want = match (&step.action, state) {
        (Action::Expect(pattern) | Action::Await(pattern), _) => {
            let pattern = play.scope.expand(pattern).unwrap_or_else(|_| pattern.clone());
            short(&pattern.to_string())
        }
        (_, State::AnyOrder(left)) => short(&Value::Array(left.clone()).to_string()),
        (Action::Fence, _) => "an answer to rpc.ping".to_owned(),
        (Action::Alive, _) => "an answer to rpc.ping: the plugin lives on".to_owned(),
        (Action::Exits(_), _) => {
            return play.failure(Kind::Exit, "the end of the process", "it runs on");
        }
        (Action::Take(take), State::Take { items, .. }) => {
            format!("{} (after {} of them)", short(&take.items.to_string()), items.len())
        }
        (Action::Feed(_), State::Feed(left)) => format!("credit for {} more items", left.len()),
        (Action::Spent(id), _) => format!("output of call {id} until its credit is used up"),
        _ => return play.failure(Kind::NotRead, "that it reads what it is sent", "it does not"),
    };
    match (play.nothing_came(&want), state) {
        (Stop::Failed(mut failure), State::Await(others, Some(last))) => {
            failure.got.push_str(&passed_over(*others, last));
            Stop::Failed(failure)
        }
        (stop, _) => stop,
    }
}

/// A time that a requirement names has passed.
fn overdue(ms: u64, stop: Stop, play: &mut Play<'_>) -> Stop {
    play.pace = Pace::Overdue;
    match stop {
        Stop::Failed(mut failure) => {
            failure.want.push_str(&format!(" within {ms} ms"));
            Stop::Failed(failure)
        }
        harness => harness,
    }
}

/// What came of the subject that was waited for.
fn passed_over(others: usize, last: &str) -> String {
    match others {
        1 => format!("; of its subject came: {last}"),
        others => format!("; of its subject came {others}, the last of them: {last}"),
    }
}

/// Whether what was queued has gone. While we do not read, it may not be able to.
fn sent(play: &mut Play<'_>) -> Result<bool, Stop> {
    let done = play.session.is_written() || play.session.reading() == Reading::Paused;
    if !done && play.session.is_at_end() && !play.session.is_deaf() {
        return Err(play.ended("that it reads what it is sent"));
    }
    Ok(done)
}

fn chunk(chunks: &mut VecDeque<Vec<u8>>, play: &mut Play<'_>) -> Result<Advance, Stop> {
    if !play.session.is_read() {
        if play.session.is_at_end() {
            return Err(play.ended("that it reads what it is sent"));
        }
        return Ok(Advance::Waits);
    }
    match chunks.pop_front() {
        Some(bytes) => {
            play.write(&bytes, Origin::Raw);
            Ok(Advance::Moved)
        }
        None => Ok(Advance::Done),
    }
}

fn expect(pattern: &Value, step: &Step, play: &mut Play<'_>) -> Result<bool, Stop> {
    let subject = Subject::of(pattern);
    let Some(at) = play.inbox.iter().position(|message| subject.is_of(&message.json)) else {
        play.expect_life(&short(&pattern.to_string()))?;
        return Ok(false);
    };
    let message = play.inbox.remove(at).expect("it was found there").json;
    match matcher::matches(pattern, &message) {
        Ok(()) => {
            bind(step, &message, play)?;
            Ok(true)
        }
        Err(Unmatched::Differs(mismatch)) => {
            let got = format!("{} · {}", told(&mismatch), short(&shown(&message)));
            Err(play.failure(Kind::WrongMessage, short(&pattern.to_string()), got))
        }
        Err(Unmatched::Malformed(fault)) => Err(Stop::Harness(fault)),
    }
}

/// The beginning of a text.
fn brief(text: &str) -> String {
    const MOST: usize = 100;
    let mut brief: String = text.chars().take(MOST).collect();
    if brief.len() < text.len() {
        brief.push('…');
    }
    brief
}

/// Where a message differs, for people.
fn told(mismatch: &Mismatch) -> String {
    let place = if mismatch.path.is_empty() { "the whole" } else { &mismatch.path };
    let got = brief(&mismatch.got);
    escape(format!("at {place}: {got}, not {}", mismatch.want).as_bytes())
}

fn wait_for(
    pattern: &Value,
    step: &Step,
    others: &mut usize,
    last: &mut Option<String>,
    play: &mut Play<'_>,
) -> Result<bool, Stop> {
    let subject = Subject::of(pattern);
    while let Some(at) = play.inbox.iter().position(|message| subject.is_of(&message.json)) {
        let message = play.inbox.remove(at).expect("it was found there").json;
        if is_match(pattern, &message)? {
            bind(step, &message, play)?;
            return Ok(true);
        }
        *others += 1;
        *last = Some(short(&shown(&message)));
    }
    // What comes about a call comes before its response.
    if let Subject::Method(_, Some(about)) = &subject {
        not_over(about, play)?;
    }
    match (play.expect_life(&short(&pattern.to_string())), last) {
        (Err(Stop::Failed(mut failure)), Some(last)) => {
            failure.got.push_str(&passed_over(*others, last));
            Err(Stop::Failed(failure))
        }
        (alive, _) => alive.map(|()| false),
    }
}

/// Fails where a call has been answered about which something was still to come.
fn not_over(id: &str, play: &Play<'_>) -> Result<(), Stop> {
    let response = Subject::Response(id.to_owned());
    match play.inbox.iter().find(|message| response.is_of(&message.json)) {
        Some(message) => {
            let got = format!("its response: {}", shown(&message.json));
            Err(play.failure(Kind::WrongMessage, format!("more about call {id}"), got))
        }
        None => Ok(()),
    }
}

fn any_order(patterns: &mut Vec<Value>, play: &mut Play<'_>) -> Result<bool, Stop> {
    let mut at = 0;
    while at < play.inbox.len() {
        let message = &play.inbox[at].json;
        let alike: Vec<usize> =
            (0..patterns.len()).filter(|index| Subject::of(&patterns[*index]).is_of(message)).collect();
        if alike.is_empty() {
            at += 1;
            continue;
        }
        let mut matching = None;
        for index in &alike {
            if is_match(&patterns[*index], message)? {
                matching = Some(*index);
                break;
            }
        }
        let Some(index) = matching else {
            let wanted: Vec<Value> = alike.iter().map(|index| patterns[*index].clone()).collect();
            let got = shown(message);
            return Err(play.failure(Kind::WrongMessage, short(&Value::Array(wanted).to_string()), got));
        };
        patterns.remove(index);
        play.inbox.remove(at);
    }
    if !patterns.is_empty() {
        play.expect_life(&short(&Value::Array(patterns.clone()).to_string()))?;
    }
    Ok(patterns.is_empty())
}

fn bind(step: &Step, message: &Json, play: &mut Play<'_>) -> Result<(), Stop> {
    for (name, pointer) in &step.bind {
        match message.pointer(pointer) {
            Some(value) => play.scope.set(name.clone(), value.to_value()),
            None => {
                let want = format!("something at {pointer}");
                return Err(play.failure(Kind::WrongMessage, want, shown(message)));
            }
        }
    }
    Ok(())
}

fn taken(take: &Take, items: &mut Vec<Json>, owed: &mut i64, play: &mut Play<'_>) -> Result<Advance, Stop> {
    let id = play.scope.expand(&take.id)?;
    let key = id.to_string();
    let pattern = play.scope.expand(&take.items)?;
    let wanted = match (&pattern, pattern.get("$size")) {
        (Value::Array(list), _) => list.len(),
        (_, Some(size)) if size.is_u64() => usize::try_from(size.as_u64().unwrap_or(0)).unwrap_or(usize::MAX),
        _ => return Err(Stop::Harness("take: `items` is a list or {$size: N}".into())),
    };
    let mut moved = false;
    loop {
        let left = play.leftover.entry(key.clone()).or_default();
        while items.len() < wanted
            && let Some(item) = left.pop_front()
        {
            items.push(item);
        }
        if items.len() >= wanted {
            break;
        }
        let subject = Subject::Method("rpc.output".into(), Some(key.clone()));
        let Some(at) = play.inbox.iter().position(|message| subject.is_of(&message.json)) else {
            not_over(&key, play)?;
            play.expect_life(&format!("items of call {key}"))?;
            return Ok(if moved { Advance::Moved } else { Advance::Waits });
        };
        let message = play.inbox.remove(at).expect("it was found there");
        moved = true;
        if let Some(Json::Array(came)) = message.json.pointer("/params/items") {
            play.leftover.entry(key.clone()).or_default().extend(came.iter().cloned());
        }
        *owed += i64::try_from(message.size).unwrap_or(i64::MAX).saturating_add(1);
        let enough = match take.credit {
            Credit::Each => 1,
            Credit::Half => play.hygiene.window() / 2,
            Credit::Withheld => i64::MAX,
        };
        if *owed >= enough && play.session.has_stdin() {
            let params = json!({"id": id, "bytes": *owed});
            play.write_message(&json!({"jsonrpc": "2.0", "method": "rpc.outputCredit", "params": params}));
            *owed = 0;
        }
    }
    let came = Json::Array(std::mem::take(items));
    match matcher::matches(&pattern, &came) {
        Ok(()) => Ok(Advance::Done),
        Err(Unmatched::Differs(mismatch)) => {
            let got = format!("{} · {}", told(&mismatch), short(&shown(&came)));
            Err(play.failure(Kind::WrongMessage, short(&pattern.to_string()), got))
        }
        Err(Unmatched::Malformed(fault)) => Err(Stop::Harness(fault)),
    }
}

fn fed(feed: &Feed, items: &mut VecDeque<Value>, play: &mut Play<'_>) -> Result<Advance, Stop> {
    let id = play.scope.expand(&feed.id)?;
    let key = id.to_string();
    let mut moved = false;
    while !items.is_empty() && *play.input_credit_of(&key) > 0 && play.session.is_written() {
        let count = feed.per_line.min(items.len());
        let some: Vec<Value> = items.drain(..count).collect();
        let message = json!({"jsonrpc": "2.0", "method": "rpc.input", "params": {"id": id, "items": some}});
        let cost = i64::try_from(message.to_string().len()).unwrap_or(i64::MAX).saturating_add(1);
        *play.input_credit_of(&key) -= cost;
        play.write_message(&message);
        moved = true;
    }
    if !items.is_empty() {
        play.expect_life("credit for more input")?;
        return Ok(if moved { Advance::Moved } else { Advance::Waits });
    }
    if feed.then == Then::End {
        play.write_message(&json!({"jsonrpc": "2.0", "method": "rpc.inputEnd", "params": {"id": id}}));
    }
    Ok(Advance::Done)
}

fn exited(exits: &Exits, play: &mut Play<'_>) -> Result<bool, Stop> {
    let Some(exit) = play.session.exit() else { return Ok(false) };
    play.ending = Ending::Judged(exit);
    let wanted = exits.code.clone().unwrap_or(json!(0));
    let fits = match &exits.signal {
        Some(name) => signal_of(&exit) == Some(name.as_str()),
        // Any end, also by a signal: SIGPIPE ends whoever does not handle it.
        None if wanted == json!({"$any": true}) => true,
        None => match exit.code {
            Some(code) => {
                let code = Json::read(code.to_string().as_bytes()).expect("a number is JSON");
                is_match(&play.scope.expand(&wanted)?, &code)?
            }
            // Killed by a signal, of which there is no status: a failed write does that where SIGPIPE is as it was.
            None => play.allows.contains(&Allowance::AnyExit),
        },
    };
    if fits {
        return Ok(true);
    }
    let want = match &exits.signal {
        Some(name) => format!("an end by SIG{name}"),
        None => format!("an exit with status {wanted}"),
    };
    Err(play.failure(Kind::Exit, want, format!("the process {exit}")))
}

fn signal_of(exit: &Exit) -> Option<&'static str> {
    match exit.signal {
        Some(libc::SIGTERM) => Some("TERM"),
        Some(libc::SIGINT) => Some("INT"),
        Some(libc::SIGKILL) => Some("KILL"),
        _ => None,
    }
}

fn side_by_side(tracks: &mut Vec<Track<'_>>, play: &mut Play<'_>) -> Result<Advance, Stop> {
    let mut all = Advance::Waits;
    let mut at = 0;
    while at < tracks.len() {
        match tracks[at].advance(play)? {
            Advance::Done => {
                tracks.remove(at);
                all = Advance::Moved;
                continue;
            }
            Advance::Moved => all = Advance::Moved,
            Advance::Waits => {}
        }
        at += 1;
    }
    Ok(if tracks.is_empty() { Advance::Done } else { all })
}
