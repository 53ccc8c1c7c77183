"""What bounds either end: at the limit, and one beyond it. `docs/limits.md` has all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from test_host import faulty
from wire import PLUGINS, SECONDS, Wire

from plugline import host
from plugline._outbox import URGENT_BYTES, Outbox
from plugline._workers import Lane, Workers
from plugline.host._event import QUEUE_BYTES, Events, Exited, HeldBack, Ignored, Stderr, Strays
from plugline.host._process import Exit
from plugline.host._rate import EVENTS_PER_SECOND, Rate, Told


def test_a_thousand_in_a_second_and_the_next_is_held_back() -> None:
    rate = Rate(EVENTS_PER_SECOND)
    for _ in range(1000):
        assert rate.admit(5.0) == (True, 0, None)
    # The first one has somebody look when the second is over, and no other does.
    assert rate.admit(5.0) == (False, 0, 6.0)
    assert rate.admit(5.5) == (False, 0, None)
    assert rate.over(5.9) == 0
    assert rate.over(6.0) == 2
    assert rate.admit(6.0) == (True, 0, None)


def test_what_is_held_back_is_told_by_the_next_one_or_at_the_end() -> None:
    rate = Rate(1)
    for _ in range(11):
        rate.admit(0.0)
    assert rate.admit(1.0) == (True, 10, None)
    assert rate.admit(1.0)[0] is False
    assert (rate.rest(), rate.rest()) == (1, 0)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def at(self, when: float, job: Callable[[], None]) -> None:
        self.due.append((when, job))

    def move(self, seconds: float) -> None:
        self.now += seconds
        for when, job in [each for each in self.due if each[0] <= self.now]:
            self.due.remove((when, job))
            job()


def test_a_flood_is_told_of_in_part_and_the_rest_is_counted() -> None:
    clock = Clock()
    events = Events(3, lambda: clock.now, clock.at)
    for number in range(10):
        events.put(Stderr(str(number)))
    events.put(Ignored("one of another kind"))
    assert list(events) == [*(Stderr(str(number)) for number in range(3)), Ignored("one of another kind")]
    clock.move(1.0)
    assert list(events) == [HeldBack(Told.STDERR_LINES, 7)]
    for number in range(5):
        events.put(Ignored(str(number)))
    events.put(Exited(Exit(0), True, []))
    assert list(events)[3:] == [HeldBack(Told.IGNORED_MESSAGES, 2), Exited(Exit(0), True, [])]
    clock.move(1.0)
    assert list(events) == []


def test_a_plugin_that_floods_is_told_of_in_part() -> None:
    with faulty("none", events_per_second=5) as plugin:
        plugin.call("faulty.flood")
    told = list(plugin.events)
    logs = sum(isinstance(each, host.Log) for each in told)
    held_back = sum(each.count for each in told if isinstance(each, HeldBack) and each.what is Told.LOGS)
    assert logs + held_back == 20_000
    assert logs < held_back
    assert plugin.events.dropped == 0


def test_a_rate_of_nothing_is_none() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        host.Plugin.start(["true"], events_per_second=0)


def test_events_that_nobody_takes_have_so_many_bytes() -> None:
    events = Events(1 << 30)
    size = 1024
    text = "x" * (size - 64)
    for _ in range(QUEUE_BYTES // size):
        events.put(Stderr(text))
    assert events.dropped == 0
    events.put(Stderr(""))
    assert events.dropped == 1
    events.put(Exited(Exit(0), True, []))
    assert len(list(events)) == QUEUE_BYTES // size + 1


def test_the_first_ten_stray_lines_always_and_then_ten_a_second() -> None:
    strays = Strays()
    assert [strays.admit(0.0) for _ in range(21)] == [0] * 20 + [None]
    assert strays.admit(1.0) == 1


def test_as_many_notifications_wait_as_may_and_no_more() -> None:
    workers, release, begun = Workers(), threading.Event(), threading.Event()
    lane = Lane(workers)

    def first() -> None:
        begun.set()
        release.wait()

    assert lane.notification(first, 0)
    begun.wait()
    left = Lane.BYTES - 2 * Lane.NOTIFICATION_BYTES
    assert not lane.notification(lambda: None, left + 1)
    assert lane.notification(lambda: None, left)
    assert not lane.notification(lambda: None, 0)
    done = threading.Event()
    assert lane.request(done.set)
    release.set()
    done.wait()


def test_who_reads_may_say_so_much_and_no_more() -> None:
    reader, writer = os.pipe()
    later: list[Callable[[], None]] = []
    outbox = Outbox(writer, lambda _: None, later.append)
    # Nothing is taken of it: the pipe is full, and what is left to a worker stays there.
    os.set_blocking(writer, False)
    try:
        while os.write(writer, b"x" * 4096):
            pass
    except BlockingIOError:
        os.set_blocking(writer, True)
    assert outbox.post(b"x" * URGENT_BYTES)
    assert not outbox.post(b"x")
    # What was written meanwhile does not count, though there always was something queued.
    outbox._queue.clear()
    assert outbox.post(b"x")
    outbox.close()
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("concurrency", ["1", "4"])
def test_a_host_that_asks_and_does_not_read_the_answers(concurrency: str) -> None:
    environment = {**os.environ, "ROUGH_CONCURRENCY": concurrency, "PLUGLINE_PROTOCOL": "1"}
    pipe = subprocess.PIPE
    command = [sys.executable, str(PLUGINS / "rough.py")]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, env=environment) as plugin:
        assert plugin.stdin is not None and plugin.stdout is not None and plugin.stderr is not None
        hello = {"jsonrpc": "2.0", "id": 0, "method": "rpc.initialize", "params": {"protocolVersions": [1]}}
        plugin.stdin.write(json.dumps(hello).encode() + b"\n")
        assert b'"result"' in plugin.stdout.readline()
        pings = b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"rpc.ping"}\n' % id for id in range(1, 200_000))
        try:
            while pings:
                pings = pings[os.write(plugin.stdin.fileno(), pings) :]
        except BrokenPipeError:
            pass
        assert plugin.wait(SECONDS) == 1
        assert b"does not read" in plugin.stderr.read()


@pytest.mark.parametrize("concurrency", ["1", "4"])
def test_a_flood_of_cancels_holds_up_no_call(concurrency: str) -> None:
    with Wire(PLUGINS / "rough.py", env={"ROUGH_CONCURRENCY": concurrency}) as wire:
        wire.initialize()
        for unknown in range(20):
            cancel = b'{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":%d}}\n' % (1000 + unknown)
            wire.raw(cancel * 1000)
            assert wire.call(unknown, "rough.echo", value=unknown) == unknown


@pytest.mark.parametrize(("ignored", "told"), [(20, 20), (21, 21), (200, 21)])
def test_what_was_ignored_is_told_so_often_and_no_more(ignored: int, told: int) -> None:
    with Wire(PLUGINS / "rough.py") as wire:
        wire.initialize()
        wire.raw(b'{"jsonrpc":"2.0","method":"nobody.listens","params":{}}\n' * ignored)
        assert wire.call(1, "rough.echo", value=1) == 1
        wire.eof()
        wire.ends()
        about = [line for line in wire.stderr().splitlines() if "ignored" in line]
    assert len(about) == told
    assert ("more was ignored" in about[-1]) == (ignored > 20)
