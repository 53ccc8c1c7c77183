"""A plugin that says one text wherever it can: `poison.py FILE`, the text is in the file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

TEXT = Path(sys.argv[1]).read_bytes().decode()
SCHEMA = {"type": "string", "title": TEXT, "description": TEXT, "default": TEXT, "enum": [TEXT], "pattern": TEXT}
MANIFEST: Any = {
    "openrpc": "1.3.2",
    "info": {"title": TEXT, "version": TEXT, "description": TEXT},
    "methods": [
        {
            "name": name,
            "summary": TEXT,
            "description": TEXT,
            "paramStructure": "by-name",
            "params": [{"name": TEXT, "description": TEXT, "schema": SCHEMA}],
            "result": {"name": TEXT, "description": TEXT, "schema": SCHEMA},
            "examples": [
                {
                    "name": TEXT,
                    "params": [{"name": TEXT, "value": TEXT}],
                    "result": {"name": TEXT, "value": {TEXT: [TEXT]}},
                }
            ],
            "x-plugline": {"errors": [{"code": 1, "name": TEXT, "message": TEXT, "data": SCHEMA}]},
        }
        for name in ("t.say", TEXT)
    ],
    "components": {"schemas": {TEXT: SCHEMA}},
    "x-plugline": {
        "protocol": [1],
        "provides": [{"contract": TEXT, "version": TEXT, "types": [TEXT]}],
        "requires": [{"contract": TEXT, "version": TEXT}],
        "config": SCHEMA,
        "hostMethods": [],
        "instances": "many",
    },
}


def send(message: Any) -> None:
    os.write(1, json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode() + b"\n")


def say(id: object) -> None:
    log = {"level": "error", "message": TEXT, "target": TEXT, "fields": {TEXT: {TEXT: [TEXT]}}}
    send({"method": "rpc.log", "params": log})
    send({"method": "rpc.progress", "params": {"id": id, "progress": 1, "message": TEXT}})
    send({"method": TEXT, "params": {TEXT: TEXT}})
    send({"id": 999, "error": {"code": 1, "message": TEXT, "data": TEXT}})
    os.write(2, TEXT.encode() + b"\n")
    os.write(1, b"stray " + TEXT.replace("\n", " ").encode() + b"\n")


for line in sys.stdin.buffer:
    request = json.loads(line)
    id = request.get("id")
    match request.get("method"):
        case _ if id is None:
            pass
        case "rpc.initialize":
            hello = {
                "protocolVersion": 1,
                "plugin": {"name": TEXT, "version": TEXT},
                "provides": [{"contract": TEXT, "version": TEXT}],
                "capabilities": {"log": {}, "progress": {}},
            }
            send({"id": id, "result": hello})
        case "rpc.discover":
            send({"id": id, "result": MANIFEST})
        case "rpc.ping":
            say(id)
            send({"id": id, "result": {}})
        case "rpc.shutdown":
            say(id)
            send({"id": id, "result": None})
        case "t.say":
            say(id)
            send({"id": id, "result": {TEXT: [TEXT, {TEXT: TEXT}]}})
        case "t.fail":
            say(id)
            send({"id": id, "error": {"code": 1, "message": TEXT, "data": {TEXT: [TEXT]}}})
        case "t.wrong":
            os.write(1, json.dumps({"jsonrpc": "2.0", "id": [TEXT], "result": TEXT}, ensure_ascii=False).encode() + b"\n")
        case "t.die":
            os.write(2, TEXT.encode())
            sys.exit(3)
        case method:
            send({"id": id, "error": {"code": -32601, "message": f"{TEXT}: {method}", "data": TEXT}})
