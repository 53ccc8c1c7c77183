"""Threads that run what would hold up others. They begin when they are needed and end when nothing comes.

How many there are is bounded by what is asked of them: requests by `maxInFlight` and `maxDepth`, and one for each of a
few duties.
"""

from __future__ import annotations

import _thread
from collections import deque
from collections.abc import Callable

from ._watch import Gate

IDLE_SECONDS = 10.0

Job = Callable[[], None]


class Workers:
    """A pool. A job raises nothing."""

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._jobs: deque[Job] = deque()
        self._idle: list[Gate] = []

    def run(self, job: Job) -> None:
        """Runs a job on another thread; never waits."""
        with self._lock:
            self._jobs.append(job)
            if self._idle:
                self._idle.pop().open()
                return
        try:
            _thread.start_new_thread(self._work, ())
        except RuntimeError:
            # No thread can be had: whoever is busy takes it when they are done. Where nobody is, nobody ever will.
            with self._lock:
                if self._jobs and self._jobs[-1] is job:
                    self._jobs.pop()
                    raise

    def _work(self) -> None:
        while True:
            with self._lock:
                job = self._jobs.popleft() if self._jobs else None
                gate = Gate()
                if job is None:
                    self._idle.append(gate)
            if job is not None:
                job()
            elif not self._rest(gate):
                return

    def _rest(self, gate: Gate) -> bool:
        """Sleeps until there may be something to do; False where there was nothing for long."""
        gate.wait(IDLE_SECONDS)
        with self._lock:
            if gate not in self._idle:
                return True
            self._idle.remove(gate)
            return bool(self._jobs)


class Lane:
    """What has to be handled in the order it came: notifications, and requests that came after them.

    While nothing waits in it, requests do not pass through it.
    """

    BYTES = 4 << 20
    """What may wait; one notification always may."""
    NOTIFICATION_BYTES = 512
    """What one takes besides its line: without it, a million empty ones could wait."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._lock = _thread.allocate_lock()
        self._steps: deque[tuple[Job, int]] = deque()
        self._bytes = 0
        self._running = False

    @property
    def is_empty(self) -> bool:
        return not self._running and not self._steps

    def notification(self, job: Job, size: int) -> bool:
        """Adds one; False where more would wait than may."""
        size += self.NOTIFICATION_BYTES
        with self._lock:
            if self._bytes and self._bytes + size > self.BYTES:
                return False
            self._bytes += size
            self._steps.append((job, size))
            if self._running:
                return True
            self._running = True
        self._workers.run(self._run)
        return True

    def request(self, job: Job) -> bool:
        """Has a request wait for the notifications before it; False where there are none."""
        with self._lock:
            if not self._running:
                return False
            self._steps.append((lambda: self._workers.run(job), 0))
            return True

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._steps:
                    self._running = False
                    return
                job, size = self._steps.popleft()
            job()
            with self._lock:
                self._bytes -= size
