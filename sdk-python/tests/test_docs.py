"""What docs/python.md shows is run: files are written, `run` is run, `test` is tested, each in one directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs/python.md"


def blocks() -> list[tuple[str, str]]:
    """Info string and text of each block."""
    found: list[tuple[str, str]] = []
    info: str | None = None
    lines: list[str] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if info is None and line.startswith("```"):
            info, lines = line[3:], []
        elif line == "```":
            found.append((info or "", "\n".join(lines) + "\n"))
            info = None
        else:
            lines.append(line)
    return found


BLOCKS = [(info, text) for info, text in blocks() if info.startswith("python")]
RUN = [text for info, text in BLOCKS if info == "python run"]
TESTS = [text for info, text in BLOCKS if info == "python test"]


INNER = {
    "connection", "failed", "input_items", "input_items_async", "invoke", "offer", "outcome", "send_async", "stopped",
    "watch_abandoned", "within",
}  # fmt: skip
"""What is public for other modules of the package alone."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for info, text in BLOCKS:
        if info.startswith("python file="):
            (tmp_path / info.removeprefix("python file=")).write_text(text)
    return tmp_path


def environment(directory: Path) -> dict[str, str]:
    launcher = directory / "python3"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    launcher.chmod(0o755)
    return {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}", "PYTHONWARNINGS": "error"}


def test_every_block_is_of_a_known_kind() -> None:
    assert len(RUN) >= 5
    assert TESTS
    for info, _ in BLOCKS:
        assert info in ("python run", "python test") or info.startswith("python file="), info


def test_all_that_is_public_is_in_the_page() -> None:
    """In a block that runs, or in the text beside it."""
    import plugline
    from plugline import host, testing

    page = PAGE.read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", page))
    names = {name for module in (plugline, host, testing) for name in module.__all__}
    members = {
        name
        for cls in (plugline.Plugin, plugline.Call, host.Plugin, host.Context, host.Running, host.Stream)
        for name in vars(cls)
        if not name.startswith("_")
    }
    assert not (names | members) - words - INNER


@pytest.mark.parametrize("text", RUN, ids=range(len(RUN)))
def test_run(directory: Path, text: str) -> None:
    (directory / "block.py").write_text(text)
    env = environment(directory)
    ran = subprocess.run(
        [sys.executable, "block.py"], cwd=directory, env=env, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("text", TESTS, ids=range(len(TESTS)))
def test_test(directory: Path, text: str) -> None:
    (directory / "test_block.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_block.py"]
    ran = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_what_is_shown_is_typed(directory: Path) -> None:
    for number, text in enumerate(RUN):
        (directory / f"run_{number}.py").write_text(text)
    files = sorted(path.name for path in directory.glob("*.py"))
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *files], cwd=directory, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


def test_every_file_is_a_plugin_with_a_sound_manifest(directory: Path) -> None:
    code = "import importlib, sys; sys.path.insert(0, '.'); importlib.import_module(sys.argv[1]).plugin.manifest()"
    for info, text in BLOCKS:
        if "plugin = Plugin(" in text and info.startswith("python file="):
            name = info.removeprefix("python file=").removesuffix(".py")
            subprocess.run([sys.executable, "-c", code, name], cwd=directory, check=True)
