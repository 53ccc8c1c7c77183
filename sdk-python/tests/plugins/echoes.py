"""A plugin that says all it was given, wherever it can; or fails at its start as its first argument says."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

HOW = sys.argv[1] if len(sys.argv) > 1 else ""


def send(**message: Any) -> None:
    os.write(1, json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


token = ""
for line in sys.stdin:
    request = json.loads(line)
    id = request.get("id")
    match request.get("method"):
        case "rpc.initialize":
            token = request["params"]["config"]["token"]
            os.write(2, f"it is {token}, and {os.environ['KEY']}\n".encode())
            if HOW == "refuse":
                send(id=id, error={"code": -32002, "message": f"not {token}", "data": {token: [token]}})
            elif HOW == "die":
                sys.exit(1)
            else:
                hello = {"protocolVersion": 1, "plugin": {"name": token, "version": "1"}, "provides": []}
                send(id=id, result={**hello, "capabilities": {"log": {}}})
        case "t.say":
            send(method="rpc.log", params={"level": "info", "message": token, "target": token, "fields": {token: [token]}})
            os.write(1, f"stray {token}\n".encode() + b"." * (200 - len(token) + 5) + token.encode() + b"\n")
            send(id=id, error={"code": 1, "message": f"not {token}", "data": {token: [token, os.environ["KEY"]]}})
        case "t.given":
            send(id=id, result=token)
        case "t.break":
            send(id=[token], result=token)
        case _ if id is not None:
            send(id=id, result=None)
