//! `plugline call`: one call of one method.

use std::time::Duration;

use clap::Args;
use crossbeam_channel::{bounded, select};
use indicatif::{ProgressBar, ProgressStyle};
use plugline_host::{CallOptions, Event, EventKind, Plugin, Progress};

use crate::arguments::{Patience, PluginOptions, params, patience};
use crate::failure::Failure;
use crate::output;

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
}

impl Call {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut words = self.words;
        let launch = self.plugin.launch(&mut words)?;
        if words.is_empty() {
            return Err(Failure::Usage("a METHOD is needed".into()));
        }
        let method = words.remove(0);
        let params = params(&words)?;
        let patience = if self.plugin.no_timeouts { None } else { self.timeout.0 };
        let options = patience.map_or_else(CallOptions::no_timeout, CallOptions::timeout);

        let plugin = launch.start()?;
        let called = call(&plugin, &method, &params, options);
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
    params: &serde_json::Map<String, serde_json::Value>,
    options: CallOptions,
) -> Result<(), Failure> {
    let call = plugin.begin(method, params, options)?;
    let bar = Bar::new();
    let result = std::thread::scope(|scope| {
        let (_ended, ending) = bounded::<()>(0);
        let (events, shown) = (plugin.events(), &bar);
        // What the plugin says is shown as it comes; the thread ends when `_ended` is dropped.
        scope.spawn(move || {
            loop {
                select! {
                    recv(events) -> event => match event {
                        Ok(event) => shown.0.suspend(|| show_event(&event)),
                        Err(_) => return,
                    },
                    recv(ending) -> _ => return,
                }
            }
        });
        call.wait_with_progress(|progress| bar.show(&progress))
    });
    bar.0.finish_and_clear();
    show_events(plugin);
    output::result(&result?)
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
