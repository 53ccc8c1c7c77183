"""What is not to be shown, and what keeps it out of events, errors and transcripts.

Wherever a plugin says a secret again, as it is or as JSON, a URL or this package's escapes write it, `[secret]` stands in
its place. What a plugin hides (base64, a secret letter by letter) is not found: who was given a secret can pass it on.
What calls return comes as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote as percent_encoded

import msgspec

from .._codes import WireError
from .._failure import CallFailed, RemoteError
from .._messages import Identity, InitializeResult, Log
from .._text import escape
from ._event import Event, Exited, Ignored, Ready, Stderr, Stray

SHORTEST = 4
"""What is shorter stands in texts by chance, and would spoil all of them; bytes."""
HIDDEN = "[secret]"


class _Plain:
    """A text without its backslashes, and where each character of it stood. How many there are depends on how often the
    text was escaped: in JSON, in an error that is quoted …"""

    def __init__(self, text: str) -> None:
        self._text = text
        self._places = [at for at, char in enumerate(text) if char != "\\"] if "\\" in text else None
        self.text = text.replace("\\", "")

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where something stood, with the backslashes before it."""
        if self._places is None:
            return start, end
        first, last = self._places[start], self._places[end - 1]
        while first > 0 and self._text[first - 1] == "\\":
            first -= 1
        return first, last + 1


class Redactor:
    """Takes secrets out of what is shown."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known: set[str] = set()
        for secret in secrets:
            # Standard error comes line by line.
            for text in (secret, *map(str.strip, secret.splitlines())):
                known |= {text, escape(text), json.dumps(text)[1:-1], percent_encoded(text, safe="")}
                known.add(json.dumps(text, ensure_ascii=False)[1:-1])
        plain = {form.replace("\\", "") for form in known}
        self._known = [form for form in plain if len(form.encode(errors="replace")) >= SHORTEST]

    def __bool__(self) -> bool:
        return bool(self._known)

    def text(self, text: str) -> str:
        if not self._known:
            return text
        plain = _Plain(text)
        found = [
            plain.place(match.start(), match.end())
            for secret in self._known
            for match in re.finditer(re.escape(secret), plain.text)
        ]
        clean, end = [], 0
        for first, last in sorted(found):
            # One secret may be part of another, or overlap with it.
            if first >= end:
                clean += [text[end:first], HIDDEN]
            end = max(end, last)
        return "".join([*clean, text[end:]])

    def cut(self, text: str, *, before: bool = False) -> str:
        """The same of a text that was cut: the part of a secret that stands at its end, or at its beginning, is one, too."""
        text = self.text(text)
        plain = _Plain(text if before else text.rstrip("…"))
        longest = 0
        for secret in self._known:
            for at in range(len(secret) - 1, max(SHORTEST, longest + 1) - 1, -1):
                if plain.text.startswith(secret[-at:]) if before else plain.text.endswith(secret[:at]):
                    longest = at
                    break
        if longest == 0:
            return text
        end = longest if before else len(plain.text)
        first, last = plain.place(end - longest, end)
        return f"{text[:first]}{HIDDEN}{text[last:]}"

    def tail(self, lines: list[str]) -> list[str]:
        """The last lines on standard error: the first may have lost its beginning, and of the last the end may not have
        been read yet."""
        if not lines or not self._known:
            return lines
        first, *rest = lines
        *rest, last = [self.cut(first, before=True), *rest]
        return [*self.lines(rest), self.cut(last)]

    def line(self, line: bytes) -> bytes:
        return self.text(line.decode(errors="surrogateescape")).encode(errors="surrogateescape")

    def lines(self, lines: list[str]) -> list[str]:
        return [self.text(line) for line in lines]

    def value(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.value(item) for item in value]
            case dict():
                return {self.text(str(name)): self.value(member) for name, member in value.items()}
            case _:
                return value

    def error(self, error: WireError) -> WireError:
        data = error.data if error.data is msgspec.UNSET else self.value(error.data)
        return WireError(error.code, self.text(error.message), data)

    def failure(self, why: CallFailed) -> CallFailed:
        """The same failure, which says none."""
        if not self:
            return why
        if isinstance(why, RemoteError):
            return RemoteError(self.error(why.error))
        why.args = tuple(self.cut(each) if isinstance(each, str) else each for each in why.args)
        return why

    def event(self, event: Event) -> Event:
        """What is told of an event."""
        if not self:
            return event
        match event:
            case Log():
                target = self.text(event.target) if isinstance(event.target, str) else event.target
                return msgspec.structs.replace(
                    event, message=self.text(event.message), target=target, fields=self.value(event.fields)
                )
            case Stderr(text):
                return Stderr(self.text(text))
            case Stray(text, held_back):
                return Stray(self.cut(text), held_back)
            case Ignored(reason):
                return Ignored(self.cut(reason))
            case Ready(hello):
                return Ready(self._hello(hello))
            case Exited(exit, wanted, tail):
                return Exited(exit, wanted, self.tail(tail))
            case _:
                return event

    def _hello(self, hello: InitializeResult) -> InitializeResult:
        plugin = Identity(self.text(hello.plugin.name), self.text(hello.plugin.version))
        return msgspec.structs.replace(hello, plugin=plugin)
