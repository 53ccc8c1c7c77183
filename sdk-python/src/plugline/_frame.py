"""Bytes to lines. Owns the line limit; knows nothing of what a line says. No I/O.

What is held of a line that has not ended never exceeds the limit, however long the line becomes.
"""

from __future__ import annotations

from typing import NamedTuple

BOM = b"\xef\xbb\xbf"


class Skipped(NamedTuple):
    """A line over the limit, gone by."""

    limit: int
    size: int


class Splitter:
    """Takes chunks as they are read and gives lines, one at a time, without their LF."""

    __slots__ = ("_at", "_data", "_parts", "_size", "_started", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._data = b""
        self._at = 0  # of what in `_data` was not given yet
        self._parts: list[bytes] = []  # of the line that has not ended
        self._size = 0  # of that line so far, kept or not
        self._started = False

    def feed(self, data: bytes) -> None:
        """Adds what was read. All lines of what came before were taken."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def next(self) -> bytes | Skipped | None:
        """The next line; none where more is to be read first."""
        data, start = self._data, self._at
        end = data.find(b"\n", start)
        if end < 0:
            self._hold(data[start:] if start else data)
            self._data, self._at = b"", 0
            return None
        self._at = end + 1
        if self._size:
            self._hold(data[start:end])
            size, line = self._size, b"".join(self._parts)
            self._parts, self._size = [], 0
        else:
            size, line = end - start, data[start:end]
        if size > self.limit:
            self._started = True
            return Skipped(self.limit, size)
        if not self._started:
            self._started = True
            return line.removeprefix(BOM)
        return line

    def has_line(self) -> bool:
        """Whether a whole line waits to be taken."""
        return self._data.find(b"\n", self._at) >= 0

    @property
    def is_over(self) -> bool:
        """Whether the line that has not ended is over the limit already."""
        return self._size > self.limit

    def _hold(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self.limit:
            self._parts = []
        elif part:
            self._parts.append(part)
