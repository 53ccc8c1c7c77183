"""Faults of framing: how bytes become lines, and lines bytes."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from plain.peer import OWN_LIMITS, Peer
from plain.wire import (
    INTERNAL,
    INVALID,
    LINE_BEFORE_HANDSHAKE,
    TOO_LARGE,
    Line,
    LineReader,
    Oversize,
    RpcError,
    Writer,
    encode,
)

from .plant import Change, do, each_value, end, ends, error, fault, line_out, pipe, put


def splits_also(mark: str) -> Change:
    return (LineReader, "split", lambda was, it, chunk: was(chunk.replace(mark.encode(), b"\n")))


fault("split-u2028", "ends a line at U+2028", splits_also("\u2028"))
fault("split-u2029", "ends a line at U+2029", splits_also("\u2029"))
fault("split-nel", "ends a line at U+0085", splits_also("\u0085"))
fault(
    "split-cr",
    "ends a line at a CR",
    (LineReader, "split", lambda was, it, chunk: was(chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))),
)
fault(
    "cr-refused",
    "takes the CR before the LF for a part of the line",
    (LineReader, "trimmed", lambda was, it, text, first: was(text + b"\0" if text.endswith(b"\r") else text, first)),
)
fault("blank-answered", "answers an empty line", (LineReader, "is_blank", lambda was, it, text: was(text or b"x")))
fault(
    "spaces-answered",
    "answers a line of spaces",
    (LineReader, "is_blank", lambda was, it, text: not text.strip(b"\t\r")),
)
fault("tabs-answered", "answers a line of tabs", (LineReader, "is_blank", lambda was, it, text: not text.strip(b" \r")))


def ends_at_blank(was: Any, it: Any, chunk: bytes) -> Any:
    if not chunk.startswith(b"\n") and b"\n\n" not in chunk:
        return was(chunk)
    it.read = lambda size: b""
    return was(b"" if chunk.startswith(b"\n") else chunk[: chunk.index(b"\n\n") + 1])


ends("blank-ends", "takes an empty line for the end of the input", (LineReader, "split", ends_at_blank))
fault(
    "bom-refused",
    "takes a BOM at the start for a part of the first line",
    (LineReader, "trimmed", lambda was, it, text, first: was(text, False)),
)
fault(
    "bom-anywhere",
    "drops a BOM from every line",
    (LineReader, "trimmed", lambda was, it, text, first: was(text, True)),
)


def terminated(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    left = [b"\n"]
    return lambda size: read(size) or (left.pop() if left else b"")


fault(
    "unterminated-served",
    "serves what the input ends with, though no LF ends it",
    (LineReader, "__init__", lambda was, it, read: was(terminated(read))),
)
fault(
    "read-is-line",
    "takes what one read gives for whole lines",
    (LineReader, "split", lambda was, it, chunk: [*was(chunk.removesuffix(b"\n")), b""]),
)
fault(
    "decodes-each-read",
    "decodes what one read gives, though a character may be cut",
    (LineReader, "split", lambda was, it, chunk: was(chunk.decode(errors="replace").encode())),
)
fault(
    "one-line-a-read",
    "serves the first line of what one read gives, and forgets the others",
    (
        LineReader,
        "split",
        lambda was, it, chunk: pipe(was(chunk), lambda pieces: [*pieces[:1], *pieces[-1:]] if pieces[1:] else pieces),
    ),
)


def holds(lines: int) -> Change:
    """Keeps so many lines back, but for the first that is written."""

    def write(was: Any, it: Any, line: bytes) -> None:
        held = it.__dict__.setdefault("held", None)
        if held is None:
            it.held = []
            was(line)
            return
        it.held.append(line)
        if len(held) > lines:
            was(held.pop(0))

    return (Writer, "write", write)


fault("flush-forgotten", "keeps what it writes in a buffer", holds(1000))
fault("answer-one-late", "writes a message when the next one is there", holds(1))
fault("crlf-out", "ends lines in CR LF", line_out(lambda line: line + b"\r"))
fault("bom-out", "begins lines with a BOM", line_out(lambda line: b"\xef\xbb\xbf" + line))
fault(
    "pretty-out",
    "writes a message over several lines",
    line_out(lambda line: json.dumps(json.loads(line), indent=1).encode()),
)
fault("latin1-out", "writes Latin-1", line_out(lambda line: line.decode().encode("latin-1", "replace")))
fault("escapes-by-hand", "does not escape backslashes", line_out(lambda line: line.replace(b"\\\\", b"\\")))
fault(
    "raw-controls-out",
    "does not escape control characters",
    line_out(lambda line: re.sub(rb"\\u00([01][0-9a-f])", lambda m: bytes([int(m[1], 16)]), line)),
)
fault(
    "surrogates-out",
    "writes characters beyond 16 bits as two surrogates of three bytes each",
    line_out(lambda line: b"".join(utf8_by_units(c) for c in line.decode())),
)


def utf8_by_units(character: str) -> bytes:
    units = character.encode("utf-16-be")
    pairs = [units[at : at + 2].decode("utf-16-be", "surrogatepass") for at in range(0, len(units), 2)]
    return "".join(pairs).encode("utf-8", "surrogatepass")


def torn(was: Any, it: Any, line: bytes) -> None:
    half = len(line) // 2 if len(line) > 1000 else 0
    it.put(line[:half])
    time.sleep(0.1 if half else 0)
    it.put(line[half:] + b"\n")


fault("torn-lines", "writes a long line in two parts, and others between them", (Writer, "write", torn))


def short(was: Any, it: Any, data: Any) -> int:
    os.set_blocking(it.fd, False)
    try:
        was(data)
    except BlockingIOError:
        pass
    return len(data)


def whole_or_not(was: Any, it: Any, line: bytes) -> None:
    os.set_blocking(it.fd, False)
    try:
        it.put(line + b"\n")
    except BlockingIOError:
        pass


fault("short-write", "does not write the rest of what a full pipe did not take", (Writer, "put", short))
fault("answers-dropped-when-busy", "drops a message when the pipe is full", (Writer, "write", whole_or_not))


# Limits.


def limit(change: Callable[[int], int]) -> Change:
    """The line limit once the handshake is done."""

    def initialize(was: Any, it: Any, *args: Any) -> None:
        was(*args)
        it.reader.limit = change(it.reader.limit)

    return (Peer, "initialize", initialize)


def first_limit(value: int) -> Change:
    return (LineReader, "__init__", lambda was, it, read: do(was(read), put(it, "limit", value), None))


def on_oversize(then: Callable[[Any, Any], Any]) -> Change:
    return (Peer, "on_oversize", lambda was, it, line: then(it, line))


def too_large(line: Any) -> RpcError:
    return RpcError(TOO_LARGE, {"limit": line.limit, "size": line.size})


fault("limit-off-by-one", "takes a line of one byte more than it declares", limit(lambda bytes_: bytes_ + 1))
fault("limit-none", "has no line limit", limit(lambda bytes_: 1 << 40))
fault("limit-strict", "refuses a line of exactly its limit", limit(lambda bytes_: bytes_ - 1))
fault("limit-64k", "takes lines of 64 KiB, whatever it declares", limit(lambda bytes_: 65535))
fault("limit-early", "has its own limit before the handshake", first_limit(OWN_LIMITS["maxLineBytes"]))
fault("limit-none-before", "has no line limit before the handshake", first_limit(1 << 40))
fault(
    "limit-echoes-id",
    "answers a line that is too long with an id",
    on_oversize(lambda it, line: it.respond(1, too_large(line))),
)
fault(
    "limit-code",
    "answers a line that is too long with -32600",
    on_oversize(lambda it, line: it.respond(None, RpcError(INVALID, {"limit": line.limit}))),
)
fault(
    "limit-no-data",
    "does not say which limit a line is over",
    on_oversize(lambda it, line: it.respond(None, RpcError(TOO_LARGE))),
)
ends("limit-ends", "exits at a line that is too long", on_oversize(lambda it, line: end()))
fault(
    "cr-not-counted",
    "counts a line without its CR",
    (LineReader, "split", lambda was, it, chunk: [piece.removesuffix(b"\r") for piece in was(chunk)]),
)
fault(
    "oversize-answered-twice",
    "answers a line that is too long twice",
    on_oversize(lambda it, line: do(it.respond(None, too_large(line)), it.respond(None, too_large(line)))),
)


def second_ends(it: Any, line: Any) -> None:
    it.respond(None, too_large(line))
    it.oversizes = it.__dict__.get("oversizes", 0) + 1
    if it.oversizes == 2:
        end()


ends("second-oversize-ends", "exits at the second line that is too long", on_oversize(second_ends))


def full_buffer_is_line(was: Any, it: Any) -> Iterator[Any]:
    held = b""
    while chunk := it.read(65536):
        *ended, held = (held + chunk).split(b"\n")
        for piece in ended:
            if not it.is_blank(piece):
                yield Oversize(it.limit, len(piece)) if len(piece) > it.limit else Line(piece, len(piece) + 1)
        if len(held) >= it.limit:
            yield Oversize(it.limit, len(held))
            held = b""


fault(
    "oversize-tail-served", "takes what follows a full buffer for a new line", (LineReader, "lines", full_buffer_is_line)
)


def unchecked(it: Any, id: Any, outcome: Any) -> bytes:
    body = {"error": outcome.body()} if isinstance(outcome, RpcError) else {"result": outcome}
    return encode({"jsonrpc": "2.0", "id": id, **body})


def long_answer(then: Callable[[Any, Any, RpcError], Any]) -> Change:
    """What becomes of an answer that is too long."""

    def respond(was: Any, it: Any, id: Any, outcome: Any) -> None:
        line = unchecked(it, id, outcome)
        if len(line) <= it.writer.limit:
            was(id, outcome)
        else:
            then(it, id, RpcError(TOO_LARGE, {"limit": it.writer.limit, "size": len(line)}))

    return (Peer, "respond", respond)


def limit_of_answers(off: int) -> Change:
    """Answers but the first have another limit; what is said of it is right."""

    def response(was: Any, it: Any, id: Any, outcome: Any) -> Any:
        line, limit = unchecked(it, id, outcome), it.writer.limit
        if len(line) <= limit + off or limit == LINE_BEFORE_HANDSHAKE:
            return line
        return unchecked(it, id, RpcError(TOO_LARGE, {"limit": limit, "size": len(line)}))

    return (Peer, "response", response)


fault(
    "long-answer-sent",
    "sends answers of any length",
    (Peer, "response", lambda was, it, id, outcome: unchecked(it, id, outcome)),
)
fault(
    "long-error-sent",
    "sends errors of any length",
    (Peer, "response", lambda was, it, id, o: unchecked(it, id, o) if isinstance(o, RpcError) else was(id, o)),
)
fault(
    "long-answer-no-size",
    "does not say how long an answer was",
    long_answer(lambda it, id, e: it.writer.write(it.response(id, RpcError(TOO_LARGE, {"limit": e.data["limit"]})))),
)
fault(
    "long-answer-null-id",
    "does not say whose answer is too long",
    long_answer(lambda it, id, e: it.writer.write(it.response(None, e))),
)
fault(
    "long-answer-internal",
    "answers -32603 where an answer is too long",
    long_answer(lambda it, id, e: it.writer.write(it.response(id, RpcError(INTERNAL)))),
)
fault("long-answer-by-one-sent", "sends answers that are a byte too long", limit_of_answers(1))
fault("answer-lf-counted", "counts the LF of an answer against the limit", limit_of_answers(-1))
fault("long-answer-dropped", "does not answer where an answer is too long", long_answer(lambda it, id, e: None))


def own_limit(change: Callable[[int], int]) -> Change:
    def initialize(was: Any, it: Any, *args: Any) -> None:
        was(*args)
        it.writer.limit = change(it.writer.limit)

    return (Peer, "initialize", initialize)


fault("answer-limit-low", "sends no line of more than half of what the host takes", own_limit(lambda bytes_: bytes_ // 2))
fault("answer-limit-1-mib", "keeps to 1 MiB after the handshake", own_limit(lambda bytes_: min(bytes_, 1 << 20)))


def any_length(when: Callable[[Any], bool]) -> Change:
    def line(was: Any, it: Any, message: Any, limit: int | None = None) -> Any:
        return it.encode({"jsonrpc": "2.0", **message}) if when(message) else was(message, limit)

    return (Writer, "line", line)


fault("long-callback-sent", "sends callbacks of any length", any_length(lambda m: "method" in m and "id" in m))
fault("long-log-sent", "sends log lines of any length", any_length(lambda m: m.get("method") == "rpc.log"))
fault(
    "long-log-fails",
    "fails a call whose log line is too long",
    (
        Peer,
        "notify",
        lambda was, it, method, params: it.writer.write(it.writer.line({"method": method, "params": params})),
    ),
)


# Text, on its way through.


def text(change: Callable[[str], Any]) -> Change:
    return each_value(lambda value: change(value) if isinstance(value, str) else value)


def html(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;")


fault("text-trimmed", "trims text", text(str.strip))
fault("text-lines-changed", "changes CR LF within text to LF", text(lambda value: value.replace("\r\n", "\n")))
fault("text-ends-at-nul", "ends text at U+0000", text(lambda value: value.split("\0")[0]))
fault(
    "text-16-bits",
    "loses characters beyond 16 bits",
    text(lambda value: "".join(c if c < "\U00010000" else "\ufffd" for c in value)),
)
fault("text-bom-dropped", "drops U+FEFF from the start of text", text(lambda value: value.removeprefix("\ufeff")))
fault("text-html", "escapes text for HTML", text(html))
fault(
    "text-of-digits-is-number",
    "turns text of digits into a number",
    text(lambda value: int(value) if value.isdigit() else value),
)
fault("text-cut", "cuts text at 32 KiB", text(lambda value: value[:32768]))
fault(
    "error-message-generic",
    "replaces the messages of applications",
    error(lambda e: RpcError(e.code, e.data, "failed") if e.code > -32000 else e),
)
