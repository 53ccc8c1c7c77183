//! `plugline call`: one call of one method.

use std::time::Duration;

use clap::Args;
use crossbeam_channel::{bounded, select};
use indicatif::{ProgressBar, ProgressStyle};
use plugline_host::{
    CallOptions, Document, Event, EventKind, Kind, OutputStream, Plugin, Progress, RunningCall,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::arguments::{Patience, PluginOptions, params, patience};
use crate::failure::Failure;
use crate::input::Source;
use crate::output::{self, Reader};

/// Call one method of a plugin.
#[derive(Args)]
#[command(
    override_usage = "plugline call [OPTIONS] PLUGIN METHOD [PARAMS]...\n       plugline call [OPTIONS] --command COMMAND METHOD [PARAMS]..."
)]
pub(crate) struct Call {
    /// PLUGIN: a path. METHOD: `<contract>.<method>`. PARAMS: a JSON object, @file, - for standard input,
    /// key=text, key:=json; later ones over earlier ones.
    #[arg(value_name = "PLUGIN METHOD PARAMS", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    plugin: PluginOptions,
    /// How long to wait for the answer: 500ms, 5s, 2m, none.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = patience)]
    timeout: Patience,
    /// The items of the method's input, one JSON value a line; - is standard input.
    #[arg(long, value_name = "FILE|-")]
    input: Option<Source>,
}

impl Call {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut words = self.words;
        let launch = self.plugin.launch(&mut words)?;
        if words.is_empty() {
            return Err(Failure::Usage("a METHOD is needed".into()));
        }
        let method = words.remove(0);
        if self.input == Some(Source::StandardInput) && words.iter().any(|word| word == "-") {
            return Err(Failure::Usage("standard input is either the params or the input".into()));
        }
        let params = params(&words)?;
        let patience = if self.plugin.no_timeouts { None } else { self.timeout.0 };
        let options = patience.map_or_else(CallOptions::no_timeout, CallOptions::timeout);

        let plugin = launch.start()?;
        let called = call(&plugin, &method, &params, options, self.input.as_ref());
        let stopped = plugin.stop();
        show_events(&plugin);
        called?;
        match stopped.exit {
            Some(exit) if exit.code == Some(0) => {}
            Some(exit) => output::warning(&format!("after its answer the plugin {exit}")),
            None => output::warning("after its answer the plugin could not be stopped"),
        }
        Ok(())
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
        let result = beside_events(plugin, &bar, || call.wait_with_progress(|report| bar.show(&report)));
        result.map_err(Failure::from).and_then(|result| {
            bar.0.finish_and_clear();
            output::result(&result)
        })
    } else {
        call_with_streams(plugin, method, params, options, input, (streams, &bar))
    };
    bar.0.finish_and_clear();
    show_events(plugin);
    called
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
    let shown = beside_events(plugin, bar, || {
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

/// Which streams a method has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Streams {
    None,
    Output,
    Input,
    Both,
    /// The plugin has some; its manifest does not say whether this method has.
    Unknown,
}

impl Streams {
    /// What the manifest says, where the plugin has streams at all.
    fn of(plugin: &Plugin, method: &str, options: CallOptions) -> Self {
        if plugin.hello().capabilities.streams.is_none() {
            return Self::None;
        }
        let manifest = plugin.begin("rpc.discover", &(), options).and_then(RunningCall::wait::<Document>);
        let declared =
            manifest.ok().and_then(|manifest| manifest.methods.into_iter().find(|it| it.name == method));
        match declared.map(|method| (method.plugline.output, method.plugline.input)) {
            None => Self::Unknown,
            Some((None, None)) => Self::None,
            Some((Some(_), None)) => Self::Output,
            Some((None, Some(_))) => Self::Input,
            Some((Some(_), Some(_))) => Self::Both,
        }
    }
}

/// Does something while what the plugin says is shown as it comes.
fn beside_events<T>(plugin: &Plugin, bar: &Bar, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (_ended, ending) = bounded::<()>(0);
        let events = plugin.events();
        // The thread ends when `_ended` is dropped.
        scope.spawn(move || {
            loop {
                select! {
                    recv(events) -> event => match event {
                        Ok(event) => bar.0.suspend(|| show_event(&event)),
                        Err(_) => return,
                    },
                    recv(ending) -> _ => return,
                }
            }
        });
        work()
    })
}

fn show_events(plugin: &Plugin) {
    for event in plugin.events().try_iter() {
        show_event(&event);
    }
}

fn show_event(event: &Event) {
    if !matches!(event.kind, EventKind::Started { .. } | EventKind::Ready(_) | EventKind::Exited { .. }) {
        output::event(event);
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
            self.0.set_message(plugline_host::escape(message.as_bytes()));
        }
    }
}
