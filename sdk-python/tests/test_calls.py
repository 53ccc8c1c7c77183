"""Section 5 of SPEC.md: cancel, deadlines, progress, log, callbacks; and load, in both modes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wire import PLUGINS, Wire

ALL = ("progress", "log", "streams")


@pytest.fixture(params=["1", "4"])
def rough(request: pytest.FixtureRequest) -> Iterator[Wire]:
    with Wire(PLUGINS / "rough.py", env={"ROUGH_CONCURRENCY": request.param}) as wire:
        yield wire
        wire.eof()
        wire.ends()


@pytest.mark.parametrize("method", ["sleep", "spin", "closing"])
def test_cancel(rough: Wire, method: str) -> None:
    """CALL-3, CALL-4, MSG-23: it is answered once, and the next call is served."""
    rough.initialize(features=ALL)
    rough.send(id=1, method=f"rough.{method}", params={"seconds": 600} if method == "sleep" else {})
    assert rough.receive()["method"] in ("rpc.progress", "rpc.output")
    rough.send(method="rpc.cancel", params={"id": 1, "reason": "enough"})
    rough.send(method="rpc.cancel", params={"id": 1})
    while (answer := rough.receive()).get("method") == "rpc.output":
        pass
    assert answer["id"] == 1
    assert answer["error"]["code"] == -32004
    rough.send(method="rpc.cancel", params={"id": 1})
    assert rough.call(1, "rough.notes") == (["closed"] if method == "closing" else [])


def test_cancel_that_comes_with_its_request(rough: Wire) -> None:
    rough.initialize()
    cancel = b'{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":1}}\n'
    rough.raw(b'{"jsonrpc":"2.0","id":1,"method":"rough.sleep","params":{"seconds":600}}\n' + cancel)
    assert rough.error() == (1, -32004)


@pytest.mark.parametrize("method", ["sleep", "remaining"])
def test_deadline(rough: Wire, method: str) -> None:
    """MSG-20."""
    rough.initialize()
    params: dict[str, Any] = {"seconds": 600} if method == "sleep" else {}
    answer = rough.call(1, f"rough.{method}", **params, _meta={"deadlineMs": 30})
    if method == "sleep":
        assert answer["code"] == -32005
    else:
        assert 0 <= answer <= 0.03


def test_pings_while_a_handler_runs(rough: Wire, tmp_path: Path) -> None:
    """LIFE-33, LIFE-34: while one waits, while one computes, and while one is stuck in the system."""
    rough.initialize(features=ALL)
    os.mkfifo(tmp_path / "fifo")
    for id, (method, params) in enumerate(
        [("sleep", {"seconds": 600}), ("spin", {}), ("block", {"path": str(tmp_path / "fifo")})]
    ):
        rough.send(id=id, method=f"rough.{method}", params=params)
        assert rough.receive()["method"] == "rpc.progress"
        for ping in range(100, 103):
            assert rough.call(ping, "rpc.ping") == {}
        rough.send(method="rpc.cancel", params={"id": id})
        if method == "block":
            (tmp_path / "fifo").write_bytes(b"x")
            assert rough.receive() == {"jsonrpc": "2.0", "id": id, "result": None}
        else:
            assert rough.error() == (id, -32004)


def test_load(tmp_path: Path) -> None:
    """LIFE-23, ERR-8, MSG-5, and MSG-29: params come before load."""
    for limit in (1, 4):
        with Wire(PLUGINS / "rough.py", env={"ROUGH_CONCURRENCY": str(limit)}) as wire:
            assert wire.initialize(features=ALL)["limits"]["maxInFlight"] == limit
            for id in range(limit):
                wire.send(id=id, method="rough.sleep", params={"seconds": 600})
            for _ in range(limit):
                assert wire.receive()["method"] == "rpc.progress"
            refused = wire.call("more", "rough.echo", value=1)
            assert refused["code"] == -32006
            assert refused["data"] == {"limit": limit}
            assert wire.call("more", "rough.echo", value=1, more=2)["code"] == -32602
            wire.send(id=0, method="rpc.ping")
            assert wire.error() == (None, -32600)
            wire.raw(b'{"jsonrpc":"1.0","id":0,"method":"rpc.ping"}\n')
            assert wire.error() == (None, -32600)
            for id in range(limit):
                wire.send(method="rpc.cancel", params={"id": id})
                assert wire.error() == (id, -32004)
            assert wire.call("more", "rough.echo", value=1) == 1


def test_progress_goes_forward_and_first(rough: Wire) -> None:
    """CALL-11, CALL-12, MSG-34."""
    rough.initialize(features=ALL)
    rough.send(id=1, method="rough.steps", params={"n": 3})
    for step in (1, 2, 3):
        told = rough.receive()
        assert told["method"] == "rpc.progress"
        assert told["params"] == {"id": 1, "progress": step, "total": 3, "message": "a step"}
    assert rough.receive()["result"] is None


def test_what_the_host_does_not_take_is_not_sent(rough: Wire) -> None:
    """LIFE-29, LIFE-32."""
    rough.initialize()
    assert rough.call(1, "rough.steps", n=3) is None
    assert rough.call(1, "rough.log", level="info", message="m") is None
    assert rough.call(1, "rough.count", n=3)["code"] == -32601
    assert rough.call(1, "rough.ask", question="?")["code"] == -32601


def test_log(rough: Wire) -> None:
    """CALL-13, and `logging` as a way to it."""
    rough.initialize(features=ALL)
    rough.send(id=1, method="rough.log", params={"level": "warn", "message": "paper is low"})
    assert rough.receive()["params"] == {
        "level": "warn", "message": "paper is low", "target": "rough", "fields": {"n": 1},
    }  # fmt: skip
    assert rough.receive()["params"] == {
        "level": "warn", "message": "logged paper is low", "target": "rough.module",
    }  # fmt: skip
    failed = rough.receive()["params"]
    assert failed["level"] == "error"
    assert "ValueError: why" in failed["fields"]["exception"]
    assert rough.receive()["result"] is None


def test_a_log_line_that_is_too_long_is_dropped(rough: Wire) -> None:
    """FRAME-20."""
    rough.initialize(features=ALL, limits={"maxLineBytes": 65536})
    rough.send(id=1, method="rough.log", params={"level": "info", "message": "x" * 70_000})
    assert rough.receive()["params"]["level"] == "error"
    assert rough.receive()["id"] == 1


def test_notifications_in_order_and_before_what_follows(rough: Wire) -> None:
    """MSG-31, MSG-32."""
    rough.initialize()
    texts = [str(n) for n in range(50)]
    lines = [
        b'{"jsonrpc":"2.0","method":"rough.note","params":{"text":"%b","slow":%b}}\n'
        % (text.encode(), b"0.05" if text == "0" else b"0")
        for text in texts
    ]
    rough.raw(b"".join(lines) + b'{"jsonrpc":"2.0","id":1,"method":"rough.notes"}\n')
    assert rough.receive()["result"] == texts


def test_notifications_that_nobody_takes(tmp_path: Path) -> None:
    """MSG-40, MSG-42: the connection ends rather than that memory grows."""
    os.mkfifo(tmp_path / "fifo")
    for concurrency in ("1", "4"):
        with Wire(PLUGINS / "rough.py", env={"ROUGH_CONCURRENCY": concurrency}) as wire:
            wire.initialize(features=ALL)
            wire.send(method="rough.note", params={"text": "slow", "slow": 600})
            line = b'{"jsonrpc":"2.0","method":"rough.note","params":{"text":"%b"}}\n' % (b"x" * (1 << 20))
            try:
                for _ in range(64):
                    wire.raw(line)
            except BrokenPipeError:
                pass
            wire.ends(1)
            assert "notifications come faster" in wire.stderr()


def answer(wire: Wire, question: dict[str, Any], **outcome: Any) -> None:
    wire.send(id=question["id"], **outcome)


def test_callbacks(rough: Wire) -> None:
    """CALL-14, CALL-17."""
    rough.initialize(callbacks=["asker.ask", "asker.tell"])
    rough.send(id="p", method="rough.ask", params={"question": "why?"})
    told = rough.receive()
    assert told == {
        "jsonrpc": "2.0", "method": "asker.tell", "params": {"what": "asking", "_meta": {"parent": "p"}}
    }  # fmt: skip
    asked = rough.receive()
    assert asked["method"] == "asker.ask"
    assert asked["params"] == {"question": "why?", "_meta": {"parent": "p"}}
    answer(rough, asked, result="because")
    assert rough.receive() == {"jsonrpc": "2.0", "id": "p", "result": "because"}


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ({"result": 5}, -32603),
        ({"error": {"code": 1, "message": "refused", "data": {"reason": "no"}}}, 1),
        ({"error": {"code": 1, "message": "refused", "data": 7}}, 1),
        ({"error": {"code": 99, "message": "unknown"}}, 99),
        ({"error": {"code": -32601, "message": "no such"}}, -32601),
    ],
)
def test_callbacks_that_fail(rough: Wire, outcome: Any, code: int) -> None:
    rough.initialize(callbacks=["asker.ask", "asker.tell"])
    rough.send(id="p", method="rough.ask", params={"question": "why?"})
    rough.receive()
    answer(rough, rough.receive(), **outcome)
    assert rough.error() == ("p", code)


def test_a_callback_carries_what_is_left_of_the_time(rough: Wire) -> None:
    rough.initialize(callbacks=["asker.ask", "asker.tell"])
    rough.send(id="p", method="rough.ask", params={"question": "why?", "_meta": {"deadlineMs": 200}})
    rough.receive()
    asked = rough.receive()
    assert 0 < asked["params"]["_meta"]["deadlineMs"] <= 200
    cancelled = rough.receive()
    assert (cancelled["method"], cancelled["params"]["id"]) == ("rpc.cancel", asked["id"])
    assert rough.error() == ("p", -32005)


def test_a_callback_that_is_cancelled_with_its_call(rough: Wire) -> None:
    """CALL-18: the host ends it."""
    rough.initialize(callbacks=["asker.ask", "asker.tell"])
    rough.send(id="p", method="rough.ask", params={"question": "why?"})
    rough.receive()
    asked = rough.receive()
    rough.send(method="rpc.cancel", params={"id": "p"})
    answer(rough, asked, error={"code": -32004, "message": "cancelled"})
    assert rough.error() == ("p", -32004)


def test_a_callback_after_the_cancel(rough: Wire) -> None:
    """CALL-19: clean-up runs."""
    rough.initialize(features=ALL, callbacks=["asker.ask"])
    rough.send(id="p", method="rough.ask_late", params={})
    assert rough.receive()["method"] == "rpc.progress"
    rough.send(method="rpc.cancel", params={"id": "p"})
    asked = rough.receive()
    assert asked["params"]["question"] == "clean up?"
    answer(rough, asked, result="yes")
    assert rough.error() == ("p", -32004)


@pytest.mark.parametrize("method", ["rough.ask", "rough.ask_thread"])
def test_nested_calls(rough: Wire, method: str) -> None:
    """LIFE-22, LIFE-24, LIFE-25, CALL-21: to the depth that was declared, also one at a time."""
    rough.initialize(callbacks=["asker.ask", "asker.tell"])
    asked: list[Any] = []
    for depth in range(0, 17, 2):
        meta = {"_meta": {"parent": asked[-1]["id"]}} if asked else {}
        rough.send(id=f"d{depth}", method=method, params={"question": str(depth), **meta})
        if method == "rough.ask":
            assert rough.receive()["method"] == "asker.tell"
        asked.append(rough.receive())
        assert asked[-1]["params"]["question"] == str(depth)
    rough.send(id="deep", method="rough.echo", params={"value": 1, "_meta": {"parent": asked[-1]["id"]}})
    assert rough.receive()["error"]["data"] == {"limit": 16}
    for depth in range(16, -1, -2):
        answer(rough, asked.pop(), result=str(depth))
        assert rough.receive() == {"jsonrpc": "2.0", "id": f"d{depth}", "result": str(depth)}


def test_many_at_once() -> None:
    with Wire(PLUGINS / "rough.py", env={"ROUGH_CONCURRENCY": "64"}) as wire:
        wire.initialize()
        for id in range(64):
            wire.send(id=id, method="rough.sleep", params={"seconds": 0.2 + id % 3 / 100})
        assert {wire.receive()["id"] for _ in range(64)} == set(range(64))


def test_serial_handlers_run_on_the_main_thread() -> None:
    with Wire(PLUGINS / "rough.py") as wire:
        wire.initialize(host={"name": "tests", "version": "1"}, instance="one")
        about = wire.call("i", "rough.about")
        assert about == {
            "id": "i", "method": "rough.about", "traceparent": None, "host": "tests", "instance": "one", "main": True,
        }  # fmt: skip


def test_ten_thousand_calls_leave_nothing(rough: Wire, request: pytest.FixtureRequest) -> None:
    concurrency = int(request.node.callspec.params["rough"])
    rough.initialize()
    fds = Path(f"/proc/{rough.process.pid}/fd")

    def calls(count: int) -> None:
        for start in range(0, count, 100):
            for id in range(start, start + 100):
                assert rough.call(id, "rough.echo", value=id) == id

    def memory() -> int:
        with open(f"/proc/{rough.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    calls(1000)
    before, open_before = memory(), len(list(fds.iterdir()))
    calls(10_000)
    assert memory() - before < 2048, "KiB"
    assert len(list(fds.iterdir())) == open_before
    # Main, the warden, and workers: one that has answered may not be idle yet when the next call comes.
    assert len(list(Path(f"/proc/{rough.process.pid}/task").iterdir())) <= 2 + concurrency
