"""The plugin of a run over the Python SDK: `sdk.py VERSION [BROKEN]`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypedDict

from msgspec import Meta
from plugline import Batch, Call, Error, Plugin

VERSION = sys.argv[1]
BROKEN = sys.argv[2] if len(sys.argv) > 2 else ""
DIRECTORY = Path(os.environ["PLUGLINE_CHAOS_DIR"])
NAME = os.environ["PLUGLINE_CHAOS_NAME"]

Natural = Annotated[int, Meta(ge=0)]


class Answer(TypedDict):
    id: Natural
    text: str
    pid: Natural
    version: str


class Planned(Error, code=1, message="as it was asked to"):
    """It was asked to fail."""

    id: Natural


plugin = Plugin(
    "sdk",
    version=VERSION,
    description="Does what it is asked to, and misbehaves when it is told to.",
    provides={"chaos": "1.0.0", "feats": "1.0.0"},
    requires={"chaos_host": "1.0.0"},
    concurrency=8,
    instances="one" if "PLUGLINE_CHAOS_ONE" in os.environ else "many",
)
slow = [0, 0]
"""How many calls are slow, and by how many milliseconds."""


def answer(id: int, text: str, us: int) -> Answer:
    time.sleep(us / 1e6)
    if slow[0] > 0:
        slow[0] -= 1
        time.sleep(slow[1] / 1000)
    return {"id": id, "text": text, "pid": os.getpid(), "version": VERSION}


def append(path: Path, line: str) -> None:
    """In one write, so that it is there whole or not at all."""
    file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    os.write(file, line.encode())
    os.close(file)


@plugin.host_method("chaos_host.nest", errors="any")
def host_nest(id: Natural, depth: Natural) -> Natural:
    raise NotImplementedError


@plugin.method("chaos.echo", idempotent=True)
def echo(id: Natural, text: str, us: Natural) -> Answer:
    """Gives back what it was given, and says who it is; takes so many microseconds for it."""
    return answer(id, text, us)


@plugin.method("chaos.mark")
def mark(id: Natural, us: Natural) -> Answer:
    """The same, and leaves a mark. A second call would leave another."""
    append(DIRECTORY / "marks" / str(os.getpid()), f"{id}\n")
    return answer(id, "", us)


@plugin.method("chaos.remark", idempotent=True)
def remark(id: Natural, us: Natural) -> Answer:
    """The same; but another mark does no harm."""
    append(DIRECTORY / "marks" / str(os.getpid()), f"{id}\n")
    return answer(id, "", us)


@plugin.method("chaos.fail", errors=[Planned])
def fail(id: Natural) -> Answer:
    """Fails."""
    raise Planned(id=id)


@plugin.method("chaos.fault")
def fault(what: str, n: Natural, call: Call) -> None:
    """Misbehaves in that way, so many times or milliseconds."""
    append(DIRECTORY / "confessions", f"{time.monotonic_ns()} {NAME} {os.getpid()} {what}\n")
    print(f"about to misbehave: {what}", file=sys.stderr, flush=True)
    match what:
        case "exit":
            os._exit(n)
        case "abort":
            os.abort()
        case "segv":
            os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(1)
        case "panic":
            raise RuntimeError("as it was told to")
        case "stderr":
            for line in range(n):
                print(f"flood {line} {'x' * 200}", file=sys.stderr)
        case "stray":
            for line in range(n):
                print(f"stray {line} {'x' * 200}")
        case "log":
            for line in range(n):
                call.log("info", f"flood {line} {'x' * 200}")
        case "slow":
            slow[:] = [20, n]
        case "spin":
            until = time.monotonic() + n / 1000
            while time.monotonic() < until:
                pass
        case "child":
            subprocess.Popen(["sleep", "600"])


@plugin.method("feats.nest", errors="any")
def nest(id: Natural, depth: Natural, call: Call) -> Natural:
    """Asks the host, which asks in turn, as deep as that; what comes back is `id` plus the depth."""
    if depth == 0:
        return id
    below = call.callback("chaos_host.nest", {"id": id, "depth": depth - 1})
    assert isinstance(below, int)
    return below + 1


@plugin.method("feats.wait")
def wait(id: Natural, ms: Natural, call: Call) -> Answer:
    """Says that it has begun, and waits so many milliseconds."""
    call.progress(0)
    call.sleep(ms / 1000)
    return answer(id, "", 0)


@plugin.method("feats.steps")
def steps(n: Natural, call: Call) -> Natural:
    """Says after each step that it is done, and how many there were."""
    for step in range(1, n + 1):
        call.check()
        call.progress(step, n, "a step")
        call.log("debug", "a step")
    return n


@plugin.method("feats.count")
def count(id: Natural, n: Natural) -> Iterator[Natural | Batch[Natural]]:
    """Counts from `id` on, so many numbers."""
    for first in range(0, n, 100):
        yield Batch(range(id + first, id + min(n, first + 100)))


@plugin.method("feats.sum")
def sum_(numbers: Iterator[Natural]) -> Natural:
    """The sum of all numbers."""
    return sum(numbers)


@plugin.method("feats.double")
def double(numbers: Iterator[Natural]) -> Iterator[Natural]:
    """Twice each number, as it comes."""
    for number in numbers:
        yield 2 * number


@plugin.notification("feats.note")
def note(id: Natural) -> None:
    """Does nothing."""


if __name__ == "__main__":
    match BROKEN:
        case "exit":
            sys.exit("broken: it exits at once")
        case "garbage" | "mute":
            time.sleep(3600)
    plugin.run()
