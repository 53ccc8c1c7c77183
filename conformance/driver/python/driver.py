"""The Python host under the conformance runner's orders: commands as JSON lines on standard input, answers and events as
JSON lines on standard output, in any order (`conformance/cases/host.md`).

It adds nothing to `plugline.host` and hides nothing of it: a command is a call of its API, an answer what came of it.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn, cast

import msgspec
import plugline
from calls import Handle, Refused
from msgspec import UNSET, UnsetType
from plugline import host

Object = dict[str, Any]
FEATURES = ["cancel", "streams", "callbacks", "notifications", "guard", "strict"]


def failure(error: host.CallFailed) -> Object:
    """A failure, with all that is known of it."""
    told: Object = {"kind": error.kind.value, "message": str(error)}
    remote = error.error if isinstance(error, host.RemoteError) else None
    if isinstance(error, host.Error):
        remote = error.remote
        told |= {"command": error.command, "phase": error.phase.value, "stderr_tail": error.evidence.stderr_tail}
        if error.evidence.exit is not None:
            told |= {"exit_code": error.evidence.exit.code, "signal": error.evidence.exit.signal}
        if error.evidence.stray is not None:
            told["stray"] = error.evidence.stray
    if remote is not None:
        told |= {"code": remote.code, "data": None if remote.data is UNSET else remote.data}
    return {name: value for name, value in told.items() if value is not None or name == "data"}


class Plugin:
    """A plugin that was launched."""

    def __init__(self, gate: threading.Event, running: host.Plugin) -> None:
        self.gate, self.running = gate, running
        self.open = 0  # calls that have not ended
        self.dropped = self.stopped = False


class Driver:
    """Commands in, answers and events out."""

    def __init__(self) -> None:
        self._out = threading.Lock()
        self._plugins: dict[str, Plugin] = {}
        self._calls: dict[int, Handle] = {}
        self._launched = 0

    def say(self, line: Object) -> None:
        text = msgspec.json.encode(line) + b"\n"
        with self._out:
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()

    def serve(self) -> None:
        for line in sys.stdin.buffer:
            command: Object = json.loads(line)
            if command["cmd"] == "bye":
                self.stop_all()
                self.say({"seq": command["seq"], "ok": {}})
                return
            # It never waits for a plugin: what may take its time is done by a thread, and answers itself.
            do = cast("Callable[[Object], Object | None] | None", getattr(self, f"do_{command['cmd']}", None))
            self.answer(command, do or self.unsupported)
        self.stop_all()

    def answer(self, command: Object, do: Callable[[Object], Object | None]) -> None:
        try:
            ok = do(command)
            if ok is not None:
                self.say({"seq": command["seq"], "ok": ok})
        except host.CallFailed as error:
            self.say({"seq": command["seq"], "err": failure(error)})
        except (Refused, ValueError) as fault:
            kind = fault.kind if isinstance(fault, Refused) else "invalid_request"
            self.say({"seq": command["seq"], "err": {"kind": kind, "message": str(fault)}})

    def later(self, command: Object, do: Callable[[Object], Object | None]) -> None:
        threading.Thread(target=self.answer, args=[command, do], daemon=True).start()

    def unsupported(self, command: Object) -> NoReturn:
        raise Refused("unsupported", f"{command['cmd']}: no such command")

    def plugin(self, command: Object) -> Plugin:
        plugin = self._plugins.get(command["plugin"])
        if plugin is None or plugin.dropped:
            raise Refused("closed", "no such plugin, or it was dropped")
        return plugin

    def handle(self, command: Object) -> Handle:
        handle = self._calls.get(command["call"])
        if handle is None:
            raise Refused("closed", "no such call, or it has ended")
        return handle

    # Commands.

    def do_hello(self, _: Object) -> Object:
        return {"driver": f"plugline.host {plugline.__version__}", "features": FEATURES}

    def do_launch(self, command: Object) -> None:
        self.later(command, self.launch)

    def launch(self, command: Object) -> Object:
        gate = threading.Event()
        gate.set()
        callbacks, listeners = served(command.get("callbacks", []), gate)
        running = host.Plugin.start(
            command["argv"],
            **({"config": command["config"]} if "config" in command else {}),
            env=command.get("env"),
            limits=msgspec.convert(command.get("limits", {}), host.Limits),
            timeouts=timeouts(command.get("timeouts", {})),
            callbacks=callbacks,
            listeners=listeners,
            strict=command.get("strict", False),
            guarded=command.get("guard", False),
        )
        self._launched += 1
        name = f"p{self._launched}"
        self._plugins[name] = Plugin(gate, running)
        threading.Thread(target=self.watch, args=[name, running, gate], daemon=True).start()
        return {"plugin": name, "pid": running.pid}

    def watch(self, name: str, running: host.Plugin, gate: threading.Event) -> None:
        """Passes on its events; the last one is its exit."""
        while True:
            event = running.events.get(60.0)
            gate.wait()
            if event is not None and (told := tell(event)) is not None:
                self.say({"plugin": name, **told})
            if isinstance(event, host.Exited):
                return

    def do_call(self, command: Object) -> None:
        plugin = self.plugin(command)
        handle = Handle(plugin.running, command, self.say)
        self._calls[command["seq"]] = handle
        plugin.open += 1

        def follow(_: Object) -> Object:
            try:
                return {"result": handle.follow()}
            finally:
                plugin.open -= 1
                del self._calls[command["seq"]]

        self.later(command, follow)

    def do_cancel(self, command: Object) -> Object:
        self.handle(command).cancel(command.get("reason"))
        return {}

    def do_take(self, command: Object) -> Object:
        self.handle(command).allow(command["n"])
        return {}

    def do_input(self, command: Object) -> None:
        self.handle(command).feed(command["seq"], command["items"])

    def do_input_end(self, command: Object) -> None:
        self.handle(command).feed(command["seq"], None)

    def do_notify(self, command: Object) -> None:
        plugin = self.plugin(command)

        def notify(_: Object) -> Object:
            plugin.running.notify(command["method"], command.get("params"))
            return {}

        self.later(command, notify)

    def do_state(self, command: Object) -> Object:
        plugin = self.plugin(command)
        running = plugin.running
        return {
            "state": "stopped" if plugin.stopped else "running",
            "pid": running.pid,
            "in_flight": running.in_flight,
            "queued": max(0, plugin.open - running.in_flight),
            "plugin": msgspec.to_builtins(running.hello.plugin),
            "capabilities": msgspec.to_builtins(running.hello.capabilities),
        }

    def do_hold(self, command: Object) -> Object:
        self.plugin(command).gate.clear()
        return {}

    def do_release(self, command: Object) -> Object:
        self.plugin(command).gate.set()
        return {}

    def do_drop(self, command: Object) -> Object:
        plugin = self.plugin(command)
        plugin.dropped = True
        plugin.running.drop()
        return {}

    def do_stop(self, command: Object) -> None:
        plugin = self.plugin(command)

        def stop(_: Object) -> Object:
            stopped = plugin.running.stop()
            plugin.stopped = True
            ended = stopped.exit or host.Exit()
            return {"code": ended.code, "signal": ended.signal, "rung": stopped.rung.value}

        self.later(command, stop)

    def stop_all(self) -> None:
        """The whole ladder for every plugin, at once."""
        plugins = list(self._plugins.values())
        for plugin in plugins:
            plugin.gate.set()
        ladders = [threading.Thread(target=plugin.running.stop) for plugin in plugins]
        for ladder in ladders:
            ladder.start()
        for ladder in ladders:
            ladder.join()


TIMES = {"start_ms": "start", "grace_ms": "grace", "exit_ms": "exit", "term_ms": "term", "unhealthy_ms": "unanswered"}


def timeouts(given: Object) -> host.Timeouts:
    seconds = {TIMES[name]: None if ms is None else ms / 1000 for name, ms in given.items()}
    return msgspec.convert(seconds, host.Timeouts)


def tell(event: host.Event) -> Object | None:
    match event:
        case host.Log():
            return {"event": "log", "source": "plugin", **msgspec.to_builtins(event)}
        case host.Ignored(reason):
            return {"event": "log", "source": "host", "level": "warn", "message": reason}
        case host.Stray(text, held_back):
            return {"event": "stray", "text": text, "held_back": held_back}
        case host.Unhealthy():
            return {"event": "unhealthy"}
        case host.Exited(ended, wanted, tail):
            how = {"code": ended.code, "signal": ended.signal, "wanted": wanted, "stderr_tail": tail}
            return {"event": "exited", **how}
        case _:
            return None


Functions = dict[str, Callable[..., Any]]


def served(wanted: list[str], gate: threading.Event) -> tuple[Functions, Functions]:
    """The methods and the notifications of the contract `conf_host` that are asked for."""
    notes: list[str] = []

    def echo(value: Any) -> Any:
        return value

    def fail(code: int, message: str, data: Any | UnsetType = UNSET) -> None:
        raise plugline.error(code, message, data)

    def call(context: host.Context, method: str, params: Object) -> Any:
        return context.plugin.call(method, params)

    def panic() -> None:
        raise RuntimeError("as the runner wanted")

    def note(text: str) -> None:
        gate.wait()
        notes.append(text)

    def list_notes() -> list[str]:
        return list(notes)

    callbacks: Functions = {"echo": echo, "fail": fail, "call": call, "panic": panic, "notes": list_notes}
    listeners: Functions = {"note": note}

    def chosen(functions: Functions) -> Functions:
        named = {f"conf_host.{name}": function for name, function in functions.items()}
        return {name: function for name, function in named.items() if name in wanted}

    return chosen(callbacks), chosen(listeners)


def main() -> None:
    driver = Driver()

    def leave(*_: object) -> NoReturn:
        raise SystemExit

    signal.signal(signal.SIGTERM, leave)
    try:
        driver.serve()
    except SystemExit:
        driver.stop_all()


if __name__ == "__main__":
    main()
