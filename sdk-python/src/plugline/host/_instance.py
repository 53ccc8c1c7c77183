"""One process of a plugin and its connection: what all handles of one plugin share, from its start to its end."""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import threading
import weakref
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from .._failure import CallFailed, Kind, RemoteError
from .._messages import Limits
from .._pending import Slot
from .._text import escape, quote, told
from ._clock import CLOCK
from ._connection import Callback, HostConnection
from ._error import Error, Evidence, Phase
from ._event import Event, Events, Exited, Ignored, Started, Stderr
from ._ladder import First, Rung, Stopped, descend, descend_all
from ._process import SPAWNER, Child, Exit
from ._redact import Redactor
from ._timeouts import Timeouts

if TYPE_CHECKING:
    from ._plugin import Plugin

JUDGE_SECONDS = 0.25
"""After its pipes were closed, a process that ends by itself is gone within this."""
Launch: TypeAlias = "Callable[[Callable[[bytes], None], Callable[[Exit], None]], Child]"
"""Starts a child, which tells what it writes to standard error, and how it ended."""
_ALIVE: weakref.WeakSet[Instance] = weakref.WeakSet()


class Instance:
    """What all handles of one plugin share."""

    process: Child
    connection: HostConnection

    def __init__(self, command: list[str], timeouts: Timeouts, events_per_second: int, redactor: Redactor) -> None:
        self.command, self.timeouts, self.redactor = command, timeouts, redactor
        self.events = Events(events_per_second)
        self.phase = Phase.SPAWN
        self._pid = os.getpid()
        self._stopping = threading.Lock()
        self._wanted = False
        self._stopped: Stopped | None = None
        self._released = False
        self._loss: Exit | None = None  # how it ended, where that was not this side's doing
        self._judged = threading.Event()
        self._told_started = threading.Event()  # nothing is told before that
        self._next_look: float | None = None  # when the clock looks whose deadline has passed

    def start(
        self,
        launch: Launch,
        limits: Limits,
        callbacks: dict[str, Callback],
        listeners: dict[str, Callback],
        strict: bool,
        transcript: Callable[[str, bytes], None] | None,
    ) -> None:
        """Starts its process. Where this is interrupted, `abort` has to follow."""

        def spawn() -> None:
            self.process = launch(self._heard, self._exited)

        try:
            SPAWNER.run(spawn)
        except (OSError, ValueError, RuntimeError, subprocess.SubprocessError) as fault:
            why = f"cannot start {self.command[0]}: {_what(fault, self.command[0])}"
            raise self.failed(CallFailed(Kind.SPAWN_FAILED, why)) from fault
        self.phase = Phase.HANDSHAKE
        self.tell(Started(self.process.pid))
        self._told_started.set()
        self.connection = HostConnection(
            limits, self.process, callbacks, listeners, self.tell, self._ended,
            strict=strict, transcript=self._guarded(transcript),
        )  # fmt: skip
        _ALIVE.add(self)
        self.connection.start()

    def abort(self) -> None:
        """It did not start, at whatever point."""
        self._told_started.set()
        if hasattr(self, "connection"):
            self.drop()
        else:
            # It may be being started just now; where there is no thread for that, nothing is.
            with contextlib.suppress(RuntimeError):
                SPAWNER.soon(self._discard)

    def _discard(self) -> None:
        if hasattr(self, "process"):
            self.process.discard()

    def tell(self, event: Event) -> None:
        """Tells of an event, without secrets."""
        self.events.put(self.redactor.event(event))

    def _guarded(self, transcript: Callable[[str, bytes], None] | None) -> Callable[[str, bytes], None] | None:
        """Shows it no secret; and what it raises is told, and does nothing to the line."""
        if transcript is None:
            return None

        def show(way: str, line: bytes) -> None:
            try:
                transcript(way, self.redactor.line(line) if self.redactor else line)
            except Exception as fault:  # noqa: BLE001 - the user's own
                self.tell(Ignored(quote(f"the transcript raised {told(fault)}".encode(errors="replace"))))

        return show

    def _heard(self, line: bytes) -> None:
        self._told_started.wait()
        self.tell(Stderr(escape(line)))

    def _exited(self, exit: Exit) -> None:
        self._told_started.wait()
        self.tell(Exited(exit, self._wanted, self.process.stderr_tail()))

    def _ended(self, why: CallFailed) -> None:
        """The connection ended: what is left of the plugin is stopped."""
        if not self._wanted:
            _aside(self._clear_up)

    def _clear_up(self) -> None:
        # Before anything is done that could end it.
        self._loss = self.process.wait(JUDGE_SECONDS)
        self._judged.set()
        self._descend(First.CLOSING_STDIN)

    def drop(self) -> None:
        """Nobody uses it any more: it is stopped, and who dropped it does not wait."""
        if self._is_elsewhere:
            return
        self._wanted = True
        self.connection.close(CallFailed(Kind.CLOSED, "the plugin was dropped by this side"))
        _aside(lambda: self._descend(First.CLOSING_STDIN))

    def stop(self, first: First) -> Stopped:
        if self._is_elsewhere:
            return Stopped(None, Rung.GONE)
        self._wanted = True
        return self._descend(first)

    @property
    def _is_elsewhere(self) -> bool:
        """Whether this process is a fork of the one that started it, and has no say in it."""
        return os.getpid() != self._pid

    def check_here(self) -> None:
        """Raises where it is another process's to use."""
        if self._is_elsewhere:
            why = "it belongs to the process that started it, and this is a fork of that"
            raise Error(Kind.CLOSED, why, phase=self.phase, command=self.command, evidence=Evidence())

    def _descend(self, first: First) -> Stopped:
        with self._stopping:
            if self._stopped is None or self._stopped.exit is None:
                self._stopped = descend(self.connection, self.process, self.timeouts, first)
            if self._stopped.exit is not None and not self._released:
                self._released = True
                self.connection.join()
                self.process.release()
            return self._stopped

    def keep_deadline(self, plugin: Plugin, slot: Slot) -> None:
        """Has the call end by its deadline, also where nobody waits for it (CALL-5)."""
        deadline = slot.deadline
        if deadline is not None and (self._next_look is None or deadline < self._next_look):
            self._next_look = deadline
            CLOCK.at(deadline, lambda: self._look_at_deadlines(plugin))

    def _look_at_deadlines(self, plugin: Plugin) -> None:
        now = monotonic()
        self._next_look = None
        for slot in self.connection.pending.all():
            if slot.deadline is None or slot.is_done:
                continue
            if slot.deadline <= now:
                late = CallFailed(Kind.TIMEOUT, f"{slot.method}: no answer in time")
                self.connection.abandon(slot, "its deadline has passed", late)
                plugin.watch_abandoned(slot)
            else:
                self.keep_deadline(plugin, slot)

    def evidence(self) -> Evidence:
        if self.phase is Phase.SPAWN:
            return Evidence()
        stray = self.connection.strays.first
        tail = self.redactor.tail(self.process.stderr_tail())
        return Evidence(self.process.exit, tail, self.redactor.cut(stray) if stray is not None else None)

    def failed(self, why: CallFailed) -> CallFailed:
        """The exception for a failure, with all that is known of the plugin."""
        why = self.redactor.failure(why)
        if isinstance(why, (RemoteError, Error)):
            return why
        kind, message = why.kind, str(why)
        if self.phase is not Phase.SPAWN and kind is Kind.CLOSED and not self._wanted:
            # All that was seen is that it is not there any more: how it ended is the reason.
            self._judged.wait(2 * JUDGE_SECONDS)
            if self._loss is not None:
                kind, message = Kind.PLUGIN_EXITED, f"the plugin {self._loss}"
        return Error(kind, message, phase=self.phase, command=self.command, evidence=self.evidence())


def _what(fault: Exception, program: str) -> str:
    """Why it could not be started; the directory is named where that is the cause."""
    if not isinstance(fault, OSError) or fault.strerror is None:
        return str(fault)
    of = fault.filename
    return f"{os.fsdecode(of)}: {fault.strerror}" if of is not None and of != program else fault.strerror


def _aside(what: Callable[[], object]) -> None:
    """Does it on a thread of its own; at once where there can be none, as at the end of the interpreter."""
    try:
        threading.Thread(target=what, name="plugline-ladder").start()
    except RuntimeError:
        what()


def _stop_all() -> None:
    """All at once, since each may take its time; and without threads, since none may begin any more."""
    here = [each for each in list(_ALIVE) if each.process.exit is None and not each._is_elsewhere]
    for each in here:
        each._wanted = True
    descend_all([(each.connection, each.process, each.timeouts) for each in here])


atexit.register(_stop_all)
