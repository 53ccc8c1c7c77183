"""One call of the driver: begun in the order of its command, then followed by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

from plugline import host

Object = dict[str, Any]
TIMEOUT_MS = 30_000
DEEPEST = 90
"""What nests deeper no driver can pass on."""


class Refused(Exception):
    """An error of the driver's own."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Handle:
    """What a call may be told while it runs."""

    def __init__(self, plugin: host.Plugin, command: Object, say: Callable[[Object], None]) -> None:
        self._seq, self._say = command["seq"], say
        self._allowed = threading.Semaphore(command["take"]) if "take" in command else None
        self._feeds: SimpleQueue[tuple[int, list[Any] | None]] | None = SimpleQueue() if command.get("input") else None
        self._fed: dict[int, bool] = {}  # commands that feed it and are not answered yet
        self._over = False
        method, params = command["method"], command.get("params")
        ms = command.get("timeout_ms", TIMEOUT_MS)
        timeout = None if ms is None else ms / 1000
        source = self._items() if self._feeds is not None else None
        self._shown = command.get("output") is True
        self._stream: host.Stream[Any] | None = None
        if command.get("output"):
            self._stream = plugin.stream(method, params, input=source, timeout=timeout, on_progress=self._progress)
        else:
            self._running = plugin.begin(method, params, input=source, timeout=timeout, on_progress=self._progress)

    def _progress(self, told: host.Progress) -> None:
        progress = {"progress": told.progress}
        if isinstance(told.total, float):
            progress["total"] = told.total
        more = {"message": told.message} if isinstance(told.message, str) else {}
        self._say({"seq": self._seq, "progress": {**progress, **more}})

    def _items(self) -> Iterator[Any]:
        """The call's input, as it is fed. Its sender asks for more when the item before is written."""
        assert self._feeds is not None, "only calls with input have a source"
        while True:
            seq, items = self._feeds.get()
            yield from items or ()
            self._answer(seq, {"ok": {}})
            if items is None:
                return

    def feed(self, seq: int, items: list[Any] | None) -> None:
        if self._feeds is None:
            raise Refused("invalid_request", "the call has no input")
        self._fed[seq] = True
        self._feeds.put((seq, items))

    def allow(self, more: int) -> None:
        if self._allowed is not None:
            self._allowed.release(more)

    def cancel(self, reason: str | None) -> None:
        self._over = True
        self.allow(1)
        why = {} if reason is None else {"reason": reason}
        if self._stream is not None:
            self._stream.cancel(**why)
        else:
            self._running.cancel(**why)

    def follow(self) -> Any:
        """Waits for its end; gives its result."""
        try:
            result = self._follow()
        except host.CallFailed as error:
            self._end_input(error)
            raise
        self._end_input(Refused("closed", "the call has ended"))
        if deeper(result, DEEPEST):
            raise Refused("protocol_violation", f"a result that nests deeper than {DEEPEST}")
        return result

    def _end_input(self, why: host.CallFailed | Refused) -> None:
        """Answers for what was fed and not taken."""
        kind = why.kind.value if isinstance(why, host.CallFailed) else why.kind
        for seq in list(self._fed):
            self._answer(seq, {"err": {"kind": kind, "message": str(why)}})

    def _answer(self, seq: int, outcome: Object) -> None:
        """Answers a command that feeds it, once."""
        if self._fed.pop(seq, False):
            self._say({"seq": seq, **outcome})

    def _follow(self) -> Any:
        if self._stream is None:
            return self._running.result()
        with self._stream as stream:
            while self._take():
                try:
                    item = next(stream)
                except StopIteration:
                    break
                if self._shown:
                    self._say({"seq": self._seq, "item": item})
            return stream.result

    def _take(self) -> bool:
        if self._allowed is not None:
            self._allowed.acquire()
        return not self._over


def deeper(value: Any, levels: int) -> bool:
    """Whether it nests deeper than that; without recursion."""
    within: list[Any] = [value]
    for _ in range(levels):
        within = [
            member
            for each in within
            if isinstance(each, (list, dict))
            for member in (each.values() if isinstance(each, dict) else each)
        ]
    return any(isinstance(each, (list, dict)) for each in within)
