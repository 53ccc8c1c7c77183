"""The document that a contract was written in, where that came before the class: what is declared is what stands there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ._schema import DEFINITIONS
from ._signature import Signature
from ._values import Values, params_schema

Document = dict[str, Any]


def methods_of(original: Document) -> dict[str, Document]:
    """The methods of a document by name, those of the host too."""
    methods = [*original["methods"], *original["x-plugline"].get("hostMethods", [])]
    return {method["name"]: method for method in methods}


def held(signature: Signature, original: Document | None, method: str) -> Signature:
    """The same, held to what the document says of the method besides its types."""
    if original is None:
        return signature
    described = methods_of(original)[method]
    values, own = Values(original), described.get("x-plugline", {})
    signature.shape.held = values.checker(params_schema(described))
    signature.result.held = values.checker(described.get("result", {}).get("schema", True))
    if signature.output is not None:
        signature.output.held = values.checker(own["output"])
    if signature.input is not None:
        signature.input[1].held = values.checker(own["input"])
    return signature


def provided(original: Document, contract: str, methods: Collection[str]) -> Document:
    """What a plugin declares that provides the contract: its methods, and all that it may call at its host."""
    own = original["x-plugline"]
    provides = [each for each in own["provides"] if each["contract"] == contract]
    return {
        **original,
        "methods": [method for method in original["methods"] if method["name"] in methods],
        "x-plugline": {**own, "provides": provides},
    }


def required(original: Document, contract: str, methods: Collection[str]) -> Document:
    """What a plugin declares that calls the contract at its host."""
    own = original["x-plugline"]
    host_methods = [method for method in own.get("hostMethods", []) if method["name"] in methods]
    requires = [each for each in own.get("requires", []) if each["contract"] == contract]
    return {
        **original,
        "methods": [],
        "x-plugline": {**own, "provides": [], "hostMethods": host_methods, "requires": requires},
    }


def tells(config: Any) -> bool:
    """Whether a schema says more of a config than that it is an object."""
    return config not in (True, {}, {"type": "object"})


def merged(made: Document, originals: Sequence[Document]) -> Document:
    """What was made of functions, and what was written. The config is what a document says of it; what was made gets
    another name where a document has a schema of that name."""
    schemas: dict[str, Any] = {}
    for original in originals:
        for name, schema in original.get("components", {}).get("schemas", {}).items():
            if schemas.setdefault(name, schema) != schema:
                raise TypeError(f"two documents have a schema {name!r}, and not the same")
    own = made["components"]["schemas"]
    clashes: dict[str, str] = {name: f"{name}Made" for name, schema in own.items() if schemas.get(name, schema) != schema}
    made = _renamed(made, clashes)
    for name, schema in made["components"]["schemas"].items():
        schemas[clashes.get(name) or name] = schema
    told = made["x-plugline"]
    configs = [config for each in originals if tells(config := each["x-plugline"].get("config", {}))]
    if any(config != configs[0] for config in configs):
        raise TypeError("two documents say different things of the config")
    return {
        **made,
        "methods": _united("name", made["methods"], *(each["methods"] for each in originals)),
        "components": {"schemas": schemas},
        "x-plugline": {
            **told,
            "requires": _united("contract", told["requires"], *_each(originals, "requires")),
            "config": configs[0] if configs else told["config"],
            "hostMethods": _united("name", told["hostMethods"], *_each(originals, "hostMethods")),
        },
    }


def _each(originals: Sequence[Document], member: str) -> list[list[Document]]:
    return [original["x-plugline"].get(member, []) for original in originals]


def _united(key: str, *lists: list[Document]) -> list[Document]:
    """All of them, each once: the first that has that name."""
    known: dict[str, Document] = {}
    for each in lists:
        for item in each:
            known.setdefault(item[key], item)
    return list(known.values())


def _renamed(part: Any, names: dict[str, str]) -> Any:
    """The same, with references to what got another name."""
    if isinstance(part, list):
        return [_renamed(item, names) for item in part]
    if not isinstance(part, dict) or not names:
        return part
    renamed = {key: _renamed(value, names) for key, value in part.items()}
    here = part.get("$ref")
    if isinstance(here, str) and (new := names.get(here.removeprefix(DEFINITIONS))):
        renamed["$ref"] = DEFINITIONS + new
    return renamed
