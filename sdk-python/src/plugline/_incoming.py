"""Requests that came in and are not answered yet."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from time import monotonic

from . import _codes as codes
from ._codes import WireError
from ._envelope import Id
from ._flow import Inlet, Outlet, Stage
from ._outbox import Outbox
from ._watch import Watched


class Incoming(Watched):
    """One request that is being handled."""

    # Most requests change none of these: they stand with the class.
    traceparent: str | None = None
    counted = True
    """Whether it holds one of the places that `maxInFlight` counts."""
    answered = False
    stopped: WireError | None = None
    """Its caller does not want it any more."""
    failed: WireError | None = None
    """What is answered whatever its handler says."""
    on_stop: Callable[[], None] | None = None
    progress = float("-inf")
    """The last one told."""
    inlet: Inlet | None = None
    outlet: Outlet | None = None

    def __init__(self, id: Id, method: str, depth: int, parent: Id | None, deadline: float | None):
        self._wakers = []
        self.id, self.method = id, method
        self.depth = depth  # how many requests it is nested in
        self.parent = parent  # the call of this side in whose handling the other side made it
        self.deadline = deadline  # when its caller gives up, as `monotonic` says it

    def stop(self, why: WireError) -> None:
        """Tells its handler to stop; the first reason stands."""
        if self.stopped is None:
            self.stopped = why
            for end in (self.inlet, self.outlet):
                if end is not None:
                    end.to(Stage.ENDED)
            if self.on_stop is not None:
                self.on_stop()
            self.changed()

    def fail(self, why: WireError) -> None:
        """Tells its handler to stop; this is the answer, whatever it returns."""
        if self.failed is None:
            self.failed = why
        self.stop(why)

    def dry_up(self) -> None:
        """The other side is gone: what came is used, and nobody waits for more."""
        for end in (self.inlet, self.outlet):
            if end is not None:
                end.to(Stage.DRY)

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for its answer any more."""
        return self.stopped is not None or self.answered

    def why_over(self) -> WireError | None:
        """What to answer if the caller does not wait any more."""
        if self.stopped is not None:
            return self.failed or self.stopped
        if self.answered:
            return codes.cancelled("it was answered already")
        if self.deadline is not None and self.deadline <= monotonic():
            return codes.deadline_exceeded()
        return None


class InFlight(Watched):
    """All of them. The lock is held where one begins and where it is answered, never while anything waits."""

    __slots__ = ("by_id", "lock", "places")

    def __init__(self) -> None:
        super().__init__()
        self.lock = _thread.allocate_lock()
        self.by_id: dict[Id, Incoming] = {}
        self.places: dict[int, int] = {}  # how many at each depth

    def at_depth(self, depth: int) -> int:
        return self.places.get(depth, 0)

    def add(self, request: Incoming) -> None:
        with self.lock:
            self.by_id[request.id] = request
            if request.counted:
                self.places[request.depth] = self.places.get(request.depth, 0) + 1

    def answer(self, request: Incoming, line: bytes, outbox: Outbox) -> bool:
        """Gives up its place and queues its answer in one step, unless it was answered already."""
        with self.lock:
            if request.answered:
                return False
            request.answered = True
            del self.by_id[request.id]
            if request.counted:
                self.places[request.depth] -= 1
            outbox.push(line)
        return True

    def all(self) -> list[Incoming]:
        with self.lock:
            return list(self.by_id.values())
