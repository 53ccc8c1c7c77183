//! `plugline which`: what a driver means, and why.

use clap::Args;
use plugline_host::escape;
use plugline_host::manager::{Candidate, Found, Manager, Place, Resolution};
use serde_json::{Value, json};

use crate::driver::Names;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::storage::StoreOptions;

/// Say what a driver means, and why. Nothing is started; what has to be fetched is.
///
/// What is tried first stands first; the others are tried where it does not work. `--json` says all that is known of each.
#[derive(Args)]
pub(crate) struct Which {
    /// A name of --plugins, a word, a path or a URL.
    driver: String,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    store: StoreOptions,
}

impl Which {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let manager = self.names.manager(Some(self.store.open()?))?;
        let resolution = manager.which(&self.driver)?;
        if format == Format::Json {
            let text = report(&resolution, &manager).to_string();
            return output::print(&(output::escape_json(&text) + "\n"));
        }
        for broken in manager.broken() {
            output::warning(&broken.to_string());
        }
        output::print(&text(&resolution))
    }
}

fn text(resolution: &Resolution) -> String {
    let mut text = String::new();
    let quiet = output::QUIET;
    for (at, candidate) in resolution.candidates.iter().enumerate() {
        let lead = if at == 0 { "" } else { "or else " };
        text += &format!("{quiet}{lead}{quiet:#}{candidate}\n");
    }
    for passed in &resolution.passed_over {
        text += &format!("{quiet}not {}{quiet:#}\n", escape(passed.to_string().as_bytes()));
    }
    text
}

fn report(resolution: &Resolution, manager: &Manager) -> Value {
    let passed = resolution.passed_over.iter().map(|tried| json!({"what": tried.what, "why": tried.why}));
    let broken = manager.broken().into_iter().map(|broken| json!({"path": broken.path, "why": broken.why}));
    json!({
        "name": resolution.name,
        "driver": resolution.driver.to_string(),
        "candidates": resolution.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "passed_over": passed.collect::<Vec<_>>(),
        "search": manager.search(),
        "broken": broken.collect::<Vec<_>>(),
    })
}

fn candidate(candidate: &Candidate) -> Value {
    match candidate {
        Candidate::BuiltIn(name) => json!({"kind": "builtin", "name": name}),
        Candidate::Program(path) => json!({"kind": "program", "path": path}),
        Candidate::Found(found) => of_plugin(found),
        // What a later version of the manager may find.
        other => json!({"kind": "other", "text": other.to_string()}),
    }
}

fn of_plugin(found: &Found) -> Value {
    let mut report = json!({
        "name": found.name,
        "version": found.version,
        "path": found.place.path(),
        "provides": found.declared.as_ref().map(|declared| &declared.provides),
    });
    report["kind"] = match &found.place {
        Place::Package(_) => "package",
        Place::Program { manifest, .. } => {
            report["manifest"] = json!(manifest);
            "program"
        }
        Place::Store(release) => {
            report["hash"] = json!(release.hash);
            report["from"] = json!(release.origin.source);
            "installed"
        }
        _ => "other",
    }
    .into();
    report
}
