"""What annotations make: schemas, manifests, contract classes; and what is refused."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pydantic
import pytest
from msgspec import Meta, Struct

from plugline import (
    Call,
    Contract,
    Error,
    ErrorDeclaration,
    Example,
    InvalidParams,
    Limits,
    Plugin,
    RemoteError,
    contract,
    host,
    method,
    notification,
)
from plugline._contract import terms
from plugline.host._fit import misfit
from plugline.testing import check_examples, start

ROOT = Path(__file__).resolve().parents[2]


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Cat(Struct, tag="cat"):
    lives: Annotated[int, Meta(ge=0, le=9, description="Left.")] = 9


class Dog(Struct, tag="dog"):
    name: str


@dataclass
class Node:
    value: int
    next: Node | None = None


class Pair(TypedDict):
    left: tuple[int, str]
    right: bytes


class Model(pydantic.BaseModel):
    size: Annotated[int, pydantic.Field(gt=0)]
    inner: list[Part] = []


class Part(pydantic.BaseModel):
    name: str


class Broken(Error, code=7, message="broken"):
    where: Colour
    how: str = "badly"


def everything() -> Plugin:
    plugin = Plugin("types", version="1.2.3-rc.1", provides={"types": "1.0.0"}, requires={"other": "2.0.0"}, instances="many")

    @plugin.method("types.all", errors=[Broken, ErrorDeclaration(8, "Plain", "plain")], idempotent=True)
    def all_(
        late: Annotated[str, Meta(min_length=1)] = "x",
        *,
        pet: Cat | Dog,
        node: Node,
        pair: Pair,
        model: Model,
        when: datetime,
        way: Literal["in", "out"] = "in",
        colour: Colour = Colour.RED,
        maybe: int | None = None,
    ) -> dict[str, Model]:
        """Takes all.

        And says more.
        """
        if pet == Cat(0):
            raise Broken(where=colour)
        return {way: model}

    return plugin


def test_a_manifest() -> None:
    document = everything().manifest()
    (told,) = document["methods"]
    assert told["description"] == "Takes all.\n\nAnd says more."
    params = {param["name"]: param for param in told["params"]}
    required = [param.get("required", False) for param in told["params"]]
    assert required == sorted(required, reverse=True), "CONTRACT-5"
    assert params["way"]["schema"] == {"enum": ["in", "out"], "default": "in"}
    assert params["colour"]["schema"] == {"allOf": [{"$ref": "#/components/schemas/Colour"}], "default": "red"}
    assert params["late"]["schema"]["default"] == "x"
    schemas = document["components"]["schemas"]
    assert schemas["Cat"]["properties"]["type"] == {"const": "cat"}
    assert schemas["Cat"]["properties"]["lives"]["description"] == "Left."
    assert schemas["Pair"]["properties"]["left"] == {
        "type": "array", "minItems": 2, "maxItems": 2, "items": [{"type": "integer"}, {"type": "string"}],
        "additionalItems": False,
    }  # fmt: skip
    assert schemas["Pair"]["properties"]["right"]["contentEncoding"] == "base64"
    assert schemas["Part"]["properties"]["name"]["type"] == "string"
    own = told["x-plugline"]
    assert own["errors"][0] == {
        "code": 7, "name": "Broken", "message": "broken", "data": {"$ref": "#/components/schemas/Broken"}
    }  # fmt: skip
    assert told["errors"] == [{"code": 7, "message": "broken"}, {"code": 8, "message": "plain"}]
    assert document["x-plugline"]["requires"] == [{"contract": "other", "version": "2.0.0"}]
    text = json.dumps(document)
    for word in ("$defs", "prefixItems", "discriminator", '"$schema"'):
        assert word not in text
    for name in set(_refs(document)):
        assert name in schemas, "CONTRACT-4"


def test_what_is_deprecated_says_so() -> None:
    plugin = Plugin("old", version="1.0.0", provides={"old": "1.0.0"}, requires={"host": "1.0.0"})

    @plugin.method("old.rusty", deprecated=True)
    def rusty() -> None: ...

    @plugin.notification("old.told", deprecated=True)
    def told() -> None: ...

    @plugin.method("old.shiny")
    def shiny() -> None: ...

    @plugin.host_method("host.rusty", deprecated=True)
    def host_rusty() -> None: ...

    @plugin.host_notification("host.told", deprecated=True)
    def host_told() -> None: ...

    @contract("older", "1.0.0")
    class Older(Contract):
        @method(deprecated=True)
        def rusty(self) -> None: ...

        @notification(deprecated=True)
        def told(self) -> None: ...

        @method()
        def shiny(self) -> None: ...

    plugin.provide(Older)
    document = plugin.manifest()
    every = document["methods"] + document["x-plugline"]["hostMethods"]
    said = {entry["name"]: entry.get("deprecated") for entry in every}
    assert said == {
        "old.rusty": True, "old.told": True, "old.shiny": None, "host.rusty": True, "host.told": True,
        "older.rusty": True, "older.told": True, "older.shiny": None,
    }  # fmt: skip


def _refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            assert list(node) == ["$ref"], "draft-07 sees nothing beside it"
            yield node["$ref"].removeprefix("#/components/schemas/")
        for value in node.values():
            yield from _refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from _refs(value)


GOOD: dict[str, Any] = {
    "pet": {"type": "dog", "name": "Rex"},
    "node": {"value": 1, "next": {"value": 2}},
    "pair": {"left": [1, "x"], "right": "AAE="},
    "model": {"size": 1, "inner": [{"name": "x"}]},
    "when": "2026-01-02T03:04:05Z",
}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"pet": {"type": "cat", "lives": 10}}, "/pet/lives"),
        ({"pet": {"type": "cow"}}, "/pet/type"),
        ({"node": {"value": 1, "next": {"value": "x"}}}, "/node/next/value"),
        ({"pair": {"left": [1], "right": ""}}, "/pair/left"),
        ({"model": {"size": 0}}, "/model/size"),
        ({"model": {"size": 1, "inner": [{}]}}, "/model/inner/0/name"),
        ({"when": "yesterday"}, "/when"),
        ({"way": "up"}, "/way"),
        ({"colour": "green"}, "/colour"),
        ({"late": ""}, "/late"),
    ],
)
def test_params_of_all_types(change: Any, path: str) -> None:
    with start(everything()) as running:
        assert running.call("types.all", GOOD) == {"in": {"size": 1, "inner": [{"name": "x"}]}}
        with pytest.raises(RemoteError) as raised:
            running.call("types.all", GOOD | change)
        assert raised.value.code == -32602
        assert raised.value.data["errors"][0]["path"] == path


def test_errors_carry_data() -> None:
    with start(everything()) as running, pytest.raises(RemoteError) as raised:
        running.call("types.all", GOOD | {"pet": {"type": "cat", "lives": 0}})
    assert (raised.value.code, raised.value.data) == (7, {"where": "red", "how": "badly"})
    with pytest.raises(TypeError):
        Broken(nothing=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="belong to the protocol"):

        class _Low(Error, code=-32001, message="no"):
            pass


def plain() -> Plugin:
    return Plugin("plain", version="1.0.0", provides={"plain": "1.0.0"})


def no_annotation(name) -> str:  # type: ignore[no-untyped-def]
    return str(name)


def no_result(name: str):  # type: ignore[no-untyped-def]
    return name


def stars(*names: str) -> None: ...


def unknown(name: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def two_inputs(one: Iterator[int], two: Iterator[int]) -> None: ...


def underscore(_hidden: int) -> None: ...


def shapeless(what: Callable[[], None]) -> None: ...


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (no_annotation, "of what type the param 'name' is"),
        (no_result, "say what it returns"),
        (stars, "name its params"),
        (unknown, "Nowhere"),
        (two_inputs, "one input stream"),
        (underscore, "underscore"),
        (shapeless, "has no JSON form|not supported"),
    ],
)
def test_functions_that_make_no_method(function: Any, text: str) -> None:
    plugin = plain()
    plugin.method("plain.it")(function)
    with pytest.raises(TypeError, match=text):
        plugin.manifest()


def test_plugins_that_are_not_sound() -> None:
    for name in ("rpc.it", "it", "plain.", "plain.ä"):
        with pytest.raises(TypeError, match="<contract>.<method>"):
            plain().method(name)(lambda: None)
    with pytest.raises(TypeError, match="semantic version"):
        Plugin("x", version="1", provides={"x": "one"})
    plugin = plain()
    plugin.method("plain.it")(lambda: None)
    with pytest.raises(TypeError, match="there already"):
        plugin.method("plain.it")(lambda: None)

    def nothing() -> None: ...

    plugin = plain()
    plugin.method("other.it")(nothing)
    with pytest.raises(TypeError, match="no contract that is provided"):
        plugin.manifest()
    plugin = plain()
    plugin.host_method("other.it")(nothing)
    with pytest.raises(TypeError, match="provided or required"):
        plugin.manifest()

    def streams(items: Iterator[int]) -> None: ...

    plugin = plain()
    plugin.host_method("plain.it")(streams)
    with pytest.raises(TypeError, match="no streams"):
        plugin.manifest()

    def with_call(call: Call) -> None: ...

    plugin = plain()
    plugin.notification("plain.it")(with_call)
    with pytest.raises(TypeError, match="nobody waits for it"):
        plugin.offer()
    with pytest.raises(ValueError, match="maxLineBytes"):
        Plugin("x", version="1.0.0", limits=Limits(max_line_bytes=1)).offer()


def test_examples_that_are_not_real() -> None:
    plugin = plain()

    @plugin.method("plain.double", examples=[Example("four", {"n": 2}, 5)])
    def double(n: int) -> int:
        return 2 * n

    with pytest.raises(AssertionError, match="'four' of plain.double is not real"):
        check_examples(plugin)


@contract("store", "1.1.0")
class Store(Contract):
    """Keeps things."""

    @method(errors=[Broken], examples=[Example("nothing", {"key": "x"}, None)])
    def get(self, key: str, fallback: str | None = None) -> str | None:
        """Gets one."""
        raise NotImplementedError

    @method()
    def keys(self) -> Iterator[str]:
        raise NotImplementedError

    @method()
    def put_all(self, pairs: Iterator[tuple[str, str]]) -> int:
        raise NotImplementedError

    @method()
    def echo(self, items: Iterator[int]) -> Iterator[int]:
        raise NotImplementedError

    @notification()
    def forget(self, key: str) -> None:
        raise NotImplementedError


@contract("watch", "1.0.0")
class Watch(Contract):
    @method(errors=[Broken])
    def allow(self, key: str) -> bool:
        raise NotImplementedError

    @notification()
    def seen(self, key: str) -> None:
        raise NotImplementedError


class Memory(Store):
    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str, fallback: str | None = None) -> str | None:
        if key == "broken":
            raise Broken(where=Colour.BLUE, how="well")
        return self.kept.get(key, fallback)

    def keys(self) -> Iterator[str]:
        yield from self.kept

    def put_all(self, pairs: Iterator[tuple[str, str]]) -> int:
        self.kept |= dict(pairs)
        return len(self.kept)

    def echo(self, items: Iterator[int]) -> Iterator[int]:
        return items

    def forget(self, key: str) -> None:
        self.kept.pop(key, None)


@pytest.mark.parametrize("given", [Memory, Memory()])
def test_a_contract_class(given: Any) -> None:
    plugin = Plugin("memory", version="1.0.0").provide(given)
    with start(plugin) as running:
        store = running.client(Store)
        assert isinstance(store, Store)
        assert store.put_all(iter([("a", "1"), ("b", "2")])) == 2
        assert store.get("a") == "1"
        assert store.get(key="c", fallback="3") == "3"
        assert store.get("c") is None
        assert list(store.keys()) == ["a", "b"]
        assert list(store.echo(iter(range(5)))) == [0, 1, 2, 3, 4]
        store.forget("a")
        assert list(store.keys()) == ["b"]
        with pytest.raises(Broken) as raised:
            store.get("broken")
        assert (raised.value.where, raised.value.how) == (Colour.BLUE, "well")
        get: Any = store.get
        for args, kwargs in (((), {}), (("a", "b", "c"), {}), (("a",), {"key": "a"}), (("a",), {"x": 1})):
            with pytest.raises(TypeError):
                get(*args, **kwargs)
    check_examples(plugin)


def test_a_contract_of_the_host() -> None:
    plugin = Plugin("watched", version="1.0.0", provides={"watched": "1.0.0"}).require(Watch)

    @plugin.method("watched.look", errors=[Broken])
    def look(key: str, call: Call) -> bool:
        watch = call.client(Watch)
        watch.seen(key)
        return watch.allow(key=key)

    class Guard(Watch):
        def __init__(self) -> None:
            self.seen_keys: list[str] = []

        def allow(self, key: str) -> bool:
            if key == "broken":
                raise Broken(where=Colour.RED)
            return key in self.seen_keys

        def seen(self, key: str) -> None:
            self.seen_keys.append(key)

    document = plugin.manifest()["x-plugline"]
    assert document["requires"] == [{"contract": "watch", "version": "1.0.0"}]
    assert [each["name"] for each in document["hostMethods"]] == ["watch.allow", "watch.seen"]
    with start(plugin, serve=[Guard()]) as running:
        assert running.call("watched.look", {"key": "a"}) is True
        with pytest.raises(RemoteError) as raised:
            running.call("watched.look", {"key": "broken"})
        assert (raised.value.code, raised.value.data) == (7, {"where": "red", "how": "badly"})
    with start(plugin) as running, pytest.raises(RemoteError):
        running.call("watched.look", {"key": "a"})


def test_a_client_follows_references() -> None:
    """OpenRPC lets a reference stand for a param or a result."""
    plugin = Plugin("memory", version="1.0.0").provide(Memory)
    with start(plugin) as running:
        pointing = running.manifest()
        known = pointing["components"].setdefault("contentDescriptors", {})
        for each in pointing["methods"]:
            for index, param in enumerate(each["params"]):
                known[f"{each['name']} {index}"] = param
                each["params"][index] = {"$ref": f"#/components/contentDescriptors/{each['name']}%20{index}"}
            if "result" in each:
                known[f"{each['name']}/result"] = each["result"]
                each["result"] = {"$ref": f"#/components/contentDescriptors/{each['name']}~1result"}
        assert misfit(terms(Store), running.hello, pointing) is None
        known["store.get 0"]["schema"] = {"type": "integer"}
        assert misfit(terms(Store), running.hello, pointing) == (
            "store.get: the param 'key': string here, number in the plugin"
        )


def test_a_client_that_does_not_fit() -> None:
    """CONTRACT-22, CONTRACT-23."""

    def differing(version: str = "1.1.0", **methods: Any) -> type:
        cls = type("Store", (Contract,), methods)
        return contract("store", version)(cls)

    @method()
    def more(self: Any) -> None: ...

    @method()
    def get_int(self: Any, key: int) -> str | None: ...

    @method()
    def get_other(self: Any, other: str) -> str | None: ...

    @method()
    def get_nothing(self: Any) -> str | None: ...

    @method()
    def keys_list(self: Any) -> list[str]: ...  # type: ignore[empty-body]

    @notification()
    def get_note(self: Any, key: str) -> None: ...

    plugin = Plugin("memory", version="1.0.0").provide(Memory)
    with start(plugin) as running:
        for other, text in (
            (differing("2.0.0"), "2.0.0 is asked for"),
            (differing("1.2.0"), "1.2.0 is asked for"),
            (differing(more=more), "no method store.more"),
            (differing(get=get_int), "the param 'key': number here, string in the plugin"),
            (differing(get=get_other), "does not know the param 'other'"),
            (differing(get=get_nothing), "requires the param 'key'"),
            (differing(keys=keys_list), "only one side has an output"),
            (differing(get=get_note), "notification"),
            (Watch, "does not provide watch"),
        ):
            with pytest.raises(host.Error, match=text) as raised:
                running.client(other)
            assert raised.value.kind is host.Kind.UNSUPPORTED


def test_a_stuck_handler_within_a_test(plugline_start: Any) -> None:
    plugin = plain()

    @plugin.method("plain.refuse")
    def refuse(call: Call) -> None:
        raise InvalidParams("", f"{call.method} takes nothing that there is")

    running = plugline_start(plugin)
    with pytest.raises(RemoteError) as raised:
        running.call("plain.refuse")
    assert raised.value.code == -32602
    assert running.stop().rung.value == "asked"


def users() -> Any:
    sys.path.insert(0, str(ROOT / "examples/users/python-sdk"))
    try:
        module = importlib.import_module("contract")
    finally:
        sys.path.pop(0)
    return module


def program(path: str) -> str:
    built = ROOT / "target/debug" / path
    assert built.exists(), f"{built} is not there: cargo build --workspace --bins --examples"
    return str(built)


@pytest.mark.parametrize("which", ["rust", "python"])
def test_one_contract_in_two_languages(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = users()
    script = str(ROOT / "examples/users/python-sdk/users.py")
    command = [program("users-json")] if which == "rust" else [sys.executable, script]
    with host.Plugin.start(command) as plugin:
        client = plugin.client(module.Users)
        (einstein,) = client.find_users("einstein")
        assert einstein == client.get_user(einstein.id)
        assert einstein == client.get_user_by_claim(module.Claim.MAIL, "einstein@cern.ch")
        assert "physics-lovers" in client.get_user_groups(einstein.id)
        with pytest.raises(module.NotFound):
            client.get_user(module.UserId("x", "y"))
        with pytest.raises(module.LoadFailed):
            client.on_load("/nonexistent")
    with pytest.raises(host.Error) as raised:
        host.Plugin.start(command, config={"file": "/nonexistent"})
    assert raised.value.kind is host.Kind.INVALID_CONFIG
    assert raised.value.remote is not None
    assert raised.value.remote.data["errors"][0]["path"] == "/file"


def test_msgspec_alone_is_needed() -> None:
    project = (ROOT / "sdk-python/pyproject.toml").read_text()
    assert 'dependencies = ["msgspec' in project
    assert msgspec.__version__
