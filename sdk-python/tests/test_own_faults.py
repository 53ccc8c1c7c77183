"""What a host's own code does wrong stays its own: no other call suffers, nothing hangs, nothing is left."""

from __future__ import annotations

import asyncio
import math
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any, cast

import pytest
from wire import PLUGINS, SECONDS

from plugline import Call, Declined, InvalidConfig, Plugin, error, host, testing
from plugline.host import Kind, _stream
from plugline.host._ladder import descend_all
from plugline.host._process import SPAWNER, Command, Process
from plugline.host._stream import Sender

FAST = host.Timeouts(start=SECONDS, call=SECONDS, grace=0.2, exit=0.3, term=0.3)
ROUGH = [sys.executable, str(PLUGINS / "rough.py")]
SURROGATE = "caf\udce9"


def rough(**options: Any) -> host.Plugin:
    return host.Plugin.start(ROUGH, timeouts=FAST, **options)


def eventually(is_so: Callable[[], bool]) -> None:
    until = monotonic() + SECONDS
    while not is_so():
        assert monotonic() < until
        sleep(0.005)


def run(script: str) -> list[str]:
    """What a host of its own prints."""
    ran = subprocess.run(
        [sys.executable, "-c", script, *ROUGH], check=False, capture_output=True, timeout=SECONDS, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def inside() -> Plugin:
    plugin = Plugin("inside", version="1.0.0", provides={"t": "1.0.0"}, concurrency=2)

    @plugin.method("t.echo")
    def echo(text: str) -> str:
        return text

    @plugin.method("t.fail", errors="any")
    def fail(data: bool) -> None:
        raise error(7, SURROGATE, {"of": SURROGATE} if data else None)

    @plugin.method("t.fail_async", errors="any")
    async def fail_async() -> None:
        raise error(7, SURROGATE)

    @plugin.method("t.log")
    def log(call: Call) -> None:
        call.log("info", SURROGATE)
        call.log("info", "with", target=SURROGATE)

    @plugin.method("t.steps")
    def steps(call: Call) -> None:
        for step in (5, math.nan, 1, math.inf, 6):
            call.progress(step, math.inf, SURROGATE)

    @plugin.method("t.ask", errors="any")
    def ask(call: Call) -> Any:
        return call.callback("h.ask")

    @plugin.method("t.tell")
    def tell(call: Call) -> None:
        call.notify("h.tell")

    @plugin.method("t.sum")
    def total(items: Iterator[int]) -> int:
        return sum(items)

    @plugin.method("t.hold")
    def hold(call: Call) -> None:
        call.sleep(600)

    return plugin


# Text that is no Unicode, as the names of files are.


def test_an_errors_message_that_is_no_unicode_is_answered() -> None:
    with testing.start(inside()) as plugin:
        for method, params in (("t.fail", {"data": False}), ("t.fail_async", {})):
            with pytest.raises(host.RemoteError, match=r"caf\? \(7\)"):
                plugin.call(method, params)
        with pytest.raises(host.RemoteError) as raised:
            plugin.call("t.fail", {"data": True})
        assert raised.value.code == -32603
        assert plugin.call("t.echo", {"text": "on"}) == "on"


@pytest.mark.parametrize(
    ("why", "kind"), [(Declined(SURROGATE), Kind.DECLINED), (InvalidConfig("/a", SURROGATE), Kind.INVALID_CONFIG)]
)
def test_a_refusal_that_is_no_unicode_is_told(why: Exception, kind: Kind) -> None:
    plugin = inside()

    @plugin.on_start
    def start() -> None:
        raise why

    with pytest.raises(host.Error, match=r"caf\?") as raised:
        testing.start(plugin)
    assert raised.value.kind is kind


def test_what_is_logged_and_told_of_progress_is_sent_whatever_is_in_it() -> None:
    told: list[Any] = []
    with testing.start(inside()) as plugin:
        plugin.call("t.log")
        logs = [each for each in plugin.events if isinstance(each, host.Log)]
        assert [(log.message, log.target) for log in logs][-1] == ("with", "caf?")
        assert logs[0].message == "caf?"
        plugin.call("t.steps", on_progress=told.append)
        assert [(each.progress, each.message) for each in told] == [(5, "caf?"), (6, "caf?")]


@pytest.mark.parametrize("data", [{"of": SURROGATE}, object(), None])
def test_a_callback_is_answered_whatever_it_raises(data: Any) -> None:
    class Mute(Exception):
        def __repr__(self) -> str:
            raise ValueError("no")

    heard: list[int] = []

    def ask(_: dict[str, Any]) -> None:
        raise Mute if data is None else error(7, SURROGATE, data)

    def tell(_: dict[str, Any]) -> None:
        heard.append(1)
        raise Mute

    with testing.start(inside(), callbacks={"h.ask": ask}, listeners={"h.tell": tell}) as plugin:
        for _ in range(3):
            with pytest.raises(host.RemoteError) as raised:
                plugin.call("t.ask")
            assert raised.value.code == -32603
            plugin.call("t.tell")
        eventually(lambda: len(heard) == 3)


# Arguments.


@pytest.mark.parametrize("params", [["x"], "x", 5, [], ""])
def test_params_that_are_no_object_are_not_sent(params: Any) -> None:
    with testing.start(inside()) as plugin:
        with pytest.raises(host.Error, match="values by their names, and not a ") as raised:
            plugin.call("t.echo", params)
        assert raised.value.kind is Kind.INVALID_REQUEST
        with pytest.raises(host.Error, match="Unicode"):
            plugin.call(SURROGATE)
        assert plugin.call("t.echo", {"text": "on"}) == "on"


def test_input_that_is_none_is_not_begun() -> None:
    of: Any = 5
    with testing.start(inside()) as plugin:
        for begin in (plugin.send, lambda name, input: plugin.stream(name, input=input)):
            with pytest.raises(TypeError, match="not iterable"):
                begin("t.sum", of)
        assert plugin.in_flight == 0
        assert plugin.send("t.sum", [1, 2]) == 3


def test_an_item_that_is_too_long_ends_its_call_as_that() -> None:
    with testing.start(inside()) as plugin:
        for _ in range(20):
            with pytest.raises(host.Error) as raised:
                plugin.send("t.sum", ["1" * 300_000])
            assert raised.value.kind is Kind.TOO_LARGE


@pytest.mark.parametrize("config", [object(), 2**60, SURROGATE])
def test_a_config_that_cannot_be_sent_starts_nothing(config: Any) -> None:
    with pytest.raises(host.Error, match="the config cannot be sent") as raised:
        rough(config=config)
    assert (raised.value.kind, raised.value.phase) == (Kind.INVALID_CONFIG, host.Phase.SPAWN)


def test_what_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(host.Error, match=f"cannot start .*: {tmp_path}/none: No such file"):
        rough(dir=tmp_path / "none")
    with pytest.raises(ValueError, match="at least the program"):
        host.Plugin.start([])


def test_times_without_end() -> None:
    timeouts = host.Timeouts(grace=math.inf, exit=math.inf, term=math.inf, call=1e15)
    sent: list[bytes] = []
    with host.Plugin.start(ROUGH, timeouts=timeouts, transcript=lambda _, line: sent.append(line)) as plugin:
        plugin.call("rough.echo", {"value": "x"}, timeout=math.inf)
        assert b'"deadlineMs":9007199254740991' in sent[-2]
        assert plugin.stop().rung.value == "asked"


# What the host gives to be called.


def test_what_a_transcript_or_on_progress_raises_does_nothing_to_the_calls() -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with testing.start(inside(), transcript=full) as plugin:
        for _ in range(3):
            assert plugin.call("t.echo", {"text": "on"}) == "on"
            plugin.call("t.steps", on_progress=full)
        told = [each.reason for each in plugin.events if isinstance(each, host.Ignored)]
        assert any("the transcript raised" in each for each in told)
        assert any("on_progress of t.steps raised" in each for each in told)


def test_a_loop_that_is_closed_is_nobody_elses_fault() -> None:
    async def wait(plugin: host.Plugin) -> None:
        await plugin.begin("t.hold", timeout=0.2)

    with testing.start(inside()) as plugin:
        loop = asyncio.new_event_loop()
        task = loop.create_task(wait(plugin))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        eventually(lambda: plugin.in_flight == 0)
        assert plugin.call("t.echo", {"text": "on"}) == "on"
        cast(Any, task)._log_destroy_pending = False


def test_who_awaits_a_call_holds_up_no_other_task(monkeypatch: pytest.MonkeyPatch) -> None:
    go, waits = threading.Event(), threading.Event()
    join = Sender.join

    def seen(sender: Sender) -> None:
        waits.set()
        join(sender)

    monkeypatch.setattr(Sender, "join", seen)
    monkeypatch.setattr(_stream, "SOURCE_SECONDS", SECONDS)

    def endless() -> Iterator[int]:
        go.wait(2 * SECONDS)
        yield 1

    async def run(plugin: host.Plugin) -> None:
        running = plugin.begin("t.sum", input=endless(), timeout=0.1)

        async def let_go() -> None:
            while not waits.is_set():
                await asyncio.sleep(0)
            go.set()

        other = asyncio.create_task(let_go())
        with pytest.raises(host.Error) as raised:
            await running
        assert raised.value.kind is Kind.TIMEOUT
        # The source was waited for, and the other task had its turn meanwhile.
        assert go.is_set()
        await other

    with testing.start(inside()) as plugin:
        asyncio.run(run(plugin))


def test_a_notification_waits_no_longer_than_a_call_may_take() -> None:
    with host.Plugin.start(ROUGH, timeouts=host.Timeouts(call=0.2, grace=0.1, exit=0.1, term=0.1)) as plugin:
        os.kill(plugin.pid, signal.SIGSTOP)
        with pytest.raises(host.Error, match="does not read") as raised:
            for _ in range(100):
                plugin.notify("a.b", {"text": "x" * (1 << 20)})
    assert raised.value.kind is Kind.TIMEOUT


# Its process.


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT is ignored in what a shell runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_start_that_is_interrupted_leaves_nothing() -> None:
    started: list[Process] = []

    def launch(told: Callable[[bytes], None], exited: Callable[[host.Exit], None]) -> Process:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        started.append(Process(Command([sys.executable, "-c", "import time; time.sleep(600)"]), told, exited))
        return started[0]

    with pytest.raises(KeyboardInterrupt):
        host.Plugin.start(["never"], timeouts=FAST, _launch=launch)
    eventually(lambda: bool(started) and started[0].exit is not None)
    # Its descriptors are given back right after it was reaped.
    eventually(lambda: not Path(f"/proc/{started[0].pid}").exists())
    rough().stop()


def test_what_goes_wrong_where_plugins_are_started_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", told.append)

    def fail() -> None:
        raise OSError("as it happens")

    SPAWNER.soon(fail)
    rough().stop()
    assert [str(each.exc_value) for each in told] == ["as it happens"]


def test_how_it_ended_is_known_with_its_last_words() -> None:
    heard, go_on = threading.Event(), threading.Event()

    def told(_: bytes) -> None:
        heard.set()
        go_on.wait(SECONDS)

    process = Process(Command(["sh", "-c", "echo one >&2; read _; echo two >&2; exit 3"]), told, lambda _: None)
    assert heard.wait(SECONDS)
    fd = os.pidfd_open(process.pid)
    process.close_stdin()
    # Gone, but what it said at its end was not read.
    assert select.select([fd], [], [], SECONDS)[0]
    os.close(fd)
    assert process.wait(0.3) is None
    go_on.set()
    assert process.wait(SECONDS) == host.Exit(3)
    assert process.stderr_tail() == ["one", "two"]
    process.release()


def test_what_ends_at_once_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    threaded = Process._thread

    def late(process: Process, what: Callable[[], None], name: str) -> threading.Thread:
        def run() -> None:
            if name == "stderr":
                eventually(lambda: process._reaped)
            what()

        return threaded(process, run, name)

    monkeypatch.setattr(Process, "_thread", late)
    with pytest.raises(host.Error) as raised:
        host.Plugin.start(["sh", "-c", "echo oops >&2; exit 3"], timeouts=FAST)
    assert raised.value.evidence.exit == host.Exit(3)
    assert raised.value.evidence.stderr_tail == ["oops"]


@pytest.mark.parametrize("guarded", [False, True])
def test_a_start_without_descriptors_leaves_nothing(guarded: bool) -> None:
    told = run(
        f"""
import gc, os, resource, sys
from plugline import host
host.Plugin.start(sys.argv[1:]).stop()  # what is opened once, is open
count = len(os.listdir("/proc/self/fd"))
kinds = set()
for more in range(24):
    # From here on so many more can be opened.
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + more, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        host.Plugin.start(sys.argv[1:], guarded={guarded}).stop()
        kinds.add("started")
    except host.Error as fault:
        kinds.add(fault.kind.value)
    gc.collect()
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        assert False, (more, os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT))
    except ChildProcessError:
        pass  # there is none
    assert len(os.listdir("/proc/self/fd")) == count, (more, os.listdir("/proc/self/fd"))
print(*sorted(kinds))
"""
    )
    assert told == ["spawn_failed started"]


def test_a_start_without_threads_is_told() -> None:
    told = run(
        """
import sys, threading
from plugline import host
def none(self): raise RuntimeError("can't start new thread")
threading.Thread.start = none
try:
    host.Plugin.start(sys.argv[1:])
except host.Error as fault:
    print(fault.kind.value)
"""
    )
    assert told == ["spawn_failed"]


def test_a_fork_of_the_host_leaves_its_plugins_alone() -> None:
    told = run(
        """
import os, sys
from plugline import host
with host.Plugin.start(sys.argv[1:]) as plugin:
    if (child := os.fork()) == 0:
        try:
            plugin.call("rough.echo", {"value": "child"})
        except host.Error as fault:
            print(fault.kind.value, flush=True)
        plugin.drop()
        sys.exit(0)  # through the end of the `with`, and the handlers of exit
    assert os.waitpid(child, 0)[1] == 0
    print(plugin.call("rough.echo", {"value": "parent"}))
"""
    )
    assert told == ["closed", "parent"]


def test_a_status_that_somebody_else_took_is_not_made_up() -> None:
    told = run(
        """
import signal, sys
from plugline import host
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
try:
    host.Plugin.start(["sh", "-c", "exit 3"])
except host.Error as fault:
    print(fault.kind.value, fault.evidence.exit.code, fault.evidence.exit.signal)
"""
    )
    assert told == ["plugin_exited None None"]


def test_at_the_end_of_the_host_all_ladders_are_descended_side_by_side() -> None:
    done: list[str] = []

    class Deaf:
        exit = None

        def __init__(self, name: str) -> None:
            self.name = name
            self.outbox = self

        def finish_writing(self) -> None: ...
        def settle(self) -> None: ...
        def close_stdin(self) -> None:
            done.append(f"{self.name} closed")

        def signal(self, number: signal.Signals) -> None:
            done.append(f"{self.name} {number.name}")

        def wait(self, seconds: float) -> None:
            assert seconds <= 10

    both: list[Any] = [(each, each, FAST) for each in (Deaf("a"), Deaf("b"))]
    descend_all(both)
    assert done == ["a closed", "b closed", "a SIGTERM", "b SIGTERM", "a SIGKILL", "b SIGKILL"]


def test_the_end_of_a_plugin_is_told_where_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    with rough() as plugin:

        def none(self: threading.Thread) -> None:
            raise RuntimeError("can't create new thread at interpreter shutdown")

        with monkeypatch.context() as no_threads:
            no_threads.setattr(threading.Thread, "start", none)
            os.kill(plugin.pid, signal.SIGKILL)
            with pytest.raises(host.Error) as raised:
                plugin.call("rough.echo", {"value": "x"})
            assert raised.value.kind is Kind.PLUGIN_EXITED
        with monkeypatch.context() as no_threads:
            no_threads.setattr(threading.Thread, "start", none)
            with pytest.raises(host.Error, match="cannot start .*: can't create new thread") as raised:
                rough()
            assert raised.value.kind is Kind.SPAWN_FAILED
