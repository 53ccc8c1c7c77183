"""Calls the rich contract, served in whatever language: `host.py COMMAND…`."""

from __future__ import annotations

import datetime
import sys
from typing import Any

import catalog as c
from plugline import Big, CallFailed, Error, Kind, RemoteError, host

told: list[str] = []


class Audit(c.Audit):
    def ask(self, *, question: str) -> str:
        if question == "nobody knows":
            raise c.Unknown(data="not even me")
        return f"{question}? Because."

    def told(self, *, what: str) -> None:
        told.append(what)


def same(found: Any, wanted: Any) -> None:
    assert found == wanted, f"{found!r}, not {wanted!r}"


def failure(call: Any) -> Any:
    try:
        call()
    except (CallFailed, Error) as fault:
        return fault
    raise AssertionError("it did not fail")


everything = c.Everything(
    entry=c.Entry(
        id="a-1",
        title="Ünïcode \u2028 \U0001f600",
        size=2**53 - 1,
        ratio=0.5,
        status=c.Status.N2ND_EDITION,
        owner=None,
        tags=["x"],
        labels={"k": "v"},
        history=[
            c.Created(by=c.Person(name="Ada", manager=c.Person(name="Bob"))),
            c.Moved(from_=["a"], to="b"),
            c.EventDeleted(),
        ],
        created=datetime.datetime(2024, 2, 29, 23, 59, 59, 123456, datetime.timezone(datetime.timedelta(0))),
        content=b"\x00\x01\x02\xff",
        serial=Big(2**64 - 1),
        balance=Big(-(2**127)),
        place=c.EntryPlace(x=1.5, y=-2.0, level=c.EntryPlaceLevel.ROOF),
        span=(1, "a"),
        anything={"deep": [1, None]},
    ),
    shape=c.ShapeValue(
        group=[c.ShapeName.POINT, c.ShapeValue(circle=c.ShapeCircle(radius=1.0)), c.ShapeValue(polygon=[(0.0, 1.0)])]
    ),
    amounts=[1, "two", c.Measured(value=3.0, unit="m"), [4]],
    tree={"a": {"b": {}}},
    blobs={"x": b"\x01"},
    big=Big(-(10**40)),
    moment=datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
    words=c.Words(type="t", class_="c", self_="s", n3d=True, with_space="w"),
    unnameable={'"quoted"': "q", "": "e"},
    maybe=[None, c.EventDeleted(reason="r")],
    statuses={"a": c.Status.IN_REVIEW},
    small=255,
)

command = sys.argv[1:]
missing = failure(lambda: host.Plugin.start(["/nowhere/at-all"]))
same(missing.kind, Kind.SPAWN_FAILED)
declined = failure(lambda: host.Plugin.start(command, config={"refuse": "no GPU here"}))
same(declined.kind, Kind.DECLINED)
misconfigured = failure(lambda: host.Plugin.start(command, config={"greeting": 7}))
same(misconfigured.kind, Kind.INVALID_CONFIG)

with host.Plugin.start(command, serve=[Audit()]) as plugin:
    catalog = plugin.client(c.Catalog)
    same(catalog.echo(everything=everything), everything)

    assert isinstance(failure(lambda: catalog.fail(how=c.FailHow.NOT_FOUND)), c.NotFound)
    conflict = failure(lambda: catalog.fail(how=c.FailHow.CONFLICT))
    same(conflict.data, c.ConflictData(revision=7, by=c.Person(name="Ada")))
    same(failure(lambda: catalog.fail(how=c.FailHow.BUSY)).data, 3)
    panic = failure(lambda: catalog.fail(how=c.FailHow.PANIC))
    assert isinstance(panic, RemoteError)
    same(panic.code, -32603)

    same(catalog.find(id="abc", limit=5), ["abc", "limit=5", "after=absent"])
    same(sum(catalog.count(n=20_000)), 20_000 * 19_999 // 2)
    counting = catalog.count(n=1_000_000)
    assert isinstance(counting, host.Stream)
    with counting:
        assert 3 in counting
    plugin.ping()
    same(catalog.sum(iter(range(20_000))), 20_000 * 19_999 // 2)
    conversion = catalog.convert(iter(range(20_000)), factor=3)
    same(list(conversion), [3 * number for number in range(20_000)])
    sizes = [0, 3, 100_000, 100_000, 100_000, 100_000, 100_000]
    same([len(blob) for blob in catalog.blobs(sizes=sizes)], sizes)

    assert catalog.wait(ms=1)
    late = failure(lambda: plugin.call("catalog.wait", {"ms": 600_000}, timeout=0.05))
    assert isinstance(late, CallFailed)
    # Both look at the clock: the plugin may have answered that it is late.
    assert late.kind is Kind.TIMEOUT or isinstance(late, RemoteError) and late.code == -32005, repr(late)

    catalog.note(text="first")
    catalog.note(text="second")
    same(catalog.notes(), ["first", "second"])
    same(catalog.relay(question="why"), "why? Because.")
    same(told, ["asking why"])
    unknown = failure(lambda: catalog.relay(question="nobody knows"))
    assert isinstance(unknown, RemoteError), repr(unknown)
    same(unknown.code, 7)
    catalog.print(text="printed by a plugin")
    same(catalog.type(class_="a", max_items=3, self_="b", return_=True), "a 3 b true")

print("ok")
