"""Every transcript of SPEC.md that is not the minimal plugin's, against a plugin made with the SDK."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "protocol/tests/spec"))

import run  # type: ignore[import-not-found]

COMMAND = [sys.executable, str(Path(__file__).parent / "plugins/demo.py")]
SPEC = (ROOT / "protocol/SPEC.md").read_text(encoding="utf-8")
TRANSCRIPTS = [block for block in run.blocks(SPEC) if block.info == "transcript"]


def comparable(message: Any) -> Any:
    """What is normative: not the text of an error, and of several faults the first that is found."""
    if isinstance(message, dict) and isinstance(message.get("error"), dict):
        error = dict(message["error"])
        error.pop("message")
        faults = error.get("data", {}).get("errors")
        if faults is not None:
            error["data"] = {"errors": sorted(fault["path"] for fault in faults)}
        return {**message, "error": error}
    return message


class Process(run.Process):  # type: ignore[misc]
    def close(self) -> None:
        super().close()
        for thread in threading.enumerate():
            if getattr(thread, "_target", None) == self._read:
                thread.join(run.LINE_SECONDS)
        self._child.stdout.close()
        self._child.stdin.close()

    def expect(self, text: str) -> None:
        got, want = comparable(self.receive(run.brief(text))), comparable(json.loads(text))
        paths = got.get("error", {}).get("data", {}).get("errors")
        if paths is not None:
            assert paths
            assert set(paths) <= set(want["error"]["data"]["errors"])
            want["error"]["data"]["errors"] = paths
        assert json.dumps(got, sort_keys=True) == json.dumps(want, sort_keys=True)


@pytest.fixture(autouse=True)
def _lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "Process", Process)


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) > 20


@pytest.mark.parametrize("block", TRANSCRIPTS, ids=lambda block: f"SPEC.md:{block.first_line}")
def test_transcript(block: Any) -> None:
    run.converse(block, COMMAND)


def test_examples_of_the_manifest() -> None:
    run.run_examples(COMMAND)
