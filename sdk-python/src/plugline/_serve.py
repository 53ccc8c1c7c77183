"""A plugin as a process: its signals, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from ._session import Session
from ._stdio import STDIO
from ._watch import Gate
from ._workers import Workers

if TYPE_CHECKING:
    from ._plugin import Plugin

EXIT_USAGE = 64
"""A person started it: what sysexits(3) calls a usage error."""
LEAVE_SECONDS = 1.0
"""What threads and exit handlers of the program get, once all is said."""


def serve(plugin: Plugin) -> NoReturn:
    """Serves the host that started this process, and ends it."""
    if _is_terminal():
        explain(plugin)
        sys.exit(EXIT_USAGE)
    wire = STDIO.serve()
    offer = plugin.offer()
    session = Session(offer, wire.read, wire.write, leave)
    _hear_signals(session)
    code = session.serve()
    # From here on nothing may keep the process: neither a thread that goes on nor an exit handler that waits.
    watched = Gate()
    Workers().run(lambda: _leave_later(code, watched))
    watched.wait(LEAVE_SECONDS)  # a thread that begins while the interpreter ends would crash it (Python 3.10)
    plugin.stopped()
    sys.exit(code)


def _hear_signals(session: Session) -> None:
    """SIGTERM is heard by the warden, also where main is stuck in a library. SIGINT is for the host: Ctrl-C goes to
    every process of a terminal; to ignore it would be inherited by children."""
    signal.set_wakeup_fd(session.turn.signal_fd, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, lambda *_: None)
    # Where the program took the descriptor for itself, the handler still comes to it.
    signal.signal(signal.SIGTERM, lambda number, _: session.turn.signal(number))


def leave(code: int) -> NoReturn:
    """Ends the process at once: main is stuck."""
    os._exit(code)


def _leave_later(code: int, watched: Gate) -> None:
    watched.open()
    time.sleep(LEAVE_SECONDS)
    leave(code)


def _is_terminal() -> bool:
    try:
        return os.isatty(0)
    except OSError:
        return False


def explain(plugin: Plugin) -> None:
    """Says on standard error what this program is, to a person who started it."""
    document = plugin.manifest()
    info = document["info"]
    def say(text: str) -> None:
        print(text, file=sys.stderr)

    say(f"{info['title']} {info['version']} is a Plugline plugin: a program that a host starts and calls.")
    if "description" in info:
        say(info["description"])
    for provided in document["x-plugline"]["provides"]:
        say(f"\nIt provides {provided['contract']} {provided['version']}:")
        for method in document["methods"]:
            if method["name"].startswith(f"{provided['contract']}."):
                params = ", ".join(param["name"] for param in method["params"])
                about = method.get("description", "").partition("\n")[0]
                say(f"  {method['name']}({params})  {about}".rstrip())
    example = document["methods"][0]["name"] if document["methods"] else "rpc.ping"
    say(f"\nTo call it by hand:  plugline call {sys.argv[0] or info['title']} {example} name=value …")

