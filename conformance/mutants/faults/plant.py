"""What a fault is, and how it gets into the fixture."""

from __future__ import annotations

import functools
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from plain.peer import Peer
from plain.wire import RpcError, Writer

CONTROL = "none"

# Takes the method that is replaced, bound; the object; and what the method was given.
New = Callable[..., Any]
Change = tuple[type, str, New]


@dataclass(frozen=True)
class Fault:
    """One fault: the sentence that says it, and the methods that make it."""

    says: str
    changes: tuple[Change, ...]
    ends: bool = False  # that it ends is the fault


FAULTS: dict[str, Fault] = {}


def fault(name: str, says: str, *changes: Change) -> None:
    assert name not in FAULTS, f"{name} is there twice"
    FAULTS[name] = Fault(says, changes)


def ends(name: str, says: str, *changes: Change) -> None:
    """A fault by which the plugin ends where it must not."""
    fault(name, says, *changes)
    FAULTS[name] = Fault(says, changes, ends=True)


def plant(fault: Fault) -> None:
    for owner, name, new in fault.changes:
        replace(owner, name, new)


def replace(owner: type, name: str, new: New) -> None:
    original = owner.__dict__[name]
    if isinstance(original, property):
        fget = original.fget
        assert fget is not None
        setattr(owner, name, property(lambda it: new(functools.partial(fget, it), it)))
        return

    def method(it: Any, *args: Any, **named: Any) -> Any:
        return new(functools.partial(original, it), it, *args, **named)

    setattr(owner, name, method)


# What lambdas cannot say.


def fail(code: int, data: Any = ..., message: str | None = None) -> NoReturn:
    raise RpcError(code, data, message)


def refuse() -> NoReturn:
    """To be called where a line is decoded."""
    raise ValueError("refused")


def do(*results: Any) -> Any:
    """Each was evaluated in turn; the last is what counts."""
    return results[-1]


def pipe(value: Any, change: Callable[[Any], Any]) -> Any:
    return change(value)


def for_ever() -> Any:
    threading.Event().wait()


def end(code: int = 1) -> Any:
    os._exit(code)


def put(it: Any, name: str, value: Any) -> Any:
    """An assignment, where only an expression may stand."""
    setattr(it, name, value)
    return value


def later(seconds: float, action: Callable[[], Any]) -> None:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()


# Changes that many faults share.


def line_out(change: Callable[[bytes], bytes]) -> Change:
    """Every line but the first, so that the handshake succeeds."""

    def write(was: New, it: Any, line: bytes) -> None:
        first, it.greeted = not getattr(it, "greeted", False), True
        was(line if first else change(line))

    return (Writer, "write", write)


def answer_out(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Every response but the first, as an object that is to be changed in place."""

    def changed(line: bytes) -> bytes:
        message = json.loads(line)
        if "method" in message:
            return line
        change(message)
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()

    return line_out(changed)


def result(change: Callable[[Any], Any]) -> Change:
    """What handlers return."""
    return (
        Peer,
        "handle",
        lambda was, it, *args: pipe(was(*args), lambda o: o if isinstance(o, RpcError) else change(o)),
    )


def each_value(change: Callable[[Any], Any]) -> Change:
    """Each value within what handlers return, the innermost first."""

    def deep(value: Any) -> Any:
        if isinstance(value, dict):
            value = {name: deep(member) for name, member in value.items()}
        elif isinstance(value, list):
            value = [deep(item) for item in value]
        return change(value)

    return result(deep)


def error(change: Callable[[RpcError], RpcError]) -> Change:
    """Errors on their way out."""
    return (
        Peer,
        "response",
        lambda was, it, id, outcome: was(id, change(outcome) if isinstance(outcome, RpcError) else outcome),
    )


def request(change: Callable[[str, Any], Any]) -> Change:
    """Params of requests, by method."""
    return (Peer, "on_request", lambda was, it, id, method, params: was(id, method, change(method, params)))


def params_of(name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    return request(lambda method, params: change(params) if method == name and isinstance(params, dict) else params)


def message(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Objects that come in, to be changed in place."""
    return (Peer, "receive", lambda was, it, m, cost: do(change(m) if isinstance(m, dict) else 0, was(m, cost)))


def instead(when: Callable[[Any, Any], Any], then: Callable[[Any, Any], Any]) -> Change:
    """Does something else about some objects that come in."""
    return (
        Peer,
        "receive",
        lambda was, it, m, cost: then(it, m) if isinstance(m, dict) and when(it, m) else was(m, cost),
    )


def streamed(change: Callable[[Any], Any]) -> Change:
    """How output streams end."""
    return (
        Peer,
        "handle",
        lambda was, it, call, params: pipe(was(call, params), lambda o: change(o) if call.method.output else o),
    )


def handled_errors(name: str, change: Callable[[RpcError], RpcError]) -> Change:
    """Errors of one method."""

    def handle(was: New, it: Any, call: Any, params: Any) -> Any:
        outcome = was(call, params)
        return change(outcome) if call.method.name == name and isinstance(outcome, RpcError) else outcome

    return (Peer, "handle", handle)
