"""Handlers that are `async def`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta

from plugline import Call, Error, Example, Plugin


class Refused(Error, code=1, message="refused"):
    pass


at_once = os.environ.get("AT_ONCE")
plugin = Plugin(
    "waits",
    version="0.1.0",
    provides={"waits": "1.0.0"},
    concurrency=int(at_once) if at_once else None,
)
notes: list[str] = []


@plugin.on_start
async def start() -> None:
    await asyncio.sleep(0)
    notes.append("started")


@plugin.host_method("waits.ask", examples=[Example("ask", {"question": "?"}, "!")])
async def ask(question: str) -> str:
    raise NotImplementedError


@plugin.method("waits.add", examples=[Example("three", {"a": 1, "b": 2}, 3)])
async def add(a: int, b: Annotated[int, Meta(ge=0)]) -> int:
    await asyncio.sleep(0)
    return a + b


@plugin.method("waits.sleep")
async def sleep(seconds: float, call: Call) -> None:
    call.progress(0.0)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        notes.append("cancelled")
        raise


@plugin.method("waits.stubborn")
async def stubborn(call: Call) -> str:
    """Has an answer all the same."""
    call.progress(0.0)
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        return "done already"
    return "never"


@plugin.method("waits.fail", errors=[Refused])
async def fail(how: str) -> None:
    await asyncio.sleep(0)
    if how == "declared":
        raise Refused()
    raise ValueError(how)


@plugin.method("waits.ask_host", errors="any")
async def ask_host(question: str, call: Call) -> str:
    return await ask(call, question=question)


@plugin.method("waits.ask_many", errors="any")
async def ask_many(questions: list[str], call: Call) -> list[str]:
    return list(await asyncio.gather(*(ask(call, question=question) for question in questions)))


@plugin.method("waits.blocking")
async def blocking(call: Call) -> str:
    """Waits where it must not."""
    return str(call.callback("waits.ask", {"question": "?"}))


@plugin.method("waits.plain")
def plain() -> str:
    return "plain"


@plugin.method("waits.count", examples=[Example("two", {"n": 2}, None, output=[0, 1])])
async def count(n: int) -> AsyncIterator[int]:
    for number in range(n):
        await asyncio.sleep(0)
        yield number


@plugin.method("waits.fill")
async def fill(items: int, width: int) -> AsyncIterator[str]:
    try:
        for _ in range(items):
            yield "x" * width
    finally:
        notes.append("closed")


@plugin.method("waits.sum", examples=[Example("three", {}, 3, input=[1, 2])])
async def sum_(numbers: AsyncIterator[int]) -> int:
    total = 0
    async for number in numbers:
        total += number
    return total


@plugin.method("waits.double")
async def double(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
    async for number in numbers:
        yield 2 * number


@plugin.notification("waits.note")
async def note(text: str) -> None:
    await asyncio.sleep(0.01)
    notes.append(text)


@plugin.method("waits.notes", idempotent=True)
async def list_notes() -> list[str]:
    return notes


if __name__ == "__main__":
    plugin.run()
