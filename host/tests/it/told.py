"""A plugin that answers what it is told, whatever its manifest says.

    told.py MANIFEST SEEN

Without a manifest (-) rpc.discover is an unknown method. The methods that it is asked for go into the file SEEN.
"""

from __future__ import annotations

import json
import sys
from typing import Any

MANIFEST: Any = None if sys.argv[1] == "-" else json.loads(sys.argv[1])


def send(message: dict[str, Any]) -> None:
    print(json.dumps({"jsonrpc": "2.0"} | message), flush=True)


HELLO = {
    "protocolVersion": 1,
    "plugin": {"name": "told", "version": "1.0.0"},
    "provides": [],
    "capabilities": {"streams": {}, "cancel": {}},
}
NO_METHOD = {"code": -32601, "message": "no such method"}
inputs: dict[Any, list[Any]] = {}

for line in sys.stdin:
    message = json.loads(line)
    method, params = message["method"], message.get("params", {})
    with open(sys.argv[2], "a", encoding="utf-8") as seen:
        seen.write(method + "\n")
    if method == "rpc.discover" and MANIFEST is None:
        send({"id": message["id"], "error": NO_METHOD})
    elif method == "rpc.discover":
        send({"id": message["id"], "result": MANIFEST})
    elif method == "rpc.initialize":
        send({"id": message["id"], "result": HELLO})
    elif method == "rpc.shutdown":
        send({"id": message["id"], "result": None})
    elif method == "rpc.input":
        inputs.setdefault(params["id"], []).extend(params["items"])
    elif method == "rpc.inputEnd":
        send({"id": params["id"], "result": inputs.pop(params["id"], [])})
    elif method == "t.list":
        send({"method": "rpc.output", "params": {"id": message["id"], "items": params["items"]}})
        send({"id": message["id"], "result": None})
    elif method == "t.give":
        send({"id": message["id"], "result": params["give"]})
