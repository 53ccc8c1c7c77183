"""Plugins of this SDK under the Rust host, and Rust plugins under this host."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest
from test_docs import BLOCKS
from wire import PLUGINS, SECONDS

from plugline import host

TARGET = Path(__file__).resolve().parents[2] / "target/debug"


def program(name: str) -> str:
    built = TARGET / name
    assert built.exists(), f"{built} is not there: cargo build --workspace --bins --examples"
    return str(built)


def plugline(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [program("plugline"), *words], capture_output=True, text=True, timeout=3 * SECONDS, check=False
    )
    assert ran.returncode == code, ran.stderr
    return ran


def command(name: str) -> str:
    return f"{sys.executable} {PLUGINS / name}.py"


def test_the_rust_host_calls_streams_cancels_and_is_called_back(tmp_path: Path) -> None:
    script = tmp_path / "show.py"
    script.write_text(next(text for info, text in BLOCKS if info == "python file=show.py"))
    ran = subprocess.run(
        [program("examples/answers"), sys.executable, str(script)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[:4] == [
        'call: "Hello, Ada!"', "stream: [0,1,2]", "cancel: timeout", 'callback: "Does it work? Yes."',
    ]  # fmt: skip
    assert "code: Some(0)" in ran.stdout
    assert "Asked" in ran.stdout


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that finds plugline and msgspec, as they are installed, and nothing else but the standard library."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in ("plugline", "msgspec"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        shutil.copytree(spec.submodule_search_locations[0], packages / name)
    return folder / "bin/python"


def test_twenty_lines(clean: Path) -> None:
    """With nothing but the package and its one dependency: called, streamed from, cancelled, and it calls back."""
    plugin = PLUGINS / "twenty.py"
    assert sum(bool(line.strip()) for line in plugin.read_text().splitlines()) <= 20
    missing = [str(clean), "-c", "import typing_extensions"]
    assert subprocess.run(missing, capture_output=True, check=False).returncode != 0, "it is not clean"
    ran = subprocess.run(
        [program("examples/answers"), str(clean), str(plugin)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[:4] == [
        'call: "Hello, Ada!"', "stream: [0,1,2]", "cancel: timeout", 'callback: "Does it work? Yes."',
    ]  # fmt: skip
    assert "code: Some(0)" in ran.stdout


def test_the_command_line() -> None:
    demo = ["--command", command("demo")]
    assert plugline("call", *demo, "demo.add", "a:=2", "b:=3").stdout == "5\n"
    assert plugline("call", *demo, "demo.count", "n:=3").stdout == "0\n1\n2\n"
    failed = plugline("call", *demo, "--json", "demo.fail", "reason=why", code=1)
    assert json.loads(failed.stderr.splitlines()[-1])["error"]["data"] == {"reason": "why"}
    late = plugline("call", *demo, "--json", "--timeout", "100ms", "demo.sleep", "ms:=600000", code=3)
    assert json.loads(late.stderr.splitlines()[-1])["error"]["kind"] == "timeout"
    described = plugline("describe", *demo).stdout
    assert "demo.add(a: " in described
    rough = plugline("call", "--command", command("rough"), "rough.print", "text=loud")
    assert rough.stdout == '""\n'
    assert "loud" in rough.stderr


def test_input_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "numbers").write_text("1\n2\n3\n")
    ran = plugline("call", "--command", command("waits"), "waits.double", "--input", str(tmp_path / "numbers"))
    assert ran.stdout == "2\n4\n6\n"


@pytest.fixture
def rough() -> Any:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "because"

    with host.Plugin.start([program("examples/rough")], callbacks={"asker.ask": ask}) as plugin:
        yield plugin, asked


def test_a_rust_plugin(rough: tuple[host.Plugin, list[str]]) -> None:
    plugin, asked = rough
    assert plugin.call("rough.echo", {"value": [1, "ä\u2028"]}) == [1, "ä\u2028"]
    assert plugin.call("rough.callback", {"method": "asker.ask", "params": {"question": "why?"}}) == "because"
    assert asked == ["why?"]
    assert list(plugin.stream("rough.count", {"n": 1000}, item=int)) == list(range(1, 1001))
    assert plugin.send("rough.sum", range(1, 10_000), returns=int) == sum(range(10_000))
    doubled: host.Stream[int] = plugin.stream("rough.double", input=range(1000))
    assert list(doubled) == [2 * n for n in range(1000)]
    with plugin.stream("rough.fill", {"items": 1000, "width": 30_000}, item=bytes) as filled:
        assert len(next(filled)) == 30_000
    with pytest.raises(host.RemoteError) as raised:
        plugin.call("rough.fail", {"reason": "no"})
    assert (raised.value.code, raised.value.data) == (1, {"reason": "no"})
    with pytest.raises(host.Error) as late:
        plugin.call("rough.sleep", {"ms": 600_000}, timeout=0.05)
    assert late.value.kind is host.Kind.TIMEOUT
    with pytest.raises(host.RemoteError) as panicked:
        plugin.call("rough.panic")
    assert panicked.value.code == -32603
