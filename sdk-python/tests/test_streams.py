"""Section 6 of SPEC.md: items, credit, and who waits for whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from wire import PLUGINS, Wire

from plugline._call import Call
from plugline._flow import Inlet, Stage
from plugline._incoming import Incoming
from plugline._pending import Slot
from plugline._shape import Shape
from plugline.host._stream import Stream

WINDOW = 1 << 16


@pytest.fixture(params=["rough 1", "rough 4", "waits", "waits 1"])
def wire(request: pytest.FixtureRequest) -> Iterator[tuple[Wire, str]]:
    name, _, at_once = request.param.partition(" ")
    env = {"ROUGH_CONCURRENCY": at_once, "AT_ONCE": at_once}
    with Wire(PLUGINS / f"{name}.py", env=env) as started:
        started.initialize(features=("streams", "progress"), limits={"streamWindowBytes": WINDOW})
        yield started, name
        started.eof()
        started.ends()


def output(wire: Wire, id: Any) -> tuple[list[Any], Any, int]:
    """All items of a call, its answer, and what the lines of items cost."""
    items: list[Any] = []
    cost = 0
    while True:
        line = wire.line()
        message = json.loads(line)
        if message.get("method") != "rpc.output":
            assert message["id"] == id
            return items, message.get("error", message.get("result")), cost
        assert message["params"]["id"] == id
        items += message["params"]["items"]
        cost += len(line)


def test_output(wire: tuple[Wire, str]) -> None:
    """STREAM-1 to STREAM-4, STREAM-7."""
    plugin, name = wire
    plugin.send(id="s", method=f"{name}.count", params={"n": 100})
    assert output(plugin, "s")[:2] == (list(range(100)), None)


def test_credit_of_output(wire: tuple[Wire, str]) -> None:
    """STREAM-8 to STREAM-12: it sends while there is credit, overdraws with one line, and then waits."""
    plugin, name = wire
    plugin.send(id=1, method=f"{name}.fill", params={"items": 10, "width": 30_000})
    lines = [plugin.line() for _ in range(3)]
    cost = sum(map(len, lines))
    assert cost > WINDOW > cost - len(lines[-1])
    plugin.send(id=2, method="rpc.ping")
    assert plugin.receive()["id"] == 2, "it waits"
    plugin.send(method="rpc.outputCredit", params={"id": 1, "bytes": cost - WINDOW})
    plugin.send(id=2, method="rpc.ping")
    assert plugin.receive()["id"] == 2, "zero is no credit"
    plugin.send(method="rpc.outputCredit", params={"id": 1, "bytes": 1})
    assert plugin.receive()["method"] == "rpc.output"
    plugin.send(id=2, method="rpc.ping")
    assert plugin.receive()["id"] == 2, "one line overdraws it"
    plugin.send(method="rpc.outputCredit", params={"id": 1, "bytes": 1 << 40})
    assert len(output(plugin, 1)[0]) == 6
    plugin.send(method="rpc.outputCredit", params={"id": 1, "bytes": 1})


def test_cancel_while_it_waits_for_credit(wire: tuple[Wire, str]) -> None:
    """STREAM-18, STREAM-20."""
    plugin, name = wire
    plugin.send(id=1, method=f"{name}.fill", params={"items": 1000, "width": 30_000})
    for _ in range(3):
        plugin.line()
    plugin.send(method="rpc.cancel", params={"id": 1})
    assert plugin.error() == (1, -32004)
    if name == "waits":
        assert "closed" in plugin.call(2, "waits.notes")


def test_an_item_that_cannot_fit(wire: tuple[Wire, str]) -> None:
    """FRAME-21."""
    plugin, name = wire
    around = len('{"jsonrpc":"2.0","method":"rpc.output","params":{"id":1,"items":[""]}}\n')
    plugin.send(id=1, method=f"{name}.fill", params={"items": 1, "width": WINDOW - around})
    assert output(plugin, 1)[2] == WINDOW
    plugin.send(id=1, method=f"{name}.fill", params={"items": 1, "width": WINDOW - around + 1})
    _, error, _ = output(plugin, 1)
    assert error["code"] == -32007
    assert error["data"] == {"limit": WINDOW - 1, "size": WINDOW}


def feed(plugin: Wire, id: Any, items: list[Any]) -> None:
    plugin.send(method="rpc.input", params={"id": id, "items": items})


def test_input(wire: tuple[Wire, str]) -> None:
    """STREAM-5 to STREAM-7."""
    plugin, name = wire
    plugin.send(id="i", method=f"{name}.sum", params={})
    for items in ([1], [], [2, 3], [4]):
        feed(plugin, "i", items)
    plugin.send(method="rpc.inputEnd", params={"id": "i"})
    assert plugin.receive() == {"jsonrpc": "2.0", "id": "i", "result": 10}
    feed(plugin, "i", [1])
    plugin.send(method="rpc.inputEnd", params={"id": "i"})


def test_credit_of_input(wire: tuple[Wire, str]) -> None:
    """STREAM-13, STREAM-14: at the latest when half a window is taken, also within a line, also for lines that
    carry nothing; and all of it in the end."""
    plugin, name = wire
    plugin.send(id=1, method=f"{name}.sum", params={})
    window = 1 << 18
    line = b'{"jsonrpc":"2.0","method":"rpc.input","params":{"id":1,"items":[%b]}}\n' % b",".join([b"100000"] * 35_000)
    assert len(line) < window
    plugin.raw(line)
    granted = plugin.receive()["params"]["bytes"]
    assert window // 2 <= granted < len(line)
    empty = b'{"jsonrpc":"2.0","method":"rpc.input","params":{"id":1,"items":[%b]}}\n' % (b" " * 130_000)
    sent = len(line)
    while sent <= 1 << 20:
        if window + granted - sent > 0:
            plugin.raw(empty)
            sent += len(empty)
        else:
            told = plugin.receive()
            assert told["method"] == "rpc.inputCredit"
            granted += told["params"]["bytes"]
    assert sent > 1 << 20
    plugin.send(method="rpc.inputEnd", params={"id": 1})
    while (answer := plugin.receive()).get("method") == "rpc.inputCredit":
        pass
    assert answer["result"] == 100_000 * 35_000


@pytest.mark.parametrize("fault", ["overdraw", "after the end", "no stream", "too long"])
def test_violations(wire: tuple[Wire, str], fault: str) -> None:
    """ERR-9."""
    plugin, name = wire
    method = "sleep" if fault == "no stream" else "double"
    params: dict[str, Any] = {"seconds": 600} if method == "sleep" else {}
    plugin.send(id=1, method=f"{name}.{method}", params=params)
    match fault:
        case "overdraw":
            # Its output waits for credit, so it takes no more input, whose window fills.
            for _ in range(40):
                feed(plugin, 1, [10**6] * 3000)
        case "after the end":
            plugin.send(method="rpc.inputEnd", params={"id": 1})
            feed(plugin, 1, [1])
        case "no stream":
            feed(plugin, 1, [1])
        case "too long":
            feed(plugin, 1, [1] * 200_000)
    while (answer := plugin.receive()).get("method", "").startswith("rpc."):
        pass
    if fault == "after the end" and "result" in answer:
        return  # it crossed with the result
    assert answer["error"]["code"] == -32008
    assert plugin.call(2, f"{name}.notes") is not None


def test_an_item_of_the_wrong_type(wire: tuple[Wire, str]) -> None:
    plugin, name = wire
    plugin.send(id=1, method=f"{name}.sum", params={})
    feed(plugin, 1, [1, "two"])
    answer = plugin.receive()
    assert answer["error"]["code"] == -32602
    assert answer["error"]["data"]["errors"][0]["path"] == ""
    assert "item 2" in answer["error"]["data"]["errors"][0]["message"]


def test_both_at_once(wire: tuple[Wire, str]) -> None:
    plugin, name = wire
    plugin.send(id=1, method=f"{name}.double", params={})
    for number in range(20):
        feed(plugin, 1, [number])
        assert plugin.receive()["params"]["items"] == [2 * number]
    plugin.send(method="rpc.inputEnd", params={"id": 1})
    assert plugin.receive()["result"] is None


def test_input_that_ends_with_the_connection(wire: tuple[Wire, str]) -> None:
    """STREAM-19's note: it is not complete, and its handler is told so."""
    plugin, name = wire
    plugin.send(id=1, method=f"{name}.sum", params={})
    feed(plugin, 1, [1])
    plugin.eof()
    assert plugin.error() == (1, -32004)


def test_a_handler_that_has_enough() -> None:
    """STREAM-19."""
    with Wire(PLUGINS / "rough.py") as plugin:
        plugin.initialize(features=("streams",))
        plugin.send(id=1, method="rough.sum", params={})
        feed(plugin, 1, [1, 2, 0, 4])
        assert plugin.receive()["result"] == 3
        feed(plugin, 1, [5])
        assert plugin.call(2, "rough.echo", value=1) == 1


def test_batches_share_lines() -> None:
    with Wire(PLUGINS / "rough.py") as plugin:
        plugin.initialize(features=("streams",), limits={"streamWindowBytes": 1 << 20})
        plugin.send(id=1, method="rough.batches", params={"n": 20_000, "size": 7000})
        items: list[int] = []
        lines = 0
        while (message := plugin.receive()).get("method") == "rpc.output":
            items += message["params"]["items"]
            lines += 1
        assert message["result"] is None
        assert items == list(range(20_000))
        assert 3 <= lines <= 9


class Crossing(Inlet):
    """Nothing is there when it is first looked at; the last item and the end come right after."""

    __slots__ = ("comes",)

    def __init__(self, comes: Callable[[], None]) -> None:
        super().__init__(WINDOW)
        self.comes: Callable[[], None] | None = comes

    def take(self) -> tuple[msgspec.Raw, int] | None:
        taken = super().take()
        if taken is None and self.comes is not None:
            comes, self.comes = self.comes, None
            self.put([msgspec.Raw(b"1")], 60)
            comes()
        return taken


def taken_by_a_handler(how: str) -> list[int]:
    inlet = Crossing(lambda: inlet.to(Stage.COMPLETE))
    incoming = Incoming(1, "test.sum", 0, None, None)
    incoming.inlet = inlet
    session = SimpleNamespace(wait=lambda watched, ready, deadline: ready())
    call = Call(cast(Any, session), incoming)
    if how == "def":
        return list(call.input_items(Shape(int)))

    async def all_items() -> list[int]:
        return [item async for item in call.input_items_async(Shape(int))]

    return asyncio.run(all_items())


@pytest.mark.parametrize("how", ["def", "async def"])
def test_input_that_comes_with_its_end_between_two_looks_is_not_lost(how: str) -> None:
    assert taken_by_a_handler(how) == [1]


def test_output_that_comes_with_the_result_between_two_looks_is_not_lost() -> None:
    slot = Slot(1, "test.count", 0, None, False)
    slot.inlet = Crossing(lambda: slot.settle(msgspec.Raw(b"7")))
    plugin = SimpleNamespace(outcome=lambda slot, shape: shape.read(slot.outcome))
    stream: Stream[int] = Stream(cast(Any, plugin), slot, Shape(int), Shape(int), None)
    assert (list(stream), stream.result) == ([1], 7)
