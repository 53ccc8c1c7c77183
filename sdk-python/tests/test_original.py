"""A contract that was a document before it was a class: what is declared, and what is held to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest

from plugline import Contract, Plugin, RemoteError, contract, method
from plugline._contract import terms
from plugline._messages import InitializeResult
from plugline._shape import Misfit
from plugline._values import MOST_FAULTS, Values
from plugline.host._fit import misfit
from plugline.testing import check_examples, start

SMALL = {"type": "integer", "minimum": 1, "not": {"const": 6}}
DOCUMENT: dict[str, Any] = {
    "openrpc": "1.3.2",
    "info": {"title": "scale", "version": "1.0.0"},
    "methods": [
        {
            "name": "scale.double",
            "summary": "Twice as much.",
            "paramStructure": "by-name",
            "params": [{"name": "n", "required": True, "schema": {"$ref": "#/components/schemas/Gr%C3%B6%C3%9Fe"}}],
            "result": {"name": "doubled", "schema": SMALL},
            "examples": [
                {"name": "one", "params": [{"name": "n", "value": 1}], "result": {"name": "doubled", "value": 2}},
            ],
        },
        {
            "name": "scale.count",
            "paramStructure": "by-name",
            "params": [],
            "result": {"name": "none", "schema": {"type": "null"}},
            "x-plugline": {"output": SMALL},
        },
        {"name": "other.left", "paramStructure": "by-name", "params": [], "result": {"name": "r", "schema": {}}},
    ],
    "components": {"schemas": {"Größe": SMALL, "Book": {"type": "string"}}},
    "x-plugline": {
        "protocol": [1],
        "provides": [{"contract": "scale", "version": "1.0.0"}, {"contract": "other", "version": "1.0.0"}],
        "requires": [{"contract": "watch", "version": "1.0.0"}],
        "config": {"type": "object", "properties": {"limit": {"type": "integer"}}},
        "hostMethods": [{"name": "watch.seen", "paramStructure": "by-name", "params": []}],
        "instances": "many",
    },
}

AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


@contract("scale", "1.0.0", document=json.dumps(DOCUMENT))
class Scale(Contract):
    @method()
    def double(self, *, n: AtLeastOne) -> AtLeastOne:
        """Doubles."""
        raise NotImplementedError

    @method()
    def count(self) -> Iterator[AtLeastOne]:
        raise NotImplementedError


class Scales(Scale):
    def double(self, *, n: int) -> int:
        return 2 * n

    def count(self) -> Iterator[int]:
        yield from range(1, 8)


class Book(msgspec.Struct):
    title: str


def plugin() -> Plugin:
    made = Plugin("scales", version="0.1.0", provides={"own": "1.0.0"}).provide(Scales)

    @made.method("own.book")
    def book(book: Book) -> Book:
        return book

    return made


def test_what_stands_in_the_document_is_declared() -> None:
    manifest = plugin().manifest()
    assert manifest["methods"][1:] == DOCUMENT["methods"][:2]
    own, wanted = manifest["x-plugline"], DOCUMENT["x-plugline"]
    assert [own[name] for name in ("config", "requires", "hostMethods", "instances")] == [
        wanted[name] for name in ("config", "requires", "hostMethods", "instances")
    ]
    assert own["provides"] == [{"contract": "own", "version": "1.0.0"}, wanted["provides"][0]]
    # A type of the same name as a schema of the document is another.
    assert manifest["components"]["schemas"]["Book"] == {"type": "string"}
    assert manifest["methods"][0]["result"]["schema"]["$ref"] == "#/components/schemas/BookMade"
    assert manifest["components"]["schemas"]["BookMade"]["type"] == "object"


def refused(code: int, call: Any) -> Any:
    with pytest.raises(RemoteError) as caught:
        call()
    assert caught.value.code == code, caught.value
    return caught.value.error.data


def test_what_passes_is_held_to_it() -> None:
    with start(plugin()) as running:
        check_examples(plugin())
        assert running.call("scale.double", {"n": 2}) == 4
        faults = refused(-32602, lambda: running.call("scale.double", {"n": 6}))
        assert [fault["path"] for fault in faults["errors"]] == ["/n"]
        refused(-32602, lambda: running.call("scale.double", {"n": 0}))
        refused(-32603, lambda: running.call("scale.double", {"n": 3}))
        refused(-32603, lambda: list(running.stream("scale.count")))


def test_a_client_looks_for_what_stands_there() -> None:
    hello = msgspec.json.decode(
        b'{"protocolVersion":1,"plugin":{"name":"p","version":"1.0.0"},"provides":[{"contract":"scale","version":"1.0.0"}]}',
        type=InitializeResult,
    )
    assert misfit(terms(Scale), hello, DOCUMENT) is None
    other = json.loads(json.dumps(DOCUMENT))
    other["components"]["schemas"]["Größe"] = {"type": "string"}
    assert (misfit(terms(Scale), hello, other) or "").startswith("scale.double: the param 'n': number here")


def test_of_what_is_wrong_with_a_value_so_much_is_told_and_no_more() -> None:
    check = Values({}).checker({"items": {"const": 1}})
    assert check is not None
    for count, told in [(MOST_FAULTS, MOST_FAULTS), (MOST_FAULTS + 1, MOST_FAULTS)]:
        with pytest.raises(Misfit) as raised:
            check(json.dumps([0] * count).encode())
        assert len(raised.value.faults) == told


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"const": 1}, [1, 1.0], [True, "1", 2]),
        ({"enum": [{"a": [1]}, None]}, [{"a": [1.0]}, None], [{"a": []}, False]),
        ({"uniqueItems": True}, [[1, True, "1", [], {}]], [[1, 1.0], [{"a": 1}, {"a": 1.0}], [[0, None], [0, None]]]),
        ({"uniqueItems": True}, [[*range(100_000)]], [[*range(100_000), 5.0]]),
        ({"items": [{"type": "null"}], "additionalItems": {"type": "string"}}, [[None, "a"]], [[None, 1], [1]]),
        ({"patternProperties": {"^a": {"minimum": 3}}, "minProperties": 1}, [{"ab": 3}], [{"ab": 2}, {}]),
        ({"dependencies": {"a": {"required": ["b"]}}}, [{"b": 1}, {"a": 1, "b": 1}], [{"a": 1}]),
        ({"allOf": [False]}, [], [None, 1]),
        ({"type": ["integer", "null"], "multipleOf": 0.1}, [None, 3], [0.5, "a"]),
    ],
)
def test_a_schema_lets_through_what_it_says(schema: Any, good: list[Any], bad: list[Any]) -> None:
    check = Values({}).checker(schema)
    assert check is not None
    for value in good:
        check(json.dumps(value).encode())
    for value in bad:
        with pytest.raises(Misfit):
            check(json.dumps(value).encode())


def test_what_types_say_is_left_to_them() -> None:
    assert Values({}).checker({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}) is None
    endless = {"components": {"schemas": {"A": {"type": "array", "items": {"$ref": "#/components/schemas/A"}}}}}
    assert Values(endless).checker({"$ref": "#/components/schemas/A"}) is None
