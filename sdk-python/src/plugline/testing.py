"""Testing a plugin within the test's own process, through the whole of the protocol.

    from plugline.testing import check_examples, start

    def test_hello() -> None:
        with start(plugin) as running:
            assert running.call("greet.hello", {"name": "Ada"}) == "Hello, Ada!"

    def test_examples() -> None:
        check_examples(plugin)

With pytest, the fixture `plugline_start` is `start`, and stops what it started.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import host
from ._plugin import Plugin
from ._session import Session
from ._watch import LONGEST_WAIT
from .host._plugin import UNSAID
from .host._process import Exit

__all__ = ["check_examples", "start"]


class _Inside:
    """A plugin on a thread of this process."""

    def __init__(self, plugin: Plugin, exited: Callable[[Exit], None]) -> None:
        offer = plugin.offer()
        self._plugin, self._exited = plugin, exited
        self.pid = os.getpid()
        self._read, self.stdin = os.pipe()
        self.stdout, self._write = os.pipe()
        self.ended, self._end = os.pipe()
        os.set_blocking(self.stdin, False)
        self.exit: Exit | None = None
        self._gone = threading.Event()
        self._closed = False
        self._session = Session(offer, self._read, self._write, self._stuck)
        self._thread = threading.Thread(target=self._run, name=f"plugline-{plugin.name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        code = self._session.serve()
        self._plugin.stopped()
        self._session.close()
        self._leave(code)

    def _stuck(self, code: int) -> None:
        """A handler does not come back. In a process of its own, that would end here."""
        self._leave(code)

    def _leave(self, code: int) -> None:
        if self.exit is None:
            self.exit = Exit(code)
            os.close(self._write)
            os.close(self._end)
            self._gone.set()
            self._exited(self.exit)

    def close_stdin(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self.stdin)

    def signal(self, number: signal.Signals) -> None:
        if number == signal.SIGTERM:
            self._session.terminate()

    def wait(self, seconds: float) -> Exit | None:
        self._gone.wait(min(seconds, LONGEST_WAIT))
        return self.exit

    def stderr_tail(self) -> list[str]:
        return []

    def discard(self) -> None:
        self.close_stdin()
        self._thread.join()
        self.release()

    def release(self) -> None:
        self.close_stdin()
        for fd in (self._read, self.stdout, self.ended):
            os.close(fd)


def start(
    plugin: Plugin,
    *,
    config: Any = UNSAID,
    callbacks: Mapping[str, Callable[..., Any]] | None = None,
    listeners: Mapping[str, Callable[..., Any]] | None = None,
    serve: Sequence[object] = (),
    limits: host.Limits | None = None,
    timeouts: host.Timeouts | None = None,
    transcript: Callable[[str, bytes], None] | None = None,
) -> host.Plugin:
    """Starts a plugin on a thread of this process and shakes hands. What is given back is what a host has of a plugin:
    call it, stream from it, stop it. Its signals, its standard input and output and its exit are those of the test."""
    return host.Plugin.start(
        [plugin.name],
        config=config,
        instance=plugin.name,
        host=("plugline-testing", "0.1.0"),
        limits=limits,
        timeouts=timeouts,
        callbacks=callbacks,
        listeners=listeners,
        serve=serve,
        transcript=transcript,
        _launch=lambda _, exited: _Inside(plugin, exited),
    )


def check_examples(plugin: Plugin, *, config: Any = UNSAID) -> None:
    """Runs every example of a plugin; an AssertionError says which is not real. Those of methods of the host answer
    its callbacks."""
    document = plugin.manifest()
    answers = {
        method["name"]: method["examples"][0]["result"]["value"] if method.get("examples") else None
        for method in document["x-plugline"]["hostMethods"]
        if "result" in method
    }
    callbacks = {name: lambda params, answer=answer: answer for name, answer in answers.items()}
    listeners = {
        method["name"]: lambda params: None
        for method in document["x-plugline"]["hostMethods"]
        if "result" not in method
    }
    with start(plugin, config=config, callbacks=callbacks, listeners=listeners) as running:
        for method in document["methods"]:
            for example in _examples(method):
                _check(running, method, example)


def _examples(method: dict[str, Any]) -> list[dict[str, Any]]:
    pairings = [
        {
            "name": pairing["name"],
            "params": {param["name"]: param["value"] for param in pairing["params"]},
            "result": pairing.get("result", {}).get("value"),
        }
        for pairing in method.get("examples", [])
    ]
    return pairings + list(method.get("x-plugline", {}).get("examples", []))


def _check(running: host.Plugin, method: dict[str, Any], example: dict[str, Any]) -> None:
    name, own = method["name"], method.get("x-plugline", {})
    if "result" not in method:
        running.notify(name, example["params"])
        return
    output: list[Any] = []
    told: dict[str, Any]
    try:
        if "output" in own:
            streamed: host.Stream[Any] = running.stream(name, example["params"], input=example.get("input"))
            with streamed:
                output = list(streamed)
                told = {"result": streamed.result}
        elif "input" in own:
            told = {"result": running.send(name, example.get("input", []), example["params"])}
        else:
            told = {"result": running.call(name, example["params"])}
    except host.RemoteError as error:
        told = {"error": {"code": error.code}}
    meant = {"error": example["error"]} if "error" in example else {"result": example.get("result")}
    if told != meant or output != example.get("output", []):
        raise AssertionError(
            f"the example {example['name']!r} of {name} is not real:\n"
            f"  it says {meant}, with the output {example.get('output', [])}\n"
            f"  there came {told}, with the output {output}"
        )
