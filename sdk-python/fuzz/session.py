#!/usr/bin/env python3
"""A whole plugin, over pipes: `session.py [libFuzzer's options] [corpus]`.

Whatever a host writes, the plugin says nothing but messages, answers every request in good order once, and ends when
its input does.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import atheris
from msgspec import Meta

with atheris.instrument_imports(include=["plugline"]):
    from plugline import Call, Error, Limits, Plugin, _session
    from plugline._session import Session

SECONDS = 20.0
"""Whoever takes longer hangs."""
HANDSHAKE = {"protocolVersions": [1], "capabilities": {"streams": {}, "progress": {}, "log": {}}}
METHODS = [
    "a.echo", "a.fail", "a.count", "a.total", "a.steps", "a.sleep", "a.missing", "rpc.ping", "rpc.discover",
    "rpc.initialize", "rpc.shutdown", "rpc.unknown",
]  # fmt: skip
NOTIFICATIONS = [
    "a.note", "rpc.cancel", "rpc.input", "rpc.inputEnd", "rpc.outputCredit", "rpc.inputCredit", "rpc.progress",
    "rpc.log", "a.missing",
]  # fmt: skip
TOLD: list[str] = []
"""What the plugin said on standard error."""
SMALL = Annotated[int, Meta(ge=0, le=200)]


class Planned(Error, code=1, message="planned"):
    n: int


def made(concurrency: int) -> Plugin:
    """A plugin of all kinds of methods."""
    plugin = Plugin(
        "fuzzed",
        version="1.0.0",
        provides={"a": "1.0.0"},
        concurrency=concurrency,
        limits=Limits(max_line_bytes=65536, max_depth=2, stream_window_bytes=65536),
    )

    @plugin.method("a.echo")
    def echo(n: SMALL, text: str = "") -> list[int | str]:
        return [n, text]

    @plugin.method("a.fail", errors=[Planned])
    def fail(n: SMALL) -> None:
        raise Planned(n=n)

    @plugin.method("a.count")
    def count(n: SMALL) -> Iterator[int]:
        yield from range(n)

    @plugin.method("a.total")
    def total(numbers: Iterator[int]) -> int:
        return sum(numbers)

    @plugin.method("a.steps")
    def steps(n: SMALL, call: Call) -> None:
        for step in range(n):
            call.progress(step, n)

    @plugin.method("a.sleep")
    def sleep(n: SMALL, call: Call) -> None:
        call.sleep(n % 4 / 1000)

    @plugin.notification("a.note")
    def note(n: SMALL) -> None: ...

    return plugin


PLUGINS = [made(1), made(4)]


class Host:
    """What is written, and what has to come back."""

    def __init__(self, source: atheris.FuzzedDataProvider) -> None:
        self._source = source
        self.bytes = bytearray()
        self.asked: Counter[str] = Counter()
        """Requests in good order, by the JSON of their id."""
        self.orderly = True
        """Whether nothing else was sent that is answered."""

    def write(self) -> None:
        source = self._source
        if source.ConsumeIntInRange(0, 7):
            self.request("rpc.initialize", HANDSHAKE, "first")
        while source.remaining_bytes() and len(self.bytes) < 30_000:
            match source.ConsumeIntInRange(0, 9):
                case 0 | 1 | 2 | 3 | 4:
                    self.request(source.PickValueInList(METHODS), self.params(), source.ConsumeIntInRange(0, 5))
                case 5 | 6:
                    self.send(
                        {"jsonrpc": "2.0", "method": source.PickValueInList(NOTIFICATIONS), "params": self.params()}
                    )
                case 7:
                    self.orderly = False
                    self.bytes += source.ConsumeBytes(source.ConsumeIntInRange(0, 60))
                case 8:
                    self.orderly = False
                    self.send({"jsonrpc": "2.0", "id": source.ConsumeIntInRange(0, 5), "result": self.params()})
                case _:
                    self.orderly = False
                    self.bytes += b" " * source.ConsumeIntInRange(0, 200) + b"\n"

    def request(self, method: str, params: Any, id: int | str) -> None:
        self.asked[json.dumps(id)] += 1
        self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})

    def send(self, message: dict[str, Any]) -> None:
        self.bytes += json.dumps(message).encode() + b"\n"

    def params(self) -> dict[str, Any]:
        source = self._source
        params: dict[str, Any] = {"n": source.ConsumeIntInRange(0, 220)}
        match source.ConsumeIntInRange(0, 7):
            case 0:
                params = {"id": source.ConsumeIntInRange(0, 5), "items": [1, 2]}
            case 1:
                params = {"id": source.ConsumeIntInRange(0, 5), "bytes": source.ConsumeIntInRange(0, 2**53)}
            case 2:
                params["text"] = source.ConsumeUnicodeNoSurrogates(20)
            case 3:
                params = {}
            case _:
                pass
        if source.ConsumeBool():
            params["_meta"] = {"deadlineMs": source.ConsumeIntInRange(0, 20), "parent": source.ConsumeIntInRange(0, 5)}
        return params


def serve(plugin: Plugin, written: bytes) -> tuple[list[bytes], bool]:
    """What a plugin says to that, and whether it had the time for it: on a busy machine two seconds may not do."""
    read_end, write_end = os.pipe()
    their_read, their_write = os.pipe()
    said = bytearray()
    late: list[int] = []  # where it would have ended its process; as it is, it comes back

    def read() -> None:
        while chunk := os.read(their_read, 65536):
            said.extend(chunk)

    TOLD.clear()
    reader = threading.Thread(target=read)
    reader.start()
    os.write(write_end, written)  # less than a pipe holds
    os.close(write_end)
    session = Session(plugin.offer(), read_end, their_write, late.append)
    began = time.monotonic()
    code = session.serve()
    took = time.monotonic() - began
    while not session.outbox.is_empty:
        assert time.monotonic() - began < 2 * SECONDS, "its answers are not written"
        time.sleep(0.001)
    session.close()
    os.close(their_write)
    reader.join(SECONDS)
    assert not reader.is_alive()
    os.close(their_read)
    os.close(read_end)
    assert code == 0, f"it ended with {code}, and said {TOLD}"
    assert took < SECONDS, f"it ended after {took:.1f} s"
    assert late or not said or said.endswith(b"\n")
    return bytes(said).split(b"\n")[:-1], not late


def once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({name for name, _ in members}) == len(members), members
    return dict(members)


def check(host: Host, lines: list[bytes]) -> None:
    answered: Counter[str] = Counter()
    for line in lines:
        message = json.loads(line, object_pairs_hook=once)
        assert message["jsonrpc"] == "2.0", line
        assert not any(byte < 0x20 for byte in line), line
        if "method" not in message:
            assert ("result" in message) != ("error" in message), line
            answered[json.dumps(message["id"])] += 1
    for id, count in answered.items():
        assert id == "null" or count <= host.asked[id], f"{id} was answered {count} times"
    if host.orderly:
        assert sum(answered.values()) == sum(host.asked.values()), f"{host.asked} became {answered}"


def run(data: bytes) -> None:
    source = atheris.FuzzedDataProvider(data)
    plugin = PLUGINS[source.ConsumeBool()]
    host = Host(source)
    host.write()
    lines, in_time = serve(plugin, bytes(host.bytes))
    host.orderly &= in_time
    check(host, lines)


if __name__ == "__main__":
    _session.tell = lambda what: TOLD.append(what)  # twenty lines a run say what was ignored
    atheris.Setup(sys.argv, run)
    atheris.Fuzz()
