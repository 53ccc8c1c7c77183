"""What a handler may know of its call, and do about it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import msgspec

from . import _codes as codes
from . import _encode, _messages
from ._codes import WireError
from ._encode import ITEM_AT, PARAMS_AT, Unsendable
from ._envelope import Id
from ._error import Cancelled, DeadlineExceeded, Error, InvalidParams, _Adhoc
from ._failure import CallFailed, Kind, RemoteError
from ._flow import Outlet, Sent, Stage
from ._incoming import Incoming
from ._messages import Level
from ._pending import Slot
from ._shape import Misfit, Shape, write_params
from ._text import sendable
from ._watch import Watched, left

if TYPE_CHECKING:
    from ._session import Host, Session

T = TypeVar("T")
PACKED_BYTES = 32 * 1024
"""A line takes no more of items that are there together; one item may be as long as its receiver takes."""

ROUNDED = 0.001
"""Seconds; deadlines are told in whole milliseconds."""


class Batch(list[T], Generic[T]):
    """Items to be sent together: `yield Batch(rows)`. For many small ones this takes a fraction of the time."""


class Call:
    """The call that a handler serves. A handler that has an argument annotated with it is given it.

    All of its methods may be used from any thread, and by a handler that is `async def`; where they wait, such a
    handler uses `callback_async`, and asyncio's own sleep and cancellation.
    """

    __slots__ = ("_incoming", "_session")
    __plugline_context__ = True  # what an argument is annotated with that takes the call

    def __init__(self, session: Session, incoming: Incoming) -> None:
        self._session, self._incoming = session, incoming

    # What it is.

    @property
    def id(self) -> Id:
        """Its caller's id for it."""
        return self._incoming.id

    @property
    def method(self) -> str:
        """The full name of the method that was called."""
        return self._incoming.method

    @property
    def host(self) -> Host:
        """Who the host says it is, and what it takes."""
        return self._session.host

    @property
    def traceparent(self) -> str | None:
        """The W3C trace context, where the caller sent one."""
        return self._incoming.traceparent

    # Whether anybody waits for it.

    @property
    def cancelled(self) -> bool:
        """Whether its caller does not want it any more."""
        return self._incoming.is_over

    @property
    def remaining(self) -> float | None:
        """Seconds until its caller gives up; None where it waits for ever."""
        deadline = self._incoming.deadline
        return None if deadline is None else max(0.0, deadline - monotonic())

    def check(self) -> None:
        """Raises `Cancelled` or `DeadlineExceeded` where nobody waits any more. For loops."""
        if (why := self._incoming.why_over()) is not None:
            raise ended(why)

    def sleep(self, seconds: float) -> None:
        """Sleeps, unless nobody waits any more: then it raises as `check` does."""
        until = monotonic() + seconds
        deadline = self._incoming.deadline
        self._wait(
            self._incoming, lambda: self._incoming.is_over, until if deadline is None else min(until, deadline)
        )
        self.check()

    def _wait(self, watched: Watched, ready: Any, deadline: float | None) -> bool:
        return self._session.wait(watched, ready, deadline)

    # What may be told meanwhile.

    def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Tells the caller how far it has come. What goes back, or is no finite number, is not told, nor what the host
        does not take."""
        incoming = self._incoming
        if self.host.features.progress is msgspec.UNSET or incoming.answered:
            return
        if not math.isfinite(progress) or progress < incoming.progress:
            return
        incoming.progress = progress
        told = _messages.Progress(
            incoming.id,
            progress,
            msgspec.UNSET if total is None or not math.isfinite(total) else total,
            msgspec.UNSET if message is None else sendable(message),
        )
        try:
            self._session.notify(_messages.PROGRESS, _encode.encode(told))
        except CallFailed:
            pass  # it is too long, and then it is dropped (FRAME-20)

    def log(self, level: Level | str, message: str, *, target: str | None = None, **fields: Any) -> None:
        """Writes a line to the host's log. `logging` does it too, where it is used."""
        write_log(self._session, Level(level), message, target, fields)

    # Callbacks.

    @overload
    def callback(
        self, method: str, params: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> Any: ...
    @overload
    def callback(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        returns: type[T],
        timeout: float | None = None,
    ) -> T: ...
    def callback(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        returns: Any = Any,
        timeout: float | None = None,
    ) -> Any:
        """Calls a method of the host, and waits at most so many seconds, and not beyond this call's own time.

        Raises `RemoteError` where the host answers with an error, `CallFailed` where it cannot be asked.
        """
        slot = self._begin(method, params, timeout)
        self._wait(slot, lambda: slot.is_done, slot.deadline)
        return self._outcome(slot, Shape(returns))

    async def callback_async(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        returns: type[T] | Any = Any,
        timeout: float | None = None,
    ) -> Any:
        """The same, for an `async def` handler."""
        from ._loop import until

        slot = self._begin(method, params, timeout)
        try:
            await until(slot, lambda: slot.is_done, slot.deadline)
        except BaseException:
            self._session.abandon(slot, "the call that it was made for ended")
            raise
        return self._outcome(slot, Shape(returns))

    def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Sends a notification to the host."""
        self._check_served(method)
        self._session.notify(method, with_parent(write_params(params, PARAMS_AT), self._incoming.id))

    def ping(self) -> None:
        """Returns when the host has answered an `rpc.ping`."""
        slot = self._session.begin(_messages.PING, b"{}", parent=self._incoming)
        self._wait(slot, lambda: slot.is_done, self._incoming.deadline)
        self._outcome(slot, Shape(Any))

    def client(self, contract: type[T]) -> T:
        """The host's implementation of a contract: an object whose methods are callbacks."""
        from ._contract import client

        return client(contract, self)

    def _check_served(self, method: str) -> None:
        if method not in self.host.serves:
            raise RemoteError(WireError(codes.METHOD_NOT_FOUND, f"the host does not serve {method}"))

    def _begin(self, method: str, params: Mapping[str, Any] | None, timeout: float | None) -> Slot:
        self._check_served(method)
        deadline = None if timeout is None else monotonic() + timeout
        return self._session.begin(
            method, write_params(params, PARAMS_AT), parent=self._incoming, deadline=deadline
        )

    def _outcome(self, slot: Slot, shape: Shape) -> Any:
        return outcome(self._session, slot, shape)

    # Streams.

    def input_items(self, shape: Shape) -> Iterator[Any]:
        """The input stream, as the handler's argument."""
        inlet = self._incoming.inlet
        assert inlet is not None, "only methods with an input stream ask for it"
        number = 0
        while True:
            self.check()
            stage = inlet.stage  # before: the last items and the end may come between two looks
            if (taken := inlet.take()) is not None:
                number += 1
                yield self._item(taken, shape, number)
            elif stage is not Stage.OPEN:
                if stage is Stage.COMPLETE:
                    return
                self._dry()
            elif not self._wait(inlet, lambda: inlet.has_news, self._incoming.deadline):
                raise DeadlineExceeded()

    async def input_items_async(self, shape: Shape) -> AsyncIterator[Any]:
        from ._loop import until

        inlet = self._incoming.inlet
        assert inlet is not None, "only methods with an input stream ask for it"
        number = 0
        while True:
            self.check()
            stage = inlet.stage  # before: the last items and the end may come between two looks
            if (taken := inlet.take()) is not None:
                number += 1
                yield self._item(taken, shape, number)
            elif stage is not Stage.OPEN:
                if stage is Stage.COMPLETE:
                    return
                self._dry()
            elif not await until(inlet, lambda: inlet.has_news, self._incoming.deadline):
                raise DeadlineExceeded()

    def _item(self, taken: tuple[msgspec.Raw, int], shape: Shape, number: int) -> Any:
        raw, grant = taken
        if grant:
            self._session.say(self._session.credit_line(_messages.INPUT_CREDIT, self.id, grant))
        try:
            return shape.read(raw)
        except Misfit as misfit:
            first = misfit.faults[0]
            raise InvalidParams(first.path, f"item {number} of the input: {first.message}") from None

    def _dry(self) -> None:
        self.check()
        raise Cancelled(codes.cancelled("its input ended without being complete"))

    def send(self, item: Any, shape: Shape) -> None:
        """Sends an item of the output, or a batch of them; waits for credit."""
        outlet = self._incoming.outlet
        assert outlet is not None, "only methods with an output stream send"
        for line in self._lines(item, shape, outlet):
            while (sent := outlet.spend(len(line))) is Sent.WAIT:
                if not self._wait(outlet, lambda: outlet.has_news, self._incoming.deadline):
                    raise DeadlineExceeded()
            self._spent(sent, line)

    async def send_async(self, item: Any, shape: Shape) -> None:
        from ._loop import until

        outlet = self._incoming.outlet
        assert outlet is not None, "only methods with an output stream send"
        for line in self._lines(item, shape, outlet):
            while (sent := outlet.spend(len(line))) is Sent.WAIT:
                if not await until(outlet, lambda: outlet.has_news, self._incoming.deadline):
                    raise DeadlineExceeded()
            self._spent(sent, line)

    def _spent(self, sent: Sent, line: bytes) -> None:
        if sent is Sent.OVER:
            self.check()
            raise Cancelled(codes.cancelled("nobody takes the output any more"))
        self._session.transmit(line, self._incoming.deadline)

    def _lines(self, item: Any, shape: Shape, outlet: Outlet) -> Iterator[bytes]:
        self.check()
        limit = min(self._session.send_limit, outlet.window - 1)
        items: Iterable[Any] = item if isinstance(item, Batch) else (item,)
        around = len(_encode.items(b"rpc.output", self.id, b""))
        packed: list[bytes] = []
        size = around
        for single in items:
            data = shape.write(single, ITEM_AT)
            if around + len(data) - 1 > limit:
                if packed:
                    yield _encode.items(b"rpc.output", self.id, b",".join(packed))
                # What comes after it would be taken for all that there is.
                self._incoming.fail(codes.too_large(limit, around + len(data) - 1))
                self.check()
            if packed and size + len(data) + 1 > min(limit, PACKED_BYTES):
                yield _encode.items(b"rpc.output", self.id, b",".join(packed))
                packed, size = [], around
            packed.append(data)
            size += len(data) + 1
        if packed:
            yield _encode.items(b"rpc.output", self.id, b",".join(packed))


def ended(why: WireError) -> Error:
    """The exception for a call that nobody waits for any more."""
    if why.code == codes.DEADLINE_EXCEEDED:
        return DeadlineExceeded()
    return Cancelled(why) if why.code == codes.CANCELLED else _Adhoc(why)


def outcome(session: Any, slot: Slot, shape: Shape) -> Any:
    """What a call has come to; where it has not, its caller does not wait any longer."""
    if slot.outcome is None:
        late = CallFailed(Kind.TIMEOUT, f"{slot.method}: no answer in time")
        session.abandon(slot, "its deadline has passed", late)  # unless it has come after all
    result = slot.outcome
    assert result is not None, "settled above"
    if isinstance(result, WireError):
        # The callee may be the first to say so.
        if result.code == codes.DEADLINE_EXCEEDED and slot.deadline is not None and left(slot.deadline) < ROUNDED:
            raise CallFailed(Kind.TIMEOUT, f"{slot.method}: its deadline has passed")
        raise RemoteError(result)
    if isinstance(result, CallFailed):
        raise result
    try:
        return shape.read(result)
    except Misfit as misfit:
        reason = f"{slot.method}: the result is not of the type that was asked for: {misfit}"
        raise CallFailed(Kind.PROTOCOL_VIOLATION, reason) from None


def with_parent(params: bytes, parent: Id) -> bytes:
    return _encode.with_meta(params, _encode.encode({"parent": parent}))


def write_log(
    session: Session, level: Level, message: str, target: str | None, fields: Mapping[str, Any]
) -> None:
    """Sends a line of log, if the host takes any."""
    if session.host.features.log is msgspec.UNSET:
        return
    log = _messages.Log(level, message, target or msgspec.UNSET, dict(fields) if fields else msgspec.UNSET)
    try:
        session.notify(_messages.LOG, _encode.sound(_encode.encode(log), PARAMS_AT))
    except (CallFailed, Unsendable, TypeError, ValueError):
        # Too long (FRAME-20), or something that JSON cannot carry: without the fields, perhaps.
        plain, of = sendable(message), sendable(target)
        if fields or (plain, of) != (message, target):
            write_log(session, level, plain, of, {})


CURRENT: ContextVar[Call] = ContextVar("plugline_call")


def current_call() -> Call:
    """The call that is being served here: in a handler, and in what it calls, but not in a thread that it starts."""
    call = CURRENT.get(None)
    if call is None:
        raise LookupError("no call is being served here: pass the Call on to threads that a handler starts")
    return call
