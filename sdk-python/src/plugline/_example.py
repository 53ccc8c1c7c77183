"""Examples: real calls, which run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class Example(msgspec.Struct, frozen=True):
    """A real call: what is given and what comes of it.

    `result` or `error` (a code, or an error class) says how it ends; `input` and `output` are the items of streams.
    """

    name: str
    params: Mapping[str, Any] = {}
    result: Any = msgspec.UNSET
    error: Any = msgspec.UNSET
    input: Sequence[Any] | msgspec.UnsetType = msgspec.UNSET
    output: Sequence[Any] | msgspec.UnsetType = msgspec.UNSET

    @property
    def code(self) -> int | None:
        """The code of the error that it ends with."""
        if self.error is msgspec.UNSET:
            return None
        return self.error if isinstance(self.error, int) else int(self.error.__code__)

    @property
    def is_plain(self) -> bool:
        """Whether OpenRPC can say it."""
        return self.error is msgspec.UNSET and self.input is msgspec.UNSET and self.output is msgspec.UNSET
