"""Attacks on whoever reads: escape codes, forged lines, characters that are not what they look like."""

from __future__ import annotations

import os
import pty
import re
from collections.abc import Sequence
from pathlib import Path

from actor import Message, answer, behave, called, greet, notify, raw, refuse
from arena import PLUGLINE, Arena, as_plugin, attack, unseen

CLEAR = "\x1b[2J\x1b[H"
TITLE = "\x1b]0;owned\x07"
CLIPBOARD = "\x1b]52;c;cm0gLXJmIC8K\x07"
LINK = "\x1b]8;;https://evil.invalid\x1b\\click\x1b]8;;\x1b\\"
C1 = "\x9b2J\x9d0;owned\x9c"
BIDI = "\u202etxt.exe\u2066\u2069"
INVISIBLE = "\u200b\u2060\ufeff\U000e0041\u00ad\u200d"
FORGED = "fine\n[error] forged: the disk is full\r\nerror: forged"
ODD = "\x00\x08\x7f\u2028\u2029\u0085"
POISON = [CLEAR, TITLE, CLIPBOARD, LINK, C1, BIDI, INVISIBLE, FORGED, ODD]


def text_of(file: str) -> str:
    """The text, with its line ends as they are."""
    return Path(file).read_bytes().decode()


def poison(text: str) -> None:
    """Says that text in every way that a plugin has."""
    hello: Message = {"name": text, "version": text}
    greet(plugin=hello, provides=[{"contract": text, "version": text}])
    request = called()
    notify("rpc.log", {"level": "error", "message": text, "target": text, "fields": {text: [text]}})
    notify("rpc.progress", {"id": request["id"], "progress": 1, "total": 2, "message": text})
    notify(text, {text: text})
    raw(text.encode() + b"\n", 2)
    raw(b"stray: " + text.encode().replace(b"\n", b" ") + b"\n")
    refuse(request, 1, text, {text: [text]})
    behave(lambda request: answer(request, {text: text}))


def returns(text: str) -> None:
    greet()
    behave(lambda request: answer(request, {text: [text]}))


def dies(text: str) -> None:
    raw(text.encode() + b"\n", 2)
    raw(b"{" + text.encode().replace(b"\n", b" ") + b"\n")


def on_terminal(arena: Arena, words: Sequence[object]) -> str:
    """All that a command writes to a terminal."""
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(arena.dir)
        os.execve(words[0], [str(word) for word in words], {**arena.environment(), "TERM": "xterm-256color"})  # type: ignore[arg-type]
    seen = b""
    try:
        while chunk := os.read(master, 65536):
            seen += chunk
    except OSError:
        pass  # All that had it open have ended.
    os.close(master)
    os.waitpid(pid, 0)
    return seen.decode(errors="replace")


# What this project's own styles and bars are made of: colours, erasing a line, moving within it, the cursor.
OWN = re.compile(r"\x1b\[(?:0|1|2|31|32|33|36)?m|\x1b\[\d*[ABCDGK]|\x1b\[2K|\x1b\[\?25[hl]|\r\n|\r")


def clean(arena: Arena, what: str, text: str, may: re.Pattern[str] | None = None) -> None:
    shown = may.sub("", text) if may else text
    arena.holds(
        f"{what} shows no character that is not what it looks like", not unseen(shown), unseen(shown), repr(text[:2000])
    )


def spoken(arena: Arena, text: str, what: str) -> str:
    """Nothing of it comes out, on a terminal or not."""
    file = arena.file("text")
    file.write_bytes(text.encode())
    for play in (say_poison, say_result, say_and_die):
        command = " ".join(as_plugin(play, file))
        words = ["call", "--command", command, "t.go"]
        for options in ([], ["--json"]):
            ran = arena.plugline(*options, *words)
            name = f"`plugline {' '.join([*options, 'call'])}` of {play.__name__}"
            clean(arena, name, ran.text)
            arena.holds(
                f"{name} shows the text, written out", "\\u" in ran.text and "Traceback" not in ran.text, ran.text
            )
        clean(arena, f"a terminal with {play.__name__}", on_terminal(arena, [PLUGLINE, *words]), OWN)
    naive = on_terminal(arena, ["/bin/cat", file])
    arena.bites(f"what is printed as it is reaches the terminal: {what}", bool(unseen(OWN.sub("", naive))))
    return f"`escape`, wherever a plugin's text is shown: {what} came out as text, on a terminal and in a pipe"


def say_poison(file: str) -> None:
    poison(text_of(file))


def say_result(file: str) -> None:
    returns(text_of(file))


def say_and_die(file: str) -> None:
    dies(text_of(file))


@attack("terminal/clear-the-screen")
def clear(arena: Arena) -> str:
    """Says, in every way that it has, what clears the screen and sets the title of the window."""
    return spoken(arena, CLEAR + TITLE, "a cleared screen, a new title")


@attack("terminal/write-the-clipboard")
def clipboard(arena: Arena) -> str:
    """Says what puts a command into the clipboard (OSC 52), and a link that shows another address (OSC 8)."""
    return spoken(arena, CLIPBOARD + LINK, "OSC 52, OSC 8")


@attack("terminal/eight-bit-controls")
def c1(arena: Arena) -> str:
    """Says the same in one-byte controls (C1), which no search for ESC finds."""
    return spoken(arena, C1 + ODD, "CSI, OSC and ST of C1, NUL, DEL, NEL")


@attack("terminal/turn-text-around")
def bidi(arena: Arena) -> str:
    """Says what shows `exe.txt` for `txt.exe`."""
    return spoken(arena, BIDI, "overrides and isolates of direction")


@attack("terminal/invisible-text")
def invisible(arena: Arena) -> str:
    """Says characters of no width, and a text in tags that nobody sees."""
    return spoken(arena, INVISIBLE, "characters without width, tags, soft hyphens")


@attack("terminal/forged-log-lines")
def forged(arena: Arena) -> str:
    """Logs a text with a line feed, and behind it what looks like a line of the host."""
    file = arena.file("text")
    file.write_bytes(FORGED.encode())
    ran = arena.plugline("call", "--command", " ".join(as_plugin(say_forged, file)), "t.go")
    lines = ran.err.decode().splitlines()
    arena.holds(
        "no line begins as the plugin wanted",
        not [each for each in lines if each.startswith(("[error] forged", "error: forged"))],
        ran.text,
    )
    arena.holds("the text is there, as text", "\\u{a}[error] forged" in ran.text, ran.text)
    arena.bites("printed as it is, it is a line of its own", "\n[error] forged" in FORGED)
    return "a line feed within a text is written out: one event is one line"


def say_forged(file: str) -> None:
    text = text_of(file)
    greet()
    request = called()
    notify("rpc.log", {"level": "info", "message": text, "target": text, "fields": {"x": text, text: 1}})
    refuse(request, 1, text, text)
    behave()


def is_long() -> None:
    greet()
    request = called()
    notify("rpc.log", {"level": "error", "message": "x" * 4_000_000})
    refuse(request, 1, "y" * 4_000_000, "z" * 4_000_000)
    behave()


@attack("terminal/four-million-characters")
def long_text(arena: Arena) -> str:
    """Logs four million characters, and answers with an error as long, with data as long."""
    ran = arena.plugline("call", "--command", " ".join(as_plugin(is_long)), "t.go")
    arena.holds("what is shown is short", len(ran.err) < 30_000, len(ran.err))
    arena.holds("it says how long it was", b"bytes more" in ran.err, ran.err[:300])
    whole = arena.call(is_long)
    arena.holds("programs are told all of it", len(str(whole.report.get("message"))) == 4_000_000)
    return f"of a text 4 KiB are shown: {len(ran.err)} bytes in all on standard error"


def describes(file: str) -> None:
    text = text_of(file)
    schema = {"type": "string", "description": text, "title": text, "enum": [text], "default": text}
    document = {
        "openrpc": "1.3.2",
        "info": {"title": text, "version": text, "description": text},
        "methods": [
            {
                "name": "t.go", "description": text, "paramStructure": "by-name",
                "params": [{"name": text, "description": text, "schema": schema}],
                "result": {"name": text, "description": text, "schema": schema},
                "x-plugline": {"errors": [{"code": 1, "name": text, "message": text}]},
            }
        ],
        "components": {"schemas": {text: schema}},
        "x-plugline": {
            "protocol": [1], "provides": [{"contract": text, "version": text, "types": [text]}],
            "requires": [{"contract": text, "version": text}], "config": schema, "hostMethods": [], "instances": text,
        },
    }  # fmt: skip
    greet(document, plugin={"name": text, "version": text})
    behave()


@attack("terminal/poison-in-a-manifest", 60)
def poisoned_manifest(arena: Arena) -> str:
    """Has such text in every member of its manifest, for all commands that read one."""
    commands = [
        ["describe"], ["describe", "--format", "json"], ["describe", "--format", "markdown"], ["describe", "--format", "html"],
        ["doctor"], ["contract", "check"], ["--json", "doctor"], ["--json", "contract", "check"],
    ]  # fmt: skip
    file = arena.file("text")
    file.write_bytes("".join(POISON).encode())
    command = " ".join(as_plugin(describes, file))
    for words in commands:
        ran = arena.plugline(*words, "--command", command)
        clean(arena, f"`plugline {' '.join(words)}`", ran.out.decode() + ran.err.decode())
        clean(
            arena,
            f"`plugline {' '.join(words)}` on a terminal",
            on_terminal(arena, [PLUGLINE, *words, "--command", command]),
            OWN,
        )
    return f"`escape` in all that is printed: {len(commands)} commands"
