"""How long things may take."""

from __future__ import annotations

import msgspec


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long each phase of a plugin's life may take; seconds. None is for ever, for debuggers."""

    start: float | None = 10.0
    """From starting the process to the answer of the handshake."""
    call: float | None = 30.0
    """A call, unless it says otherwise."""
    grace: float = 5.0
    """How long calls in flight may go on after `rpc.shutdown`. Its answer may take half a second more."""
    exit: float = 3.0
    """From closing stdin to SIGTERM."""
    term: float = 2.0
    """From SIGTERM to SIGKILL."""
    unanswered: float = 5.0
    """How long the plugin has to answer a call that ended for its caller before it counts as unhealthy."""
