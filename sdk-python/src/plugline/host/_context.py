"""What a callback may know of its call."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from .._call import ended
from .._incoming import Incoming
from .._watch import sleep_until

if TYPE_CHECKING:
    from ._plugin import Plugin


class Context:
    """The call that a callback serves. A callback that has an argument annotated with it is given it."""

    __slots__ = ("_incoming", "plugin")
    __plugline_context__ = True  # what an argument is annotated with that takes the call

    def __init__(self, plugin: Plugin, incoming: Incoming) -> None:
        self.plugin = plugin.within(incoming)
        """The plugin that called, to be called in turn: calls through this are nested in this one."""
        self._incoming = incoming

    @property
    def method(self) -> str:
        return self._incoming.method

    @property
    def cancelled(self) -> bool:
        """Whether the plugin, or whoever called it, does not want it any more."""
        return self._incoming.is_over

    @property
    def remaining(self) -> float | None:
        """Seconds until its caller gives up; None where it waits for ever."""
        deadline = self._incoming.deadline
        return None if deadline is None else max(0.0, deadline - monotonic())

    def check(self) -> None:
        """Raises where nobody waits any more."""
        if (why := self._incoming.why_over()) is not None:
            raise ended(why)

    def sleep(self, seconds: float) -> None:
        """Sleeps, unless nobody waits any more: then it raises as `check` does."""
        sleep_until(self._incoming, lambda: self._incoming.is_over, monotonic() + seconds)
        self.check()
