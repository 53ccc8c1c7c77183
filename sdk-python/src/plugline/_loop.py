"""The event loop of `async def` handlers, on a thread of its own. Loaded only where there are any."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from ._watch import Watched, left

STOP_SECONDS = 0.25


class Loop:
    """One event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="plugline-asyncio", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def is_here(self) -> bool:
        """Whether this thread is the loop's."""
        return threading.current_thread() is self._thread

    def begin(self, work: Coroutine[Any, Any, None], started: Callable[[Callable[[], None]], None]) -> None:
        """Has it run; `started` is given a way to cancel it, for any thread. Never waits."""

        def start() -> None:
            task = self._loop.create_task(work)
            _running.add(task)
            task.add_done_callback(_running.discard)
            started(lambda: self.soon(task.cancel))

        self.soon(start)

    def soon(self, what: Callable[[], Any]) -> None:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            pass  # it was stopped: the process is on its way out

    def stop(self) -> None:
        """Cancels what runs and stops."""

        async def end() -> None:
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            if others:
                await asyncio.wait(others, timeout=STOP_SECONDS)
            await self._loop.shutdown_asyncgens()
            self._loop.stop()

        ends: set[asyncio.Task[None]] = set()
        self.soon(lambda: ends.add(self._loop.create_task(end())))
        self._thread.join(2 * STOP_SECONDS)


_running: set[asyncio.Task[None]] = set()
"""The loop itself holds tasks only weakly."""


async def until(watched: Watched, ready: Callable[[], bool], deadline: float | None) -> bool:
    """Has this task wait; says whether it is so."""
    loop = asyncio.get_running_loop()
    while not ready():
        seconds = left(deadline)
        if seconds <= 0:
            return False
        woken = asyncio.Event()

        def wake(woken: asyncio.Event = woken) -> None:
            try:
                loop.call_soon_threadsafe(woken.set)
            except RuntimeError:
                pass  # the loop was closed: nobody waits any more

        watched.watch(wake)
        try:
            if not ready():
                await asyncio.wait_for(woken.wait(), None if deadline is None else seconds)
        except asyncio.TimeoutError:  # before Python 3.11 not the built-in one
            return ready()
        finally:
            watched.unwatch(wake)
    return True
