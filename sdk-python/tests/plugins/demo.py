"""The contract `demo` that the transcripts of SPEC.md speak of, with the SDK."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from plugline import Call, Declined, Error, Example, Limits, Plugin

Integer = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class Planned(Error, code=1001, message="planned"):
    reason: str


class Config(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    refuse: str | None = None


plugin = Plugin(
    "demo",
    version="1.0.0",
    provides={"demo": "1.0.0"},
    concurrency=2,
    limits=Limits(max_line_bytes=65536, max_depth=2, stream_window_bytes=65536),
    instances="many",
)
notes: deque[str] = deque(maxlen=100)


@plugin.on_start
def start(config: Config) -> None:
    if config.refuse is not None:
        raise Declined(config.refuse)


@plugin.host_method("demo.ask", examples=[Example("ask", {"question": "6 * 7"}, "42")])
def ask(question: str) -> str:
    raise NotImplementedError


@plugin.method("demo.add", examples=[Example("add", {"a": 2, "b": 3}, 5)])
def add(a: Integer, b: Integer) -> int:
    return a + b


@plugin.method("demo.sleep", examples=[Example("short", {"ms": 1})])
def sleep(ms: Count, call: Call) -> None:
    call.sleep(ms / 1000)


@plugin.method("demo.fail", errors=[Planned], examples=[Example("why", {"reason": "why"}, error=Planned)])
def fail(reason: str) -> None:
    raise Planned(reason=reason)


@plugin.method("demo.log", examples=[Example("hello", {"level": "info", "message": "hello"})])
def log(level: Literal["trace", "debug", "info", "warn", "error"], message: str, call: Call) -> None:
    call.log(level, message)


@plugin.method("demo.steps", examples=[Example("two", {"n": 2})])
def steps(n: Count, call: Call) -> None:
    for step in range(1, n + 1):
        call.check()
        call.progress(step, n)


@plugin.method("demo.callback", errors="any", examples=[Example("ask", {"question": "6 * 7"}, "42")])
def callback(question: str, call: Call) -> str:
    return call.callback("demo.ask", {"question": question}, returns=str)


@plugin.method("demo.ping", errors="any", examples=[Example("ping", {})])
def ping(call: Call) -> None:
    call.ping()


@plugin.method("demo.count", examples=[Example("two", {"n": 2}, None, output=[0, 1])])
def count(n: Count) -> Iterator[int]:
    yield from range(n)


@plugin.method("demo.fill", examples=[Example("one", {"lines": 1, "width": 3}, None, output=["xxx"])])
def fill(lines: Count, width: Count) -> Iterator[str]:
    for _ in range(lines):
        yield "x" * width


@plugin.method("demo.sum", examples=[Example("three", {}, 3, input=[1, 2])])
def sum_(numbers: Iterator[Integer]) -> int:
    return sum(numbers)


@plugin.method("demo.double", examples=[Example("two", {}, None, input=[1, 2], output=[2, 4])])
def double(numbers: Iterator[Integer]) -> Iterator[int]:
    for number in numbers:
        yield 2 * number


@plugin.notification("demo.note", examples=[Example("first", {"text": "first"})])
def note(text: str) -> None:
    notes.append(text)


@plugin.method("demo.notes", examples=[Example("none", {}, [])])
def list_notes() -> list[str]:
    return list(notes)


if __name__ == "__main__":
    plugin.run()
