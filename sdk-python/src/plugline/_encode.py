"""Messages to lines. Owns what a sender may not emit: lines over the limit, integers that a double would change,
nesting without end. No I/O.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ._codes import WireError, too_large
from ._envelope import MAX_SAFE, Id
from ._text import sendable

MAX_DEPTH: Final = 100
"""How deep a message may nest; its own brace is 1."""

RESULT_AT: Final = 1
PARAMS_AT: Final = 1
ERROR_DATA_AT: Final = 2
ITEM_AT: Final = 3
"""How many levels of its message something is within."""

UNBOUNDED: Final = 1 << 62
"""For an error that says that something was too long: it is short."""

_LONG_NUMBER: Final = re.compile(rb"[0-9]{16}").search
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]|-?[0-9.eE+-]+')

encode = msgspec.json.Encoder(decimal_format="string").encode


class TooLarge(Exception):
    """A line over what its receiver takes."""

    def __init__(self, limit: int, size: int) -> None:
        super().__init__(f"{size} bytes, and {limit} are allowed")
        self.limit, self.size = limit, size


class Unsendable(ValueError):
    """Data that JSON, as this protocol uses it, cannot carry."""


def sound(data: bytes, within: int) -> bytes:
    """The same, if it may be sent where it is within so many levels of a message."""
    if _LONG_NUMBER(data) or data.count(b"{") + data.count(b"[") > MAX_DEPTH - within:
        _check(data, within)
    return data


def _check(data: bytes, depth: int) -> None:
    for token in _TOKEN.finditer(data):
        text = token[0]
        match text[:1]:
            case b"{" | b"[":
                depth += 1
                if depth > MAX_DEPTH:
                    raise Unsendable(f"it nests deeper than {MAX_DEPTH} levels")
            case b"}" | b"]":
                depth -= 1
            case b'"':
                pass
            case _:
                if text.lstrip(b"-").isdigit() and abs(int(text)) > MAX_SAFE:
                    raise Unsendable(f"{text.decode()} is beyond 2^53-1: send it as a string")


def milliseconds(seconds: float) -> int:
    """A time as it is sent; one that no integer may tell is the longest that does."""
    ms = seconds * 1000
    return max(0, round(ms)) if ms < MAX_SAFE else MAX_SAFE


def id_of(id: Id | None) -> bytes:
    return b"%d" % id if type(id) is int else encode(id)


def response(id: Id, result: bytes, limit: int) -> bytes:
    """A response; -32007 in its place where it is too long."""
    line = b'{"jsonrpc":"2.0","id":%b,"result":%b}\n' % (id_of(id), result)
    if len(line) > limit + 1:
        return failure(id, too_large(limit, len(line) - 1), UNBOUNDED)
    return line


def failure(id: Id | None, error: WireError, limit: int) -> bytes:
    """An error response; -32007 in its place where it is too long."""
    try:
        encoded = encode(error)
    except UnicodeEncodeError:  # and nobody is to wait for an answer that cannot be sent
        encoded = encode(sendable(msgspec.to_builtins(error)))
    line = b'{"jsonrpc":"2.0","id":%b,"error":%b}\n' % (id_of(id), encoded)
    if len(line) > limit + 1:
        return failure(id, too_large(limit, len(line) - 1), UNBOUNDED)
    return line


def request(id: Id, method: str, params: bytes, meta: bytes, limit: int) -> bytes:
    return _fitting(
        b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}\n'
        % (id_of(id), encode(method), with_meta(params, meta)),
        limit,
    )


def notification(method: str, params: bytes, limit: int) -> bytes:
    return _fitting(b'{"jsonrpc":"2.0","method":%b,"params":%b}\n' % (encode(method), params), limit)


def items(method: bytes, id: Id, joined: bytes) -> bytes:
    """A line of stream items, given with commas between them."""
    return b'{"jsonrpc":"2.0","method":"%b","params":{"id":%b,"items":[%b]}}\n' % (method, id_of(id), joined)


def with_meta(params: bytes, meta: bytes) -> bytes:
    """An encoded params object that has `_meta` too, where there is any."""
    if not meta:
        return params
    return b'{"_meta":%b}' % meta if params == b"{}" else b'%b,"_meta":%b}' % (params[:-1], meta)


def _fitting(line: bytes, limit: int) -> bytes:
    if len(line) > limit + 1:
        raise TooLarge(limit, len(line) - 1)
    return line
