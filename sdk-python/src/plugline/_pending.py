"""Calls that this side made and that are not answered yet."""

from __future__ import annotations

import _thread
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from ._codes import WireError
from ._envelope import Id, Response
from ._failure import CallFailed
from ._flow import Inlet, Outlet, Stage
from ._watch import Watched


class Slot(Watched):
    """One call, from when it was made to its answer."""

    __slots__ = (
        "abandoned", "deadline", "depth", "encode", "id", "inlet", "is_watched", "method", "on_main", "on_progress",
        "outcome", "outlet", "sent", "unwatch_parent",
    )  # fmt: skip

    def __init__(self, id: int, method: str, depth: int, deadline: float | None, on_main: bool) -> None:
        super().__init__()
        self.id, self.method, self.depth, self.deadline = id, method, depth, deadline
        self.on_main = on_main  # whether the main thread waits for it
        self.outcome: msgspec.Raw | WireError | CallFailed | None = None
        self.sent = False  # its request is on its way; until then it waits for a place
        self.abandoned = False  # its caller waits no longer; it holds its place
        self.is_watched = False  # somebody looks whether it is answered all the same
        self.encode: Callable[[], bytes] | None = None  # makes its request, where it waits for a place
        self.unwatch_parent: Callable[[], None] | None = None
        self.on_progress: Callable[[Any], None] | None = None
        self.inlet: Inlet | None = None  # of output
        self.outlet: Outlet | None = None  # of input

    @property
    def is_done(self) -> bool:
        return self.outcome is not None

    @property
    def has_news(self) -> bool:
        """Whether there is output, or an answer."""
        return self.outcome is not None or (self.inlet is not None and self.inlet.has_news)

    def settle(self, outcome: msgspec.Raw | WireError | CallFailed) -> None:
        """The first outcome stands."""
        if self.outcome is None:
            self.outcome = outcome
        if self.unwatch_parent is not None:
            self.unwatch_parent()
        if self.outlet is not None:
            self.outlet.to(Stage.ENDED)
        if self.inlet is not None:
            self.inlet.changed()
        self.changed()


class Pending:
    """All of them. Those that find no place wait for one, in the order they were made."""

    __slots__ = ("_lock", "_next", "by_id", "closed", "places", "waiting")

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._next = 0
        self.by_id: dict[Id, Slot] = {}  # those that have a place
        self.places: dict[int, int] = {}  # how many at each depth
        self.waiting: dict[int, deque[Slot]] = {}  # at each depth
        self.closed: CallFailed | None = None  # why none can be made any more

    def begin(self, method: str, depth: int, deadline: float | None, on_main: bool) -> Slot:
        """A call that has no place yet."""
        with self._lock:
            if self.closed is not None:
                raise self.closed
            slot = Slot(self._next, method, depth, deadline, on_main)
            self._next += 1
            return slot

    def place(self, slot: Slot, limit: int) -> bool:
        """Gives it a place, or has it wait. Calls of the protocol itself are not counted: their limit is 0."""
        with self._lock:
            if self.closed is not None:
                raise self.closed
            taken = self.places.get(slot.depth, 0)
            if limit and (taken >= limit or self.waiting.get(slot.depth)):
                self.waiting.setdefault(slot.depth, deque()).append(slot)
                return False
            if limit:
                self.places[slot.depth] = taken + 1
            self.by_id[slot.id] = slot
            return True

    def next(self, depth: int, limit: int) -> Slot | None:
        """Gives a place to the one that waits longest, if there are both."""
        with self._lock:
            waiting = self.waiting.get(depth)
            if not waiting or self.places.get(depth, 0) >= limit:
                return None
            slot = waiting.popleft()
            if not waiting:
                del self.waiting[depth]
            self.places[depth] = self.places.get(depth, 0) + 1
            self.by_id[slot.id] = slot
            return slot

    def send(self, slot: Slot, push: Callable[[], None]) -> bool:
        """Sends its request; False where its caller has left in the meantime, and the other side is to be told."""
        push()
        slot.encode = None
        with self._lock:
            slot.sent = True
            wanted = not slot.abandoned
        slot.changed()
        return wanted

    def withdraw(self, slot: Slot, why: CallFailed) -> bool:
        """Ends a call that waits for a place, and is so never sent; False where it does not wait for one."""
        with self._lock:
            waiting = self.waiting.get(slot.depth)
            if waiting is None or slot not in waiting:
                return False
            waiting.remove(slot)
            if not waiting:
                del self.waiting[slot.depth]
        slot.settle(why)
        return True

    def leave(self, slot: Slot) -> bool:
        """Its caller has left; it holds its place. True where the other side is to be told."""
        with self._lock:
            if slot.abandoned or slot.is_done:
                return False
            slot.abandoned = True
            return slot.sent

    def answer(self, response: Response) -> Slot | None:
        """Ends the call that a response is for, if there is one."""
        slot = self._end(response.id)
        if slot is not None:
            slot.settle(response.error if response.error is not None else response.result)
        return slot

    def fail(self, id: Id, why: CallFailed) -> Slot | None:
        """Ends the call that a response is for which cannot be read."""
        slot = self._end(id)
        if slot is not None:
            slot.settle(why)
        return slot

    def close(self, why: CallFailed) -> None:
        """Every call fails, and none can be made any more."""
        with self._lock:
            if self.closed is None:
                self.closed = why
            slots = self._all()
            self.by_id.clear()
            self.places.clear()
            self.waiting.clear()
        for slot in slots:
            slot.settle(why)

    def all(self) -> list[Slot]:
        """Those that were sent and those that wait for a place."""
        with self._lock:
            return self._all()

    def _all(self) -> list[Slot]:
        return [*self.by_id.values(), *(slot for waiting in self.waiting.values() for slot in waiting)]

    def _end(self, id: Id) -> Slot | None:
        with self._lock:
            slot = self.by_id.pop(id, None)
            if slot is not None and slot.depth in self.places and not slot.method.startswith("rpc."):
                self.places[slot.depth] -= 1
            return slot
