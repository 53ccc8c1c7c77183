"""What a plugin says, made safe for a terminal or a log line."""

from __future__ import annotations

import unicodedata
from typing import Any

QUOTE_BYTES = 200
SHOWN_CHARACTERS = 4096
IGNORABLE = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""What turns the direction of text, ends a line, or is seen by nobody, as in the Rust crates."""


def escape(text: bytes | str) -> str:
    """The same text on one line, with characters that are not what they look like (controls, but for tabs; what turns the
    direction of text; what nobody sees) and bytes that are no UTF-8 written out: `\\u{1b}`, `\\xff`."""
    if isinstance(text, bytes):
        text = text.decode(errors="backslashreplace")
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    return f"\\u{{{ord(char):x}}}" if char != "\t" and is_unseen(char) else char


def is_unseen(char: str) -> bool:
    """Whether a character is another than it looks like."""
    code = ord(char)
    return unicodedata.category(char) in ("Cc", "Cs") or any(low <= code <= high for low, high in IGNORABLE)


def sendable(value: Any) -> Any:
    """The same, with `?` for what is in a text and no Unicode: a lone surrogate, as a file's name that is no UTF-8 has."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [sendable(each) for each in value]
    if isinstance(value, dict):
        return {sendable(name): sendable(each) for name, each in value.items()}
    return value


def told(fault: BaseException) -> str:
    """What a program raised, also where it cannot say what that is."""
    try:
        return repr(fault)
    except Exception:  # noqa: BLE001 - it is the program's own
        return type(fault).__name__


def quote(line: bytes) -> str:
    """The first 200 bytes of a line, escaped."""
    return escape(line[:QUOTE_BYTES]) + ("…" if len(line) > QUOTE_BYTES else "")


def shown(text: str) -> str:
    """A text for the line that says why something failed: escaped, and no more than 4096 characters of it."""
    if len(text) <= SHOWN_CHARACTERS:
        return escape(text)
    return f"{escape(text[:SHOWN_CHARACTERS])}… ({len(text) - SHOWN_CHARACTERS} characters more)"
