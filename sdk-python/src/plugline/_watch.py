"""Waiting for something to change: by a thread, or by whoever gave a way to be woken.

What changes is a `Watched`; it is changed first and told after, and who waits looks once more after it said that it
waits. So no wake-up is lost, and one too many does nothing.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable
from time import monotonic

LONGEST_WAIT = 1e6
"""Seconds; more does not fit into what the system takes."""


class Watched:
    """Something that others wait for."""

    __slots__ = ("_wakers",)

    def __init__(self) -> None:
        self._wakers: list[Callable[[], None]] = []

    def watch(self, wake: Callable[[], None]) -> None:
        """Has that called, by whatever thread, after each change. It must not wait."""
        self._wakers.append(wake)

    def unwatch(self, wake: Callable[[], None]) -> None:
        self._wakers.remove(wake)

    def changed(self) -> None:
        if self._wakers:
            for wake in tuple(self._wakers):
                wake()


class Gate:
    """Where one thread sleeps."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()

    def open(self) -> None:
        try:
            self._lock.release()
        except RuntimeError:
            pass  # it is open already

    def wait(self, seconds: float) -> None:
        self._lock.acquire(timeout=min(max(seconds, 0), LONGEST_WAIT))


def left(deadline: float | None) -> float:
    """Seconds until then."""
    return LONGEST_WAIT if deadline is None else deadline - monotonic()


def sleep_until(watched: Watched, ready: Callable[[], bool], deadline: float | None) -> bool:
    """Has this thread sleep until it is so, or until the deadline; says whether it is."""
    if ready():
        return True
    gate = Gate()
    watched.watch(gate.open)
    try:
        while not ready():
            seconds = left(deadline)
            if seconds <= 0:
                return False
            gate.wait(seconds)
        return True
    finally:
        watched.unwatch(gate.open)
