"""Calls with streams, as their caller has them."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from .. import _messages
from .._codes import CANCELLED, WireError
from .._encode import ITEM_AT, encode, items
from .._failure import CallFailed, Kind
from .._flow import Sent
from .._pending import Slot
from .._shape import Misfit, Shape
from .._watch import Watched, sleep_until
from ._clock import CLOCK
from ._running import of_cancel

if TYPE_CHECKING:
    from ._plugin import Plugin

T = TypeVar("T")
SOURCE_SECONDS = 0.25
"""How long the end of a call waits for a source of input that gives nothing: it may never give anything again."""


class Stream(Iterator[T], Generic[T]):
    """The output of a call, item by item; `result` is what it ends with.

    Leaving its `with`, or `close`, cancels the call where it has not ended. One that is merely dropped is cancelled when
    Python collects it, with a `ResourceWarning`.
    """

    def __init__(self, plugin: Plugin, slot: Slot, item: Shape, result: Shape, sender: Sender | None) -> None:
        self._plugin, self._slot = plugin, slot
        self._item, self._result = item, result
        self._sender = sender
        self._over = False
        self._summary: Any = None
        self._cancelled = False
        CLOCK.start()

    def __iter__(self) -> Stream[T]:
        return self

    def __next__(self) -> T:
        slot, inlet = self._slot, self._slot.inlet
        if self._over:
            raise StopIteration
        while not self._over:
            is_done = slot.is_done  # before: the last items and the result may come between two looks
            if inlet is not None and (taken := inlet.take()) is not None:
                return self._read(*taken)
            if is_done:
                self._over = True
                self._summary = self._plugin.outcome(slot, self._result)
                raise StopIteration
            watched: Watched = slot if inlet is None else inlet
            if not sleep_until(watched, lambda: slot.has_news or slot.is_done, slot.deadline):
                self._over = True
                self._plugin.outcome(slot, self._result)  # it is late: raises
        raise StopIteration  # it was cancelled by another thread

    def _read(self, raw: msgspec.Raw, grant: int) -> T:
        if grant and not self._slot.is_done:
            connection = self._plugin.connection
            connection.say(connection.credit_line(_messages.OUTPUT_CREDIT, self._slot.id, grant))
        try:
            item: T = self._item.read(raw)
            return item
        except Misfit as misfit:
            self.cancel("an item cannot be taken")
            reason = f"{self._slot.method}: an item is not of the type that was asked for: {misfit}"
            raise self._plugin.failed(CallFailed(Kind.PROTOCOL_VIOLATION, reason)) from None

    @property
    def result(self) -> Any:
        """What the call ends with, once all items are taken: takes and forgets those that were not."""
        for _ in self:
            pass
        if self._cancelled:
            raise self._plugin.failed(of_cancel(self._slot))
        return self._summary

    def cancel(self, reason: str = "it has enough") -> None:
        """Has the plugin stop. Nothing more comes of it, and it has no result."""
        self._over = self._cancelled = True
        self._plugin.cancel(self._slot, reason)

    def close(self) -> None:
        """Cancels the call, unless it has ended. A second time does nothing more."""
        if not self._over:
            self.cancel()
        if self._sender is not None:
            self._sender.join()

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # It may be collected anywhere, by a thread that holds any lock: only told here, and done elsewhere.
        if not self._over and not self._slot.is_done:
            CLOCK.soon(functools.partial(self._plugin.cancel, self._slot, "its stream was dropped"))
            warnings.warn(
                f"a stream of {self._slot.method} was dropped before its end: use it in a `with`, or close it",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )


class Sender:
    """Sends the input of a call, from a thread of its own, as the plugin takes it."""

    def __init__(self, plugin: Plugin, slot: Slot, source: Iterator[Any], shape: Shape) -> None:
        self._plugin, self._slot, self._source, self._shape = plugin, slot, source, shape
        self.fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="plugline-input", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Waits for it to let go of its source. The call has ended, so nothing else holds it up."""
        if self._thread is not threading.current_thread():
            self._thread.join(SOURCE_SECONDS)

    def _run(self) -> None:
        connection, slot = self._plugin.connection, self._slot
        try:
            # It may wait for its place, and nothing of it may go before its request.
            sleep_until(slot, lambda: slot.sent or slot.is_done, slot.deadline)
            for item in self._source:
                if not self._send(item):
                    return
            if not slot.is_done:
                connection.notify(_messages.INPUT_END, encode({"id": slot.id}))
        except BaseException as fault:  # noqa: BLE001 - raised again where the call's outcome is asked for
            self.fault = fault
            why = fault if isinstance(fault, CallFailed) else WireError(CANCELLED, "its input failed")
            connection.abandon(slot, "its input failed", why)
        finally:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()

    def _send(self, item: Any) -> bool:
        connection, outlet = self._plugin.connection, self._slot.outlet
        assert outlet is not None, "only calls with input have a sender"
        line = items(b"rpc.input", self._slot.id, self._shape.write(item, ITEM_AT))
        limit = min(connection.send_limit, outlet.window - 1)
        if len(line) - 1 > limit:
            raise CallFailed(Kind.TOO_LARGE, f"an item of the input: {len(line) - 1} bytes, and {limit} are allowed")
        while (sent := outlet.spend(len(line))) is Sent.WAIT:
            if not sleep_until(outlet, lambda: outlet.has_news, self._slot.deadline):
                return False
        if sent is Sent.OVER:
            return False
        connection.transmit(line, self._slot.deadline)
        return True
