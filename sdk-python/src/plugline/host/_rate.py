"""How much a plugin may have to say in a second. What goes beyond it is counted. A function of the time; no clock."""

from __future__ import annotations

import enum
from typing import Final

EVENTS_PER_SECOND: Final = 1000
"""So many log lines, lines on standard error and ignored messages of a plugin are told in a second, each kind counted by
itself."""
WINDOW_SECONDS: Final = 1.0


class Told(enum.Enum):
    """What a plugin can say without end."""

    LOGS = "log lines"
    STDERR_LINES = "lines on standard error"
    IGNORED_MESSAGES = "ignored messages"


class Rate:
    """How many of one kind are told."""

    __slots__ = ("_admitted", "_held_back", "_most", "_since")

    def __init__(self, most: int) -> None:
        self._most = most
        self._since = float("-inf")
        self._admitted = self._held_back = 0

    def admit(self, now: float) -> tuple[bool, int, float | None]:
        """Whether one more is told; how many before it were not, which is to be told first; and when to look, where it is
        the first that is not."""
        held_back = 0
        if now - self._since >= WINDOW_SECONDS:
            held_back = self._held_back
            self._since, self._admitted, self._held_back = now, 0, 0
        if self._admitted < self._most:
            self._admitted += 1
            return True, held_back, None
        self._held_back += 1
        return False, held_back, self._since + WINDOW_SECONDS if self._held_back == 1 else None

    def over(self, now: float) -> int:
        """How many were held back in a second that is over and were not told of."""
        return self.rest() if now - self._since >= WINDOW_SECONDS else 0

    def rest(self) -> int:
        """The same, whether the second is over or not: no more is to come."""
        held_back, self._held_back = self._held_back, 0
        return held_back
