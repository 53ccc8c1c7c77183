//! Packages that are made from sources: `[build]` in `plugline.toml`.
//!
//! The command runs in the plugin's directory. The program that it makes is copied into a cache, under a key of all
//! that it was made from (`watched.rs`), and started from there: so what runs is never written over, two versions can
//! run beside each other, and what is as it was is not made again. One process makes one plugin at a time; others wait
//! for it, and find it done. A build ends with its host; until it has, it is waited for: two in one directory would spoil
//! each other.

mod watched;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use plugline_protocol::wire::escape;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::launch::Launch;
use crate::package::{Package, PackageError, PackageFault, Platform, Sha256};
use crate::plugin::Plugin;
use crate::process::Guard;
use crate::store::Held;

pub(crate) use watched::{directories as watched_directories, files as watched_files};

/// How long a build may take.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long the end of another one is waited for: all its attempts.
const TURN: Duration = Duration::from_secs(45 * 60);
/// How much it may write to its output; bytes.
const LOG_BYTES: u64 = 64 << 20;
/// How often its end is looked for, at most.
const LOOK: Duration = Duration::from_millis(50);
/// Sources that change while they are built are built again, so often.
const ATTEMPTS: usize = 3;
/// What is kept of earlier builds of one plugin, beside what is in use.
const KEPT: usize = 4;
/// What is shown of a build's output.
const TAIL_LINES: usize = 40;
const TAIL_BYTES: u64 = 64 * 1024;

/// Where built programs are.
#[derive(Debug, Clone)]
pub(crate) struct Builds {
    root: PathBuf,
}

/// A program that was built, or needed not to be.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    /// The program in the cache; none where the package starts one of this machine, which reads what was built.
    program: Option<PathBuf>,
    /// Whether it was made now.
    pub(crate) now: bool,
    /// What is in the cache stays as long as somebody has this, in whatever process. What is started has it.
    held: Arc<Held>,
}

/// Why a package could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The package itself.
    Package(Box<PackageError>),
    /// A file could not be read or written.
    Io {
        /// The directory of the package.
        directory: PathBuf,
        /// What the system said, and of which file.
        source: io::Error,
    },
    /// The command failed, or there is no such program.
    Failed {
        /// The directory of the package.
        directory: PathBuf,
        /// The command.
        command: String,
        /// How it ended.
        how: String,
        /// Its last lines, escaped.
        output: Vec<String>,
    },
    /// The command did what it does, and did not make the program.
    NotMade {
        /// The directory of the package.
        directory: PathBuf,
        /// The command.
        command: String,
        /// What is not there.
        program: PathBuf,
    },
    /// The sources change while they are built.
    Restless {
        /// The directory of the package.
        directory: PathBuf,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |path: &Path| escape(path.as_os_str().as_encoded_bytes());
        match self {
            Self::Package(fault) => fault.fmt(f),
            Self::Io { directory, source } => {
                write!(f, "{} cannot be built: {}", shown(directory), escape(source.to_string().as_bytes()))
            }
            Self::Failed { directory, command, how, output } => {
                write!(f, "{} cannot be built: {command} {how}", shown(directory))?;
                if output.is_empty() {
                    return f.write_str(", and said nothing");
                }
                write!(f, ":\n{}", output.join("\n"))
            }
            Self::NotMade { directory, command, program } => {
                let (directory, program) = (shown(directory), shown(program));
                write!(f, "{directory} cannot be built: {command} did not make {program}, which is started")
            }
            Self::Restless { directory } => {
                let directory = shown(directory);
                write!(
                    f,
                    "{directory} cannot be built: its sources change while they are built; does the build write \
                           into them? `watch` of [build] says what it is made from"
                )
            }
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Package(fault) => Some(fault),
            Self::Io { source, .. } => Some(source),
            Self::Failed { .. } | Self::NotMade { .. } | Self::Restless { .. } => None,
        }
    }
}

impl Built {
    /// The plugin, ready to be started. It runs in the plugin's directory.
    pub(crate) fn launch(&self, package: &Package, directory: &Path) -> Result<Launch, PackageError> {
        let held = Arc::clone(&self.held);
        let Some(program) = &self.program else { return Ok(package.launch(directory)?.keeping(held)) };
        let here = Platform::here().ok_or_else(|| unusable(directory, PackageFault::UnknownPlatform))?;
        let made = package.program(here).map_err(|fault| unusable(directory, fault))?;
        let launch = Plugin::command(program).args(made.args()).dir(directory);
        Ok(launch.instance(package.name.as_str()).keeping(held))
    }
}

fn unusable(directory: &Path, fault: PackageFault) -> PackageError {
    PackageError { file: directory.join(crate::package::FILE), place: None, fault }
}

impl Builds {
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Builds a package, unless what it is made from is as it was. `begins` is called where that is done; the build is
    /// ended once `is_unwanted`.
    pub(crate) fn ensure(
        &self,
        package: &Package,
        directory: &Path,
        begins: impl FnOnce(),
        is_unwanted: &dyn Fn() -> bool,
    ) -> Result<Built, BuildError> {
        let failed = |source| BuildError::Io { directory: directory.to_owned(), source };
        let directory = &fs::canonicalize(directory).map_err(failed)?;
        let job = Job::new(&self.root, package, directory)?;
        let key = job.key()?;
        if let Some(built) = job.done(&key)? {
            return Ok(built);
        }
        fs::create_dir_all(&job.cache).map_err(failed)?;
        let lock = job.lock(TURN, is_unwanted).map_err(failed)?;
        let mut key = job.key()?;
        if let Some(built) = job.done(&key)? {
            return Ok(built);
        }
        begins();
        for _ in 0..ATTEMPTS {
            job.run(&lock, is_unwanted)?;
            let after = job.key()?;
            if after == key {
                return job.keep(&key);
            }
            key = after;
        }
        Err(BuildError::Restless { directory: directory.clone() })
    }
}

/// One package that is to be built.
struct Job<'a> {
    directory: &'a Path,
    build: &'a crate::package::Build,
    program: crate::package::Program<'a>,
    /// What was built of it.
    cache: PathBuf,
}

impl<'a> Job<'a> {
    fn new(root: &Path, package: &'a Package, directory: &'a Path) -> Result<Self, BuildError> {
        let fault = |fault| BuildError::Package(Box::new(unusable(directory, fault)));
        let here = Platform::here().ok_or_else(|| fault(PackageFault::UnknownPlatform))?;
        let program = package.program(here).map_err(fault)?;
        let none = || fault(PackageFault::Contradictory("there is no [build]".into()));
        let build = package.build.as_ref().ok_or_else(none)?;
        let place = Sha256::of(directory.as_os_str().as_encoded_bytes());
        let cache = root.join(format!("{}-{}", package.name, &place.as_str()[..16]));
        Ok(Self { directory, build, program, cache })
    }

    fn failed(&self, source: io::Error) -> BuildError {
        BuildError::Io { directory: self.directory.to_owned(), source }
    }

    fn key(&self) -> Result<Sha256, BuildError> {
        let files = watched::files(self.directory, self.build, &self.program);
        let key = files.and_then(|files| watched::key(self.directory, self.build, &files));
        key.map_err(|fault| self.failed(fault))
    }

    /// Where what was made from this is kept: a program, or the mere fact.
    fn kept(&self, key: &Sha256) -> PathBuf {
        self.cache.join(key.as_str())
    }

    fn done(&self, key: &Sha256) -> Result<Option<Built>, BuildError> {
        let kept = self.kept(key);
        let held = Held::shared_at(&kept).map_err(|fault| self.failed(fault))?;
        let program = self.program.inner().map(|_| kept);
        Ok(held.map(|held| Built { program, now: false, held: Arc::new(held) }))
    }

    /// Held until it is built, by whichever process and thread is first.
    fn lock(&self, patience: Duration, is_unwanted: &dyn Fn() -> bool) -> io::Result<Held> {
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_millis(1);
        loop {
            // To be read as well: it is what a build has as its standard input.
            let mut options = File::options();
            let file =
                options.create(true).truncate(false).read(true).write(true).open(self.cache.join("lock"))?;
            if let Some(lock) = Held::exclusive(file)? {
                return Ok(lock);
            }
            if is_unwanted() {
                return Err(io::Error::other(
                    "all plugins were stopped while it waited for another build of it",
                ));
            }
            if Instant::now() > deadline {
                let text = format!("another build of it has gone on for {} s", patience.as_secs());
                return Err(io::Error::other(text));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LOOK);
        }
    }

    fn command(&self) -> String {
        let words: Vec<String> = self.build.command.iter().map(|word| escape(word.as_bytes())).collect();
        words.join(" ")
    }

    /// Runs the build, which has the environment of this process: it needs compilers, and they their settings. Its standard
    /// input is the lock, an empty file: so the lock lasts as long as the build, should this process be killed.
    fn run(&self, lock: &Held, is_unwanted: &dyn Fn() -> bool) -> Result<(), BuildError> {
        let log_file = self.cache.join("log");
        let log = File::create(&log_file).map_err(|fault| self.failed(fault))?;
        let clone = || log.try_clone().map_err(|fault| self.failed(fault));
        let (again, written) = (clone()?, clone()?);
        let [program, args @ ..] = &self.build.command[..] else {
            return Err(self.failed(io::Error::other("the command of [build] is empty")));
        };
        let mut command =
            Command::new(if program.contains('/') { self.directory.join(program) } else { program.into() });
        let input = lock.shared_with().map_err(|fault| self.failed(fault))?;
        command.args(args).current_dir(self.directory).stdin(input).stdout(log).stderr(again);
        // A group of its own, so that all of it can be ended.
        command.process_group(0);
        let failed = |how: String, output| BuildError::Failed {
            directory: self.directory.to_owned(),
            command: self.command(),
            how,
            output,
        };
        let child =
            command.spawn().map_err(|fault| failed(format!("cannot be started: {fault}"), Vec::new()))?;
        drop(command);
        match guarded(child, |child| wait(child, PATIENCE, &written, LOG_BYTES, is_unwanted)) {
            Ok(Ended::By(status)) if status.success() => Ok(()),
            Ok(ended) => Err(failed(ended.to_string(), tail(&log_file))),
            Err(fault) => Err(self.failed(fault)),
        }
    }

    /// Keeps what was made.
    fn keep(&self, key: &Sha256) -> Result<Built, BuildError> {
        let kept = self.kept(key);
        match self.program.inner() {
            None => drop(File::create(&kept).map_err(|fault| self.failed(fault))?),
            Some(path) => {
                let made = path.within(self.directory);
                if !made.is_file() {
                    return Err(BuildError::NotMade {
                        directory: self.directory.to_owned(),
                        command: self.command(),
                        program: made,
                    });
                }
                let fresh = self.cache.join("fresh");
                copy(&made, &fresh).map_err(|fault| self.failed(fault))?;
                fs::rename(&fresh, &kept).map_err(|fault| self.failed(fault))?;
            }
        }
        let gone = || self.failed(io::Error::other(format!("{} was deleted meanwhile", kept.display())));
        let built = self.done(key)?.ok_or_else(gone)?;
        self.forget(key).map_err(|fault| self.failed(fault))?;
        Ok(Built { now: true, ..built })
    }

    /// Deletes what was built long ago, but for what may be started once more.
    fn forget(&self, key: &Sha256) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.cache)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.len() == key.as_str().len() && name != *key.as_str() {
                kept.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        kept.sort();
        let old = kept.len().saturating_sub(KEPT - 1);
        for (_, path) in kept.into_iter().take(old) {
            if let Some(_alone) = Held::exclusive(File::open(&path)?)? {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// Copies a program by a process of its own: a descriptor that writes to it, inherited for a moment by whatever this
/// process forks meanwhile, would keep it from being started (ETXTBSY).
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let copied = Command::new("cp").arg("-p").arg("--").arg(from).arg(to).stdin(Stdio::null()).output()?;
    if copied.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("cp: {}", String::from_utf8_lossy(&copied.stderr).trim())))
}

/// How a build ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    By(ExitStatus),
    /// It took too long, and was ended.
    After(Duration),
    /// It wrote too much, and was ended.
    Writing(u64),
    /// Nobody wants it any more, and it was ended.
    Unwanted,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(status) => write!(f, "failed ({status})"),
            Self::After(patience) => write!(f, "took more than {} s", patience.as_secs()),
            Self::Writing(most) => write!(f, "wrote more than {most} bytes to its output"),
            Self::Unwanted => f.write_str("was ended, since all plugins were stopped"),
        }
    }
}

/// Sees a build through, which ends with this process should that be killed, or interrupted.
fn guarded(mut child: Child, through: impl FnOnce(&mut Child) -> io::Result<Ended>) -> io::Result<Ended> {
    let through = Guard::start(child.id(), Duration::ZERO).and_then(|_guard| through(&mut child));
    if through.is_err() {
        end(&mut child)?;
    }
    through
}

/// Kills a build and all that it started.
fn end(child: &mut Child) -> io::Result<()> {
    // Where it is not reaped yet, so that the id is still its own.
    if child.try_wait()?.is_none()
        && let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
    {
        kill_process_group(group, Signal::KILL)?;
    }
    child.wait().map(drop)
}

/// Waits for the end of a build, which may take so long and write so much.
fn wait(
    child: &mut Child,
    patience: Duration,
    log: &File,
    most: u64,
    is_unwanted: &dyn Fn() -> bool,
) -> io::Result<Ended> {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::By(status));
        }
        let ended = if log.metadata()?.len() > most {
            Some(Ended::Writing(most))
        } else if Instant::now() > deadline {
            Some(Ended::After(patience))
        } else {
            is_unwanted().then_some(Ended::Unwanted)
        };
        if let Some(ended) = ended {
            end(child)?;
            return Ok(ended);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LOOK);
    }
}

/// The last lines of a build's output.
fn tail(log: &Path) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read().unwrap_or_else(|fault| format!("its output cannot be read: {fault}").into_bytes());
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| escape(line)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    /// A package whose build counts its runs, and whose program is made from `src`.
    struct Bench {
        dir: tempfile::TempDir,
    }

    impl Bench {
        fn new(script: &str) -> Self {
            let bench = Self { dir: tempfile::tempdir().unwrap() };
            fs::create_dir(bench.at("p")).unwrap();
            let text = "name = \"p\"\nversion = \"1.0.0\"\ncommand = [\"./out\", \"x\"]\n[build]\ncommand = [\"sh\", \"make.sh\"]\nwatch = [\"src\", \"make.sh\"]";
            fs::write(bench.at("p/plugline.toml"), text).unwrap();
            fs::write(bench.at("p/make.sh"), script).unwrap();
            fs::write(bench.at("p/src"), "one").unwrap();
            bench
        }

        fn at(&self, path: &str) -> PathBuf {
            self.dir.path().join(path)
        }

        fn ensure(&self) -> Result<Built, BuildError> {
            let package = Package::read(&self.at("p")).unwrap();
            Builds::at(self.at("cache")).ensure(&package, &self.at("p"), || {}, &|| false)
        }

        fn runs(&self) -> usize {
            fs::read_to_string(self.at("runs")).unwrap_or_default().lines().count()
        }
    }

    const MAKE: &str = "echo run >> ../runs\ncp src out\nchmod +x out\n";

    #[test]
    fn what_changed_is_built_and_what_did_not_is_not() {
        let bench = Bench::new(MAKE);
        let first = bench.ensure().unwrap();
        assert!(first.now && !bench.ensure().unwrap().now);
        assert_eq!(
            (bench.runs(), fs::read_to_string(first.program.as_ref().unwrap()).unwrap()),
            (1, "one".into())
        );
        fs::write(bench.at("p/src"), "two").unwrap();
        let second = bench.ensure().unwrap();
        assert_eq!(bench.runs(), 2);
        // The first one may still run.
        let texts =
            [&first, &second].map(|built| fs::read_to_string(built.program.as_ref().unwrap()).unwrap());
        assert_eq!(texts, ["one", "two"]);
        fs::write(bench.at("p/src"), "one").unwrap();
        let again = bench.ensure().unwrap();
        assert_eq!((again.program, again.now), (first.program, false));
        assert_eq!(bench.runs(), 2);
    }

    #[test]
    fn many_want_it_and_one_builds_it() {
        let bench = Bench::new(MAKE);
        let barrier = Barrier::new(8);
        let built: Vec<Built> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        bench.ensure().unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!((bench.runs(), built.iter().filter(|built| built.now).count()), (1, 1));
    }

    /// Whatever it leaves running.
    #[test]
    fn a_lock_is_given_up_with_the_build() {
        let leaving = "(until [ -e ../end -o ! -e make.sh ]; do sleep 0.01; done) <&0 >&- 2>&- &\n";
        let bench = Bench::new(&format!("{leaving}{MAKE}"));
        bench.ensure().unwrap();
        let cache = fs::read_dir(bench.at("cache")).unwrap().next().unwrap().unwrap().path();
        let lock = File::open(cache.join("lock")).unwrap();
        assert!(Held::exclusive(lock).unwrap().is_some());
        fs::write(bench.at("end"), "").unwrap();
    }

    #[test]
    fn the_end_of_another_build_is_waited_for_so_long_and_while_somebody_wants_it() {
        let bench = Bench::new(MAKE);
        let (directory, cache) = (bench.at("p"), bench.at("cache"));
        let package = Package::read(&directory).unwrap();
        let job = Job::new(&cache, &package, &directory).unwrap();
        fs::create_dir_all(&job.cache).unwrap();
        let lock = job.lock(Duration::ZERO, &|| true).unwrap();
        let said = |patience, unwanted| job.lock(patience, &|| unwanted).unwrap_err().to_string();
        assert_eq!(said(Duration::ZERO, false), "another build of it has gone on for 0 s");
        assert!(said(TURN, true).contains("waited for another build of it"));
        drop(lock);
        job.lock(Duration::ZERO, &|| false).unwrap();
    }

    #[test]
    fn a_build_that_does_not_end_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let run = |script: &str, patience| {
            let log = File::create(dir.path().join("log")).unwrap();
            let output = Stdio::from(log.try_clone().unwrap());
            let mut child =
                Command::new("sh").args(["-c", script]).stdout(output).process_group(0).spawn().unwrap();
            wait(&mut child, patience, &log, 1000, &|| false).unwrap()
        };
        let (none, long) = (Duration::ZERO, Duration::from_secs(600));
        assert_eq!(run("sleep 600", none), Ended::After(none));
        assert_eq!(run("printf %1001s; sleep 600", long), Ended::Writing(1000));
        // At the limit, it goes on to its end.
        assert!(matches!(run("printf %1000s; exit 3", long), Ended::By(status) if status.code() == Some(3)));
        assert_eq!(Ended::Writing(1000).to_string(), "wrote more than 1000 bytes to its output");
    }

    #[test]
    fn a_build_that_fails_shows_its_output() {
        let bench = Bench::new("echo first\nprintf 'src:3: \\033[31mno such thing\\n' >&2\nexit 3");
        let fault = bench.ensure().unwrap_err().to_string();
        let said = format!(
            "{} cannot be built: sh make.sh failed (exit status: 3):\nfirst\nsrc:3: ",
            bench.at("p").display()
        );
        assert!(
            fault.starts_with(&said) && fault.ends_with("no such thing") && !fault.contains('\u{1b}'),
            "{fault}"
        );
        // It is tried again.
        fs::write(bench.at("p/make.sh"), MAKE).unwrap();
        assert!(bench.ensure().unwrap().now);
    }

    #[test]
    fn a_build_that_makes_nothing_or_changes_its_sources_is_told_so() {
        let fault = Bench::new("true").ensure().unwrap_err().to_string();
        assert!(
            fault.contains("sh make.sh did not make") && fault.contains("/p/out, which is started"),
            "{fault}"
        );
        let fault = Bench::new("echo more >> src; cp src out").ensure().unwrap_err().to_string();
        assert!(fault.contains("its sources change while they are built"), "{fault}");
        let bench = Bench::new(MAKE);
        let text = fs::read_to_string(bench.at("p/plugline.toml"))
            .unwrap()
            .replace("\"sh\"", "\"no-such-compiler\"");
        fs::write(bench.at("p/plugline.toml"), text).unwrap();
        let fault = bench.ensure().unwrap_err().to_string();
        assert!(fault.contains("no-such-compiler make.sh cannot be started: No such file"), "{fault}");
    }

    #[test]
    fn old_builds_are_forgotten_but_for_those_in_use() {
        let bench = Bench::new(MAKE);
        let build = |number: usize| {
            fs::write(bench.at("p/src"), number.to_string()).unwrap();
            bench.ensure().unwrap()
        };
        let kept = || {
            let cache = fs::read_dir(bench.at("cache")).unwrap().next().unwrap().unwrap().path();
            let names = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().file_name());
            names.filter(|name| name.len() == 64).count()
        };
        let first = build(0);
        for number in 1..10 {
            build(number);
        }
        assert_eq!(kept(), KEPT + 1);
        assert!(first.program.as_ref().unwrap().exists());
        drop(first);
        build(10);
        assert_eq!(kept(), KEPT);
    }
}
