"""Faults of JSON: what is taken for it, and what becomes of values."""

from __future__ import annotations

import ast
import json
import math
import re
import struct
import unicodedata
from collections.abc import Callable
from typing import Any

from plain.peer import Peer
from plain.wire import Writer

from .plant import Change, each_value, fault, line_out, pipe, refuse, result


def lenient(name: str, says: str, change: Callable[[bytes], bytes]) -> None:
    """Where a line does not decode, it is changed and tried again."""

    def decode(was: Any, it: Any, text: bytes) -> Any:
        try:
            return was(text)
        except ValueError:
            return was(change(text))

    fault(name, says, (Peer, "decode", decode))


def strict(name: str, says: str, refused: Callable[[bytes], Any]) -> None:
    fault(name, says, (Peer, "decode", lambda was, it, text: refuse() if refused(text) else was(text)))


def deaf(name: str, says: str, unheard: Callable[[bytes], Any]) -> None:
    """Lines that are not answered."""
    nothing = {"jsonrpc": "2.0", "method": "nobody.knows"}
    fault(name, says, (Peer, "decode", lambda was, it, text: nothing if unheard(text) else was(text)))


def spaces(text: bytes) -> bytes:
    return re.sub("[\x0b\x0c\x1c-\x1f\xa0]", " ", text.decode()).encode()


def evaluated(was: Any, it: Any, text: bytes) -> Any:
    try:
        return was(text)
    except ValueError:
        try:
            return ast.literal_eval(text.decode())
        except SyntaxError:
            return refuse()


def first_value(was: Any, it: Any, text: bytes) -> Any:
    try:
        return was(text)
    except ValueError:
        return json.JSONDecoder().raw_decode(text.decode())[0]


lenient(
    "json-trailing-commas-taken", "takes a comma before a closing bracket", lambda t: re.sub(rb",\s*([\]}])", rb"\1", t)
)
lenient(
    "json-bare-names-taken", "takes names without quotes", lambda t: re.sub(rb"([{,])\s*([a-z]\w*)\s*:", rb'\1"\2":', t)
)
lenient("json-single-quotes-taken", "takes single quotes", lambda t: t.replace(b"'", b'"'))
lenient("json-comments-taken", "takes comments", lambda t: re.sub(rb"/\*.*?\*/|//.*", b"", t))
lenient(
    "json-leading-zeros-taken", "takes numbers with leading zeros", lambda t: re.sub(rb"(?<=[:\[, -])0+(?=[0-9])", b"", t)
)
lenient("json-plus-taken", "takes numbers with a plus", lambda t: t.replace(b":+", b":"))
lenient(
    "json-bare-points-taken",
    "takes .5 and 5.",
    lambda t: re.sub(rb"([0-9])\.(?![0-9])", rb"\1.0", re.sub(rb":\.", b":0.", t)),
)
lenient(
    "json-hex-taken",
    "takes hexadecimal numbers",
    lambda t: re.sub(rb":0x([0-9A-F]+)", lambda m: b":%d" % int(m[1], 16), t),
)
lenient("json-underscores-taken", "takes underscores within numbers", lambda t: re.sub(rb"(?<=[0-9])_(?=[0-9])", b"", t))
lenient("json-nan-taken", "takes NaN", lambda t: t.replace(b":NaN", b":0"))
lenient("json-nan-lower-taken", "takes nan", lambda t: t.replace(b":nan", b":0"))
lenient("json-infinity-taken", "takes Infinity", lambda t: t.replace(b":Infinity", b":0").replace(b":-Infinity", b":0"))
lenient("json-words-in-any-case", "takes TRUE and True", lambda t: re.sub(rb":(true)", b":true", t, flags=re.IGNORECASE))
lenient("json-escapes-unchecked", "takes escapes that do not exist", lambda t: re.sub(rb'\\([^"\\/bfnrtu])', rb"\1", t))
lenient("json-raw-controls-taken", "takes control characters within text", lambda t: re.sub(rb"[\x00-\x1f]", b" ", t))
lenient("json-any-white-space", "takes every white space of Unicode", spaces)
lenient("json-found-in-text", "looks for the first bracket of a line", lambda t: t[max(0, t.find(b"{")) :])
fault("json-by-eval", "evaluates a line as a program", (Peer, "decode", evaluated))
fault("json-rest-ignored", "ignores what follows the first value of a line", (Peer, "decode", first_value))
strict("json-cr-refused", "takes a CR for no white space", lambda t: b"\r" in t)
strict("json-exponents-refused", "takes no exponents", lambda t: re.search(rb":[0-9]+[eE]", t))
fault(
    "json-comments-cut",
    "cuts off what follows two slashes",
    (Peer, "decode", lambda was, it, text: was(re.sub(rb"//.*", b"", text))),
)
strict("replacement-is-broken", "takes U+FFFD for broken UTF-8", lambda t: "\ufffd".encode() in t)
strict("spaces-refused", "takes compact JSON alone", lambda t: t.startswith(b" ") or b'" :' in t)
strict("members-in-order-only", "wants the id before the method", lambda t: 0 < t.find(b'"method"') < t.find(b'"id"'))
fault(
    "escaped-names-unread",
    "takes an escape in text for the text",
    (Peer, "decode", lambda was, it, text: was(text.replace(b"\\u", b"\\\\u"))),
)


def first_object(text: bytes) -> bytes:
    """To the bracket that seems to close the first."""
    depth = 0
    for at, byte in enumerate(text):
        depth += (byte in b"{[") - (byte in b"}]")
        if depth == 0:
            return text[: at + 1]
    return text


fault(
    "strings-by-search",
    "counts brackets within text",
    (Peer, "decode", lambda was, it, text: was(first_object(text) if text.startswith(b"{") else text)),
)
strict("quotes-by-search", "takes every quote after a backslash for an escaped one", lambda t: b'\\\\"' in t)


def found_by_search(was: Any, it: Any, text: bytes) -> Any:
    message = was(text)
    if isinstance(message, dict) and type(message.get("id")) is int and b"conf_host" not in text:
        others = [int(id) for id in re.findall(rb'"id": ?([0-9]+)', text) if int(id) != message["id"]]
        message["id"] = others[0] if others else message["id"]
    return message


fault("envelope-found-by-search", "searches a line for its id", (Peer, "decode", found_by_search))


def depth(value: Any) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if members is None else 1 + max(map(depth, members), default=0)


fault(
    "nesting-64",
    "takes values nested to level 64 alone",
    (Peer, "decode", lambda was, it, text: pipe(was(text), lambda value: refuse() if depth(value) > 64 else value)),
)
deaf("deep-nesting-not-answered", "does not answer what is nested too deep", lambda t: t.count(b"[") > 2000)
deaf("overflow-not-answered", "does not answer numbers beyond doubles", lambda t: b"1e400" in t)
deaf("digits-not-answered", "does not answer very long numbers", lambda t: re.search(rb"[0-9]{5000}", t))
deaf("lone-surrogate-not-answered", "does not answer lone surrogates", lambda t: re.search(rb"\\u[dD][89a-fA-F]", t))
fault(
    "utf8-replaced",
    "puts U+FFFD in place of broken UTF-8",
    (Peer, "decode", lambda was, it, text: was(text.decode(errors="replace").encode())),
)
fault(
    "utf8-surrogates-taken",
    "takes surrogates in UTF-8",
    (Peer, "decode", lambda was, it, text: json.loads(text.decode("utf-8", "surrogatepass"))),
)


def latin_1(was: Any, it: Any, text: bytes) -> Any:
    try:
        return was(text)
    except UnicodeDecodeError:
        return was(text.decode("latin-1").encode())


fault("utf8-as-latin-1", "takes bytes that are no UTF-8 for Latin-1", (Peer, "decode", latin_1))
fault(
    "text-normalised",
    "normalises text (NFC)",
    (Peer, "decode", lambda was, it, text: was(unicodedata.normalize("NFC", text.decode()).encode())),
)


def as_ascii(was: Any, it: Any, message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


fault(
    "lone-surrogates-sent",
    "sends lone surrogates on",
    (Peer, "decode", lambda was, it, text: json.loads(text)),
    (Writer, "encode", as_ascii),
)


def raw_value(was: Any, it: Any, text: bytes) -> Any:
    found = re.search(rb'"value":(.*)\}\}$', text)
    it.raw = found and found[1]
    return was(text)


fault(
    "same-names-sent",
    "sends a name twice within an object",
    (Peer, "decode", raw_value),
    (
        Peer,
        "response",
        lambda was, it, id, o: b'{"jsonrpc":"2.0","id":1,"result":%b}' % it.raw if it.raw else was(id, o),
    ),
)
fault("deep-nesting-sent", "sends values nested to any level", (Writer, "encode", as_ascii))


# Values on their way through.


def numbers(kind: type, change: Callable[[Any], Any]) -> Change:
    return each_value(lambda value: change(value) if type(value) is kind else value)


def wrapped(value: int) -> int:
    return (value + 2**52) % 2**53 - 2**52


def single(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return value


fault("integers-32-bits", "keeps 32 bits of integers", numbers(int, lambda value: (value + 2**31) % 2**32 - 2**31))
fault(
    "integers-17-digits",
    "rounds large integers",
    numbers(int, lambda value: round(value, -2) if abs(value) > 2**52 else value),
)
fault("integers-too-large-sent", "sends integers beyond 2^53 - 1", (Writer, "encode", as_ascii))
fault("integers-wrap", "wraps integers beyond 2^53 - 1 around", numbers(int, wrapped))
fault("doubles-truncated", "drops fractions", numbers(float, int))
fault("doubles-single-precision", "keeps numbers in 32 bits", numbers(float, single))
fault(
    "doubles-6-digits",
    "writes six digits of numbers",
    numbers(float, lambda value: float(f"{value:.6g}") if abs(value) < 1e300 else 1e300),
)
fault(
    "doubles-fixed-point",
    "writes six decimals of numbers",
    numbers(float, lambda value: value if math.isinf(value) else float(f"{value:.6f}")),
)
fault("falsy-result-null", "answers null for 0, false and empty text", result(lambda value: value or None))
fault("empty-list-null", "sends null for an empty list", each_value(lambda value: None if value == [] else value))
fault(
    "empty-object-list", "sends an empty list for an empty object", each_value(lambda value: [] if value == {} else value)
)


def members(change: Callable[[str, Any], Any]) -> Change:
    """Which members of objects stay, and under which name."""
    return each_value(
        lambda value: (
            {change(n, v): v for n, v in value.items() if change(n, v) is not None} if isinstance(value, dict) else value
        )
    )


fault("null-members-dropped", "drops members that are null", members(lambda name, value: None if value is None else name))
fault("empty-names-dropped", "drops members without a name", members(lambda name, value: name or None))
fault(
    "special-names-dropped",
    "drops members that are special to the language",
    members(lambda name, value: None if name in ("__proto__", "constructor") else name),
)
fault("names-lowercased", "lowers the case of names", members(lambda name, value: name.lower()))
fault(
    "lists-sorted",
    "sorts lists",
    each_value(lambda value: sorted(value) if isinstance(value, list) and all(type(i) is int for i in value) else value),
)
fault(
    "null-result-left-out",
    "leaves a null result out",
    line_out(lambda line: line.replace(b',"result":null', b"")),
)
fault(
    "meta-taken-everywhere",
    "takes _meta out of values too",
    members(lambda name, value: None if name == "_meta" else name),
)
