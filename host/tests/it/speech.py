"""Messages of the faulty plugin: out to its stdout, in from its stdin."""

from __future__ import annotations

import json
import os
from typing import Any

Message = dict[str, Any]

# All that was read.
seen: list[Message] = []
# What was read and is no whole line yet.
unread = bytearray()


def write(data: bytes, descriptor: int = 1) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def encode(message: Message) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode() + b"\n"


def send(message: Message) -> None:
    write(encode(message))


def answer(request: Message, result: object) -> None:
    send({"id": request["id"], "result": result})


def refuse(request: Message, code: int, message: str = "refused", data: object = None) -> None:
    send({"id": request["id"], "error": {"code": code, "message": message, "data": data}})


def receive() -> Message | None:
    while b"\n" not in unread:
        chunk = os.read(0, 1 << 16)
        if not chunk:
            return None
        unread.extend(chunk)
    line, _, rest = unread.partition(b"\n")
    unread[:] = rest
    message: Message = json.loads(line)
    seen.append(message)
    return message
