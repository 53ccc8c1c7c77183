//! Where the implementations are: laid out once beside this program, and built there if their language is compiled.
//! Knows files and tools; what is asked of the implementations, and whether they agree, is not its affair.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use plugline_example_users::DATA;
use plugline_host::Plugin;
use rustix::fs::{FlockOperation, flock};

use super::Source;

/// Another demo that builds here at the same time gets this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// The folder examples/users, as far as the plugins there need it.
const FILES: [(&str, &str); 16] = [
    ("users.openrpc.json", include_str!("../../examples/users/users.openrpc.json")),
    ("data/users.json", DATA),
    ("build", include_str!("../../examples/users/build")),
    ("python/users.py", include_str!("../../examples/users/python/users.py")),
    ("python-sdk/users.py", include_str!("../../examples/users/python-sdk/users.py")),
    ("python-sdk/contract.py", include_str!("../../examples/users/python-sdk/contract.py")),
    ("bash/users.sh", include_str!("../../examples/users/bash/users.sh")),
    ("node/users.mjs", include_str!("../../examples/users/node/users.mjs")),
    ("perl/users.pl", include_str!("../../examples/users/perl/users.pl")),
    ("ruby/users.rb", include_str!("../../examples/users/ruby/users.rb")),
    ("c/users.c", include_str!("../../examples/users/c/users.c")),
    ("c/Makefile", include_str!("../../examples/users/c/Makefile")),
    ("go/users.go", include_str!("../../examples/users/go/users.go")),
    ("go/go.mod", include_str!("../../examples/users/go/go.mod")),
    ("java/Users.java", include_str!("../../examples/users/java/Users.java")),
    ("java/Json.java", include_str!("../../examples/users/java/Json.java")),
];

/// What a plugin needs of the machine: a command that succeeds where that is there, and what to install where it is not.
pub(super) struct Need {
    check: &'static [&'static str],
    install: &'static str,
}

pub(super) const PYTHON: Need = Need {
    check: &["python3", "-c", "import sys; sys.exit(sys.version_info < (3, 10))"],
    install: "Python 3.10 or newer",
};
pub(super) const PYTHON_SDK: Need = Need {
    check: &["python3", "-c", "import plugline"],
    install: "the package plugline: pip install ./sdk-python",
};
pub(super) const JQ: Need = Need { check: &["jq", "--version"], install: "jq" };
pub(super) const BASH: Need =
    Need { check: &["bash", "-c", "((BASH_VERSINFO[0] >= 4))"], install: "Bash 4 or newer" };
pub(super) const NODE: Need = Need {
    check: &["node", "-e", "process.exit(process.versions.node.split('.')[0] >= 20 ? 0 : 1)"],
    install: "Node 20 or newer",
};
pub(super) const JAVA_17: Need =
    Need { check: &["java", "-version"], install: "a Java run-time, 17 or newer" };
pub(super) const PERL: Need =
    Need { check: &["perl", "-MJSON::PP", "-e", "1"], install: "Perl with JSON::PP" };
pub(super) const RUBY: Need =
    Need { check: &["ruby", "-rjson", "-e", "exit RUBY_VERSION.to_f >= 3.1"], install: "Ruby 3.1 or newer" };

/// A laid out copy of the examples.
pub(super) struct Workshop {
    folder: PathBuf,
    /// Where this program and the example plugins in Rust are.
    programs: PathBuf,
    /// Held while files are laid out and built.
    lock: File,
    /// The folder, where there was none beside this program to write to.
    _temporary: Option<tempfile::TempDir>,
}

impl Workshop {
    /// Lays out what is not there yet.
    pub(super) fn set_up() -> io::Result<Self> {
        let programs = std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default();
        let beside = programs.join("demo-users");
        let (folder, temporary) = if fs::create_dir_all(&beside).is_ok() && is_writable(&beside) {
            (beside, None)
        } else {
            let temporary = tempfile::Builder::new().prefix("plugline-demo-").tempdir()?;
            (temporary.path().to_owned(), Some(temporary))
        };
        let lock = File::create(folder.join(".lock"))?;
        wait_for(&lock)?;
        let workshop = Self { folder, programs, lock, _temporary: temporary };
        for (name, text) in &FILES {
            workshop.lay(name, text)?;
        }
        Ok(workshop)
    }

    /// From now on others may build here.
    pub(super) fn unlock(&self) -> io::Result<()> {
        Ok(flock(&self.lock, FlockOperation::Unlock)?)
    }

    /// The file of users.
    pub(super) fn data(&self) -> String {
        self.folder.join("data/users.json").display().to_string()
    }

    /// An example plugin in Rust, which was built beside this program.
    pub(super) fn program(&self, name: &str) -> Source {
        let path = self.programs.join(name);
        if path.is_file() {
            Source::Plugin(Box::new(Plugin::command(path)))
        } else {
            Source::Missing(format!("{name} is not beside this program: cargo build --release --workspace"))
        }
    }

    /// A script, after the words that start its interpreter.
    pub(super) fn script(&self, words: &[&str], file: &str, needs: &[Need]) -> Source {
        if let Some(missing) = needs.iter().find(|need| !need.is_there()) {
            return missing.told();
        }
        let launch = Plugin::command(words[0]).args(&words[1..]);
        Source::Plugin(Box::new(launch.arg(self.folder.join(file))))
    }

    /// A program that is built here, if it is not built yet.
    pub(super) fn built(&self, language: &str, product: &str) -> Source {
        let product = self.folder.join(product);
        match self.build(language, &product) {
            Ok(()) => Source::Plugin(Box::new(Plugin::command(product))),
            Err(why) => Source::Missing(why),
        }
    }

    /// The one in Java.
    pub(super) fn java(&self) -> Source {
        if !JAVA_17.is_there() {
            return JAVA_17.told();
        }
        let classes = self.folder.join("java/classes");
        match self.build("java", &classes.join("Users.class")) {
            Ok(()) => {
                let quick = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"];
                Source::Plugin(Box::new(Plugin::command("java").args(quick).arg(classes).arg("Users")))
            }
            Err(why) => Source::Missing(why),
        }
    }

    fn build(&self, language: &str, product: &Path) -> Result<(), String> {
        if product.is_file() {
            return Ok(());
        }
        let output = Command::new("bash")
            .arg(self.folder.join("build"))
            .arg(language)
            .stdin(Stdio::null())
            .output()
            .map_err(|fault| format!("bash: {fault}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().next_back().unwrap_or("it does not say why");
        Err(plugline_host::escape(last.as_bytes()))
    }

    /// Writes a file, unless it is there; what was built from another is removed.
    fn lay(&self, name: &str, text: &str) -> io::Result<()> {
        let path = self.folder.join(name);
        if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
        for product in ["c/users", "go/users", "java/classes/Users.class"] {
            match fs::remove_file(self.folder.join(product)) {
                Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
                _ => {}
            }
        }
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    }
}

impl Need {
    fn is_there(&self) -> bool {
        Command::new(self.check[0])
            .args(&self.check[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    fn told(&self) -> Source {
        Source::Missing(format!("not on this machine: install {}", self.install))
    }
}

fn is_writable(folder: &Path) -> bool {
    tempfile::tempfile_in(folder).is_ok()
}

fn wait_for(lock: &File) -> io::Result<()> {
    let began = Instant::now();
    loop {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(io::Error::other("another demo has been building for minutes"));
            }
            other => return Ok(other?),
        }
    }
}
