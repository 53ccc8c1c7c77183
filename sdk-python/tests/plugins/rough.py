"""A plugin whose author misbehaves on purpose, and uses all that the SDK has: what the tests run."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from plugline import Batch, Call, Declined, Error, InvalidConfig, InvalidParams, Plugin, error

print("printed at import")
os.write(1, b'{"jsonrpc":"2.0","method":"forged"}\n')


class Refused(Error, code=1, message="refused"):
    reason: str
    times: int = 1


class Undeclared(Error, code=2, message="undeclared"):
    pass


class Config(msgspec.Struct, forbid_unknown_fields=True):
    refuse: str | None = None
    bad: bool = False
    fault: bool = False
    sizes: dict[str, int] = {}


concurrency = int(os.environ.get("ROUGH_CONCURRENCY", "1"))
plugin = Plugin(
    "rough",
    version="0.1.0",
    provides={"rough": "1.0.0"},
    requires={"asker": "1.0.0"},
    concurrency=concurrency,
    log_level="debug",
)
notes: list[str] = []


@plugin.on_start
def start(config: Config) -> None:
    print("printed at start")
    if config.refuse is not None:
        raise Declined(config.refuse)
    if config.bad:
        raise InvalidConfig("/bad", "is bad")
    if config.fault:
        raise ValueError("as the config says")


@plugin.on_stop
def stop() -> None:
    print("stopped in order")


@plugin.host_method("asker.ask", errors=[Refused])
def ask(question: str) -> str:
    """Asks."""
    raise NotImplementedError


@plugin.host_notification("asker.tell")
def tell(what: str) -> None:
    raise NotImplementedError


@plugin.method("rough.print")
def print_(text: str) -> str:
    import ctypes

    print(text)
    print('{"jsonrpc":"2.0","method":"forged"}', end="")
    sys.stdout.flush()
    os.write(1, text.encode())
    ctypes.CDLL(None).puts(text.encode())
    ctypes.CDLL(None).fflush(None)
    return sys.stdin.read()


@plugin.method("rough.spawn")
def spawn(script: str) -> int:
    """Runs a child that inherits all it can."""
    return subprocess.run(["sh", "-c", script], close_fds=False, check=False).returncode


def _chatter(text: str) -> None:
    print(text)
    for fd in range(3, 64):
        try:
            os.write(fd, b'{"jsonrpc":"2.0","method":"forged"}\n')
        except OSError:
            pass


@plugin.method("rough.fork")
def fork(way: str) -> int:
    """Forks; the child writes wherever it can."""
    if way == "return":
        if (pid := os.fork()) == 0:
            return -1  # what the child answers
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    import multiprocessing

    context: Any = multiprocessing.get_context(way)
    child = context.Process(target=_chatter, args=("from a child",))
    child.start()
    child.join()
    return int(child.exitcode)


@plugin.method("rough.fail", errors=[Refused])
def fail(how: str) -> Any:
    match how:
        case "declared":
            raise Refused(reason="no")
        case "adhoc":
            raise error(1, "refused by hand", [1, 2])
        case "undeclared":
            raise Undeclared()
        case "params":
            raise InvalidParams("/how", "is not what it should be")
        case "exit":
            sys.exit(5)
        case "interrupt":
            raise KeyboardInterrupt
        case "surrogate":
            return "\udc00"
        case "large":
            return 2**53
        case "negative":
            return -(2**53)
        case "exact":
            return [2**53 - 1, -(2**53) + 1, "12345678901234567890", 1e300]
        case "nan":
            return object()
        case "deep":
            nested: Any = None
            for _ in range(200):
                nested = [nested]
            return nested
        case "long":
            return "x" * (2 << 20)
    raise ValueError("out of ideas")


@plugin.method("rough.wrong_type")
def wrong_type() -> int:
    return "no number"  # type: ignore[return-value]


@plugin.method("rough.sleep")
def sleep(seconds: float, call: Call) -> None:
    call.progress(0.0)
    call.sleep(seconds)


@plugin.method("rough.block")
def block(path: str, call: Call) -> None:
    """Blocks in the system, and heeds no cancel."""
    call.progress(0.0)
    with open(path, "rb") as file:
        file.read(1)


@plugin.method("rough.spin")
def spin(call: Call) -> int:
    """Computes until it is cancelled."""
    call.progress(0.0)
    rounds = 0
    while not call.cancelled:
        rounds += 1
    call.check()
    return rounds


@plugin.method("rough.echo", idempotent=True)
def echo(value: Any) -> Any:
    return value


@plugin.method("rough.remaining")
def remaining(call: Call) -> float | None:
    return call.remaining


@plugin.method("rough.about")
def about(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "method": call.method,
        "traceparent": call.traceparent,
        "host": call.host.name,
        "instance": call.host.instance,
        "main": threading.current_thread() is threading.main_thread(),
    }


@plugin.method("rough.steps")
def steps(n: int, call: Call) -> None:
    for step in range(1, n + 1):
        call.progress(step, n, "a step")
        call.progress(step - 0.5, n, "a step back")


@plugin.method("rough.log")
def log(level: str, message: str, call: Call) -> None:
    call.log(level, message, target="rough", n=1)
    logging.getLogger("rough.module").warning("logged %s", message)
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("rough.module").exception("failed")


@plugin.method("rough.ask", errors="any")
def relay(question: str, call: Call) -> str:
    tell(call, what="asking")
    return ask(call, question=question)


@plugin.method("rough.ask_thread", errors="any")
def ask_thread(question: str, call: Call) -> str:
    """Asks from a thread of the author's, for which main waits without knowing of it."""
    outcome: list[str | Exception] = []

    def run() -> None:
        try:
            outcome.append(ask(call, question=question))
        except Exception as fault:  # noqa: BLE001 - raised again below
            outcome.append(fault)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


@plugin.method("rough.ask_late", errors="any")
def ask_late(call: Call) -> str:
    """Cleans up with the host's help after it was cancelled."""
    call.progress(0.0)
    try:
        call.sleep(600)
    finally:
        ask(call, question="clean up?")
    return "never"


@plugin.method("rough.count")
def count(n: int) -> Iterator[int]:
    yield from range(n)


@plugin.method("rough.batches")
def batches(n: int, size: int) -> Iterator[int | Batch[int]]:
    for start in range(0, n, size):
        yield Batch(range(start, min(n, start + size)))


@plugin.method("rough.fill")
def fill(items: int, width: int) -> Iterator[str]:
    for _ in range(items):
        yield "x" * width


@plugin.method("rough.closing")
def closing() -> Iterator[int]:
    try:
        number = 0
        while True:
            yield number
            number += 1
    finally:
        notes.append("closed")


@plugin.method("rough.sum")
def sum_(numbers: Iterator[int]) -> int:
    """Adds up; has enough at a zero."""
    total = 0
    for number in numbers:
        if number == 0:
            break
        total += number
    return total


@plugin.method("rough.double")
def double(numbers: Iterator[int]) -> Iterator[int]:
    for number in numbers:
        yield 2 * number


@plugin.method("rough.notes")
def list_notes() -> list[str]:
    return notes


@plugin.notification("rough.note")
def note(text: str, slow: float = 0.0) -> None:
    time.sleep(slow)
    if text == "fault":
        raise ValueError("as it says")
    notes.append(text)


if __name__ == "__main__":
    plugin.run()
