"""Types to JSON Schema draft-07, with shared definitions under `components.schemas`.

msgspec writes the 2020-12 dialect; here it is brought to draft-07: tuples by `items`, one const in place of an enum of
one, and nothing beside a `$ref`, which draft-07 would not see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

import msgspec

from ._shape import schema_hook

Schema = dict[str, Any]
TEMPLATE = "#/components/schemas/{name}"
DEFINITIONS = "#/components/schemas/"
T = TypeVar("T")
_ONLY = "x-plugline-only"
Only = Annotated[T | msgspec.UnsetType, msgspec.Meta(extra_json_schema={_ONLY: True})]
"""A member of a struct of which exactly one member is there: `circle: Only[Circle] = msgspec.UNSET`. The schema says so;
that it is so is for the struct's `__post_init__` to see."""
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")


def schemas(types: Iterable[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """The schema of each type, and the definitions that they share."""
    made, shared = msgspec.json.schema_components(types, schema_hook=schema_hook, ref_template=TEMPLATE)
    names = {name: _UNFIT.sub("_", name).strip("_") for name in shared}
    hoisted: dict[str, Schema] = {}
    drafted = [draft_07(schema, names, hoisted) for schema in made]
    definitions = {names[name]: draft_07(schema, names, hoisted) for name, schema in shared.items()}
    return drafted, dict(sorted((hoisted | definitions).items()))


def draft_07(schema: Any, names: dict[str, str], hoisted: dict[str, Schema]) -> Any:
    """The same in draft-07; definitions within it are added to `hoisted`."""
    if isinstance(schema, list):
        return [draft_07(each, names, hoisted) for each in schema]
    if not isinstance(schema, dict):
        return schema
    told: Schema = {}
    for key, value in schema.items():
        match key:
            case "$defs":
                hoisted.update({name: draft_07(each, names, hoisted) for name, each in value.items()})
            case "discriminator" | "$schema":
                pass
            case "default" | "const" | "examples" | "enum":
                told[key] = value
            case "properties" | "patternProperties":
                told[key] = {name: draft_07(each, names, hoisted) for name, each in value.items()}
            case "$ref" if isinstance(value, str):
                name = value.removeprefix(DEFINITIONS)
                told[key] = DEFINITIONS + names.get(name, name)
            case "prefixItems":
                told["items"] = draft_07(value, names, hoisted)
                told["additionalItems"] = False
            case "items" if "prefixItems" in schema:
                pass  # msgspec says `false`: no more than those
            case "dependentRequired":
                told["dependencies"] = value
            case _:
                told[key] = draft_07(value, names, hoisted)
    members = told.get("properties")
    if members and all(isinstance(member, dict) and _ONLY in member for member in members.values()):
        return _one_of(members, told)
    if len(told.get("enum", ())) == 1:
        told["const"] = told.pop("enum")[0]
    if "$ref" in told and len(told) > 1:
        told = {"allOf": [{"$ref": told.pop("$ref")}], **told}
    return told


def _one_of(members: dict[str, Schema], told: Schema) -> Schema:
    """An object of one of these members."""
    choices = []
    for name, member in members.items():
        schema = {key: value for key, value in member.items() if key != _ONLY}
        alone = schema.get("allOf")
        if isinstance(alone, list) and len(alone) == len(schema) == 1:
            schema = alone[0]
        choices.append(
            {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}
        )
    rest: Schema = {key: value for key, value in told.items() if key in ("title", "description")}
    return rest | {"oneOf": choices}
