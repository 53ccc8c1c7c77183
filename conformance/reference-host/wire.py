"""Lines and messages, from the host's side. Knows nothing of processes.

Written from protocol/SPEC.md alone, for the conformance suite: a small host that is right, and with MUTANT=name wrong
in one way.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from typing import Any

Json = Any
Object = dict[str, Any]

MUTANT = os.environ.get("MUTANT", "")
KNOWN: set[str] = set()

KIB = 1024
DEFAULTS = {"maxLineBytes": 16 * KIB * KIB, "maxInFlight": 64, "maxDepth": 16, "streamWindowBytes": 256 * KIB}
MINIMA = {"maxLineBytes": 64 * KIB, "maxInFlight": 1, "maxDepth": 1, "streamWindowBytes": 64 * KIB}
HANDSHAKE_LINE = KIB * KIB
MAX_ID = 2**53 - 1
MEMBERS = {"jsonrpc", "id", "method", "result", "error"}


def mutant(name: str) -> bool:
    """Whether this run is to be wrong in that way."""
    return name == MUTANT


class Fault(Exception):
    """An error to be answered to the plugin."""

    def __init__(self, code: int, message: str, data: Json = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data

    def body(self) -> Object:
        body: Object = {"code": self.code, "message": self.message}
        return body if self.data is None else {**body, "data": self.data}


class Violation(Exception):
    """The plugin broke the protocol: the connection ends."""

    def __init__(self, message: str, kind: str = "protocol_violation") -> None:
        super().__init__(message)
        self.kind = kind


class Unsendable(Exception):
    """What the user wants sent is no message, or too long a one."""

    def __init__(self, kind: str, message: str, size: int = 0) -> None:
        super().__init__(message)
        self.kind, self.size = kind, size


@dataclass
class Message:
    """A request, a notification or a response."""

    what: str
    id: Json
    method: str
    params: Json
    result: Json
    error: Json
    size: int


class Stray(Exception):
    """A line that is no message."""


def invalid_params(path: str, message: str) -> Fault:
    return Fault(-32602, "invalid params", {"errors": [{"path": path, "message": message}]})


def depth(value: Json) -> int:
    """How deep a value nests; without recursion, as it may be deep."""
    deepest, todo = 0, [(value, 1)]
    while todo:
        here, level = todo.pop()
        deepest = max(deepest, level if isinstance(here, (dict, list)) else level - 1)
        if isinstance(here, dict):
            todo += [(below, level + 1) for below in here.values()]
        elif isinstance(here, list):
            todo += [(below, level + 1) for below in here]
    return deepest


def encode(message: Object) -> bytes:
    """A message as a line; refuses what may not be sent."""
    if depth(message) > 100 and not mutant("nests-too-deep"):
        raise Unsendable("invalid_request", "it nests deeper than 100")
    indent = 1 if mutant("newlines-within") else None
    try:
        text = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False, allow_nan=False, indent=indent)
        line = text.encode()
    except (ValueError, RecursionError) as fault:
        raise Unsendable("invalid_request", str(fault)) from fault
    return line + (b"\r\n" if mutant("writes-crlf") else b"\n")


def is_id(value: Json) -> bool:
    if isinstance(value, str):
        return len(value.encode(errors="replace")) <= 256
    return type(value) is int and 0 <= value <= MAX_ID


def single(digits: str) -> int:
    """What is left of an integer in a float of 32 bits."""
    return int(struct.unpack("f", struct.pack("f", int(digits)))[0])


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def decode(line: bytes) -> Message:
    """What a line is; Stray or Violation where it is no message."""
    begins = (line if mutant("indented-line-strays") else line.lstrip(b" \t\r\n"))[:1] == b"{"
    if mutant("cr-breaks") and line.endswith(b"\r"):
        raise Violation("a CR at the end of a line")
    spoilt = b'"jsonrpc"' in line and not mutant("spoilt-message-goes-by")
    if not begins:
        if spoilt:
            raise Violation("stray output spoilt a message")
        raise Stray
    try:
        number = single if mutant("integers-as-singles") else int
        constant = (lambda _: None) if mutant("nan-taken") else refuse
        whole = json.loads(line.decode(), parse_int=number, parse_constant=constant)
    except (ValueError, RecursionError) as fault:
        if mutant("broken-line-goes-by"):
            raise Stray from fault
        raise Violation(f"a line is not JSON: {fault}") from fault
    if mutant("envelope-closed") and whole.keys() - MEMBERS - {"params"}:
        raise Violation("an unknown member")
    if not whole.keys() & MEMBERS:
        if spoilt:
            raise Violation("stray output spoilt a message")
        raise Violation("no message") if mutant("object-breaks") else Stray
    return classify(whole, len(line))


def classify(whole: Object, size: int) -> Message:
    ends = whole.keys() & {"result", "error"}
    method, identity = whole.get("method"), whole.get("id")
    message = Message(
        "", identity, method if isinstance(method, str) else "", whole.get("params", {}),
        whole.get("result"), whole.get("error"), size,
    )  # fmt: skip
    if isinstance(method, str) and "id" not in whole and not ends:
        message.what = "notification"
        if whole.get("jsonrpc") != "2.0":
            message.method = ""
        return message
    if whole.get("jsonrpc") != "2.0" and not mutant("jsonrpc-unchecked"):
        raise Violation('"jsonrpc" is not "2.0"')
    if "method" in whole:
        message.what = "request"
        if ends and mutant("method-and-result-taken"):
            message.what = "response"
            return message
        if ends or not (isinstance(method, str) or mutant("method-unchecked")):
            raise Violation("a request with a result, or whose method is no string")
        if not is_id(identity) and not mutant("request-id-unchecked"):
            raise Violation("a request with an invalid id")
        if not isinstance(message.params, (dict, list)) and not mutant("scalar-params-taken"):
            raise Violation("params are neither object nor array")
        return message
    message.what = "response"
    if identity is None and "id" in whole and "error" in whole:
        if mutant("null-error-goes-by"):
            raise Stray
        raise Violation("an error with id null")
    if mutant("no-result-is-null") and not ends:
        return message
    if len(ends) != 1 and not (mutant("result-and-error-taken") and ends):
        raise Violation("a response has either a result or an error")
    if not is_id(identity):
        raise Violation("a response with an invalid id")
    error = message.error
    well = isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("message"), str)
    if mutant("error-unchecked") and "error" in whole and not well:
        message.error = {"code": 0, "message": ""}
        return message
    if "error" in whole and not well:
        raise Violation("an error without code and message")
    return message


def quote(line: bytes) -> str:
    """Its first 200 bytes, harmless on a terminal."""
    if mutant("stray-quoted-raw"):
        return line[:200].decode(errors="replace")
    piece = line if mutant("stray-quoted-whole") else line[:200]
    text = piece.decode(errors="replace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class Lines:
    """Bytes in, lines out; holds at most a line of the limit."""

    def __init__(self) -> None:
        self.limit = HANDSHAKE_LINE // 2 if mutant("handshake-line-short") else HANDSHAKE_LINE
        self.rest = b""
        self.fresh = True

    def push(self, chunk: bytes) -> list[bytes]:
        if mutant("splits-on-cr"):
            chunk = chunk.replace(b"\r", b"\n")
        if mutant("splits-on-u2028"):
            chunk = chunk.replace("\u2028".encode(), b"\n")
        if mutant("splits-on-u0085"):
            chunk = chunk.replace("\u0085".encode(), b"\n")
        if mutant("read-is-line"):
            return [line for line in chunk.split(b"\n") if line]
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        longest = max(map(len, [*lines, self.rest]))
        if longest >= self.limit - (0 if mutant("line-limit-short") else -1) and not mutant("line-limit-ignored"):
            raise Violation(f"a line is longer than the limit of {self.limit} bytes", "too_large")
        blank = mutant("blank-line-strays")
        return [line for line in map(self.clean, lines) if line.strip(b" \t\r\n") or blank]

    def clean(self, line: bytes) -> bytes:
        if self.fresh and not mutant("bom-strays"):
            line = line.removeprefix(b"\xef\xbb\xbf")
        self.fresh = False
        return line
