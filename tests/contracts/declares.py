"""A plugin without an SDK that declares what a document says, as it stands there, and serves none of it.

`declares.py DOCUMENT`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

with open(sys.argv[1]) as file:
    document = json.load(file)
answers: dict[str, Any] = {
    "rpc.initialize": {
        "protocolVersion": 1,
        "plugin": {"name": document["info"]["title"], "version": document["info"]["version"]},
        "provides": document["x-plugline"]["provides"],
        "limits": {"maxInFlight": 8},
        "capabilities": {"cancel": {}, "streams": {}},
    },
    "rpc.discover": document,
    "rpc.ping": {},
    "rpc.shutdown": None,
}
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": answers[message["method"]]}
        os.write(1, json.dumps(answer).encode() + b"\n")
