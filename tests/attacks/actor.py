"""The plugin's part of an attack: `actor.py MODULE FUNCTION ARGS…` is the plugin that the function plays.

It speaks just enough of the protocol to get where it wants to misbehave, with bytes and `json` alone.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]

_unread = bytearray()


def raw(data: bytes, descriptor: int = 1) -> None:
    """Writes all of it; a host that has gone ends the play."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except BrokenPipeError:
        sys.exit(0)


def line(message: Message) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


def send(message: Message) -> None:
    raw(line(message))


def answer(request: Message, result: object) -> None:
    send({"id": request["id"], "result": result})


def refuse(request: Message, code: int, message: str, data: object = None) -> None:
    send({"id": request["id"], "error": {"code": code, "message": message, "data": data}})


def notify(method: str, params: object) -> None:
    send({"method": method, "params": params})


def receive() -> Message:
    """The next line; at the end of the input the play is over."""
    while b"\n" not in _unread:
        chunk = os.read(0, 1 << 16)
        if not chunk:
            sys.exit(0)
        _unread.extend(chunk)
    text, _, rest = bytes(_unread).partition(b"\n")
    _unread[:] = rest
    message: Message = json.loads(text)
    return message


def protocol(message: Message, manifest: object = None) -> bool:
    """Does what the protocol itself asks for; whether it did."""
    match message.get("method"):
        case "rpc.discover" if manifest is not None:
            answer(message, manifest)
        case "rpc.ping":
            answer(message, {})
        case "rpc.shutdown":
            answer(message, None)
        case "rpc.discover":
            refuse(message, -32601, "none")
        case "rpc.cancel" | "rpc.outputCredit" | None:
            pass
        case _:
            return False
    return True


CAPABLE: Message = {"cancel": {}, "progress": {}, "log": {}, "streams": {}, "callbacks": {}}


def greet(manifest: object = None, **extra: object) -> Message:
    """Shakes hands; gives what the host said."""
    while True:
        message = receive()
        if message.get("method") == "rpc.initialize":
            hello = {
                "protocolVersion": 1,
                "plugin": {"name": "hostile", "version": "1.0.0"},
                "provides": [],
                "limits": {"maxInFlight": 64},
                "capabilities": CAPABLE,
            }
            answer(message, hello | extra)
            params: Message = message["params"]
            return params
        protocol(message, manifest)


def called() -> Message:
    """The next request that is no matter of the protocol."""
    while True:
        message = receive()
        if not protocol(message):
            return message


def behave(respond: Callable[[Message], None] | None = None) -> None:
    """Is a good plugin from here on."""
    while True:
        request = called()
        if "id" not in request:
            continue
        if respond is None:
            answer(request, "fine")
        else:
            respond(request)


if __name__ == "__main__":
    # What plays a part asks this very module.
    sys.modules["actor"] = sys.modules["__main__"]
    play: Callable[..., None] = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
    play(*sys.argv[3:])
