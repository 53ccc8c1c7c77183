"""The two ends of a stream: what came and was not taken yet, and what may go. Credit joined with queues.

Nothing here waits: who waits watches the end that it waits for (`_watch.py`).
"""

from __future__ import annotations

import _thread
import enum
from collections import deque

import msgspec

from ._credit import Credit, Taken
from ._watch import Watched


class StreamFault(Exception):
    """The sender of a stream broke its rules."""


class Stage(enum.Enum):
    """How it goes on with a stream."""

    OPEN = enum.auto()
    DRY = enum.auto()
    """Nothing more comes; what has come is used."""
    COMPLETE = enum.auto()
    """The sender said that this was all."""
    ENDED = enum.auto()
    """Over, whatever is left."""


class Inlet(Watched):
    """Items that came and were not taken yet: never more than a window and a line."""

    __slots__ = ("_credit", "_lines", "_lock", "_taken", "_window", "stage")

    def __init__(self, window: int) -> None:
        super().__init__()
        self._window = window
        self._credit, self._taken = Credit(window), Taken(window)
        self._lines: deque[tuple[deque[msgspec.Raw], int]] = deque()  # items, and what their line cost beyond them
        self._lock = _thread.allocate_lock()
        self.stage = Stage.OPEN

    def put(self, items: list[msgspec.Raw], line: int) -> int:
        """Adds a line of that many bytes; gives what is to be granted at once."""
        with self._lock:
            if self.stage is Stage.ENDED:
                return 0  # it crossed with the end
            if self.stage is Stage.COMPLETE:
                raise StreamFault("items after the end")
            if line > self._window:
                raise StreamFault(f"a line of {line} bytes, over the window of {self._window}")
            if not self._credit.spend(line):
                raise StreamFault("items without credit")
            if not items:
                return self._count(line)
            self._lines.append((deque(items), line - sum(len(memoryview(item)) + 1 for item in items)))
        self.changed()
        return 0

    def take(self) -> tuple[msgspec.Raw, int] | None:
        """The next item, and what is to be granted for it; none where none is there."""
        with self._lock:
            if not self._lines or self.stage is Stage.ENDED:
                return None
            items, beyond = self._lines[0]
            item = items.popleft()
            cost = len(memoryview(item)) + 1
            if not items:
                self._lines.popleft()
                cost += beyond
            return item, self._count(cost)

    def _count(self, bytes: int) -> int:
        grant = self._taken.count(bytes)
        self._credit.give(grant)
        return grant

    @property
    def has_news(self) -> bool:
        """Whether there is an item, or an end."""
        return bool(self._lines) or self.stage is not Stage.OPEN

    def to(self, stage: Stage) -> None:
        """Goes on to that stage, if it is a later one."""
        with self._lock:
            if self.stage is Stage.OPEN or (self.stage is Stage.DRY and stage is not Stage.OPEN) or stage is Stage.ENDED:
                self.stage = stage
            if stage is Stage.ENDED:
                self._lines.clear()
        self.changed()


class Sent(enum.Enum):
    """What became of a line."""

    YES = enum.auto()
    WAIT = enum.auto()
    """There is no credit."""
    OVER = enum.auto()
    """Nobody takes it any more."""


class Outlet(Watched):
    """What may still be sent."""

    __slots__ = ("_credit", "_lock", "stage", "window")

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        self._credit = Credit(window)
        self._lock = _thread.allocate_lock()
        self.stage = Stage.OPEN

    def spend(self, line: int) -> Sent:
        """Counts a line, LF and all, if it may be sent."""
        with self._lock:
            if self.stage is Stage.ENDED:
                return Sent.OVER
            if self._credit.spend(line):
                return Sent.YES
            return Sent.WAIT if self.stage is Stage.OPEN else Sent.OVER

    def give(self, bytes: int) -> None:
        with self._lock:
            self._credit.give(bytes)
        self.changed()

    @property
    def has_news(self) -> bool:
        """Whether there is credit, or an end."""
        return self._credit.left > 0 or self.stage is not Stage.OPEN

    def to(self, stage: Stage) -> None:
        """Goes on to that stage, if it is a later one."""
        if self.stage is not Stage.ENDED:
            self.stage = stage
        self.changed()
