#!/usr/bin/env python3
"""A host under the conformance runner's orders: see conformance/cases/host.md. MUTANT=name makes it wrong in one way."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from typing import Any

from callbacks import Callbacks
from instance import Call, Failure, Plugin
from wire import Json, Object, Unsendable, mutant

FEATURES = ["cancel", "streams", "callbacks", "notifications", "guard", "strict", "restart"]


class Running:
    """A call of the runner's, and the plugin it was made of."""

    def __init__(self, plugin: Plugin, call: Call, take: int | None) -> None:
        self.plugin, self.call = plugin, call
        self.allowed = threading.Semaphore(take) if take is not None else None
        self.feeds: queue.SimpleQueue[tuple[int, list[Json] | None]] = queue.SimpleQueue()


class Driver:
    """Commands in, answers and events out, in any order."""

    def __init__(self) -> None:
        self.out = threading.Lock()
        self.plugins: dict[str, Plugin] = {}
        self.calls: dict[int, Running] = {}
        self.launched = 0
        self.dropped: set[str] = set()
        self.restarts: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        threading.Thread(target=self.supervise, daemon=True).start()

    def supervise(self) -> None:
        """Starts again what ended by itself and is supervised. Lives as long as the host, as it forks."""
        while True:
            name, attempt = self.restarts.get()
            old = self.plugins[name]
            ready = old.ready
            if not old.command.get("restart") or not ready or mutant("restart-left-out"):
                continue
            callbacks = Callbacks(old.command.get("callbacks", []))
            callbacks.name = name
            again = lambda name=name, attempt=attempt: self.restarts.put((name, attempt + 1))
            time.sleep(min(2.0, 0.02 * 2**attempt))
            new = Plugin(old.command, self.say, callbacks, again)
            self.plugins[name] = new
            try:
                new.shake_hands()
            except Failure:
                continue
            self.say({"event": "restarted", "plugin": name, "pid": new.process.pid, "attempt": attempt})
            for running in list(self.calls.values()) if mutant("calls-repeated") else []:
                new.begin(Call(running.call.method, running.call.params), 1000)

    def say(self, line: Object) -> None:
        with self.out:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    def obey(self, command: Object) -> None:
        name = command.get("cmd", "")
        method = getattr(self, f"do_{name}", None)
        try:
            if method is None:
                raise Failure("unsupported", f"{name}: no such command")
            answer = method(command)
            if answer is not None:
                self.say({"seq": command["seq"], "ok": answer})
        except (Failure, Unsendable) as fault:
            body = fault.body if isinstance(fault, Failure) else {"kind": fault.kind, "message": str(fault)}
            self.say({"seq": command["seq"], "err": body})

    def later(self, function: Any, command: Object) -> None:
        def run() -> None:
            try:
                self.say({"seq": command["seq"], "ok": function(command)})
            except (Failure, Unsendable) as fault:
                body = fault.body if isinstance(fault, Failure) else {"kind": fault.kind, "message": str(fault)}
                self.say({"seq": command["seq"], "err": body})

        threading.Thread(target=run, daemon=True).start()

    def plugin(self, command: Object) -> Plugin:
        if command.get("plugin") in self.dropped or command.get("plugin") not in self.plugins:
            raise Failure("closed", "no such plugin")
        return self.plugins[command["plugin"]]

    def running(self, command: Object) -> Running:
        if command.get("call") not in self.calls:
            raise Failure("invalid_request", "no such call, or it has ended")
        return self.calls[command["call"]]

    def do_hello(self, _: Object) -> Object:
        return {"driver": "reference 1.0.0", "features": FEATURES}

    def do_launch(self, command: Object) -> None:
        callbacks = Callbacks(command.get("callbacks", []))
        # Here, as the parent-death signal follows the thread that forks.
        self.launched += 1
        name = callbacks.name = f"p{self.launched}"
        plugin = Plugin(command, self.say, callbacks, lambda: self.restarts.put((name, 1)))
        self.plugins[name] = plugin

        def shake_hands(_: Object) -> Object:
            plugin.shake_hands()
            return {"plugin": callbacks.name, "pid": plugin.process.pid}

        self.later(shake_hands, command)

    def do_call(self, command: Object) -> None:
        plugin = self.plugin(command)
        call = Call(command["method"], command.get("params", {}))
        output = command.get("output", False)
        call.output, call.input = bool(output), bool(command.get("input"))
        self.calls[command["seq"]] = running = Running(plugin, call, command.get("take"))
        try:
            plugin.begin(call, command.get("timeout_ms", 30_000))
        except Failure:
            del self.calls[command["seq"]]
            raise
        threading.Thread(target=self.follow, args=[command["seq"], running, output is True], daemon=True).start()
        threading.Thread(target=self.feed, args=[running], daemon=True).start()

    def follow(self, seq: int, running: Running, shown: bool) -> None:
        plugin, call = running.plugin, running.call
        while True:
            what, told = plugin.wait(call)
            if what == "progress" and not mutant("progress-lost"):
                self.say({"seq": seq, "progress": told})
            elif what == "item":
                while running.allowed and not running.allowed.acquire(timeout=0.05) and not call.ended:
                    pass
                plugin.took(call, told[1])
                if shown:
                    self.say({"seq": seq, "item": told[0]})
            elif what == "nothing":
                plugin.took(call, told)
            elif what in ("result", "error"):
                break
        if not mutant("calls-repeated") and not mutant("input-after-answer"):
            running.feeds.put((0, None))
            self.calls.pop(seq, None)
        if what == "result":
            self.say({"seq": seq, "ok": {"result": told}})
        else:
            self.say({"seq": seq, "err": told.body})

    def feed(self, running: Running) -> None:
        while (item := running.feeds.get())[0]:
            seq, items = item
            try:
                if items is not None:
                    running.plugin.feed(running.call, items)
                elif not mutant("input-end-forgotten"):
                    running.plugin.send({"method": "rpc.inputEnd", "params": {"id": running.call.id}})
                self.say({"seq": seq, "ok": {}})
            except (Failure, Unsendable) as fault:
                body = fault.body if isinstance(fault, Failure) else {"kind": fault.kind, "message": str(fault)}
                self.say({"seq": seq, "err": body})

    def do_cancel(self, command: Object) -> Object:
        running = self.running(command)
        running.plugin.cancel(running.call, command.get("reason"))
        return {}

    def do_take(self, command: Object) -> Object:
        running = self.running(command)
        if running.allowed:
            running.allowed.release(command["n"])
        return {}

    def do_input(self, command: Object) -> None:
        self.running(command).feeds.put((command["seq"], command["items"]))

    def do_input_end(self, command: Object) -> None:
        self.running(command).feeds.put((command["seq"], None))

    def do_notify(self, command: Object) -> Object:
        plugin = self.plugin(command)
        if command["method"].startswith("rpc.") and not mutant("protocol-methods-called"):
            raise Failure("invalid_request", "the protocol's own")
        if plugin.broken:
            raise plugin.broken
        more = {"id": 9999} if mutant("notify-is-request") else {}
        plugin.send({"method": command["method"], "params": command.get("params", {}), **more})
        return {}

    def do_state(self, command: Object) -> Object:
        plugin = self.plugin(command)
        return {
            "state": "stopped" if plugin.finished.is_set() else "running", "pid": plugin.process.pid,
            "in_flight": len(plugin.calls), "queued": len(plugin.waiting), "plugin": plugin.hello["plugin"],
            "capabilities": plugin.capabilities,
        }  # fmt: skip

    def do_hold(self, command: Object) -> Object:
        self.plugin(command).gate.clear()
        return {}

    def do_release(self, command: Object) -> Object:
        self.plugin(command).gate.set()
        return {}

    def do_stop(self, command: Object) -> None:
        plugin = self.plugin(command)

        def stop(_: Object) -> Object:
            how = plugin.stop()
            while mutant("stopped-plugin-restarted") and self.plugins[command["plugin"]] is plugin:
                time.sleep(0.01)
            return how

        self.later(stop, command)

    def do_drop(self, command: Object) -> Object:
        plugin = self.plugin(command)
        self.dropped.add(command["plugin"])
        plugin.drop()
        return {}

    def stop_all(self) -> None:
        threads = [threading.Thread(target=self.end, args=[plugin]) for plugin in list(self.plugins.values())]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def end(self, plugin: Plugin) -> None:
        plugin.gate.set()
        plugin.stop()


def main() -> None:
    driver = Driver()

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, leave)
    try:
        for line in sys.stdin:
            command = json.loads(line)
            if command.get("cmd") == "bye":
                driver.stop_all()
                driver.say({"seq": command["seq"], "ok": {}})
                break
            driver.obey(command)
        else:
            if not mutant("ends-without-stopping"):
                driver.stop_all()
    except KeyboardInterrupt:
        driver.stop_all()
    sys.stdout.flush()
    # Its threads may wait for what never comes.
    os._exit(0)


if __name__ == "__main__":
    main()
