"""Attacks by a host on plugins made with the SDKs: what it sends, and what it does not read."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import arena as arenas
from arena import BUILT, ROOT, Arena, Message, NotContained

MIB = 1 << 20
FIXTURES = {
    "rust": [str(BUILT / "conformance-fixture")],
    "python": [str(arenas.PYTHON), "-B", str(ROOT / "conformance/fixture/python-sdk/conf.py")],
}
MOST = {"rust": 160, "python": 224}
"""What a plugin may take in any attack; MiB. The limits it declares are those of the protocol: lines of 16 MiB."""


class Victim:
    """A plugin, and the hostile end of its pipes."""

    def __init__(self, arena: Arena, which: str, *, reads: bool = True) -> None:
        self._arena, self._which = arena, which
        self._process = subprocess.Popen(
            FIXTURES[which], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**arena.environment(), "PLUGLINE_PROTOCOL": "1"}, bufsize=0,
        )  # fmt: skip
        self._lines: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._next = 0
        self._reading = threading.Event()
        self._reading.set()
        threading.Thread(target=self._read, daemon=True).start()
        self.hello = self.ask(
            "rpc.initialize", {"protocolVersions": [1], "capabilities": {"streams": {}, "progress": {}, "log": {}}}
        )
        if not reads:
            self._reading.clear()

    def _read(self) -> None:
        assert self._process.stdout is not None, "piped"
        unread = b""
        while True:
            self._reading.wait()
            chunk = os.read(self._process.stdout.fileno(), MIB)
            if not chunk:
                self._lines.put(None)
                return
            *whole, unread = (unread + chunk).split(b"\n")
            for each in whole:
                self._lines.put(json.loads(each))

    def raw(self, data: bytes) -> None:
        assert self._process.stdin is not None, "piped"
        view = memoryview(data)
        while view:
            view = view[os.write(self._process.stdin.fileno(), view) :]

    def raw_for(self, data: bytes, seconds: float) -> bool:
        """Writes, for that long at most; whether all was taken."""
        writer = threading.Thread(target=self._raw_quietly, args=[data], daemon=True)
        writer.start()
        writer.join(seconds)
        return not writer.is_alive()

    def _raw_quietly(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.raw(data)

    def line(self, method: str, params: object, id: object = None) -> bytes:
        message: Message = {"jsonrpc": "2.0", "method": method, "params": params}
        if id is not None:
            message["id"] = id
        return json.dumps(message).encode() + b"\n"

    def next(self, seconds: float = 15) -> Message:
        try:
            message = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise NotContained(f"the plugin says nothing for {seconds} s") from None
        if message is None:
            raise NotContained(f"the plugin has ended: {self._process.wait(10)}")
        return message

    def answer_to(self, id: object, seconds: float = 15) -> Message:
        while True:
            message = self.next(seconds)
            if "method" not in message and message.get("id") == id:
                return message

    def ask(self, method: str, params: object) -> Message:
        self._next += 1
        self.raw(self.line(method, params, f"mine-{self._next}"))
        return self.answer_to(f"mine-{self._next}")

    @property
    def peak(self) -> int:
        for each in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if each.startswith("VmHWM:"):
                return int(each.split()[1]) // 1024
        raise NotContained("the plugin has ended")

    def lives(self) -> str:
        """It answers, and its memory has not grown beyond what its limits say."""
        arena = self._arena
        answered = self.ask("conf.add", {"a": 1, "b": 2})
        arena.holds("it still does its work", answered.get("result") == 3, answered)
        peak = self.peak
        arena.holds(f"it takes no more than {MOST[self._which]} MiB", peak < MOST[self._which], f"{peak} MiB")
        return f"it went on, with {peak} MiB at most"

    def goes(self, seconds: float = 12, code: int | None = 0) -> None:
        """At the end of its input it ends."""
        assert self._process.stdin is not None, "piped"
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            ended = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise NotContained(f"it does not end within {seconds} s of the end of its input") from None
        if code is not None:
            self._arena.holds(f"it exits with status {code}", ended == code, ended)


def against_both(name: str, seconds: float = 45) -> Callable[[Callable[[Arena, str], str]], Callable[[Arena, str], str]]:
    """One attack on each SDK."""

    def named(run: Callable[[Arena, str], str]) -> Callable[[Arena, str], str]:
        for which in FIXTURES:

            def one(arena: Arena, which: str = which) -> str:
                return run(arena, which)

            one.__doc__ = run.__doc__
            arenas.attack(f"host/{which}/{name}", seconds)(one)
        return run

    return named


@against_both("line-bomb")
def line_bomb(arena: Arena, which: str) -> str:
    """Sends a line of 64 MiB."""
    victim = Victim(arena, which)
    for _ in range(64):
        victim.raw(b"x" * MIB)
    victim.raw(b"\n")
    told = victim.answer_to(None)
    arena.holds("it answers that the message is too large", told["error"]["code"] == -32007, told)
    lives = victim.lives()
    victim.goes()
    return f"maxLineBytes: skipped to the line's end, -32007; {lives}"


@against_both("nesting-bomb")
def nesting_bomb(arena: Arena, which: str) -> str:
    """Sends params, ids and methods that are a hundred thousand arrays deep."""
    victim = Victim(arena, which)
    bomb = b"[" * 100_000 + b"]" * 100_000
    codes = []
    for text in (
        b'{"jsonrpc":"2.0","id":7,"method":"conf.echo","params":{"value":' + bomb + b"}}\n",
        b'{"jsonrpc":"2.0","id":' + bomb + b',"method":"conf.echo"}\n',
        b'{"jsonrpc":"2.0","id":8,"method":' + bomb + b"}\n",
        bomb + b"\n",
    ):
        victim.raw(text)
        codes.append(victim.next()["error"]["code"])
    arena.holds("each is refused", all(code in (-32700, -32600, -32601, -32602) for code in codes), codes)
    lives = victim.lives()
    victim.goes()
    return f"the parser's depth: {codes}; {lives}"


@against_both("garbage")
def garbage(arena: Arena, which: str) -> str:
    """Sends twenty thousand lines of bytes that are no JSON, no UTF-8, no message."""
    victim = Victim(arena, which)
    lines = [
        b"\xff\xfe\n",
        b"\x00\n",
        b"{\n",
        b"}\n",
        b'"x"\n',
        b"nul\n",
        b"{}\n",
        b"[]\n",
        b'{"jsonrpc":"1.0","id":1,"method":"x"}\n',
        b"\xef\xbb\xbf{}\n",
    ]
    codes = set()
    for _ in range(10):  # Who reads none of the answers is let go, from a megabyte of them on.
        victim.raw(b"".join(lines) * 200)
        codes |= {victim.next()["error"]["code"] for _ in range(len(lines) * 200)}
    arena.holds("each is answered with what is wrong with it", codes <= {-32700, -32600}, codes)
    lives = victim.lives()
    victim.goes()
    return f"each line is judged by itself: {sorted(codes)}; {lives}"


@against_both("flood-of-requests")
def flood_of_requests(arena: Arena, which: str) -> str:
    """Sends five thousand requests that take an hour each."""
    victim = Victim(arena, which)
    count = 5_000  # All refusals together are less than a plugin queues for one that reads slowly.
    victim.raw_for(b"".join(victim.line("conf.sleep", {"ms": 3_600_000}, id) for id in range(count)), 20)
    refused = 0
    limit = int(victim.hello["result"].get("limits", {}).get("maxInFlight", 64))
    while refused < count - limit:
        message = victim.next()
        if "error" in message:
            arena.holds("it is overloaded", message["error"]["code"] == -32006, message)
            refused += 1
    victim.raw(victim.line("rpc.ping", {}, "ping"))
    victim.answer_to("ping")
    arena.holds("memory stays flat", victim.peak < MOST[which], victim.peak)
    peak = victim.peak
    victim.goes()
    return f"maxInFlight: {refused} were refused (-32006), {limit} taken; {peak} MiB at most; it ended all with its input"


@against_both("never-reads")
def never_reads(arena: Arena, which: str) -> str:
    """Asks for 2,000 answers of 1 MiB, and reads none of them."""
    victim = Victim(arena, which, reads=False)
    victim.raw_for(b"".join(victim.line("conf.blob", {"bytes": MIB}, id) for id in range(2000)), 8)
    peak = victim.peak
    arena.holds("memory is bounded by what may be in flight", peak < MOST[which] + 64, f"{peak} MiB")
    victim.goes(seconds=12, code=None)
    return f"what waits to be written is bounded: {peak} MiB at most; it ended with its input, though nobody read"


@against_both("params-bomb")
def params_bomb(arena: Arena, which: str) -> str:
    """Sends params with two hundred thousand members, and with one that is 12 MiB long."""
    victim = Victim(arena, which)
    many = {f"m{at}": at for at in range(200_000)}
    codes = [
        victim.ask("conf.add", many)["error"]["code"],
        victim.ask("conf.add", {"a": "x" * (12 * MIB), "b": 1})["error"]["code"],
    ]
    arena.holds("they are refused", codes == [-32602, -32602], codes)
    answered = victim.ask("conf.add", {"a": 1, "b": 2})
    arena.holds("it still does its work", answered.get("result") == 3, answered)
    peak = victim.peak
    victim.goes()
    return f"params are closed: -32602; {peak} MiB at most"


@against_both("storm-of-cancels")
def cancel_storm(arena: Arena, which: str) -> str:
    """Cancels a hundred thousand calls that are none, then one that is, a thousand times."""
    victim = Victim(arena, which)
    victim.raw(b"".join(victim.line("rpc.cancel", {"id": id, "reason": "x" * 100}) for id in range(100_000)))
    victim.raw(victim.line("conf.sleep", {"ms": 60_000}, "sleep") + victim.line("rpc.cancel", {"id": "sleep"}) * 1000)
    told = victim.answer_to("sleep", 40)
    arena.holds("it is answered once", told["error"]["code"] == -32004, told)
    lives = victim.lives()
    victim.goes()
    return f"a cancel of nothing is nothing; {lives}"


@against_both("forged-answers")
def forged_answers(arena: Arena, which: str) -> str:
    """Answers a thousand calls that the plugin never made, and sends notifications about them."""
    victim = Victim(arena, which)
    for id in range(1000):
        victim.raw(json.dumps({"jsonrpc": "2.0", "id": id, "result": "forged"}).encode() + b"\n")
        victim.raw(
            victim.line("rpc.input", {"id": id, "items": [1]})
            + victim.line("rpc.outputCredit", {"id": id, "bytes": 2**53 - 1})
        )
    lives = victim.lives()
    victim.goes()
    return f"what belongs to no call is ignored; {lives}"


@against_both("credit-fraud")
def credit_fraud(arena: Arena, which: str) -> str:
    """Sends 64 MiB of input to a call, without the credit for it."""
    victim = Victim(arena, which)
    victim.raw(victim.line("conf.double", {}, "double"))
    items = victim.line("rpc.input", {"id": "double", "items": [1] * 20_000})
    taken = victim.raw_for(items * (64 * MIB // len(items)), 20)
    told = victim.answer_to("double")
    arena.holds("it is a violation of the stream", told.get("error", {}).get("code") == -32008, told)
    arena.holds("it goes on reading", taken)
    lives = victim.lives()
    victim.goes()
    return f"credit is counted: -32008; {lives}"


@against_both("before-the-handshake")
def early(arena: Arena, which: str) -> str:
    """Calls methods and shakes hands again and again, as if that began all anew."""
    victim = Victim(arena, which)
    codes = {
        victim.ask("rpc.initialize", {"protocolVersions": [1], "config": {"refuse": "x"}})["error"]["code"]
        for _ in range(100)
    }
    arena.holds("a second handshake changes nothing", codes == {-32600}, codes)
    lives = victim.lives()
    victim.goes()
    return f"one handshake in a life: {codes}; {lives}"


@against_both("slow-loris")
def slow_loris(arena: Arena, which: str) -> str:
    """Sends a request byte by byte, and ends in the middle of the next."""
    victim = Victim(arena, which)
    for byte in victim.line("rpc.ping", {}, "slow"):
        victim.raw(bytes([byte]))
        time.sleep(0.005)
    arena.holds("it is answered", victim.answer_to("slow").get("result") == {})
    lives = victim.lives()
    victim.raw(victim.line("conf.echo", {"value": 1}, "half")[:-2])
    victim.goes()
    return f"a line is a line however it comes, and half of one is none; {lives}"


if not os.access(FIXTURES["python"][0], os.X_OK):
    FIXTURES["python"][0] = sys.executable
