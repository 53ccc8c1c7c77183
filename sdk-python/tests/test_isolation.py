"""Nothing but messages on the wire, whatever the program, its libraries and its children print (FRAME-5)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from wire import PLUGINS, Wire

EARLY = """
import atexit, os, sys, threading
print("printed before the import")
from plugline import Plugin
print("printed after it")
os.write(1, b"raw\\n")
plugin = Plugin("early", version="0.1.0", provides={"early": "1.0.0"})
print("unfinished", end="")
atexit.register(lambda: (print("printed at exit"), os.write(1, b"raw at exit")))
@plugin.method("early.say")
def say() -> None:
    print("said")
    sys.__stdout__.write("said again")
    threading.Thread(target=lambda: print("from a thread")).start()
plugin.run()
"""


@pytest.mark.parametrize("way", ["alone", "as a module"])
def test_prints_at_import_within_a_call_and_at_exit(tmp_path: Path, way: str) -> None:
    script = tmp_path / "early.py"
    script.write_text(EARLY)
    command = [script] if way == "alone" else ["-m", "plugline", script]
    with Wire(*command, env={"PYTHONUNBUFFERED": "" if way == "alone" else "1"}) as wire:
        wire.initialize()
        assert wire.call(1, "early.say") is None
        wire.eof()
        wire.ends()
        told = wire.stderr()
        for text in ("before the import", "after it", "raw\n", "unfinished", "said again", "at exit", "raw at exit"):
            assert text in told


def test_it_is_silent_until_it_is_asked() -> None:
    """LIFE-3."""
    with Wire(PLUGINS / "rough.py") as wire:
        wire.eof()
        wire.ends()


def test_libraries_in_c_and_standard_input() -> None:
    with Wire(PLUGINS / "rough.py") as wire:
        wire.initialize()
        assert wire.call(1, "rough.print", text="loud") == ""
        assert wire.call(2, "rough.print", text="loud") == ""
        wire.eof()
        wire.ends()
        assert wire.stderr().count("loud") >= 6


@pytest.mark.parametrize("concurrency", ["1", "4"])
def test_children(concurrency: str) -> None:
    with Wire(PLUGINS / "rough.py", env={"ROUGH_CONCURRENCY": concurrency}) as wire:
        wire.initialize()
        script = "echo loud; for fd in 3 4 5 6 7 8 9 10 11 12; do (echo forged >&$fd) 2>/dev/null; done; cat; exit 7"
        assert wire.call(1, "rough.spawn", script=script) == 7
        for way in ("fork", "spawn", "return"):
            assert wire.call(2, "rough.fork", way=way) == 0
        assert wire.call(3, "rough.spawn", script='test -z "$PLUGLINE_PROTOCOL"') == 0
        assert wire.call(4, "rough.echo", value=1) == 1
        wire.eof()
        wire.ends()


def test_a_child_that_lives_on_holds_nothing() -> None:
    """End of file reaches the host although a grandchild, with all it inherited, lives on."""
    with Wire(PLUGINS / "rough.py") as wire:
        wire.initialize()
        assert wire.call(1, "rough.spawn", script="sleep 60 & exit 0") == 0
        wire.eof()
        wire.ends()


def test_a_person_is_told(tmp_path: Path) -> None:
    """LIFE-2."""
    import pty

    ours, theirs = pty.openpty()
    try:
        ran = subprocess.run(
            [sys.executable, str(PLUGINS / "demo.py")], stdin=theirs, capture_output=True, text=True, check=False
        )
    finally:
        import os

        os.close(ours)
        os.close(theirs)
    assert ran.returncode == 64
    assert ran.stdout == ""
    for text in ("demo 1.0.0", "demo.add(a, b)", "plugline call"):
        assert text in ran.stderr


def test_a_host_keeps_its_standard_output() -> None:
    code = "from plugline import host; import plugline.host; print('mine')"
    for env in ({}, {"PLUGLINE_PROTOCOL": "1"}):
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
        assert ran.stdout == "mine\n"


def test_one_process_serves_once(tmp_path: Path) -> None:
    script = tmp_path / "twice.py"
    script.write_text(
        "from plugline import Plugin\n"
        "try:\n    Plugin('first', version='0.1.0').run()\n"
        "except SystemExit:\n    Plugin('second', version='0.1.0').run()\n"
    )
    with Wire(script) as wire:
        wire.eof()
        wire.ends(1)
        assert "serves a plugin already" in wire.stderr()
