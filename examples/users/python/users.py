#!/usr/bin/env python3
"""The contract `users` 1.0.0 without an SDK: the minimal plugin of protocol/SPEC.md, with other methods."""
import itertools, json, os, signal, sys
from typing import Any
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOC = json.load(open(f"{HERE}/users.openrpc.json")) | {"info": {"title": "users-python", "version": "0.1.0"}}
RPC = {"rpc.ping": {}, "rpc.shutdown": None, "rpc.discover": DOC, "rpc.initialize": {"limits": {"maxInFlight": 1},
  "plugin": {"name": "users-python", "version": "0.1.0"}, "protocolVersion": 1, "provides": DOC["x-plugline"]["provides"]}}
PARAMS = {method["name"]: {param["name"] for param in method["params"]} for method in DOC["methods"]}
CLAIMS, host = (None, "mail", "username", "display_name"), dict[str, Any](state="new", limit=1 << 20, users=[])
class Fault(Exception): """What is answered in place of a result: the error object."""
def need(good: Any, code: int, message: str, **data: Any) -> None:
    if not good: raise Fault({"code": code, "message": message, "data": data})
def dump(value: Any) -> bytes: return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
def load(path: str, code: int) -> None:
    try: host["users"] = [{k: v for k, v in user.items() if k != "secret"} for user in json.load(open(str(path)))]
    except (OSError, ValueError, TypeError, AttributeError) as why: need(False, code, f"cannot load {path}: {why}")
def call(method: str, p: Any) -> Any:
    need(host["state"] != "closing" or method == "rpc.ping", -32003, "shutting down")
    need(host["state"] == "ready" or method in RPC, -32000, "not initialized")
    need(host["state"] == "new" or method != "rpc.initialize", -32600, "initialized already")
    need(method in RPC or method in PARAMS, -32601, f"no method {method[:99]!r}")
    need(type(p) is dict, -32602, "params are an object")
    if method == "rpc.initialize":
        need(type(v := p.get("protocolVersions")) is list and 1 in v, -32001, "only version 1 is spoken", supported=[1])
        load((p.get("config") or {}).get("file") or f"{HERE}/data/users.json", -32002)
        host.update(state="ready", limit=p.get("limits", {}).get("maxLineBytes", 1 << 24))
    if method in RPC: return host.update(state="closing") if method == "rpc.shutdown" else RPC[method]
    need(p.keys() - {"_meta"} == PARAMS[method], -32602, f"the params are {PARAMS[method]}")
    texts = [text for k in PARAMS[method] for text in (p[k].values() if type(p[k]) is dict else [p[k]])]
    need(all(type(text) is str for text in texts) and p.get("claim") in CLAIMS, -32602, "a param is ill-typed")
    if method == "users.on_load": return load(p["file"], 2)
    if method == "users.find_users":
        return [user for user in host["users"] if any(p["query"].lower() in text.lower() for text in (
            user["username"], user["display_name"], user["mail"], user["id"]["opaque_id"]))]
    found = [u for u in host["users"] if (u["id"] == p["id"] if "id" in p else u[p["claim"]] == p["value"])]
    need(found, 1, "no such user")
    return found[0]["groups"] if method == "users.get_user_groups" else found[0]
def answer(line: bytes) -> Any:  # nothing answers a notification, or a response
    reply: dict[str, Any] = {"jsonrpc": "2.0", "id": None}
    try:
        dump(m := json.loads(line.decode()))  # refuses NaN, lone surrogates and nesting without end
        need(type(m) is dict, -32600, "a message is an object")
        id, method, params, ends = m.get("id"), m.get("method"), m.get("params", {}), m.keys() & {"result", "error"}
        valid = type(id) is int and 0 <= id < 2**53 or type(id) is str and len(id.encode()) <= 256
        right = m.get("jsonrpc") == "2.0" and type(method if "method" in m else "") is str
        if not ends and "id" not in m and type(method) is str or len(ends) == 1 and not method and valid and right: return None
        need("method" in m and valid and not ends, -32600, "neither a request nor a notification")
        reply["id"] = id
        need(right and type(params) in (dict, list), -32600, "jsonrpc, method or params are wrong")
        return reply | {"result": call(method, params)}
    except Fault as fault: return reply | {"error": fault.args[0]}
    except Exception as why: return reply | {"error": {"code": -32700 if reply["id"] is None else -32603, "message": f"{why}"}}
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a write that fails ends the process at once, quietly
for line in itertools.chain([sys.stdin.buffer.readline().removeprefix(b"\xef\xbb\xbf")], sys.stdin.buffer):
    if line.endswith(b"\n") and line.strip(b" \t\r\n") and (out := answer(line)):
        fault = {"code": -32007, "message": "long", "data": {"limit": host["limit"], "size": len(text := dump(out))}}
        long = dump({"jsonrpc": "2.0", "id": out["id"], "error": fault})
        os.write(1, (text if len(text) <= host["limit"] else long) + b"\n")
