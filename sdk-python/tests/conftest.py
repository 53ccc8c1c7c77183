"""Nothing may be left behind by a test: neither a process nor a descriptor."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "plugins"))


LADDER_SECONDS = 20.0
"""More than any ladder of a test takes."""


def children() -> list[str]:
    found: list[str] = []
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found += (task / "children").read_text().split()
    return found


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    yield
    for thread in threading.enumerate():
        if thread.name == "plugline-ladder":  # of a plugin that did not start, or was dropped
            thread.join(LADDER_SECONDS)
            assert not thread.is_alive()
    if sys.platform == "linux":
        left = children()
        for pid in left:
            os.kill(int(pid), signal.SIGKILL)
            os.waitpid(int(pid), 0)
        assert not left
        assert len(os.listdir("/proc/self/fd")) <= before, [
            os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")
        ]
