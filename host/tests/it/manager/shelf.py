"""A plugin of the contract `repository`, as shelf.json beside it says: which version, and what goes wrong.

    {"manifest": {...}, "pids": FILE, "decline": REASON, "refuse": POINTER, "leave": STATUS, "say": true,
     "wait": FILE, "left": true}

It leaves when it is asked what it is, and waits for the file before it reads anything. With `left`, its note is how long
its caller waits yet; milliseconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SELF: dict[str, Any] = json.loads((HERE / "shelf.json").read_text())
MANIFEST: dict[str, Any] = SELF["manifest"]
NOTE = "as it was"
config: dict[str, Any] = {}


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
    sys.stdout.flush()


def fail(request: dict[str, Any], code: int, message: str, data: object = None) -> None:
    send({"id": request["id"], "error": {"code": code, "message": message, "data": data}})


def initialize(request: dict[str, Any]) -> None:
    global config
    config = request["params"].get("config", {})
    if reason := SELF.get("decline"):
        return fail(request, -32009, "declined", {"reason": reason})
    if pointer := SELF.get("refuse"):
        return fail(request, -32002, "invalid config", {"errors": [{"path": pointer, "message": "unusable"}]})
    if SELF.get("say"):
        print(f"started with {json.dumps(config)} and {os.environ.get('KEY')}", file=sys.stderr, flush=True)
    info = MANIFEST["info"]
    hello = {"name": info["title"], "version": info["version"]}
    provides = MANIFEST["x-plugline"]["provides"]
    result = {"protocolVersion": 1, "plugin": hello, "provides": provides, "limits": {"maxInFlight": 1}}
    return send({"id": request["id"], "result": result})


def lookup(request: dict[str, Any]) -> None:
    name = request["params"]["component"]
    found = config.get("components", {}).get(name)
    if found is None:
        return fail(request, 1, "no such component")
    return send({"id": request["id"], "result": {"component": name, "version": found}})


def about(request: dict[str, Any]) -> None:
    if (status := SELF.get("leave")) is not None:
        sys.exit(status)
    note = str(request["params"]["_meta"]["deadlineMs"]) if SELF.get("left") else NOTE
    result = {"version": MANIFEST["info"]["version"], "note": note, "pid": os.getpid(), "config": config,
              "key": os.environ.get("KEY")}
    send({"id": request["id"], "result": result})


METHODS = {"rpc.initialize": initialize, "repository.lookup": lookup, "repository.about": about}
RESULTS: dict[str, object] = {"rpc.ping": {}, "rpc.shutdown": None, "rpc.discover": MANIFEST}

with open(SELF["pids"], "a") as file:
    file.write(f"{os.getpid()}\n")
while "wait" in SELF and not Path(SELF["wait"]).exists():
    time.sleep(0.005)
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message:
        continue
    if message["method"] in RESULTS:
        send({"id": message["id"], "result": RESULTS[message["method"]]})
    elif message["method"] in METHODS:
        METHODS[message["method"]](message)
    else:
        fail(message, -32601, "no such method")
