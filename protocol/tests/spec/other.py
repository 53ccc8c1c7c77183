"""Runs the transcripts of SPEC.md against another plugin of its contract: `other.py COMMAND…`.

Of errors, only what is normative is compared: codes, data, and of `data.errors` the first path. How items are put
together in lines is the sender's own affair.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import demo
import run

# A handler of these run-times has no way to ping.
NOT_HERE = ["demo.ping"]


class Process(run.Process):
    """A plugin whose lines are compared by what they mean."""

    def __init__(self, command: list[str]) -> None:
        super().__init__(command)
        self._items: list[Any] = []  # that came, and are not wanted yet

    def expect(self, text: str) -> None:
        wanted = json.loads(text)
        if wanted.get("method") == "rpc.output":
            items = wanted["params"]["items"]
            while len(self._items) < len(items):
                got = self.receive(run.brief(text))
                if got.get("method") != "rpc.output" or got["params"]["id"] != wanted["params"]["id"]:
                    raise run.Mismatch(f"  want {run.brief(text)}\n  got  {run.brief(json.dumps(got))}")
                self._items += got["params"]["items"]
            got, self._items = self._items[: len(items)], self._items[len(items) :]
            self.same(items, got)
        else:
            got = self.receive(run.brief(text))
            # Whose call was cancelled may say so of the callbacks of it, too.
            while got.get("method") == "rpc.cancel" and wanted.get("method") != "rpc.cancel":
                got = self.receive(run.brief(text))
            self.same(normative(wanted), normative(got))

    def same(self, wanted: Any, got: Any) -> None:
        if json.dumps(got, sort_keys=True) != json.dumps(wanted, sort_keys=True):
            raise run.Mismatch(f"  want {run.brief(json.dumps(wanted))}\n  got  {run.brief(json.dumps(got))}")


def normative(message: Any) -> Any:
    error = message.get("error")
    if error is None:
        return message
    data = error.get("data")
    if isinstance(data, dict) and "errors" in data:
        data = {"errors": bool(data["errors"])}
    return {**message, "error": {"code": error["code"], "data": data}}


def main() -> int:
    if sys.argv[1:] == ["--document"]:
        print(json.dumps(demo.Demo().manifest))
        return 0
    run.Process = Process  # type: ignore[misc]
    passed, failed = 0, 0
    for block in run.blocks((run.HERE.parent.parent / "SPEC.md").read_text(encoding="utf-8")):
        if block.info != "transcript" or any(word in line for word in NOT_HERE for line in block.lines):
            continue
        try:
            run.converse(block, sys.argv[1:])
            passed += 1
        except run.Mismatch as mismatch:
            failed += 1
            print(f"FAIL SPEC.md:{block.first_line}\n{mismatch}")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed >= 19 else 1


if __name__ == "__main__":
    sys.exit(main())
