"""Lines and values: what SPEC.md says of framing, JSON, ids, errors and schemas."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, TypeGuard

Json = Any
Params = dict[str, Json]
Schema = dict[str, Json]
Id = int | str

MAX_INTEGER = 2**53 - 1
LINE_BEFORE_HANDSHAKE = 1 << 20
LIMITS = {"maxLineBytes": 65536, "maxInFlight": 2, "maxDepth": 2, "streamWindowBytes": 65536}
HOST_DEFAULTS = {"maxLineBytes": 16 << 20, "maxInFlight": 64, "maxDepth": 16, "streamWindowBytes": 256 << 10}
MINIMA = {"maxLineBytes": 65536, "maxInFlight": 1, "maxDepth": 1, "streamWindowBytes": 65536}

PARSE, INVALID, NO_METHOD, BAD_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603
NOT_INITIALIZED, UNSUPPORTED, BAD_CONFIG, CLOSING, CANCELLED = -32000, -32001, -32002, -32003, -32004
DEADLINE, OVERLOADED, TOO_LARGE, STREAM, DECLINED = -32005, -32006, -32007, -32008, -32009
TEXTS = {
    PARSE: "parse error", INVALID: "invalid request", NO_METHOD: "method not found",
    BAD_PARAMS: "invalid params", INTERNAL: "internal error", NOT_INITIALIZED: "not initialized",
    UNSUPPORTED: "unsupported protocol", BAD_CONFIG: "invalid config", CLOSING: "shutting down",
    CANCELLED: "cancelled", DEADLINE: "deadline exceeded", OVERLOADED: "overloaded",
    TOO_LARGE: "message too large", STREAM: "stream violation", DECLINED: "declined",
}  # fmt: skip


class RpcError(Exception):
    """An error as it travels."""

    def __init__(self, code: int, data: Json = None, message: str | None = None) -> None:
        self.body: Params = {"code": code, "message": message or TEXTS[code]}
        if data is not None:
            self.body["data"] = data


def encode(message: Json) -> bytes:
    """One compact line without its LF. Raises ValueError for what JSON or UTF-8 cannot say."""
    return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def decode(line: bytes) -> Json:
    """Strict UTF-8 and JSON: no NaN, no lone surrogates. Raises ValueError or RecursionError."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    value = json.loads(line.decode(), parse_constant=refuse)
    encode(value)
    return value


def is_integer(value: Json, low: int = 0, high: int = MAX_INTEGER) -> bool:
    return type(value) is int and low <= value <= high


def is_id(value: Json) -> TypeGuard[Id]:
    return is_integer(value) or (type(value) is str and len(value.encode()) <= 256)


def faults(schema: Schema, value: Json, path: str = "") -> list[Params]:
    """Where `value` breaks `schema` (the part of JSON Schema that this plugin's manifest uses)."""
    kinds: dict[str, tuple[type, ...]] = {
        "integer": (int,), "string": (str,), "array": (list,), "object": (dict,), "null": (type(None),)
    }  # fmt: skip
    kind = schema.get("type")
    whole = type(value) is float and value.is_integer()
    if kind and type(value) not in kinds[kind] and not (kind == "integer" and whole):
        return [{"path": path, "message": f"must be of type {kind}"}]
    if kind == "integer" and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return [{"path": path, "message": "out of range"}]
    if "enum" in schema and value not in schema["enum"]:
        return [{"path": path, "message": "not one of the choices"}]
    found: list[Params] = []
    if kind == "array":
        for index, item in enumerate(value):
            found += faults(schema.get("items", {}), item, f"{path}/{index}")
    if kind == "object":
        known: dict[str, Schema] = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value:
                found.append({"path": f"{path}/{name}", "message": "required"})
        for name, member in value.items():
            below = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
            if name in known:
                found += faults(known[name], member, below)
            elif schema.get("additionalProperties") is False:
                found.append({"path": below, "message": "unknown"})
    return found


def require(schema: Schema, value: Json, code: int = BAD_PARAMS) -> None:
    if errors := faults(schema, value):
        raise RpcError(code, {"errors": errors})


@dataclass(frozen=True)
class Line:
    text: bytes  # without its LF, the CR before it, and the BOM of the stream
    cost: int  # bytes on the wire, LF counted


@dataclass(frozen=True)
class Oversize:
    limit: int
    size: int


class LineReader:
    """Splits a descriptor's bytes on LF alone; holds at most `limit` bytes and one read."""

    def __init__(self, fd: int) -> None:
        self.limit = LINE_BEFORE_HANDSHAKE
        self._fd = fd

    def __iter__(self) -> Iterator[Line | Oversize]:
        held, size, bom = bytearray(), 0, b"\xef\xbb\xbf"
        while chunk := os.read(self._fd, 65536):
            pieces = chunk.split(b"\n")
            for index, piece in enumerate(pieces):
                size += len(piece)
                if size <= self.limit:
                    held += piece
                else:
                    held.clear()
                if index == len(pieces) - 1:
                    break  # no LF yet; at end of file this rest is discarded
                if size > self.limit:
                    yield Oversize(self.limit, size)
                else:
                    text = bytes(held).removeprefix(bom).removesuffix(b"\r")
                    if text.strip(b" \t\r"):
                        yield Line(text, size + 1)
                held.clear()
                size, bom = 0, b""


class Writer:
    """Whole lines, one at a time. A failed write ends the process: nobody reads any more."""

    def __init__(self, fd: int) -> None:
        self.limit = LINE_BEFORE_HANDSHAKE
        self._fd = fd
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        rest = memoryview(line + b"\n")
        with self._lock:
            try:
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
            except OSError:
                os._exit(0)

    def line(self, message: Params, limit: int | None = None) -> bytes:
        """Encodes; raises RpcError where the host would not take it."""
        line = encode({"jsonrpc": "2.0", **message})
        limit = self.limit if limit is None else min(limit, self.limit)
        if len(line) > limit:
            raise RpcError(TOO_LARGE, {"limit": limit, "size": len(line)})
        return line

    def notify(self, method: str, params: Params) -> None:
        """Sends a notification, or drops it where it is too long."""
        try:
            self.write(self.line({"method": method, "params": params}))
        except RpcError as error:
            print(f"{method} dropped: {error.body}", file=sys.stderr)
