"""Handlers that are `async def`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from wire import PLUGINS, Wire


@pytest.fixture(params=["", "1"])
def waits(request: pytest.FixtureRequest) -> Iterator[Wire]:
    with Wire(PLUGINS / "waits.py", env={"AT_ONCE": request.param}) as wire:
        yield wire
        wire.eof()
        wire.ends()


def test_calls(waits: Wire) -> None:
    limits = waits.initialize()["limits"]
    assert limits["maxInFlight"] in (1, 64)
    assert waits.call(1, "waits.add", a=1, b=2) == 3
    assert waits.call(1, "waits.add", a=1, b=-2)["data"]["errors"][0]["path"] == "/b"
    assert waits.call(1, "waits.plain") == "plain"
    assert waits.call(1, "waits.fail", how="declared")["code"] == 1
    assert waits.call(1, "waits.fail", how="other")["code"] == -32603
    assert waits.call(1, "waits.notes") == ["started"]


def test_cancel_and_deadline(waits: Wire) -> None:
    waits.initialize(features=("progress",))
    waits.send(id=1, method="waits.sleep", params={"seconds": 600})
    assert waits.receive()["method"] == "rpc.progress"
    waits.send(method="rpc.cancel", params={"id": 1})
    assert waits.error() == (1, -32004)
    assert waits.call(1, "waits.notes") == ["started", "cancelled"]
    waits.send(id=1, method="waits.sleep", params={"seconds": 600, "_meta": {"deadlineMs": 30}})
    assert waits.receive()["method"] == "rpc.progress"
    assert waits.error() == (1, -32005)
    waits.send(id=1, method="waits.stubborn", params={})
    assert waits.receive()["method"] == "rpc.progress"
    waits.send(method="rpc.cancel", params={"id": 1})
    assert waits.receive()["result"] == "done already"
    cancel = b'{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":1}}\n'
    waits.raw(b'{"jsonrpc":"2.0","id":1,"method":"waits.sleep","params":{"seconds":600}}\n' + cancel)
    while (answer := waits.receive()).get("method") == "rpc.progress":
        pass
    assert answer["error"]["code"] == -32004


def test_many_at_once() -> None:
    with Wire(PLUGINS / "waits.py") as waits:
        waits.initialize()
        for id in range(64):
            waits.send(id=id, method="waits.sleep", params={"seconds": 0.2})
        waits.send(id="more", method="waits.plain")
        assert waits.error() == ("more", -32006)
        assert {waits.receive()["id"] for _ in range(64)} == set(range(64))


def test_callbacks(waits: Wire) -> None:
    waits.initialize(callbacks=["waits.ask"])
    waits.send(id=1, method="waits.ask_host", params={"question": "?"})
    asked = waits.receive()
    assert asked["params"] == {"question": "?", "_meta": {"parent": 1}}
    waits.send(id=asked["id"], result="!")
    assert waits.receive()["result"] == "!"
    waits.send(id=1, method="waits.ask_many", params={"questions": ["a", "b", "c"]})
    asked_many = [waits.receive() for _ in range(3)]
    for each in reversed(asked_many):
        waits.send(id=each["id"], result=each["params"]["question"].upper())
    assert waits.receive()["result"] == ["A", "B", "C"]


def test_waiting_on_the_loop_is_refused(waits: Wire) -> None:
    waits.initialize(callbacks=["waits.ask"])
    waits.send(id=1, method="waits.blocking")
    asked = waits.receive()
    assert asked["method"] == "waits.ask"
    assert waits.error() == (1, -32603)
    assert "awaitable" in waits.stderr()


def test_notifications_in_order(waits: Wire) -> None:
    waits.initialize()
    for number in range(10):
        waits.send(method="waits.note", params={"text": str(number)})
    assert waits.call(1, "waits.notes") == ["started", *map(str, range(10))]


def test_end_of_file(waits: Wire) -> None:
    waits.initialize(features=("progress",))
    waits.send(id=1, method="waits.sleep", params={"seconds": 600})
    assert waits.receive()["method"] == "rpc.progress"
    waits.eof()
    assert waits.error() == (1, -32004)


def test_asyncio_is_loaded_only_where_it_is_used() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/plugins'); import rough; rough.plugin.manifest();"
        "assert 'asyncio' not in sys.modules; assert 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PLUGINS.parent.parent, check=True, stdout=subprocess.DEVNULL)
