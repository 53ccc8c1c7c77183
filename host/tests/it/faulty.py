"""A plugin that speaks just enough of the protocol to misbehave as its first argument says.

    faulty.py SCENARIO JSON FILE

The JSON is laid over the result of the handshake. The ids of its processes, its own first, go into the file.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from speech import Message, answer, encode, receive, refuse, seen, send, unread, write

Scenario = Callable[[], None]
Method = Callable[[Message, Message], None]

SCENARIOS: dict[str, Scenario] = {}
METHODS: dict[str, Method] = {}
EXTRA: Any = json.loads(sys.argv[2])

held: list[Message] = []
next_id = 0


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


def method(function: Method) -> Method:
    METHODS["t." + function.__name__] = function
    return function


def shake_hands() -> None:
    request = receive()
    assert request is not None
    hello = {"protocolVersion": 1, "plugin": {"name": "faulty", "version": "1.0.0"}, "provides": []}
    answer(request, hello | EXTRA)


def call(name: str, params: Message, parent: object = None) -> Message:
    """Calls the host, and serves what it asks before it answers."""
    global next_id
    next_id += 1
    mine = next_id
    meta = {} if parent is None else {"_meta": {"parent": parent}}
    send({"id": mine, "method": name, "params": params | meta})
    while (message := receive()) is not None:
        if message.get("id") == mine and "method" not in message:
            return message
        handle(message)
    sys.exit(0)


def handle(message: Message) -> None:
    name = message.get("method")
    params = message.get("params", {})
    if name == "rpc.ping":
        answer(message, {})
    elif name == "rpc.shutdown":
        answer(message, None)
    elif name == "rpc.cancel":
        cancel(params["id"])
    elif name in METHODS:
        METHODS[name](message, params)
    elif name is not None and "id" in message:
        refuse(message, -32601)


def cancel(request_id: object) -> None:
    for request in [request for request in held if request["id"] == request_id]:
        held.remove(request)
        if request["params"].get("done"):
            answer(request, "done")
        else:
            refuse(request, -32004)


def serve() -> None:
    while (message := receive()) is not None:
        handle(message)


def live_on() -> NoReturn:
    while True:
        signal.pause()


def record(pid: int) -> None:
    with open(sys.argv[3], "a") as pids:
        pids.write(f"{pid}\n")


def sleeper(*, own_session: bool) -> int:
    """Starts a process that holds this one's pipes and ignores SIGTERM."""
    script = "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    script += "; os.write(2, b'asleep\\n'); signal.pause()"
    child = subprocess.Popen([sys.executable, "-S", "-c", script], start_new_session=own_session)
    record(child.pid)
    return child.pid


# What a host can ask for


@method
def echo(request: Message, params: Message) -> None:
    answer(request, {name: value for name, value in params.items() if name != "_meta"})


@method
def facts(request: Message, _: Message) -> None:
    descriptors = [int(name) for name in os.listdir("/proc/self/fd") if is_open(int(name))]
    result = {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "group": os.getpgid(0),
        "dir": os.getcwd(),
        "environment": dict(os.environ),
        "descriptors": sorted(descriptors),
        "seen": seen,
    }
    answer(request, result)


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@method
def say(request: Message, params: Message) -> None:
    """Writes these bytes, `$ID` being the request's id, and answers nothing by itself."""
    write(bytes.fromhex(params["hex"]).replace(b"$ID", json.dumps(request["id"]).encode()))


@method
def hold(request: Message, _: Message) -> None:
    held.append(request)


@method
def release(request: Message, _: Message) -> None:
    for waiting in reversed(held):
        answer(waiting, waiting["params"].get("number"))
    held.clear()
    answer(request, None)


@method
def fail(request: Message, params: Message) -> None:
    refuse(request, params["code"], params["message"], params["data"])


@method
def sized(request: Message, params: Message) -> None:
    """Answers with a line of exactly that many bytes."""
    bare = len(encode({"id": request["id"], "result": ""})) - 1
    answer(request, "x" * (params["size"] - bare))


@method
def deep(request: Message, params: Message) -> None:
    depth = params["depth"]
    nested = b"[" * depth + b"]" * depth
    write(b'{"jsonrpc":"2.0","id":%d,"result":%s}\n' % (request["id"], nested))


@method
def endless(_request: Message, params: Message) -> None:
    for _ in range(params["megabytes"]):
        write(b"x" * (1 << 20))


@method
def progress(request: Message, params: Message) -> None:
    for step in range(params["steps"]):
        report = {"id": request["id"], "progress": step, "message": f"step {step}"}
        send({"method": "rpc.progress", "params": report})
    answer(request, None)


@method
def log(request: Message, params: Message) -> None:
    send({"method": "rpc.log", "params": params})
    answer(request, None)


@method
def notify(request: Message, params: Message) -> None:
    for number in range(params["count"]):
        send({"method": "host.note", "params": {"number": number}})
    answer(request, None)


@method
def call_back(request: Message, params: Message) -> None:
    """Calls the host in the name of this request and passes its answer on."""
    reply = call(params["method"], params.get("params", {}), request["id"])
    if "error" in reply:
        error = reply["error"]
        refuse(request, error["code"], error["message"], error.get("data"))
    else:
        answer(request, reply["result"])


@method
def nest(request: Message, params: Message) -> None:
    if params["depth"] == 0:
        answer(request, 0)
    else:
        reply = call("host.nest", {"depth": params["depth"] - 1}, request["id"])
        answer(request, reply["result"] + 1)


@method
def alone(request: Message, _: Message) -> None:
    """Says how many requests came before the answer to this one; the pong shows that all were seen."""
    before = len(seen)
    call("rpc.ping", {})
    arrived = [message for message in seen[before:] if "method" in message]
    answer(request, len(arrived) + unread.count(b"\n"))


@method
def leave(_: Message, params: Message) -> None:
    write(params.get("words", "").encode(), 2)
    if number := params.get("signal"):
        os.kill(os.getpid(), number)
    os._exit(params.get("status", 0))


@method
def answer_and_leave(request: Message, params: Message) -> None:
    """Closes its stdin before it answers all that waits, so that what the host sends meanwhile fails."""
    os.close(0)
    release(request, params)
    os._exit(0)


@method
def close_stdout(_: Message, __: Message) -> None:
    os.close(1)
    live_on()


@method
def close_stdin(request: Message, _: Message) -> None:
    os.close(0)
    answer(request, None)
    live_on()


@method
def flood(request: Message, params: Message) -> None:
    """Writes that many lines before it answers."""
    line = (params["line"] * params.get("repeat", 1)).encode() + b"\n"
    at_once = max(1, (1 << 16) // len(line))
    for _ in range(params["lines"] // at_once):
        write(line * at_once, params["descriptor"])
    write(params.get("last", "").encode(), params["descriptor"])
    answer(request, None)


@method
def flood_on(request: Message, params: Message) -> None:
    """From here on writes that line again and again, and serves meanwhile."""
    line = params["line"].encode() + b"\n"
    lines = line * max(1, select.PIPE_BUF // len(line))  # what is no longer is written whole

    def flood_on() -> None:
        while True:
            os.write(params["descriptor"], lines)

    threading.Thread(target=flood_on, daemon=True).start()
    answer(request, None)


@method
def grandchild(request: Message, params: Message) -> None:
    answer(request, sleeper(own_session=params["own_session"]))


# How a plugin can be


@scenario
def plugin() -> None:
    """Keeps the protocol until a method breaks it."""
    shake_hands()
    serve()


@scenario
def silent() -> None:
    while receive() is not None:
        pass


@scenario
def exits_at_once() -> None:
    write(b"cannot load \x1b[31mthe model\n", 2)
    sys.exit(3)


@scenario
def exits_after_half_a_line() -> None:
    receive()
    write(b'{"jsonrpc":"2.0","id":0,"resu')


@scenario
def garbage_first() -> None:
    write(b"loading \x1b[31mmodel\x07\n")
    plugin()


@scenario
def marks_its_order() -> None:
    write(b"\xef\xbb\xbf")
    plugin()


@scenario
def refuses_hello() -> None:
    request = receive()
    assert request is not None
    send({"id": request["id"], "error": EXTRA})
    silent()


@scenario
def calls_before_hello() -> None:
    request = receive()
    assert request is not None
    send({"id": 1, "method": "host.echo"})
    receive()
    unread[:0] = encode(request)
    plugin()


@scenario
def ignores_shutdown() -> None:
    shake_hands()
    while (message := receive()) is not None:
        if message.get("method") != "rpc.shutdown":
            handle(message)


@scenario
def ignores_end_of_file() -> None:
    ignores_shutdown()
    live_on()


@scenario
def heeds_end_of_file_only() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    plugin()


@scenario
def ignores_everything() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ignores_end_of_file()


@scenario
def deaf_to_cancel() -> None:
    shake_hands()
    while (message := receive()) is not None:
        if message.get("method") != "rpc.cancel":
            handle(message)


@scenario
def never_reads() -> None:
    shake_hands()
    live_on()


@scenario
def writes_before_it_reads() -> None:
    """Answers a call only when a mebibyte was taken from it; reads nothing meanwhile."""
    shake_hands()
    while (message := receive()) is not None:
        for _ in range(16 if message["method"] == "t.echo" else 0):
            send({"method": "rpc.log", "params": {"level": "info", "message": "x" * (1 << 16)}})
        handle(message | {"params": {}})


if __name__ == "__main__":
    record(os.getpid())
    SCENARIOS[sys.argv[1]]()
