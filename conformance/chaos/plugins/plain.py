"""The plugin of a run without an SDK, which can break the protocol in every way: `plain.py VERSION [BROKEN]`.

It serves one call at a time. Its manifest stands beside it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

VERSION = sys.argv[1]
BROKEN = sys.argv[2] if len(sys.argv) > 2 else ""
DIRECTORY = Path(os.environ["PLUGLINE_CHAOS_DIR"])
NAME = os.environ["PLUGLINE_CHAOS_NAME"]
WILD = float(os.environ.get("PLUGLINE_CHAOS_WILD", "0"))
"""How probable it is that a call has it misbehave by itself."""
MOODS = ["exit", "abort", "garbage", "half", "wrong_id", "twice", "oversize", "stray", "spoilt", "noise", "slow"]
MANIFEST: dict[str, Any] = json.loads(Path("manifest.json").read_text())
MANIFEST["info"]["version"] = VERSION
slow = [0, 0]
"""How many calls are slow, and by how many milliseconds."""
lies = 0
"""How many answers are not true; asked for only to see that it is found."""

Message = dict[str, Any]


def write(text: bytes) -> None:
    while text:
        text = text[os.write(1, text) :]


def line(message: Message) -> bytes:
    return json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n"


def append(path: Path, text: str) -> None:
    """In one write, so that it is there whole or not at all."""
    file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    os.write(file, text.encode())
    os.close(file)


def answer(id: int, text: str, us: int) -> Message:
    global lies
    if lies > 0:
        lies -= 1
        text += "?"
    time.sleep(us / 1e6)
    if slow[0] > 0:
        slow[0] -= 1
        time.sleep(slow[1] / 1000)
    return {"id": id, "text": text, "pid": os.getpid(), "version": VERSION}


def mark(id: int, us: int) -> Message:
    append(DIRECTORY / "marks" / str(os.getpid()), f"{id}\n")
    return answer(id, "", us)


def misbehave(what: str, n: int, request: object) -> None:
    """Says what it is about to do, and does it."""
    global lies
    append(DIRECTORY / "confessions", f"{time.monotonic_ns()} {NAME} {os.getpid()} {what}\n")
    print(f"about to misbehave: {what}", file=sys.stderr, flush=True)
    match what:
        case "exit":
            os._exit(n % 256)
        case "abort":
            os.abort()
        case "segv":
            os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(1)
        case "garbage":
            write(b'{"jsonrpc":"2.0","id":\xff\x00 garbage\n')
        case "half":
            write(line({"id": request, "result": None})[:20])
            os._exit(3)
        case "wrong_id":
            write(line({"id": 9007199254740990, "result": {"of": "another"}}))
        case "twice":
            write(line({"id": request, "result": None}))
        case "oversize":
            write(b'{"jsonrpc":"2.0","x":"' + b"x" * (2 << 20) + b'"}\n')
        case "stray":
            write(b"".join(b"stray %d %s\n" % (number, b"x" * 200) for number in range(n)))
        case "spoilt":
            write(b"printed without an end of line" + line({"id": request, "result": None}))
        case "noise":
            write(random.randbytes(n) + b"\n")
        case "close_stdout":
            os.close(1)
            time.sleep(3600)
        case "close_stdin":
            os.close(0)
            time.sleep(3600)
        case "deaf":
            time.sleep(n / 1000)
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(3600)
        case "stderr":
            sys.stderr.write("".join(f"flood {number} {'x' * 200}\n" for number in range(n)))
        case "lie":
            lies = n
        case "slow":
            slow[:] = [20, n]
        case "spin":
            until = time.monotonic() + n / 1000
            while time.monotonic() < until:
                pass
        case "child":
            subprocess.Popen(["sleep", "600"])
        case _:
            pass


def call(request: Message) -> None:
    id, method = request["id"], request["method"]
    params: Message = dict(request.get("params", {}))
    params.pop("_meta", None)
    if random.random() < WILD and method.startswith("chaos.") and method != "chaos.fault":
        misbehave(random.choice(MOODS), 50, id)
    match method:
        case "rpc.initialize":
            info, provides = MANIFEST["info"], MANIFEST["x-plugline"]["provides"]
            hello = {"name": info["title"], "version": VERSION}
            result: object = {
                "protocolVersion": 1, "plugin": hello, "provides": provides, "limits": {"maxInFlight": 1},
            }  # fmt: skip
        case "rpc.discover":
            result = MANIFEST
        case "rpc.ping":
            result = {}
        case "rpc.shutdown":
            result = None
        case "chaos.echo":
            result = answer(**params)
        case "chaos.mark" | "chaos.remark":
            result = mark(**params)
        case "chaos.fault":
            misbehave(params["what"], params["n"], id)
            result = None
        case "chaos.fail":
            data = {"id": params["id"]}
            return write(line({"id": id, "error": {"code": 1, "message": "as it was asked to", "data": data}}))
        case _:
            return write(line({"id": id, "error": {"code": -32601, "message": "no such method"}}))
    return write(line({"id": id, "result": result}))


match BROKEN:
    case "exit":
        sys.exit("broken: it exits at once")
    case "garbage":
        write(b'{"jsonrpc": broken\n')
    case "mute":
        time.sleep(3600)
for text in sys.stdin.buffer:
    request = json.loads(text)
    if "method" in request and "id" in request:
        call(request)
