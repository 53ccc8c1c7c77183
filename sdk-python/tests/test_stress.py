"""Everything at once, at random: every request is answered once, in both modes, whoever reads at the time."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from wire import PLUGINS, Wire

ROUNDS = int(os.environ.get("PLUGLINE_STRESS_ROUNDS", "600"))
"""More of them find more: CI may ask for it."""


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("seed", range(3))
def test_every_request_is_answered_once(at_once: int, seed: int) -> None:
    source = random.Random(seed)
    with Wire(PLUGINS / "rough.py", env={"ROUGH_CONCURRENCY": str(at_once)}) as wire:
        wire.initialize(features=("streams", "progress"), callbacks=["asker.ask", "asker.tell"])
        open_: dict[int, str] = {}
        notes: list[str] = []
        for id in range(ROUNDS):
            while len(open_) >= at_once:
                take(wire, open_)
            kind = source.choice(("echo", "echo", "echo", "sleep", "spin", "count", "ask", "ask_thread", "sum", "ping"))
            open_[id] = kind
            wire.raw(b"".join(begin(kind, id, source)))
            if source.random() < 0.3:
                notes.append(str(id))
                wire.send(method="rough.note", params={"text": str(id)})
            if kind == "spin" or source.random() < 0.1:
                wire.send(method="rpc.cancel", params={"id": id})
        while open_:
            take(wire, open_)
        assert wire.call("last", "rough.notes") == notes
        wire.eof()
        wire.ends()


def begin(kind: str, id: int, source: random.Random) -> list[bytes]:
    def message(text: str) -> bytes:
        return ('{"jsonrpc":"2.0",' + text + "}\n").encode()

    params = {
        "echo": '{"value":1}',
        "sleep": f'{{"seconds":{source.random() / 100}}}',
        "count": '{"n":20}',
        "ask": '{"question":"?"}',
        "ask_thread": '{"question":"?"}',
    }.get(kind, "{}")
    if kind == "ping":
        return [message(f'"id":{id},"method":"rpc.ping"')]
    lines = [message(f'"id":{id},"method":"rough.{kind}","params":{params}')]
    if kind == "sum":
        lines += [message(f'"method":"rpc.input","params":{{"id":{id},"items":[1,2]}}') for _ in range(3)]
        lines.append(message(f'"method":"rpc.inputEnd","params":{{"id":{id}}}'))
    return lines


def take(wire: Wire, open_: dict[int, str]) -> None:
    """Takes one line of the plugin's, and answers what it asks."""
    message: Any = wire.receive()
    method = message.get("method")
    if method == "asker.ask":
        wire.send(id=message["id"], result="because")
    elif method is None:
        kind = open_.pop(message["id"])  # a KeyError: answered twice, or never asked
        if "error" in message:
            assert message["error"]["code"] == -32004, (kind, message)
        else:
            wanted: Any = {"echo": 1, "ask": "because", "ask_thread": "because", "sum": 9, "ping": {}}
            assert message["result"] == wanted.get(kind), (kind, message)
    else:
        assert method in ("asker.tell", "rpc.progress", "rpc.output", "rpc.inputCredit", "rpc.cancel")
