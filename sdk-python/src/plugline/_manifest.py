"""The manifest of a plugin, made from what was registered: an OpenRPC document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ._error import ErrorDeclaration, declaration
from ._example import Example
from ._messages import VERSIONS, Identity, Provided
from ._method import About
from ._schema import DEFINITIONS, Schema, schemas
from ._shape import write_hook
from ._signature import Signature

OPENRPC_VERSION = "1.3.2"


class Entry(msgspec.Struct, frozen=True):
    """A method, a notification or a method of the host, as the manifest has it."""

    about: About
    signature: Signature
    is_notification: bool


class Contents(msgspec.Struct, frozen=True):
    """What a manifest is made from."""

    identity: Identity
    description: str | None
    methods: Sequence[Entry]
    host_methods: Sequence[Entry]
    provides: Sequence[Provided]
    requires: dict[str, str]
    config: Any
    instances: str


def document(contents: Contents) -> dict[str, Any]:
    """The manifest, as plain data."""
    entries = [*contents.methods, *contents.host_methods]
    types: list[Any] = []
    for entry in entries:
        types += _types(entry)
    types.append(contents.config)
    made, definitions = schemas(types)
    source = iter(made)
    methods = [_method(entry, source) for entry in contents.methods]
    host_methods = [_method(entry, source) for entry in contents.host_methods]
    info: dict[str, Any] = {"title": contents.identity.name, "version": contents.identity.version}
    if contents.description:
        info["description"] = contents.description
    told: dict[str, Any] = {
        "openrpc": OPENRPC_VERSION,
        "info": info,
        "methods": methods,
        "components": {"schemas": {}},
        "x-plugline": {
            "protocol": VERSIONS,
            "provides": [msgspec.to_builtins(provided) for provided in contents.provides],
            "requires": [
                {"contract": name, "version": version} for name, version in contents.requires.items()
            ],
            "config": next(source),
            "hostMethods": host_methods,
            "instances": contents.instances,
        },
    }
    told["components"]["schemas"] = _reachable(told, definitions)
    plain: dict[str, Any] = msgspec.to_builtins(told, enc_hook=write_hook, str_keys=True)
    return plain


def _types(entry: Entry) -> list[Any]:
    """All types of a method, in the order in which `_method` takes their schemas."""
    signature = entry.signature
    types = [param.type for param in _ordered(signature)]
    if not entry.is_notification:
        types.append(signature.result.type)
    if signature.output is not None:
        types.append(signature.output.type)
    if signature.input is not None:
        types.append(signature.input[1].type)
    if entry.about.errors != "any":
        types += [data for error in entry.about.errors if (data := _data_of(error)) is not None]
    return types


def _data_of(error: Any) -> Any:
    return None if isinstance(error, ErrorDeclaration) else error.carries()


def _ordered(signature: Signature) -> list[Any]:
    """The params, the required ones first."""
    return sorted(signature.params, key=lambda param: param.default is not msgspec.NODEFAULT)


def _method(entry: Entry, source: Any) -> dict[str, Any]:
    about, signature = entry.about, entry.signature
    params = []
    for param in _ordered(signature):
        schema: Schema = next(source)
        descriptor: dict[str, Any] = {"name": param.wire}
        if "description" in schema:
            descriptor["description"] = schema["description"]
        if param.default is msgspec.NODEFAULT:
            descriptor["required"] = True
        elif param.default is msgspec.UNSET:
            pass  # it may be left out, and then is nothing
        elif "$ref" in schema:
            schema = {"allOf": [schema], "default": param.default}
        else:
            schema = {**schema, "default": param.default}
        params.append({**descriptor, "schema": schema})
    told: dict[str, Any] = {"name": about.name}
    if about.description:
        told["description"] = about.description
    if about.deprecated:
        told["deprecated"] = True
    told |= {"paramStructure": "by-name", "params": params}
    own: dict[str, Any] = {}
    if not entry.is_notification:
        told["result"] = {"name": "result", "schema": next(source)}
    if signature.output is not None:
        own["output"] = next(source)
    if signature.input is not None:
        own["input"] = next(source)
    if about.errors == "any":
        own["errors"] = "any"
    elif about.errors:
        own["errors"] = [_error(error, source) for error in about.errors]
        told["errors"] = [{"code": error["code"], "message": error["message"]} for error in own["errors"]]
    if about.idempotent:
        own["idempotent"] = True
    plain = [example for example in about.examples if example.is_plain]
    if plain:
        told["examples"] = [_pairing(example, params, entry.is_notification) for example in plain]
    if len(plain) < len(about.examples):
        own["examples"] = [_example(example) for example in about.examples if not example.is_plain]
    if own:
        told["x-plugline"] = own
    return told


def _error(error: Any, source: Any) -> dict[str, Any]:
    declared = declaration(error)
    told: dict[str, Any] = {"code": declared.code, "name": declared.name, "message": declared.message}
    if _data_of(error) is not None:
        told["data"] = next(source)
    return told


def _pairing(example: Example, params: list[dict[str, Any]], is_notification: bool) -> dict[str, Any]:
    given = [
        {"name": param["name"], "value": example.params[param["name"]]}
        for param in params
        if param["name"] in example.params
    ]
    told: dict[str, Any] = {"name": example.name, "params": given}
    if not is_notification:
        result = None if example.result is msgspec.UNSET else example.result
        told["result"] = {"name": "result", "value": result}
    return told


def _example(example: Example) -> dict[str, Any]:
    told: dict[str, Any] = {"name": example.name, "params": dict(example.params)}
    for name, items in (("input", example.input), ("output", example.output)):
        if items is not msgspec.UNSET:
            told[name] = list(items)
    if example.code is not None:
        told["error"] = {"code": example.code}
    else:
        told["result"] = None if example.result is msgspec.UNSET else example.result
    return told


def _reachable(told: Any, definitions: dict[str, Schema]) -> dict[str, Schema]:
    """The definitions that something points at."""
    found = [told]
    reached: dict[str, Schema] = {}
    while found:
        for name in _targets(found.pop()):
            if name in definitions and name not in reached:
                reached[name] = definitions[name]
                found.append(definitions[name])
    return dict(sorted(reached.items()))


def _targets(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        here = schema.get("$ref")
        own = [here.removeprefix(DEFINITIONS)] if isinstance(here, str) else []
        return own + [target for value in schema.values() for target in _targets(value)]
    if isinstance(schema, list):
        return [target for value in schema for target in _targets(value)]
    return []
