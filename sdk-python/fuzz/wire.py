#!/usr/bin/env python3
"""Bytes to lines to messages: `wire.py [libFuzzer's options] [corpus]`.

However a stream is cut into chunks, the lines are those of the whole, and no more of a line is held than the limit
allows. A line is classified without an exception, as a message whose parts are what the line says; what the Rust
envelope says of it is the same, where both take the line (PLUGLINE_VERDICT names the program that says so).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["plugline"]):
    from plugline._envelope import Malformed, Notification, Request, Response, Wrong, classify, is_id
    from plugline._frame import BOM, Skipped, Splitter
    from plugline._messages import read_meta

WHITE = b" \t\r\n"


def lines(limit: int, chunks: list[bytes]) -> list[bytes | Skipped]:
    """All lines, fed in these pieces."""
    splitter = Splitter(limit)
    seen: list[bytes | Skipped] = []
    for chunk in chunks:
        splitter.feed(chunk)
        while (line := splitter.next()) is not None:
            seen.append(line)
        held = sum(map(len, splitter._parts))
        assert held <= limit, f"{held} bytes are held"
    return seen


def wanted(limit: int, stream: bytes) -> list[bytes | Skipped]:
    """The same, without any state."""
    whole = stream.split(b"\n")[:-1]
    if whole and len(whole[0]) <= limit:
        whole[0] = whole[0].removeprefix(BOM)
        first: list[bytes | Skipped] = [whole[0]]
    else:
        first = [Skipped(limit, len(line)) for line in whole[:1]]
    return first + [Skipped(limit, len(line)) if len(line) > limit else line for line in whole[1:]]


class Rust:
    """The other implementation, as a process."""

    def __init__(self, program: str) -> None:
        asked = {**os.environ, "PLUGLINE_VERDICTS": "1"}
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=asked)

    def verdict(self, line: bytes) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(len(line).to_bytes(4, "little") + line)
        stdin.flush()
        verdict: dict[str, Any] = json.loads(stdout.readline())
        return verdict


RUST = Rust(os.environ["PLUGLINE_VERDICT"]) if "PLUGLINE_VERDICT" in os.environ else None


class Double(Exception):
    """A member stands twice."""


def once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in members}) != len(members):
        raise Double
    return dict(members)


def is_plain(line: bytes) -> bool:
    """Whether the specification has everybody take this line for the same: what it lets implementations differ in
    (JSON-5, JSON-7) is not in it, nor what is no JSON but for Python's own parser."""
    try:
        text = line.decode()
        document = json.loads(text, object_pairs_hook=once, parse_constant=int)
    except (ValueError, RecursionError, Double):
        return False
    if "\\ud" in text.lower() or depth(document) > 100:
        return False
    return not has_wide_number(document)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def has_wide_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(has_wide_number, value.values()))
    if isinstance(value, list):
        return any(map(has_wide_number, value))
    if isinstance(value, float):
        return value in (float("inf"), float("-inf"))
    return isinstance(value, int) and abs(value) > 2**53 - 1


def verdict(line: bytes) -> dict[str, Any]:
    """What the package says of a line, in the words of the other implementation."""
    message = classify(line)
    if message is None:
        assert not line.strip(WHITE)
        return {"is": "parse"}
    if isinstance(message, Request):
        request = {"is": "request", "id": message.id, "method": message.method, "params": text(message.params)}
        return request | {"meta": meta(message.params, line)}
    if isinstance(message, Notification):
        return {"is": "notification", "method": message.method, "params": text(message.params)}
    if isinstance(message, Response):
        if message.error is None:
            return {"is": "result", "id": message.id, "result": text(message.result)}
        return {"is": "error", "id": message.id, "code": message.error.code, "message": message.error.message}
    assert isinstance(message, Malformed)
    assert message.reason
    if message.wrong is Wrong.INVALID:
        return {"is": "invalid", "id": message.id}
    names = {
        Wrong.PARSE: "parse", Wrong.NO_OBJECT: "no_object", Wrong.STRANGER: "stranger",
        Wrong.NOTIFICATION: "broken_notification",
    }  # fmt: skip
    return {"is": names[message.wrong]}


def meta(params: Any, line: bytes) -> list[Any]:
    read = read_meta(params, line)
    # A parent that can be no id is in flight nowhere.
    parent = read.parent if read.parent is not None and is_id(read.parent, b"") else None
    return [None if read.deadline is None else round(read.deadline * 1000), parent, read.traceparent]


def text(raw: Any) -> str:
    return bytes(raw).decode()


def check_line(line: bytes) -> None:
    ours = verdict(line)
    if RUST is None or not is_plain(line):
        return
    theirs = RUST.verdict(line)
    if theirs["is"] == "unaddressed":
        # Both are an error that answers no call; here the connection looks which.
        theirs = {"is": "invalid", "id": None}
    if "meta" in theirs and theirs["meta"][0] is not None and theirs["meta"][0] >= 1 << 40:
        theirs["meta"][0] = None  # longer than a life is for ever
    assert ours == theirs, f"{line!r}: {ours} here, {theirs} in Rust"


def run(data: bytes) -> None:
    source = atheris.FuzzedDataProvider(data)
    limit = source.ConsumeIntInRange(0, 300)
    cuts = [source.ConsumeIntInRange(0, 40) for _ in range(source.ConsumeIntInRange(0, 12))]
    stream = source.ConsumeBytes(source.remaining_bytes())
    chunks, at = [], 0
    for cut in cuts:
        chunks.append(stream[at : at + cut])
        at += cut
    chunks.append(stream[at:])
    seen = lines(limit, chunks)
    assert seen == lines(limit, [stream]) == wanted(limit, stream), stream
    for line in seen:
        if isinstance(line, bytes):
            check_line(line)
    # As a whole too: what is a line needs no choices before it.
    check_line(data.replace(b"\n", b" "))


if __name__ == "__main__":
    atheris.Setup(sys.argv, run)
    atheris.Fuzz()
