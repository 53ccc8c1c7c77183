"""Sections 1 to 3 of SPEC.md, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from wire import PLUGINS, Wire


@pytest.fixture
def rough() -> Iterator[Wire]:
    with Wire(PLUGINS / "rough.py") as wire:
        wire.initialize(features=("progress",))
        yield wire
        wire.eof()
        wire.ends()


def echo(value: str, id: str = "1") -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"method":"rough.echo","params":{"value":%b}}' % (id.encode(), value.encode())


@pytest.mark.parametrize("char", ["\u0085", "\u2028", "\u2029", "\U0001f600", b"\r".decode()])
def test_lines_end_at_lf_alone(rough: Wire, char: str) -> None:
    """FRAME-6."""
    told = json.dumps(f"a{char}b", ensure_ascii=char == "\r")
    rough.raw(echo(told) + b"\n")
    assert rough.receive()["result"] == f"a{char}b"


def test_cr_white_space_and_chunks(rough: Wire) -> None:
    """FRAME-7, FRAME-8; and UTF-8 that is cut between reads."""
    rough.raw(b" \t\r\n\n" + echo('"x"') + b"\r\n")
    assert rough.receive()["result"] == "x"
    for byte in echo('"\u00e4\U0001f600"') + b"\n":
        rough.raw(bytes([byte]))
    assert rough.receive()["result"] == "\u00e4\U0001f600"
    rough.raw(b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"rpc.ping"}\n' % n for n in range(1, 200)))
    assert [rough.receive()["id"] for _ in range(1, 200)] == list(range(1, 200))


def test_a_bom_at_the_very_start_and_nowhere_else() -> None:
    """FRAME-9."""
    with Wire(PLUGINS / "rough.py") as wire:
        wire.raw(b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}\n')
        assert wire.receive() == {"jsonrpc": "2.0", "id": 1, "result": {}}
        wire.raw(b'\xef\xbb\xbf{"jsonrpc":"2.0","id":2,"method":"rpc.ping"}\n')
        assert wire.error() == (None, -32700)


def test_an_unterminated_line_is_discarded(rough: Wire) -> None:
    """FRAME-10; the fixture sees that nothing is answered."""
    rough.raw(echo('"never"'))


def test_a_line_over_the_limit(rough: Wire) -> None:
    """FRAME-11 to FRAME-15: as much as the limit is taken, a byte more is not, and 64 MiB cost no memory."""
    limit = 16 << 20
    around = len(echo('""'))
    rough.raw(echo('"' + "x" * (limit - around) + '"') + b"\n")
    assert len(rough.receive()["result"]) == limit - around
    rough.raw(echo('"' + "x" * (limit - around + 1) + '"') + b"\n")
    answer = rough.receive()
    assert answer["id"] is None
    assert answer["error"]["code"] == -32007
    assert answer["error"]["data"] == {"limit": limit, "size": limit + 1}
    for _ in range(64):
        rough.raw(b"y" * (1 << 20))
    rough.raw(b"\n" + echo("1") + b"\n")
    assert rough.receive()["error"]["data"]["size"] == 64 << 20
    assert rough.receive()["result"] == 1
    with open(f"/proc/{rough.process.pid}/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert peak < 200 << 10, f"{peak} KiB"


def test_a_line_of_the_handshake_is_short() -> None:
    """FRAME-12."""
    with Wire(PLUGINS / "rough.py") as wire:
        wire.raw(b'{"jsonrpc":"2.0","id":1,"method":"rpc.ping","params":{"x":"%b"}}\n' % (b"x" * (1 << 20)))
        assert wire.error() == (None, -32007)


def test_an_answer_over_the_limit() -> None:
    """FRAME-18."""
    with Wire(PLUGINS / "rough.py") as wire:
        wire.initialize(limits={"maxLineBytes": 1 << 16})
        answer = wire.call(1, "rough.fail", how="long")
        assert answer["code"] == -32007
        assert answer["data"] == {"limit": 1 << 16, "size": (2 << 20) + len('{"jsonrpc":"2.0","id":1,"result":""}')}


@pytest.mark.parametrize(
    ("line", "id", "code"),
    [
        (b"{", None, -32700),
        (b"nonsense", None, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"rough.echo","params":{"value":NaN}}', None, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"rough.echo","params":{"value":01}}', None, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"rough.echo","params":{"value":"\x01"}}', None, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"rough.echo","params":{"value":"\xff"}}', None, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"rough.echo","params":{"value":"\xed\xa0\x80"}}', None, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"rpc.ping"} {}', None, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"rough.echo","params":{"value":' + b"[" * 100_000 + b"}}", None, -32700),
        (b"[" * 100_000, None, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"\\udc00"}', None, -32700),
        (b"[]", None, -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}]', None, -32600),
        (b"[1,", None, -32700),
        (b"5", None, -32600),
        (b"null", None, -32600),
        (b"{}", None, -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"rpc.ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"rpc.ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":-1,"method":"rpc.ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":-0,"method":"rpc.ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1.0,"method":"rpc.ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1e2,"method":"rpc.ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1e999,"method":"rpc.ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":9007199254740992,"method":"rpc.ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"rpc.ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"rpc.ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":"' + b"x" * 257 + b'","method":"rpc.ping"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":"' + "ä".encode() * 129 + b'","method":"rpc.ping"}', None, -32600),
        (b'{"id":1,"method":"rpc.ping"}', 1, -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"rpc.ping"}', 1, -32600),
        (b'{"jsonrpc":2.0,"id":1,"method":"rpc.ping"}', 1, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":1}', 1, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"rpc.ping","params":null}', 1, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"rpc.ping","params":"x"}', 1, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"rpc.ping","params":[]}', 1, -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"rough.echo","params":[1]}', 1, -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"rpc.ping","result":1}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"rpc.ping","error":{}}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":""}}', None, -32600),
        (b'{"id":1,"result":1}', None, -32600),
        (b'{"jsonrpc":"2.0","id":null,"result":1}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"rpc.reboot"}', 1, -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"rpc.cancel","params":{"id":1}}', 1, -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"Rough.echo"}', 1, -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"rough.note","params":{"text":"x"}}', 1, -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":""}', 1, -32601),
    ],
)  # fmt: skip
def test_broken_lines(rough: Wire, line: bytes, id: Any, code: int) -> None:
    """MSG-4 to MSG-15, MSG-24, MSG-25, MSG-37, JSON-7 to JSON-9; and it lives on."""
    rough.raw(line + b"\n")
    assert rough.error() == (id, code)
    assert rough.call(7, "rough.echo", value=7) == 7


@pytest.mark.parametrize("id", [0, 1, 2**53 - 1, "", "1", "x" * 256, "ä" * 128, "\u2028", '"\\'])
def test_ids_are_echoed(rough: Wire, id: Any) -> None:
    """MSG-2, MSG-3, MSG-6, MSG-10."""
    rough.send(id=id, method="rpc.ping", extra=[1])
    answer = rough.receive()
    assert answer == {"jsonrpc": "2.0", "id": id, "result": {}}
    assert type(answer["id"]) is type(id)


def test_what_is_never_answered(rough: Wire) -> None:
    """MSG-26 to MSG-28, CALL-4."""
    for line in (
        b'{"jsonrpc":"2.0","method":"rough.note","params":{"text":"heard"}}',
        b'{"jsonrpc":"2.0","method":"rough.note","params":{"text":1}}',
        b'{"jsonrpc":"2.0","method":"rough.note","params":{"text":"fault"}}',
        b'{"jsonrpc":"2.0","method":"rough.note","params":[]}',
        b'{"jsonrpc":"2.0","method":"rough.note","params":null}',
        b'{"method":"rough.note","params":{"text":"without jsonrpc"}}',
        b'{"jsonrpc":"2.0","method":"rough.nobody"}',
        b'{"jsonrpc":"2.0","method":"rpc.shutdown"}',
        b'{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":99}}',
        b'{"jsonrpc":"2.0","method":"rpc.cancel","params":{}}',
        b'{"jsonrpc":"2.0","method":"rpc.input","params":{"id":99,"items":[1]}}',
        b'{"jsonrpc":"2.0","method":"rpc.outputCredit","params":{"id":99,"bytes":-1}}',
        b'{"jsonrpc":"2.0","id":99,"result":1}',
        b'{"jsonrpc":"2.0","id":99,"error":{"code":1,"message":"m"}}',
    ):
        rough.raw(line + b"\n")
    assert rough.call(1, "rough.notes") == ["heard"]


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({}, "/seconds"),
        ({"seconds": "x"}, "/seconds"),
        ({"seconds": 0, "a/b~": 1}, "/a~1b~0"),
        ({"seconds": 0, "call": 1}, "/call"),
    ],
)
def test_params_are_closed(rough: Wire, params: Any, path: str) -> None:
    """MSG-38, ERR-3."""
    answer = rough.call(1, "rough.sleep", **params)
    assert answer["code"] == -32602
    assert [fault["path"] for fault in answer["data"]["errors"]] == [path]


def test_meta_is_stripped(rough: Wire) -> None:
    """MSG-16 to MSG-20."""
    assert rough.call(1, "rough.echo", value={"_meta": 1}, _meta={"deadlineMs": "x", "unknown": 1}) == {"_meta": 1}
    meta: Any
    for meta in (5, None, [], {"parent": {}, "traceparent": 1, "deadlineMs": 1.5}):
        assert rough.call(1, "rough.echo", value=1, _meta=meta) == 1
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert rough.call(1, "rough.about", _meta={"traceparent": trace})["traceparent"] == trace
    left = rough.call(1, "rough.remaining", _meta={"deadlineMs": 60_000})
    assert 0 < left <= 60
    assert rough.call(1, "rough.remaining") is None


@pytest.mark.parametrize(
    "value", [0, -1, 2**53 - 1, 1 - 2**53, 0.1, 1e300, 1.0, "\u2028\x7f", [], {}, None, True, {"a": [{"b": None}]}]
)
def test_values_survive(rough: Wire, value: Any) -> None:
    """JSON-1, JSON-2."""
    assert rough.call(1, "rough.echo", value=value) == value


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("declared", 1), ("adhoc", 1), ("undeclared", -32603), ("params", -32602), ("exit", -32603),
        ("interrupt", -32603), ("surrogate", -32603), ("large", -32603), ("negative", -32603), ("nan", -32603),
        ("deep", -32603), ("unknown", -32603),
    ],
)  # fmt: skip
def test_handlers_that_fail(rough: Wire, how: str, code: int) -> None:
    """ERR-4, ERR-7, JSON-3, JSON-4, JSON-6."""
    answer = rough.call(1, "rough.fail", how=how)
    assert answer["code"] == code
    if how == "declared":
        assert answer == {"code": 1, "message": "refused", "data": {"reason": "no", "times": 1}}
    assert rough.call(2, "rough.echo", value=1) == 1


def test_what_is_at_the_edge_is_sent(rough: Wire) -> None:
    assert rough.call(1, "rough.fail", how="exact") == [2**53 - 1, -(2**53) + 1, "12345678901234567890", 1e300]
    assert rough.call(1, "rough.wrong_type")["code"] == -32603
    nested: Any = None
    for _ in range(99):
        nested = [nested]
    assert rough.call(1, "rough.echo", value=nested) == nested
    assert rough.call(1, "rough.echo", value=[nested])["code"] == -32603


def test_order_of_checks() -> None:
    """MSG-29: lifecycle, method, params."""
    with Wire(PLUGINS / "rough.py") as wire:
        wire.raw(b'{"jsonrpc":"2.0","id":1,"method":"rough.nobody","params":[]}\n')
        assert wire.error() == (1, -32000)
        wire.raw(b'{"jsonrpc":"2.0","id":1,"method":"rpc.reboot","params":[]}\n')
        assert wire.error() == (1, -32000)
        wire.raw(b'{"jsonrpc":"2.0","id":1,"method":"rpc.initialize","params":[]}\n')
        assert wire.error() == (1, -32602)
        wire.initialize()
        wire.raw(b'{"jsonrpc":"2.0","id":1,"method":"rpc.initialize","params":[]}\n')
        assert wire.error() == (1, -32600)
        wire.raw(b'{"jsonrpc":"2.0","id":1,"method":"rough.nobody","params":[]}\n')
        assert wire.error() == (1, -32601)
