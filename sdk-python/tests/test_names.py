"""What Python, or JSON, has no word for: `Named`, `@method(name=…)`, `Big`, `Only`, params that may be left out; and the call,
where nobody passes it on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType, field
from wire import Wire

from plugline import (
    Big,
    Call,
    Contract,
    Named,
    Only,
    Plugin,
    RemoteError,
    contract,
    current_call,
    host,
    method,
    notification,
)
from plugline.testing import start

ONE = Big(1)


class Size(Struct, omit_defaults=True):
    pages: Only[int] = UNSET
    bytes: Only[Big] = UNSET
    kept: Only[dict[str, Big]] = field(name="kept-for", default=UNSET)

    def __post_init__(self) -> None:
        if sum(member is not UNSET for member in (self.pages, self.bytes, self.kept)) != 1:
            raise ValueError("exactly one of pages, bytes and kept-for")


@contract("odd", "1.0.0")
class Odd(Contract):
    @method(name="import")
    def import_(
        self,
        class_: Annotated[str, Named("class")],
        max_items: Annotated[int, Meta(ge=0, description="At most."), Named("max-items")] = 3,
        note: str | None | UnsetType = UNSET,
    ) -> list[Any]:
        """Is called `import`."""
        raise NotImplementedError

    @method()
    def twice(self, size: Size, big: Big = ONE) -> Size:
        raise NotImplementedError

    @method(name="all")
    def every(self, upto: Annotated[Big, Named("up-to")]) -> Iterator[Big]:
        raise NotImplementedError

    @notification(name="del")
    def forget(self, what: Annotated[str, Named("the what")]) -> None:
        raise NotImplementedError


class Here(Odd):
    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def import_(self, class_: str, max_items: int = 3, note: str | None | UnsetType = UNSET) -> list[Any]:
        return [class_, max_items, "left out" if note is UNSET else note, *self.forgotten]

    def twice(self, size: Size, big: Big = ONE) -> Size:
        if size.pages is not UNSET:
            return Size(pages=2 * size.pages)
        if size.bytes is not UNSET:
            return Size(bytes=Big(2 * size.bytes * big))
        assert size.kept is not UNSET
        return Size(kept={name: Big(2 * each) for name, each in size.kept.items()})

    def every(self, upto: Big) -> Iterator[Big]:
        yield from (Big(upto - 1), upto)

    def forget(self, what: str) -> None:
        self.forgotten.append(what)


@pytest.fixture
def odd() -> Iterator[host.Plugin]:
    with start(Plugin("odd", version="1.0.0").provide(Here)) as running:
        yield running


def test_the_manifest_has_the_names_of_the_wire(odd: host.Plugin) -> None:
    document = odd.manifest()
    methods = {each["name"]: each for each in document["methods"]}
    assert set(methods) == {"odd.import", "odd.twice", "odd.all", "odd.del"}
    params = {param["name"]: param for param in methods["odd.import"]["params"]}
    assert list(params) == ["class", "max-items", "note"]
    assert params["class"]["required"] is True
    assert params["max-items"]["schema"] == {"type": "integer", "minimum": 0, "description": "At most.", "default": 3}
    assert "required" not in params["note"]
    assert "default" not in params["note"]["schema"], "it is nothing where it is left out"
    size = document["components"]["schemas"]["Size"]
    assert [choice["required"] for choice in size["oneOf"]] == [["pages"], ["bytes"], ["kept-for"]]
    big = methods["odd.all"]["params"][0]
    assert big["name"] == "up-to"
    assert big["schema"] == {"type": "string", "format": "integer", "pattern": "^-?[0-9]+$"}
    assert methods["odd.twice"]["params"][1]["schema"]["default"] == "1"


def test_the_wire_has_them_too(odd: host.Plugin) -> None:
    assert odd.call("odd.import", {"class": "c"}) == ["c", 3, "left out"]
    assert odd.call("odd.import", {"class": "c", "max-items": 1, "note": None}) == ["c", 1, None]
    for params, path in (
        ({"class_": "c"}, "/class_"),
        ({}, "/class"),
        ({"class": "c", "max_items": 1}, "/max_items"),
        ({"class": "c", "max-items": -1}, "/max-items"),
        ({"class": "c", "note": 5}, "/note"),
    ):
        with pytest.raises(RemoteError) as raised:
            odd.call("odd.import", params)
        assert raised.value.code == -32602
        assert raised.value.data["errors"][0]["path"] == path, params


def test_a_client_is_called_by_the_names_of_python(odd: host.Plugin) -> None:
    client = odd.client(Odd)
    client.forget(what="that")
    assert client.import_("c", max_items=2) == ["c", 2, "left out", "that"]
    assert client.import_("c", note=UNSET) == ["c", 3, "left out", "that"]
    assert client.import_(class_="c", note=None) == ["c", 3, None, "that"]
    assert client.twice(Size(pages=2)) == Size(pages=4)
    assert client.twice(Size(bytes=Big(2**70)), big=Big(-3)) == Size(bytes=Big(-6 * 2**70))
    assert client.twice(Size(kept={"x": Big(1)})) == Size(kept={"x": Big(2)})
    every = list(client.every(Big(2**60)))
    assert every == [2**60 - 1, 2**60]
    assert all(type(each) is Big for each in every)


@pytest.mark.parametrize("value", ["", "-", "+1", "1.0", "1_000", " 1", "\u0661", "0x1", "1" * 4001, 1, None])
def test_what_is_no_big_integer(odd: host.Plugin, value: Any) -> None:
    with pytest.raises(RemoteError) as raised:
        odd.call("odd.twice", {"size": {"bytes": value}})
    assert raised.value.code == -32602
    assert raised.value.data["errors"][0]["path"] == "/size/bytes"


@pytest.mark.parametrize("size", [{}, {"pages": 1, "bytes": "1"}, {"pages": 1, "kept-for": {}}])
def test_exactly_one_member(odd: host.Plugin, size: Any) -> None:
    with pytest.raises(RemoteError) as raised:
        odd.call("odd.twice", {"size": size})
    assert raised.value.data["errors"] == [{"path": "/size", "message": "exactly one of pages, bytes and kept-for"}]


def test_two_methods_of_one_name() -> None:
    class Twice(Contract):
        @method(name="it")
        def one(self) -> None: ...

        @method(name="it")
        def two(self) -> None: ...

    with pytest.raises(TypeError, match="there already"):
        Plugin("twice", version="1.0.0").provide(contract("twice", "1.0.0")(Twice))
    with pytest.raises(TypeError, match="<contract>.<method>"):
        contract("odd", "1.0.0")(type("Wrong", (Contract,), {"it": method(name="not-ascii-ä")(lambda self: None)}))


def whose() -> Any:
    return current_call().id


def calls(plugin: Plugin) -> Plugin:
    @plugin.host_method("calls.ask")
    def ask() -> str:
        raise NotImplementedError

    @plugin.method("calls.plain")
    def plain(call: Call) -> bool:
        return current_call() is call and bool(whose() == call.id)

    @plugin.method("calls.items")
    def items(numbers: Iterator[int], call: Call) -> Iterator[bool]:
        for _ in numbers:
            yield bool(whose() == call.id)

    @plugin.method("calls.nested", errors="any")
    def nested(call: Call) -> bool:
        """While it waits, the host calls `calls.plain` on this very thread."""
        before = whose()
        ask(call)
        return bool(before == whose() == call.id)

    @plugin.method("calls.thread")
    def thread() -> str:
        told: list[str] = []

        def run() -> None:
            try:
                current_call()
            except LookupError as fault:
                told.append(str(fault))

        other = threading.Thread(target=run)
        other.start()
        other.join()
        return told[0]

    return plugin


@pytest.mark.parametrize("concurrency", [None, 4])
def test_the_current_call(concurrency: int | None) -> None:
    plugin = calls(Plugin("calls", version="1.0.0", provides={"calls": "1.0.0"}, concurrency=concurrency))

    def ask(context: host.Context) -> str:
        assert context.plugin.call("calls.plain") is True
        return ""

    with start(plugin, callbacks={"calls.ask": ask}) as running:
        assert running.call("calls.plain") is True
        assert running.call("calls.nested") is True
        assert list(running.stream("calls.items", input=range(3))) == [True] * 3
        assert "pass the Call on" in running.call("calls.thread")
    with pytest.raises(LookupError, match="no call is being served"):
        current_call()


def test_the_current_call_of_each_task() -> None:
    plugin = Plugin("tasks", version="1.0.0", provides={"tasks": "1.0.0"})
    together = asyncio.Event()
    waiting: list[Any] = []

    @plugin.method("tasks.mine")
    async def mine(call: Call) -> bool:
        waiting.append(call.id)
        if len(waiting) == 3:
            together.set()
        await together.wait()  # until there are three at once
        return bool(whose() == call.id)

    @plugin.method("tasks.items")
    async def items(call: Call) -> AsyncIterator[bool]:
        await asyncio.sleep(0)
        yield bool(whose() == call.id)

    with start(plugin) as running:
        assert [each.result() for each in [running.begin("tasks.mine") for _ in range(3)]] == [True] * 3
        assert list(running.stream("tasks.items")) == [True]


def test_a_program_that_prints_before_it_imports_plugline(tmp_path: Any) -> None:
    """`python -m plugline SCRIPT`, with its arguments and the modules beside it."""
    (tmp_path / "beside.py").write_text("NAME = 'beside'\n")
    (tmp_path / "script.py").write_text(
        "print('early', flush=True)\nimport sys, beside\nfrom plugline import Plugin\n"
        "plugin = Plugin(beside.NAME, version='1.0.0', provides={'x': '1.0.0'})\n"
        "@plugin.method('x.args')\ndef args() -> list[str]: return sys.argv[1:]\nplugin.run()\n"
    )
    with Wire("-m", "plugline", tmp_path / "script.py", "a", "b", env={"PYTHONUNBUFFERED": "1"}) as wire:
        assert wire.initialize()["plugin"]["name"] == "beside"
        assert wire.call(1, "x.args") == ["a", "b"]
        wire.eof()
        wire.ends()
