"""What is to be done later, or by another thread: one thread for all plugins of this process, begun when it is needed."""

from __future__ import annotations

import heapq
import os
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic

from .._watch import LONGEST_WAIT

Job = Callable[[], None]


class Clock:
    """A clock. What it does must not wait."""

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._runs = False
        self._jobs: SimpleQueue[tuple[float, Job]] = SimpleQueue()

    def start(self) -> None:
        """Has it run, if it does not yet."""
        with self._lock:
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, args=[self._jobs], name="plugline-clock", daemon=True).start()

    def soon(self, job: Job) -> None:
        """Has it done at once, by a clock that was started. The one thing that may be called while objects are collected,
        by a thread that holds any lock: `SimpleQueue.put` is made for that."""
        self._jobs.put((0.0, job))

    def at(self, when: float, job: Job) -> None:
        """Has it done then, as `monotonic` says it."""
        self.start()
        self._jobs.put((when, job))

    def _run(self, jobs: SimpleQueue[tuple[float, Job]]) -> None:
        due: list[tuple[float, int, Job]] = []
        count = 0
        while True:
            patience = min(due[0][0] - monotonic(), LONGEST_WAIT) if due else None
            if patience is not None and patience <= 0:
                do(heapq.heappop(due)[2])
                continue
            try:
                when, job = jobs.get(timeout=patience)
            except Empty:
                continue
            count += 1
            heapq.heappush(due, (when, count, job))
            del job  # what it holds is not to live until the next one


def do(job: Job) -> None:
    """Does it. What it raises is told, and ends neither the thread that does it nor what is to be done after it."""
    try:
        job()
    except Exception:  # noqa: BLE001 - a transcript of the user's, for one: the clock is everybody's, and goes on
        kind, fault, trace = sys.exc_info()
        threading.excepthook(threading.ExceptHookArgs((kind or Exception, fault, trace, threading.current_thread())))


CLOCK = Clock()
