"""Values against JSON Schema draft-07: what a document says of a value that no type can (`not`, `if`, `uniqueItems`, …).

Used for contracts that were written as a document, and there only where a method's schemas say such things: msgspec
holds values to all that types can say, and is far quicker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import unquote

import msgspec

from ._codes import Fault
from ._schema import DEFINITIONS
from ._shape import Misfit

Schema = dict[str, Any] | bool


# What types hold values to.
_TYPED = frozenset((
    "$ref", "type", "properties", "required", "items", "additionalProperties", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "contentEncoding", "minItems", "maxItems",
    "title", "description", "default", "examples", "$comment", "readOnly", "writeOnly", "deprecated", "format",
))  # fmt: skip

_RANGES = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64, 128)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64, 128)},
}
_DEEPEST = 200
MOST_FAULTS = 200
"""So many of what is wrong with a value are told."""


class Values:
    """Checks values against the schemas of a document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._shared: dict[str, Any] = document.get("components", {}).get("schemas", {})

    def checker(self, schema: Schema) -> Callable[[msgspec.Raw | bytes], None] | None:
        """What raises `Misfit` for JSON that the schema does not let through; none where types say all of it."""
        if not self._is_beyond(schema, set()):
            return None

        def check(raw: msgspec.Raw | bytes) -> None:
            try:
                value = msgspec.json.decode(raw)
                faults = list(islice(self._faults(schema, value, "", 0), MOST_FAULTS))
            except (ValueError, RecursionError) as fault:
                raise Misfit([Fault("", str(fault))]) from None
            if faults:
                raise Misfit(faults)

        return check

    def _target(self, schema: dict[str, Any]) -> Any:
        name = unquote(schema["$ref"].removeprefix(DEFINITIONS)).replace("~1", "/").replace("~0", "~")
        return self._shared.get(name, True)

    def _is_beyond(self, schema: Any, seen: set[int]) -> bool:
        if not isinstance(schema, dict):
            return schema is False
        if id(schema) in seen:
            return False
        seen.add(id(schema))
        if "$ref" in schema:
            return self._is_beyond(self._target(schema), seen)
        if not _TYPED.issuperset(schema) and not _is_texts(schema):
            return True
        if schema.get("format") in _RANGES and schema.get("type") != "string":
            return True
        if isinstance(schema.get("type"), list) or isinstance(schema.get("items"), list):
            return True
        parts = [part for part in (schema.get("items"), schema.get("additionalProperties")) if isinstance(part, dict)]
        # Named members beside others: types have a map of anything for that.
        if schema.get("properties") and isinstance(schema.get("additionalProperties"), dict):
            return True
        parts += schema.get("properties", {}).values()
        return any(self._is_beyond(part, seen) for part in parts)

    def _fits(self, schema: Schema, value: Any, depth: int) -> bool:
        return next(self._faults(schema, value, "", depth), None) is None

    def _faults(self, schema: Schema, value: Any, path: str, depth: int) -> Iterator[Fault]:
        if depth > _DEEPEST:
            yield Fault(path, "is too deep to be checked")
            return
        if isinstance(schema, bool):
            if not schema:
                yield Fault(path, "must not be there")
            return
        if "$ref" in schema:
            yield from self._faults(self._target(schema), value, path, depth + 1)
            return
        kinds = schema.get("type")
        if kinds is not None and not any(_is_of(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
            yield Fault(path, f"must be of type {kinds if isinstance(kinds, str) else ' or '.join(kinds)}")
            return
        if "const" in schema and not _same(schema["const"], value):
            yield Fault(path, "is not the one value that may stand here")
        if "enum" in schema and not any(_same(choice, value) for choice in schema["enum"]):
            yield Fault(path, "is none of the values that may stand here")
        if isinstance(value, str):
            yield from _text(schema, value, path)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield from _number(schema, value, path)
        elif isinstance(value, list):
            yield from self._list(schema, value, path, depth)
        elif isinstance(value, dict):
            yield from self._object(schema, value, path, depth)
        yield from self._combined(schema, value, path, depth)

    def _list(self, schema: dict[str, Any], value: list[Any], path: str, depth: int) -> Iterator[Fault]:
        yield from _between(schema, "minItems", "maxItems", len(value), path, "items")
        if schema.get("uniqueItems") and len(set(map(_key, value))) < len(value):
            yield Fault(path, "has the same item twice")
        items = schema.get("items", True)
        for at, item in enumerate(value):
            own = items if not isinstance(items, list) else items[at] if at < len(items) else schema.get("additionalItems", True)
            yield from self._faults(own, item, f"{path}/{at}", depth + 1)
        if "contains" in schema and not any(self._fits(schema["contains"], item, depth + 1) for item in value):
            yield Fault(path, "has no item of the kind that it must contain")

    def _object(self, schema: dict[str, Any], value: dict[str, Any], path: str, depth: int) -> Iterator[Fault]:
        yield from _between(schema, "minProperties", "maxProperties", len(value), path, "members")
        for name in schema.get("required", ()):
            if name not in value:
                yield Fault(_below(path, name), "is missing")
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for name, member in value.items():
            at = _below(path, name)
            if name in known:
                yield from self._faults(known[name], member, at, depth + 1)
            matching = [own for pattern, own in patterns.items() if _matches(pattern, name)]
            for own in matching:
                yield from self._faults(own, member, at, depth + 1)
            if name not in known and not matching:
                yield from self._faults(schema.get("additionalProperties", True), member, at, depth + 1)
            if "propertyNames" in schema and not self._fits(schema["propertyNames"], name, depth + 1):
                yield Fault(at, "has a name that may not stand here")
        for name, wanted in schema.get("dependencies", {}).items():
            if name not in value:
                continue
            if isinstance(wanted, list):
                yield from (Fault(_below(path, other), f"is missing beside {name}") for other in wanted if other not in value)
            else:
                yield from self._faults(wanted, value, path, depth + 1)

    def _combined(self, schema: dict[str, Any], value: Any, path: str, depth: int) -> Iterator[Fault]:
        for part in schema.get("allOf", ()):
            yield from self._faults(part, value, path, depth + 1)
        if "anyOf" in schema and not any(self._fits(part, value, depth + 1) for part in schema["anyOf"]):
            yield Fault(path, "is none of the kinds that may stand here")
        if "oneOf" in schema:
            fitting = sum(self._fits(part, value, depth + 1) for part in schema["oneOf"])
            if fitting != 1:
                yield Fault(path, f"must be of one of the kinds that may stand here, and is of {fitting}")
        if "not" in schema and self._fits(schema["not"], value, depth + 1):
            yield Fault(path, "is what must not stand here")
        if "if" in schema:
            branch = schema.get("then" if self._fits(schema["if"], value, depth + 1) else "else", True)
            yield from self._faults(branch, value, path, depth + 1)


def params_schema(method: Mapping[str, Any]) -> Schema:
    """The params of a method as one object. `_meta` is the protocol's."""
    params = method["params"]
    return {
        "type": "object",
        "properties": {"_meta": True} | {param["name"]: param["schema"] for param in params},
        "required": [param["name"] for param in params if param.get("required")],
        "additionalProperties": False,
    }


def _is_texts(schema: dict[str, Any]) -> bool:
    """Whether it is a choice of texts, which is an enum."""
    values = schema.get("enum", [schema.get("const")])
    rest = _TYPED.union(("enum", "const"))
    return rest.issuperset(schema) and all(isinstance(value, str) for value in values)


def _is_of(value: Any, kind: str) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "array":
            return isinstance(value, list)
        case _:
            return isinstance(value, dict)


def _same(one: Any, other: Any) -> bool:
    return bool(_key(one) == _key(other))


def _key(value: Any) -> Any:
    """What is equal, and has the same hash, where values are the same as JSON: `1` is `1.0`, and `true` is no number."""
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, list):
        return (list, *map(_key, value))
    if isinstance(value, dict):
        return (dict, frozenset((name, _key(member)) for name, member in value.items()))
    return value


def _between(schema: dict[str, Any], least: str, most: str, count: int, path: str, of: str) -> Iterator[Fault]:
    if count < schema.get(least, 0):
        yield Fault(path, f"must have at least {schema[least]} {of}")
    if count > schema.get(most, count):
        yield Fault(path, f"must have at most {schema[most]} {of}")


def _text(schema: dict[str, Any], value: str, path: str) -> Iterator[Fault]:
    yield from _between(schema, "minLength", "maxLength", len(value), path, "characters")
    if "pattern" in schema and not _matches(schema["pattern"], value):
        yield Fault(path, "does not match the pattern")
    bounds = _RANGES.get(schema.get("format", "")) if schema.get("type") == "string" else None
    if bounds and not (re.fullmatch("-?[0-9]{1,40}", value) and bounds[0] <= int(value) <= bounds[1]):
        yield Fault(path, f"is no integer of the format {schema['format']}")


_BOUNDS: dict[str, Callable[[float, float], bool]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
    "multipleOf": lambda value, bound: value % bound == 0 or (value / bound).is_integer(),
}


def _number(schema: dict[str, Any], value: float, path: str) -> Iterator[Fault]:
    for keyword, holds in _BOUNDS.items():
        if keyword in schema and not holds(value, schema[keyword]):
            yield Fault(path, f"breaks {keyword} {schema[keyword]}")
    bounds = _RANGES.get(schema.get("format", ""))
    if bounds and not bounds[0] <= value <= bounds[1]:
        yield Fault(path, f"is no integer of the format {schema['format']}")


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True  # of another dialect: the other side holds it to that


def _below(path: str, name: str) -> str:
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
