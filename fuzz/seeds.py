"""Where fuzzing begins: `seeds.py FOLDER` writes inputs for each target from what the project says of itself, its
specification, its conformance cases, its documents and descriptions of packages. They are made anew each time, so
they are not kept.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, check=True, capture_output=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name]


def lines() -> Iterator[str]:
    """Lines of the wire: of the transcripts, of tests, and what the conformance cases send."""
    for line in (ROOT / "protocol/SPEC.md").read_text().splitlines():
        if line[:2] in ("→ ", "← "):
            yield re.sub(r"\{\{.*?\}\}", "x" * 20, line[2:])
    for file in tracked("protocol/tests/it/*.jsonl"):
        yield from file.read_text().splitlines()
    for file in tracked("conformance/cases/*/*.yaml"):
        for line in file.read_text().splitlines():
            _, is_sent, message = line.partition("send: ")
            if is_sent and message.startswith("{"):
                # A flow mapping of YAML is JSON but for the quotes around names.
                yield re.sub(r"([{,] *)([\w$]+):", r'\1"\2":', message)


def documents() -> Iterator[str]:
    for file in tracked("*openrpc.json", "protocol/tests/it/contracts/*.json"):
        if file.stat().st_size < 60_000:
            yield json.dumps(json.loads(file.read_text()), separators=(",", ":"), ensure_ascii=False)


def blocks(*files: Path) -> Iterator[str]:
    for file in files:
        yield from re.findall(r"^```toml\n(.*?)^```", file.read_text(), re.MULTILINE | re.DOTALL)


def packages() -> Iterator[bytes]:
    """An archive as it is installed; the first four bytes say how the target takes it."""
    description = b"name = 'users'\nversion = '1.0.0'\ncommand = ['sh', 'a']\n"
    for folder in ("", "users/"):
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for name, content in (("plugline.toml", description), ("a", b"#!/bin/sh\n"), ("b/" + "c" * 120, b"x")):
                info = tarfile.TarInfo(folder + name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        yield b"\x00\x00\x00\x00" + gzip.compress(tar.getvalue(), mtime=0)
        yield b"\x00\x00\x00\x50" + tar.getvalue()
    record = {"format": 1, "name": "users", "current": "0" * 64, "previous": None, "releases": []}
    yield b"\x00\x00\x00\xd0" + json.dumps(record).encode()


def drivers() -> Iterator[str]:
    for file in tracked("host/src/manager/driver.rs", "host/src/store/source.rs", "host/src/package/*.rs"):
        yield from re.findall(r'"([^"\\\n]{1,120})"', file.read_text())


def seeds() -> Iterator[tuple[str, bytes]]:
    for line in lines():
        yield "envelope", line.encode()
        yield "wire", line.encode()
        for params in re.findall(r'"params": ?(\{.*\})\}$', line):
            yield "params", params.encode()
    whole = list(documents())
    for document in whole:
        yield "contract", document.encode()
        yield "contract", (document + "\0" + document.replace('"required":true', '"required":false')).encode()
    for file in tracked("*plugline.toml"):
        yield "settings", file.read_bytes()
    for text in blocks(*tracked("docs/*.md")):
        yield "settings", text.encode()
        yield "settings", f"{text}\n===\nUSERS__CONFIG__PATH=/tmp\nUSERS__TIMEOUTS__CALL=5s\n".encode()
    for driver in drivers():
        yield "driver", driver.encode()
    for package in packages():
        yield "archive", package


def main() -> None:
    folder = Path(sys.argv[1])
    for target, seed in seeds():
        place = folder / target
        place.mkdir(parents=True, exist_ok=True)
        (place / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


if __name__ == "__main__":
    main()
