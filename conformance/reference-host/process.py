"""A plugin's process: started, signalled by group, reaped last. Knows nothing of messages."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from wire import mutant

INHERITED = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"}
LEARN_EXIT = 0.25
TAIL = 20


LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1


def prepare() -> None:
    """In the child, before it becomes the program. The thread that forks is the one that reads commands."""
    if mutant("sigterm-ignored"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if LIBC and not mutant("death-unannounced"):
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Process:
    """One child, the leader of a session of its own."""

    def __init__(self, argv: list[str], env: dict[str, str], guard: bool) -> None:
        inherited = {n: v for n, v in os.environ.items() if n in INHERITED or n.startswith("LC_")}
        versions = {} if mutant("versions-unset") else {"PLUGLINE_PROTOCOL": "1"}
        own = {} if mutant("environment-ignored") else env
        stays_open = os.pipe()[1] if mutant("descriptor-stays-open") else None
        if stays_open is not None:
            os.set_inheritable(stays_open, True)
        self.child = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            env={**inherited, **versions, **own}, start_new_session=not mutant("group-shared"),
            close_fds=not mutant("descriptors-leak") and stays_open is None, preexec_fn=prepare,  # noqa: PLW1509
        )  # fmt: skip
        assert self.child.stdin and self.child.stdout and self.child.stderr
        self.pid = self.child.pid
        self.stdin, self.stdout = self.child.stdin.fileno(), self.child.stdout.fileno()
        if mutant("descriptors-leak"):
            os.set_inheritable(self.stdin, True)
        os.set_blocking(self.stdin, False)
        self.writes = threading.Lock()
        self.stdin_open = True
        self.written = threading.Event()
        self.written.set()
        self.gone = threading.Event()
        self.dead, self.death = os.pipe()
        self.drained = threading.Event()
        self.signals = threading.Lock()
        self.tail: list[str] = []
        self.code: int | None = None
        self.signal: int | None = None
        self.guard = self.start_guard() if guard and not mutant("guard-missing") else None
        if not mutant("stderr-undrained"):
            threading.Thread(target=self.drain, args=[self.child.stderr.fileno()], daemon=True).start()
        else:
            self.drained.set()

    def start_guard(self) -> subprocess.Popen[bytes]:
        """Outlives the host for long enough to kill what heeds nothing else."""
        script = f"read -r _ || {{ sleep 2; kill -s KILL -- -{self.pid}; }}"
        return subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, start_new_session=True)

    def drain(self, stderr: int) -> None:
        rest = b""
        while True:
            ready, _, _ = select.select([stderr, self.dead], [], [])
            if stderr not in ready:
                break
            chunk = os.read(stderr, 65536)
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-65536:]
            if not chunk:
                lines.append(rest)
            shown = [line.decode(errors="backslashreplace") for line in lines if line.strip()]
            shown = ["".join(c if c.isprintable() else repr(c)[1:-1] for c in line) for line in shown]
            self.tail = (self.tail + shown)[-TAIL:]
            if not chunk:
                break
        self.drained.set()

    def watch(self, exited: Callable[[], None]) -> None:
        """Waits for the leader, kills what is left of its group, and only then reaps it."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        if not mutant("group-survives-leader") and not mutant("kills-leader-only"):
            self.kill(signal.SIGKILL)
        if not mutant("waits-for-pipes"):
            os.close(self.death)
        self.drained.wait(None if mutant("waits-for-pipes") else 1)
        if mutant("leaves-zombie"):
            self.code = 0
        else:
            with self.signals:
                status = self.child.wait()
                self.code = status if status >= 0 else None
                self.signal = -status if status < 0 else None
        if self.guard and self.guard.stdin:
            self.guard.stdin.write(b"done\n")
            self.guard.stdin.close()
            self.guard.wait()
        self.gone.set()
        exited()

    def kill(self, number: signal.Signals) -> None:
        with self.signals:
            if self.child.returncode is not None:
                return
            try:
                alone = mutant("kills-leader-only") or mutant("group-shared")
                if alone or (number == signal.SIGTERM and mutant("terminates-leader-only")):
                    os.kill(self.pid, number)
                else:
                    os.killpg(self.pid, number)
            except ProcessLookupError:
                pass

    def close_stdin(self) -> None:
        if mutant("close-waits-for-writes"):
            self.written.wait()
        with self.writes:
            if self.stdin_open and self.child.stdin:
                self.stdin_open = False
                self.child.stdin.close()

    def write(self, data: bytes) -> bool:
        """Writes it all; False where nobody reads any more. Gives up when standard input is closed."""
        view = memoryview(data)
        self.written.clear()
        while view:
            with self.writes:
                if not self.stdin_open:
                    return True
                select.select([], [self.stdin], [], 0.02)
                try:
                    view = view[os.write(self.stdin, view) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    return mutant("failed-write-ignored")
        self.written.set()
        return True

    def read(self) -> bytes:
        """What comes next on standard output; nothing at its end, or when the process is gone and all is read."""
        if mutant("last-words-lost"):
            time.sleep(0.2)
        ready, _, _ = select.select([self.stdout, self.dead], [], [])
        if self.stdout not in ready or (mutant("last-words-lost") and self.dead in ready):
            return b""
        return os.read(self.stdout, 65536)
