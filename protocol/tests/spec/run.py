"""Runs what SPEC.md shows: its transcripts against real processes, and its minimal plugin.

    run.py [--spec PATH]         runs everything; exit 0 if all of it passed
    run.py [--spec PATH] --ids   prints the requirement ids; exit 1 if one stands twice or is missing
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LINE_SECONDS = 10.0
PROCESS_SECONDS = 60.0
MINIMAL_LINES = 40

DEFINED = re.compile(r"^- \*\*([A-Z]+-\d+)\*\* \(", re.MULTILINE)
CITED = re.compile(r"\b(?:FRAME|JSON|MSG|ERR|LIFE|HOST|CALL|STREAM|CONTRACT|PKG)-\d+\b")
REPEAT = re.compile(r"\{\{(\\u[0-9A-Fa-f]{4}|.)\*(\d+)\}\}")


class Mismatch(Exception):
    """What a transcript wants and what came."""


@dataclass(frozen=True)
class Block:
    """A fenced block of SPEC.md."""

    info: str
    first_line: int  # 1-based, of the text after the fence
    lines: list[str]


def blocks(spec: str) -> Iterator[Block]:
    info: str | None = None
    start, lines = 0, list[str]()
    for number, line in enumerate(spec.split("\n"), 1):
        if info is None and line.startswith("```"):
            info, start, lines = line[3:], number + 1, []
        elif line == "```":
            yield Block(info or "", start, lines)
            info = None
        elif info is not None:
            lines.append(line)


def expand(text: str) -> str:
    """Replaces each `{{x*N}}` by N times x, which may be written as `\\u000D`."""

    def repeated(match: re.Match[str]) -> str:
        char: str = match[1] if len(match[1]) == 1 else json.loads(f'"{match[1]}"')
        return char * int(match[2])

    return REPEAT.sub(repeated, text)


def brief(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:200]} … {text[-60:]} ({len(text)} characters)"


class Process:
    """A plugin with its pipes. `close` ends it, however it behaves."""

    def __init__(self, command: list[str]) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr
        )
        self._lines: queue.Queue[bytes | None] = queue.Queue()  # None: end of file
        self._watchdog = threading.Timer(PROCESS_SECONDS, self._child.kill)
        self._watchdog.daemon = True
        self._watchdog.start()
        threading.Thread(target=self._read, daemon=True).start()

    def close(self) -> None:
        self._watchdog.cancel()
        self._child.kill()
        self._child.wait()
        self._stderr.close()

    def _read(self) -> None:
        assert self._child.stdout
        for line in self._child.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def send(self, text: str) -> None:
        assert self._child.stdin
        try:
            self._child.stdin.write(text.encode() + b"\n")
            self._child.stdin.flush()
        except OSError as error:
            raise Mismatch(f"  sent {brief(text)}\n  got  {error}\n{self._told()}") from error

    def receive(self, wanted: str) -> Any:
        """The next line as JSON; `wanted` only explains a failure."""
        try:
            line = self._lines.get(timeout=LINE_SECONDS)
        except queue.Empty:
            raise Mismatch(f"  want {wanted}\n  got  nothing for {LINE_SECONDS:g} s\n{self._told()}") from None
        if line is None:
            raise Mismatch(f"  want {wanted}\n  got  end of file\n{self._told()}")
        try:
            return json.loads(line)
        except ValueError:
            raise Mismatch(f"  want {wanted}\n  got  {brief(repr(line))}") from None

    def expect(self, text: str) -> None:
        got = self.receive(brief(text))
        # Compared as text: for Python, 1 == True and 1 == 1.0.
        if json.dumps(got, sort_keys=True) != json.dumps(json.loads(text), sort_keys=True):
            raise Mismatch(f"  want {brief(text)}\n  got  {brief(json.dumps(got, ensure_ascii=False))}")

    def close_stdin(self) -> None:
        assert self._child.stdin
        self._child.stdin.close()

    def expect_exit(self, code: int) -> None:
        """Exit with `code`, and not one line more."""
        try:
            line = self._lines.get(timeout=LINE_SECONDS)
            got = self._child.wait(LINE_SECONDS) if line is None else None
        except (queue.Empty, subprocess.TimeoutExpired):
            raise Mismatch(f"  want exit {code}\n  got  no exit in {LINE_SECONDS:g} s\n{self._told()}") from None
        if line is not None:
            raise Mismatch(f"  want exit {code}\n  got  {brief(repr(line))}")
        if got != code:
            raise Mismatch(f"  want exit {code}\n  got  exit {got}\n{self._told()}")

    def _told(self) -> str:
        self._stderr.seek(0)
        told = self._stderr.read()[-2000:].decode(errors="replace")
        return f"  stderr: {told}" if told else "  stderr is empty"


def converse(block: Block, command: list[str]) -> None:
    """Runs one transcript. A block that does not say how it ends, ends with end of file and exit 0."""
    with contextlib.closing(Process(command)) as process:
        open_, running, number = True, True, block.first_line
        try:
            for number, line in enumerate(block.lines, block.first_line):
                if line.startswith("→ "):
                    process.send(expand(line[2:]))
                elif line.startswith("← "):
                    process.expect(expand(line[2:]))
                elif line == "⇥ eof":
                    process.close_stdin()
                    open_ = False
                elif match := re.fullmatch(r"⇤ exit (\d+)", line):
                    process.expect_exit(int(match[1]))
                    running = False
                elif line.strip() and not line.startswith("#"):
                    raise Mismatch(f"  not a line of a transcript: {line}")
            if open_:
                process.close_stdin()
            if running:
                process.expect_exit(0)
        except Mismatch as mismatch:
            raise Mismatch(f"  line {number}\n{mismatch}") from None


def run_examples(command: list[str]) -> None:
    """Runs every example of the manifest; those of host methods answer the callbacks."""

    def message(**members: Any) -> str:
        return json.dumps({"jsonrpc": "2.0", **members})

    with contextlib.closing(Process(command)) as process:
        process.send(message(id="d", method="rpc.discover"))
        manifest = process.receive("a manifest")["result"]
        hosts = {method["name"]: method["examples"][0] for method in manifest["x-plugline"]["hostMethods"]}
        offered: dict[str, Any] = {"streams": {}, "callbacks": {"methods": list(hosts)}, "log": {}}
        process.send(
            message(id="i", method="rpc.initialize", params={"protocolVersions": [1], "capabilities": offered})
        )
        process.receive("the result of rpc.initialize")
        for method in manifest["methods"]:
            own = method.get("x-plugline", {}).get("examples", [])
            pairings = [
                {**pairing, "params": {param["name"]: param["value"] for param in pairing["params"]}}
                | ({"result": pairing["result"]["value"]} if "result" in pairing else {})
                for pairing in method.get("examples", [])
            ]
            if not own + pairings:
                raise Mismatch(f"  {method['name']} has no example")
            for example in own + pairings:
                if "result" not in method:
                    continue  # a notification: nothing comes back
                process.send(message(id="e", method=method["name"], params=example["params"]))
                if "input" in example:
                    process.send(message(method="rpc.input", params={"id": "e", "items": example["input"]}))
                    process.send(message(method="rpc.inputEnd", params={"id": "e"}))
                output: list[Any] = []
                while (got := process.receive("a response")).get("id") != "e":
                    if got["method"] == "rpc.output":
                        output += got["params"]["items"]
                    elif "id" in got:
                        host_example = hosts.get(got["method"], {"result": {"value": {}}})
                        process.send(message(id=got["id"], result=host_example["result"]["value"]))
                code = got.get("error", {}).get("code")
                told = (got.get("result"), output, code)
                meant = (example.get("result"), example.get("output", []), example.get("error", {}).get("code"))
                if told != meant:
                    raise Mismatch(f"  {method['name']}\n  want {meant}\n  got  {told}")
        process.close_stdin()
        process.expect_exit(0)


def faults_of_ids(spec: str) -> list[str]:
    ids = DEFINED.findall(spec)
    twice = [f"{id} is defined twice" for id in sorted(set(ids)) if ids.count(id) > 1]
    return twice + [f"{id} is cited but not defined" for id in sorted(set(CITED.findall(spec)) - set(ids))]


def run(spec: str) -> int:
    """Returns how many checks failed, after saying which."""
    passed, failed = 0, 0

    def check(name: str, fault: str | None) -> None:
        nonlocal passed, failed
        if fault is None:
            passed += 1
        else:
            failed += 1
            print(f"FAIL {name}\n{fault}")

    def attempt(name: str, what: Any, *args: Any) -> None:
        try:
            what(*args)
        except Mismatch as mismatch:
            check(name, str(mismatch))
        else:
            check(name, None)

    check("requirement ids", "\n".join(faults_of_ids(spec)) or None)
    found = list(blocks(spec))
    sources = [block for block in found if block.info == "python minimal-plugin"]
    check("one minimal plugin", None if len(sources) == 1 else f"  found {len(sources)}")
    with tempfile.TemporaryDirectory() as directory:
        minimal = Path(directory, "minimal.py")
        lines = sources[0].lines if sources else []
        minimal.write_text("\n".join(lines) + "\n", encoding="utf-8")
        check("the minimal plugin is short", None if len(lines) <= MINIMAL_LINES else f"  {len(lines)} lines")
        commands = {
            "transcript": [sys.executable, str(HERE / "plugin.py")],
            "transcript minimal": [sys.executable, str(minimal)],
        }
        for info, command in commands.items():
            transcripts = [block for block in found if block.info == info]
            check(f"some {info}", None if transcripts else "  there is none")
            for block in transcripts:
                attempt(f"SPEC.md:{block.first_line} ({info})", converse, block, command)
            attempt(f"examples of the manifest ({info})", run_examples, command)
    print(f"{passed} passed, {failed} failed")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the transcripts of SPEC.md.")
    parser.add_argument("--spec", type=Path, default=HERE.parent.parent / "SPEC.md")
    parser.add_argument("--ids", action="store_true", help="print the requirement ids and stop")
    options = parser.parse_args()
    spec: str = options.spec.read_text(encoding="utf-8")
    if options.ids:
        print("\n".join(DEFINED.findall(spec)))
        faults = faults_of_ids(spec)
        print("\n".join(faults), end="\n" if faults else "", file=sys.stderr)
        return 1 if faults else 0
    return 1 if run(spec) else 0


if __name__ == "__main__":
    sys.exit(main())
