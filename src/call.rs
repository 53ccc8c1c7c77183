//! `plugline call`: one call of one method.

use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use plugline_host::{CallOptions, Error, Kind, Launch, OutputStream, Plugin, Progress, Validation, escape};
use plugline_protocol::wire::ErrorCode;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::arguments::Request;
use crate::events;
use crate::failure::Failure;
use crate::input::Source;
use crate::output::{self, Format, Reader};
use crate::streams::{self, Streams};

/// Call one method of a plugin.
#[derive(Args)]
#[command(
    override_usage = "plugline call [OPTIONS] PLUGIN METHOD [PARAMS]...\n       plugline call [OPTIONS] --command COMMAND METHOD [PARAMS]..."
)]
pub(crate) struct Call {
    #[command(flatten)]
    request: Request,
    /// The items of the method's input, one JSON value a line; - is standard input.
    #[arg(long, value_name = "FILE|-")]
    input: Option<Source>,
    /// Do not check config, params and results against the plugin's manifest.
    #[arg(long)]
    no_validate: bool,
}

impl Call {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        if self.input == Some(Source::StandardInput) && self.request.takes_standard_input() {
            return Err(Failure::Usage("standard input is either the params or the input".into()));
        }
        let ready = self.request.read()?;
        let checked = |launch: Launch| match self.no_validate {
            true => launch.validate(Validation::Off),
            false => launch.validate(Validation::Offered),
        };
        let (plugin, method, params, options) = ready.start(checked)?;
        let called = match call(&plugin, &method, &params, options, self.input.as_ref()) {
            Err(Failure::Plugin(fault)) if is_notification(&plugin, &method, &fault, options) => {
                notify(&plugin, &method, &params, options, format)
            }
            called => called,
        };
        events::stop(&plugin, called)
    }
}

fn call(
    plugin: &Plugin,
    method: &str,
    params: &Map<String, Value>,
    options: CallOptions,
    input: Option<&Source>,
) -> Result<(), Failure> {
    let streams = Streams::of(plugin, method, options);
    let bar = Bar::new();
    let called = if streams == Streams::None && input.is_none() {
        let call = plugin.begin(method, params, options)?;
        let result = events::beside(plugin, &bar.0, || call.wait_with_progress(|report| bar.show(&report)));
        result.map_err(Failure::from).and_then(|result| {
            bar.0.finish_and_clear();
            output::result(&result)
        })
    } else {
        call_with_streams(plugin, method, params, options, input, (streams, &bar))
    };
    bar.0.finish_and_clear();
    events::show(plugin);
    called
}

/// Whether there is no such method because it is a notification. The manifest is asked only now: a call of a method costs
/// no question.
fn is_notification(plugin: &Plugin, method: &str, fault: &Error, options: CallOptions) -> bool {
    fault.remote().is_some_and(|error| error.code == ErrorCode::MethodNotFound)
        && streams::declared(plugin, method, options).is_some_and(|it| it.result.is_none())
}

/// Sends a notification, and waits until it was handled, which it is before a request that follows it: a plugin that dies
/// of it is told of.
fn notify(
    plugin: &Plugin,
    method: &str,
    params: &Map<String, Value>,
    options: CallOptions,
    format: Format,
) -> Result<(), Failure> {
    plugin.notify(method, params)?;
    let ping = plugin.begin("rpc.ping", &(), options)?;
    events::beside(plugin, &ProgressBar::hidden(), || ping.wait::<Value>())?;
    output::note(&format!("{} is a notification: it was sent, and has no answer", escape(method.as_bytes())));
    match format {
        Format::Text => Ok(()),
        Format::Json => output::print("null\n"),
    }
}

type Stream = OutputStream<Box<RawValue>, Box<RawValue>>;

/// The output as JSON lines, then the summary unless it is null.
fn call_with_streams(
    plugin: &Plugin,
    method: &str,
    params: &Map<String, Value>,
    options: CallOptions,
    input: Option<&Source>,
    (streams, bar): (Streams, &Bar),
) -> Result<(), Failure> {
    let lines = match (streams, input) {
        (Streams::None | Streams::Output, Some(_)) if plugin.hello().capabilities.streams.is_some() => {
            return Err(Failure::Usage(format!("{method} takes no --input")));
        }
        (Streams::Input | Streams::Both, None) => {
            return Err(Failure::Usage(format!("{method} wants --input FILE, or - for standard input")));
        }
        (_, input) => input.map(Source::open).transpose()?,
    };
    let mut stream: Stream;
    let mut faults = None;
    match lines {
        None => stream = plugin.stream(method, params, options)?,
        Some(lines) => {
            let input;
            (input, stream) = plugin.stream_with_input(method, params, options)?;
            faults = Some(lines.send(input));
        }
    }
    let mut items = 0_u64;
    let shown = events::beside(plugin, &bar.0, || {
        while let Some(item) = stream.next_with_progress(|report| bar.show(&report)) {
            items += 1;
            if bar.0.suspend(|| output::item(&item?))? == Reader::Gone {
                return Ok(None); // Nobody wants more; that cancels the call.
            }
        }
        Ok(Some(stream.finish()?))
    });
    let result = match (shown, faults.and_then(|faults| faults.try_recv().ok())) {
        // It was cancelled for what is wrong with its input.
        (Err(Failure::Plugin(fault)), Some(cause)) if fault.kind() == Kind::Cancelled => return Err(cause),
        (shown, _) => shown?,
    };
    let has_output = items > 0 || matches!(streams, Streams::Output | Streams::Both);
    bar.0.finish_and_clear();
    match result {
        Some(result) if !has_output || result.get() != "null" => output::result(&result),
        _ => Ok(()),
    }
}

/// How far the call has come, on standard error where that is a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        Self(ProgressBar::hidden())
    }

    fn show(&self, progress: &Progress) {
        if self.0.is_hidden() {
            self.0.set_draw_target(indicatif::ProgressDrawTarget::stderr());
            let style = match progress.total {
                Some(_) => ProgressStyle::with_template("{wide_bar} {percent}% {msg}"),
                None => ProgressStyle::with_template("{spinner} {pos} {msg}"),
            };
            self.0.set_style(style.expect("the templates are right"));
            self.0.enable_steady_tick(Duration::from_millis(100));
        }
        // Bars count in whole steps; a thousandth of the whole is fine enough to see.
        match progress.total.filter(|total| *total > 0.0) {
            Some(total) => {
                self.0.set_length(1000);
                self.0.set_position((progress.progress / total * 1000.0).clamp(0.0, 1000.0) as u64);
            }
            None => self.0.set_position(progress.progress.max(0.0) as u64),
        }
        if let Some(message) = &progress.message {
            self.0.set_message(escape(message.as_bytes()));
        }
    }
}
