"""A line to a message, told by the members that are there. Owns what JSON-RPC leaves open; no I/O.

Params and results stay as they came, to be decoded by whoever knows their type.
"""

from __future__ import annotations

import enum
from typing import Any, Final, TypeAlias

import msgspec

from ._codes import WireError

Id: TypeAlias = "int | str"

MAX_SAFE: Final = 2**53 - 1
MAX_ID_BYTES: Final = 256
ABSENT: Final = msgspec.Raw(b"")
EMPTY_PARAMS: Final = msgspec.Raw(b"{}")
WHITE: Final = b" \t\r\n"


class Request(msgspec.Struct, frozen=True, gc=False):
    """Somebody wants an answer."""

    id: Id
    method: str
    params: msgspec.Raw


class Notification(msgspec.Struct, frozen=True, gc=False):
    """Somebody wants none."""

    method: str
    params: msgspec.Raw


class Response(msgspec.Struct, frozen=True, gc=False):
    """An answer: a result, or an error."""

    id: Id
    result: msgspec.Raw
    error: WireError | None


class Wrong(enum.Enum):
    """What is wrong with a line that is no message."""

    PARSE = enum.auto()
    """It is not JSON."""
    NO_OBJECT = enum.auto()
    """It is JSON, but no object."""
    STRANGER = enum.auto()
    """An object with none of the five members of a message."""
    INVALID = enum.auto()
    """It has some of them, and breaks the rules."""
    NOTIFICATION = enum.auto()
    """A notification that breaks the rules: nobody answers it."""


class Malformed(msgspec.Struct, frozen=True):
    """A line that is no message."""

    wrong: Wrong
    reason: str
    id: Id | None = None
    """The id to echo, where the line has one that may be echoed."""


Message: TypeAlias = "Request | Notification | Response | Malformed"


class _Envelope(msgspec.Struct, gc=False):
    jsonrpc: Any = ABSENT
    id: Any = ABSENT
    method: Any = ABSENT
    params: msgspec.Raw = ABSENT
    result: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


_decode = msgspec.json.Decoder(_Envelope).decode
_decode_error = msgspec.json.Decoder(WireError).decode


def classify(line: bytes) -> Message | None:
    """What a line says; none where it is only white space."""
    try:
        if not line.isascii():
            line.decode()  # what is skipped over is not decoded, and so not checked
        envelope = _decode(line)
    except (ValueError, RecursionError) as fault:
        return _undecodable(line, fault)
    id, method, version = envelope.id, envelope.method, envelope.jsonrpc
    if (
        type(method) is str
        and version == "2.0"
        and envelope.result is ABSENT
        and envelope.error is ABSENT
        and (params := envelope.params if envelope.params is not ABSENT else EMPTY_PARAMS)
        and memoryview(params)[0] in b"{["
    ):
        if type(id) is int and 0 < id <= MAX_SAFE:
            return Request(id, method, params)
        if id is ABSENT and memoryview(params)[0] == 0x7B:
            return Notification(method, params)
    return _slowly(envelope, line)


def is_id(id: object, line: bytes) -> bool:
    """Whether what stands as `id` in that line is one."""
    if type(id) is int:
        if id == 0:
            return b"-0" not in line or not _is_minus_zero(line)  # for a parser, -0 is 0
        return 0 < id <= MAX_SAFE
    return type(id) is str and len(id.encode()) <= MAX_ID_BYTES


class _OnlyId(msgspec.Struct):
    id: msgspec.Raw


def _is_minus_zero(line: bytes) -> bool:
    return bytes(msgspec.json.decode(line, type=_OnlyId).id) == b"-0"


def _slowly(envelope: _Envelope, line: bytes) -> Message:
    """Everything but the commonest messages."""
    id, method = envelope.id, envelope.method
    result, error = envelope.result is not ABSENT, envelope.error is not ABSENT
    right = envelope.jsonrpc == "2.0"
    if id is ABSENT and method is ABSENT and not result and not error and envelope.jsonrpc is ABSENT:
        return Malformed(Wrong.STRANGER, "it has none of the members of a message")
    if type(method) is str and id is ABSENT and not result and not error:
        if not right:
            return Malformed(Wrong.NOTIFICATION, f"{method!r} without jsonrpc 2.0")
        if envelope.params is not ABSENT and memoryview(envelope.params)[0] != 0x7B:
            return Malformed(Wrong.NOTIFICATION, f"the params of {method!r} are no object")
        return Notification(method, envelope.params if envelope.params is not ABSENT else EMPTY_PARAMS)
    valid = id is not ABSENT and is_id(id, line)
    if method is ABSENT and result != error and valid and right:
        return _response(id, envelope)
    if result or error:
        return Malformed(Wrong.INVALID, "result or error where there is none to be, or without a valid id")
    if method is ABSENT:
        return Malformed(Wrong.INVALID, "neither method nor result nor error")
    if not valid:
        return Malformed(Wrong.INVALID, "the id is no integer from 0 to 2^53-1 and no string up to 256 bytes")
    if not right:
        return Malformed(Wrong.INVALID, "jsonrpc is not 2.0", id)
    if type(method) is not str:
        return Malformed(Wrong.INVALID, "the method is no string", id)
    if envelope.params is not ABSENT and memoryview(envelope.params)[0] not in b"{[":
        return Malformed(Wrong.INVALID, "the params are no object", id)
    return Request(id, method, envelope.params if envelope.params is not ABSENT else EMPTY_PARAMS)


def _response(id: Id, envelope: _Envelope) -> Message:
    if envelope.result is not ABSENT:
        return Response(id, envelope.result, None)
    try:
        return Response(id, ABSENT, _decode_error(envelope.error))
    except (msgspec.DecodeError, RecursionError) as fault:
        return Malformed(Wrong.INVALID, f"the error is none: {fault}")


def _undecodable(line: bytes, fault: Exception) -> Message | None:
    if not line.strip(WHITE):
        return None
    if not isinstance(fault, msgspec.ValidationError):
        return Malformed(Wrong.PARSE, str(fault))
    if line.lstrip(WHITE)[:1] == b"{":
        return Malformed(Wrong.INVALID, str(fault))  # a number that no double holds
    try:
        msgspec.json.decode(line)  # it stopped at the first byte
    except (ValueError, RecursionError) as worse:
        return Malformed(Wrong.PARSE, str(worse))
    return Malformed(Wrong.NO_OBJECT, str(fault))
