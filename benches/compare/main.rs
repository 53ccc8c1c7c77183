//! Compares Plugline with its peers in one run, and judges the goals: `scripts/bench`.
#![forbid(unsafe_code)]

mod builds;
mod client;
mod figures;
mod goals;
mod machine;
mod mode;
mod options;
mod peers;
mod plots;
mod procfs;
mod report;
mod rounds;
mod scenarios;
mod stats;
mod svg;
mod table;
mod units;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use plugline_benches_driver::Fault;

use crate::figures::Run;
use crate::machine::Machine;
use crate::options::{EXTRAS, Options, USAGE};
use crate::peers::{PEERS, Peer, Places, Toolchain};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("compare: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match compare(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("compare: {why}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Result<(), Fault> {
    if cfg!(debug_assertions) {
        return Err("a debug build measures nothing: use scripts/bench".into());
    }
    let places = Places::find()?;
    let kept = places.target.join("benches-run.json");
    if options.render {
        let kept = fs::read(&kept).map_err(|fault| format!("there is no last full run: {fault}"))?;
        return write(&serde_json::from_slice(&kept)?, &places, &places.benches);
    }
    let run = measure(options, &places)?;
    if options.only.is_some() {
        println!("{}", report::write(&run, &places));
    } else if options.quick {
        write(&run, &places, &places.target.join("benches-quick"))?;
    } else {
        fs::write(&kept, serde_json::to_vec(&run)?)?;
        write(&run, &places, &places.benches)?;
    }
    if !run.failures.is_empty() {
        return Err(format!("{} measurements failed", run.failures.len()).into());
    }
    if !run.missing.is_empty() && std::env::var("CI").is_ok_and(|ci| ci == "true") {
        return Err("in CI no peer may be missing".into());
    }
    Ok(())
}

/// Builds all at once: most of the time one waits for the network or for its last compiler.
fn build(wanted: Vec<Toolchain>, places: &Places) -> Vec<(Toolchain, Result<(), String>)> {
    eprintln!("building: {wanted:?}");
    std::thread::scope(|scope| {
        let building: Vec<_> = wanted
            .into_iter()
            .map(|toolchain| {
                let build = move || builds::build(toolchain, places).map_err(|why| why.to_string());
                (toolchain, scope.spawn(build))
            })
            .collect();
        let ended = "a build does not panic";
        building.into_iter().map(|(toolchain, build)| (toolchain, build.join().expect(ended))).collect()
    })
}

fn measure(options: &Options, places: &Places) -> Result<Run, Fault> {
    let scale = options.scale();
    let of = |toolchain| PEERS.iter().filter(move |peer| peer.needs(toolchain) && options.wants(peer.name));
    // Plugline's own programs are needed whatever is wanted.
    let wanted = Toolchain::ALL
        .into_iter()
        .filter(|toolchain| *toolchain == Toolchain::Cargo || of(*toolchain).next().is_some());
    let mut missing = BTreeMap::new();
    for (toolchain, built) in build(wanted.collect(), places) {
        if let Err(why) = built {
            if toolchain == Toolchain::Cargo {
                return Err(why.into());
            }
            eprintln!("{toolchain:?} is missing: {why}");
            missing.extend(of(toolchain).map(|peer| (peer.name.to_owned(), why.clone())));
        }
    }
    let began = Instant::now();
    let mut run = Run {
        machine: Machine::now(places),
        command: options.command(),
        seconds: 0,
        rounds: scale.rounds,
        idle_seconds: scale.idle.as_secs(),
        peers: BTreeMap::new(),
        missing,
        failures: Vec::new(),
        modes: BTreeMap::new(),
    };
    for round in 1..=scale.rounds {
        eprintln!("round {round} of {}", scale.rounds);
        let wanted = |peer: &&Peer| options.wants(peer.name) && !run.missing.contains_key(peer.name);
        for peer in PEERS.iter().filter(wanted).collect::<Vec<_>>() {
            let figures = run.peers.entry(peer.name.to_owned()).or_default();
            if let Err(fault) = rounds::round(places, peer, &scale, figures) {
                run.failed(format!("{}: {fault}", peer.name));
            }
        }
    }
    if options.wants(EXTRAS) {
        eprintln!("Plugline alone");
        scenarios::run(places, &scale, &mut run);
    }
    run.seconds = began.elapsed().as_secs();
    Ok(run)
}

fn write(run: &Run, places: &Places, to: &Path) -> Result<(), Fault> {
    let (folder, plots) = (to.join("plots"), plots::draw(run));
    fs::create_dir_all(&folder)?;
    for plot in &plots {
        fs::write(folder.join(plot.file), &plot.svg)?;
    }
    fs::write(to.join("RESULTS.md"), report::write(run, places) + &report::plots(&plots))?;
    let met = |verdict: &goals::Verdict| matches!(verdict, goals::Verdict::Met(_));
    let goals = goals::judge(run);
    eprintln!("{} of {} goals met", goals.iter().filter(|goal| met(&goal.verdict)).count(), goals.len());
    Ok(())
}
