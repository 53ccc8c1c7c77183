"""The host's side of SPEC.md, with plugins that break the rules."""

from __future__ import annotations

import gc
import json
import os
import queue
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from wire import PLUGINS, SECONDS

from plugline import host
from plugline.host import Kind

FAST = host.Timeouts(start=SECONDS, call=SECONDS, grace=0.2, exit=0.3, term=0.3, unanswered=0.1)


def faulty(fault: str, **options: Any) -> host.Plugin:
    return host.Plugin.start([sys.executable, str(PLUGINS / "faulty.py"), fault], timeouts=FAST, **options)


def rough(**options: Any) -> host.Plugin:
    return host.Plugin.start([sys.executable, str(PLUGINS / "rough.py")], timeouts=FAST, **options)


def event(plugin: host.Plugin, kind: type[Any]) -> Any:
    """The next event of that kind."""
    until = monotonic() + SECONDS
    while monotonic() < until:
        found = plugin.events.get(1.0)
        if isinstance(found, kind):
            return found
    raise AssertionError(f"no {kind.__name__}")


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        ("version", Kind.VERSION_MISMATCH, "version 2"),
        ("unsupported", Kind.VERSION_MISMATCH, "old"),
        ("no-provides", Kind.HANDSHAKE_INVALID, "provides"),
        ("limit", Kind.HANDSHAKE_INVALID, "maxLineBytes"),
        ("streams-without-cancel", Kind.HANDSHAKE_INVALID, "cancel"),
        ("declined", Kind.DECLINED, "\\u{1b}[31mno"),
        ("config", Kind.INVALID_CONFIG, "bad"),
        ("exit", Kind.PLUGIN_EXITED, "status 7"),
    ],
)
def test_handshakes_that_fail(fault: str, kind: Kind, text: str) -> None:
    with pytest.raises(host.Error) as raised:
        faulty(fault)
    assert raised.value.kind is kind
    assert raised.value.phase is host.Phase.HANDSHAKE
    assert text in str(raised.value)
    if fault == "exit":
        assert raised.value.evidence.stderr_tail == ["on its way out"]
    if fault == "config":
        assert raised.value.remote is not None
        assert raised.value.remote.data == {"errors": [{"path": "/a", "message": "is bad"}]}


def test_a_silent_plugin() -> None:
    command = [sys.executable, str(PLUGINS / "faulty.py"), "silent"]
    with pytest.raises(host.Error, match="no answer in time") as raised:
        host.Plugin.start(command, timeouts=host.Timeouts(start=0.2, exit=0.1, term=0.1))
    assert raised.value.kind is Kind.HANDSHAKE_TIMEOUT


@pytest.mark.parametrize("command", ["/nonexistent", "/etc/passwd", "./no\0such"])
def test_programs_that_cannot_be_started(command: str) -> None:
    with pytest.raises(host.Error) as raised:
        host.Plugin.start(command)
    assert raised.value.kind is Kind.SPAWN_FAILED
    assert raised.value.phase is host.Phase.SPAWN


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("not-json", Kind.PROTOCOL_VIOLATION),
        ("null-id", Kind.PROTOCOL_VIOLATION),
        ("bad-id", Kind.PROTOCOL_VIOLATION),
        ("two-ends", Kind.PROTOCOL_VIOLATION),
        ("no-version", Kind.PROTOCOL_VIOLATION),
        ("spoilt", Kind.PROTOCOL_VIOLATION),
        ("batch", Kind.PROTOCOL_VIOLATION),
        ("too-long", Kind.TOO_LARGE),
        ("output", Kind.STREAM_VIOLATION),
    ],
)
def test_violations(fault: str, kind: Kind) -> None:
    """HOST-4, HOST-11 to HOST-14, HOST-18, FRAME-16, STREAM-17: all calls fail with the reason, and it is stopped."""
    with faulty(fault) as plugin:
        other: list[BaseException] = []

        def hang() -> None:
            try:
                plugin.call("faulty.hang")
            except host.Error as error:
                other.append(error)

        thread = threading.Thread(target=hang)
        thread.start()
        while len(plugin.connection.pending.by_id) < 1:
            sleep(0.001)
        with pytest.raises(host.Error) as raised:
            plugin.call("faulty.break")
        assert raised.value.kind is kind, raised.value
        thread.join()
        assert isinstance(other[0], host.Error)
        assert other[0].kind is kind
        assert plugin.wait(SECONDS) is not None
        with pytest.raises(host.Error):
            plugin.call("faulty.echo")
        with pytest.raises(host.Error):
            plugin.notify("faulty.echo")


@pytest.mark.parametrize("fault", ["overdraw", "window"])
def test_output_without_credit(fault: str) -> None:
    """STREAM-12, STREAM-17."""
    with faulty(fault) as plugin, pytest.raises(host.Error) as raised:
        list(plugin.stream("faulty.break", timeout=SECONDS)) if fault == "window" else _idle(plugin)
    assert raised.value.kind is Kind.STREAM_VIOLATION


def _idle(plugin: host.Plugin) -> None:
    stream: host.Stream[Any] = plugin.stream("faulty.break", timeout=SECONDS)
    plugin.wait(SECONDS)
    while True:
        next(stream)


def test_stray_output() -> None:
    """HOST-15 to HOST-17."""
    with faulty("none") as plugin:
        plugin.call("faulty.stray", {"lines": 1000})
        assert plugin.call("faulty.echo", {"value": 1}) == 1
        strays = [each for each in plugin.events if isinstance(each, host.Stray)]
        assert 10 <= len(strays) < 100
        assert strays[0].text == "stray \\u{1b}[31m0"
    with pytest.raises(host.Error, match="stray output") as raised, faulty("none", strict=True) as plugin:
        plugin.call("faulty.stray", {"lines": 1})
    assert raised.value.kind is Kind.PROTOCOL_VIOLATION


def test_a_result_that_cannot_be_taken_fails_alone() -> None:
    """JSON-10."""
    with faulty("none") as plugin:
        with pytest.raises(host.Error) as raised:
            plugin.call("faulty.echo", {"value": "x"}, returns=int)
        assert raised.value.kind is Kind.PROTOCOL_VIOLATION
        assert plugin.call("faulty.echo", {"value": 1}) == 1


@pytest.mark.parametrize("end", ["exit", "kill", "close"])
def test_plugins_that_go(end: str) -> None:
    with faulty("none") as plugin:
        began = monotonic()
        with pytest.raises(host.Error) as raised:
            plugin.call(f"faulty.{end}")
        assert monotonic() - began < SECONDS / 2
        error = raised.value
        assert error.kind is (Kind.CLOSED if end == "close" else Kind.PLUGIN_EXITED)
        if end == "exit":
            assert error.evidence.exit == host.Exit(3)
            assert error.evidence.stderr_tail == ["bye \\u{1b}[31m"]
        if end == "kill":
            assert "SIGKILL" in str(error)
        assert event(plugin, host.Exited).wanted is False


def test_deadlines_and_unhealthy_plugins() -> None:
    """CALL-5, CALL-7, CALL-8, CALL-10, LIFE-26, LIFE-27."""
    with faulty("none") as plugin:
        for _ in range(2):
            with pytest.raises(host.Error) as raised:
                plugin.call("faulty.hang", timeout=0.05)
            assert raised.value.kind is Kind.TIMEOUT
        with pytest.raises(host.Error, match="busy") as raised:
            plugin.call("faulty.echo", timeout=0.05)
        assert raised.value.kind is Kind.TIMEOUT
        assert event(plugin, host.Unhealthy).method == "faulty.hang"
        plugin.ping()


def test_a_plugin_that_does_not_read() -> None:
    """Its calls end by their deadlines, whatever is queued; and stopping it does not wait for what cannot be written."""
    with faulty("none") as plugin:
        plugin.connection.remote = host.Limits(max_in_flight=64)
        with pytest.raises(host.Error):
            plugin.call("faulty.nap", timeout=0.1)
        for _ in range(4):
            began = monotonic()
            with pytest.raises(host.Error) as raised:
                plugin.call("faulty.echo", {"value": "x" * (5 << 20)}, timeout=0.2)
            assert raised.value.kind is Kind.TIMEOUT
            assert monotonic() - began < SECONDS / 4
        began = monotonic()
    assert monotonic() - began < SECONDS / 2


@pytest.mark.parametrize(
    ("fault", "rung"), [("none", "asked"), ("deaf", "terminated"), ("terminated", "terminated"), ("immortal", "killed")]
)
def test_the_ladder(fault: str, rung: str) -> None:
    """HOST-1, HOST-2."""
    plugin = faulty(fault)
    stopped = plugin.stop()
    assert stopped.rung.value == rung
    assert stopped.exit is not None
    assert plugin.stop() == stopped


@pytest.mark.parametrize("away", [False, True])
def test_grandchildren(away: bool) -> None:
    """HOST-3, HOST-5: one in the group is killed with it; one that left it delays nothing."""
    plugin = faulty("none")
    pid = plugin.call("faulty.grandchild", {"away": away})
    fd = os.pidfd_open(pid)
    began = monotonic()
    plugin.stop()
    assert monotonic() - began < SECONDS / 2
    if away:
        os.kill(pid, signal.SIGKILL)
    else:
        import select

        poll = select.poll()
        poll.register(fd, select.POLLIN)
        assert poll.poll(SECONDS * 1000)
    os.close(fd)


def test_a_flood_is_bounded() -> None:
    with faulty("none") as plugin:
        plugin.call("faulty.flood")
        # What it says faster than it is told is counted when the second is over, and so is what nobody took in time.
        logs = held_back = 0
        while plugin.events.dropped + held_back <= 10_000:
            event = plugin.events.get(30)
            assert event is not None, "all of it was told"
            logs += isinstance(event, host.Log)
            held_back += event.count if isinstance(event, host.HeldBack) else 0
        assert logs < 5000
        assert len("".join(plugin.connection._process.stderr_tail())) <= 16 * 1024


def test_what_a_plugin_inherits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("LC_TIME", "C")
    with faulty("env", env={"GIVEN": "y", "HOME": "/h"}) as plugin:
        env = json.loads(plugin.hello.plugin.name)
        assert "SECRET" not in env
        assert env["LC_TIME"] == "C"
        assert env["GIVEN"] == "y"
        assert env["HOME"] == "/h"
        assert env["PLUGLINE_PROTOCOL"] == "1"
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    with faulty("fds") as plugin:
        assert plugin.hello.plugin.name == "0 1 2"
    os.close(reader)
    os.close(writer)
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with faulty("session", dir=tmp_path) as plugin:
            told = json.loads(plugin.hello.plugin.name)
            assert told == {"leads": True, "mask": [], "usr1": False, "dir": str(tmp_path)}
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_calls_from_many_threads() -> None:
    with rough() as plugin:
        results: list[int] = []

        def calls(first: int) -> None:
            results.extend(plugin.call("rough.echo", {"value": n}, returns=int) for n in range(first, first + 100))

        threads = [threading.Thread(target=calls, args=(first,)) for first in range(0, 800, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == list(range(800))


def test_what_cannot_be_sent() -> None:
    """FRAME-19, JSON-3, JSON-6."""
    with rough() as plugin:
        for value, kind in (
            ("x" * (17 << 20), Kind.TOO_LARGE),
            (2**60, Kind.INVALID_REQUEST),
            ("\udc00", Kind.INVALID_REQUEST),
            (object(), Kind.INVALID_REQUEST),
        ):
            with pytest.raises(host.Error) as raised:
                plugin.call("rough.echo", {"value": value})
            assert raised.value.kind is kind
        assert plugin.call("rough.echo", {"value": 1}) == 1


def test_remote_errors() -> None:
    with rough() as plugin:
        with pytest.raises(host.RemoteError) as raised:
            plugin.call("rough.fail", {"how": "declared"})
        assert raised.value.code == 1
        assert raised.value.data == {"reason": "no", "times": 1}
        assert raised.value.kind is Kind.REMOTE_ERROR


def test_progress_log_and_events() -> None:
    with rough() as plugin:
        seen: list[float] = []
        plugin.call("rough.steps", {"n": 3}, on_progress=lambda told: seen.append(told.progress))
        assert seen == [1.0, 2.0, 3.0]
        plugin.call("rough.log", {"level": "info", "message": "hello"})
        assert event(plugin, host.Log).message == "hello"
        plugin.stop()
        assert event(plugin, host.Exited).wanted is True


def test_callbacks_and_nesting() -> None:
    """CALL-15, CALL-17, CALL-21, LIFE-6."""

    def ask(context: host.Context, question: str) -> str:
        depth = int(question)
        return "bottom" if depth == 0 else str(context.plugin.call("rough.ask", {"question": str(depth - 1)}))

    told: list[str] = []

    def tell(params: dict[str, Any]) -> None:
        told.append(params["what"])

    with rough(callbacks={"asker.ask": ask}, listeners={"asker.tell": tell}) as plugin:
        assert plugin.call("rough.ask", {"question": "7"}) == "bottom"
        with pytest.raises(host.RemoteError) as raised:
            plugin.call("rough.ask", {"question": "9"})
        assert raised.value.code == -32006
        assert len(told) > 8
    with faulty("early-call") as plugin:
        assert plugin.call("faulty.echo", {"value": 1}) == 1


def test_a_callback_that_raises() -> None:
    def ask(question: str) -> str:
        raise ValueError(question)

    with rough(callbacks={"asker.ask": ask, "asker.tell": lambda params: None}) as plugin:
        with pytest.raises(host.RemoteError) as raised:
            plugin.call("rough.ask_thread", {"question": "?"})
        assert raised.value.code == -32603
        assert "ValueError" in event(plugin, host.Ignored).reason


def test_a_duplicate_id_is_a_violation() -> None:
    """HOST-12."""
    gate = threading.Event()
    with pytest.raises(host.Error, match="in flight already") as raised:  # noqa: SIM117
        with faulty("none", callbacks={"host.wait": lambda params: gate.wait(SECONDS)}) as plugin:
            try:
                plugin.call("faulty.twice")
            finally:
                gate.set()
    assert raised.value.kind is Kind.PROTOCOL_VIOLATION


@pytest.fixture
def running() -> Iterator[host.Plugin]:
    with rough(limits=host.Limits(stream_window_bytes=1 << 16)) as plugin:
        yield plugin


def test_streams(running: host.Plugin) -> None:
    assert list(running.stream("rough.count", {"n": 1000}, item=int)) == list(range(1000))
    assert running.send("rough.sum", range(1, 1000), returns=int) == sum(range(1000))
    assert running.send("rough.sum", [1, 2, 0, *range(10**5)]) == 3
    doubled: host.Stream[int] = running.stream("rough.double", input=range(5000), item=int)
    assert list(doubled) == [2 * n for n in range(5000)]
    with running.stream("rough.fill", {"items": 100, "width": 60_000}, item=str) as stream:
        assert sum(len(item) for item in stream) == 6_000_000
        assert stream.result is None


def test_a_stream_that_is_left(running: host.Plugin) -> None:
    with running.stream("rough.closing", item=int) as stream:
        for number in stream:
            if number == 100:
                break
    assert running.call("rough.notes") == ["closed"]


def left_by_breaking(plugin: host.Plugin) -> None:
    for number in plugin.stream("rough.closing", item=int):
        if number == 100:
            break


def left_by_closing(plugin: host.Plugin) -> None:
    stream = plugin.stream("rough.closing", item=int)
    next(stream)
    stream.close()
    stream.close()
    assert list(stream) == []


def left_in_a_cycle(plugin: host.Plugin) -> None:
    stream = plugin.stream("rough.closing", item=int)
    next(stream)
    holder: list[Any] = [stream]
    holder.append(holder)
    del stream, holder
    gc.collect()


@pytest.mark.parametrize("leave", [left_by_breaking, left_by_closing, left_in_a_cycle])
def test_a_stream_that_is_dropped_is_cancelled(
    running: host.Plugin, leave: Callable[[host.Plugin], None], recwarn: pytest.WarningsRecorder
) -> None:
    """STREAM-18: the plugin serves one call at a time, so this one is answered when the stream has ended."""
    warnings.simplefilter("always")
    leave(running)
    assert running.call("rough.notes") == ["closed"]
    dropped = [str(each.message) for each in recwarn if each.category is ResourceWarning]
    assert ["rough.closing" in text for text in dropped] == ([] if leave is left_by_closing else [True])


def test_a_stream_that_was_taken_is_no_fault_to_drop(running: host.Plugin) -> None:
    """Warnings are errors here, also those of what is collected."""
    stream = running.stream("rough.count", {"n": 3}, item=int)
    assert list(stream) == [0, 1, 2]
    del stream
    gc.collect()


def test_a_source_that_gives_nothing_holds_up_nobody(running: host.Plugin) -> None:
    silent: queue.SimpleQueue[int] = queue.SimpleQueue()
    began = monotonic()
    with running.stream("rough.double", input=iter(silent.get, None)):
        pass
    with pytest.raises(host.Error) as raised:
        running.send("rough.sum", iter(silent.get, None), timeout=0.05)
    assert raised.value.kind is Kind.TIMEOUT
    assert monotonic() - began < SECONDS / 2
    for _ in range(2):
        silent.put(1)  # its threads end


def test_a_slow_consumer_bounds_memory_and_blocks_nobody(running: host.Plugin) -> None:
    """STREAM-15, STREAM-16."""
    with rough(env={"ROUGH_CONCURRENCY": "2"}) as plugin:
        stream: host.Stream[str] = plugin.stream("rough.fill", {"items": 10_000, "width": 10_000})
        next(stream)
        for _ in range(100):
            assert plugin.call("rough.echo", {"value": 1}) == 1
        inlet = stream._slot.inlet
        assert inlet is not None
        assert sum(len(items) for items, _ in inlet._lines) * 10_000 < 2 << 18
        stream.cancel()


def test_input_that_fails(running: host.Plugin) -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        running.send("rough.sum", source())
    assert running.call("rough.echo", {"value": 1}) == 1


def test_a_stream_with_an_error(running: host.Plugin) -> None:
    stream: host.Stream[Any] = running.stream("rough.fill", {"items": 1, "width": "x"})
    with pytest.raises(host.RemoteError) as raised:
        list(stream)
    assert raised.value.code == -32602


def test_a_plugin_without_streams() -> None:
    with host.Plugin.start([sys.executable, str(PLUGINS / "late.py")]) as plugin:
        with pytest.raises(host.Error) as raised:
            plugin.stream("late.hello")
        assert raised.value.kind is Kind.UNSUPPORTED


def test_a_transcript() -> None:
    lines: list[tuple[str, bytes]] = []
    with rough(transcript=lambda way, line: lines.append((way, line))) as plugin:
        plugin.call("rough.echo", {"value": "seen"})
    assert [way for way, line in lines if b"seen" in line] == ["sent", "received"]


def test_the_end_of_the_host_stops_its_plugins(tmp_path: Path) -> None:
    import subprocess

    script = tmp_path / "host.py"
    script.write_text(
        "import sys\nfrom plugline import host\n"
        f"plugin = host.Plugin.start([sys.executable, {str(PLUGINS / 'rough.py')!r}])\nprint(plugin.pid)\n"
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(ran.stdout), 0)


def test_a_guard_outlives_the_host(tmp_path: Path) -> None:
    """HOST-9."""
    import select
    import subprocess

    script = tmp_path / "host.py"
    script.write_text(
        "import sys, time\nfrom plugline import host\nfrom plugline.host import _process\n"
        "_process.GUARD_SECONDS = 1\n"
        f"plugin = host.Plugin.start([sys.executable, {str(PLUGINS / 'faulty.py')!r}, 'immortal'], guarded=True)\n"
        "print(plugin.pid, flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        fd = os.pidfd_open(int(process.stdout.readline()))
        process.kill()
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        assert poll.poll(SECONDS * 1000), "it lives on"
        os.close(fd)


def test_many_starts_leave_nothing() -> None:
    for _ in range(10):
        with rough() as plugin:
            assert plugin.call("rough.echo", {"value": 1}) == 1
    assert not [thread for thread in threading.enumerate() if "plugline-ladder" in thread.name]
