"""Calls that were begun, and calls that wait for their place: LIFE-26, LIFE-27, CALL-3, CALL-5, CALL-18."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import pytest
from wire import PLUGINS, SECONDS, Wire

from plugline import Call, Plugin, host
from plugline.host import Kind
from plugline.host._clock import Clock
from plugline.host._salvage import whose
from plugline.testing import start

FAST = host.Timeouts(start=SECONDS, call=SECONDS, grace=0.2, exit=0.3, term=0.3, unanswered=0.1)


def rough(concurrency: int = 1, **options: Any) -> host.Plugin:
    env = {"ROUGH_CONCURRENCY": str(concurrency)}
    return host.Plugin.start([sys.executable, str(PLUGINS / "rough.py")], timeouts=FAST, env=env, **options)


def faulty(fault: str, **options: Any) -> host.Plugin:
    return host.Plugin.start([sys.executable, str(PLUGINS / "faulty.py"), fault], timeouts=FAST, **options)


def busy(plugin: host.Plugin) -> host.Running[Any]:
    """A call that is being handled, and does not end by itself."""
    began = threading.Event()
    running = plugin.begin("rough.sleep", {"seconds": 600}, on_progress=lambda _: began.set())
    assert began.wait(SECONDS)
    return running


def failed(running: host.Running[Any]) -> Kind:
    with pytest.raises(host.Error) as raised:
        running.result()
    assert running.done
    return raised.value.kind


def late(plugin: host.Plugin, method: str, entered: threading.Event) -> None:
    """A call whose deadline passes, and not before its callback was entered."""
    for seconds in (0.2, 1.0, 5.0, SECONDS):
        with pytest.raises(host.Error):
            plugin.call(method, {"question": "?"}, timeout=seconds)
        if entered.is_set():
            return
    raise AssertionError("it was never called back")


def test_many_at_once_and_in_order() -> None:
    """They are sent in the order they were begun, also those that wait for a place."""
    with rough() as plugin:
        first = busy(plugin)
        calls = [plugin.begin("rough.echo", {"value": n}, returns=int) for n in range(200)]
        for n in range(200):
            plugin.notify("rough.note", {"text": str(n)})
        assert not any(call.done for call in calls)
        assert plugin.in_flight == 1
        first.cancel()
        assert failed(first) is Kind.CANCELLED
        assert [call.result() for call in calls] == list(range(200))
        assert calls[0].result() == 0, "as often as it is asked for"
        assert plugin.in_flight == 0


def test_cancelled_while_it_waits_for_its_place() -> None:
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with rough(transcript=lambda way, line: lines.put(line)) as plugin:
        first = busy(plugin)
        unsent = plugin.begin("rough.echo", {"value": "never"})
        unsent.cancel()
        assert failed(unsent) is Kind.CANCELLED
        first.cancel("enough")
        assert failed(first) is Kind.CANCELLED
        assert plugin.call("rough.echo", {"value": 1}) == 1
    sent = [lines.get() for _ in range(lines.qsize())]
    assert any(b'"reason":"enough"' in line for line in sent)
    assert not any(b"never" in line for line in sent)


def test_a_deadline_passes_although_nobody_waits() -> None:
    """CALL-5: the plugin serves one at a time, so the next call is answered when the first was cancelled."""
    with rough() as plugin:
        late = plugin.begin("rough.sleep", {"seconds": 600}, timeout=0.05)
        later = plugin.begin("rough.echo", {"value": 1}, timeout=None)
        assert later.result() == 1
        assert failed(late) is Kind.TIMEOUT
        first = busy(plugin)
        assert failed(plugin.begin("rough.echo", {"value": 1}, timeout=0.05)) is Kind.TIMEOUT
        first.cancel()


def test_whoever_says_first_that_it_is_late() -> None:
    """The plugin says so at the same moment: it is the same failure."""
    with faulty("none") as plugin:
        for _ in range(20):
            assert failed(plugin.begin("faulty.late", timeout=0.02)) is Kind.TIMEOUT


def test_a_result_that_was_on_its_way() -> None:
    """CALL-3: a cancel that comes too late takes nothing away."""
    with rough() as plugin:
        call = plugin.begin("rough.echo", {"value": 1})
        assert plugin.call("rough.echo", {"value": 2}) == 2
        call.cancel()
        assert call.result() == 1


def test_a_plugin_that_takes_no_cancel() -> None:
    """LIFE-29: it is sent none; who cancels is told the end all the same."""
    with faulty("no-cancel") as plugin:
        call = plugin.begin("faulty.hang")
        call.cancel()
        assert failed(call) is Kind.CANCELLED
        assert plugin.call("faulty.seen") == ["faulty.hang", "faulty.seen"]
        assert plugin.in_flight == 1, "it holds its place until it is answered"


def test_awaited() -> None:
    async def main(plugin: host.Plugin) -> list[Any]:
        cancelled = asyncio.ensure_future(asyncio.wait_for(plugin.begin("rough.sleep", {"seconds": 600}), 0.05))
        with pytest.raises(asyncio.TimeoutError):
            await cancelled
        with pytest.raises(host.RemoteError):
            await plugin.begin("rough.fail", {"how": "declared"})
        return await asyncio.gather(*(plugin.begin("rough.echo", {"value": n}) for n in range(100)))

    with rough() as plugin:
        assert asyncio.run(main(plugin)) == list(range(100))


def test_input_waits_with_its_request() -> None:
    """Nothing of a call goes before its request."""
    with rough() as plugin:
        first = busy(plugin)
        total = plugin.begin("rough.sum", input=iter([1, 2, 3]), returns=int)
        doubled = plugin.stream("rough.double", input=iter([1, 2]), item=int)
        first.cancel()
        assert total.result() == 6
        assert list(doubled) == [2, 4]


def test_a_callback_that_waits_for_a_place_ends_with_its_call() -> None:
    """CALL-18, LIFE-27: the host takes one at a time, and the second is never sent."""
    plugin = Plugin("asks", version="1.0.0", provides={"asks": "1.0.0"}, concurrency=4)

    @plugin.host_method("asks.host")
    def ask_host(number: int) -> int:
        raise NotImplementedError

    @plugin.method("asks.ask", errors="any")
    def ask(number: int, call: Call) -> int:
        return ask_host(call, number=number)

    asked: queue.SimpleQueue[int] = queue.SimpleQueue()
    go = threading.Event()

    def answer(number: int) -> int:
        asked.put(number)
        assert go.wait(SECONDS)
        return number

    with start(plugin, callbacks={"asks.host": answer}, limits=host.Limits(max_in_flight=1)) as running:
        first = running.begin("asks.ask", {"number": 1}, timeout=None)
        assert asked.get(timeout=SECONDS) == 1
        second = running.begin("asks.ask", {"number": 2}, timeout=None)
        pending: Any = running._instance.process
        until = monotonic() + SECONDS
        while not pending._session.pending.waiting:  # nothing else tells that it waits
            assert monotonic() < until
            sleep(0.001)
        second.cancel()
        assert failed(second) is Kind.CANCELLED
        go.set()
        assert first.result() == 1
        assert running.call("asks.ask", {"number": 3}) == 3
        assert [asked.get() for _ in range(asked.qsize())] == [3]


@pytest.mark.parametrize("at_once", ["1", "64"])
def test_async_callbacks_wait_for_their_places(at_once: str) -> None:
    """LIFE-26: a loop does not stand still, though the host takes one at a time."""
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return question.upper()

    command = [sys.executable, str(PLUGINS / "waits.py")]
    limits = host.Limits(max_in_flight=1)
    with host.Plugin.start(command, callbacks={"waits.ask": ask}, limits=limits, env={"AT_ONCE": at_once}) as plugin:
        questions = [chr(ord("a") + n) for n in range(20)]
        assert plugin.call("waits.ask_many", {"questions": questions}) == [text.upper() for text in questions]
        assert asked == questions


def test_callbacks_that_the_host_does_not_serve_are_not_sent() -> None:
    """CALL-14."""
    with Wire(PLUGINS / "demo.py") as wire:
        wire.initialize(callbacks=["demo.other"])
        wire.send(id=1, method="demo.callback", params={"question": "?"})
        assert wire.error() == (1, -32601)
        wire.eof()
        wire.ends()


def test_what_a_callback_calls_ends_with_it() -> None:
    """CALL-18, LIFE-31: by the user's cancel, by a deadline, and where the plugin cancels the callback itself."""
    seen: queue.SimpleQueue[Kind] = queue.SimpleQueue()
    nested = threading.Event()

    def ask(context: host.Context, question: str) -> str:
        try:
            context.plugin.call("rough.sleep", {"seconds": 600}, timeout=None, on_progress=lambda _: nested.set())
        except host.Error as error:
            seen.put(error.kind)
            raise
        return question

    callbacks: dict[str, Callable[..., Any]] = {"asker.ask": ask, "asker.tell": lambda params: None}
    with rough(4, callbacks=callbacks) as plugin:
        call = plugin.begin("rough.ask", {"question": "?"}, timeout=None)
        assert nested.wait(SECONDS)
        call.cancel()
        assert failed(call) is Kind.CANCELLED
        assert seen.get(timeout=SECONDS) is Kind.CANCELLED
        nested.clear()
        late(plugin, "rough.ask", nested)
        assert seen.get(timeout=SECONDS) in (Kind.CANCELLED, Kind.TIMEOUT), "it had no more time than its call"
        assert plugin.call("rough.echo", {"value": 1}) == 1


def test_callbacks_end_with_their_call() -> None:
    """CALL-18, LIFE-31."""
    entered, cancelled = threading.Event(), threading.Event()

    def ask(context: host.Context, question: str) -> str:
        entered.set()
        try:
            context.sleep(SECONDS)
        finally:
            if context.cancelled:
                cancelled.set()
        return question

    with rough(callbacks={"asker.ask": ask, "asker.tell": lambda params: None}) as plugin:
        late(plugin, "rough.ask_thread", entered)
        assert cancelled.wait(SECONDS)
        assert plugin.call("rough.echo", {"value": 1}) == 1


@pytest.mark.parametrize("what", ["surrogate", "deep"])
def test_a_result_that_cannot_be_read_fails_alone(what: str) -> None:
    """JSON-7, JSON-10."""
    with faulty("none") as plugin:
        other = plugin.begin("faulty.hang")
        with pytest.raises(host.Error) as raised:
            plugin.call(f"faulty.{what}")
        assert raised.value.kind is Kind.PROTOCOL_VIOLATION
        assert not other.done
        assert plugin.call("faulty.echo", {"value": 1}) == 1


def test_what_belongs_to_the_protocol() -> None:
    """MSG-36."""
    with rough() as plugin:
        for use in (
            lambda: plugin.call("rpc.shutdown"),
            lambda: plugin.begin("rpc.initialize"),
            lambda: plugin.notify("rpc.cancel", {"id": 0}),
            lambda: plugin.stream("rpc.discover"),
            lambda: plugin.send("rpc.discover", []),
        ):
            with pytest.raises(host.Error) as raised:
                use()
            assert raised.value.kind is Kind.INVALID_REQUEST
        plugin.ping()


def test_a_start_that_fails_does_not_wait_for_the_end() -> None:
    """The plugin heeds neither the end of its input nor SIGTERM for now; its host was told long ago."""
    patient = host.Timeouts(start=SECONDS, exit=600, term=600)
    command = [sys.executable, str(PLUGINS / "faulty.py"), "declined-then-waits"]
    pids: list[int] = []

    def seen(way: str, line: bytes) -> None:
        if b"pid " in line:
            pids.append(int(line.rpartition(b"pid ")[2].split(b'"')[0]))

    with pytest.raises(host.Error) as raised:
        host.Plugin.start(command, timeouts=patient, transcript=seen)
    assert raised.value.kind is Kind.DECLINED
    os.kill(pids[0], signal.SIGKILL)  # otherwise its ladder would wait for ten minutes


def test_dropped() -> None:
    """Its calls fail at once, and what is left of it goes."""
    plugin = faulty("none")
    call = plugin.begin("faulty.hang", timeout=None)
    plugin.drop()
    assert failed(call) is Kind.CLOSED
    stopped = plugin.wait(SECONDS)
    assert stopped == host.Exit(0)
    assert plugin.stop().exit == stopped


def test_the_clock_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in what it does for one plugin is told, and is not the end of it for all; and what is due comes first."""
    faults: queue.SimpleQueue[Any] = queue.SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", faults.put)
    order: list[str] = []
    done = threading.Event()
    clock = Clock()
    clock.at(0.0, lambda: order.append(str(1 // 0)))
    for name in ("b", "c"):
        clock.at(monotonic() + (0.02 if name == "c" else 0.01), lambda name=name: order.append(name))  # type: ignore[misc]
    clock.at(monotonic() + 0.03, done.set)
    clock.soon(lambda: order.append("a"))
    assert done.wait(SECONDS)
    assert order == ["a", "b", "c"]
    assert faults.get(timeout=SECONDS).exc_type is ZeroDivisionError


@pytest.mark.parametrize(
    ("line", "id"),
    [
        (b'{"jsonrpc":"2.0","id":7,"result":"\\ud800"}', 7),
        (b'{"id":"x","result":{"a":["\\ud800",{"b":[]}]},"jsonrpc":"2.0"}', "x"),
        (b'{"jsonrpc":"2.0","id":7,"result":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 7),
        (b'{"jsonrpc":"2.0","result":' + b"[" * 50_000 + b'"}"' + b"]" * 50_000 + b',"id":0}', 0),
        (b'{"jsonrpc":"2.0","id":7,"result":' + b"[" * 100_000 + b"}" * 100_000 + b"}", None),
        (b'{"jsonrpc":"2.0","id":7,"result":' + b"[" * 100_000 + b"}", None),
        (b'{"jsonrpc":"2.0","id":7,"result":["\\ud800",NaN]}', None),
        (b'{"jsonrpc":"2.0","id":7,"result":tru', None),
        (b'{"jsonrpc":"2.0","id":-1,"result":"\\ud800"}', None),
        (b'{"jsonrpc":"2.0","id":-0,"result":"\\ud800"}', None),
        (b'{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"\\ud800"}}', None),
        (b'{"jsonrpc":"2.0","id":7,"method":"a.b","result":"\\ud800"}', None),
        (b'{"id":7,"result":"\\ud800"}', None),
    ],
)
def test_whose_response_cannot_be_read(line: bytes, id: Any) -> None:
    assert whose(line) == id
