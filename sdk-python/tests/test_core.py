"""The parts without I/O: framing, envelope, encoding, lifecycle, credit, faults."""

from __future__ import annotations

import random
from typing import Any, Literal

import msgspec
import pytest

from plugline import _encode
from plugline._codes import WireError, too_large
from plugline._credit import Credit, Taken
from plugline._encode import Unsendable, sound
from plugline._envelope import Malformed, Notification, Request, Response, Wrong, classify
from plugline._faults import faults_of, pointer
from plugline._flow import Inlet, Outlet, Sent, Stage, StreamFault
from plugline._frame import Skipped, Splitter
from plugline._messages import CallMeta, Limits, Phase, read_meta
from plugline._text import escape, quote
from plugline.host._event import Events, Stderr, Strays
from plugline.host._fit import compatible


def split(data: bytes, limit: int, seed: int) -> list[bytes | Skipped]:
    """All lines, fed in pieces of random sizes."""
    splitter, lines = Splitter(limit), []
    source = random.Random(seed)
    at = 0
    while at < len(data):
        size = source.choice((1, 2, 7, 64))
        splitter.feed(data[at : at + size])
        at += size
        while (line := splitter.next()) is not None:
            lines.append(line)
        assert sum(map(len, splitter._parts)) <= limit
    return lines


@pytest.mark.parametrize("seed", range(20))
def test_lines_do_not_depend_on_chunks(seed: int) -> None:
    data = b"\xef\xbb\xbfone\n\n\xef\xbb\xbftwo\r\n" + b"x" * 100 + b"\n" + b"y" * 101 + b"\n" + b"z" * 500 + b"\nlast"
    assert split(data, 100, seed) == [
        b"one", b"", b"\xef\xbb\xbftwo\r", b"x" * 100, Skipped(100, 101), Skipped(100, 500),
    ]  # fmt: skip


def test_a_bom_and_a_cr_count() -> None:
    assert split(b"\xef\xbb\xbf" + b"x" * 98 + b"\n", 100, 0) == [Skipped(100, 101)]
    assert split(b"\xef\xbb\xbf" + b"x" * 97 + b"\n", 100, 0) == [b"x" * 97]
    assert split(b"x" * 100 + b"\r\n", 100, 0) == [Skipped(100, 101)]


def test_the_limit_changes_between_lines() -> None:
    splitter = Splitter(5)
    splitter.feed(b"12345\n123456\n123456\n")
    assert splitter.next() == b"12345"
    splitter.limit = 6
    assert splitter.next() == b"123456"
    assert splitter.has_line()
    splitter.feed(b"7")
    assert splitter.next() == b"123456"
    assert splitter.next() is None
    assert not splitter.is_over


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"a.b"}', Request),
        (b'{"jsonrpc":"2.0","id":"","method":"a.b","params":[]}', Request),
        (b' {"jsonrpc":"2.0","method":"a.b"} \r', Notification),
        (b'{"jsonrpc":"2.0","id":1,"result":null}', Response),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m","more":1}}', Response),
        (b" \t\r", type(None)),
        (b"", type(None)),
    ],
)
def test_messages(line: bytes, kind: type) -> None:
    assert type(classify(line)) is kind


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b"x", Wrong.PARSE), (b"{", Wrong.PARSE), (b"[1,", Wrong.PARSE), (b"[]", Wrong.NO_OBJECT), (b"1", Wrong.NO_OBJECT),
        (b"{}", Wrong.STRANGER), (b'{"params":{}}', Wrong.STRANGER), (b'{"jsonrpc":"2.0"}', Wrong.INVALID),
        (b'{"method":"a.b"}', Wrong.NOTIFICATION), (b'{"jsonrpc":"2.0","method":"a.b","params":null}', Wrong.NOTIFICATION),
        (b'{"jsonrpc":"2.0","method":5}', Wrong.INVALID), (b'{"jsonrpc":"2.0","id":1,"error":null}', Wrong.INVALID),
    ],
)  # fmt: skip
def test_what_is_no_message(line: bytes, wrong: Wrong) -> None:
    message = classify(line)
    assert isinstance(message, Malformed)
    assert message.wrong is wrong


def test_no_line_is_too_much() -> None:
    source = random.Random(1)
    base = b'{"jsonrpc":"2.0","id":1,"method":"a.b","params":{"x":[1,"\xc3\xa4",null]},"result":1.5e3}'
    for _ in range(3000):
        line = bytearray(base)
        for _ in range(source.randrange(1, 6)):
            line[source.randrange(len(line))] = source.randrange(256)
        classify(bytes(line[: source.randrange(len(line) + 1)]))


def test_answers_that_are_too_long() -> None:
    short = _encode.response("i", b"1", 100)
    assert short == b'{"jsonrpc":"2.0","id":"i","result":1}\n'
    exact = len(short) - 1
    assert _encode.response("i", b"1", exact) == short
    too_long = msgspec.json.decode(_encode.response("i", b"1", exact - 1))
    assert too_long["error"]["data"] == {"limit": exact - 1, "size": exact}
    error = WireError(1, "x" * 100)
    assert b"-32007" in _encode.failure(1, error, 50)
    assert too_large(1, 2).data == {"limit": 1, "size": 2}


@pytest.mark.parametrize(
    "text", [b"9007199254740991", b"-9007199254740991", b'"9007199254740993"', b"1e300", b"9007199254740993.5", b'"a\\"9007199254740993"']
)  # fmt: skip
def test_numbers_that_survive(text: bytes) -> None:
    assert sound(text, 1) == text


@pytest.mark.parametrize("text", [b"9007199254740992", b"[-9007199254740992]", b'{"a\\\\":12345678901234567890}'])
def test_numbers_that_do_not(text: bytes) -> None:
    with pytest.raises(Unsendable):
        sound(text, 1)


def test_nesting() -> None:
    assert sound(b"[" * 99 + b"]" * 99, 1)
    with pytest.raises(Unsendable):
        sound(b"[" * 100 + b"]" * 100, 1)
    assert sound(b"[" + b"[]," * 200 + b"[]]", 1), "many, but not deep"


def test_meta() -> None:
    def read(text: bytes) -> CallMeta:
        return read_meta(msgspec.Raw(text), text)

    assert read(b'{"_meta":{"deadlineMs":1500,"parent":"p","traceparent":"t","x":1}}') == CallMeta(1.5, "p", "t")
    for ill in (b'{"_meta":5}', b'{"_meta":[]}', b'{"_meta":{"deadlineMs":-1,"parent":1.5,"traceparent":[]}}', b"{}"):
        assert read(ill) == CallMeta()


@pytest.mark.parametrize(
    ("phase", "refused"),
    [
        (Phase.NEW, {"a.b": -32000, "rpc.reboot": -32000}),
        (Phase.INITIALIZING, {"a.b": -32000, "rpc.reboot": -32000, "rpc.initialize": -32600}),
        (Phase.READY, {"rpc.initialize": -32600}),
        (Phase.CLOSING, {"a.b": -32003, "rpc.initialize": -32003, "rpc.discover": -32003, "rpc.shutdown": -32003,
                         "rpc.reboot": -32003}),
    ],
)  # fmt: skip
def test_phases(phase: Phase, refused: dict[str, int]) -> None:
    """MSG-29, LIFE-6, LIFE-17, LIFE-36."""
    for method in ("a.b", "rpc.initialize", "rpc.discover", "rpc.shutdown", "rpc.ping", "rpc.reboot"):
        error = phase.refuses(method)
        assert (error.code if error else None) == refused.get(method), method


def test_limits() -> None:
    assert Limits().checked().max_in_flight == 64
    for low in ({"max_line_bytes": 65535}, {"max_in_flight": 0}, {"max_depth": 0}, {"stream_window_bytes": 65535}):
        with pytest.raises(msgspec.ValidationError):
            Limits(**low).checked()


def test_credit() -> None:
    credit = Credit(100)
    assert credit.spend(99)
    assert credit.spend(80)
    assert not credit.spend(1)
    credit.give(79)
    assert not credit.spend(1)
    credit.give(1)
    assert credit.spend(1)
    taken = Taken(101)
    assert [taken.count(n) for n in (49, 1, 49, 1000)] == [0, 50, 0, 1049]


@pytest.mark.parametrize("seed", range(10))
def test_both_ends_of_a_stream_agree(seed: int) -> None:
    """A sender that keeps the rules is never found to break them, what is under way is bounded, nothing halts."""
    source = random.Random(seed)
    window = 1000
    outlet, inlet = Outlet(window), Inlet(window)
    wire: list[int] = []
    grants: list[int] = []
    for _ in range(3000):
        match source.randrange(4):
            case 0:
                line = source.randrange(20, source.choice((30, window)))
                if outlet.spend(line) is Sent.YES:
                    wire.append(line)
            case 1 if wire:
                count = source.randrange(0, 3)
                if grant := inlet.put([msgspec.Raw(b"1")] * count, wire.pop(0)):
                    grants.append(grant)
            case 2:
                if (taken := inlet.take()) is not None and taken[1]:
                    grants.append(taken[1])
            case 3 if grants:
                outlet.give(grants.pop(0))
        held = sum(beyond + 2 * len(items) for items, beyond in inlet._lines)
        assert sum(wire) + held < 2 * window
        if not wire and not held and not grants:
            assert outlet.has_news


def test_what_an_inlet_refuses() -> None:
    inlet = Inlet(100)
    with pytest.raises(StreamFault):
        inlet.put([], 101)
    one = [msgspec.Raw(b"1")]
    inlet.put(one, 99)
    inlet.put(one, 100)
    with pytest.raises(StreamFault):
        inlet.put(one, 1)
    inlet.to(Stage.COMPLETE)
    with pytest.raises(StreamFault):
        inlet.put(one, 1)
    inlet.to(Stage.ENDED)
    assert inlet.put(one, 1) == 0
    assert inlet.take() is None


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class Outer(msgspec.Struct):
    inner: Inner
    many: dict[str, list[Inner]] = {}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({}, "/inner"),
        ({"inner": {}}, "/inner/name"),
        ({"inner": {"name": 1}}, "/inner/name"),
        ({"inner": {"name": "x", "a/b~c": 1}}, "/inner/a~1b~0c"),
        ({"inner": {"name": "x"}, "many": {"a": [], "b/c": [{"name": "x"}, {"name": 5}]}}, "/many/b~1c/1/name"),
        ({"inner": {"name": "x"}, "many": {"a": 1}}, "/many/a"),
        ([], ""),
    ],
)
def test_faults_are_pointers(value: Any, path: str) -> None:
    decode = msgspec.json.Decoder(Outer).decode
    raw = msgspec.json.encode(value)
    with pytest.raises(msgspec.ValidationError) as raised:
        decode(raw)
    assert faults_of(raised.value, raw, decode)[0].path == path
    assert pointer(["a/b", 0, "~"]) == "/a~1b/0/~0"


@pytest.mark.parametrize("of", [Literal["a"], dict[str, Literal["a"]], int, bytes])
def test_a_fault_does_not_quote_the_value(of: Any) -> None:
    raw = b'{"a":"hunter2"}' if of not in (Literal["a"], int, bytes) else b'"hunter2 - at `$.x`"'
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.json.decode(raw, type=of)
    (fault,) = faults_of(raised.value, msgspec.Raw(raw), lambda key: None)
    assert "hunter2" not in fault.message


def test_text_is_made_safe() -> None:
    assert escape(b"\x1b]0;x\x07 \xc2\x9b \xff \xe2\x80\xae\t.") == "\\u{1b}]0;x\\u{7} \\u{9b} \\xff \\u{202e}\t."
    assert quote(b"x" * 300) == "x" * 200 + "…"


def test_events_are_bounded() -> None:
    events = Events()
    for _ in range(1000):
        events.put(Stderr("x" * 100_000))
    assert 9 <= len(list(events)) <= 11
    assert events.dropped >= 989
    strays = Strays()
    told = [strays.admit(0.5) for _ in range(1000)]
    assert sum(held is not None for held in told) == 20
    assert strays.admit(1.5) == 980


@pytest.mark.parametrize(
    ("asked", "provided", "fits"),
    [
        ("1.2.0", "1.2.0", True), ("1.2.0", "1.10.0", True), ("1.2.0", "1.1.9", False), ("1.2.0", "2.0.0", False),
        ("0.2.0", "0.2.5", True), ("0.2.0", "0.3.0", False), ("0.0.1", "0.0.2", False), ("1.0.0", "1.0.0+x", True),
    ],
)  # fmt: skip
def test_versions(asked: str, provided: str, fits: bool) -> None:
    assert compatible(asked, provided) is fits
