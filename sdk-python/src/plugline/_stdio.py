"""Standard input and output, taken away from the program that was started with them.

From `take` on, what is printed goes to standard error and nothing can be read from standard input: by this program, its
libraries, its children, and at its exit. The wire is on descriptors that no child inherits; a child made by `fork` alone
gets them emptied.
"""

from __future__ import annotations

import io
import os
import sys
from typing import NamedTuple

from ._messages import VERSIONS_VARIABLE


class Wire(NamedTuple):
    """Where the messages come and go."""

    read: int
    write: int


class Stdio:
    """The wire of this process. There is one."""

    def __init__(self) -> None:
        self._wire: Wire | None = None
        self._serving = False

    def take(self) -> Wire:
        """Takes it; a second time does nothing more."""
        if self._wire is None:
            # Neither duplicate is inherited by a program that this one starts.
            wire = Wire(os.dup(0), os.dup(1))
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)
            try:
                os.dup2(2, 1)
            except OSError:
                os.dup2(nothing, 1)  # there is no standard error
            os.close(nothing)
            # What is printed is seen when it is printed. What was printed before goes there too.
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, io.TextIOWrapper):
                    stream.reconfigure(line_buffering=True)
            # A child that is itself a host, or uses one, is not the plugin that was asked for.
            os.environ.pop(VERSIONS_VARIABLE, None)
            self._wire = wire
            os.register_at_fork(after_in_child=self._forked)
        return self._wire

    def take_if_asked(self) -> None:
        """Takes it where a host started this process as a plugin, which its environment says."""
        if self._wire is None and VERSIONS_VARIABLE in os.environ and not _is_terminal():
            self.take()

    def serve(self) -> Wire:
        """The wire, for who serves it."""
        if self._serving:
            raise RuntimeError("this process serves a plugin already: it has one standard output")
        self._serving = True
        return self.take()

    def _forked(self) -> None:
        assert self._wire is not None, "taken before"
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in self._wire:
            # Not closed: whoever still writes to it must not hit another file.
            os.dup2(nothing, fd, inheritable=False)
        os.close(nothing)


def _is_terminal() -> bool:
    try:
        return os.isatty(0) or os.isatty(1)
    except OSError:
        return True


STDIO = Stdio()
