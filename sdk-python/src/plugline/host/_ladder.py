"""Stopping a plugin: `rpc.shutdown`, closing stdin, SIGTERM, SIGKILL, each with its time, and the reaping."""

from __future__ import annotations

import enum
import signal
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from .. import _messages
from .._encode import encode, milliseconds
from .._failure import CallFailed
from .._watch import sleep_until
from ._process import Exit

if TYPE_CHECKING:
    from ._connection import HostConnection
    from ._process import Child
    from ._timeouts import Timeouts

AFTER_GRACE = 0.5
"""What the answer to `rpc.shutdown` may take beyond its grace."""
AFTER_KILL = 10.0
"""SIGKILL cannot be refused, but the kernel may be busy."""


class Rung(enum.Enum):
    """What it took to end a plugin."""

    GONE = "gone"
    """It was gone already."""
    ASKED = "asked"
    """`rpc.shutdown` or closing stdin."""
    TERMINATED = "terminated"
    """SIGTERM."""
    KILLED = "killed"
    """SIGKILL."""


class Stopped(msgspec.Struct, frozen=True):
    """How a plugin was stopped."""

    exit: Exit | None
    """None where not even SIGKILL ended it in time, or where it is another process's."""
    rung: Rung


class First(enum.Enum):
    """Where a ladder begins."""

    SHUTDOWN = enum.auto()
    CLOSING_STDIN = enum.auto()


def descend(connection: HostConnection, process: Child, timeouts: Timeouts, first: First) -> Stopped:
    """Descends the ladder; returns when the process is reaped."""
    gone = process.exit is not None
    if first is First.SHUTDOWN and not gone and not connection.is_closed:
        _shut_down(connection, timeouts.grace)
    _close_stdin(connection, process)
    for rung, number, patience in _rungs(timeouts):
        if number is not None:
            process.signal(number)
        if (exit := process.wait(patience)) is not None:
            return Stopped(exit, Rung.GONE if gone else rung)
    return Stopped(None, Rung.KILLED)


def descend_all(plugins: list[tuple[HostConnection, Child, Timeouts]]) -> None:
    """Descends the ladders of several side by side, from closing stdin."""
    for connection, process, _ in plugins:
        _close_stdin(connection, process)
    for rung in zip(*(_rungs(timeouts) for *_, timeouts in plugins)):
        begun = monotonic()
        left = [(each, step) for (_, each, _), step in zip(plugins, rung) if each.exit is None]
        for process, (_, number, _) in left:
            if number is not None:
                process.signal(number)
        for process, (_, _, patience) in left:
            process.wait(max(0.0, begun + patience - monotonic()))


def _close_stdin(connection: HostConnection, process: Child) -> None:
    connection.finish_writing()
    connection.outbox.settle()  # its descriptor may be somebody else's once it is closed
    process.close_stdin()


def _rungs(timeouts: Timeouts) -> tuple[tuple[Rung, signal.Signals | None, float], ...]:
    return (
        (Rung.ASKED, None, timeouts.exit),
        (Rung.TERMINATED, signal.SIGTERM, timeouts.term),
        (Rung.KILLED, signal.SIGKILL, AFTER_KILL),
    )


def _shut_down(connection: HostConnection, grace: float) -> None:
    until = monotonic() + grace + AFTER_GRACE
    try:
        slot = connection.begin(_messages.SHUTDOWN, encode({"graceMs": milliseconds(grace)}), deadline=until)
        # Whatever it answers, or if it does not: the next rung follows.
        sleep_until(slot, lambda: slot.is_done, until)
    except CallFailed:
        pass  # the connection ended meanwhile
