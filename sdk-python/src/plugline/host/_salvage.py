"""A response that cannot be read because of what stands in its result: whose it is all the same (JSON-10).

It may be a lone surrogate, or nesting without end: what no plugin may send, and what is the fault of one call alone. Only
where a line could not be read is anything here run.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .._envelope import Id, is_id

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_CLOSES = {b"[": b"]", b"{": b"}"}


def whose(line: bytes) -> Id | None:
    """The id of the response that this line is; None where it is none."""
    try:
        message = _read(line)
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0" or "result" not in message:
            return None
        id: Any = message.get("id")
        if message.keys() & {"method", "error"} or not is_id(id, line):
            return None
    except (ValueError, RecursionError):
        return None
    result: Id = id
    return result


def _read(line: bytes) -> Any:
    try:
        return json.loads(line, parse_constant=_refuse)
    except RecursionError:
        return json.loads(_flat(line), parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _flat(line: bytes) -> bytes:
    """The same with `null` for what nests within its members. A ValueError where the brackets do not fit."""
    kept: list[bytes] = []
    open: list[bytes] = []
    start = 0
    for token in _TOKEN.finditer(line):
        match token[0]:
            case b"[" | b"{" as bracket:
                open.append(bracket)
                if len(open) == 2:
                    kept += (line[start : token.start()], b"null")
            case b"]" | b"}" as bracket:
                if not open or _CLOSES[open.pop()] != bracket:
                    raise ValueError("brackets that do not fit")
                if len(open) == 1:
                    start = token.end()
            case _:
                pass
    return b"".join([*kept, line[start:]])
