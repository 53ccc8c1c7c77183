"""The plugin's end of one connection: lifecycle, who serves what, and the end of it all.

It decides; `_turn.py` has the threads, `_serve.py` the process. What it does when all is over is given to it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from . import _codes as codes
from . import _messages
from ._codes import WireError, shorten
from ._connection import Closed, Connection, Handler, Heard, Work, decode_or_fail
from ._encode import encode
from ._envelope import Malformed, Request, Wrong
from ._failure import CallFailed, Kind
from ._frame import Splitter
from ._incoming import Incoming
from ._messages import HANDSHAKE_LIMIT, HostCapabilities, Identity, InitializeParams, Limits, Phase
from ._outbox import Outbox
from ._turn import Turn
from ._watch import Watched, left, sleep_until
from ._workers import Lane, Workers

if TYPE_CHECKING:
    from ._loop import Loop

GRACE = 1.5
"""So long what is in flight may go on when the host is gone, or says SIGTERM."""
AFTER_CANCEL = 0.25
FLUSH = 0.2
"""So long what was answered last may take to be written; all of it together is less than 2 s."""
IGNORED_SHOWN = 20
READY = Phase.READY
SLOW_FOR = 64
"""So many requests for a method that held up main go to workers at once."""


class Refusal(Exception):
    """Why the handshake fails."""

    def __init__(self, error: WireError) -> None:
        super().__init__(error.message)
        self.error = error


class Served(Handler):
    """A method of the plugin."""

    __slots__ = ("is_async", "slow")

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.is_async = False
        self.slow = 0  # so many of its next requests go to workers at once


class Host(msgspec.Struct, frozen=True):
    """What the host said at the handshake."""

    name: str
    version: str
    instance: str
    features: HostCapabilities
    serves: frozenset[str] = frozenset()
    """The callbacks it takes."""


NOBODY = Host("", "", "", HostCapabilities())


class Offer(msgspec.Struct, frozen=True):
    """What a plugin brings to a session."""

    identity: Identity
    limits: Limits
    provides: list[_messages.Provided]
    capabilities: _messages.PluginCapabilities
    methods: dict[str, Served]
    listeners: dict[str, Callable[[msgspec.Raw], None]]
    manifest: Callable[[], bytes]
    configure: Callable[[msgspec.Raw, Session], None]
    """Raises a `Refusal` where the plugin cannot work."""
    has_async: bool


class Session(Connection):
    """The plugin's end of one connection."""

    def __init__(self, offer: Offer, read_fd: int, write_fd: int, exit: Callable[[int], None]) -> None:
        self.workers = Workers()
        super().__init__(offer.limits, Outbox(write_fd, self._write_failed, self.workers.run))
        self.offer = offer
        self.phase = Phase.NEW
        self._methods = offer.methods
        self.host = NOBODY
        self.exit_code = 0
        self.process = os.getpid()
        self.undo: list[Callable[[], None]] = []  # what the end has to put right
        self._exit = exit  # ends the process at once, where main cannot
        self._serial = offer.limits.max_in_flight == 1
        self._lane = Lane(self.workers)
        self._splitter = Splitter(HANDSHAKE_LIMIT)
        self.turn = Turn(read_fd, self._splitter, self)
        self._loop: Loop | None = None
        self._ignored = 0
        self._drained: Callable[[], None] | None = None
        self._ending = False
        self._initialize = _Initialize(self)

    def serve(self) -> int:
        """Serves until the end; returns the exit code."""
        self.turn.start()
        self.turn.serve()
        if self._loop is not None:
            self._loop.stop()
        for undo in self.undo:
            undo()
        return self.exit_code

    def close(self) -> None:
        """Gives back what it holds, where the process lives on."""
        self.turn.close()

    @property
    def loop(self) -> Loop:
        """Where `async def` handlers run."""
        if self._loop is None:
            from ._loop import Loop

            self._loop = Loop()
        return self._loop

    # What an end is.

    def on_main(self) -> bool:
        return self.turn.on_main()

    def wait(self, watched: Watched, ready: Callable[[], bool], deadline: float | None) -> bool:
        if self.turn.on_main():
            return self.turn.wait(watched, ready, deadline)
        if self._loop is not None and self._loop.is_here():
            raise RuntimeError("this would stop the event loop: use the awaitable form")
        return sleep_until(watched, ready, deadline)

    def route(self, request: Request) -> Handler | bytes | WireError | None:
        method = request.method
        handler = self._methods.get(method)
        if handler is not None and self.phase is READY:
            return handler
        if (refused := self.phase.refuses(method)) is not None:
            return refused
        match method:
            case _messages.PING:
                return b"{}"
            case _messages.DISCOVER:
                return self.offer.manifest()
            case _messages.INITIALIZE:
                if memoryview(request.params)[0] != 0x7B:
                    return _messages.not_an_object()
                read = _messages.read_initialize(request.params)
                if isinstance(read, WireError):
                    return read
                self.phase = Phase.INITIALIZING
                return self._initialize
            case _messages.SHUTDOWN:
                return self._shutdown(request)
            case _:
                return codes.method_not_found(method)

    def listener(self, method: str) -> Callable[[msgspec.Raw], None] | None:
        return self.offer.listeners.get(method) if self.phase is Phase.READY else None

    def malformed(self, line: bytes, what: Malformed) -> None:
        if what.wrong is Wrong.PARSE:
            self.refuse(None, WireError(codes.PARSE_ERROR, f"parse error: {shorten(what.reason)}"))
        else:
            # To echo an id that is in flight would answer the other request.
            id = None if what.id is None or what.id in self.in_flight.by_id else what.id
            self.refuse(id, codes.invalid_request(shorten(what.reason)))

    def broken_output(self, line: bytes, reason: str) -> None:
        self.ignored(f"rpc.output, which a host does not send: {reason}")

    def ignored(self, what: str) -> None:
        self._ignored += 1
        if self._ignored <= IGNORED_SHOWN:
            tell(f"ignored: {what}")
        elif self._ignored == IGNORED_SHOWN + 1:
            tell("more was ignored than is shown here")

    # Who runs what.

    def run(self, work: Work | Heard) -> None:
        if type(work) is Work:
            if not work.request.is_over:
                work.handler.run(self, work.request, work.params)
            elif (why := work.request.why_over()) is not None:
                self.answer(work.request, why)
            return
        assert type(work) is Heard
        try:
            work.listen(work.params)
        except BaseException as fault:  # noqa: BLE001 - a fault of a handler must not end the plugin
            report_fault(work.method, fault)

    def runs_inline(self, work: Work | Heard, alone: bool) -> bool:
        if type(work) is not Work:
            return self._serial  # otherwise the lane keeps their order
        handler = work.handler
        if not isinstance(handler, Served):
            return True
        if self._serial:
            return not self._belongs_to_another_thread(work.request)
        if handler.slow:
            handler.slow -= 1
            return False
        return self._lane.is_empty and (handler.is_async or (alone and len(self.in_flight.by_id) == 1))

    def hand_over(self, work: Work | Heard) -> bool:
        if self._serial:
            if isinstance(work, Work) and self._belongs_to_another_thread(work.request):
                self.workers.run(lambda: self.run(work))
                return True
            return False
        if isinstance(work, Heard):
            if not self._lane.notification(lambda: self.run(work), work.size):
                raise Closed(Kind.OVERLOADED, "notifications come faster than they are handled")
        elif not self._lane.request(lambda: self.run(work)):
            if isinstance(work.handler, Served) and work.handler.is_async:
                self.run(work)  # only told to the event loop
            else:
                self._have_run(work)
        return True

    def _have_run(self, work: Work) -> None:
        try:
            self.workers.run(lambda: self.run(work))
        except RuntimeError:
            refused = codes.overloaded(self.limits.max_in_flight, "requests at once, and no thread can be had")
            self.answer(work.request, refused)

    def _belongs_to_another_thread(self, request: Incoming) -> bool:
        """Whether it is nested in a call that main does not wait for: a thread of the author's does."""
        cause = self.pending.by_id.get(request.parent) if request.parent is not None else None
        return cause is not None and not cause.on_main

    def held_up(self) -> None:
        for request in self.in_flight.all():
            handler = self.offer.methods.get(request.method)
            if handler is not None and not handler.is_async:
                handler.slow = SLOW_FOR

    # The lifecycle.

    def initialize(self, request: Incoming, read: InitializeParams) -> None:
        """Runs the author's set-up and answers the handshake."""
        outcome: bytes | WireError
        try:
            if self.offer.has_async:
                _ = self.loop  # it takes a while to load, and is to be there when it is needed
            self._prepare(read)
            self.offer.configure(read.config, self)
            offer = self.offer
            outcome = encode(
                _messages.InitializeResult(
                    _messages.VERSIONS[0], offer.identity, offer.provides, offer.limits, offer.capabilities
                )
            )
        except Refusal as refusal:
            outcome = refusal.error
        except BaseException as fault:  # noqa: BLE001 - a fault of a handler must not end the plugin
            report_fault(_messages.INITIALIZE, fault)
            outcome = codes.internal(f"the plugin's set-up raised {type(fault).__name__}")
        ready = type(outcome) is bytes
        if ready:
            # First, since the next request may be served on another thread as soon as this one is answered.
            self._splitter.limit = self.limits.max_line_bytes
            self.agree(read.limits)
        if self.phase is Phase.INITIALIZING:
            self.phase = Phase.READY if ready else Phase.NEW
        self.answer(request, outcome)

    def _prepare(self, read: InitializeParams) -> None:
        who = Identity("", "") if read.host is msgspec.UNSET else read.host
        instance = "" if read.instance is msgspec.UNSET else read.instance
        callbacks = read.capabilities.callbacks
        serves = frozenset() if callbacks is msgspec.UNSET else frozenset(callbacks.methods)
        self.host = Host(who.name, who.version, instance, read.capabilities, serves)
        self.streams = read.capabilities.streams is not msgspec.UNSET
        # What a set-up logs, or asks of the host, is what it may send already.
        self.remote = read.limits

    def _shutdown(self, request: Request) -> WireError | None:
        if memoryview(request.params)[0] != 0x7B:
            return _messages.not_an_object()
        read = decode_or_fail(_shutdown, request.params)
        if isinstance(read, list):
            return codes.invalid_params(read)
        self.phase = Phase.CLOSING
        shutdown = Incoming(request.id, request.method, 0, None, None)
        shutdown.counted = False
        self.in_flight.add(shutdown)
        self.drain(read.grace_ms / 1000, lambda: self._answer_shutdown(shutdown))
        return None

    def _answer_shutdown(self, shutdown: Incoming) -> None:
        # From whatever thread: that of the last handler, or the warden, which must not wait for a write.
        self.workers.run(lambda: self.answer(shutdown, b"null"))

    def drain(self, grace: float, then: Callable[[], None]) -> None:
        """Lets what is in flight end within so many seconds, cancels the rest, answers for what then is left."""
        watching: list[Any] = []

        def look() -> None:
            if any(request.method != _messages.SHUTDOWN for request in self.in_flight.all()):
                return
            try:
                watched = watching.pop()  # for one thread alone: several may see the last one go
            except IndexError:
                return
            self.in_flight.unwatch(watched)
            then()

        def cancel() -> None:
            if watching:
                self.cancel_all("the plugin shuts down")
                self.turn.at(monotonic() + AFTER_CANCEL, give_up)

        def give_up() -> None:
            for request in self.in_flight.all():
                if watching and request.method != _messages.SHUTDOWN:
                    self._answer_in_its_stead(request)
            look()

        watching.append(look)
        self.in_flight.watch(look)
        self.turn.at(monotonic() + min(grace, 1e9), cancel)
        look()

    def _answer_in_its_stead(self, request: Incoming) -> None:
        """For a handler that does not come back."""
        self.workers.run(lambda: self.answer(request, request.why_over() or codes.cancelled()))

    # The end.

    def ended(self, why: OSError | None) -> None:
        """The host is gone, or done."""
        self.hang_up(CallFailed(Kind.CLOSED, "the host is gone" if why is None else f"the host is gone: {why}"))
        self._end(GRACE)

    def broken(self, why: Exception) -> None:
        self.exit_code = 1
        tell(f"the connection ends: {why}" if isinstance(why, Closed) else f"a fault of plugline itself\n{trace(why)}")
        self.hang_up(CallFailed(Kind.CLOSED, str(why)))
        self._end(0)

    def terminate(self) -> None:
        """What SIGTERM asks for."""
        self.phase = Phase.CLOSING
        self._end(GRACE)

    def signalled(self, numbers: bytes) -> None:
        if 15 in numbers:  # SIGTERM
            self.terminate()

    def _end(self, grace: float) -> None:
        if not self._ending:
            self._ending = True
            until = monotonic() + grace + AFTER_CANCEL + FLUSH
            self.drain(grace, lambda: self._flush(until))

    def _flush(self, until: float) -> None:
        """Waits for the last answer to be written, and for main to come back from it."""

        def look() -> None:
            settled = self.outbox.is_empty and self.turn.is_at_rest and not self.in_flight.by_id
            if settled or left(until) <= 0:
                if not self.outbox.is_empty:
                    tell("the host does not read the last answers")
                self._finish()
            else:
                self._flush(until)

        self.turn.at(min(monotonic() + 0.005, until), look)

    def _write_failed(self, why: OSError) -> None:
        """Nobody reads any more, and so nobody is to be told."""
        self.phase = Phase.CLOSING
        self.hang_up(CallFailed(Kind.CLOSED, f"the host is gone: {why}"))
        for request in self.in_flight.all():
            request.stop(codes.cancelled("the host is gone"))
        self.turn.at(monotonic(), self._finish)

    def _finish(self) -> None:
        at_rest = self.turn.is_at_rest
        self.turn.done()
        if not at_rest:
            self._exit(self.exit_code)


class _Initialize(Handler):
    """`rpc.initialize`: read where it was routed, and run where user code may run."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        super().__init__(_messages.INITIALIZE)
        self.counted = False
        self._session = session

    def run(self, connection: Connection, request: Incoming, params: msgspec.Raw) -> None:
        read = _messages.read_initialize(params)
        assert isinstance(read, InitializeParams), "it was read before it was let in"
        self._session.initialize(request, read)


_shutdown = msgspec.json.Decoder(_messages.Shutdown).decode


def tell(what: str) -> None:
    """Says something on standard error, where somebody may read it or not."""
    try:
        print(f"plugline: {what}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass  # a host that closed it, or a full disk, costs the plugin nothing


def report_fault(method: str, fault: BaseException) -> None:
    """Shows where a handler failed: to its author, on standard error."""
    tell(f"{method} raised an exception\n{trace(fault)}")


def trace(fault: BaseException) -> str:
    """Where it was raised, and what it is."""
    import traceback

    return "".join(traceback.format_exception(type(fault), fault, fault.__traceback__)).rstrip()

