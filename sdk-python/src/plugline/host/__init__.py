"""Using plugins from Python, written in whatever language.

    from plugline import host

    with host.Plugin.start(["./greeter"]) as plugin:
        print(plugin.call("greet.hello", {"name": "you"}, returns=str))

Whatever a plugin does (hang, crash, print, flood, fork, refuse to die), a call ends by its deadline with an error that
says what happened, and nothing is left behind.
"""

from __future__ import annotations

from .._codes import WireError
from .._failure import CallFailed, Kind, RemoteError
from .._messages import Level, Limits, Log, Progress
from ._context import Context
from ._error import Error, Evidence, Phase
from ._event import Event, Exited, HeldBack, Ignored, Ready, Started, Stderr, Stray, Unhealthy
from ._plugin import Plugin
from ._process import Exit
from ._rate import Told
from ._running import Running
from ._stream import Stream
from ._timeouts import Timeouts

__all__ = [
    "CallFailed", "Context", "Error", "Event", "Evidence", "Exit", "Exited", "HeldBack", "Ignored", "Kind", "Level", "Limits",
    "Log", "Phase", "Plugin", "Progress", "Ready", "RemoteError", "Running", "Started", "Stderr", "Stray", "Stream", "Timeouts",
    "Told", "Unhealthy", "WireError",
]  # fmt: skip
