//! Where generated code is put together with what uses it, once for all tests; and the tools of each language. A tool
//! that is not on this machine is told, and in CI nothing is skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const PLUGLINE: &str = env!("CARGO_BIN_EXE_plugline");
pub(crate) const RICH: &str = "tests/contracts/rich.openrpc.json";
/// A contract with every keyword of JSON Schema.
pub(crate) const KEYWORDS: &str = "tests/contracts/keywords.openrpc.json";
/// The contract of a plugin that breaks the rules.
const FAULTY: &str = "tests/contracts/faulty.openrpc.json";
pub(crate) const USERS: &str = "examples/users/users.openrpc.json";

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo builds all this: crates that are made here are built there too, and take what is there already.
pub(crate) fn target() -> &'static Path {
    Path::new(PLUGLINE).parent().and_then(Path::parent).expect("it is target/debug/plugline")
}

/// What cargo built beside the command line.
pub(crate) fn built(name: &str) -> String {
    let path = Path::new(PLUGLINE).with_file_name(name);
    assert!(path.exists(), "{} is not there: cargo build --workspace --bins --examples", path.display());
    path.display().to_string()
}

/// Whether something optional is on this machine. In CI it must be.
fn is_there(path: &Path, what: &str) -> bool {
    let there = path.exists();
    assert!(there || std::env::var_os("CI").is_none(), "{what}: in CI nothing is skipped");
    if !there {
        eprintln!("skipped: {what}");
    }
    there
}

fn on_path(tool: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(tool)).find(|path| path.is_file());
    let path = found.unwrap_or_else(|| PathBuf::from(tool));
    is_there(&path, &format!("{tool} is not on this machine")).then_some(path)
}

/// Runs a command to its end, which must be a good one.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|fault| panic!("{command:?}: {fault}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, told(&output));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Writes code in a language.
pub(crate) fn generate(language: &str, document: &str, folder: &Path) {
    run(Command::new(PLUGLINE)
        .args(["contract", "gen", language, document, "--out"])
        .arg(folder)
        .current_dir(root()));
}

/// A folder of its own that stays until the next run, for who wants to look.
fn folder(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated").join(format!("{name}-{number}"));
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The document of the contract that the transcripts of SPEC.md speak of.
fn demo() -> String {
    let path = folder("demo").join("demo.openrpc.json");
    let script = root().join("protocol/tests/spec/other.py");
    fs::write(&path, run(Command::new("python3").arg(script).arg("--document"))).unwrap();
    path.display().to_string()
}

fn copy(from: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(root().join(from)).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if path.is_file() {
            fs::copy(&path, to.join(entry.file_name())).unwrap();
        }
    }
}

/// Node, the folder that holds what was compiled, and the tools.
pub(crate) struct TypeScript {
    pub(crate) folder: PathBuf,
}

impl TypeScript {
    pub(crate) fn get() -> Option<&'static Self> {
        static MADE: OnceLock<Option<TypeScript>> = OnceLock::new();
        MADE.get_or_init(|| {
            on_path("node")?;
            let modules = root().join("tests/typescript/node_modules");
            is_there(&modules, "npm ci --prefix tests/typescript was not run").then_some(())?;
            let folder = folder("typescript");
            std::os::unix::fs::symlink(&modules, folder.join("node_modules")).unwrap();
            for document in [RICH, USERS, FAULTY, KEYWORDS, &demo()] {
                generate("typescript", document, &folder);
            }
            let generated = ["catalog.ts", "users.ts", "faulty.ts", "keywords.ts", "demo.ts", "runtime.ts"];
            run(Command::new(modules.join(".bin/prettier"))
                .arg("--check")
                .args(generated)
                .current_dir(&folder));
            copy("tests/typescript", &folder);
            run(Command::new(modules.join(".bin/tsc"))
                .args(["-p", ".", "--outDir", "dist"])
                .current_dir(&folder));
            Some(TypeScript { folder })
        })
        .as_ref()
    }

    pub(crate) fn command(&self, program: &str) -> Vec<String> {
        vec![
            "node".to_owned(),
            self.folder.join("dist").join(program).with_extension("js").display().to_string(),
        ]
    }
}

/// The folder that holds what was compiled.
pub(crate) struct Go {
    pub(crate) folder: PathBuf,
}

impl Go {
    pub(crate) fn get() -> Option<&'static Self> {
        static MADE: OnceLock<Option<Go>> = OnceLock::new();
        MADE.get_or_init(|| {
            let go = on_path("go")?;
            let folder = folder("go");
            fs::write(folder.join("go.mod"), "module generated\n\ngo 1.22\n").unwrap();
            generate("go", RICH, &folder.join("catalog"));
            generate("go", USERS, &folder.join("users"));
            generate("go", FAULTY, &folder.join("faulty"));
            generate("go", KEYWORDS, &folder.join("keywords"));
            generate("go", &demo(), &folder.join("demo"));
            let unformatted = run(Command::new("gofmt").args(["-l", "."]).current_dir(&folder));
            assert_eq!(unformatted, "", "gofmt would change these");
            for program in
                ["plugin", "host", "users-host", "connects", "faults", "keywords-plugin", "demo-plugin"]
            {
                copy(&format!("tests/go/{program}"), &folder.join(program));
            }
            run(Command::new(&go).args(["vet", "./..."]).current_dir(&folder));
            fs::create_dir(folder.join("bin")).unwrap();
            run(Command::new(&go).args(["build", "-o", "bin/", "./..."]).current_dir(&folder));
            // What only the package itself can see.
            for test in ["faulty_test.go", "runtime_test.go"] {
                fs::copy(root().join("tests/go").join(test), folder.join("faulty").join(test)).unwrap();
            }
            run(Command::new(&go).args(["test", "./faulty"]).current_dir(&folder));
            Some(Go { folder })
        })
        .as_ref()
    }

    pub(crate) fn command(&self, program: &str) -> Vec<String> {
        vec![self.folder.join("bin").join(program).display().to_string()]
    }
}

/// The interpreter that has what the package needs, and the folder of the modules.
pub(crate) struct Python {
    pub(crate) folder: PathBuf,
    bin: PathBuf,
}

impl Python {
    pub(crate) fn get() -> Option<&'static Self> {
        static MADE: OnceLock<Option<Python>> = OnceLock::new();
        MADE.get_or_init(|| {
            let bin = root().join(".venv/bin");
            is_there(&bin.join("ruff"), "scripts/test makes .venv, and was not run").then_some(())?;
            let folder = folder("python");
            for document in [RICH, USERS, KEYWORDS] {
                generate("python", document, &folder);
            }
            let generated = ["catalog.py", "users.py", "keywords.py"];
            let ruff = |words: &[&str]| {
                run(Command::new(bin.join("ruff")).args(words).args(generated).current_dir(&folder));
            };
            ruff(&["format", "--isolated", "--check"]);
            ruff(&["check", "--isolated", "--select", "E4,E7,E9,F,I"]);
            copy("tests/python", &folder);
            let mut mypy = Command::new(bin.join("mypy"));
            mypy.args(["--strict", "--no-error-summary", "."]).env("MYPYPATH", root().join("sdk-python/src"));
            run(mypy.current_dir(&folder));
            Some(Python { folder, bin })
        })
        .as_ref()
    }

    pub(crate) fn command(&self, program: &str) -> Vec<String> {
        let path =
            format!("PYTHONPATH={}:{}", root().join("sdk-python/src").display(), self.folder.display());
        let python = self.bin.join("python").display().to_string();
        vec![
            "env".to_owned(),
            path,
            python,
            self.folder.join(program).with_extension("py").display().to_string(),
        ]
    }
}

/// Generates a document in every language, and compiles it there.
pub(crate) fn compile(document: &serde_json::Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("names.json");
    fs::write(&path, document.to_string()).unwrap();
    let document = path.to_str().unwrap();
    if let Some(made) = TypeScript::get() {
        let own = folder.path().join("typescript");
        generate("typescript", document, &own);
        std::os::unix::fs::symlink(made.folder.join("node_modules"), own.join("node_modules")).unwrap();
        for file in ["tsconfig.json", "package.json"] {
            fs::copy(made.folder.join(file), own.join(file)).unwrap();
        }
        run(Command::new(own.join("node_modules/.bin/tsc")).args(["--noEmit", "-p", "."]).current_dir(&own));
        run(Command::new(own.join("node_modules/.bin/prettier"))
            .args(["--check", "names.ts"])
            .current_dir(&own));
    }
    if let Some(go) = on_path("go") {
        let own = folder.path().join("go");
        generate("go", document, &own);
        fs::write(own.join("go.mod"), "module names\n\ngo 1.22\n").unwrap();
        run(Command::new(go).args(["vet", "."]).current_dir(&own));
        assert_eq!(run(Command::new("gofmt").args(["-l", "."]).current_dir(&own)), "");
    }
    if let Some(made) = Python::get() {
        let own = folder.path().join("python");
        generate("python", document, &own);
        let mut mypy = Command::new(made.bin.join("mypy"));
        mypy.args(["--strict", "--no-error-summary", "names.py"])
            .env("MYPYPATH", root().join("sdk-python/src"));
        run(mypy.current_dir(&own));
        run(Command::new(made.bin.join("ruff"))
            .args(["format", "--isolated", "--check", "names.py"])
            .current_dir(&own));
        let mut python = Command::new(made.bin.join("python"));
        run(python
            .args(["-W", "error", "-c", "import names"])
            .env("PYTHONPATH", root().join("sdk-python/src"))
            .current_dir(&own));
    }
    // Rust is checked in a crate of its own, against what is built already.
    let own = folder.path().join("rust");
    generate("rust", document, &own.join("src"));
    let made = own.join("src/names.rs");
    let text = fs::read_to_string(&made).unwrap();
    fs::write(&made, format!("#![deny(warnings)]\n{text}")).unwrap();
    let sdk = root().join("sdk-rust").display().to_string();
    fs::write(
        own.join("Cargo.toml"),
        format!(
            "[package]\nname = \"names\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\npath = \"src/names.rs\"\n\n\
             [dependencies]\nplugline-sdk = {{ path = {sdk:?}, features = [\"validate\"] }}\nschemars = \"1\"\nserde = {{ version = \"1\", features = \
             [\"derive\"] }}\nserde_json = \"1\"\nthiserror = \"2\"\n\n[workspace]\n"
        ),
    )
    .unwrap();
    fs::copy(root().join("Cargo.lock"), own.join("Cargo.lock")).unwrap();
    run(Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--target-dir"])
        .arg(target())
        .current_dir(&own));
}
