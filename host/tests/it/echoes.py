"""A plugin that says all it was given, wherever it can; or fails at its start as its first argument says."""

from __future__ import annotations

import json
import os
import sys

from speech import Message, answer, receive, refuse, send, write

HOW = sys.argv[1] if len(sys.argv) > 1 else ""
SECRET = {"type": "string", "writeOnly": True}


def method(name: str, params: list[Message], result: object = True) -> Message:
    return {
        "name": name, "description": "Says.", "paramStructure": "by-name", "params": params,
        "result": {"name": "result", "schema": result}, "x-plugline": {"errors": "any"},
    }  # fmt: skip


def manifest() -> Message:
    password = {"name": "password", "required": True, "schema": SECRET}
    user = {"name": "user", "required": True, "schema": {"type": "string"}}
    config = {"type": "object", "properties": {"pin": SECRET, "token": {"type": "string"}}}
    return {
        "openrpc": "1.3.2",
        "info": {"title": "echoes", "version": "1.0.0"},
        "methods": [
            method("t.say", [password, user]), method("t.given", []), method("t.text", []), method("t.break", []),
        ],
        "components": {"schemas": {}},
        "x-plugline": {
            "protocol": [1], "provides": [{"contract": "t", "version": "1.0.0"}], "requires": [], "config": config,
            "hostMethods": [], "instances": "many",
        },
    }  # fmt: skip


def everywhere(request: Message, secrets: list[str]) -> None:
    for text in secrets:
        fields = {text: [text, {"deep": json.dumps(text)}]}
        send({"method": "rpc.log", "params": {"level": "info", "message": f"it is {text}", "target": text, "fields": fields}})
        progress = {"id": request["id"], "progress": 1, "message": text}
        send({"method": "rpc.progress", "params": progress})
        write(f"it is {text}\n".encode(), 2)
        # At the edge of what is quoted of a line, and of what is read of one at once.
        write(b"stray " + b"." * (200 - 6 - len(text) + 5) + text.encode() + b"\n")
        write(b"." * (16 * 1024 - len(text) + 5) + text.encode() + b"\n", 2)


given: Message = {}
while (message := receive()) is not None:
    match message.get("method"):
        case "rpc.discover":
            answer(message, manifest())
        case "rpc.initialize":
            given = message["params"]["config"]
            secrets = [given["token"], given["pin"], os.environ["KEY"]]
            if HOW == "refuse":
                refuse(message, -32002, f"invalid: {secrets}", {"errors": [{"path": "", "message": repr(secrets)}]})
            elif HOW == "die":
                write("".join(f"Traceback: {text}\n" for text in secrets).encode(), 2)
                sys.exit(1)
            elif HOW == "garbage":
                write(json.dumps({"jsonrpc": "2.0", "id": 0, "method": secrets, "result": secrets}).encode() + b"\n")
            else:
                hello = {
                    "protocolVersion": 1,
                    "plugin": {"name": secrets[0], "version": secrets[1]},
                    "provides": [{"contract": "t", "version": "1.0.0"}],
                    "capabilities": {"log": {}, "progress": {}},
                }
                if HOW == "ill-typed":
                    hello["capabilities"] = secrets[0]
                answer(message, hello)
        case "t.say":
            params = message["params"]
            secrets = [given["token"], given["pin"], os.environ["KEY"], params["password"]]
            everywhere(message, secrets)
            data = {params["user"]: 1, **{text: [text] for text in secrets}}
            refuse(message, 1, " ".join(secrets), data)
        case "t.given":
            answer(message, given)
        case "t.text":
            answer(message, given["token"])
        case "t.break":
            write(json.dumps({"jsonrpc": "2.0", "id": [given["token"]], "result": given["pin"]}).encode() + b"\n")
        case "rpc.shutdown":
            answer(message, None)
        case _:
            if "id" in message:
                answer(message, {})
