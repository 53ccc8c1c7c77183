"""How a plugin ends: shutdown, end of file, signals, a host that is gone. Section 4 of SPEC.md."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from wire import PLUGINS, SECONDS, Wire

CONCURRENCY = pytest.mark.parametrize("concurrency", ["1", "4"])


def rough(concurrency: str = "1") -> Wire:
    return Wire(PLUGINS / "rough.py", env={"ROUGH_CONCURRENCY": concurrency})


def busy(wire: Wire, method: str = "rough.sleep", **params: object) -> None:
    """Has it handle a request that does not end by itself."""
    wire.initialize(features=("progress",))
    wire.send(id=1, method=method, params=params or {"seconds": 600})
    assert wire.receive()["method"] == "rpc.progress"


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def test_shutdown() -> None:
    """LIFE-35 to LIFE-41."""
    with rough() as wire:
        wire.initialize()
        assert wire.call(1, "rpc.shutdown", graceMs="x")["code"] == -32602
        assert wire.call(1, "rpc.shutdown") is None
        for method in ("rough.echo", "rpc.initialize", "rpc.discover", "rpc.shutdown", "rpc.nothing"):
            assert wire.call(2, method)["code"] == -32003
        assert wire.call(3, "rpc.ping") == {}
        wire.eof()
        wire.ends()
        assert "stopped in order" in wire.stderr()


def test_shutdown_before_the_handshake() -> None:
    with rough() as wire:
        assert wire.call(1, "rpc.shutdown", graceMs=0) is None
        wire.eof()
        wire.ends()


@CONCURRENCY
def test_shutdown_of_a_handler_that_heeds_it(concurrency: str) -> None:
    with rough(concurrency) as wire:
        busy(wire)
        wire.send(id=2, method="rpc.shutdown", params={"graceMs": 10})
        assert wire.error() == (1, -32004)
        assert wire.receive()["id"] == 2
        wire.eof()
        wire.ends()


@CONCURRENCY
def test_shutdown_of_a_handler_that_blocks_for_ever(concurrency: str, fifo: Path) -> None:
    with rough(concurrency) as wire:
        busy(wire, "rough.block", path=str(fifo))
        wire.send(id=2, method="rpc.shutdown", params={"graceMs": 10})
        assert wire.error() == (1, -32004)
        assert wire.receive() == {"jsonrpc": "2.0", "id": 2, "result": None}
        assert wire.call(3, "rpc.ping") == {}
        wire.eof()
        wire.ends()


@CONCURRENCY
def test_shutdown_that_may_take_for_ever(concurrency: str, fifo: Path) -> None:
    with rough(concurrency) as wire:
        busy(wire, "rough.block", path=str(fifo))
        wire.send(id=2, method="rpc.shutdown", params={"graceMs": (1 << 53) - 1})
        assert wire.call(3, "rpc.ping") == {}
        # What waits for that long still hears of the rest.
        assert wire.call(4, "rpc.ping") == {}
        fifo.write_text("go on\n")
        assert wire.receive()["id"] == 1
        assert wire.receive() == {"jsonrpc": "2.0", "id": 2, "result": None}
        wire.eof()
        wire.ends()


def test_a_second_shutdown_is_refused() -> None:
    with rough() as wire:
        busy(wire)
        wire.send(id=2, method="rpc.shutdown", params={"graceMs": 60_000})
        wire.send(id=3, method="rpc.shutdown", params={"graceMs": 0})
        assert wire.error() == (3, -32003)
        wire.send(method="rpc.cancel", params={"id": 1})
        assert wire.error() == (1, -32004)
        assert wire.receive()["id"] == 2


def test_end_of_file_while_it_shuts_down() -> None:
    """LIFE-43: a pending `rpc.shutdown` is answered too."""
    with rough("1") as one, rough("4") as four:
        for wire in (one, four):
            busy(wire)
            wire.send(id=2, method="rpc.shutdown", params={"graceMs": 60_000})
            wire.send(id=3, method="rpc.ping")
            assert wire.receive()["id"] == 3
        for wire in (one, four):
            wire.eof()
        for wire in (one, four):
            assert wire.error() == (1, -32004)
            assert wire.receive() == {"jsonrpc": "2.0", "id": 2, "result": None}
            wire.ends()


@CONCURRENCY
def test_end_of_file_lets_what_is_in_flight_end(concurrency: str) -> None:
    """LIFE-43."""
    with rough(concurrency) as wire:
        busy(wire, "rough.sleep", seconds=0.3)
        wire.eof()
        assert wire.receive() == {"jsonrpc": "2.0", "id": 1, "result": None}
        wire.ends()
        assert "stopped in order" in wire.stderr()


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[list[Wire]]:
    """One plugin for each way of serving and of not coming to an end: one that waits, one that computes, and one that
    blocks in the system. All at once, since each takes its whole grace."""
    with contextlib.ExitStack() as stack:
        wires: list[Wire] = []
        for number, concurrency in enumerate(("1", "4")):
            os.mkfifo(tmp_path / f"fifo{number}")
            for method, params in (
                ("rough.sleep", {"seconds": 600}),
                ("rough.spin", {}),
                ("rough.block", {"path": str(tmp_path / f"fifo{number}")}),
            ):
                wires.append(stack.enter_context(rough(concurrency)))
                wires[-1].initialize(features=("progress",))
                wires[-1].send(id=1, method=method, params=params)
        for wire in wires:
            assert wire.receive()["method"] == "rpc.progress"
        yield wires


def test_end_of_file_ends_what_does_not(stuck: list[Wire]) -> None:
    """LIFE-43, LIFE-45: within two seconds, and with 0."""
    began = monotonic()
    for wire in stuck:
        wire.eof()
    for wire in stuck:
        assert wire.error() == (1, -32004)
        wire.ends()
    assert monotonic() - began < 8, "two seconds, and what six take of a busy machine"


def test_callbacks_fail_when_the_host_is_gone() -> None:
    """LIFE-44."""
    with rough() as wire:
        wire.initialize(callbacks=["asker.ask", "asker.tell"])
        wire.send(id=1, method="rough.ask", params={"question": "?"})
        assert wire.receive()["method"] == "asker.tell"
        assert wire.receive()["method"] == "asker.ask"
        wire.eof()
        assert wire.error() == (1, -32603), "at once: when the grace is over, it would be cancelled"
        wire.ends()


@CONCURRENCY
def test_sigterm(concurrency: str) -> None:
    """LIFE-47."""
    with rough(concurrency) as wire:
        wire.initialize()
        wire.signal(signal.SIGTERM)
        wire.ends()
        assert "stopped in order" in wire.stderr()


def test_sigterm_while_a_handler_runs(stuck: list[Wire]) -> None:
    for wire in stuck:
        wire.signal(signal.SIGTERM)
    for wire in stuck:
        assert wire.error() == (1, -32004)
        wire.ends()


def test_sigint_is_for_the_host() -> None:
    """LIFE-48: it does nothing, and children do not ignore it."""
    with rough() as wire:
        busy(wire)
        wire.signal(signal.SIGINT)
        wire.send(id=2, method="rpc.ping")
        assert wire.receive()["id"] == 2
        wire.send(method="rpc.cancel", params={"id": 1})
        assert wire.error() == (1, -32004)
        assert wire.call(3, "rough.spawn", script="kill -INT $$; sleep 600") == -signal.SIGINT
        wire.signal(signal.SIGINT)
        assert wire.call(4, "rough.echo", value=1) == 1
        wire.eof()
        wire.ends()


@CONCURRENCY
def test_a_host_that_reads_no_more(concurrency: str) -> None:
    """LIFE-46: a write that fails ends it, quietly."""
    process = subprocess.Popen(
        [sys.executable, str(PLUGINS / "rough.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, bufsize=0, env={**os.environ, "PLUGLINE_PROTOCOL": "1", "ROUGH_CONCURRENCY": concurrency},
    )  # fmt: skip
    with process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b'{"jsonrpc":"2.0","id":0,"method":"rpc.initialize","params":{"protocolVersions":[1]}}\n')
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"rough.echo","params":{"value":1}}\n')
        assert process.wait(SECONDS) == 0
        told = process.stderr.read()
        assert b"Traceback" not in told
        assert b"plugline:" not in told


def test_host_death(tmp_path: Path) -> None:
    """A host that is interrupted, terminated or killed leaves nothing, whatever the handler does. (A terminal's Ctrl-C does
    not reach the plugin: it has a session of its own.)"""
    os.mkfifo(tmp_path / "fifo")
    script = tmp_path / "host.py"
    script.write_text(
        "import json, sys\nfrom plugline import host\n"
        f"command, times = [sys.executable, {str(PLUGINS / 'rough.py')!r}], host.Timeouts(grace=0.1, exit=0.1)\n"
        "with host.Plugin.start(command, timeouts=times) as plugin:\n"
        "    told = lambda _: print(plugin.pid, flush=True)\n"
        "    plugin.call(sys.argv[1], json.loads(sys.argv[2]), timeout=None, on_progress=told)\n"
    )
    handlers = {"rough.sleep": {"seconds": 600}, "rough.spin": {}, "rough.block": {"path": str(tmp_path / "fifo")}}
    ways = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    with contextlib.ExitStack() as stack:
        hosts = [
            (way, stack.enter_context(subprocess.Popen(
                [sys.executable, str(script), method, json.dumps(params)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )))
            for way in ways
            for method, params in handlers.items()
        ]  # fmt: skip
        alive = select.poll()
        plugins: list[int] = []
        for way, process in hosts:
            assert process.stdout
            plugins.append(os.pidfd_open(int(process.stdout.readline())))
            process.send_signal(way)
        for fd in plugins:
            alive.register(fd, select.POLLIN)
            assert alive.poll(SECONDS * 1000), "it lives on"
            alive.unregister(fd)
            os.close(fd)
        for way, process in hosts:
            assert process.wait(SECONDS) == -way, process.stderr
            assert process.stderr
            assert ("KeyboardInterrupt" in process.stderr.read()) == (way == signal.SIGINT)


def test_exit_does_not_wait_for_threads(tmp_path: Path) -> None:
    script = tmp_path / "threads.py"
    script.write_text(
        "import threading, time\nfrom plugline import Plugin\n"
        "threading.Thread(target=lambda: time.sleep(600)).start()\nPlugin('threads', version='0.1.0').run()\n"
    )
    with Wire(script) as wire:
        wire.initialize()
        wire.eof()
        wire.ends()


@pytest.mark.parametrize("late", [0.8, None])
def test_a_host_that_reads_late_gets_it_all(late: float | None) -> None:
    """LIFE-43: all of the 2 s is for that, however soon the last answer was there; and no more than that."""
    ask = [{"jsonrpc": "2.0", "id": 0, "method": "rpc.initialize", "params": {"protocolVersions": [1]}}]
    ask += [{"jsonrpc": "2.0", "id": id, "method": "rpc.discover", "params": {}} for id in range(1, 41)]
    with subprocess.Popen(
        [sys.executable, PLUGINS / "rough.py"], env={**os.environ, "PLUGLINE_PROTOCOL": "1"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as plugin:  # fmt: skip
        assert plugin.stdin
        assert plugin.stdout
        assert plugin.stderr
        plugin.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in ask))
        plugin.stdin.close()
        if late is not None:
            sleep(late)
            assert plugin.stdout.read().count(b"\n") == len(ask)
        assert plugin.wait(SECONDS) == 0
        assert (b"does not read" in plugin.stderr.read()) == (late is None)


def test_a_set_up_that_fails_may_be_tried_again() -> None:
    """LIFE-10 to LIFE-18."""
    with rough() as wire:
        ask = {"method": "rpc.initialize"}
        for params, code in (
            ({}, -32602),
            ({"protocolVersions": "1"}, -32602),
            ({"protocolVersions": [1], "limits": {"maxInFlight": 0}}, -32602),
            ({"protocolVersions": [1], "limits": {"maxLineBytes": 65535}}, -32602),
            ({"protocolVersions": [1], "capabilities": {"log": True}}, -32602),
            ({"protocolVersions": [1], "host": {"name": "x"}}, -32602),
            ({"protocolVersions": [1], "instance": 5}, -32602),
            ({"protocolVersions": []}, -32001),
            ({"protocolVersions": [7, 8]}, -32001),
            ({"protocolVersions": [1], "config": {"refuse": 5}}, -32002),
            ({"protocolVersions": [1], "config": {"sizes": {"a/b": 1, "c/d": "x"}}}, -32002),
            ({"protocolVersions": [1], "config": []}, -32002),
            ({"protocolVersions": [1], "config": {"bad": True}}, -32002),
            ({"protocolVersions": [1], "config": {"fault": True}}, -32603),
            ({"protocolVersions": [1], "config": {"refuse": "no GPU"}}, -32009),
        ):
            wire.send(id=1, params=params, **ask)
            answer = wire.receive()
            assert answer["error"]["code"] == code, (params, answer)
            data = answer["error"].get("data", {})
            if code == -32001:
                assert data == {"supported": [1]}
            if code == -32009:
                assert data == {"reason": "no GPU"}
            if code in (-32602, -32002):
                assert data["errors"]
            if "sizes" in str(params):
                assert [fault["path"] for fault in data["errors"]] == ["/sizes/c~1d"]
        hello = wire.initialize(unknown=1, limits={"unknown": 1}, features=("unknown",))
        assert hello["protocolVersion"] == 1
        assert hello["plugin"] == {"name": "rough", "version": "0.1.0"}
        assert hello["provides"] == [{"contract": "rough", "version": "1.0.0"}]
        assert hello["capabilities"].keys() == {"cancel", "progress", "log", "streams", "callbacks"}
        assert hello["limits"]["maxInFlight"] == 1
        wire.send(id=1, params={"protocolVersions": [1], "config": {"refuse": "no"}}, **ask)
        assert wire.error() == (1, -32600)


def test_discover_is_the_same_before_and_after() -> None:
    """LIFE-4, LIFE-5."""
    with rough() as wire:
        before = wire.call(1, "rpc.discover")
        wire.initialize()
        assert wire.call(1, "rpc.discover", extra=1) == before
