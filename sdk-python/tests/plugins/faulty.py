"""A plugin without an SDK that breaks the rules on purpose: what the host's tests run. `faulty.py FAULT`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

fault = sys.argv[1]
HELLO: dict[str, Any] = {
    "protocolVersion": 1,
    "plugin": {"name": "faulty", "version": "0.1.0"},
    "provides": [{"contract": "faulty", "version": "1.0.0"}],
    "limits": {"maxInFlight": 2},
    "capabilities": {"cancel": {}, "streams": {}, "callbacks": {}, "log": {}, "progress": {}},
}


def raw(data: bytes) -> None:
    os.write(1, data)


def send(message: Any) -> None:
    raw(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


def receive() -> Any:
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)


def initialize() -> None:
    request = receive()
    assert request["method"] == "rpc.initialize"
    result = json.loads(json.dumps(HELLO))
    match fault:
        case "version":
            result["protocolVersion"] = 2
        case "no-provides":
            del result["provides"]
        case "limit":
            result["limits"]["maxLineBytes"] = 1
        case "streams-without-cancel":
            del result["capabilities"]["cancel"]
        case "declined":
            return send({"id": request["id"], "error": {"code": -32009, "message": "\x1b[31mno", "data": {"reason": "no"}}})
        case "config":
            error = {"code": -32002, "message": "bad", "data": {"errors": [{"path": "/a", "message": "is bad"}]}}
            return send({"id": request["id"], "error": error})
        case "declined-then-waits":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            error = {"code": -32009, "message": f"pid {os.getpid()}", "data": {"reason": "no"}}
            send({"id": request["id"], "error": error})
            while True:
                time.sleep(600)
        case "no-cancel":
            result["capabilities"] = {}
        case "unsupported":
            return send({"id": request["id"], "error": {"code": -32001, "message": "old", "data": {"supported": [0]}}})
        case "silent":
            time.sleep(600)
        case "early-call":
            send({"id": 9, "method": "host.ask", "params": {}})
            assert receive()["error"]["code"] == -32000
        case "exit":
            print("on its way out", file=sys.stderr)
            sys.exit(7)
        case "env":
            result["plugin"]["name"] = json.dumps(dict(os.environ))
        case "fds":
            result["plugin"]["name"] = " ".join(fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}"))
        case "session":
            result["plugin"]["name"] = json.dumps({
                "leads": os.getsid(0) == os.getpid() == os.getpgrp(),
                "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
                "usr1": signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN,
                "dir": os.getcwd(),
            })
    send({"id": request["id"], "result": result})


LINES = {
    "not-json": b'{"jsonrpc":"2.0",\n',
    "null-id": b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"what?"}}\n',
    "bad-id": b'{"jsonrpc":"2.0","id":1.5,"method":"rpc.ping"}\n',
    "two-ends": b'{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":"m"}}\n',
    "no-version": b'{"id":1,"result":1}\n',
    "spoilt": b'oops{"jsonrpc":"2.0","id":1,"result":1}\n',
    "batch": b'[{"jsonrpc":"2.0","id":1,"result":1}]\n',
    "too-long": b'{"jsonrpc":"2.0","x":"' + b"x" * (17 << 20),
    "output": b'{"jsonrpc":"2.0","method":"rpc.output","params":{"id":%d,"items":[1]}}\n',
    "overdraw": b'{"jsonrpc":"2.0","method":"rpc.output","params":{"id":%d,"items":["' + b"x" * 200_000 + b'"]}}\n',
    "window": b'{"jsonrpc":"2.0","method":"rpc.output","params":{"id":%d,"items":["' + b"x" * 300_000 + b'"]}}\n',
}


def serve() -> None:
    seen: list[str] = []
    while True:
        request = receive()
        id, method = request.get("id"), request.get("method", "")
        seen.append(method)
        if method == "rpc.shutdown":
            if fault == "deaf":
                time.sleep(600)
            send({"id": id, "result": None})
        elif method == "rpc.ping":
            send({"id": id, "result": {}})
        elif method == "rpc.discover":
            send({"id": id, "result": {"methods": []}})
        elif method == "faulty.break":
            line = LINES[fault]
            for _ in range(4 if fault == "overdraw" else 1):
                raw(line % id if b"%d" in line else line)
            if fault == "too-long":
                time.sleep(600)
        elif method == "faulty.echo":
            send({"id": id, "result": request["params"].get("value")})
        elif method == "faulty.late":
            time.sleep(request["params"]["_meta"]["deadlineMs"] / 1000)
            send({"id": id, "error": {"code": -32005, "message": "late"}})
        elif method == "faulty.seen":
            send({"id": id, "result": seen})
        elif method == "faulty.stray":
            for number in range(request["params"]["lines"]):
                raw(b"stray \x1b[31m%d\n" % number)
            raw(b'{"looks":"like json"}\n[1]\n\n')
            send({"id": id, "result": None})
        elif method == "faulty.nap":
            time.sleep(600)
        elif method == "faulty.exit":
            print("bye \x1b[31m", file=sys.stderr)
            os._exit(3)
        elif method == "faulty.kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif method == "faulty.close":
            os.close(1)
            time.sleep(600)
        elif method == "faulty.grandchild":
            child = subprocess.Popen(["sleep", "600"], start_new_session=request["params"]["away"])
            send({"id": id, "result": child.pid})
        elif method == "faulty.flood":
            for number in range(20_000):
                send({"method": "rpc.log", "params": {"level": "info", "message": f"{number} " + "x" * 1000}})
            raw(b"".join(b"noise\n" for _ in range(1000)))
            sys.stderr.write("y" * (2 << 20) + "\n")
            send({"id": id, "result": None})
        elif method == "faulty.twice":
            send({"id": 5, "method": "host.wait", "params": {}})
            send({"id": 5, "method": "host.wait", "params": {}})
        elif method == "faulty.deep":
            raw(b'{"jsonrpc":"2.0","id":%d,"result":%b}\n' % (id, b"[" * 50_000 + b"]" * 50_000))
        elif method == "faulty.surrogate":
            raw(b'{"jsonrpc":"2.0","id":%d,"result":"\\udc00"}\n' % id)
        # `faulty.hang`, cancels and everything else: nothing


if fault == "immortal":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if fault == "terminated":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
initialize()
if fault in ("immortal", "terminated"):
    while True:
        time.sleep(600)
serve()
