"""One child process: fork to reaping. It knows nothing of messages.

The child gets pipes and no other descriptor, the default action for every signal, a session and a process group of its
own, few environment variables, and, on Linux, SIGTERM when the host dies. The kernel sends that when the *thread* that
forked ends, so one thread forks for all and lives as long as the host.

The group is signalled before its leader is reaped, and what is left of it is killed when the leader ends: its id may
be somebody else's afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from io import FileIO
from queue import SimpleQueue
from typing import Any, Protocol

import msgspec

from .._messages import VERSIONS, VERSIONS_VARIABLE
from .._text import escape
from .._watch import LONGEST_WAIT
from ._clock import do

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR")
TAIL_BYTES = 16 * 1024
TAIL_LINES = 20
LEFT_BYTES = 2 << 20
"""What may still stand in a pipe when the process is gone; more than any pipe holds."""
GUARD = 'read -r _ || { sleep "$2"; kill -s KILL -- "-$1"; } 2>/dev/null'
GUARD_SECONDS = 5
"""How long a guard waits for a plugin to go by itself, once its host was killed."""


class Exit(msgspec.Struct, frozen=True):
    """How a process ended: by itself, or by a signal. Neither is known where somebody else reaped it."""

    code: int | None = None
    signal: int | None = None

    def __str__(self) -> str:
        if self.code is not None:
            return f"exited with status {self.code}"
        if self.signal is None:
            return "ended; somebody else took its exit status"
        try:
            return f"was killed by {signal.Signals(self.signal).name}"
        except ValueError:
            return f"was killed by signal {self.signal}"


class Command(msgspec.Struct, frozen=True):
    """What to start."""

    args: list[str]
    env: Mapping[str, str] = {}
    dir: str | None = None
    guarded: bool = False

    def __repr__(self) -> str:
        """Of the environment only the names: what a plugin is given there may be a secret."""
        return f"Command({self.args!r}, env={sorted(self.env)!r}, dir={self.dir!r}, guarded={self.guarded!r})"

    def environment(self) -> dict[str, str]:
        passed = {
            name: value for name, value in os.environ.items() if name in INHERITED or name.startswith("LC_")
        }
        return passed | {VERSIONS_VARIABLE: ",".join(map(str, VERSIONS))} | dict(self.env)


class _Spawner:
    """The thread that starts plugins. What it does is not interrupted by Ctrl-C, which goes to the main thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Callable[[], None]] | None = None
        self._prctl: Any = None
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock, self._jobs = threading.Lock(), None

    def soon(self, job: Callable[[], None]) -> None:
        """Has it done, after what was asked for before."""
        with self._lock:
            if self._jobs is None:
                jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
                threading.Thread(target=_work, args=[jobs], name="plugline-spawner", daemon=True).start()
                if sys.platform == "linux":
                    import ctypes

                    self._prctl = ctypes.CDLL(None, use_errno=True).prctl
                self._jobs = jobs
            self._jobs.put(job)

    def run(self, start: Callable[[], None]) -> None:
        """Has it done, and waits for it. Where that is interrupted, it is done all the same."""
        done = threading.Event()
        raised: list[BaseException] = []

        def job() -> None:
            try:
                start()
            except BaseException as fault:  # noqa: BLE001 - raised again where it was asked for
                raised.append(fault)
            done.set()

        self.soon(job)
        done.wait()
        if raised:
            raise raised[0]

    def prepare(self, parent: int) -> Callable[[], None]:
        """What the child does before it becomes the program."""
        prctl = self._prctl
        defaults = [
            number
            for number in signal.valid_signals()
            if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) is signal.SIG_IGN
        ]

        def prepare() -> None:
            for number in defaults:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            if prctl is not None:
                prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG
                if os.getppid() != parent:
                    os._exit(1)

        return prepare


def _work(jobs: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        do(jobs.get())


SPAWNER = _Spawner()


class Child(Protocol):
    """What a plugin runs in, as its host has it."""

    pid: int
    stdin: int
    stdout: int
    ended: int
    exit: Exit | None

    def close_stdin(self) -> None: ...
    def signal(self, number: signal.Signals) -> None: ...
    def wait(self, seconds: float) -> Exit | None: ...
    def stderr_tail(self) -> list[str]: ...
    def release(self) -> None: ...
    def discard(self) -> None: ...


class Process:
    """A child. Its threads read what it says, and reap it."""

    def __init__(self, command: Command, heard: Callable[[bytes], None], exited: Callable[[Exit], None]):
        self._heard, self._exited = heard, exited
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._reaping = threading.Lock()  # held while the group is signalled, and while the leader is reaped
        self._reaped = False
        self._undone = False  # it did not come to be
        self.exit: Exit | None = None
        self._gone = threading.Event()
        self.ended, self._end = os.pipe()  # readable from its end on
        try:
            self._popen, (self._stdin, self._stdout, self._stderr) = started(
                command.args,
                ("stdin", "stdout", "stderr"),
                command.environment(),
                command.dir,
                SPAWNER.prepare(os.getpid()),
            )
        except BaseException:
            os.close(self.ended)
            os.close(self._end)
            raise
        self.pid = self._popen.pid
        self._guard: tuple[subprocess.Popen[bytes], FileIO] | None = None
        self.stdin, self.stdout = self._stdin.fileno(), self._stdout.fileno()
        self._begun = threading.Event()
        self._stderr_reader = self._thread(self._read_stderr, "stderr")
        self._reaper = self._thread(self._reap, "reaper")
        try:
            # The write end is this side's alone, so this does not reach the plugin.
            os.set_blocking(self.stdin, False)
            if command.guarded:
                self._guard = self._start_guard()
            self._stderr_reader.start()
            self._reaper.start()
        except BaseException:  # there is no guard, or no thread
            self._undo()
            raise
        self._begun.set()

    def _start_guard(self) -> tuple[subprocess.Popen[bytes], FileIO]:
        # It outlives the host, by those seconds at most.
        args = ["/bin/sh", "-c", GUARD, "plugline-guard", str(self.pid), str(GUARD_SECONDS)]
        guard, (stdin,) = started(args, ("stdin",), {"PATH": "/usr/bin:/bin"}, "/")
        return guard, stdin

    def _thread(self, what: Callable[[], None], name: str) -> threading.Thread:
        return threading.Thread(target=what, name=f"plugline-{name}-{self.pid}", daemon=True)

    def _undo(self) -> None:
        """Nobody is there to reap it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        self._reaped = self._undone = True
        self._begun.set()
        if self._stderr_reader.ident is not None:
            self._stderr_reader.join()
        self._end_guard()
        os.close(self._end)
        self._close()

    def discard(self) -> None:
        """Nobody is to have it: kills it, and gives back what is held for it."""
        self.signal(signal.SIGKILL)
        self.release()

    def close_stdin(self) -> None:
        """The plugin reads to its end. Nobody writes any more."""
        self._stdin.close()

    def signal(self, number: signal.Signals) -> None:
        """Signals the whole group, unless its leader was reaped."""
        with self._reaping:
            if not self._reaped:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, number)

    def wait(self, seconds: float) -> Exit | None:
        """How it ended, if it did within so many seconds."""
        self._gone.wait(min(seconds, LONGEST_WAIT))
        return self.exit

    def stderr_tail(self) -> list[str]:
        """Its last lines on standard error, escaped."""
        lines = [line for line in b"".join(tuple(self._tail))[-TAIL_BYTES:].split(b"\n") if line.strip()]
        return [escape(line.rstrip()) for line in lines[-TAIL_LINES:]]

    def release(self) -> None:
        """Gives back what is held for it; it is gone and its threads are done."""
        for thread in (self._reaper, self._stderr_reader):
            if thread is not threading.current_thread():
                thread.join()
        self._close()

    def _close(self) -> None:
        for stream in (self._stdin, self._stdout, self._stderr):
            stream.close()
        os.close(self.ended)

    def _reap(self) -> None:
        is_ours = True
        if hasattr(os, "waitid"):
            try:
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:  # as where SIGCHLD is ignored: its number may be somebody else's by now
                is_ours = False
        else:  # pragma: no cover - macOS before Python 3.13
            self._popen.wait()
        with self._reaping:
            if is_ours:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
            code = self._popen.wait()
            self._reaped = True
        self._end_guard()
        os.close(self._end)
        self._stderr_reader.join()
        # Not before: who learns how it ended reads its last words, too.
        self.exit = Exit() if not is_ours else Exit(code) if code >= 0 else Exit(None, -code)
        self._gone.set()
        self._exited(self.exit)

    def _end_guard(self) -> None:
        if self._guard is not None:
            guard, stdin = self._guard
            with contextlib.suppress(BrokenPipeError):
                stdin.write(b"done\n")
            stdin.close()
            guard.wait()

    def _read_stderr(self) -> None:
        self._begun.wait()
        if self._undone:
            return
        line = b""
        for chunk in chunks(self._stderr.fileno(), self.ended):
            self._tail.append(chunk)
            self._tail_bytes += len(chunk)
            while self._tail_bytes - len(self._tail[0]) >= TAIL_BYTES:
                self._tail_bytes -= len(self._tail.popleft())
            *whole, line = (line + chunk).split(b"\n")
            if len(line) >= TAIL_BYTES:
                whole.append(line)
                line = b""
            for each in whole:
                self._heard(each.rstrip())
        if line:
            self._heard(line.rstrip())


def started(
    args: Sequence[str],
    piped: Sequence[str],
    env: Mapping[str, str],
    cwd: str | None,
    preexec: Callable[[], None] | None = None,
) -> tuple[subprocess.Popen[bytes], list[FileIO]]:
    """A child that leads a session, and this side's ends of what of its stdio is piped; the rest is /dev/null. Of pipes
    that Popen makes, Python 3.10 leaves some open where there are no descriptors for all."""
    ours: list[FileIO] = []
    theirs: dict[str, int] = {}
    try:
        for name in piped:
            read, write = os.pipe()
            theirs[name], end = (read, write) if name == "stdin" else (write, read)
            ours.append(FileIO(end, "w" if name == "stdin" else "r"))
        child = subprocess.Popen(
            args,
            stdin=theirs.get("stdin", subprocess.DEVNULL),
            stdout=theirs.get("stdout", subprocess.DEVNULL),
            stderr=theirs.get("stderr", subprocess.DEVNULL),
            env=env,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=preexec,  # noqa: PLW1509 - it makes system calls alone
        )
    except BaseException:
        for stream in ours:
            stream.close()
        raise
    finally:
        for end in theirs.values():
            os.close(end)
    return child, ours


def chunks(fd: int, ended: int, size: int = 1 << 16) -> Any:
    """What is read, until its end, or until the process is gone and what it left was read: a grandchild may hold the
    pipe open for ever."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.register(ended, select.POLLIN)
    left = -1
    while left:
        ready = [each for each, _ in poll.poll(0 if left > 0 else None)]
        if ended in ready and left < 0:
            left = LEFT_BYTES
        if fd not in ready:
            if left > 0:
                return
            continue
        try:
            data = os.read(fd, size)
        except OSError as fault:
            if fault.errno != errno.EIO:
                raise
            return
        if not data:
            return
        yield data
        if left > 0:
            left = max(0, left - len(data))


def as_args(command: Sequence[str | os.PathLike[str]] | str | os.PathLike[str]) -> list[str]:
    """A command as a list: one string is one program, whatever is in its name."""
    if isinstance(command, (str, os.PathLike)):
        command = [command]
    if not command:
        raise ValueError("a command has at least the program that is to be started")
    return [os.fspath(arg) for arg in command]
