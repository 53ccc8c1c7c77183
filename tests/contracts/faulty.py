"""A plugin without an SDK that breaks the rules on purpose: what the hosts of the generated run-times are tested with.

`faulty.py WAY`. Its name ends in its process id, and standard error tells what it noticed of its end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any, NoReturn

way = sys.argv[1]


def raw(line: bytes) -> None:
    os.write(1, line + b"\n")


def answer(id: Any, result: Any) -> None:
    raw(json.dumps({"jsonrpc": "2.0", "id": id, "result": result}).encode())


def note(what: str) -> None:
    os.write(2, what.encode() + b"\n")


def for_ever() -> NoReturn:
    while True:
        time.sleep(600)


def on_term(*_: object) -> None:
    note("SIGTERM")
    if way == "yielding":
        os._exit(0)


def handle(id: Any, method: str) -> None:
    match method:
        case "rpc.initialize":
            if way == "silent":
                for_ever()
            if way == "early":
                note("on its way out")
                os._exit(7)
            provides = [{"contract": "faulty", "version": "1.0.0"}]
            name = f"faulty-{os.getpid()}"
            limits = {"maxInFlight": 8}
            answer(id, {
                "protocolVersion": 1, "plugin": {"name": name, "version": "0.1.0"}, "provides": provides,
                "limits": limits, "capabilities": {"cancel": {}},
            })  # fmt: skip
        case "rpc.discover":
            with open(os.path.join(os.path.dirname(__file__), "faulty.openrpc.json")) as file:
                answer(id, json.load(file))
        case "rpc.ping":
            answer(id, {})
        case "rpc.shutdown":
            note("shutdown")
            if way != "deaf":
                answer(id, None)
        case "faulty.exit":
            note("bye")
            os._exit(3)
        case "faulty.kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "faulty.close":
            os.close(1)
        case "faulty.garbage":
            raw(b'{"jsonrpc":"2.0",')
        case "faulty.spoilt":
            raw(b'printed{"jsonrpc":"2.0","id":1,"result":1}')
        case "faulty.stray":
            raw(b"printed \x1b[31m by a library")
            answer(id, 1)
        case "faulty.wrong":
            answer(id, "no number")
        case "faulty.leave":
            # One of its own group, which holds the pipes when its parent is gone.
            child = subprocess.Popen(["sleep", "600"])
            answer(id, child.pid)
        case _:  # `faulty.hang`, cancels
            pass


signal.signal(signal.SIGTERM, on_term)
for line in sys.stdin:
    message = json.loads(line)
    handle(message.get("id"), message["method"])
note("end of input")
if way not in ("polite", "deaf"):
    for_ever()
