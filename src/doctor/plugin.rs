//! A plugin: its files, then its life, from the start to the end.

use std::path::Path;
use std::time::Instant;

use plugline_host::package::{Package, PackageName, Platform};
use plugline_host::{Enforcement, EventKind, Launch, MeasureState, Plugin};

use super::{Findings, program};
use crate::arguments::PluginOptions;
use crate::failure::Failure;
use crate::output;
use crate::storage::StoreOptions;

pub(super) fn examine(
    words: &mut Vec<String>,
    options: &PluginOptions,
    store: &StoreOptions,
    findings: &mut Findings,
) -> Result<(), Failure> {
    if options.has_command() {
        return live(options.launch(words)?, findings);
    }
    if let Some(word) = words.get(1) {
        return Err(Failure::Usage(format!("{word:?}: only one PLUGIN is taken")));
    }
    let word = words[0].clone();
    let path = Path::new(&word);
    if let Ok(name) = PackageName::new(&word)
        && let Some(installed) = store.open()?.plugin(&name)?
    {
        let release = installed.current();
        findings.fine("installed", format!("{name} {} from {}", release.version, release.origin.source));
        match store.open()?.open(release) {
            Err(fault) => {
                let remedy = format!("`plugline install --force {}`", release.origin.source);
                findings.wrong("files", fault.to_string(), remedy);
                return Ok(());
            }
            Ok(opened) => {
                findings.fine("files", "as they were installed");
                start_file(&opened.package, &opened.directory, findings);
                // The files stay as long as it runs.
                return live(options.prepared(opened.launch()?)?, findings);
            }
        }
    }
    if path.is_dir() && word.contains('/') {
        return match Package::read(path) {
            Err(fault) => {
                findings.wrong("package", fault.to_string(), "docs/packages.md has what it may say");
                Ok(())
            }
            Ok(package) => {
                findings.fine("package", format!("{} {}", package.name, package.version));
                start_file(&package, path, findings);
                match package.launch(path) {
                    Ok(launch) => live(options.prepared(launch)?, findings),
                    Err(fault) => {
                        findings.wrong("package", fault.to_string(), "pack an artifact for this machine");
                        Ok(())
                    }
                }
            }
        };
    }
    let launch = options.launch(words)?;
    program::examine(path, findings);
    live(launch, findings)
}

/// The program that a package starts, where it is one of its files.
fn start_file(package: &Package, directory: &Path, findings: &mut Findings) {
    let program = Platform::here().and_then(|here| package.program(here).ok());
    if let Some(inner) = program.and_then(|it| it.inner()) {
        program::examine(&inner.within(directory), findings);
    } else if let Some(path) = program.map(|it| it.path(directory)) {
        match path.to_str().and_then(super::machine::find) {
            Some(found) => findings.fine("program", found.display().to_string()),
            None => findings.wrong(
                "program",
                format!("{}, which it is started with, is not on PATH", path.display()),
                "install it; a plugin has the PATH of its host",
            ),
        }
    }
}

/// Starts it, asks it for its manifest, and stops it.
fn live(launch: Launch, findings: &mut Findings) -> Result<(), Failure> {
    let began = Instant::now();
    let plugin = match launch.start() {
        Ok(plugin) => plugin,
        Err(fault) => {
            let mut what = fault.to_string();
            if let Some(evidence) = fault.evidence() {
                for line in &evidence.stderr_tail {
                    what += &format!("; stderr: {line}");
                }
                if let Some(stray) = &evidence.stray {
                    what += &format!("; stdout: {stray}");
                }
            }
            let remedy =
                Failure::from(fault).hint("doctor").unwrap_or_else(|| "start it by hand to see why".into());
            findings.wrong("start", what, remedy);
            return Ok(());
        }
    };
    let who = &plugin.hello().plugin;
    let took = output::time(began.elapsed());
    findings.fine("start", format!("{} {} shook hands after {took}", who.name, who.version));
    for measure in plugin.sandbox().into_iter().flat_map(Enforcement::measures) {
        match &measure.state {
            MeasureState::Unenforced { why, remedy } => {
                findings.note("sandbox", format!("{}: {why}", measure.name), remedy.clone());
            }
            _ => findings.fine("sandbox", measure.to_string()),
        }
    }
    match plugin.discover() {
        Ok(manifest) => manifest_of(&manifest, findings),
        Err(fault) => findings.note(
            "manifest",
            fault.to_string(),
            "it can be called without; with one, it is found by contract, described and checked",
        ),
    }
    end(&plugin, findings);
    Ok(())
}

fn manifest_of(manifest: &plugline_host::Document, findings: &mut Findings) {
    let methods = manifest.methods.len();
    match plugline_host::Manifest::of(manifest) {
        Ok(_) => findings.fine("manifest", format!("{methods} methods")),
        Err(faults) => {
            let first = faults.as_slice().first().map(ToString::to_string).unwrap_or_default();
            findings.wrong("manifest", first, "`plugline contract check` shows all that is wrong with it");
        }
    }
}

fn end(plugin: &Plugin, findings: &mut Findings) {
    match plugin.ping() {
        Ok(took) => findings.fine("ping", output::time(took)),
        Err(fault) => {
            findings.wrong("ping", fault.to_string(), "it must answer rpc.ping, whatever else it does")
        }
    }
    let stopped = plugin.stop();
    for event in plugin.events().try_iter() {
        if let EventKind::Stray { text, .. } = event.kind {
            findings.wrong(
                "output",
                format!("it printed to its standard output: {text}"),
                "print to standard error: standard output is the wire",
            );
            break;
        }
    }
    match stopped.exit {
        Some(exit) if exit.code == Some(0) => {
            findings.fine("end", "exited with status 0 when it was told to")
        }
        Some(exit) => findings.wrong(
            "end",
            format!("it {exit}"),
            "after rpc.shutdown and the end of its input a plugin exits with status 0",
        ),
        None => findings.wrong("end", "it could not be stopped", "look for it with ps, and end it by hand"),
    }
}
