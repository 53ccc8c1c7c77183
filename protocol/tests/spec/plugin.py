"""The plugin behind the transcripts of SPEC.md: every feature of the wire, no SDK, no dependency.

From bytes to meaning: `LineReader` and `Writer` frame, `Peer` keeps the rules of messages, lifecycle
and load, `Call` is one request being served, `Demo` is the contract. One thread reads; each call has
a thread of its own; a lock is never held while writing or while user code runs.
"""

from __future__ import annotations

import enum
import json
import os
import signal
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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


@dataclass
class Callback:
    """A request of ours that the host has not answered yet."""

    depth: int
    place: threading.Semaphore | None
    done: threading.Event = field(default_factory=threading.Event)
    answer: Params = field(default_factory=dict)

    def end(self, answer: Params) -> None:
        self.answer = answer
        if self.place:
            self.place.release()
        self.done.set()


class Call:
    """One request of the host's in flight, as its handler sees it."""

    def __init__(self, peer: Peer, id: Id, method: Method, meta: Params, depth: int) -> None:
        self.id, self.method, self.depth, self._peer = id, method, depth, peer
        limit: Json = meta.get("deadlineMs")
        self._deadline = time.monotonic() + limit / 1000 if is_integer(limit, high=2**40) else None
        self._change = threading.Condition()  # guards everything below
        self._stopped: RpcError | None = None
        self._hung_up = False  # end of file came: no more input, no more credit
        self._ended = method.input is None  # the input is complete
        self._input: deque[tuple[list[Json], int]] = deque()  # bounded by `_room`
        self._room = LIMITS["streamWindowBytes"]  # credit the host has left; input may overdraw it once
        self._credit = peer.limits["streamWindowBytes"]  # credit we have left

    def stop(self, error: RpcError) -> None:
        with self._change:
            self._stopped = self._stopped or error
            self._change.notify_all()

    def hang_up(self) -> None:
        with self._change:
            self._hung_up = True
            self._change.notify_all()

    def remaining(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        if self._stopped:
            raise self._stopped
        if self.remaining() == 0:
            raise RpcError(DEADLINE)

    def _wait(self, ready: Callable[[], bool]) -> None:
        """Until `ready`; raises once the call is stopped or late. Needs `_change`."""
        self._change.wait_for(lambda: self._stopped or self._hung_up or ready(), self.remaining())
        self.check()
        if not ready():
            raise RpcError(CANCELLED)

    def sleep(self, seconds: float) -> None:
        with self._change:
            left = self.remaining()
            self._change.wait_for(lambda: self._stopped, seconds if left is None else min(left, seconds))
            self.check()

    def progress(self, value: int, total: int) -> None:
        if "progress" in self._peer.features:
            self._peer.writer.notify("rpc.progress", {"id": self.id, "progress": value, "total": total})

    def log(self, level: str, message: str) -> None:
        if "log" in self._peer.features:
            self._peer.writer.notify("rpc.log", {"level": level, "message": message})

    def ask(self, method: str, params: Params) -> Json:
        return self._peer.ask(self, method, params)

    def emit(self, item: Json) -> None:
        """Sends one output item when there is credit."""
        message = {"method": "rpc.output", "params": {"id": self.id, "items": [item]}}
        line = self._peer.writer.line(message, self._peer.limits["streamWindowBytes"] - 1)
        with self._change:
            self._wait(lambda: self._credit > 0)
            self._credit -= len(line) + 1
        self._peer.writer.write(line)

    def add_credit(self, bytes_: int) -> None:
        with self._change:
            self._credit += bytes_
            self._change.notify_all()

    def feed(self, items: list[Json], cost: int) -> None:
        with self._change:
            fits = self._room > 0 and cost <= LIMITS["streamWindowBytes"] and not self._ended
            if fits:
                self._room -= cost
                self._input.append((items, cost))
            self._change.notify_all()
        if not fits:
            self.stop(RpcError(STREAM))

    def end_input(self) -> None:
        with self._change:
            self._ended = True
            self._change.notify_all()

    def items(self) -> Iterator[Json]:
        """The input; gives credit back whenever half a window is taken."""
        taken = 0
        while True:
            with self._change:
                self._wait(lambda: bool(self._input) or self._ended)
                if not self._input:
                    return
                items, cost = self._input.popleft()
            for item in items:
                require(self.method.input or {}, item)
                yield item
            taken += cost
            if taken >= LIMITS["streamWindowBytes"] // 2:
                with self._change:
                    self._room += taken
                self._peer.writer.notify("rpc.inputCredit", {"id": self.id, "bytes": taken})
                taken = 0


INTEGER: Schema = {"type": "integer", "minimum": -1_000_000, "maximum": 1_000_000}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
TEXT: Schema = {"type": "string"}
NULL: Schema = {"type": "null"}
LEVEL: Schema = {"type": "string", "enum": ["trace", "debug", "info", "warn", "error"]}
PLANNED: Params = {"code": 1001, "message": "planned", "name": "Planned", "data": {"type": "object"}}
CONFIG: Schema = {"type": "object", "properties": {"refuse": TEXT}, "additionalProperties": False}


@dataclass(frozen=True)
class Method:
    """A method: what it does and what the manifest says of it. No result: a notification."""

    name: str
    params: dict[str, Schema]
    result: Schema | None
    example: Params
    run: Callable[[Call, Params], Json] = lambda call, params: None
    input: Schema | None = None
    output: Schema | None = None
    errors: list[Params] | str | None = None

    @property
    def closed_params(self) -> Schema:
        names = list(self.params)
        return {"type": "object", "properties": self.params, "required": names, "additionalProperties": False}

    def openrpc(self) -> Params:
        params = [{"name": name, "required": True, "schema": schema} for name, schema in self.params.items()]
        own = {key: value for key in ("input", "output", "errors") if (value := getattr(self, key)) is not None}
        told: Params = {"name": self.name, "paramStructure": "by-name", "params": params}
        if self.result is not None:
            told["result"] = {"name": "result", "schema": self.result}
        if isinstance(self.errors, list):
            told["errors"] = [{"code": error["code"], "message": error["message"]} for error in self.errors]
        if own:
            own["examples"] = [{"name": "example", **self.example}]
        else:
            given = [{"name": name, "value": value} for name, value in self.example["params"].items()]
            pairing: Params = {"name": "example", "params": given}
            if self.result is not None:
                pairing["result"] = {"name": "result", "value": self.example["result"]}
            told["examples"] = [pairing]
        return {**told, "x-plugline": own} if own else told


class Demo:
    """The contract `demo` 1.0.0."""

    def __init__(self) -> None:
        self._notes: deque[str] = deque(maxlen=100)
        ask = Method("demo.ask", {"question": TEXT}, TEXT, {"params": {"question": "6 * 7"}, "result": "42"})
        texts: Schema = {"type": "array", "items": TEXT}
        methods = [
            Method("demo.add", {"a": INTEGER, "b": INTEGER}, INTEGER | {"minimum": -2_000_000, "maximum": 2_000_000},
                   {"params": {"a": 2, "b": 3}, "result": 5}, lambda call, p: p["a"] + p["b"]),
            Method("demo.sleep", {"ms": COUNT}, NULL, {"params": {"ms": 1}, "result": None},
                   lambda call, p: call.sleep(p["ms"] / 1000)),
            Method("demo.fail", {"reason": TEXT}, NULL, {"params": {"reason": "why"}, "error": {"code": 1001}},
                   self._fail, errors=[PLANNED]),
            Method("demo.log", {"level": LEVEL, "message": TEXT}, NULL,
                   {"params": {"level": "info", "message": "hello"}, "result": None},
                   lambda call, p: call.log(p["level"], p["message"])),
            Method("demo.steps", {"n": COUNT}, NULL, {"params": {"n": 2}, "result": None}, self._steps),
            Method("demo.callback", {"question": TEXT}, TEXT, {"params": {"question": "6 * 7"}, "result": "42"},
                   lambda call, p: call.ask("demo.ask", p), errors="any"),
            Method("demo.ping", {}, NULL, {"params": {}, "result": None}, self._ping, errors="any"),
            Method("demo.count", {"n": COUNT}, NULL, {"params": {"n": 2}, "output": [0, 1], "result": None},
                   self._count, output=INTEGER),
            Method("demo.fill", {"lines": COUNT, "width": COUNT}, NULL,
                   {"params": {"lines": 1, "width": 3}, "output": ["xxx"], "result": None}, self._fill, output=TEXT),
            Method("demo.sum", {}, {"type": "integer"}, {"params": {}, "input": [1, 2], "result": 3},
                   lambda call, p: sum(call.items()), input=INTEGER),
            Method("demo.double", {}, NULL, {"params": {}, "input": [1, 2], "output": [2, 4], "result": None},
                   self._double, input=INTEGER, output={"type": "integer"}),
            Method("demo.note", {"text": TEXT}, None, {"params": {"text": "first"}},
                   lambda call, p: self._notes.append(p["text"])),
            Method("demo.notes", {}, texts, {"params": {}, "result": []}, lambda call, p: list(self._notes)),
        ]  # fmt: skip
        self.methods = {method.name: method for method in methods}
        self.provides = [{"contract": "demo", "version": "1.0.0"}]
        self.manifest: Params = {
            "openrpc": "1.3.2",
            "info": {"title": "demo", "version": "1.0.0"},
            "methods": [method.openrpc() for method in methods],
            "x-plugline": {"protocol": [1], "provides": self.provides, "requires": [], "config": CONFIG,
                           "hostMethods": [ask.openrpc()], "instances": "many"},
        }  # fmt: skip

    def _fail(self, call: Call, params: Params) -> Json:
        raise RpcError(PLANNED["code"], {"reason": params["reason"]}, PLANNED["message"])

    def _steps(self, call: Call, params: Params) -> None:
        for step in range(1, params["n"] + 1):
            call.check()
            call.progress(step, params["n"])

    def _ping(self, call: Call, params: Params) -> None:
        call.ask("rpc.ping", {})

    def _count(self, call: Call, params: Params) -> None:
        for number in range(params["n"]):
            call.emit(number)

    def _fill(self, call: Call, params: Params) -> None:
        for _ in range(params["lines"]):
            call.emit("x" * int(params["width"]))

    def _double(self, call: Call, params: Params) -> None:
        for number in call.items():
            call.emit(2 * number)


LIMITS_SCHEMA = {
    "type": "object",
    "properties": {name: {"type": "integer", "minimum": least} for name, least in MINIMA.items()},
}
NAMED = {"type": "object", "properties": {"name": TEXT, "version": TEXT}}
INITIALIZE: Schema = {
    "type": "object",
    "required": ["protocolVersions"],
    "properties": {
        "protocolVersions": {"type": "array", "items": {"type": "integer"}},
        "host": NAMED,
        "instance": TEXT,
        "limits": LIMITS_SCHEMA,
        "capabilities": {
            "type": "object",
            "properties": {
                "progress": {"type": "object"}, "log": {"type": "object"}, "streams": {"type": "object"},
                "callbacks": {"type": "object", "properties": {"methods": {"type": "array", "items": TEXT}}},
            },
        },
    },
}  # fmt: skip
SHUTDOWN: Schema = {"type": "object", "properties": {"graceMs": {"type": "integer", "minimum": 0}}}
RPC_REQUESTS = {"rpc.initialize": INITIALIZE, "rpc.shutdown": SHUTDOWN, "rpc.discover": {}, "rpc.ping": {}}


class State(enum.Enum):
    NEW = enum.auto()
    READY = enum.auto()
    CLOSING = enum.auto()


class Peer:
    """The plugin's end of the connection."""

    def __init__(self, demo: Demo, reader: LineReader, writer: Writer) -> None:
        self.writer = writer
        self.limits = dict(HOST_DEFAULTS)  # what the host accepts
        self.features: set[str] = set()  # what the host declared
        self._demo, self._reader = demo, reader
        self._places: defaultdict[int, threading.Semaphore] = defaultdict(
            lambda: threading.Semaphore(self.limits["maxInFlight"])
        )
        self._change = threading.Condition()  # guards everything below
        self._state = State.NEW
        self._gone = False
        self._calls: dict[Id, Call | None] = {}  # in flight; None is rpc.shutdown
        self._load: Counter[int] = Counter()  # calls in flight by depth
        self._unanswered = 0  # calls whose response is not written yet
        self._callbacks: dict[int, Callback] = {}
        self._next_id = 0
        self._closer: threading.Thread | None = None  # answers rpc.shutdown; only the reader knows it

    def run(self) -> None:
        """Serves until end of file, then finishes within two seconds."""
        for line in self._reader:
            if isinstance(line, Oversize):
                self._respond(None, RpcError(TOO_LARGE, {"limit": line.limit, "size": line.size}))
                continue
            try:
                message = decode(line.text)
            except (ValueError, RecursionError):
                self._respond(None, RpcError(PARSE))
            else:
                self._receive(message, line.cost)
        with self._change:
            self._gone = True
            calls = [call for call in self._calls.values() if call]
        for call in calls:
            call.hang_up()
        self._abandon_callbacks()
        self._drain(1.5)
        if self._closer:
            self._closer.join(0.2)

    def terminate(self) -> None:
        """What SIGTERM asks for."""
        self._close()
        self._drain(1.5)
        os._exit(0)

    def ask(self, call: Call, method: str, params: Params) -> Json:
        """A request to the host on behalf of `call`. Queues where the host takes no more."""
        place = None
        if not method.startswith("rpc."):
            if "callbacks" not in self.features:
                raise RpcError(NO_METHOD)
            with self._change:
                place = self._places[call.depth + 1]
            while not place.acquire(timeout=0.05):
                call.check()
        callback = Callback(call.depth + 1, place)
        with self._change:
            gone, id, self._next_id = self._gone, self._next_id, self._next_id + 1
            self._callbacks[id] = callback
        try:
            if gone:
                raise RpcError(INTERNAL, message="the host is gone")
            request = {"id": id, "method": method, "params": {**params, "_meta": {"parent": call.id}}}
            line = self.writer.line(request)
        except RpcError as error:
            self._answer_callback(id, {"error": error.body})
            raise
        self.writer.write(line)
        if not callback.done.wait(call.remaining()):
            self.writer.notify("rpc.cancel", {"id": id})
            raise RpcError(DEADLINE)
        if "error" in callback.answer:
            body = callback.answer["error"]
            raise RpcError(body["code"], body.get("data"), body["message"])
        return callback.answer["result"]

    def _answer_callback(self, id: Json, answer: Params) -> None:
        with self._change:
            callback = self._callbacks.pop(id, None)
        if callback:
            callback.end(answer)
        else:
            print(f"a response to nothing: {id!r}", file=sys.stderr)

    def _abandon_callbacks(self) -> None:
        with self._change:
            ids = list(self._callbacks)
        for id in ids:
            if not self._gone:
                self.writer.notify("rpc.cancel", {"id": id})
            self._answer_callback(id, {"error": RpcError(CANCELLED).body})

    def _respond(self, id: Id | None, outcome: Json) -> None:
        def body(outcome: Json) -> Params:
            return {"error": outcome.body} if isinstance(outcome, RpcError) else {"result": outcome}

        try:
            line = self.writer.line({"id": id, **body(outcome)})
        except RpcError as error:
            line = self.writer.line({"id": id, **body(error)})
        self.writer.write(line)

    def _receive(self, message: Json, cost: int) -> None:
        """One parsed line: request, response, notification, or none of them."""
        if not isinstance(message, dict):
            return self._respond(None, RpcError(INVALID))
        id: Json = message.get("id")
        method: Json = message.get("method")
        versioned = message.get("jsonrpc") == "2.0"
        ends = {"result", "error"} & message.keys()
        if isinstance(method, str) and "id" not in message and not ends:
            return self._notified(method, message.get("params", {}), cost) if versioned else None
        if "method" not in message and len(ends) == 1 and is_id(id) and versioned and well_formed(message):
            return self._answer_callback(id, message)
        if "method" not in message or ends or not is_id(id) or id in self._calls:
            return self._respond(None, RpcError(INVALID))
        params = message.get("params", {})
        if not versioned or not isinstance(method, str) or not isinstance(params, dict | list):
            return self._respond(id, RpcError(INVALID))
        try:
            self._request(id, method, params)
        except RpcError as error:
            self._respond(id, error)

    def _notified(self, method: str, params: Json, cost: int) -> None:
        if not isinstance(params, dict) or self._state is State.NEW:
            return
        id: Json = params.get("id")
        call = self._calls.get(id) if is_id(id) else None
        if call and method == "rpc.cancel":
            call.stop(RpcError(CANCELLED))
        elif call and method == "rpc.input" and isinstance(params.get("items"), list):
            call.feed(params["items"], cost)
        elif call and method == "rpc.inputEnd":
            call.end_input()
        elif call and method == "rpc.outputCredit" and is_integer(params.get("bytes")):
            call.add_credit(params["bytes"])
        elif (known := self._demo.methods.get(method)) and known.result is None:
            params.pop("_meta", None)
            if not faults(known.closed_params, params):
                known.run(Call(self, 0, known, {}, 0), params)

    def _request(self, id: Id, method: str, params: Json) -> None:
        """The checks in their order: lifecycle, method, params, load."""
        if self._state is State.CLOSING and method != "rpc.ping":
            raise RpcError(CLOSING)
        if self._state is State.NEW and method not in RPC_REQUESTS:
            raise RpcError(NOT_INITIALIZED)
        if self._state is State.READY and method == "rpc.initialize":
            raise RpcError(INVALID)
        known = self._demo.methods.get(method)
        streams = known and (known.input or known.output)
        callable_ = known and known.result is not None and (not streams or "streams" in self.features)
        if method not in RPC_REQUESTS and not callable_:
            raise RpcError(NO_METHOD)
        if not isinstance(params, dict):
            raise RpcError(BAD_PARAMS, {"errors": [{"path": "", "message": "must be of type object"}]})
        meta = params.pop("_meta", None)
        meta = meta if isinstance(meta, dict) else {}
        if known:
            require(known.closed_params, params)
            return self._start(id, known, params, meta)
        require(RPC_REQUESTS[method], params)
        if method == "rpc.shutdown":
            return self._shutdown(id, params.get("graceMs", 5000) / 1000)
        if method == "rpc.initialize":
            return self._respond(id, self._initialize(params))
        self._respond(id, self._demo.manifest if method == "rpc.discover" else {})

    def _initialize(self, params: Params) -> Params:
        if 1 not in params["protocolVersions"]:
            raise RpcError(UNSUPPORTED, {"supported": [1]})
        config = params.get("config", {})
        require(CONFIG, config, BAD_CONFIG)
        if "refuse" in config:
            raise RpcError(DECLINED, {"reason": config["refuse"]})
        self.limits |= {name: int(value) for name, value in params.get("limits", {}).items() if name in MINIMA}
        self.features = set(params.get("capabilities", {}))
        self.writer.limit, self._reader.limit = self.limits["maxLineBytes"], LIMITS["maxLineBytes"]
        self._state = State.READY
        features = ("cancel", "progress", "log", "streams", "callbacks")
        return {"protocolVersion": 1, "plugin": {"name": "demo", "version": "1.0.0"}, "limits": LIMITS,
                "provides": self._demo.provides, "capabilities": {name: {} for name in features}}  # fmt: skip

    def _start(self, id: Id, method: Method, params: Params, meta: Params) -> None:
        parent: Json = meta.get("parent")
        with self._change:
            cause = self._callbacks.get(parent) if is_integer(parent) else None
            depth = cause.depth + 1 if cause else 0
            if depth > LIMITS["maxDepth"]:
                raise RpcError(OVERLOADED, {"limit": LIMITS["maxDepth"]})
            if self._load[depth] >= LIMITS["maxInFlight"]:
                raise RpcError(OVERLOADED, {"limit": LIMITS["maxInFlight"]})
            call = Call(self, id, method, meta, depth)
            self._calls[id] = call
            self._load[depth] += 1
            self._unanswered += 1
        threading.Thread(target=self._serve, args=(call, params), daemon=True).start()

    def _serve(self, call: Call, params: Params) -> None:
        outcome: Json
        try:
            outcome = call.method.run(call, params)
            if faults(call.method.result or {}, outcome):
                outcome = RpcError(INTERNAL)
        except RpcError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001 - a fault of a handler must not end the plugin
            print(f"{call.method.name}: {error!r}", file=sys.stderr)
            outcome = RpcError(INTERNAL)
        with self._change:  # the host may use the id and the place again as soon as it has the response
            del self._calls[call.id]
            self._load[call.depth] -= 1
        self._respond(call.id, outcome)
        with self._change:
            self._unanswered -= 1
            self._change.notify_all()

    def _close(self) -> None:
        self._state = State.CLOSING

    def _shutdown(self, id: Id, grace: float) -> None:
        def answer() -> None:
            self._drain(grace)
            with self._change:
                del self._calls[id]
            self._respond(id, None)

        self._close()
        with self._change:
            self._calls[id] = None
        self._closer = threading.Thread(target=answer, daemon=True)
        self._closer.start()

    def _drain(self, grace: float) -> None:
        """Lets the calls in flight end within `grace` seconds, then stops the rest."""
        with self._change:
            self._change.wait_for(lambda: self._unanswered == 0, grace)
            late = [call for call in self._calls.values() if call]
        for call in late:
            call.stop(RpcError(CANCELLED))
        if late:
            self._abandon_callbacks()
        with self._change:
            self._change.wait_for(lambda: self._unanswered == 0, 0.3)


def well_formed(response: Params) -> bool:
    error = response.get("error")
    told = isinstance(error, dict) and type(error.get("code")) is int and type(error.get("message")) is str
    return told or "result" in response


def main() -> None:
    wire = os.dup(1)  # not inherited; what prints to standard output now goes to standard error
    os.dup2(2, 1)
    peer = Peer(Demo(), LineReader(0), Writer(wire))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=peer.terminate, daemon=True).start())
    signal.signal(signal.SIGINT, lambda *_: None)
    peer.run()
    os._exit(0)


if __name__ == "__main__":
    main()
