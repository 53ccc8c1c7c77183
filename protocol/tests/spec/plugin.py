"""The plugin behind the transcripts of SPEC.md: every feature of the wire, no SDK, no dependency.

From bytes to meaning: `wire.py` frames, `Peer` here keeps the rules of messages, lifecycle and load, `call.py`
is one request being served, `demo.py` is the contract. One thread reads; each call has a thread of its own; a
lock is never held while writing or while user code runs.
"""

from __future__ import annotations

import enum
import os
import signal
import sys
import threading
from collections import Counter, defaultdict

from call import Call, Callback
from demo import CONFIG, TEXT, Demo, Method
from wire import (
    BAD_CONFIG,
    BAD_PARAMS,
    CANCELLED,
    CLOSING,
    DEADLINE,
    DECLINED,
    HOST_DEFAULTS,
    INTERNAL,
    INVALID,
    LIMITS,
    MINIMA,
    NO_METHOD,
    NOT_INITIALIZED,
    OVERLOADED,
    PARSE,
    TOO_LARGE,
    UNSUPPORTED,
    Id,
    Json,
    LineReader,
    Oversize,
    Params,
    RpcError,
    Schema,
    Writer,
    decode,
    faults,
    is_id,
    is_integer,
    require,
)

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
        self.host_methods: set[str] = set()  # those of its callbacks
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
            if method not in self.host_methods:
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
        self.host_methods = set(params.get("capabilities", {}).get("callbacks", {}).get("methods", []))
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
