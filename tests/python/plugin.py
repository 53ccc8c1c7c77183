"""The rich contract, served in Python."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import msgspec
from catalog import (
    Audit,
    BusyNow,
    Catalog,
    Config,
    Conflict,
    ConflictData,
    Everything,
    FailHow,
    NotFound,
    Person,
    Summary,
)
from plugline import Declined, Plugin, current_call


class Memory(Catalog):
    def __init__(self, config: Config) -> None:
        if config.refuse is not msgspec.UNSET:
            raise Declined(config.refuse)
        self._notes: list[str] = []

    def echo(self, *, everything: Everything) -> Everything:
        return everything

    def fail(self, *, how: FailHow) -> None:
        match how:
            case FailHow.NOT_FOUND:
                raise NotFound()
            case FailHow.CONFLICT:
                raise Conflict(data=ConflictData(revision=7, by=Person(name="Ada")))
            case FailHow.BUSY:
                raise BusyNow(data=3)
            case _:
                raise RuntimeError("as it was told")

    def find(self, *, id: str, limit: int | None = None, after: str | None = None) -> list[str]:
        if id == "nobody":
            raise NotFound()
        return [id, f"limit={limit or 'none'}", f"after={after or 'absent'}"]

    def count(self, *, n: int) -> Iterator[int]:
        yield from range(n)

    def sum(self, input: Iterator[int]) -> int:
        total = 0
        for number in input:
            total += number
        return total

    def convert(self, input: Iterator[int], *, factor: int) -> Generator[int, None, Summary]:
        count = 0
        for number in input:
            count += 1
            yield number * factor
        return Summary(count=count)

    def blobs(self, *, sizes: list[int]) -> Iterator[bytes]:
        for size in sizes:
            yield bytes([size % 256]) * size

    def wait(self, *, ms: int) -> bool:
        call = current_call()
        call.progress(0, ms, "begun")
        call.sleep(ms / 1000)
        call.log("info", "waited", ms=ms)
        return True

    def note(self, *, text: str) -> None:
        self._notes.append(text)

    def notes(self) -> list[str]:
        return self._notes

    def relay(self, *, question: str) -> str:
        audit = current_call().client(Audit)
        audit.told(what=f"asking {question}")
        return audit.ask(question=question)

    def print(self, *, text: str) -> None:
        print(text)

    def type(
        self, *, class_: str, max_items: int | None = None, self_: str | None = None, return_: bool | None = None
    ) -> str:
        returned = "-" if return_ is None else str(return_).lower()
        return f"{class_} {max_items or '-'} {self_ or '-'} {returned}"


Plugin("catalog-python", version="0.1.0").provide(Memory).require(Audit).run()
