"""The contract that the transcripts of SPEC.md speak of, and its manifest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from call import Call
from wire import (
    Json,
    Params,
    RpcError,
    Schema,
)

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
