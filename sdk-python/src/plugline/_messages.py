"""What the `rpc.*` messages say: types, defaults and minima, and what may be said when. No I/O."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from . import _codes as codes
from ._codes import Fault, WireError
from ._faults import faults_of

VERSIONS: Final = [1]
VERSIONS_VARIABLE: Final = "PLUGLINE_PROTOCOL"
HANDSHAKE_LIMIT: Final = 1 << 20
"""A line before the handshake; bytes."""

INITIALIZE, DISCOVER, PING, SHUTDOWN = "rpc.initialize", "rpc.discover", "rpc.ping", "rpc.shutdown"
CANCEL, PROGRESS, LOG = "rpc.cancel", "rpc.progress", "rpc.log"
OUTPUT, OUTPUT_CREDIT = "rpc.output", "rpc.outputCredit"
INPUT, INPUT_END, INPUT_CREDIT = "rpc.input", "rpc.inputEnd", "rpc.inputCredit"
ALWAYS: Final = frozenset((INITIALIZE, DISCOVER, PING, SHUTDOWN))
"""What may be asked before the handshake."""

Count = Annotated[int, Meta(ge=0)]


class Identity(Struct, frozen=True):
    """Who somebody says they are."""

    name: str
    version: str


class Limits(Struct, frozen=True, rename="camel"):
    """What a side accepts."""

    max_line_bytes: Annotated[int, Meta(ge=1 << 16)] = 1 << 24
    """A line; bytes before its LF."""
    max_in_flight: Annotated[int, Meta(ge=1)] = 64
    """Requests in flight, at each depth."""
    max_depth: Annotated[int, Meta(ge=1)] = 16
    """How deep requests may nest."""
    stream_window_bytes: Annotated[int, Meta(ge=1 << 16)] = 1 << 18
    """Stream bytes that were sent and not taken."""

    def checked(self) -> Limits:
        """The same; a ValueError where one is below its minimum."""
        msgspec.convert(msgspec.to_builtins(self), Limits)
        return self


class HostCallbacks(Struct, frozen=True):
    """Which methods a host serves."""

    methods: list[str] = []


class HostCapabilities(Struct, frozen=True, omit_defaults=True):
    """What a host can do."""

    progress: dict[str, Any] | UnsetType = UNSET
    log: dict[str, Any] | UnsetType = UNSET
    streams: dict[str, Any] | UnsetType = UNSET
    callbacks: HostCallbacks | UnsetType = UNSET


class PluginCapabilities(Struct, frozen=True, omit_defaults=True):
    """What a plugin can do."""

    cancel: dict[str, Any] | UnsetType = UNSET
    progress: dict[str, Any] | UnsetType = UNSET
    log: dict[str, Any] | UnsetType = UNSET
    streams: dict[str, Any] | UnsetType = UNSET
    callbacks: dict[str, Any] | UnsetType = UNSET


class InitializeParams(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a host says at the handshake."""

    protocol_versions: list[int]
    host: Identity | UnsetType = UNSET
    instance: str | UnsetType = UNSET
    config: msgspec.Raw = msgspec.Raw(b"{}")
    limits: Limits = Limits()
    capabilities: HostCapabilities = HostCapabilities()


class Provided(Struct, frozen=True, omit_defaults=True):
    """A contract that a plugin provides."""

    contract: str
    version: str
    types: list[str] | UnsetType = UNSET


class InitializeResult(Struct, frozen=True, rename="camel"):
    """What a plugin answers."""

    protocol_version: int
    plugin: Identity
    provides: list[Provided]
    limits: Limits = Limits()
    capabilities: PluginCapabilities = PluginCapabilities()


class Shutdown(Struct, frozen=True, rename="camel"):
    grace_ms: Count = 5000


class Cancel(Struct, frozen=True, omit_defaults=True):
    id: int | str
    reason: str | UnsetType = UNSET


class Progress(Struct, frozen=True, omit_defaults=True):
    """How far a call has come."""

    id: int | str
    progress: float
    total: float | UnsetType = UNSET
    message: str | UnsetType = UNSET


class Level(enum.Enum):
    """How much a log line matters."""

    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class Log(Struct, frozen=True, omit_defaults=True):
    """A line of a plugin's log."""

    level: Level
    message: str
    target: str | UnsetType = UNSET
    fields: dict[str, Any] | UnsetType = UNSET


class Items(Struct, frozen=True):
    id: int | str
    items: list[msgspec.Raw]


class Credit(Struct, frozen=True):
    id: int | str
    bytes: Count


class Ended(Struct, frozen=True):
    id: int | str


class CallMeta(Struct, frozen=True, gc=False):
    """What of `_meta` a callee uses. What is ill-typed is not there."""

    deadline: float | None = None
    """Seconds."""
    parent: int | str | None = None
    traceparent: str | None = None


class _Meta(Struct, gc=False):
    deadlineMs: Any = None
    parent: Any = None
    traceparent: Any = None


class _WithMeta(Struct, gc=False):
    _meta: _Meta


_meta_of = msgspec.json.Decoder(_WithMeta).decode
NO_META: Final = CallMeta()


def read_meta(params: msgspec.Raw, line: bytes) -> CallMeta:
    """The `_meta` of a params object that came in that line."""
    if b'"_meta"' not in line:
        return NO_META
    try:
        meta = _meta_of(params)._meta
    except (ValueError, RecursionError):
        return NO_META  # ill-typed; whoever decodes the params says what else is wrong with them
    ms, parent, trace = meta.deadlineMs, meta.parent, meta.traceparent
    return CallMeta(
        ms / 1000 if type(ms) is int and 0 <= ms < 1 << 40 else None,
        parent if type(parent) in (int, str) else None,
        trace if type(trace) is str else None,
    )


_read_initialize = msgspec.json.Decoder(InitializeParams).decode


def read_initialize(params: msgspec.Raw) -> InitializeParams | WireError:
    """The params of `rpc.initialize`, or what to answer to them."""
    try:
        read = _read_initialize(params)
    except (ValueError, RecursionError) as fault:
        return codes.invalid_params(faults_of(fault, params, _read_initialize))
    if VERSIONS[0] not in read.protocol_versions:
        return WireError(
            codes.UNSUPPORTED_PROTOCOL, "unsupported protocol: only version 1 is spoken", {"supported": VERSIONS}
        )
    return read


class Phase(enum.Enum):
    """How far a plugin's life has come."""

    NEW = enum.auto()
    INITIALIZING = enum.auto()
    READY = enum.auto()
    CLOSING = enum.auto()

    def refuses(self, method: str) -> WireError | None:
        """What to answer to a request that does not come at its time."""
        match self:
            case Phase.READY:
                return codes.invalid_request("it is initialized already") if method == INITIALIZE else None
            case Phase.CLOSING:
                return None if method == PING else WireError(codes.SHUTTING_DOWN, "shutting down")
            case Phase.NEW | Phase.INITIALIZING:
                if method not in ALWAYS:
                    return WireError(codes.NOT_INITIALIZED, "not initialized")
                if self is Phase.INITIALIZING and method == INITIALIZE:
                    return codes.invalid_request("it is being initialized")
                return None


def not_an_object() -> WireError:
    return codes.invalid_params([Fault("", "must be an object")])
