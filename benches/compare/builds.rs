//! Builds the peers with their toolchains, and says which toolchains are missing.

use std::path::Path;
use std::process::Command;

use plugline_benches_driver::Fault;

use crate::peers::{Places, Toolchain};

/// Builds what a toolchain builds.
///
/// # Errors
/// [`Fault`] where it is missing or the build fails.
pub(crate) fn build(toolchain: Toolchain, places: &Places) -> Result<(), Fault> {
    let programs = places.programs(toolchain);
    match toolchain {
        Toolchain::Cargo => {
            let mut cargo = cargo();
            cargo.args([
                "build",
                "--quiet",
                "--release",
                "--locked",
                "--package",
                "plugline-benches",
                "--bins",
            ]);
            run(cargo.arg("--target-dir").arg(&places.target).current_dir(&places.benches))
        }
        Toolchain::CargoMcp => {
            let target = programs.parent().unwrap_or(&programs);
            let mut cargo = cargo();
            cargo.args(["build", "--quiet", "--release", "--locked", "--bins"]);
            run(cargo.arg("--target-dir").arg(target).current_dir(places.benches.join("peers/mcp")))
        }
        Toolchain::Go => {
            std::fs::create_dir_all(&programs)?;
            let go = |args: &[&str], out: &Path, what: &str| {
                let mut go = Command::new("go");
                go.args(["build", "-trimpath"]).args(args).arg("-o").arg(out).arg(what);
                run(go.current_dir(places.benches.join("peers/go")))
            };
            go(&[], &programs, "./cmd/...")?;
            go(&["-buildmode=plugin"], &programs.join("native.so"), "./native")
        }
        Toolchain::Python => {
            environment(&programs, places, "../sdk-python/requirements.txt")?;
            // As it is now, whatever was installed under the same version.
            pip(
                &programs,
                places,
                &["--no-build-isolation", "--no-deps", "--force-reinstall", "../sdk-python"],
            )
        }
        Toolchain::PythonMcp => environment(&programs, places, "peers/python/mcp-requirements.txt"),
    }
}

/// A virtual environment with what is required there, and nothing that is not named with its hash.
fn environment(programs: &Path, places: &Places, requirements: &str) -> Result<(), Fault> {
    run(Command::new("python3").args(["-m", "venv"]).arg(programs.parent().unwrap_or(programs)))?;
    pip(programs, places, &["--require-hashes", "--requirement", requirements])
}

fn pip(programs: &Path, places: &Places, args: &[&str]) -> Result<(), Fault> {
    let mut pip = Command::new(programs.join("python"));
    pip.args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet"]).args(args);
    run(pip.current_dir(&places.benches))
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn run(command: &mut Command) -> Result<(), Fault> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|fault| format!("{program}: {fault}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} failed: {status}").into()) }
}
