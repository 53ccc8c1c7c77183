"""Where attacks are carried out: real processes of this project, and what is seen of them from outside.

An attack is a function with a name. It plays its part, looks with `holds` whether what it wanted did not happen, and
returns what contained it. With `bites` it shows, where that does no harm, that the same does happen where nothing is in
its way. Each runs in a process of its own, with a limit of time, and no process of it may be left at its end.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILT = Path(os.environ.get("PLUGLINE_ATTACKS_BUILT", ROOT / "target" / "debug"))
PLUGLINE = BUILT / "plugline"
DRIVER = BUILT / "plugline-conformance-driver"
PYTHON = ROOT / ".venv" / "bin" / "python"

MEMORY = 192
"""What a host may take in any attack; MiB. Two lines of 16 MiB, decoded, and what a debug build of it takes."""

Message = dict[str, Any]
Play = Callable[..., None]


class NotContained(Exception):
    """The attack had its way, or its control had not."""


@dataclass(frozen=True)
class Attack:
    """One attack."""

    name: str
    says: str
    run: Callable[[Arena], str]
    seconds: float


ATTACKS: dict[str, Attack] = {}


def attack(name: str, seconds: float = 30) -> Callable[[Callable[[Arena], str]], Callable[[Arena], str]]:
    """Names an attack; its docstring says what it does."""

    def named(run: Callable[[Arena], str]) -> Callable[[Arena], str]:
        if name in ATTACKS:
            raise ValueError(f"there are two attacks {name}")
        ATTACKS[name] = Attack(name, " ".join((run.__doc__ or "").split()), run, seconds)
        return run

    return named


@dataclass(frozen=True)
class Ran:
    """A command that ran to its end."""

    code: int
    out: bytes
    err: bytes
    seconds: float
    peak: int
    """The most memory that it, or a process of it, ever had; MiB."""

    @property
    def text(self) -> str:
        return (self.out + self.err).decode(errors="replace")

    @property
    def report(self) -> Message:
        """What `--json` says of the failure; empty where there is none."""
        for each in reversed(self.err.decode(errors="replace").splitlines()):
            with contextlib.suppress(ValueError):
                found = json.loads(each)
                if isinstance(found, dict) and isinstance(found.get("error"), dict):
                    error: Message = found["error"]
                    return error
        return {}

    @property
    def kind(self) -> str:
        return str(self.report.get("kind", "none"))


def as_plugin(play: Play, *args: object) -> list[str]:
    """The command of the plugin that a function plays."""
    module = Path(sys.modules[play.__module__].__file__ or "").stem
    return [sys.executable, "-B", str(HERE / "actor.py"), module, play.__name__, *map(str, args)]


def unseen(text: str) -> list[str]:
    """Characters of a text that are not what they look like, but for line feeds and tabs."""
    hidden = [(0xAD, 0xAD), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xE0000, 0xE0FFF)]
    return [
        f"U+{ord(c):04X}"
        for c in text
        if c not in "\n\t"
        and (ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or any(low <= ord(c) <= high for low, high in hidden))
    ]


@dataclass
class Arena:
    """A place for one attack, which is deleted after it."""

    name: str
    dir: Path
    controls: list[str] = field(default_factory=list)

    # What is looked at.

    def holds(self, what: str, is_so: bool, *evidence: object) -> None:
        """What must be so if the attack is contained."""
        if not is_so:
            told = "\n".join(str(each)[:3000] for each in evidence)
            raise NotContained(f"it does not hold that {what}" + (f":\n{told}" if told else ""))

    def bites(self, what: str, is_so: bool) -> None:
        """The same attack on somebody who does nothing against it."""
        if not is_so:
            raise NotContained(f"the control shows nothing: it does not hold that {what}")
        self.controls.append(what)

    def flat(self, ran: Ran, most: int = MEMORY) -> None:
        """Memory did not grow with what was sent."""
        self.holds(f"memory stays under {most} MiB", ran.peak < most, f"{ran.peak} MiB")

    # Who is attacked.

    def run(
        self,
        words: Sequence[object],
        *,
        env: dict[str, str] | None = None,
        stdin: bytes = b"",
        seconds: float = 25,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
        sane: bool = True,
    ) -> Ran:
        """Runs a command to its end. One of this project ends by itself, with an exit code that it documents."""
        out, err = self.file("out"), self.file("err")
        started = time.monotonic()
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.PIPE,
                stdout=out_file,
                stderr=err_file,
                cwd=cwd or self.dir,
                env={**self.environment(), **(env or {})},
                pass_fds=pass_fds,
            )
            assert process.stdin is not None, "piped"
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(stdin)
                process.stdin.close()
            killer = threading.Timer(seconds, process.kill)
            killer.start()
            _, status, used = os.wait4(process.pid, 0)
            killer.cancel()
            process.returncode = code = os.waitstatus_to_exitcode(status)
        took = time.monotonic() - started
        ran = Ran(code, out.read_bytes(), err.read_bytes(), took, used.ru_maxrss // 1024)
        if sane:
            self.holds(f"{Path(str(words[0])).name} ends within {seconds} s", took < seconds, ran.text)
            self.holds("it ends with one of its exit codes", code in (0, 1, 2, 3), f"exit code {code}", ran.text)
            self.holds("nothing of it panicked", b"panicked at" not in ran.err, ran.text)
        return ran

    def environment(self) -> dict[str, str]:
        """Nothing of this user's, and a home that is there for the attack alone."""
        home = self.dir / "home"
        home.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(self.dir),
            "LANG": "C.UTF-8",
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CACHE_HOME": str(home / "cache"),
        }

    def plugline(self, *words: object, **how: Any) -> Ran:
        return self.run([PLUGLINE, *words], **how)

    def call(
        self,
        play: Play,
        *args: object,
        method: str = "t.go",
        params: Sequence[str] = (),
        options: Sequence[str] = (),
        timeout: str = "10s",
        **how: Any,
    ) -> Ran:
        """`plugline --json call` of the plugin that a function plays."""
        command = shlex.join(as_plugin(play, *args))
        words = ["--json", "call", "--timeout", timeout, *options, "--command", command, method, *params]
        return self.plugline(*words, **how)

    @contextlib.contextmanager
    def driver(self) -> Iterator[Driver]:
        """The host library, under this process's orders."""
        driver = Driver(self)
        try:
            yield driver
        finally:
            driver.close()

    def file(self, name: str) -> Path:
        """A file that is not there yet."""
        for number in range(1, 10_000):
            path = self.dir / f"{name}-{number}"
            if not path.exists():
                return path
        raise AssertionError("no name is left")


class Driver:
    """The Rust host library in a process that obeys lines of JSON: the driver of the conformance suite."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._process = subprocess.Popen(
            [str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=arena.environment(), cwd=arena.dir
        )
        self.pid = self._process.pid
        self._next = 0
        self._answers: dict[int, queue.SimpleQueue[Message]] = {}
        self._lock = threading.Lock()
        self.events: queue.SimpleQueue[Message] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None, "piped"
        for each in self._process.stdout:
            said = json.loads(each)
            seq = said.get("seq")
            if seq is None:
                self.events.put(said)
            elif "ok" in said or "err" in said:
                self._box(seq).put(said)

    def _box(self, seq: int) -> queue.SimpleQueue[Message]:
        with self._lock:
            return self._answers.setdefault(seq, queue.SimpleQueue())

    def begin(self, cmd: str, **members: object) -> int:
        """Gives an order."""
        self._next += 1
        assert self._process.stdin is not None, "piped"
        self._process.stdin.write(json.dumps({"seq": self._next, "cmd": cmd, **members}).encode() + b"\n")
        self._process.stdin.flush()
        return self._next

    def end(self, seq: int, seconds: float = 20) -> Message:
        """What came of an order: with the member `ok` or `err`."""
        try:
            return self._box(seq).get(timeout=seconds)
        except queue.Empty:
            raise NotContained(f"the host library did not answer within {seconds} s") from None

    def do(self, cmd: str, seconds: float = 20, **members: object) -> Message:
        return self.end(self.begin(cmd, **members), seconds)

    def launch(self, play: Play, *args: object, **members: object) -> str:
        """Starts the plugin that a function plays, with a ladder whose steps are short."""
        members.setdefault("timeouts", {"start_ms": 8000, "grace_ms": 300, "exit_ms": 300, "term_ms": 300})
        done = self.end(self.begin("launch", argv=as_plugin(play, *args), **members))
        if "err" in done:
            raise NotContained(f"the plugin did not start: {done}")
        return str(done["ok"]["plugin"])

    def call(self, plugin: str, method: str = "t.go", seconds: float = 20, **members: object) -> Message:
        return self.do("call", seconds, plugin=plugin, method=method, **members)

    def event(self, name: str, seconds: float = 15) -> Message:
        """Waits for an event."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                event = self.events.get(timeout=left)
                if event.get("event") == name:
                    return event
        raise NotContained(f"the host library told of no event {name!r} within {seconds} s")

    def peak(self) -> int:
        """The most memory that the host ever had; MiB."""
        for each in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if each.startswith("VmHWM:"):
                return int(each.split()[1]) // 1024
        raise NotContained("the host library is gone")

    def close(self) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(BrokenPipeError):
                self.begin("bye")
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise NotContained("the host library does not end") from None
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None, "piped"
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def wait_for(is_so: Callable[[], bool], seconds: float = 15) -> bool:
    """Waits for a condition; whether it came."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.01)
    return is_so()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended, and waits to be reaped, does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


# One attack, in this process.


def adopt_orphans() -> None:
    """Has all that an attack leaves become a child of this process (Linux, prctl(2))."""
    set_child_subreaper = 36
    if ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def left_over() -> list[str]:
    """Processes of the attack that are still there; they are killed."""
    found: list[str] = []
    while children := _children():
        for pid in children:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if is_alive(pid):
                    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    found.append(f"{pid}: {command.strip()}")
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
    return found


def clear(dir: Path) -> None:
    """Deletes what an attack left; the store closes its directories, and whoever is not root has to open them first."""
    for path in [dir, *dir.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(dir)


def carry_out(name: str) -> Message:
    """Carries out one attack, and says what came of it."""
    adopt_orphans()
    dir = Path(tempfile.mkdtemp(prefix="plugline-attack-")).resolve()
    dir.chmod(0o755)
    arena = Arena(name, dir)
    started = time.monotonic()
    try:
        contained, by = True, ATTACKS[name].run(arena)
    except NotContained as fault:
        contained, by = False, str(fault)
    # What ends by itself may take a moment.
    wait_for(lambda: not any(map(is_alive, _children())), 2)
    left = left_over()
    if left and contained:
        contained, by = False, "processes are left: " + "; ".join(left)
    clear(dir)
    took = time.monotonic() - started
    return {"name": name, "contained": contained, "by": by, "controls": arena.controls, "seconds": took}


def _children() -> list[int]:
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        # A thread may end while it is looked at; what was its own is then another thread's.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, task.read_text().split())
    return found
