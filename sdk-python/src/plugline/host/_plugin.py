"""One instance of a plugin, as its host has it: started, called, stopped."""

from __future__ import annotations

import os
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, TypeVar, overload

import msgspec

from .. import _messages
from .._codes import CANCELLED
from .._encode import PARAMS_AT, Unsendable, encode
from .._failure import CallFailed, Kind, RemoteError
from .._flow import Inlet, Outlet, Stage
from .._incoming import Incoming
from .._manifest import Entry
from .._messages import HostCallbacks, HostCapabilities, Identity, InitializeParams, InitializeResult, Limits
from .._pending import Slot
from .._shape import Shape, write, write_params
from .._text import escape, sendable
from .._watch import left, sleep_until
from . import _launch as starting
from ._clock import CLOCK
from ._connection import HostConnection
from ._error import Error, Evidence, Phase
from ._event import Events, Ready, Unhealthy
from ._instance import Instance, Launch
from ._ladder import First, Stopped
from ._process import Command, Exit, Process, as_args
from ._rate import EVENTS_PER_SECOND
from ._redact import Redactor
from ._running import Running, of_cancel
from ._stream import Sender, Stream
from ._timeouts import Timeouts

T = TypeVar("T")
UNSAID: Any = object()


@typing.final
class Plugin:
    """A plugin that runs. Made by `Plugin.start`; stopped by `stop`, by leaving its `with`, and at the latest when this
    process ends. Its methods may be used from any thread."""

    def __init__(self, instance: Instance, hello: InitializeResult, parent: Incoming | None = None) -> None:
        self._instance, self.hello, self._parent = instance, hello, parent

    @classmethod
    def start(
        cls,
        command: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
        *,
        config: Any = UNSAID,
        env: Mapping[str, str] | None = None,
        dir: str | os.PathLike[str] | None = None,
        instance: str | None = None,
        host: tuple[str, str] = ("plugline-python", "0.1.0"),
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        events_per_second: int = EVENTS_PER_SECOND,
        callbacks: Mapping[str, Callable[..., Any]] | None = None,
        listeners: Mapping[str, Callable[..., Any]] | None = None,
        serve: Sequence[object] = (),
        strict: bool = False,
        guarded: bool = False,
        transcript: Callable[[str, bytes], None] | None = None,
        secrets: Iterable[str] = (),
        _launch: Launch | None = None,
    ) -> Plugin:
        """Starts a plugin and shakes hands.

        `callbacks` and `listeners` serve methods and notifications by name; a function whose params are annotated gets
        them checked, any other gets the params as a dict. `serve` has instances of contract classes that the plugin may
        call. `events_per_second` bounds how many log lines, lines on standard error and ignored messages are told, each kind by
        itself; how many more came is a `HeldBack`. `strict` takes any stray output as a violation; `guarded` has a guard process
        kill what outlives this one. `transcript` is shown each line. `secrets` are texts that are not to be shown, in the config
        or the environment say: wherever the plugin says one, in an event, an error or the transcript, `[secret]` stands in its
        place (not in results; one of less than 4 bytes is not looked for). Raises `Error`; what is left of the plugin is then
        made to go, as by `drop`.
        """
        started = monotonic()
        args = as_args(command)
        timeouts = timeouts or Timeouts()
        made = {name: starting.callback(name, function) for name, function in (callbacks or {}).items()}
        heard = {name: starting.callback(name, function) for name, function in (listeners or {}).items()}
        for implementation in serve:
            starting.serve(implementation, made, heard)
        own = (limits or Limits()).checked()
        what = Command(args, dict(env or {}), os.fspath(dir) if dir is not None else None, guarded)
        launch = _launch or (lambda told, exited: Process(what, told, exited))
        if events_per_second < 1:
            raise ValueError("events_per_second must be at least 1")
        redactor = Redactor(secrets)
        try:
            said = b"{}" if config is UNSAID else write(config, PARAMS_AT + 1)
        except Unsendable as fault:
            why = f"the config cannot be sent: {redactor.text(str(fault))}"
            raise Error(Kind.INVALID_CONFIG, why, phase=Phase.SPAWN, command=args, evidence=Evidence()) from None
        params = encode(
            InitializeParams(
                protocol_versions=_messages.VERSIONS,
                host=Identity(*map(sendable, host)),
                instance=sendable(instance or os.path.splitext(os.path.basename(args[0]))[0] or "plugin"),
                config=msgspec.Raw(said),
                limits=own,
                capabilities=HostCapabilities({}, {}, {}, HostCallbacks(sorted([*made, *heard]))),
            )
        )
        deadline = None if timeouts.start is None else started + timeouts.start
        launched = Instance(args, timeouts, events_per_second, redactor)
        try:
            launched.start(launch, own, made, heard, strict, transcript)
            plugin = cls(launched, starting.shake_hands(launched, params, deadline))
        except BaseException:
            launched.abort()
            raise
        launched.phase = Phase.CALL
        launched.connection.owner = plugin
        launched.connection.owned.set()
        launched.tell(Ready(plugin.hello))
        return plugin

    @property
    def pid(self) -> int:
        return self._instance.process.pid

    @property
    def events(self) -> Events:
        """What happens besides calls: logs, standard error, stray output, its end."""
        return self._instance.events

    @property
    def connection(self) -> HostConnection:
        return self._instance.connection

    def within(self, incoming: Incoming) -> Plugin:
        """The same plugin, for calls that are made in the handling of a callback."""
        return Plugin(self._instance, self.hello, incoming)

    # Calls.

    @overload
    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = UNSAID,
        on_progress: Callable[[_messages.Progress], None] | None = None,
    ) -> Any: ...
    @overload
    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        returns: type[T],
        timeout: float | None = UNSAID,
        on_progress: Callable[[_messages.Progress], None] | None = None,
    ) -> T: ...
    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        returns: Any = Any,
        timeout: float | None = UNSAID,
        on_progress: Callable[[_messages.Progress], None] | None = None,
    ) -> Any:
        """Calls a method and gives its result, of the type that is asked for.

        Raises `RemoteError` where the plugin answers with an error, `Error` otherwise; a call that is late is cancelled.
        `on_progress` is called by the thread that reads, so it must not wait.
        """
        slot = self._begin(method, self._params(method, params), timeout, on_progress)
        return self._finish(slot, Shape(returns))

    @overload
    def begin(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        input: Iterable[Any] | None = None,
        timeout: float | None = UNSAID,
        on_progress: Callable[[_messages.Progress], None] | None = None,
    ) -> Running[Any]: ...
    @overload
    def begin(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        returns: type[T],
        input: Iterable[Any] | None = None,
        timeout: float | None = UNSAID,
        on_progress: Callable[[_messages.Progress], None] | None = None,
    ) -> Running[T]: ...
    def begin(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        returns: Any = Any,
        input: Iterable[Any] | None = None,
        timeout: float | None = UNSAID,
        on_progress: Callable[[_messages.Progress], None] | None = None,
    ) -> Running[Any]:
        """Begins a call and does not wait for it: many can run at once, each can be cancelled, and `await`ed where there
        is an event loop. Calls go in the order they are begun; the plugin's `maxInFlight` says how many at once."""
        return self._running(method, self._params(method, params), input, Shape(Any), Shape(returns), timeout, on_progress)

    @overload
    def stream(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        returns: Any = Any,
        input: Iterable[Any] | None = None,
        timeout: float | None = None,
        on_progress: Callable[[_messages.Progress], None] | None = None,
    ) -> Stream[Any]: ...
    @overload
    def stream(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        item: type[T],
        returns: Any = Any,
        input: Iterable[Any] | None = None,
        timeout: float | None = None,
        on_progress: Callable[[_messages.Progress], None] | None = None,
    ) -> Stream[T]: ...
    def stream(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        item: Any = Any,
        returns: Any = Any,
        input: Iterable[Any] | None = None,
        timeout: float | None = None,
        on_progress: Callable[[_messages.Progress], None] | None = None,
    ) -> Stream[Any]:
        """Calls a method with an output stream. Its time is unbounded unless it is said. `input` is sent as the plugin
        takes it, from a thread of its own."""
        return self._stream(
            method, self._params(method, params), Shape(item), Shape(returns), input, Shape(Any), timeout, on_progress
        )

    def send(
        self,
        method: str,
        input: Iterable[Any],
        params: Mapping[str, Any] | None = None,
        *,
        returns: Any = Any,
        timeout: float | None = None,
    ) -> Any:
        """Calls a method with an input stream and no output; gives its result."""
        return self._send(method, self._params(method, params), input, Shape(Any), Shape(returns), timeout)

    def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Sends a notification. Where much waits already for a plugin that does not read, it waits as long as a call
        may take, and then raises `Error`; it may be sent all the same, later."""
        self._notify(method, self._params(method, params))

    def ping(self, timeout: float | None = UNSAID) -> None:
        """Returns when the plugin has answered an `rpc.ping`."""
        self._finish(self._begin(_messages.PING, b"{}", timeout, None), Shape(Any))

    def manifest(self) -> dict[str, Any]:
        """What the plugin declares: an OpenRPC document."""
        slot = self._begin(_messages.DISCOVER, b"{}", UNSAID, None)
        document: dict[str, Any] = self._finish(slot, Shape(dict[str, Any]))
        return document

    def client(self, contract: type[T]) -> T:
        """The plugin's implementation of a contract: an object whose methods are calls. Raises `Error` where the plugin
        does not provide it in a version that fits, or where its manifest differs."""
        from .._contract import client, terms
        from ._fit import misfit

        of = terms(contract)
        fault = misfit(of, self.hello, self.manifest())
        if fault is not None:
            raise self.failed(CallFailed(Kind.UNSUPPORTED, fault))
        return client(contract, self)

    def invoke(self, entry: Entry, params: bytes, arguments: dict[str, Any]) -> Any:
        """Calls a method of a contract."""
        from .._contract import known_errors

        name, of = entry.about.name, entry.signature
        if entry.is_notification:
            self._notify(name, params)
            return None
        with known_errors(entry):
            source = arguments[of.input[0]] if of.input is not None else None
            shape = of.input[1] if of.input is not None else Shape(Any)
            if of.output is not None:
                return self._stream(name, params, of.output, of.result, source, shape, None, None)
            if source is not None:
                return self._send(name, params, source, shape, of.result, None)
            return self._finish(self._begin(name, params, UNSAID, None), of.result)

    # How.

    def _params(self, method: str, params: Mapping[str, Any] | None) -> bytes:
        if method.startswith("rpc."):
            why = f"{method}: what begins with rpc. belongs to the protocol"
            raise self.failed(CallFailed(Kind.INVALID_REQUEST, why))
        if not method.isascii() and sendable(method) != method:
            raise self.failed(CallFailed(Kind.INVALID_REQUEST, f"{escape(method)}: a method's name is Unicode"))
        try:
            return write_params(params, PARAMS_AT)
        except Unsendable as fault:
            raise self.failed(CallFailed(Kind.INVALID_REQUEST, f"the params cannot be sent: {fault}")) from None

    def _begin(
        self,
        method: str,
        params: bytes,
        timeout: float | None,
        on_progress: Callable[[_messages.Progress], None] | None,
        prepare: Callable[[Slot], None] | None = None,
    ) -> Slot:
        self._instance.check_here()
        seconds = self._instance.timeouts.call if timeout is UNSAID else timeout
        deadline = None if seconds is None else monotonic() + seconds

        def ready(slot: Slot) -> None:
            slot.on_progress = on_progress
            if prepare is not None:
                prepare(slot)

        try:
            return self.connection.begin(method, params, parent=self._parent, deadline=deadline, prepare=ready)
        except CallFailed as why:
            raise self.failed(why) from None

    def _finish(self, slot: Slot, shape: Shape) -> Any:
        try:
            sleep_until(slot, lambda: slot.is_done, slot.deadline)
        except BaseException:  # Ctrl-C, for one
            self.connection.abandon(slot, "its caller went away")
            self.watch_abandoned(slot)
            raise
        return self.outcome(slot, shape)

    def _stream(
        self,
        method: str,
        params: bytes,
        item: Shape,
        result: Shape,
        source: Iterable[Any] | None,
        shape: Shape,
        timeout: float | None,
        on_progress: Callable[[_messages.Progress], None] | None,
    ) -> Stream[Any]:
        items = iter(source) if source is not None else None
        slot = self._begin(method, params, timeout, on_progress, self._with_streams(True, items is not None))
        self._instance.keep_deadline(self, slot)
        sender = Sender(self, slot, items, shape) if items is not None else None
        return Stream(self, slot, item, result, sender)

    def _send(
        self, method: str, params: bytes, source: Iterable[Any], shape: Shape, result: Shape, timeout: float | None
    ) -> Any:
        return self._running(method, params, source, shape, result, timeout, None).result()

    def _running(
        self,
        method: str,
        params: bytes,
        source: Iterable[Any] | None,
        shape: Shape,
        result: Shape,
        timeout: float | None,
        on_progress: Callable[[_messages.Progress], None] | None,
    ) -> Running[Any]:
        items = iter(source) if source is not None else None
        prepare = self._with_streams(False, True) if items is not None else None
        slot = self._begin(method, params, timeout, on_progress, prepare)
        self._instance.keep_deadline(self, slot)
        sender = Sender(self, slot, items, shape) if items is not None else None
        return Running(self, slot, result, sender)

    def _with_streams(self, output: bool, input: bool) -> Callable[[Slot], None]:
        if self.hello.capabilities.streams is msgspec.UNSET:
            raise self.failed(CallFailed(Kind.UNSUPPORTED, "the plugin has no streams"))

        def prepare(slot: Slot) -> None:
            if output:
                slot.inlet = Inlet(self.connection.limits.stream_window_bytes)
            if input:
                slot.outlet = Outlet(self.hello.limits.stream_window_bytes)

        return prepare

    def _notify(self, method: str, params: bytes) -> None:
        self._instance.check_here()
        connection = self.connection
        if (closed := connection.why_closed) is not None:
            raise self.failed(closed)
        seconds = self._instance.timeouts.call
        deadline = None if seconds is None else monotonic() + seconds
        try:
            connection.notify(method, params, deadline)
            if left(deadline) <= 0 and not connection.has_room:
                raise CallFailed(Kind.TIMEOUT, f"{method}: the plugin does not read")
        except CallFailed as why:
            raise self.failed(why) from None

    def outcome(self, slot: Slot, shape: Shape) -> Any:
        """What a call has come to; where it has not, it is late, and is cancelled."""
        from .._call import outcome

        try:
            return outcome(self.connection, slot, shape)
        except RemoteError as why:
            if why.code == CANCELLED and slot.abandoned:
                raise self.failed(of_cancel(slot)) from None
            raise self.failed(why) from None
        except CallFailed as why:
            if why.kind is Kind.TIMEOUT:
                self.watch_abandoned(slot)
            raise self.failed(why) from None

    def failed(self, why: CallFailed) -> CallFailed:
        return self._instance.failed(why)

    def cancel(self, slot: Slot, reason: str) -> None:
        """Cancels a call on behalf of its caller. One that waits for its place ends unsent; where the plugin takes no
        cancel, its caller is told the end, and what it answers is forgotten."""
        connection = self.connection
        if not connection.pending.withdraw(slot, of_cancel(slot)):
            connection.abandon(slot, reason)
            if not connection.heeds_cancel:
                slot.settle(of_cancel(slot))
            self.watch_abandoned(slot)
        for end in (slot.inlet, slot.outlet):
            if end is not None:
                end.to(Stage.ENDED)

    def watch_abandoned(self, slot: Slot) -> None:
        """Tells of a plugin that does not answer what nobody waits for any more; and ends that call's callbacks."""
        connection, instance = self.connection, self._instance
        if slot.is_watched:
            return
        slot.is_watched = True
        for request in connection.in_flight.all():
            if request.parent == slot.id:
                connection.cancelled(request.id, "the call that it was made for was cancelled")

        def look() -> None:
            if slot.id in connection.pending.by_id:
                instance.tell(Unhealthy(slot.method))

        if slot.id in connection.pending.by_id:
            CLOCK.at(monotonic() + instance.timeouts.unanswered, look)

    @property
    def in_flight(self) -> int:
        """How many calls the plugin has that it did not answer yet."""
        return len(self.connection.pending.by_id)

    # Its end.

    def stop(self) -> Stopped:
        """Asks it to go, and makes it. Returns when its process is reaped."""
        return self._instance.stop(First.SHUTDOWN)

    def drop(self) -> None:
        """Lets go of it, and does not wait: its calls fail, its standard input is closed, and what is left of it after
        that is made to go."""
        self._instance.drop()

    def wait(self, timeout: float) -> Exit | None:
        """How its process ended, if it did within so many seconds."""
        return self._instance.process.wait(timeout)

    def __enter__(self) -> Plugin:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
