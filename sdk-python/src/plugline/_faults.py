"""Where JSON breaks its type: what msgspec says of it, as JSON Pointers. No I/O.

msgspec names a place as `$.users[3].name`, and `[...]` for the value of some key. Only where something is wrong is
anything here run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from ._codes import Fault

_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key in )?\$(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]|(?P<any>\[\.\.\.\])")
_MEMBER = re.compile(r"^Object (?:missing required|contains unknown) field `(?P<name>.*)`$", re.DOTALL)
_CHOICE = "Invalid enum value"
TRIED_KEYS = 1000


def pointer(path: list[str | int]) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def faults_of(fault: Exception, raw: msgspec.Raw | bytes, decode: Callable[[Any], Any]) -> list[Fault]:
    """What a decoder's exception says, for a person and a program."""
    if not isinstance(fault, msgspec.ValidationError):
        return [Fault("", str(fault))]
    told = _PLACE.match(str(fault))
    assert told, "the pattern takes any text"
    what, path = told["what"], _steps(told["path"] or "", str(fault), raw, decode)
    if member := _MEMBER.match(what):
        missing = "missing" in what.split("`", 1)[0]
        return [Fault(pointer([*path, member["name"]]), "is required" if missing else "is unknown")]
    cause = fault.__cause__
    listed: Any = getattr(cause, "errors", None)
    if callable(listed) and type(cause).__module__.partition(".")[0].startswith("pydantic"):
        errors: Any = listed()
        return [Fault(pointer([*path, *error["loc"]]), error["msg"]) for error in errors]
    if what.startswith(_CHOICE):
        what = _CHOICE  # msgspec quotes the value, which may be secret, and long
    return [Fault(pointer(path), what[:1].lower() + what[1:])]


def _steps(
    text: str, fault: str, raw: msgspec.Raw | bytes, decode: Callable[[Any], Any]
) -> list[str | int]:
    steps: list[str | int] = []
    for step in _STEP.finditer(text):
        if step["any"]:
            key = _key_at(steps, fault, raw, decode)
            if key is None:
                break
            steps.append(key)
        else:
            steps.append(int(step["index"]) if step["index"] else step["name"])
    return steps


def _key_at(
    steps: list[str | int], fault: str, raw: msgspec.Raw | bytes, decode: Callable[[Any], Any]
) -> str | None:
    """Which key of the object there is at fault: the one that fails in the same way when it is alone."""
    top: dict[str, Any] = {"": msgspec.json.decode(raw)}
    holder: Any = top
    last: str | int = ""
    for step in steps:
        holder, last = holder[last], step
    there = holder[last]
    for key in list(there)[:TRIED_KEYS]:
        holder[last] = {key: there[key]}
        try:
            decode(msgspec.json.encode(top[""]))
        except (ValueError, RecursionError) as same:
            if str(same) == fault:
                holder[last] = there
                return str(key)
    return None
