"""What the plugin may ask of this host: the contract conf_host, and the protocol's own requests."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field
from typing import Any

from instance import Call, Failure, Plugin
from wire import Fault, Json, Message, Object, Unsendable, Violation, invalid_params, mutant

PARAMS: dict[str, dict[str, Any]] = {
    "conf_host.echo": {"value": object},
    "conf_host.fail": {"code": int, "message": str, "data": object},
    "conf_host.call": {"method": str, "params": object},
    "conf_host.panic": {},
    "conf_host.note": {"text": str},
    "conf_host.notes": {},
}
OPTIONAL = {"data"}
LANE_BYTES = 8 * 1024 * 1024
EARLY = {"rpc.initialize", "rpc.discover", "rpc.ping", "rpc.shutdown"}


@dataclass
class Incoming:
    """A request of the plugin, until its answer."""

    id: Json
    depth: int
    parent: Json
    cancelled: threading.Event = field(default_factory=threading.Event)
    nested: Call | None = None
    answered: bool = False
    waits: bool = False


class Callbacks:
    """One plugin's requests and notifications."""

    def __init__(self, served: list[str]) -> None:
        self.served = set(served)
        self.name = ""
        self.notes: list[str] = []
        self.inflight: dict[Json, Incoming] = {}
        self.lane: queue.SimpleQueue[tuple[Message, int] | None] = queue.SimpleQueue()
        self.lane_bytes = self.arrived = self.handled = 0
        self.lock = threading.RLock()
        self.moved = threading.Condition(self.lock)

    def open(self, plugin: Plugin) -> None:
        self.plugin = plugin
        threading.Thread(target=self.listen, daemon=True).start()

    def close(self) -> None:
        self.lane.put(None)
        with self.lock:
            for incoming in self.inflight.values():
                incoming.cancelled.set()

    # Notifications, one after another.

    def notification(self, message: Message) -> None:
        if message.method == "rpc.cancel":
            with self.lock:
                incoming = self.inflight.get(message.params["id"])
            if incoming and not mutant("callback-cancel-ignored"):
                self.cancel(incoming)
            return
        if message.method == "rpc.input":
            with self.lock:
                incoming = self.inflight.get(message.params["id"])
            if incoming and not mutant("callback-input-ignored"):
                incoming.cancelled.set()
                if incoming.nested:
                    self.plugin.cancel(incoming.nested)
                self.answer(incoming, error=Fault(-32008, "a host's methods have no input"))
            return
        if message.method not in self.served:
            raise ValueError("nobody listens to it")
        params = self.checked(message.method, message.params)
        if mutant("notifications-unordered") and len(params["text"]) < 3:
            threading.Timer(0.05, self.notes.append, [params["text"]]).start()
            return
        with self.lock:
            self.lane_bytes += message.size
            self.arrived += 1
            if self.lane_bytes > LANE_BYTES and not mutant("notifications-unbounded"):
                raise Violation("more notifications than can be held", "overloaded")
            self.lane.put((Message("", None, message.method, params, None, None, message.size), self.arrived))

    def listen(self) -> None:
        while (item := self.lane.get()) is not None:
            message, number = item
            self.plugin.gate.wait()
            self.notes.append(message.params["text"])
            with self.lock:
                self.lane_bytes -= message.size
                self.handled = number
                self.moved.notify_all()

    # Requests.

    def request(self, message: Message) -> None:
        if mutant("absent-params-unanswered") and message.params == {} and message.method not in EARLY:
            return
        meta = message.params.get("_meta", {}) if isinstance(message.params, dict) else {}
        parent = meta.get("parent") if isinstance(meta, dict) else None
        own = self.plugin.calls.get(parent) if type(parent) is int else None
        if mutant("clean-up-refused") and own and own.ended:
            self.answer(Incoming(message.id, 0, None), error=Fault(-32004, "cancelled"))
            return
        if message.id in self.inflight and not mutant("request-id-reused"):
            raise Violation("a request whose id is in flight")
        if mutant("one-id-space") and message.id in self.plugin.calls:
            raise Violation("a request whose id is in flight")
        incoming = Incoming(message.id, own.depth + 1 if own else 0, parent if own else None)
        try:
            self.admit(message, incoming)
        except Fault as fault:
            self.answer(incoming, error=fault)
            return
        with self.lock:
            ticket = self.arrived
        threading.Thread(target=self.handle, args=[message, incoming, ticket], daemon=True).start()

    def admit(self, message: Message, incoming: Incoming) -> None:
        method, limits = message.method, self.plugin.limits
        if method == "rpc.ping":
            if mutant("ping-unanswered"):
                return
            self.answer(incoming, result={})
            raise Done
        if method not in EARLY and not self.plugin.ready and not mutant("early-request-served"):
            raise Fault(-32000, "not initialized")
        if method not in self.served or method not in PARAMS:
            if mutant("unknown-method-unanswered"):
                raise Done
            raise Fault(-32603 if mutant("unknown-method-internal") else -32601, "method not found")
        self.checked(method, message.params)
        with self.lock:
            here = sum(other.depth == incoming.depth for other in self.inflight.values())
            if here >= limits["maxInFlight"] and not mutant("load-unbounded"):
                raise Fault(-32006, "overloaded", {"limit": limits["maxInFlight"]})
            if incoming.depth > limits["maxDepth"] and not mutant("depth-unbounded"):
                raise Fault(-32006, "overloaded", {"limit": limits["maxDepth"]})
            self.inflight[incoming.id] = incoming

    def checked(self, method: str, params: Json) -> Object:
        if isinstance(params, list):
            if mutant("array-params-taken"):
                params = dict(zip(PARAMS[method], params, strict=False))
            else:
                raise invalid_params("", "must be an object")
        if not mutant("meta-seen"):
            params = {name: value for name, value in params.items() if name != "_meta"}
        wanted = PARAMS[method]
        for name in params:
            if name not in wanted and not mutant("unknown-param-taken"):
                raise invalid_params(f"/{name}", "unknown")
        for name, type_ in wanted.items():
            if name not in params:
                if name not in OPTIONAL and not mutant("missing-param-taken"):
                    raise invalid_params(f"/{name}", "required")
            elif not isinstance(params[name], type_) and not mutant("param-types-unchecked"):
                raise invalid_params(f"/{name}", f"must be {type_.__name__}")
        return {name: params.get(name) for name in wanted}

    def handle(self, message: Message, incoming: Incoming, ticket: int) -> None:
        try:
            if not mutant("request-overtakes"):
                with self.lock:
                    self.moved.wait_for(lambda: self.handled >= ticket or self.plugin.broken is not None, 60)
            result = self.run(message.method, self.checked(message.method, message.params), incoming)
            self.answer(incoming, result=result)
        except Fault as fault:
            self.answer(incoming, error=fault)
        except Exception as fault:  # noqa: BLE001 (any fault of a handler)
            if mutant("panic-unanswered"):
                return
            self.answer(incoming, error=Fault(-32603, str(fault)))

    def run(self, method: str, params: Object, incoming: Incoming) -> Json:
        if method == "conf_host.echo":
            return params["value"]
        if method == "conf_host.fail":
            raise Fault(params["code"], params["message"], None if mutant("error-data-lost") else params["data"])
        if method == "conf_host.notes":
            return list(self.notes)
        if method == "conf_host.panic":
            raise RuntimeError("as the runner wanted")
        return self.forward(params, incoming)

    def forward(self, params: Object, incoming: Incoming) -> Json:
        call = Call(params["method"], params["params"], incoming.depth + 1, incoming.id)
        if mutant("nested-depth-flat"):
            call.depth = 0
        incoming.nested = call
        try:
            self.plugin.begin(call, 30_000)
        except Failure as fault:
            raise Fault(-32603, str(fault)) from fault
        while True:
            what, told = self.plugin.wait(call)
            if what == "result":
                return told
            if what == "error":
                body = told.body
                remote = body["kind"] == "remote_error"
                code = body["code"] if remote else -32004 if body["kind"] == "cancelled" else -32603
                raise Fault(code, body["message"], body.get("data"))

    def cancel(self, incoming: Incoming) -> None:
        """Answers for it, and cancels what was called in turn."""
        incoming.cancelled.set()
        if incoming.nested and not mutant("nested-call-survives"):
            self.plugin.cancel(incoming.nested)
        self.answer(incoming, error=Fault(-32004, "cancelled"))

    def cancel_of(self, parent: int) -> None:
        """The callbacks in flight that were made while that call was handled."""
        with self.lock:
            mine = [incoming for incoming in self.inflight.values() if incoming.parent == parent]
        for incoming in mine:
            self.cancel(incoming)

    def answer(self, incoming: Incoming, result: Json = None, error: Fault | None = None) -> None:
        with self.lock:
            if incoming.answered:
                return
            incoming.answered = True
            self.inflight.pop(incoming.id, None)
        identity = str(incoming.id) if mutant("answers-with-strings") else incoming.id
        body: Object = {"error": error.body()} if error else {"result": result}
        if mutant("result-null-left-out") and body.get("result", 0) is None:
            body = {}
        try:
            limit = 1 << 60 if mutant("long-answer-sent") else None
            for _ in range(2 if mutant("answered-twice") else 1):
                self.plugin.send({"id": identity, **body}, limit)
        except Unsendable as fault:
            replaced = Fault(-32603, str(fault))
            if fault.kind == "too_large":
                limit = self.plugin.remote["maxLineBytes"]
                replaced = Fault(-32007, "message too large", {"limit": limit, "size": fault.size})
            if not mutant("long-answer-dropped"):
                self.plugin.send({"id": identity, "error": replaced.body()})


class Done(Fault):
    """Nothing more is to be answered."""

    def __init__(self) -> None:
        super().__init__(0, "")
