"""The host's end of one connection: what it makes of each line, and the callbacks that it serves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from .. import _codes as codes
from .. import _messages
from .._codes import WireError, shorten
from .._connection import Connection, Handler, Heard, Work
from .._encode import ERROR_DATA_AT, RESULT_AT, Unsendable
from .._envelope import Malformed, Request, Response, Wrong
from .._error import Error as Declared
from .._failure import CallFailed, Kind, RemoteError
from .._frame import Skipped, Splitter
from .._incoming import Incoming
from .._messages import HANDSHAKE_LIMIT, InitializeResult, Limits
from .._outbox import Outbox
from .._pending import Slot
from .._shape import Misfit, Shape, write
from .._signature import Signature
from .._text import quote, told
from .._watch import Watched, sleep_until
from .._workers import Lane, Workers
from ._context import Context
from ._event import Event, Ignored, Stray, Strays
from ._process import Child, chunks
from ._salvage import whose

if TYPE_CHECKING:
    from ._plugin import Plugin


QUEUE_BYTES = 8 << 20
"""Beyond so much that waits to be written, who sends waits too."""


class Broken(Exception):
    """The plugin broke the protocol, or the connection otherwise."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Callback(Handler):
    """A method that the host serves."""

    __slots__ = ("_function", "_params", "_result", "_signature")

    def __init__(self, name: str, function: Callable[..., Any], signature: Signature | None) -> None:
        super().__init__(name)
        self._function, self._signature = function, signature
        self._params = signature.shape if signature is not None else Shape(dict[str, Any])
        self._result = signature.result if signature is not None else Shape(Any)

    def check(self, params: msgspec.Raw) -> WireError | None:
        try:
            self._params.read(params)
        except Misfit as misfit:
            return codes.invalid_params(misfit.faults)
        return None

    def call(self, context: Context | None, params: msgspec.Raw) -> Any:
        """Calls the function; a `Misfit` where the params are not what it takes."""
        given = self._params.read(params)
        signature = self._signature
        if signature is None:
            given.pop("_meta", None)
            return self._function(given)
        arguments = {param.name: getattr(given, param.name) for param in signature.params}
        if signature.context is not None:
            arguments[signature.context] = context
        return self._function(**arguments)

    def run(self, connection: Connection, request: Incoming, params: msgspec.Raw) -> None:
        assert isinstance(connection, HostConnection), "a host's callbacks are served by its connection"
        # It may come right behind the answer to the handshake, before the plugin is somebody's.
        connection.owned.wait()
        if connection.owner is None:
            return  # the connection ended, and with it all that is in flight
        outcome: bytes | WireError
        try:
            result = self.call(Context(connection.owner, request), params)
            outcome = self._result.write(result, RESULT_AT)
        except Misfit as misfit:
            outcome = codes.invalid_params(misfit.faults)
        except (Declared, RemoteError) as fault:
            outcome = fault.error if isinstance(fault, RemoteError) else fault.wire()
            try:
                if outcome.data is not msgspec.UNSET:
                    write(outcome.data, ERROR_DATA_AT)
            except Unsendable as unsendable:
                outcome = codes.internal(f"the data of an error of {self.name} cannot be sent: {unsendable}")
        except Unsendable as fault:
            outcome = codes.internal(f"what {self.name} returned cannot be sent: {fault}")
        except BaseException as fault:  # noqa: BLE001 - a fault of a callback is the plugin's to hear
            outcome = request.why_over() or codes.internal(type(fault).__name__)
            if request.stopped is None:
                connection.ignored(f"{self.name} raised {told(fault)}")
        connection.answer(request, outcome)


class HostConnection(Connection):
    """The host's end of one connection. One thread reads; callbacks run on workers."""

    cancels_orphans = True

    def __init__(
        self,
        limits: Limits,
        process: Child,
        callbacks: dict[str, Callback],
        listeners: dict[str, Callback],
        tell: Callable[[Event], None],
        ended: Callable[[CallFailed], None],
        *,
        strict: bool,
        transcript: Callable[[str, bytes], None] | None,
    ) -> None:
        self.workers = Workers()
        super().__init__(limits, Outbox(process.stdin, self._write_failed, self.workers.run))
        self._process = process
        self._callbacks, self._listeners = callbacks, listeners
        self._tell, self._ended = tell, ended
        self._strict, self._transcript = strict, transcript
        self._splitter = Splitter(HANDSHAKE_LIMIT)
        self._lane = Lane(self.workers)
        self.strays = Strays()
        self._handshake: int | None = None
        self.hello: InitializeResult | None = None
        self._closing = threading.Lock()
        self.why_closed: CallFailed | None = None
        self.owner: Plugin | None = None
        self.owned = threading.Event()  # set when there is an owner, or never will be one
        if transcript is not None:
            self.outbox.seen = lambda line: transcript("sent", line[:-1])
        self._reader = threading.Thread(target=self._read, name=f"plugline-reader-{process.pid}", daemon=True)

    def start(self) -> None:
        self._reader.start()

    def join(self) -> None:
        """Waits for the reading to end; the process is gone."""
        if self._reader is not threading.current_thread() and self._reader.ident is not None:
            self._reader.join()

    @property
    def is_closed(self) -> bool:
        return self.why_closed is not None

    def finish_writing(self) -> None:
        """Nothing is sent any more."""
        self.close(CallFailed(Kind.CLOSED, "the plugin was stopped by this side"))

    def close(self, why: CallFailed) -> None:
        """Ends it: every pending call fails, and what is called for the plugin is told."""
        with self._closing:
            if self.why_closed is not None:
                return
            self.why_closed = why
        self.outbox.close()
        self.owned.set()
        self.hang_up(why)
        self.cancel_all("the connection ended")
        self._ended(why)

    # Reading.

    def _read(self) -> None:
        try:
            for data in chunks(self._process.stdout, self._process.ended):
                self._splitter.feed(data)
                while (line := self._splitter.next()) is not None:
                    if self._transcript is not None and type(line) is bytes:
                        self._transcript("received", line)
                    self._run(self.take(line))
                if self._splitter.is_over:
                    self.skipped(Skipped(self._splitter.limit, 0))
        except Broken as broken:
            self.close(CallFailed(broken.kind, str(broken)))
        except OSError as fault:
            self.close(CallFailed(Kind.CLOSED, f"reading failed: {fault}"))
        except Exception as fault:  # noqa: BLE001 - a fault of this engine ends the connection, not in silence
            kind = getattr(fault, "kind", Kind.CLOSED)
            self.close(CallFailed(kind, f"{type(fault).__name__}: {fault}"))
        else:
            self.close(CallFailed(Kind.CLOSED, "the plugin closed its standard output"))

    def _run(self, work: Work | Heard | None) -> None:
        if type(work) is Work:
            if not self._lane.request(lambda: work.handler.run(self, work.request, work.params)):
                self.workers.run(lambda: work.handler.run(self, work.request, work.params))
        elif type(work) is Heard and not self._lane.notification(lambda: self._listen(work), work.size):
            raise Broken(Kind.OVERLOADED, "notifications come faster than they are handled")

    def _listen(self, heard: Heard) -> None:
        try:
            heard.listen(heard.params)
        except BaseException as fault:  # noqa: BLE001 - nobody waits for it
            self.ignored(f"{heard.method} raised {told(fault)}")

    def skipped(self, line: Skipped) -> None:
        raise Broken(Kind.TOO_LARGE, f"protocol violation: a line is longer than the limit of {line.limit} bytes")

    def duplicate(self, request: Request, line: bytes) -> None:
        self._violated(line, "the id of a request is in flight already")

    def broken_output(self, line: bytes, reason: str) -> None:
        raise Broken(Kind.STREAM_VIOLATION, f"protocol violation: output: {reason}")

    def malformed(self, line: bytes, what: Malformed) -> None:
        is_object = line.lstrip(b" \t\r\n")[:1] == b"{"
        if is_object and what.wrong is Wrong.PARSE and (id := whose(line)) is not None:
            why = CallFailed(Kind.PROTOCOL_VIOLATION, f"the result cannot be read: {shorten(what.reason)}")
            self.answered(self.pending.fail(id, why), id)
            return
        if is_object and what.wrong is not Wrong.STRANGER:
            self._violated(line, what.reason)
        if self._strict or b'"jsonrpc"' in line:
            raise Broken(Kind.PROTOCOL_VIOLATION, f"protocol violation: stray output: {quote(line)}")
        if self.strays.first is None:
            self.strays.first = quote(line)
        held_back = self.strays.admit(monotonic())
        if held_back is not None:
            self._tell(Stray(quote(line), held_back))

    def _violated(self, line: bytes, reason: str) -> None:
        raise Broken(
            Kind.PROTOCOL_VIOLATION, f"protocol violation: {shorten(reason)}; the line began {quote(line)}"
        )

    def responded(self, response: Response) -> None:
        if self._handshake is not None and response.id == self._handshake and response.error is None:
            try:
                hello = msgspec.json.decode(response.result, type=InitializeResult)
            except (ValueError, RecursionError):
                pass  # what is wrong with it is said to who waits
            else:
                # Here, since the very next line may be a callback, or longer than the handshake's lines.
                self.hello = hello
                self.agree(hello.limits)
                self.streams = False  # methods of the host have none
                self.heeds_cancel = hello.capabilities.cancel is not msgspec.UNSET
                self._splitter.limit = self.limits.max_line_bytes
        super().responded(response)

    def handshake(self, params: bytes, deadline: float | None) -> Any:
        """Sends `rpc.initialize`; gives its slot."""

        def prepare(slot: Any) -> None:
            self._handshake = slot.id

        return self.begin(_messages.INITIALIZE, params, deadline=deadline, prepare=prepare)

    # What an end is.

    def route(self, request: Request) -> Handler | bytes | WireError | None:
        if request.method == _messages.PING:
            return b"{}"
        if self.hello is None:
            return WireError(codes.NOT_INITIALIZED, "not initialized")
        return self._callbacks.get(request.method) or codes.method_not_found(request.method)

    def listener(self, method: str) -> Callable[[msgspec.Raw], None] | None:
        if method == _messages.LOG:
            return None
        listener = self._listeners.get(method)
        if listener is None:
            return None

        def listen(params: msgspec.Raw) -> None:
            listener.call(None, params)

        return listen

    def _notification(self, notification: Any, line: bytes) -> Heard | None:
        if notification.method == _messages.LOG:
            try:
                self._tell(msgspec.json.decode(notification.params, type=_messages.Log))
            except (ValueError, RecursionError) as fault:
                self.ignored(f"rpc.log: {fault}")
            return None
        return super()._notification(notification, line)

    def ignored(self, what: str) -> None:
        self._tell(Ignored(quote(what.encode())))

    def wait(self, watched: Watched, ready: Callable[[], bool], deadline: float | None) -> bool:
        return sleep_until(watched, ready, deadline)

    def flush(self, deadline: float | None) -> None:
        """Has it written, by whoever can: a plugin that does not read holds up nobody beyond their time. Above 8 MiB,
        who sends waits."""
        self.outbox.nudge()
        if not self.has_room:
            sleep_until(self.outbox.room, lambda: self.has_room, deadline)

    @property
    def has_room(self) -> bool:
        """Whether who sends need not wait."""
        return self.outbox.size <= QUEUE_BYTES

    def on_main(self) -> bool:
        return False

    def orphaned(self, slot: Slot) -> None:
        """What was called in the handling of a callback ends with it (CALL-18)."""
        if self.owner is not None:
            self.owner.cancel(slot, "the callback that it was made for was cancelled")

    def _write_failed(self, why: OSError) -> None:
        # What the plugin said before is still heard: the reader ends the connection at the end of file.
        def look() -> None:
            self._reader.join(1.0)
            self.close(CallFailed(Kind.CLOSED, f"the plugin does not read: {why}"))

        self.workers.run(look)

