"""One connection: what each line that came means, and how calls go out. Both ends use it.

It knows nothing of processes, and has no thread: whoever reads calls `take`, and must not wait in it; what is to run
is given back. A subclass says what its end serves, and how its threads wait.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

import msgspec

from . import _codes as codes
from . import _encode, _messages
from ._codes import Fault, WireError, shorten
from ._encode import TooLarge
from ._envelope import Id, Malformed, Notification, Request, Response, Wrong, classify
from ._failure import CallFailed, Kind
from ._faults import faults_of
from ._flow import Inlet, Outlet, Stage, StreamFault
from ._frame import Skipped
from ._incoming import Incoming, InFlight
from ._messages import HANDSHAKE_LIMIT, CallMeta, Limits, read_meta
from ._outbox import Outbox
from ._pending import Pending, Slot
from ._text import sendable, told
from ._watch import Watched, left

T = TypeVar("T")
ABANDONED = "nobody waits for it any more"


class Closed(Exception):
    """The connection cannot go on."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Handler:
    """A method as the connection sees it. (Not an `ABC`: that would make each `isinstance` on the way of a call slow.)"""

    __slots__ = ("counted", "has_input", "has_output", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.has_input = self.has_output = False
        self.counted = True

    def run(self, connection: Connection, request: Incoming, params: msgspec.Raw) -> None:
        """Serves a request and has it answered, then or later. It raises nothing."""
        raise NotImplementedError

    def check(self, params: msgspec.Raw) -> WireError | None:
        """What is wrong with params that will not be run."""
        return None


class Work(msgspec.Struct, gc=False):
    """A request that was let in."""

    handler: Handler
    request: Incoming
    params: msgspec.Raw


class Heard(msgspec.Struct, gc=False):
    """A notification that somebody listens to."""

    method: str
    listen: Callable[[msgspec.Raw], None]
    params: msgspec.Raw
    size: int


class Connection:
    """One end of one connection; what an end is, its subclass says."""

    cancels_orphans = False
    """Whether this end cancels what it called for a request that was cancelled."""

    def __init__(self, limits: Limits, outbox: Outbox) -> None:
        self.limits = limits  # what this end accepts
        self.remote: Limits | None = None  # what the other end accepts, once it said so
        self.outbox = outbox
        self.in_flight = InFlight()
        self.pending = Pending()
        self.send_limit = HANDSHAKE_LIMIT
        self.streams = False  # whether the other end has them too
        self.heeds_cancel = True  # whether the other end takes `rpc.cancel`

    # What an end is.

    def route(self, request: Request) -> Handler | bytes | WireError | None:
        """Who serves a request, or the answer to it. None: it is taken care of."""
        raise NotImplementedError

    def listener(self, method: str) -> Callable[[msgspec.Raw], None] | None:
        """Who listens to a notification."""
        raise NotImplementedError

    def malformed(self, line: bytes, what: Malformed) -> None:
        """A line that is no message."""
        raise NotImplementedError

    def ignored(self, what: str) -> None:
        """A message that is ignored."""
        raise NotImplementedError

    def broken_output(self, line: bytes, reason: str) -> None:
        """Output that broke the rules of its stream."""
        raise NotImplementedError

    def wait(self, watched: Watched, ready: Callable[[], bool], deadline: float | None) -> bool:
        """Has this thread wait; says whether it is so."""
        raise NotImplementedError

    def on_main(self) -> bool:
        """Whether this thread is the one that handlers of this end run on, one at a time."""
        raise NotImplementedError

    def agree(self, limits: Limits) -> None:
        """The handshake is done."""
        self.remote, self.send_limit = limits, limits.max_line_bytes

    # What comes.

    def take(self, line: bytes | Skipped) -> Work | Heard | None:
        """Takes in a line. What is to run is given back."""
        if type(line) is Skipped:
            self.skipped(line)
            return None
        assert type(line) is bytes
        message = classify(line)
        if type(message) is Request:
            return self._request(message, line)
        if type(message) is Notification:
            return self._notification(message, line)
        if type(message) is Response:
            self.responded(message)
        elif type(message) is Malformed:
            if message.wrong is Wrong.NOTIFICATION:
                self.ignored(message.reason)
            else:
                self.malformed(line, message)
        return None

    def skipped(self, line: Skipped) -> None:
        """A line over the limit."""
        self.refuse(None, codes.too_large(line.limit, line.size))

    def duplicate(self, request: Request, line: bytes) -> None:
        """A request whose id is in flight."""
        self.refuse(None, codes.invalid_request("its id is in flight already"))

    def responded(self, response: Response) -> None:
        self.answered(self.pending.answer(response), response.id)

    def answered(self, slot: Slot | None, id: Id) -> None:
        """A response came, for that call; its place is another's now."""
        if slot is None:
            self.ignored(f"a response with the unknown id {id!r}")
        else:
            self._admit(slot.depth)

    def _request(self, request: Request, line: bytes) -> Work | None:
        id, params = request.id, request.params
        if id in self.in_flight.by_id:
            self.duplicate(request, line)
            return None
        route = self.route(request)
        if isinstance(route, Handler):
            if (route.has_output or route.has_input) and not self.streams:
                route = codes.method_not_found(request.method)
            elif memoryview(params)[0] != 0x7B:
                route = _messages.not_an_object()
            else:
                meta = read_meta(params, line)
                incoming = self._incoming(request, route, meta)
                full = incoming.depth > 0 or self.in_flight.at_depth(0) >= self.limits.max_in_flight
                refused = self._overload(incoming, route, params) if full and route.counted else None
                if refused is None:
                    self.in_flight.add(incoming)
                    return Work(route, incoming, params)
                route = refused
        elif type(route) is bytes and memoryview(params)[0] != 0x7B:
            route = _messages.not_an_object()
        if route is not None:
            if type(route) is bytes:
                self.post(_encode.response(id, route, self.send_limit))
            else:
                assert type(route) is WireError
                self.refuse(id, route)
        return None

    def _incoming(self, request: Request, handler: Handler, meta: CallMeta) -> Incoming:
        cause = self.pending.by_id.get(meta.parent) if meta.parent is not None else None
        deadline = monotonic() + meta.deadline if meta.deadline is not None else None
        if cause is not None and cause.deadline is not None:
            deadline = cause.deadline if deadline is None else min(deadline, cause.deadline)
        incoming = Incoming(
            request.id, request.method, cause.depth + 1 if cause else 0, cause.id if cause else None, deadline
        )
        if not handler.counted:
            incoming.counted = False
        if meta.traceparent is not None:
            incoming.traceparent = meta.traceparent
        if handler.has_input:
            incoming.inlet = Inlet(self.limits.stream_window_bytes)
        if handler.has_output:
            assert self.remote is not None, "streams are used after the handshake"
            incoming.outlet = Outlet(self.remote.stream_window_bytes)
        return incoming

    def _overload(self, incoming: Incoming, handler: Handler, params: msgspec.Raw) -> WireError | None:
        """Why there is no place for it; that its params are wrong is said first."""
        limits = self.limits
        if incoming.depth > limits.max_depth:
            refused = codes.overloaded(limits.max_depth, "levels of nesting")
        elif self.in_flight.at_depth(incoming.depth) >= limits.max_in_flight:
            refused = codes.overloaded(limits.max_in_flight, "requests at once")
        else:
            return None
        return handler.check(params) or refused

    def _notification(self, notification: Notification, line: bytes) -> Heard | None:
        method, params = notification.method, notification.params
        try:
            match method:
                case _messages.CANCEL:
                    cancel = msgspec.json.decode(params, type=_messages.Cancel)
                    reason = None if cancel.reason is msgspec.UNSET else cancel.reason
                    self.cancelled(cancel.id, reason)
                case _messages.PROGRESS:
                    self._progress(msgspec.json.decode(params, type=_messages.Progress))
                case _messages.OUTPUT | _messages.INPUT:
                    self._items(method, msgspec.json.decode(params, type=_messages.Items), line)
                case _messages.OUTPUT_CREDIT | _messages.INPUT_CREDIT:
                    self._credit(method, msgspec.json.decode(params, type=_messages.Credit))
                case _messages.INPUT_END:
                    incoming = self.in_flight.by_id.get(msgspec.json.decode(params, type=_messages.Ended).id)
                    if incoming is not None and incoming.inlet is not None:
                        incoming.inlet.to(Stage.COMPLETE)
                case _:
                    listen = self.listener(method)
                    if listen is not None:
                        return Heard(method, listen, params, len(line))
                    self.ignored(f"notification {shorten(method)!r}: nobody listens to it")
        except (ValueError, RecursionError) as fault:
            self.ignored(f"notification {method!r}: {shorten(str(fault))}")
        return None

    def cancelled(self, id: Id, reason: str | None) -> None:
        """The other side does not want that request answered any more."""
        incoming = self.in_flight.by_id.get(id)
        if incoming is not None and incoming.method != _messages.INITIALIZE:
            incoming.stop(codes.cancelled(reason))

    def _progress(self, progress: _messages.Progress) -> None:
        slot = self.pending.by_id.get(progress.id)
        if slot is not None and slot.on_progress is not None and not slot.abandoned:
            try:
                slot.on_progress(progress)
            except Exception as fault:  # noqa: BLE001 - the caller's own, and the connection is everybody's
                self.ignored(f"on_progress of {slot.method} raised {told(fault)}")

    def _items(self, method: str, items: _messages.Items, line: bytes) -> None:
        size = len(line) + 1
        if method == _messages.INPUT:
            incoming = self.in_flight.by_id.get(items.id)
            if incoming is None:
                return  # it crossed with the end
            try:
                if incoming.inlet is None:
                    raise StreamFault("items where there is no stream")
                if grant := incoming.inlet.put(items.items, size):
                    self.post(self.credit_line(_messages.INPUT_CREDIT, items.id, grant))
            except StreamFault as fault:
                why = codes.stream_violation(str(fault))
                incoming.fail(why)
            return
        slot = self.pending.by_id.get(items.id)
        if slot is None:
            return
        try:
            if slot.inlet is None:
                raise StreamFault("items where there is no stream")
            if grant := slot.inlet.put(items.items, size):
                self.post(self.credit_line(_messages.OUTPUT_CREDIT, items.id, grant))
        except StreamFault as fault:
            self.broken_output(line, str(fault))

    def _credit(self, method: str, credit: _messages.Credit) -> None:
        if method == _messages.OUTPUT_CREDIT:
            incoming = self.in_flight.by_id.get(credit.id)
            outlet = incoming.outlet if incoming is not None else None
        else:
            slot = self.pending.by_id.get(credit.id)
            outlet = slot.outlet if slot is not None else None
        if outlet is not None:
            outlet.give(credit.bytes)

    def credit_line(self, method: str, id: Id, bytes: int) -> bytes:
        return _encode.notification(method, _encode.encode({"id": id, "bytes": bytes}), self.send_limit)

    # What goes.

    def post(self, line: bytes) -> None:
        """Queues what whoever reads has to say; never waits."""
        if not self.outbox.post(line):
            raise Closed(Kind.OVERLOADED, "the other side does not read the answers to what it sends")

    def say(self, line: bytes) -> None:
        """Sends a little from a thread that is not to wait for it: a cancel, or credit."""
        self.outbox.push(line)
        self.outbox.nudge()

    def transmit(self, line: bytes, deadline: float | None) -> None:
        """Sends a line from a thread that may wait."""
        self.outbox.push(line)
        self.flush(deadline)

    def flush(self, deadline: float | None) -> None:
        """Waits until what is queued is written."""
        self.outbox.drain()

    def refuse(self, id: Id | None, error: WireError) -> None:
        """Answers with an error, where nothing is in flight for it."""
        self.post(_encode.failure(id, error, self.send_limit))

    def answer(self, request: Incoming, outcome: bytes | WireError) -> None:
        """Answers a request, unless it was answered already; waits until that is written."""
        if request.failed is not None:
            outcome = request.failed
        if type(outcome) is bytes:
            line = _encode.response(request.id, outcome, self.send_limit)
        else:
            assert type(outcome) is WireError
            line = _encode.failure(request.id, outcome, self.send_limit)
        if self.in_flight.answer(request, line, self.outbox):
            if request.inlet is not None:
                request.inlet.to(Stage.ENDED)
            if request.outlet is not None:
                request.outlet.to(Stage.ENDED)
            self.in_flight.changed()
            self.flush(None)

    def notify(self, method: str, params: bytes, deadline: float | None = None) -> None:
        """Sends a notification."""
        try:
            line = _encode.notification(method, params, self.send_limit)
        except TooLarge as fault:
            raise CallFailed(Kind.TOO_LARGE, f"{method} cannot be sent: {fault}") from None
        self.transmit(line, deadline)

    def begin(
        self,
        method: str,
        params: bytes,
        *,
        parent: Incoming | Slot | None = None,
        deadline: float | None = None,
        prepare: Callable[[Slot], None] | None = None,
    ) -> Slot:
        """Makes a call. Where the other side takes no more, it is sent later, when there is a place: who wants its
        outcome waits for its slot."""
        if parent is not None and parent.deadline is not None:
            deadline = parent.deadline if deadline is None else min(deadline, parent.deadline)
        slot = self.pending.begin(method, parent.depth + 1 if parent is not None else 0, deadline, self.on_main())
        if prepare is not None:
            prepare(slot)

        def encode() -> bytes:
            meta: dict[str, object] = {}
            if deadline is not None:
                meta["deadlineMs"] = _encode.milliseconds(left(deadline))
            if parent is not None:
                meta["parent"] = parent.id
            return _encode.request(slot.id, method, params, _encode.encode(meta) if meta else b"", self.send_limit)

        try:
            line = encode()
        except TooLarge as fault:
            raise CallFailed(Kind.TOO_LARGE, f"{method} cannot be sent: {fault}") from None
        # What is called after the cancel cleans up, and goes on (CALL-19).
        late = isinstance(parent, Incoming) and parent.is_over
        slot.encode = encode  # before it waits: whoever frees a place may send it at once
        if self.pending.place(slot, 0 if method.startswith("rpc.") else self._places()):
            if not self.pending.send(slot, lambda: self.outbox.push(line)):
                self._tell_cancelled(slot, ABANDONED)
            self.flush(deadline)
            if self.cancels_orphans and not late:
                self._bind(slot, parent)
        else:
            if not late:
                self._bind(slot, parent)
            self._admit(slot.depth)  # a place may have become free in between
        return slot

    def _places(self) -> int:
        """How many calls the other side takes at each depth."""
        return self.remote.max_in_flight if self.remote is not None else 1

    def _bind(self, slot: Slot, parent: Incoming | Slot | None) -> None:
        """Has a call end with the request that it was made for."""
        if not isinstance(parent, Incoming):
            return

        def look() -> None:
            if parent.stopped is None:
                return
            why = CallFailed(Kind.CANCELLED, f"{slot.method}: what it was made for was cancelled")
            if not self.pending.withdraw(slot, why):
                self.orphaned(slot)

        def unwatch() -> None:
            slot.unwatch_parent = None
            with contextlib.suppress(ValueError):  # somebody else was first
                parent.unwatch(look)

        slot.unwatch_parent = unwatch
        parent.watch(look)
        look()
        if slot.is_done:
            unwatch()

    def orphaned(self, slot: Slot) -> None:
        """What a call that was sent was made for is cancelled. (The other side ends such callbacks by itself.)"""

    def _admit(self, depth: int) -> None:
        """Sends what waited for a place, if there are any now; never waits."""
        while self.pending.waiting and (slot := self.pending.next(depth, self._places())) is not None:
            assert slot.encode is not None, "set before it waits"
            line = slot.encode()  # not longer than when it was measured: its time has only become less
            if not self.pending.send(slot, lambda line=line: self.outbox.push(line)):  # type: ignore[misc]
                self._tell_cancelled(slot, ABANDONED)
            self.outbox.nudge()

    def abandon(self, slot: Slot, reason: str, outcome: WireError | CallFailed | None = None) -> None:
        """Its caller waits no longer: the other side is told, and it holds its place until it is answered. An outcome
        is the call's before the other side can answer the cancel."""
        late = CallFailed(Kind.TIMEOUT, f"{slot.method}: the other side was busy for all its time")
        if self.pending.withdraw(slot, late):
            return
        is_to_be_told = self.pending.leave(slot)
        if outcome is not None:
            slot.settle(outcome)
        if is_to_be_told:
            self._tell_cancelled(slot, reason)

    def _tell_cancelled(self, slot: Slot, reason: str) -> None:
        if slot.method != _messages.INITIALIZE and self.heeds_cancel:
            params = _encode.encode({"id": slot.id, "reason": sendable(reason)})
            self.say(_encode.notification(_messages.CANCEL, params, self.send_limit))

    def hang_up(self, why: CallFailed) -> None:
        """Nothing more comes: what this side called fails, and its streams dry up."""
        self.pending.close(why)
        for request in self.in_flight.all():
            request.dry_up()

    def cancel_all(self, reason: str) -> None:
        for request in self.in_flight.all():
            if request.counted:
                request.stop(codes.cancelled(reason))


def decode_or_fail(decode: Callable[[msgspec.Raw], T], raw: msgspec.Raw) -> T | list[Fault]:
    """What it is, or where it breaks its type."""
    try:
        return decode(raw)
    except (ValueError, RecursionError) as fault:
        return faults_of(fault, raw, decode)

