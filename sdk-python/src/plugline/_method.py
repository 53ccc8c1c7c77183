"""A method or a notification of a plugin: the function behind it, and what is answered for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from . import _codes as codes
from ._call import CURRENT, Call
from ._codes import WireError
from ._connection import Connection
from ._encode import ERROR_DATA_AT, RESULT_AT, Unsendable
from ._error import Error, ErrorDeclaration, declaration
from ._failure import CallFailed, RemoteError
from ._incoming import Incoming
from ._session import Served, Session, report_fault
from ._shape import Misfit, write
from ._signature import Signature, Way

if TYPE_CHECKING:
    from ._example import Example

Errors: TypeAlias = "Sequence[type[Error] | ErrorDeclaration] | Literal['any']"

OWN = frozenset((codes.CANCELLED, codes.DEADLINE_EXCEEDED, codes.INVALID_PARAMS, codes.MESSAGE_TOO_LARGE))
"""The codes of the protocol that a handler may answer itself."""


class About(msgspec.Struct, frozen=True):
    """What a manifest says of a method besides its signature."""

    name: str
    description: str | None
    errors: list[type[Error] | ErrorDeclaration] | Literal["any"]
    idempotent: bool
    deprecated: bool
    examples: list[Example]

    def allows(self, error: Error | RemoteError) -> bool:
        """Whether it may be answered with that."""
        if self.errors == "any" or error.code in OWN:
            return True
        return any(declaration(declared).code == error.code for declared in self.errors)


class Method(Served):
    """A method, served by a function."""

    __slots__ = ("_function", "_names", "_signature", "about")

    def __init__(self, about: About, function: Callable[..., Any], signature: Signature) -> None:
        super().__init__(about.name)
        self.about, self._function, self._signature = about, function, signature
        self._names = tuple(param.name for param in signature.params)
        self.has_input, self.has_output = signature.input is not None, signature.output is not None
        self.is_async = signature.way is Way.ASYNC

    @property
    def signature(self) -> Signature:
        return self._signature

    def check(self, params: msgspec.Raw) -> WireError | None:
        try:
            self._signature.shape.read(params)
        except Misfit as misfit:
            return codes.invalid_params(misfit.faults)
        except Exception as fault:  # noqa: BLE001 - a type of the author's that cannot be made
            return self._broken(type(fault).__name__, fault)
        return None

    def run(self, connection: Connection, request: Incoming, params: msgspec.Raw) -> None:
        assert isinstance(connection, Session), "a plugin's methods are served by its session"
        if self.is_async:
            self._begin(connection, request, params)
            return
        outcome: bytes | WireError
        call = Call(connection, request)
        # A handler that waits for the host may handle another call meanwhile, on this thread.
        before = CURRENT.set(call)
        try:
            outcome = self._serve(call, params)
        except BaseException as fault:  # noqa: BLE001 - a fault of a handler must not end the plugin
            outcome = self._failed(request, fault)
        CURRENT.reset(before)
        if os.getpid() != connection.process:
            os._exit(0)  # a child that the handler forked came back from it; it has no wire
        connection.answer(request, outcome)

    def _serve(self, call: Call, params: msgspec.Raw) -> bytes | WireError:
        try:
            arguments = self._arguments(call, params)
        except Misfit as misfit:
            return codes.invalid_params(misfit.faults)
        signature = self._signature
        if signature.input is not None:
            name, shape = signature.input
            arguments[name] = call.input_items(shape)
        result = self._function(**arguments)
        if signature.output is not None:
            result = self._send_all(call, result)
        return signature.result.write(result, RESULT_AT)

    def _arguments(self, call: Call, params: msgspec.Raw) -> dict[str, Any]:
        signature = self._signature
        given = signature.shape.read(params)
        arguments = {name: getattr(given, name) for name in self._names}
        if signature.context is not None:
            arguments[signature.context] = call
        return arguments

    def _send_all(self, call: Call, items: Iterator[Any]) -> Any:
        """Sends what a generator yields; gives what it returns."""
        shape = self._signature.output
        assert shape is not None, "asked before"
        iterator = iter(items)
        try:
            while True:
                try:
                    item = next(iterator)
                except StopIteration as stop:
                    return stop.value
                call.send(item, shape)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    # Async.

    def _begin(self, session: Session, request: Incoming, params: msgspec.Raw) -> None:
        def started(cancel: Callable[[], None]) -> None:
            request.on_stop = cancel
            if request.stopped is not None:  # it came in between
                cancel()

        session.loop.begin(self._run_async(session, request, params), started)

    async def _run_async(self, session: Session, request: Incoming, params: msgspec.Raw) -> None:
        import asyncio

        outcome: bytes | WireError
        call = Call(session, request)
        late: asyncio.TimerHandle | None = None
        if call.remaining is not None:
            loop = asyncio.get_running_loop()
            late = loop.call_later(call.remaining, lambda: request.stop(codes.deadline_exceeded()))
        CURRENT.set(call)  # of this task alone
        try:
            outcome = await self._serve_async(call, params)
        except BaseException as fault:  # noqa: BLE001 - a fault of a handler must not end the plugin
            outcome = self._failed(request, fault)
        if late is not None:
            late.cancel()
        session.answer(request, outcome)

    async def _serve_async(self, call: Call, params: msgspec.Raw) -> bytes | WireError:
        try:
            arguments = self._arguments(call, params)
        except Misfit as misfit:
            return codes.invalid_params(misfit.faults)
        signature = self._signature
        if signature.input is not None:
            name, shape = signature.input
            arguments[name] = call.input_items_async(shape)
        result = self._function(**arguments)
        if signature.output is None:
            return signature.result.write(await result, RESULT_AT)
        if hasattr(result, "__await__"):
            result = await result
        await self._send_all_async(call, result)
        return b"null"

    async def _send_all_async(self, call: Call, items: AsyncIterator[Any]) -> None:
        shape = self._signature.output
        assert shape is not None, "asked before"
        try:
            async for item in items:
                await call.send_async(item, shape)
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    # What is answered where it fails.

    def _failed(self, request: Incoming, fault: BaseException) -> WireError:
        over = request.why_over()
        if isinstance(fault, Unsendable):
            return self._broken(f"what {self.name} returned cannot be sent: {fault}", fault)
        if isinstance(fault, (Error, RemoteError)):
            error = fault.error if isinstance(fault, RemoteError) else fault.wire()
            if over is not None and (error.code in OWN or isinstance(fault, RemoteError)):
                return over
            if self.about.allows(fault):
                try:
                    if error.data is not msgspec.UNSET:
                        write(error.data, ERROR_DATA_AT)
                    return error
                except Unsendable as unsendable:
                    return self._broken(f"the data of an error cannot be sent: {unsendable}", fault)
            return self._broken(f"an error that {self.name} does not declare: {error.code}", fault)
        if over is not None and (isinstance(fault, CallFailed) or type(fault).__name__ == "CancelledError"):
            return over
        return self._broken(f"{type(fault).__name__}", fault)

    def _broken(self, reason: str, fault: BaseException) -> WireError:
        report_fault(self.name, fault)
        return codes.internal(reason)


class Listener:
    """A notification, served by a function."""

    __slots__ = ("_function", "_names", "about", "session", "signature")

    def __init__(self, about: About, function: Callable[..., Any], signature: Signature) -> None:
        self.about, self._function, self.signature = about, function, signature
        self._names = tuple(param.name for param in signature.params)
        if signature.context is not None or signature.input is not None or signature.output is not None:
            raise TypeError(f"{about.name}: a notification has neither a Call nor streams: nobody waits for it")
        self.session: Session | None = None

    def __call__(self, params: msgspec.Raw) -> None:
        try:
            given = self.signature.shape.read(params)
        except Misfit as misfit:
            assert self.session is not None, "bound before it listens"
            self.session.ignored(f"notification {self.about.name!r}: {misfit}")
            return
        result = self._function(**{name: getattr(given, name) for name in self._names})
        if self.signature.way is Way.ASYNC:
            assert self.session is not None, "bound before it listens"
            finish(self.session, result)


def finish(session: Session, work: Any) -> Any:
    """Runs a coroutine to its end, waiting for it on this thread."""
    from ._watch import Watched, sleep_until

    done = Watched()
    outcome: list[tuple[Any, BaseException | None]] = []

    async def run() -> None:
        try:
            outcome.append((await work, None))
        except BaseException as fault:  # noqa: BLE001 - raised again by who waits
            outcome.append((None, fault))
        done.changed()

    session.loop.begin(run(), lambda cancel: None)
    sleep_until(done, lambda: bool(outcome), None)
    result, fault = outcome[0]
    if fault is not None:
        raise fault
    return result

