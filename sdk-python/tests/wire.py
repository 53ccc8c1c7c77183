"""A plugin's process and its pipes, byte for byte: what the tests speak with. It uses nothing of the package."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, final

HERE = Path(__file__).resolve().parent
PLUGINS = HERE / "plugins"
SECONDS = 20.0
"""What may take long on a busy machine, and never takes so long."""


@final
class Wire:
    """A plugin that runs. Leaving it kills what is left."""

    def __init__(self, *command: str | Path, env: dict[str, str] | None = None, asked: str = "1") -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed where it is left
        variables = {**os.environ, "PLUGLINE_PROTOCOL": asked, "PYTHONUNBUFFERED": "", **(env or {})}
        self.process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={name: value for name, value in variables.items() if value},
            start_new_session=True,
        )
        self.lines: queue.Queue[bytes | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._reader.join(SECONDS)
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self._stderr.close()

    def raw(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, **message: Any) -> None:
        self.raw(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def line(self) -> bytes:
        line = self.lines.get(timeout=SECONDS)
        assert line is not None, f"end of file; {self.stderr()}"
        return line

    def receive(self) -> Any:
        line = self.line()
        assert line.endswith(b"\n")
        assert b"\r" not in line
        return json.loads(line)

    def error(self) -> tuple[Any, int]:
        """Of the next line, which is an error: its id and code."""
        answer = self.receive()
        assert "error" in answer, answer
        assert isinstance(answer["error"]["message"], str)
        return answer["id"], answer["error"]["code"]

    def initialize(self, config: Any = None, features: tuple[str, ...] = (), **params: Any) -> Any:
        capabilities: dict[str, Any] = {feature: {} for feature in features}
        if "callbacks" in params:
            capabilities["callbacks"] = {"methods": params.pop("callbacks")}
        self.send(
            id="hello",
            method="rpc.initialize",
            params={"protocolVersions": [1], "config": config or {}, "capabilities": capabilities, **params},
        )
        answer = self.receive()
        assert answer["id"] == "hello", answer
        assert "result" in answer, answer
        return answer["result"]

    def call(self, id: Any, method: str, **params: Any) -> Any:
        self.send(id=id, method=method, params=params)
        answer = self.receive()
        assert answer["id"] == id, answer
        return answer.get("result", answer.get("error"))

    def eof(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()

    def ends(self, code: int = 0) -> None:
        """It exits so, and said nothing more."""
        rest = self.lines.get(timeout=SECONDS)
        assert rest is None, rest
        assert self.process.wait(SECONDS) == code, self.stderr()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def stderr(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")
