"""One request that is being served: cancel, deadline, progress, log, callbacks, streams."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wire import (
    CANCELLED,
    DEADLINE,
    LIMITS,
    STREAM,
    Id,
    Json,
    Params,
    RpcError,
    is_integer,
    require,
)

if TYPE_CHECKING:
    from demo import Method
    from plugin import Peer


@dataclass
class Callback:
    """A request of ours that the host has not answered yet."""

    depth: int
    place: threading.Semaphore | None
    done: threading.Event = field(default_factory=threading.Event)
    answer: Params = field(default_factory=dict)

    def end(self, answer: Params) -> None:
        self.answer = answer
        if self.place:
            self.place.release()
        self.done.set()


class Call:
    """One request of the host's in flight, as its handler sees it."""

    def __init__(self, peer: Peer, id: Id, method: Method, meta: Params, depth: int) -> None:
        self.id, self.method, self.depth, self._peer = id, method, depth, peer
        limit: Json = meta.get("deadlineMs")
        self._deadline = time.monotonic() + limit / 1000 if is_integer(limit, high=2**40) else None
        self._change = threading.Condition()  # guards everything below
        self._stopped: RpcError | None = None
        self._hung_up = False  # end of file came: no more input, no more credit
        self._ended = method.input is None  # the input is complete
        self._input: deque[tuple[list[Json], int]] = deque()  # bounded by `_room`
        self._room = LIMITS["streamWindowBytes"]  # credit the host has left; input may overdraw it once
        self._credit = peer.limits["streamWindowBytes"]  # credit we have left

    def stop(self, error: RpcError) -> None:
        with self._change:
            self._stopped = self._stopped or error
            self._change.notify_all()

    def hang_up(self) -> None:
        with self._change:
            self._hung_up = True
            self._change.notify_all()

    def remaining(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        if self._stopped:
            raise self._stopped
        if self.remaining() == 0:
            raise RpcError(DEADLINE)

    def _wait(self, ready: Callable[[], bool]) -> None:
        """Until `ready`; raises once the call is stopped or late. Needs `_change`."""
        self._change.wait_for(lambda: self._stopped or self._hung_up or ready(), self.remaining())
        self.check()
        if not ready():
            raise RpcError(CANCELLED)

    def sleep(self, seconds: float) -> None:
        with self._change:
            left = self.remaining()
            self._change.wait_for(lambda: self._stopped, seconds if left is None else min(left, seconds))
            self.check()

    def progress(self, value: int, total: int) -> None:
        if "progress" in self._peer.features:
            self._peer.writer.notify("rpc.progress", {"id": self.id, "progress": value, "total": total})

    def log(self, level: str, message: str) -> None:
        if "log" in self._peer.features:
            self._peer.writer.notify("rpc.log", {"level": level, "message": message})

    def ask(self, method: str, params: Params) -> Json:
        return self._peer.ask(self, method, params)

    def emit(self, item: Json) -> None:
        """Sends one output item when there is credit."""
        message = {"method": "rpc.output", "params": {"id": self.id, "items": [item]}}
        line = self._peer.writer.line(message, self._peer.limits["streamWindowBytes"] - 1)
        with self._change:
            self._wait(lambda: self._credit > 0)
            self._credit -= len(line) + 1
        self._peer.writer.write(line)

    def add_credit(self, bytes_: int) -> None:
        with self._change:
            self._credit += bytes_
            self._change.notify_all()

    def feed(self, items: list[Json], cost: int) -> None:
        with self._change:
            fits = self._room > 0 and cost <= LIMITS["streamWindowBytes"] and not self._ended
            if fits:
                self._room -= cost
                self._input.append((items, cost))
            self._change.notify_all()
        if not fits:
            self.stop(RpcError(STREAM))

    def end_input(self) -> None:
        with self._change:
            self._ended = True
            self._change.notify_all()

    def items(self) -> Iterator[Json]:
        """The input; gives credit back whenever half a window is taken."""
        taken = 0
        while True:
            with self._change:
                self._wait(lambda: bool(self._input) or self._ended)
                if not self._input:
                    return
                items, cost = self._input.popleft()
            for item in items:
                require(self.method.input or {}, item)
                yield item
            taken += cost
            if taken >= LIMITS["streamWindowBytes"] // 2:
                with self._change:
                    self._room += taken
                self._peer.writer.notify("rpc.inputCredit", {"id": self.id, "bytes": taken})
                taken = 0
