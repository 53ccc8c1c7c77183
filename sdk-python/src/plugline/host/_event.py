"""What happens to a plugin besides calls, as events in a queue that is bounded in bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TypeAlias

import msgspec

from .._messages import InitializeResult, Log
from ._clock import CLOCK
from ._process import Exit
from ._rate import EVENTS_PER_SECOND, Rate, Told

QUEUE_BYTES = 1 << 20
EVENT_BYTES = 64


class Started(msgspec.Struct, frozen=True):
    """The process runs."""

    pid: int


class Ready(msgspec.Struct, frozen=True):
    """The handshake is done."""

    hello: InitializeResult


class Stderr(msgspec.Struct, frozen=True):
    """A line on standard error, escaped."""

    text: str


class Stray(msgspec.Struct, frozen=True):
    """A line on standard output that is no message: its first 200 bytes, escaped."""

    text: str
    held_back: int
    """How many stray lines before this one were not reported."""


class Ignored(msgspec.Struct, frozen=True):
    """A message was ignored, and why."""

    reason: str


class HeldBack(msgspec.Struct, frozen=True):
    """The plugin says more than is told: so much of it was not, in the second before."""

    what: Told
    count: int


class Unhealthy(msgspec.Struct, frozen=True):
    """A call that ended for its caller was not answered in due time."""

    method: str


class Exited(msgspec.Struct, frozen=True):
    """The process is gone and reaped."""

    exit: Exit
    wanted: bool
    """Whether this side had asked for it."""
    stderr_tail: list[str]


Event: TypeAlias = Started | Ready | Log | Stderr | Stray | Ignored | HeldBack | Unhealthy | Exited
LASTING = (Started, Ready, HeldBack, Exited)
"""What happens once in a plugin's life is always told, and how much is not."""


class Events:
    """The queue. Putting never waits: what nobody takes is dropped and counted."""

    def __init__(
        self,
        per_second: int = EVENTS_PER_SECOND,
        now: Callable[[], float] = monotonic,
        at: Callable[[float, Callable[[], None]], None] = CLOCK.at,
    ) -> None:
        self._now, self._at = now, at
        self._rates = {told: Rate(per_second) for told in Told}
        self._change = threading.Condition()
        self._queue: deque[tuple[Event, int]] = deque()
        self._bytes = 0
        self.dropped = 0
        """How many events nobody took in time."""

    def put(self, event: Event) -> None:
        told = _told(event)
        if told is not None:
            with self._change:
                admitted, held_back, look_at = self._rates[told].admit(self._now())
            self._tell_held_back(told, held_back)
            if look_at is not None:
                self._at(look_at, lambda: self._look(told))
            if not admitted:
                return
        elif isinstance(event, Exited):
            for each, rate in self._rates.items():
                with self._change:
                    held_back = rate.rest()
                self._tell_held_back(each, held_back)
        self._put(event)

    def _look(self, told: Told) -> None:
        """Tells what was held back, also where nothing more comes."""
        with self._change:
            held_back = self._rates[told].over(self._now())
        self._tell_held_back(told, held_back)

    def _tell_held_back(self, told: Told, count: int) -> None:
        if count:
            self._put(HeldBack(told, count))

    def _put(self, event: Event) -> None:
        size = EVENT_BYTES + _size(event)
        with self._change:
            if not isinstance(event, LASTING) and self._bytes and self._bytes + size > QUEUE_BYTES:
                self.dropped += 1
                return
            self._queue.append((event, size))
            self._bytes += size
            self._change.notify()

    def get(self, timeout: float = 0.0) -> Event | None:
        """The next one; None where none comes in so many seconds."""
        until = monotonic() + timeout
        with self._change:
            while not self._queue:
                left = until - monotonic()
                if left <= 0:
                    return None
                self._change.wait(left)
            event, size = self._queue.popleft()
            self._bytes -= size
            return event

    def __iter__(self) -> Iterator[Event]:
        """Those that are there."""
        while (event := self.get()) is not None:
            yield event


def _told(event: Event) -> Told | None:
    match event:
        case Log():
            return Told.LOGS
        case Stderr():
            return Told.STDERR_LINES
        case Ignored():
            return Told.IGNORED_MESSAGES
        case _:
            return None


def _size(event: Event) -> int:
    match event:
        case Log():
            return len(msgspec.json.encode(event))
        case Stderr(text) | Stray(text, _) | Ignored(text) | Unhealthy(text):
            return len(text)
        case _:
            return 0


class Strays:
    """Which stray lines are reported: the first ten always, then ten a second."""

    ALWAYS, PER_SECOND = 10, 10

    def __init__(self) -> None:
        self.first: str | None = None
        self._reported = self._held_back = 0
        self._window = (0.0, 0)

    def admit(self, now: float) -> int | None:
        """After how many that were not reported the next one is; None where it is not either."""
        if self._reported >= self.ALWAYS:
            since, count = self._window
            if now - since >= 1.0:
                since, count = now, 0
            if count >= self.PER_SECOND:
                self._held_back += 1
                return None
            self._window = since, count + 1
        self._reported += 1
        held_back, self._held_back = self._held_back, 0
        return held_back
