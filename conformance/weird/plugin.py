"""The fixture plugin, as correct as ever and as odd as may be: `WEIRD=name python3 plugin.py`; `--list` shows all.

A suite that fails one of these asks for more than the specification does.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "fixture" / "python"), str(HERE.parent / "mutants")]

import fixture
from faults.plant import Change, Fault, plant
from plain import call as calls
from plain.call import Call, Callback
from plain.conf import Conf
from plain.peer import Peer, State
from plain.schema import require
from plain.wire import LineReader, Writer

WEIRD: dict[str, Fault] = {}


def weird(name: str, says: str, *changes: Change) -> None:
    WEIRD[name] = Fault(says, changes)


def declares(*features: str, **limits: int) -> Change:
    """Fewer capabilities, other limits; what it does not declare it does not have."""

    def made(was: Any, it: Any, conf: Conf, *args: Any) -> None:
        for name, method in list(conf.methods.items()):
            streams = bool(method.input or method.output) and "streams" not in features
            if streams or (name == "conf.callback" and "callbacks" not in features):
                del conf.methods[name]
        was(conf, *args)
        it.own_features = features
        it.own_limits |= limits

    return (Peer, "__init__", made)


def encoded(change: Callable[[Any, Any, Any], bytes]) -> Change:
    return (Writer, "encode", lambda was, it, message: change(was, it, message))


def escaped(was: Any, it: Any, message: Any) -> bytes:
    """Every character of every text as an escape, where that is not too long."""
    plain: bytes = was(message)
    if len(plain) > 10000:
        return plain

    def text(value: str) -> str:
        units = value.encode("utf-16-be")
        return '"' + "".join(f"\\u{units[at] << 8 | units[at + 1]:04X}" for at in range(0, len(units), 2)) + '"'

    def written(value: Any) -> str:
        if isinstance(value, str):
            return text(value)
        if isinstance(value, dict):
            return "{" + ",".join(f"{text(name)}:{written(member)}" for name, member in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ",".join(map(written, value)) + "]"
        return json.dumps(value)

    return written(message).encode()


def backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: backwards(value[name]) for name in reversed(value)}
    return [backwards(item) for item in value] if isinstance(value, list) else value


def wider(was: Any, it: Any, message: Any) -> bytes:
    more = {"x-later": {"id": 0, "method": "rpc.none", "result": [None]}, "ID": "other", "": 0}
    if "error" in message:
        message = {**message, "error": {**message["error"], "x-later": True}}
    if "params" in message:
        message = {
            **message,
            "params": {**message["params"], "x-later": 1} if message["method"][:4] == "rpc." else message["params"],
        }
    return bytes(was({**more, **message}))


def spaced(was: Any, it: Any, message: Any) -> bytes:
    was(message)
    return (" \t" + json.dumps(message, ensure_ascii=False, separators=(" ,\t", " : ")) + " ").encode()


def byte_by_byte(was: Any, it: Any, data: Any) -> int:
    return int(was(data[:1] if len(data) < 1000 else data[:4096]))


def a_little_late(was: Any, it: Any, *args: Any) -> Any:
    time.sleep(0.001)
    return was(*args)


def late(was: Any, it: Any, *args: Any) -> Any:
    time.sleep(0.02)
    return was(*args)


LOCK = threading.Lock()


def out_of_order(was: Any, it: Any, id: Any, outcome: Any) -> Any:
    """Holds answers for a moment, and writes the latest first."""
    if it.state is State.CLOSING and outcome is None:
        # What was answered before rpc.shutdown is, is written before it too.
        flush(it)
        return was(id, outcome)
    with LOCK:
        it.__dict__.setdefault("held", []).append((was, id, outcome))
    threading.Timer(0.005, flush, (it,)).start()


def flush(it: Any) -> None:
    with LOCK:
        held = it.__dict__.pop("held", [])
        for was, id, outcome in reversed(held):
            was(id, outcome)


def flushed(was: Any, it: Any) -> None:
    was()
    flush(it)


def flushed_first(was: Any, it: Any, code: Any) -> None:
    flush(it)
    was(code)


def one_at_a_time(was: Any, it: Any, call: Any, params: Any) -> Any:
    with LOCK:
        return was(call, params)


def pings_host(was: Any, it: Any, call: Any, params: Any) -> Any:
    with it.change:
        # A ping waits for no place.
        id, callback = it.next_id, Callback(call.depth + 1)
        it.next_id += 1
        it.asked[callback.depth] += 1
        it.callbacks[id] = callback
    it.writer.write(it.writer.line({"id": id, "method": "rpc.ping"}))
    callback.done.wait(5)
    return was(call, params)


def pings_first(was: Any, it: Any, id: Any, outcome: Any) -> None:
    with it.change:
        number, it.next_id = it.next_id, it.next_id + 1
    it.writer.write(it.writer.line({"id": number, "method": "rpc.ping"}))
    was(id, outcome)


def logs_after(was: Any, it: Any, id: Any, outcome: Any) -> None:
    was(id, outcome)
    if "log" in it.features:
        it.notify("rpc.log", {"level": "debug", "message": "answered"})


def credits_each(was: Any, it: Any) -> Any:
    """Gives credit item by item."""
    while True:
        with it.change:
            it.wait(lambda: it.taken > 0 or bool(it.input) or it.ended)
            due, it.taken = it.taken, 0  # of lines without items
            item, share = it.input.popleft() if it.input else (None, 0)
        if due + share == 0:
            return
        if share:
            require(it.method.input or {}, item)
            yield item
        it.grant(due + share)


def one_a_line(was: Any, it: Any, items: Any) -> None:
    for item in items:
        was([item])


def as_many_as_fit(was: Any, it: Any, items: Any) -> None:
    calls.ITEMS_A_LINE = 1_000_000
    was(items)


def noisy(was: Any, it: Any, *args: Any) -> Any:
    print("noise " * 2000, file=sys.stderr)
    return was(*args)


def text_ids(was: Any, it: Any, message: Any, *limit: Any) -> Any:
    if "method" in message and "id" in message:
        message = {**message, "id": f"ü{message['id']:0100d}"}
    elif message.get("method") == "rpc.cancel":
        message = {**message, "params": {**message["params"], "id": f"ü{message['params']['id']:0100d}"}}
    return was(message, *limit)


def text_id_back(was: Any, it: Any, id: Any, answer: Any) -> None:
    was(int(id[1:]) if isinstance(id, str) and id[:1] == "ü" and id[1:].isdigit() and len(id) == 101 else id, answer)


def text_parent_back(was: Any, it: Any, meta: Any) -> Any:
    parent = meta.get("parent")
    known = isinstance(parent, str) and parent[:1] == "ü" and parent[1:].isdigit()
    return was({**meta, "parent": int(parent[1:])} if known else meta)


def no_deadline(was: Any, it: Any, params: Any) -> Any:
    return {name: value for name, value in was(params).items() if name != "deadlineMs"}


def float_progress(was: Any, it: Any, progress: Any, total: Any = None) -> None:
    was(float(progress), None if total is None else float(total))


def serial(was: Any, it: Any, call: Any, params: Any) -> None:
    it.serve(call, params)


def starts_late(was: Any, it: Any) -> None:
    time.sleep(1)
    was()


MOST = 2**53 - 1
SMALLEST = {"maxLineBytes": 128 << 10, "maxInFlight": 1, "maxDepth": 4, "streamWindowBytes": 64 << 10}
ALL = ("cancel", "progress", "log", "streams", "callbacks")

weird("slow", "takes its time for every line", (Peer, "receive", a_little_late), (Peer, "handle", late))
weird("late", "starts late", (Peer, "run", starts_late))
weird("reversed", "writes members in another order", encoded(lambda was, it, message: bytes(was(backwards(message)))))
weird("escaped", "escapes every character", encoded(escaped))
weird("wider", "adds members that nobody knows", encoded(wider))
weird("spaced", "writes white space wherever there may be some", encoded(spaced))
weird("byte-by-byte", "writes byte by byte", (Writer, "put", byte_by_byte))
weird(
    "read-by-bytes",
    "reads a few bytes at a time",
    (LineReader, "__init__", lambda was, it, read: was(lambda size: read(1000))),
)
weird(
    "out-of-order",
    "answers the latest request first",
    (Peer, "respond", out_of_order),
    (Peer, "at_end", flushed),
    (Peer, "exit", flushed_first),
)
weird("noisy", "fills standard error", (Peer, "receive", noisy))
weird("pings", "pings its host before each call", (Peer, "handle", pings_host))
weird("pings-often", "pings its host before each answer", (Peer, "respond", pings_first))
weird("logs-often", "writes a log line after each answer", (Peer, "respond", logs_after))
weird(
    "text-ids",
    "has text for ids",
    (Writer, "line", text_ids),
    (Peer, "on_response", text_id_back),
    (Peer, "depth_of", text_parent_back),
)
weird("credits-each", "gives credit for each item", (Call, "items", credits_each))
weird("one-a-line", "sends each item on a line of its own", (Call, "send", one_a_line))
weird("many-a-line", "sends as many items on a line as fit", (Call, "send", as_many_as_fit))
weird("no-deadlines", "ignores deadlines", (Peer, "take_meta", no_deadline))
weird("float-progress", "writes progress with a fraction", (Call, "progress", float_progress))
weird("one-handler", "handles one call at a time", declares(*ALL[:4], maxInFlight=1), (Peer, "handle", one_at_a_time))
weird("smallest", "declares the smallest limits that the fixture may have", declares(*ALL, **SMALLEST))
weird(
    "largest",
    "declares large limits",
    declares(*ALL, maxLineBytes=20 << 20, maxInFlight=200, maxDepth=40, streamWindowBytes=1 << 20),
)
weird(
    "endless",
    "declares limits that nobody can reach",
    declares(*ALL, maxLineBytes=1 << 40, maxInFlight=MOST, maxDepth=MOST, streamWindowBytes=MOST),
)
weird("two-places", "takes two calls at once", declares(*ALL, maxInFlight=2))
weird("no-callbacks", "calls nobody", declares(*ALL[:4]))
weird("no-streams", "has no streams", declares("cancel", "progress", "log", "callbacks"))
weird("no-progress", "says nothing beside its answers", declares("cancel", "streams", "callbacks"))
weird(
    "minimal",
    "is of the minimal class, and reads nothing while it works",
    declares(maxInFlight=1),
    (Peer, "begin", serial),
)

HEAD = """\
# Plugins that are as odd as they are correct: written by `plugin.py --list`. All must pass everything.
"""


def listed() -> str:
    command = "[python3, plugin.py]"
    return HEAD + "".join(
        f"# It {weird.says}.\n- {{name: {name}, command: {command}, profile: fixture, env: {{WEIRD: {name}}}}}\n"
        for name, weird in WEIRD.items()
    )


def main() -> int:
    if sys.argv[1:] == ["--list"]:
        print(listed(), end="")
        return 0
    name = os.environ.get("WEIRD", "")
    if name not in WEIRD:
        print(f"WEIRD={name}: there is none of that name; plugin.py --list shows all", file=sys.stderr)
        return 2
    plant(WEIRD[name])
    return fixture.main()


if __name__ == "__main__":
    sys.exit(main())
