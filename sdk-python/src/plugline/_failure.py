"""Why a call has no result, on the side that made it."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from ._codes import WireError
from ._text import shown


class Kind(enum.Enum):
    """What kind of failure it is: a closed set, the same in every part of Plugline."""

    INVALID_REQUEST = "invalid_request"
    NOT_FOUND = "not_found"
    SPAWN_FAILED = "spawn_failed"
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    HANDSHAKE_INVALID = "handshake_invalid"
    VERSION_MISMATCH = "version_mismatch"
    INVALID_CONFIG = "invalid_config"
    DECLINED = "declined"
    PROTOCOL_VIOLATION = "protocol_violation"
    STREAM_VIOLATION = "stream_violation"
    REMOTE_ERROR = "remote_error"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    PLUGIN_EXITED = "plugin_exited"
    CRASH_LOOP = "crash_loop"
    TOO_LARGE = "too_large"
    OVERLOADED = "overloaded"
    CLOSED = "closed"
    UNSUPPORTED = "unsupported"


class CallFailed(Exception):
    """A call has no result. `kind` says what kind of failure it is, the text what happened."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class RemoteError(CallFailed):
    """The other side answered with an error."""

    def __init__(self, error: WireError) -> None:
        super().__init__(Kind.REMOTE_ERROR, f"{shown(error.message)} ({error.code})")
        self.error = error

    @property
    def code(self) -> int:
        return self.error.code

    @property
    def message(self) -> str:
        return self.error.message

    @property
    def data(self) -> Any:
        """What the error carries; None where it carries nothing."""
        return None if self.error.data is msgspec.UNSET else self.error.data
