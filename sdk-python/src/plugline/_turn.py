"""Who reads, and where handlers run: the threads of a plugin.

Two threads, and more only where the plugin serves several requests at once:

- **main** reads, and runs a handler where it read its request: a call costs no hand-over.
- the **warden** sleeps. While main works it looks every 2 ms whether main still runs the same handler, and if so takes
  the *seat*, that is, the reading, so that cancels, pings and answers go through. It gives the seat back as soon as
  something comes and main is free. It runs no user code and waits for no write. It also hears signals, keeps the
  clock of what is due, and ends the process where main is stuck.

A handler on main that waits for something of the wire (an answer, an item, credit) reads on, here, until it has come.
Rules: only the holder of the seat reads or splits lines; the seat changes hands under `_lock`; main gives it up only
while it runs user code; the lock is never held while anything waits.
"""

from __future__ import annotations

import _thread
import enum
import heapq
import os
import select
from _queue import Empty, SimpleQueue  # `queue` loads `threading`
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from ._connection import Closed, Heard, Work
from ._failure import Kind
from ._frame import Skipped, Splitter
from ._watch import LONGEST_WAIT, Gate, Watched, left

TICK = 0.002
"""Seconds a handler may hold the reading thread; at most twice that."""
IDLE_TICKS = 25
"""After so many without a call the warden sleeps until there is one."""
READ_BYTES = 1 << 16
WAITING_BYTES = 4 << 20
"""What may wait for main; one notification always may."""
NOTIFICATION_BYTES = 512
"""What one takes besides its line."""


class Holder(enum.Enum):
    """Who has the seat."""

    MAIN = enum.auto()
    WARDEN = enum.auto()
    NOBODY = enum.auto()
    """There is nothing more to read."""


class Server(Protocol):
    """Whose lines these are."""

    def take(self, line: bytes | Skipped) -> Work | Heard | None: ...
    def run(self, work: Work | Heard) -> None: ...
    def runs_inline(self, work: Work | Heard, alone: bool) -> bool:
        """Whether main runs it where it was read; `alone`: it has nothing else to do."""
        ...

    def hand_over(self, work: Work | Heard) -> bool:
        """Has a worker run it; False where main is to."""
        ...

    def held_up(self) -> None:
        """The handler on main takes long."""
        ...

    def ended(self, why: OSError | None) -> None:
        """There is nothing more to read."""
        ...

    def broken(self, why: Exception) -> None:
        """The connection cannot go on."""
        ...

    def signalled(self, numbers: bytes) -> None: ...


class _Wake(enum.Enum):
    WAKE = enum.auto()


class Turn:
    """The two threads of a plugin. `serve` is main; `start` starts the warden."""

    def __init__(self, fd: int, splitter: Splitter, server: Server) -> None:
        self.splitter = splitter
        self._fd, self._server = fd, server
        self._main = 0
        self._lock = _thread.allocate_lock()
        self._holder = Holder.MAIN
        self._started = 0  # how often main began to run user code
        self._running = False  # whether it does
        self._parked = False  # whether it sleeps without the seat
        self._polling = False  # whether it sleeps with the seat
        self._dozing = True  # whether the warden sleeps until it is woken
        self._nested = 0  # how many handlers on main wait within each other
        self.is_done = False
        self._lane: SimpleQueue[Work | Heard | _Wake] = SimpleQueue()
        self._later: deque[Work | Heard] = deque()  # what is for main, but not while it waits
        self._waiting_bytes = 0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._guarded = Gate()  # open when the warden has ended
        self._kicked, self._kick_fd = _pipe()
        self._woken, self._wake_fd = _pipe()
        self.signals, self.signal_fd = _pipe()
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._poll.register(self._woken, select.POLLIN)

    def start(self) -> None:
        _thread.start_new_thread(self._guard, ())

    def close(self) -> None:
        """Waits for the warden and gives back its descriptors. Main has returned."""
        self._kick()
        self._guarded.wait(LONGEST_WAIT)
        for fd in (self._kicked, self._kick_fd, self._woken, self._wake_fd, self.signals, self.signal_fd):
            os.close(fd)

    def on_main(self) -> bool:
        return _thread.get_ident() == self._main

    @property
    def is_at_rest(self) -> bool:
        """Whether main runs no user code, nor waits within any."""
        return not self._running and not self._nested

    # Main.

    def serve(self) -> None:
        """Reads and runs, until all is done."""
        self._main = _thread.get_ident()
        self._serve(lambda: self.is_done, None)

    def wait(self, watched: Watched, ready: Callable[[], bool], deadline: float | None) -> bool:
        """Has a handler on main wait: it goes on to read until it is so."""
        if ready():
            return True
        watched.watch(self._wake)
        self._nested += 1
        with self._lock:
            self._running = False
        try:
            return self._serve(ready, deadline)
        finally:
            self._started += 1
            self._running = True
            self._nested -= 1
            if self._dozing:
                self._kick()
            watched.unwatch(self._wake)

    def _serve(self, ready: Callable[[], bool], deadline: float | None) -> bool:
        top = not self._nested
        while not ready():
            seconds = left(deadline)
            if seconds <= 0:
                return False
            if top and self._later:
                self._run_kept(self._later.popleft())
            elif self._holder is Holder.MAIN:
                line = self.splitter.next()
                if line is None:
                    self._fill(ready, seconds)
                else:
                    self._take(line, top)
            else:
                self._park(ready, seconds, top)
        return True

    def _take(self, line: bytes | Skipped, top: bool) -> None:
        try:
            work = self._server.take(line)
            if work is None:
                return
            alone = top and not self._later and not self.splitter.has_line()
            if self._server.runs_inline(work, alone):
                if type(work) is Heard and not top:
                    self._keep(work)
                else:
                    self._run(work)
            elif not self._server.hand_over(work):
                self._keep(work)
        except Exception as why:  # noqa: BLE001 - a fault of this engine ends the connection, not in silence
            self._break(why)

    def _keep(self, work: Work | Heard) -> None:
        """Has it wait until main has time."""
        self._weigh(work)
        self._later.append(work)

    def _weigh(self, work: Work | Heard) -> None:
        if type(work) is Heard:
            with self._lock:
                size = work.size + NOTIFICATION_BYTES
                if self._waiting_bytes and self._waiting_bytes + size > WAITING_BYTES:
                    raise Closed(Kind.OVERLOADED, "notifications come faster than they are handled")
                self._waiting_bytes += size

    def _run_kept(self, work: Work | Heard) -> None:
        if type(work) is Heard:
            with self._lock:
                self._waiting_bytes -= work.size + NOTIFICATION_BYTES
        self._run(work)

    def _run(self, work: Work | Heard) -> None:
        self._started += 1
        self._running = True
        if self._dozing:
            self._kick()
        try:
            self._server.run(work)
        finally:
            with self._lock:  # from here on the seat stays where it is
                self._running = False

    def _fill(self, ready: Callable[[], bool], seconds: float) -> None:
        self._polling = True
        try:
            if ready():
                return
            events = self._poll.poll(None if seconds >= LONGEST_WAIT else seconds * 1000)
        finally:
            self._polling = False
        for fd, _ in events:
            if fd == self._fd:
                self._read()
            else:
                os.read(fd, READ_BYTES)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except OSError as why:
            self._end(why)
            return
        if data:
            self.splitter.feed(data)
        else:
            self._end(None)

    def _end(self, why: OSError | None) -> None:
        with self._lock:
            self._holder = Holder.NOBODY
        self._server.ended(why)

    def _break(self, why: Exception) -> None:
        with self._lock:
            self._holder = Holder.NOBODY
        self._server.broken(why)

    def _park(self, ready: Callable[[], bool], seconds: float, top: bool) -> None:
        self._parked = True
        try:
            if ready():
                return
            try:
                work = self._lane.get(timeout=min(seconds, LONGEST_WAIT))
            except Empty:
                return
        finally:
            self._parked = False
        if work is _Wake.WAKE:
            return
        assert not isinstance(work, _Wake)
        if top or (type(work) is Work and work.request.depth > 0):
            self._run_kept(work)
        else:
            self._later.append(work)

    def _wake(self) -> None:
        """Has main look again; by any thread."""
        if self._parked:
            self._lane.put(_Wake.WAKE)
        elif self._polling:
            _poke(self._wake_fd)

    # The warden.

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Has the warden do something then, as `monotonic` says it. It must not wait."""
        with self._lock:
            self._count += 1
            heapq.heappush(self._due, (when, self._count, what))
        self._kick()

    def signal(self, number: int) -> None:
        """A signal came. To be called by its handler: it takes no lock."""
        try:
            os.write(self.signal_fd, bytes((number,)))
        except BlockingIOError:
            pass  # more came than anybody needs to hear

    def done(self) -> None:
        """Main is to return."""
        self.is_done = True
        self._lane.put(_Wake.WAKE)
        _poke(self._wake_fd)

    def _kick(self) -> None:
        self._dozing = False
        _poke(self._kick_fd)

    def _guard(self) -> None:
        quiet = select.poll()
        quiet.register(self._kicked, select.POLLIN)
        quiet.register(self.signals, select.POLLIN)
        reading = select.poll()
        for fd in (self._kicked, self.signals, self._fd):
            reading.register(fd, select.POLLIN)
        pulse = _Pulse()
        while not self.is_done:
            seated = self._holder is Holder.WARDEN
            events = (reading if seated else quiet).poll(self._patience(seated))
            try:
                self._hear([fd for fd, _ in events])
                if self._holder is Holder.MAIN:
                    self._look(pulse, bool(events))
            except Exception as why:  # noqa: BLE001 - without the warden nothing would end this process
                self._break(why)
        self._guarded.open()

    def _hear(self, events: list[int]) -> None:
        for fd in events:
            if fd == self._kicked:
                os.read(fd, READ_BYTES)
            elif fd == self.signals:
                self._server.signalled(os.read(fd, READ_BYTES))
            elif self._holder is Holder.WARDEN:
                self._read_for_main()
        self._do_what_is_due()

    def _look(self, pulse: _Pulse, woken: bool) -> None:
        """Whether main still runs what it ran when the warden last looked."""
        if self._started != pulse.seen:
            pulse.seen, pulse.idle = self._started, 0
        elif not self._running:
            pulse.idle += 1
            if pulse.idle > IDLE_TICKS:
                pulse.idle, self._dozing = 0, True
                if self._started != pulse.seen:  # main began in between, and may not have seen it doze
                    self._dozing = False
        elif not woken and self._take_seat(pulse.seen):
            self._server.held_up()
            self._take_lines()  # what main had read already

    def _patience(self, seated: bool) -> float | None:
        """How long the warden may sleep; milliseconds."""
        # As much as poll takes.
        due = min(max(0.0, left(self._due[0][0])), LONGEST_WAIT) * 1000 + 0.5 if self._due else None
        if seated or self._dozing or self._holder is Holder.NOBODY:
            return due
        return TICK * 1000 if due is None else min(due, TICK * 1000)

    def _take_seat(self, seen: int) -> bool:
        with self._lock:
            if self._holder is Holder.MAIN and self._running and self._started == seen:
                self._holder = Holder.WARDEN
        return self._holder is Holder.WARDEN

    def _read_for_main(self) -> None:
        with self._lock:
            if self._parked:
                self._holder = Holder.MAIN
                self._lane.put(_Wake.WAKE)
                return
        self._read()
        self._take_lines()

    def _take_lines(self) -> None:
        while self._holder is Holder.WARDEN and (line := self.splitter.next()) is not None:
            try:
                work = self._server.take(line)
                if work is not None and not self._server.hand_over(work):
                    self._weigh(work)
                    self._lane.put(work)
            except Exception as why:  # noqa: BLE001 - a fault of this engine ends the connection, not in silence
                self._break(why)

    def _do_what_is_due(self) -> None:
        while self._due and self._due[0][0] <= monotonic():
            with self._lock:
                _, _, what = heapq.heappop(self._due)
            what()


class _Pulse:
    """What the warden saw of main."""

    def __init__(self) -> None:
        self.seen = 0  # how often it had begun
        self.idle = 0  # for how many ticks it had run nothing


def _poke(fd: int) -> None:
    try:
        os.write(fd, b"!")
    except BlockingIOError:
        pass  # it is full of reasons to wake up


def _pipe() -> tuple[int, int]:
    """Neither is inherited; a write to it never waits."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    return reader, writer
