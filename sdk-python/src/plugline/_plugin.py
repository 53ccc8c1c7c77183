"""What an author puts together: a plugin, method by method."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, NoReturn, ParamSpec, TypeAlias, TypeVar, cast

import msgspec

from . import _codes as codes
from ._call import Call
from ._encode import encode
from ._error import Error, declaration
from ._example import Example
from ._manifest import Contents, Entry, document
from ._messages import Identity, Limits, PluginCapabilities, Provided
from ._method import About, Errors, Listener, Method, finish
from ._original import held, merged, methods_of, provided, required
from ._session import Offer, Refusal, Served, Session
from ._shape import Misfit, Shape
from ._signature import Signature, signature
from ._stdio import STDIO

# Before anything else of the program runs, if a host started it: a print at import must not reach the wire.
STDIO.take_if_asked()

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)+")
VERSION = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"
)
ASYNC_AT_ONCE = 64
LogLevel: TypeAlias = Literal["trace", "debug", "info", "warning", "error"]


class HostMethod(Generic[P, R]):
    """A method of the host, as the plugin calls it: with its call, and the params by name."""

    __slots__ = ("_entry", "_function")

    def __init__(self, function: Callable[P, R], entry: Callable[[], Entry]) -> None:
        self._function, self._entry = function, entry

    def __call__(self, call: Call, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls it, or sends it where it is a notification. A stub that is `async def` is awaited."""
        from ._contract import invoke

        result: R = invoke(call, self._entry(), args, kwargs)
        return result


class _Registered:
    """A function whose annotations are read when all of them can be: when the plugin is complete."""

    __slots__ = ("_signature", "about", "function", "is_notification", "original", "stub")

    def __init__(
        self, about: About, function: Callable[..., Any], is_notification: bool, stub: Any = None, original: Any = None
    ):
        self.about, self.function, self.is_notification = about, function, is_notification
        self.stub = stub  # the function whose annotations count, and how many of its arguments do not
        self.original = original  # the document that its contract was written in
        self._signature: Signature | None = None

    def entry(self) -> Entry:
        if self._signature is None:
            function, skip = self.stub or (self.function, 0)
            self._signature = held(signature(function, self.about.name, skip), self.original, self.about.name)
        return Entry(self.about, self._signature, self.is_notification)


class Plugin:
    """A plugin. Methods are added with decorators, or whole contracts with `provide`; then it is `run`.

        plugin = Plugin("greeter", version="0.1.0", provides={"greet": "1.0.0"})

        @plugin.method("greet.hello")
        def hello(name: str) -> str:
            \"\"\"Greets somebody.\"\"\"
            return f"Hello, {name}!"

        plugin.run()

    One request is handled at a time unless `concurrency` says how many may be; then plain handlers run on threads, as
    many as are needed. Handlers that are `async def` run on an event loop, up to 64 at once unless it is said.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str,
        provides: Mapping[str, str] | None = None,
        requires: Mapping[str, str] | None = None,
        description: str | None = None,
        concurrency: int | None = None,
        limits: Limits | None = None,
        instances: Literal["one", "many"] | None = None,
        log_level: LogLevel = "info",
    ) -> None:
        self.name, self.version, self.description = name, version, description
        self._provides = [Provided(contract, _semantic(v)) for contract, v in (provides or {}).items()]
        self._requires = dict(requires or {})
        self._concurrency, self._limits = concurrency, limits
        self._instances, self._log_level = instances, log_level
        self._methods: dict[str, _Registered] = {}
        self._notifications: dict[str, _Registered] = {}
        self._host_methods: dict[str, _Registered] = {}
        self._start: Callable[..., Any] | None = None
        self._stop: Callable[[], Any] | None = None
        self._makers: list[tuple[type, Callable[[Any], None]]] = []
        self._originals: list[dict[str, Any]] = []
        self._manifest: bytes | None = None
        self.config: Any = None
        """What the host gave, once it has shaken hands."""

    # What it serves.

    def method(
        self,
        name: str,
        *,
        errors: Errors = (),
        idempotent: bool = False,
        deprecated: bool = False,
        examples: Sequence[Example] = (),
        description: str | None = None,
    ) -> Callable[[F], F]:
        """Serves a method. Its annotations are its contract: params by name, the result, and its streams: an argument
        that is an `Iterator` is the input, a result that is one the output. An argument that is a `Call` is given it.
        """

        def register(function: F) -> F:
            about = _about(name, description, function, errors, idempotent, deprecated, examples)
            self._add(self._methods, _Registered(about, function, False))
            return function

        return register

    def notification(
        self,
        name: str,
        *,
        deprecated: bool = False,
        examples: Sequence[Example] = (),
        description: str | None = None,
    ) -> Callable[[F], F]:
        """Listens to a notification. They are handled one after another, in the order they came."""

        def register(function: F) -> F:
            about = _about(name, description, function, (), False, deprecated, examples)
            self._add(self._notifications, _Registered(about, function, True))
            return function

        return register

    def host_method(
        self,
        name: str,
        *,
        errors: Errors = (),
        idempotent: bool = False,
        deprecated: bool = False,
        examples: Sequence[Example] = (),
        description: str | None = None,
    ) -> Callable[[Callable[P, R]], HostMethod[P, R]]:
        """Declares a method of the host, from a stub without a body. What comes of it is called with a `Call` first:
        `audit(call, what="lookup")`."""
        return self._declare(name, errors, idempotent, deprecated, examples, description, False)

    def host_notification(
        self,
        name: str,
        *,
        deprecated: bool = False,
        examples: Sequence[Example] = (),
        description: str | None = None,
    ) -> Callable[[Callable[P, R]], HostMethod[P, R]]:
        """Declares a notification that the host takes."""
        return self._declare(name, (), False, deprecated, examples, description, True)

    def _declare(
        self,
        name: str,
        errors: Errors,
        idempotent: bool,
        deprecated: bool,
        examples: Sequence[Example],
        description: str | None,
        is_notification: bool,
    ) -> Callable[[Callable[P, R]], HostMethod[P, R]]:
        def declare(function: Callable[P, R]) -> HostMethod[P, R]:
            about = _about(name, description, function, errors, idempotent, deprecated, examples)
            registered = _Registered(about, function, is_notification)
            self._add(self._host_methods, registered)
            return HostMethod(function, registered.entry)

        return declare

    def on_start(self, function: F) -> F:
        """Runs a function at the handshake, before any call. If it has an argument, that is the config, of the type
        that its annotation says. It raises `InvalidConfig`, or `Declined`."""
        self._start = function
        return function

    def on_stop(self, function: F) -> F:
        """Runs a function at the end, unless a handler is stuck."""
        self._stop = function
        return function

    def provide(self, contract: object) -> Plugin:
        """Provides a contract: an instance of a contract class, or the class, which is then made at the handshake, with
        the config if its `__init__` takes any."""
        from ._contract import terms

        cls = contract if isinstance(contract, type) else type(contract)
        of = terms(cls)
        self._provides.append(Provided(of.name, _semantic(of.version)))
        if of.original is not None:
            self._originals.append(provided(of.original, of.name, [term.about.name for term in of.terms]))
        held: list[Any] = [] if isinstance(contract, type) else [contract]
        if isinstance(contract, type):
            self._makers.append((contract, held.append))
        for term in of.terms:
            function = _bound(held, term.attribute)
            registered = _Registered(term.about, function, term.is_notification, (term.stub, 1), of.original)
            self._add(self._notifications if term.is_notification else self._methods, registered)
        return self

    def require(self, contract: type) -> Plugin:
        """Requires a contract of the host, to be called through `Call.client`."""
        from ._contract import terms

        of = terms(contract)
        self._requires[of.name] = of.version
        if of.original is not None:
            self._originals.append(required(of.original, of.name, [term.about.name for term in of.terms]))
        for term in of.terms:
            registered = _Registered(term.about, term.stub, term.is_notification, (term.stub, 1), of.original)
            self._add(self._host_methods, registered)
        return self

    def _add(self, where: dict[str, _Registered], registered: _Registered) -> None:
        name = registered.about.name
        if name in self._methods or name in self._notifications or name in self._host_methods:
            raise TypeError(f"{name!r} is there already")
        where[name] = registered
        self._manifest = None

    # What it is.

    def manifest(self) -> dict[str, Any]:
        """Its manifest: an OpenRPC document. A TypeError says where it is not sound."""
        contracts = {provided.contract for provided in self._provides}
        for name in (*self._methods, *self._notifications):
            if name.rpartition(".")[0] not in contracts:
                raise TypeError(f"{name!r} is of no contract that is provided: {sorted(contracts)}")
        for name in self._host_methods:
            if name.rpartition(".")[0] not in contracts | self._requires.keys():
                raise TypeError(f"{name!r} is of no contract that is provided or required")
        host_methods = [registered.entry() for registered in self._host_methods.values()]
        for entry in host_methods:
            if entry.signature.input is not None or entry.signature.output is not None:
                raise TypeError(f"{entry.about.name}: methods of the host have no streams")
        written = {name for original in self._originals for name in methods_of(original)}
        methods = [r.entry() for r in (*self._methods.values(), *self._notifications.values())]
        said = [original["x-plugline"].get("instances", "one") for original in self._originals]
        made = document(
            Contents(
                Identity(self.name, self.version),
                self.description,
                [entry for entry in methods if entry.about.name not in written],
                [entry for entry in host_methods if entry.about.name not in written],
                self._provides,
                self._requires,
                self._config_type(),
                self._instances or ("many" if "many" in said else "one"),
            )
        )
        return merged(made, self._originals) if self._originals else made

    def _manifest_bytes(self) -> bytes:
        if self._manifest is None:
            self._manifest = encode(self.manifest())
        return self._manifest

    def _config_type(self) -> Any:
        """What the config is to be: what those want that take it."""
        wanted = [type_ for function, skip in self._takers() if (type_ := _argument(function, skip)) is not None]
        if any(type_ is not wanted[0] for type_ in wanted):
            raise TypeError(f"one config, and several types for it: {wanted}")
        return wanted[0] if wanted else dict[str, Any]

    def _takers(self) -> list[tuple[Callable[..., Any], int]]:
        takers: list[tuple[Callable[..., Any], int]] = [(_maker(cls), 1) for cls, _ in self._makers]
        return takers + ([(self._start, 0)] if self._start is not None else [])

    # Running it.

    def run(self) -> NoReturn:
        """Serves the host that started this process; the process ends with it."""
        from ._serve import serve

        serve(self)

    def offer(self) -> Offer:
        """What a session needs of it."""
        self._manifest_bytes()  # what is not sound is said before anybody calls
        bound: list[Callable[[Session], None]] = []
        methods: dict[str, Served] = {}
        listeners: dict[str, Callable[[msgspec.Raw], None]] = {}
        for name, registered in self._methods.items():
            methods[name] = Method(registered.about, registered.function, registered.entry().signature)
        for name, registered in self._notifications.items():
            listener = Listener(registered.about, registered.function, registered.entry().signature)
            listeners[name] = listener
            bound.append(lambda session, listener=listener: setattr(listener, "session", session))  # type: ignore[misc]
        has_async = any(method.is_async for method in methods.values())
        limits = (self._limits or Limits()).checked()
        asked = self._concurrency
        if asked is None and limits.max_in_flight != Limits().max_in_flight:
            asked = limits.max_in_flight
        at_once = asked or (ASYNC_AT_ONCE if has_async else 1)
        limits = msgspec.structs.replace(limits, max_in_flight=at_once).checked()
        shape = Shape(self._config_type())

        def configure(config: msgspec.Raw, session: Session) -> None:
            for bind in bound:
                bind(session)
            self._configure(config, shape, session)

        streams = any(method.has_input or method.has_output for method in methods.values())
        yes: dict[str, Any] = {}
        capabilities = PluginCapabilities(yes, yes, yes, yes if streams else msgspec.UNSET, yes)
        return Offer(
            Identity(self.name, self.version), limits, self._provides, capabilities, methods, listeners,
            self._manifest_bytes, configure, has_async,
        )  # fmt: skip

    def _configure(self, raw: msgspec.Raw, shape: Shape, session: Session) -> None:
        try:
            config = shape.read(raw)
        except Misfit as misfit:
            raise Refusal(codes.invalid_config(misfit.faults)) from None
        self.config = config
        while session.undo:  # of an attempt that failed
            session.undo.pop()()
        if session.host.features.log is not msgspec.UNSET:
            from ._logging import bridge

            bridge(session, self._log_level)
        try:
            for cls, hold in self._makers:
                hold(cls(config) if _argument(_maker(cls), 1) is not None else cls())
            if self._start is not None:
                started = self._start(config) if _argument(self._start, 0) is not None else self._start()
                if hasattr(started, "__await__"):
                    finish(session, started)
        except Error as refusal:
            error = refusal.wire()
            if error.code in (codes.INVALID_CONFIG, codes.DECLINED):
                raise Refusal(error) from None
            raise

    def stopped(self) -> None:
        """Runs what is to run at the end."""
        if self._stop is not None:
            stop, self._stop = self._stop, None
            stop()


def _maker(cls: Any) -> Any:
    return cls.__init__


def _bound(held: list[Any], attribute: str) -> Callable[..., Any]:
    def call(**arguments: Any) -> Any:
        return getattr(held[-1], attribute)(**arguments)

    return call


def _argument(function: Any, skip: int) -> Any:
    """The type of the one argument that a function takes besides; None where it takes none."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_argcount <= skip:
        return None
    import typing

    name = code.co_varnames[skip]
    hints = typing.get_type_hints(function, include_extras=True)
    if name not in hints:
        raise TypeError(f"say of what type the config is: the argument {name!r} of {function.__qualname__}")
    return hints[name]


def _about(
    name: str,
    description: str | None,
    function: Any,
    errors: Errors,
    idempotent: bool,
    deprecated: bool,
    examples: Sequence[Example],
) -> About:
    if not NAME.fullmatch(name) or name.startswith("rpc."):
        raise TypeError(f"{name!r}: a method's name is <contract>.<method>, and rpc. belongs to the protocol")
    if errors != "any":
        for error in errors:
            declaration(cast(Any, error))
    told = description or getattr(function, "__doc__", None)
    return About(
        name,
        _dedent(told) if told else None,
        "any" if errors == "any" else list(errors),
        idempotent,
        deprecated,
        list(examples),
    )


def _dedent(text: str) -> str:
    lines = text.expandtabs().strip().splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), default=0)
    return "\n".join([lines[0].strip(), *(line[margin:].rstrip() for line in lines[1:])]) if lines else ""


def _semantic(version: str) -> str:
    if not VERSION.fullmatch(version):
        raise TypeError(f"{version!r} is no semantic version: 1.0.0")
    return version

