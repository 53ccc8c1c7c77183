"""One instance: handshake, calls both ways, streams, and the ladder that ends it."""

from __future__ import annotations

import json
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from process import LEARN_EXIT, Process
from wire import (
    DEFAULTS,
    HANDSHAKE_LINE,
    MINIMA,
    Fault,
    Json,
    Lines,
    Message,
    Object,
    Stray,
    Unsendable,
    Violation,
    decode,
    depth,
    encode,
    invalid_params,
    is_id,
    mutant,
    quote,
)  # fmt: skip

if TYPE_CHECKING:
    from callbacks import Callbacks

NOTES_BYTES = 1024 * 1024
EVENT_BYTES = 1024 * 1024
STRAY_ALWAYS = 10
TIMES = {"start_ms": 10_000, "grace_ms": 5000, "exit_ms": 3000, "term_ms": 2000, "unhealthy_ms": 5000}


class Failure(Exception):
    """Why there is no result."""

    def __init__(self, kind: str, message: str, **more: Json) -> None:
        super().__init__(message)
        self.body: Object = {"kind": kind, "message": message, **more}


class Call:
    """A call of this side, from its queueing until the plugin's answer."""

    def __init__(self, method: str, params: Json, depth: int = 0, parent: Json = None) -> None:
        self.method, self.params, self.depth, self.parent = method, params, depth, parent
        self.id: int | None = None
        self.deadline: float | None = None
        self.output = self.input = False
        self.told: queue.SimpleQueue[tuple[str, Json]] = queue.SimpleQueue()
        self.ended = self.answered = self.cancelled = False
        self.credit = self.input_credit = 0
        self.taken = 0.0


class Plugin:
    """A process and what passes between it and this host."""

    def __init__(
        self, command: Object, tell: Callable[[Object], None], callbacks: Callbacks, ended: Callable[[], None]
    ) -> None:
        self.times = {**TIMES, **command.get("timeouts", {})}
        self.limits = {**DEFAULTS, **command.get("limits", {})}
        self.strict = bool(command.get("strict")) and not mutant("strict-ignored")
        self.command, self.tell, self.callbacks, self.ended = command, tell, callbacks, ended
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.room = threading.Condition(self.lock)
        self.calls: dict[int, Call] = {}
        self.waiting: deque[Call] = deque()
        self.serial = 0
        self.remote, self.capabilities, self.hello = dict(DEFAULTS), dict[str, Json](), dict[str, Json]()
        self.ready = self.wanted = False
        self.broken: Failure | None = None
        self.rung: str | None = None
        self.descending = False
        self.outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.events: queue.SimpleQueue[tuple[Object, int] | None] = queue.SimpleQueue()
        self.events_held = 0
        self.gate = threading.Event()
        self.gate.set()
        self.strays, self.first_stray = 0, ""
        self.half = b""
        self.lines = Lines()
        try:
            self.process = Process(command["argv"], command.get("env", {}), bool(command.get("guard")))
        except OSError as fault:
            kind = "closed" if mutant("spawn-failure-unnamed") else "spawn_failed"
            raise Failure(kind, str(fault), phase="spawn", command=command["argv"][0]) from fault
        self.callbacks.open(self)
        self.finished = threading.Event()
        self.reading = threading.Thread(target=self.read, daemon=True)
        for thread in [
            self.reading,
            threading.Thread(target=self.write, daemon=True),
            threading.Thread(target=self.process.watch, args=[self.exited], daemon=True),
            threading.Thread(target=self.show, daemon=True),
        ]:
            thread.start()

    # What happens, told to the driver as it takes it.

    def event(self, event: Object, droppable: bool = True) -> None:
        size = 64 + len(json.dumps(event))
        with self.lock:
            if droppable and self.events_held + size > EVENT_BYTES and not mutant("events-unbounded"):
                return
            self.events_held += size
        self.events.put((event, size))

    def show(self) -> None:
        while (item := self.events.get()) is not None:
            self.gate.wait()
            with self.lock:
                self.events_held -= item[1]
            self.tell({**item[0], "plugin": self.callbacks.name})

    def log(self, message: str) -> None:
        self.event({"event": "log", "source": "host", "level": "warn", "message": message})

    def exited(self) -> None:
        self.reading.join(1)
        self.lost()
        process = self.process
        self.event({
            "event": "exited", "code": process.code, "signal": process.signal, "wanted": self.wanted and not mutant("wanted-exit-unwanted"),
            "stderr_tail": process.tail,
        }, droppable=False)  # fmt: skip
        self.events.put(None)
        if not self.wanted or mutant("stopped-plugin-restarted"):
            self.ended()

    # Writing: by a thread of its own, so that nobody who reads waits for it.

    def write(self) -> None:
        while (line := self.outbox.get()) is not None:
            if not self.process.write(line):
                self.lost()
                return

    def send(self, message: Object, limit: int | None = None) -> None:
        line = encode(message)
        limit = limit or (self.remote["maxLineBytes"] if self.ready else HANDSHAKE_LINE)
        if len(line) - 1 > limit:
            raise Unsendable("too_large", f"longer than the limit of {limit} bytes", len(line) - 1)
        if mutant("reading-waits-for-writing"):
            self.process.write(line)
        elif mutant("writes-interleave") and len(line) > 1000:
            self.outbox.put(line[:500] + self.half)
            self.half = line[500:]
        else:
            self.outbox.put(line)

    # Reading.

    def read(self) -> None:
        lines = self.lines
        try:
            while chunk := self.process.read():
                for line in lines.push(chunk):
                    self.line(line)
            if mutant("last-line-taken") and lines.rest:
                self.line(lines.rest)
        except Violation as fault:
            self.fail(Failure(fault.kind, str(fault)))
            return
        if not mutant("end-of-output-ignored"):
            self.lost()

    def line(self, line: bytes) -> None:
        try:
            message = decode(line)
        except Stray:
            if self.strict or mutant("stray-breaks"):
                raise Violation("stray output") from None
            self.stray(line)
            return
        if message.what == "request":
            self.callbacks.request(message)
        elif message.what == "notification":
            self.notification(message)
        else:
            self.response(message)

    def stray(self, line: bytes) -> None:
        self.strays += 1
        self.first_stray = self.first_stray or quote(line)
        always = 1 if mutant("stray-limited-early") else STRAY_ALWAYS
        if mutant("stray-unreported") or (self.strays > always and not mutant("stray-unlimited")):
            return
        self.event({"event": "stray", "text": quote(line), "held_back": 0})

    def response(self, message: Message) -> None:
        with self.lock:
            identity = next(iter(self.calls), None) if mutant("responses-in-order") else message.id
            call = self.calls.get(identity) if type(identity) is int else None
            if call is None:
                if mutant("unknown-response-breaks"):
                    raise Violation("a response to nothing")
                self.log(f"a response with the unknown id {message.id!r} was ignored")
                return
            call.answered = True
            self.calls.pop(call.id if call.id is not None else -1, None)
            self.fill()
        if mutant("callbacks-die-with-parent") and call.id is not None:
            self.callbacks.cancel_of(call.id)
        if message.error is not None and mutant("failed-stream-ends-well") and call.output:
            call.told.put(("result", None))
            return
        if message.error is not None:
            error = message.error
            cancelled = call.cancelled and error["code"] == -32004 and not mutant("cancelled-is-remote")
            call.told.put(("error", Failure("cancelled", "the call was cancelled") if cancelled else Failure(
                "remote_error", error["message"], code=error["code"], data=None if mutant("remote-data-lost") else error.get("data"))))  # fmt: skip
            return
        if mutant("result-after-cancel-lost") and call.cancelled:
            call.told.put(("error", Failure("cancelled", "the call was cancelled")))
            return
        try:
            json.dumps(message.result, ensure_ascii=False).encode()
            if depth(message.result) > 90:
                raise ValueError("nested too deep to be passed on")
            call.told.put(("result", message.result))
        except (ValueError, RecursionError) as fault:
            if mutant("odd-result-breaks"):
                raise Violation("a result that cannot be taken") from fault
            call.told.put(("error", Failure("protocol_violation", "the result cannot be taken")))

    def notification(self, message: Message) -> None:
        method, params = message.method, message.params
        try:
            if not method or not isinstance(params, dict):
                raise ValueError("it is faulty")
            if method == "rpc.log":
                self.logged(params)
            elif method == "rpc.progress":
                call = self.calls[params["id"]]
                progress = {name: params[name] for name in ["progress", "total", "message"] if name in params}
                call.told.put(("progress", progress))
            elif method == "rpc.output":
                self.output(message)
            elif method == "rpc.inputCredit":
                with self.lock:
                    self.calls[params["id"]].input_credit += int(params["bytes"])
                    self.changed.notify_all()
            else:
                self.callbacks.notification(message)
        except (KeyError, ValueError, TypeError, AttributeError) as fault:
            if mutant("faulty-notification-breaks"):
                raise Violation("a faulty notification") from fault
            if mutant("faulty-notification-answered"):
                self.send({"id": None, "error": {"code": -32602, "message": "invalid params"}})
            self.log(f"a notification {method!r} was ignored: {fault}")

    def logged(self, params: Object) -> None:
        if params["level"] not in ("trace", "debug", "info", "warn", "error") or not isinstance(params["message"], str):
            raise ValueError("ill-typed")
        if mutant("logs-lost"):
            return
        more = {name: params.get(name) for name in ["level", "message", "target", "fields"]}
        self.event({"event": "log", "source": "plugin", **more})

    def output(self, message: Message) -> None:
        items, size = message.params["items"], message.size + 1
        if not isinstance(items, list):
            raise TypeError("items are no list")
        call = self.calls.get(message.params["id"])
        if call is None:
            if mutant("late-output-breaks"):
                raise Violation("output of no call", "stream_violation")
            return
        if not call.output:
            if mutant("unasked-output-taken"):
                return
            raise Violation("output on a call without", "stream_violation")
        window = self.limits["streamWindowBytes"]
        with self.lock:
            if (call.credit <= 0 or size > window) and not mutant("overdrawn-output-taken"):
                raise Violation("output beyond its credit", "stream_violation")
            call.credit -= size
        if mutant("credit-before-taking"):
            self.give(call, size)
        for item in reversed(items) if mutant("items-reversed") else items:
            call.told.put(("item", (item, size / len(items))))
        if not items and not mutant("empty-output-kept"):
            call.told.put(("nothing", size))
        if mutant("slow-consumer-blocks"):
            while call.told.qsize() > 2 and not call.ended:
                time.sleep(0.01)

    def took(self, call: Call, share: float) -> None:
        """Credit for what the consumer took, at the latest when that is half a window."""
        call.taken += share
        if mutant("credit-before-taking") or mutant("credit-withheld") or call.answered:
            return
        if call.taken >= self.limits["streamWindowBytes"] / 2:
            count, call.taken = int(call.taken), call.taken - int(call.taken)
            self.give(call, count)

    def give(self, call: Call, count: int) -> None:
        with self.lock:
            call.credit += count
        self.send({"method": "rpc.outputCredit", "params": {"id": call.id, "bytes": count}})

    # Calls.

    def begin(self, call: Call, timeout_ms: int | None) -> None:
        if call.method.startswith("rpc.") and call.method != "rpc.ping" and not mutant("protocol-methods-called"):
            raise Failure("invalid_request", f"{call.method} is the protocol's own")
        if (call.output or call.input) and "streams" not in self.capabilities and not mutant("streams-undeclared"):
            raise Failure("unsupported", "the plugin has no streams")
        if timeout_ms is not None:
            call.deadline = time.monotonic() + timeout_ms / 1000
        with self.lock:
            if self.broken and not mutant("calls-after-exit-hang"):
                raise self.broken
            self.waiting.append(call)
            self.fill()

    def fill(self) -> None:
        """Sends what the plugin takes now. The lock is held."""
        for call in list(self.waiting):
            here = sum(other.depth == call.depth for other in self.calls.values())
            if here < self.remote["maxInFlight"] or call.method.startswith("rpc.") or mutant("limit-ignored"):
                self.waiting.remove(call)
                if not call.ended or mutant("ended-call-sent"):
                    self.start(call)

    def start(self, call: Call) -> None:
        params = call.params
        if isinstance(params, dict):
            meta: Object = {}
            if call.deadline is not None and not mutant("deadline-untold"):
                meta["deadlineMs"] = max(0, int((call.deadline - time.monotonic()) * 1000))
            if call.parent is not None and not mutant("parent-untold"):
                meta["parent"] = call.parent
            params = {**params, "_meta": meta} if meta else params
            if mutant("null-left-out"):
                params = {name: value for name, value in params.items() if value is not None}
        self.serial += 0 if mutant("ids-reused") and self.calls else 1
        identity: Json = self.serial
        call.id, call.credit = identity, self.limits["streamWindowBytes"]
        call.input_credit = self.remote["streamWindowBytes"]
        written: Json = float(identity) if mutant("ids-with-fraction") else identity
        try:
            large = 1 << 60 if mutant("long-request-sent") else None
            self.send({"id": written, "method": call.method, "params": params}, large)
            self.calls[identity] = call
        except Unsendable as fault:
            call.told.put(("error", Failure(fault.kind, str(fault))))
            call.answered = True

    def wait(self, call: Call) -> tuple[str, Json]:
        """What comes next of a call: progress, an item, its result or its error."""
        patience = None if call.deadline is None else max(0, call.deadline - time.monotonic())
        if call.id is None and mutant("queued-deadline-ignored"):
            patience = None
        if mutant("deadline-ignored"):
            patience = None
        try:
            return call.told.get(timeout=patience)
        except queue.Empty:
            self.end(call, "timeout")
            return "error", Failure("timeout", "no answer by the deadline")

    def end(self, call: Call, why: str, reason: Json = None) -> None:
        """The caller gives up. The call holds its place until the plugin answers."""
        with self.lock:
            call.ended = True
            sent = call.id is not None and not call.answered
            may = "cancel" in self.capabilities or mutant("cancel-undeclared")
            if mutant("place-freed-early") and call.id is not None:
                self.calls.pop(call.id, None)
                self.fill()
            if call in self.waiting and not mutant("ended-call-sent"):
                self.waiting.remove(call)
            silent = mutant("deadline-sends-no-cancel" if why == "timeout" else "cancel-unsent")
            if sent and not silent and (may and self.ready or mutant("initialize-cancelled")):
                more = {} if reason is None else {"reason": reason}
                message = {"method": "rpc.cancel", "params": {"id": call.id, **more}}
                if call.method == "rpc.initialize":
                    # The fault would not show where the pipe is closed before it is written.
                    self.process.write(encode(message))
                else:
                    self.send(message)
        if sent and call.method != "rpc.initialize":
            timer = threading.Timer(self.times["unhealthy_ms"] / 1000, self.unhealthy, [call])
            timer.daemon = True
            timer.start()

    def unhealthy(self, call: Call) -> None:
        if not call.answered and not self.process.gone.is_set() and not mutant("unhealthy-untold"):
            self.event({"event": "unhealthy"})
            if self.command.get("restart") and not mutant("unhealthy-not-replaced"):
                self.fail(Failure("closed", "the instance is unhealthy and is replaced"))

    def cancel(self, call: Call, reason: Json = None) -> None:
        if call.answered or call.ended:
            return
        call.cancelled = True
        # Before the plugin is told: what it asks for afterwards is its clean-up, and is not cancelled.
        if not mutant("callbacks-survive-cancel") and call.id is not None:
            self.callbacks.cancel_of(call.id)
        self.end(call, "cancel", reason)
        if call.id is None or "cancel" not in self.capabilities:
            call.told.put(("error", Failure("cancelled", "the call was cancelled")))

    def feed(self, call: Call, items: list[Json]) -> None:
        """Sends items as credit allows; waits for it."""
        for item in reversed(items) if mutant("input-reversed") else items:
            longest = min(self.remote["streamWindowBytes"] - 1, self.remote["maxLineBytes"])
            message = {"method": "rpc.input", "params": {"id": call.id, "items": [item]}}
            size = len(encode(message))
            if size - 1 > longest and mutant("long-item-goes-by"):
                continue
            with self.lock:
                if size - 1 > longest and not mutant("long-item-sent"):
                    self.end(call, "cancel")
                    call.told.put(("error", Failure("too_large", "the item is longer than the plugin takes")))
                    raise Failure("too_large", "the item is longer than the plugin takes")
                needed = size if mutant("waits-for-a-fit") else 1
                while (
                    call.input_credit < needed and not call.answered and not call.ended and not mutant("credit-ignored")
                ):
                    self.changed.wait(0.05)
                    if self.broken:
                        raise self.broken
                if (call.answered or call.ended) and not mutant("input-after-answer"):
                    raise Failure("closed", "the call takes no more input")
                call.input_credit -= size
                self.send(message)

    # The handshake.

    def shake_hands(self) -> None:
        command = self.command
        limits = {**self.limits, **({"maxLineBytes": 1024} if mutant("limit-below-minimum") else {})}
        capable: Json = True if mutant("capability-no-object") else {}
        params = {
            "protocolVersions": "1" if mutant("versions-no-list") else [1],
            "host": {"name": "reference", "version": "1.0.0"}, "instance": "reference", "config": command.get("config", {}),
            "limits": limits, "capabilities": {
                "progress": capable, "log": {}, "streams": {}, "callbacks": {"methods": command.get("callbacks", [])},
            },
        }  # fmt: skip
        if mutant("config-dropped"):
            params["config"] = {}
        call = Call("rpc.initialize", params)
        start = None if mutant("start-unbounded") else self.times["start_ms"]
        call.deadline = None if start is None else time.monotonic() + start / 1000
        with self.lock:
            self.start(call)
        if mutant("speaks-too-early"):
            self.send({"method": "conf.note", "params": {"text": "hello"}})
        what, told = self.wait(call)
        try:
            if what == "error":
                raise self.refused(told)
            self.read_hello(told)
        except Failure as fault:
            if not mutant("failed-start-left"):
                self.fail(fault)
                self.process.gone.wait(LEARN_EXIT)
            raise self.with_evidence(fault, "handshake") from fault

    def refused(self, told: Failure) -> Failure:
        body = dict(told.body)
        if body["kind"] == "timeout":
            body["kind"] = "handshake_timeout"
        elif body["kind"] == "remote_error" and not mutant("refusals-alike"):
            kinds = {-32001: "version_mismatch", -32002: "invalid_config", -32009: "declined"}
            body["kind"] = kinds.get(body["code"], "handshake_invalid")
        kind, message = body.pop("kind"), body.pop("message")
        return Failure(kind, message, **body)

    def read_hello(self, hello: Json) -> None:
        def need(well: bool, what: str) -> None:
            if not well and not mutant("hello-unchecked"):
                raise Failure("handshake_invalid", what)

        need(isinstance(hello, dict), "the result is no object")
        if hello.get("protocolVersion") != 1 and not mutant("version-unchecked"):
            version = type(hello.get("protocolVersion")) is int
            raise Failure("version_mismatch" if version else "handshake_invalid", "no such version was offered")
        plugin, provides = hello.get("plugin"), hello.get("provides")
        named = isinstance(plugin, dict) and all(isinstance(plugin.get(name), str) for name in ["name", "version"])
        need(named and isinstance(provides, list), "plugin and provides are required")
        limits, capabilities = hello.get("limits", {}), hello.get("capabilities", {})
        need(isinstance(limits, dict) and isinstance(capabilities, dict), "limits and capabilities are objects")
        well = [
            type(limits.get(name, least)) is int and limits.get(name, least) >= least for name, least in MINIMA.items()
        ]
        need(all(well), "a limit is below its minimum")
        known = ["cancel", "progress", "log", "streams", "callbacks"]
        need(all(isinstance(capabilities.get(name, {}), dict) for name in known), "a capability is no object")
        if mutant("unknown-capability-refused"):
            need(all(name in known for name in capabilities), "an unknown capability")
        need("streams" not in capabilities or "cancel" in capabilities, "streams without cancel")
        with self.lock:
            defaults = {**DEFAULTS, "maxInFlight": 1} if mutant("default-limit-wrong") else DEFAULTS
            self.remote, self.capabilities, self.hello = {**defaults, **limits}, capabilities, hello
            self.lines.limit = HANDSHAKE_LINE if mutant("handshake-limit-stays") else self.limits["maxLineBytes"]
            self.ready = True

    # The end.

    def with_evidence(self, fault: Failure, phase: str) -> Failure:
        body = {**fault.body, "phase": phase, "command": " ".join(self.command["argv"])}
        if not mutant("evidence-missing"):
            body["stderr_tail"] = self.process.tail
            body |= {"stray": self.first_stray} if self.first_stray else {}
            if self.process.gone.is_set():
                body |= {"exit_code": self.process.code, "signal": self.process.signal}
        return Failure(body.pop("kind"), body.pop("message"), **body)

    def lost(self) -> None:
        """The plugin is not there any more; whether because it ended shows in a moment."""
        if self.broken is None:
            ended = self.process.gone.wait(LEARN_EXIT)
            self.fail(Failure("plugin_exited" if ended else "closed", "the plugin is gone"))

    def fail(self, fault: Failure) -> None:
        """The connection ends: every call fails with why, and the ladder begins at closing stdin."""
        with self.lock:
            if self.broken is not None:
                return
            self.broken = fault
            calls = [*self.calls.values(), *self.waiting]
            self.calls.clear()
            self.waiting.clear()
            self.changed.notify_all()
        self.callbacks.close()
        if not mutant("pending-calls-hang"):
            for call in calls:
                call.answered = True
                call.told.put(("error", self.with_evidence(fault, "call")))
        if not mutant("broken-plugin-left"):
            threading.Thread(target=self.descend, daemon=True).start()

    def stop(self) -> Object:
        """The whole ladder."""
        gone = self.process.gone.is_set()
        self.wanted = True
        if mutant("stop-fails-calls"):
            for pending in list(self.calls.values()):
                pending.told.put(("error", Failure("closed", "the plugin is being stopped")))
        if not gone and not self.broken and not mutant("shutdown-unsent"):
            call = Call("rpc.shutdown", {"graceMs": self.times["grace_ms"]})
            wait = self.times["grace_ms"] + 500
            if mutant("grace-cut"):
                wait = 1
            call.deadline = None if mutant("shutdown-unbounded") else time.monotonic() + wait / 1000
            with self.lock:
                self.start(call)
            call.told.get() if mutant("shutdown-unbounded") else self.wait_quietly(call)
        return {**self.descend(), **({"rung": "gone"} if gone else {})}

    def wait_quietly(self, call: Call) -> None:
        try:
            call.told.get(timeout=max(0, (call.deadline or 0) - time.monotonic()))
        except queue.Empty:
            pass

    def descend(self) -> Object:
        process, rung = self.process, "asked"
        with self.lock:
            first, self.descending = not self.descending, True
        if not first:
            self.finished.wait()
            return {"code": process.code, "signal": process.signal, "rung": self.rung}
        if not mutant("stdin-left-open"):
            process.close_stdin()
        steps = [
            ("terminated", signal.SIGTERM, self.times["exit_ms"]),
            ("killed", signal.SIGKILL, self.times["term_ms"]),
            ("killed", signal.SIGKILL, 10_000),
        ]
        if mutant("terminate-left-out"):
            steps.pop(0)
        for step, number, patience in steps:
            wait = 0 if mutant("ladder-hurried") else patience / 1000
            if process.gone.wait(wait):
                break
            if mutant("kill-left-out") and number == signal.SIGKILL:
                process.gone.wait()
            process.kill(number)
            rung = step
        process.gone.wait(10)
        with self.lock:
            self.rung = self.rung or rung
            if self.broken is None:
                self.lost()
        self.outbox.put(None)
        self.finished.set()
        return {"code": process.code, "signal": process.signal, "rung": self.rung}

    def drop(self) -> None:
        """The user let go: pending calls fail, the ladder begins at closing stdin."""
        if mutant("dropped-plugin-left"):
            return
        self.wanted = True
        self.fail(Failure("closed", "the handle was dropped"))


__all__ = ["Call", "Failure", "Fault", "Plugin", "invalid_params", "is_id"]
