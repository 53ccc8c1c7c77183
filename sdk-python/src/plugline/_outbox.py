"""What is to be written, and the writing: each line whole, in the order it was queued.

Who may wait calls `drain` after `push`: it returns when its line was written, by itself or by another. Who reads must
not wait, and calls `post`: what the pipe does not take at once is left to a worker. So reading never waits for
writing. The pipe stays in blocking mode, for its file description may be shared with other processes.
"""

from __future__ import annotations

import _thread
import os
import select
from collections import deque
from collections.abc import Callable

from ._watch import Watched

URGENT_BYTES = 1 << 20
"""So much may be queued by who must not wait; beyond it the other side does not read."""
CHUNK_BYTES = 1 << 18
LARGEST = 1 << 30
SETTLED_SECONDS = 1.0
"""Whoever writes when it is closed is done within this."""
CLOSED_MS = 50
"""How often a write that waits looks whether it is still wanted."""


class Outbox:
    """The way out. `broken` is called once, when nothing can be written any more; `later` runs a drain."""

    __slots__ = (
        "_broken", "_draining", "_fd", "_later", "_lock", "_piece", "_poll", "_queue", "_urgent", "closed", "room",
        "seen",
    )  # fmt: skip

    def __init__(self, fd: int, broken: Callable[[OSError], None], later: Callable[[Callable[[], None]], None]):
        self._fd = fd
        self._broken, self._later = broken, later
        self._queue: deque[bytes] = deque()
        self._lock = _thread.allocate_lock()  # held by who writes
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        # So much a pipe in blocking mode takes at once where it takes anything (poll(2), pipe(7)).
        self._piece = select.PIPE_BUF if os.get_blocking(fd) else LARGEST
        self._urgent = 0  # what was queued by who must not wait, since all was written
        self._draining = False  # a worker writes, or is about to
        self.closed = False
        self.room = Watched()  # changed when something was written
        self.seen: Callable[[bytes], None] | None = None  # shown each line

    def push(self, line: bytes) -> None:
        """Queues a line; never waits."""
        if not self.closed:
            if self.seen is not None:
                self.seen(line)
            self._queue.append(line)

    def drain(self) -> None:
        """Waits until all is written that was queued."""
        while self._queue:
            with self._lock:
                self._write()

    def send(self, line: bytes) -> None:
        """Queues a line and waits until it is written."""
        self.push(line)
        self.drain()

    def post(self, line: bytes) -> bool:
        """Queues a line, and writes what the pipe takes at once. False: the other side does not read what it causes."""
        self._urgent += len(line)
        self.push(line)
        self.nudge()
        if self._urgent > URGENT_BYTES:
            # Where something is always queued, it may all have been written long since.
            self._urgent = min(self._urgent, self.size)
        return self._urgent <= URGENT_BYTES

    def nudge(self) -> None:
        """Writes what the pipe takes at once; what is left is a worker's."""
        while self._queue:
            if not self._lock.acquire(blocking=False):
                return  # who writes looks at the queue again after it let go
            try:
                stuck = not self._write_at_once()
            finally:
                self._lock.release()
            if stuck:
                if not self._draining:
                    self._draining = True
                    self._later(self._drain_for_others)
                return

    def _drain_for_others(self) -> None:
        try:
            self.drain()
        finally:
            self._draining = False
        self.nudge()  # who was told that a worker writes

    def close(self) -> None:
        """Takes no more; what is queued is forgotten."""
        self.closed = True
        self._queue.clear()
        self.room.changed()

    def settle(self) -> None:
        """Waits until nobody writes. It was closed, so that is soon, or Ctrl-C came to who did."""
        if self._lock.acquire(timeout=SETTLED_SECONDS):
            self._lock.release()

    @property
    def is_empty(self) -> bool:
        return not self._queue and not self._lock.locked()

    @property
    def size(self) -> int:
        """How much is queued; bytes."""
        return sum(map(len, tuple(self._queue)))

    def _write(self) -> None:
        while line := self._next():
            if self._queue:
                lines = [line]
                size = len(line)
                while size < CHUNK_BYTES and (line := self._next()):
                    lines.append(line)
                    size += len(line)
                line = b"".join(lines)
            try:
                self._write_whole(line)
            except OSError as fault:
                self._fail(fault)
            self.room.changed()
        self._urgent = 0

    def _next(self) -> bytes:
        """Takes the next line; empty where there is none, or none is wanted: it may have been closed meanwhile."""
        try:
            line = self._queue.popleft()
        except IndexError:
            return b""
        if self.closed:
            self._queue.clear()  # its descriptor may be somebody else's by now
            return b""
        return line

    def _write_whole(self, line: bytes) -> None:
        written = 0
        while True:
            try:
                written += os.write(self._fd, memoryview(line)[written:] if written else line)
            except BlockingIOError:
                pass  # a host's own end of a pipe is in non-blocking mode
            if written == len(line):
                return
            # Its end may be wanted, of who closes it, while the other side does not read.
            while not self._poll.poll(CLOSED_MS):
                if self.closed:
                    return

    def _write_at_once(self) -> bool:
        while self._queue:
            if not self.closed and not self._poll.poll(0):
                return False
            line = self._next()
            if not line:
                break
            try:
                written = os.write(self._fd, line[: self._piece])
            except BlockingIOError:
                written = 0
            except OSError as fault:
                self._fail(fault)
                return True
            self.room.changed()
            if written < len(line):
                self._queue.appendleft(line[written:])
                if written == 0:
                    return False
        self._urgent = 0
        return True

    def _fail(self, fault: OSError) -> None:
        if not self.closed:
            self.close()
            self._broken(fault)
