"""A plugin that is right, or wrong in the one way that FAULT names. Knows one method: `w.echo`."""

import json
import os
import sys
import time
from typing import Any

FAULT = os.environ.get("FAULT", "")
MANIFEST = {
    "openrpc": "1.3.2",
    "info": {"title": "wrong", "version": "1.0.0"},
    "methods": [],
    "x-plugline": {"protocol": [1], "provides": [], "requires": [], "config": {}, "hostMethods": []},
}
HELLO = {
    "protocolVersion": 1,
    "plugin": {"name": "wrong\u001b[2J", "version": "1.0.0"},
    "provides": [],
    "limits": {"maxInFlight": 1},
}
if FAULT == "logs":
    HELLO["capabilities"] = {"log": {}}
if FAULT == "endless":
    HELLO["limits"] = {"maxInFlight": 2**53 - 1, "maxLineBytes": 2**40, "maxDepth": 2**53 - 1}


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def echo(ident: Any, params: dict[str, Any]) -> None:
    match FAULT:
        case "other":
            say({"id": ident, "result": "other\u001b[31m"})
        case "dies":
            sys.stderr.write("I have had enough\n")
            sys.exit(3)
        case "rejects":
            say({"id": ident, "error": {"code": -32602, "message": "no"}})
        case "twice":
            say({"id": ident, "result": params["value"]})
            say({"id": ident, "result": params["value"]})
        case "prints":
            print("hello from a library", flush=True)
            say({"id": ident, "result": params["value"]})
        case "late":
            say({"id": ident, "result": params["value"]})
            say({"method": "rpc.progress", "params": {"id": ident, "progress": 1}})
        case "unasked":
            say({"id": ident, "result": params["value"]})
            say({"id": None, "error": {"code": -32600, "message": "what?"}})
        case "pings":
            say({"id": f"ping-{ident}", "method": "rpc.ping"})
            say({"id": ident, "result": params["value"]})
        case "logs":
            say({"id": ident, "result": params["value"]})
            say({"method": "rpc.log", "params": {"level": "info", "message": "answered"}})
        case "unended":
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": ident, "result": params["value"]}))
            sys.stdout.flush()
        case _:
            say({"id": ident, "result": params["value"]})


for line in sys.stdin:
    request = json.loads(line)
    ident, method = request.get("id"), request.get("method")
    if method == "rpc.initialize" and FAULT == "refuses":
        say({"id": ident, "error": {"code": -32009, "message": "declined", "data": {"reason": "not today"}}})
    elif method == "rpc.initialize":
        say({"id": ident, "result": HELLO})
    elif method == "rpc.discover":
        say({"id": ident, "result": MANIFEST})
    elif method == "rpc.ping" and FAULT != "deaf":
        say({"id": ident, "result": {}})
    elif method == "w.echo":
        echo(ident, request["params"])
if FAULT == "lingers" or (FAULT == "lingers-once" and not os.path.exists(os.environ["MARK"])):
    if FAULT == "lingers-once":
        with open(os.environ["MARK"], "w"):
            pass
    time.sleep(1.8)
sys.exit(5 if FAULT == "status" else 0)
