#!/usr/bin/env python3
"""The contract `users` 1.0.0 as a minimal plugin in Python, without the SDK, by protocol/SPEC.md alone.

The first half is what this plugin does; the second, the protocol, is the same in any other.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PLUGIN = {"name": "users-python", "version": "0.1.0"}
FOLDER = Path(__file__).resolve().parent.parent
MANIFEST = json.loads((FOLDER / "users.openrpc.json").read_text("utf-8"))
MANIFEST["info"] |= {"title": PLUGIN["name"], "version": PLUGIN["version"]}

Params = dict[str, Any]
Test = Callable[[Any], bool]
Method = tuple[dict[str, Any], Callable[[Params], Any]]


class Fault(Exception):
    """What is answered in place of a result."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


# What a value must be: a test, or a dict of such. A name that ends in `?` may be absent.
def text(value: object) -> bool:
    return isinstance(value, str)


def at_least(least: int) -> Test:
    return lambda value: type(value) is int and least <= value < 2**53


def list_of(test: Test) -> Test:
    return lambda value: isinstance(value, list) and all(map(test, value))


ID = {"opaque_id": text, "idp": text}
USER = {
    "id": ID,
    "username": text,
    "mail": text,
    "display_name": text,
    "groups?": list_of(text),
    "opaque?": {},
}
CONFIG = {"file?": lambda value: value is None or text(value)}

users: list[dict[str, Any]] = []


def read(file: str | Path) -> list[dict[str, Any]]:
    records = json.loads(Path(file).read_bytes())
    if not isinstance(records, list):
        raise ValueError("it is no list")  # noqa: TRY004 - a wrong file, no mistake of ours
    for at, record in enumerate(records):
        for wrong in faults(record, USER):
            raise ValueError(f"/{at}{wrong['path']} is missing or wrong")
    return [{"groups": [], **{key: user[key] for key in user if key != "secret"}} for user in records]


def configure(config: Any) -> None:
    errors = [*faults(config, CONFIG), *unknown(config, CONFIG)]
    if not errors:
        try:
            users[:] = read(config.get("file") or FOLDER / "data/users.json")
        except (OSError, ValueError) as why:
            errors = [{"path": "/file", "message": str(why)}]
    if errors:
        raise Fault(-32002, "the config is wrong", {"errors": errors})


def on_load(params: Params) -> None:
    try:
        users[:] = read(params["file"])
    except (OSError, ValueError) as why:
        reason = f"{params['file']}: {why}"
        raise Fault(2, f"the users cannot be loaded: {reason}", {"reason": reason}) from None


def get_user(params: Params) -> dict[str, Any]:
    return find(lambda user: all(user["id"][part] == params["id"][part] for part in ID))


def get_user_groups(params: Params) -> Any:
    return get_user(params)["groups"]


def get_user_by_claim(params: Params) -> dict[str, Any]:
    return find(lambda user: user[params["claim"]] == params["value"])


def find(test: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    for user in users:
        if test(user):
            return user
    raise Fault(1, "no such user")


def find_users(params: Params) -> list[dict[str, Any]]:
    def matches(user: dict[str, Any]) -> bool:
        texts = (user["username"], user["display_name"], user["mail"], user["id"]["opaque_id"])
        return any(params["query"].lower() in text.lower() for text in texts)

    return [user for user in users if matches(user)]


METHODS: dict[str, Method] = {
    "users.on_load": ({"file": text}, on_load),
    "users.get_user": ({"id": ID}, get_user),
    "users.get_user_groups": ({"id": ID}, get_user_groups),
    "users.get_user_by_claim": (
        {"claim": ["mail", "username", "display_name"].__contains__, "value": text},
        get_user_by_claim,
    ),
    "users.find_users": ({"query": text}, find_users),
}

# --- the protocol

LIMIT = 1 << 20
"""The longest line that is taken: what holds before the handshake, and is declared for after it."""


class Session:
    """What passed between host and plugin so far."""

    def __init__(self) -> None:
        self.phase = "new"  # then "ready", then "closing"
        self.host_limit = LIMIT  # the longest line that the host takes
        self.own: dict[str, Method] = {
            "rpc.ping": ({}, lambda params: {}),
            "rpc.discover": ({}, lambda params: MANIFEST),
            "rpc.initialize": (INITIALIZE, self.initialize),
            "rpc.shutdown": ({"graceMs?": at_least(0)}, self.shut_down),
        }

    def initialize(self, params: Params) -> object:
        if 1 not in params["protocolVersions"]:
            raise Fault(-32001, "only version 1 is spoken here", {"supported": [1]})
        configure(params.get("config", {}))
        self.phase = "ready"
        self.host_limit = params.get("limits", {}).get("maxLineBytes", 16 << 20)
        provides = MANIFEST["x-plugline"]["provides"]
        limits = {"maxLineBytes": LIMIT, "maxInFlight": 1}
        return {"protocolVersion": 1, "plugin": PLUGIN, "provides": provides, "limits": limits}

    def shut_down(self, _: Params) -> None:
        self.phase = "closing"

    def call(self, name: str, params: Any) -> object:
        if self.phase == "closing" and name != "rpc.ping":
            raise Fault(-32003, "shutting down")
        if self.phase == "new" and name not in self.own:
            raise Fault(-32000, "not initialized")
        if self.phase == "ready" and name == "rpc.initialize":
            raise Fault(-32600, "initialized already")
        if name not in self.own and name not in METHODS:
            raise Fault(-32601, "no such method")
        shape, run = self.own.get(name) or METHODS[name]
        if isinstance(params, dict):
            params.pop("_meta", None)
        errors = [*faults(params, shape), *([] if name in self.own else unknown(params, shape))]
        if errors:
            raise Fault(-32602, "the params are wrong", {"errors": errors})
        return run(params)

    def answer(self, line: bytes) -> bytes | None:
        """The answer to a line; nothing answers a notification, or a response."""
        id = None
        try:
            message = parse(line)
            if not isinstance(message, dict):
                raise Fault(-32600, "a message is an object")
            method, params = message.get("method"), message.get("params", {})
            outcomes = len(message.keys() & {"result", "error"})
            valid, spoken = is_id(message.get("id")), message.get("jsonrpc") == "2.0"
            is_notification = text(method) and "id" not in message and not outcomes
            if is_notification or (outcomes == 1 and "method" not in message and valid and spoken):
                print("ignored:", repr(line[:200]), file=sys.stderr)
                return None
            if outcomes or "method" not in message or not valid:
                raise Fault(-32600, "neither a request nor a notification")
            id = message["id"]
            if not spoken or not isinstance(method, str) or not isinstance(params, dict | list):
                raise Fault(-32600, "jsonrpc, method or params are wrong")
            return self.encode({"jsonrpc": "2.0", "id": id, "result": self.call(method, params)})
        except Fault as fault:
            return self.encode({"jsonrpc": "2.0", "id": id, "error": fault.error})
        except Exception as why:  # noqa: BLE001 - whatever it is, it is ours, not the host's
            print(f"{type(why).__name__}: {why}", file=sys.stderr)
            return self.encode({"jsonrpc": "2.0", "id": id, "error": Fault(-32603, "internal error").error})

    def encode(self, answer: dict[str, Any]) -> bytes:
        line = json.dumps(answer, ensure_ascii=False, allow_nan=False).encode()
        if len(line) <= self.host_limit:
            return line + b"\n"
        fault = Fault(-32007, "the answer is too long", {"limit": self.host_limit, "size": len(line)})
        return self.encode({"jsonrpc": "2.0", "id": answer["id"], "error": fault.error})


INITIALIZE = {
    "protocolVersions": list_of(at_least(-(2**53))),
    "host?": {"name": text, "version": text},
    "instance?": text,
    "limits?": {
        "maxLineBytes?": at_least(65536),
        "maxInFlight?": at_least(1),
        "maxDepth?": at_least(1),
        "streamWindowBytes?": at_least(65536),
    },
    "capabilities?": {
        "progress?": {},
        "log?": {},
        "streams?": {},
        "callbacks?": {"methods": list_of(text)},
    },
}


def parse(line: bytes) -> Any:
    def integer(digits: str) -> float:
        return -0.0 if digits == "-0" else int(digits)  # which has a sign to keep

    def word(name: str) -> float:
        raise ValueError(name)  # NaN and Infinity

    try:
        value = json.loads(line.decode(), parse_int=integer, parse_constant=word)
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate has no encoding
    except (ValueError, RecursionError) as why:
        raise Fault(-32700, f"the line is not JSON: {str(why)[:200]}") from None
    return value


def is_id(id: object) -> bool:
    return len(id.encode()) <= 256 if isinstance(id, str) else at_least(0)(id)


def faults(value: Any, shape: Any, path: str = "") -> Iterator[dict[str, str]]:
    if not (isinstance(value, dict) if isinstance(shape, dict) else shape(value)):
        yield {"path": path, "message": "missing or wrong"}
    elif isinstance(shape, dict):
        for key, inner in shape.items():
            name = key.removesuffix("?")
            if name in value or name == key:
                yield from faults(value.get(name), inner, f"{path}/{name}")


def unknown(value: Any, shape: dict[str, Any]) -> Iterator[dict[str, str]]:
    for name in value if isinstance(value, dict) else ():
        if name not in shape and f"{name}?" not in shape:
            yield {"path": f"/{name.replace('~', '~0').replace('/', '~1')}", "message": "unknown"}


def lines() -> Iterator[tuple[bytes, int]]:
    """Each line, without its LF, and how long it is; of one that is too long, only the beginning."""
    while line := sys.stdin.buffer.readline(LIMIT + 2):
        length = len(line) - 1
        rest = line
        while not rest.endswith(b"\n"):
            rest = sys.stdin.buffer.readline(LIMIT)
            length += len(rest)
            if not rest:
                return  # what no LF ends is no line
        yield line.removesuffix(b"\n"), length


def main() -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a write that fails ends the process at once, quietly
    signal.signal(signal.SIGINT, lambda *_: None)  # meant for the host, who will say so
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    session = Session()
    for number, (line, length) in enumerate(lines()):
        if number == 0:
            line = line.removeprefix(b"\xef\xbb\xbf")
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # what was asked is answered first
        if length > LIMIT:
            fault = Fault(-32007, "the line is too long", {"limit": LIMIT, "size": length})
            answer: bytes | None = session.encode({"jsonrpc": "2.0", "id": None, "error": fault.error})
        else:
            answer = session.answer(line) if line.strip(b" \t\r") else None
        if answer:
            sys.stdout.buffer.write(answer)
            sys.stdout.buffer.flush()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


if __name__ == "__main__":
    main()
