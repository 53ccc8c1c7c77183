"""The error codes of the protocol, and the error object of a response. See section 3 of SPEC.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_INITIALIZED = -32000
UNSUPPORTED_PROTOCOL = -32001
INVALID_CONFIG = -32002
SHUTTING_DOWN = -32003
CANCELLED = -32004
DEADLINE_EXCEEDED = -32005
OVERLOADED = -32006
MESSAGE_TOO_LARGE = -32007
STREAM_VIOLATION = -32008
DECLINED = -32009

RESERVED = range(-32768, -31999)
"""What an application may not use."""

TEXT_LIMIT = 200
"""So much of what the other side wrote is quoted back at it."""


class WireError(msgspec.Struct, frozen=True):
    """The `error` of a response."""

    code: int
    message: str
    data: Any = msgspec.UNSET


class Fault(msgspec.Struct, frozen=True):
    """Where params, or a config, break their schema."""

    path: str
    message: str


def shorten(text: str) -> str:
    """What fits into a message that quotes it."""
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…"


def invalid_request(reason: str) -> WireError:
    return WireError(INVALID_REQUEST, f"invalid request: {reason}")


def method_not_found(method: str) -> WireError:
    return WireError(METHOD_NOT_FOUND, f"method not found: {shorten(method)}")


def invalid_params(faults: Sequence[Fault]) -> WireError:
    first = faults[0]
    return WireError(
        INVALID_PARAMS,
        f"invalid params: {shorten(first.path) or 'the params'}: {shorten(first.message)}",
        {"errors": list(faults)},
    )


def invalid_config(faults: Sequence[Fault]) -> WireError:
    first = faults[0]
    return WireError(
        INVALID_CONFIG,
        f"invalid config: {shorten(first.path) or 'the config'}: {shorten(first.message)}",
        {"errors": list(faults)},
    )


def internal(reason: str) -> WireError:
    return WireError(INTERNAL_ERROR, f"internal error: {shorten(reason)}")


def cancelled(reason: str | None = None) -> WireError:
    return WireError(CANCELLED, f"cancelled: {shorten(reason)}" if reason else "cancelled")


def deadline_exceeded() -> WireError:
    return WireError(DEADLINE_EXCEEDED, "deadline exceeded")


def overloaded(limit: int, of: str) -> WireError:
    return WireError(OVERLOADED, f"overloaded: at most {limit} {of}", {"limit": limit})


def too_large(limit: int, size: int) -> WireError:
    return WireError(
        MESSAGE_TOO_LARGE,
        f"message too large: {size} bytes, and {limit} are allowed",
        {"limit": limit, "size": size},
    )


def stream_violation(reason: str) -> WireError:
    return WireError(STREAM_VIOLATION, f"stream violation: {reason}")
