//! Installs a package and calls it: `install SOURCE METHOD`.

use std::process::ExitCode;

use plugline_host::store::{InstallOptions, Source, Step, Store};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// What the method of that package gives.
pub(crate) fn install(store: &Store, source: &str, method: &str) -> Result<Value, Failure> {
    let source: Source = source.parse()?;
    // Nothing of the package runs; where it must be signed, `keys` says by whom.
    let installed = store.install(&source, &InstallOptions::default(), &mut |step| {
        if let Step::Unpacked { path, done } = step {
            eprintln!("{done:>10} {path}");
        }
    })?;
    // Looks whether it is what was installed, and keeps the files for as long as `opened` is there.
    let opened = store.open(installed.plugin.current())?;
    let plugin = opened.launch()?.start()?;
    let result = plugin.call(method, &json!({}))?;
    plugin.stop();
    Ok(result)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [source, method] = &words[..] else {
        eprintln!("install SOURCE METHOD");
        return ExitCode::from(2);
    };
    match Store::of_this_user().map_err(Into::into).and_then(|store| install(&store, source, method)) {
        Ok(result) => println!("{result}"),
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
