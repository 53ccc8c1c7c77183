"""The arithmetic of stream credit, in bytes. No I/O, no threads.

A receiver counts a grant before it sends it, a sender when it has come: so a receiver never knows of less than the
sender, and a line for which it knows of no credit was sent without any.
"""

from __future__ import annotations


class Credit:
    """What may still be sent. One line may overdraw it, where anything is left."""

    __slots__ = ("left",)

    def __init__(self, window: int) -> None:
        self.left = window

    def spend(self, line: int) -> bool:
        """Counts a line, if it may be sent."""
        if self.left <= 0:
            return False
        self.left -= line
        return True

    def give(self, more: int) -> None:
        self.left += more


class Taken:
    """What a consumer took and its sender was not told of yet."""

    __slots__ = ("_bytes", "_due")

    def __init__(self, window: int) -> None:
        self._bytes, self._due = 0, window // 2

    def count(self, more: int) -> int:
        """Counts what was taken; gives what to grant, or 0 where nothing is due yet."""
        self._bytes += more
        if self._bytes < self._due:
            return 0
        grant, self._bytes = self._bytes, 0
        return grant
