"""Why a plugin did not start, or a call has no result, with all that is known of the plugin."""

from __future__ import annotations

import enum

import msgspec

from .._codes import WireError
from .._failure import CallFailed, Kind
from ._process import Exit


class Phase(enum.Enum):
    """Where in a plugin's life something failed."""

    SPAWN = "spawn"
    HANDSHAKE = "handshake"
    CALL = "call"


class Evidence(msgspec.Struct, frozen=True):
    """What is known of the plugin when something failed. All text in it is escaped."""

    exit: Exit | None = None
    """How its process ended, if it did."""
    stderr_tail: list[str] = []
    """Its last lines on standard error."""
    stray: str | None = None
    """The first line on its standard output that was no message."""


class Error(CallFailed):
    """A plugin did not start, or a call has no result, for another reason than an error that the plugin answered; that
    is a `RemoteError`."""

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        phase: Phase,
        command: list[str],
        evidence: Evidence,
        remote: WireError | None = None,
    ) -> None:
        super().__init__(kind, message)
        self.phase, self.command, self.evidence = phase, command, evidence
        self.remote = remote
        """What the plugin answered to the handshake, where that is why."""

    def __str__(self) -> str:
        told = [super().__str__()]
        if self.evidence.stray is not None:
            told.append(f"stray output: {self.evidence.stray}")
        if self.evidence.stderr_tail:
            told.append("standard error: " + " | ".join(self.evidence.stderr_tail[-3:]))
        return "; ".join(told)
