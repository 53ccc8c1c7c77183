"""Whether a plugin fits a contract: what its manifest says, compared with the contract class. No I/O."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from .._contract import Term, Terms
from .._manifest import Contents, document
from .._messages import Identity, InitializeResult, Provided
from .._original import methods_of

Document = dict[str, Any]


def misfit(of: Terms, hello: InitializeResult, manifest: Document) -> str | None:
    """What differs, and how; None where it fits."""
    provided = next((each for each in hello.provides if each.contract == of.name), None)
    if provided is None:
        others = ", ".join(f"{each.contract} {each.version}" for each in hello.provides) or "nothing"
        return f"the plugin does not provide {of.name}: it provides {others}"
    if not compatible(of.version, provided.version):
        return f"the plugin provides {of.name} {provided.version}, and {of.version} is asked for"
    own = _declared(of)
    theirs = {method["name"]: method for method in manifest.get("methods", [])}
    for term, method in zip(of.terms, own["methods"], strict=True):
        if term.about.name not in theirs:
            return f"the plugin has no method {term.about.name}"
        fault = _differs(term, method, theirs[term.about.name], own, manifest)
        if fault is not None:
            return f"{term.about.name}: {fault}"
    return None


def _declared(of: Terms) -> Document:
    """What the contract says of itself: its methods, in the order of its terms."""
    if of.original is not None:
        written = methods_of(of.original)
        return {**of.original, "methods": [written[term.about.name] for term in of.terms]}
    return document(
        Contents(
            Identity("", ""), None, [term.entry() for term in of.terms], [],
            [Provided(of.name, of.version)], {}, dict[str, Any], "one",
        )
    )  # fmt: skip


def compatible(asked: str, provided: str) -> bool:
    """Whether a version may stand for the one that is asked for: the same major, and no older (semver's caret)."""
    want, have = _numbers(asked), _numbers(provided)
    same = 1 if want[0] else 2 if want[1] else 3
    return want[:same] == have[:same] and have >= want


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.partition("+")[0].partition("-")[0].split(".")]


def _differs(term: Term, own: Document, theirs: Document, root: Document, manifest: Document) -> str | None:
    if term.is_notification != ("result" not in theirs):
        return "one side has it as a notification, the other as a method"
    for stream in ("input", "output"):
        mine, other = (side.get("x-plugline", {}).get(stream) for side in (own, theirs))
        if (mine is None) != (other is None):
            return f"only one side has an {stream} stream"
        if mine is not None and (fault := _types_differ(mine, other, root, manifest)):
            return f"the items of its {stream}: {fault}"
    known = {param["name"]: param for param in (_followed(each, manifest) for each in theirs.get("params", []))}
    sent = {param["name"]: param for param in (_followed(each, root) for each in own["params"])}
    for name, param in sent.items():
        if name not in known:
            return f"the plugin does not know the param {name!r}"
        if fault := _types_differ(param["schema"], known[name]["schema"], root, manifest):
            return f"the param {name!r}: {fault}"
    for name, param in known.items():
        if param.get("required") and not sent.get(name, {}).get("required"):
            return f"the plugin requires the param {name!r}"
    if not term.is_notification:
        results = _followed(own["result"], root), _followed(theirs["result"], manifest)
        fault = _types_differ(results[0]["schema"], results[1]["schema"], root, manifest)
        if fault:
            return f"its result: {fault}"
    return None


def _followed(descriptor: Document, root: Document) -> Document:
    """A param or result; OpenRPC lets a reference stand for one."""
    if not isinstance(descriptor.get("$ref"), str):
        return descriptor
    known: dict[str, Document] = root.get("components", {}).get("contentDescriptors", {})
    return known.get(_target(descriptor["$ref"]), descriptor)


def _target(reference: str) -> str:
    return unquote(reference.rpartition("/")[2]).replace("~1", "/").replace("~0", "~")


def _types_differ(own: Any, theirs: Any, root: Document, manifest: Document) -> str | None:
    """Whether two schemas plainly are of different JSON types. What is subtler, decoding finds."""
    mine, other = _types(_resolved(own, root)), _types(_resolved(theirs, manifest))
    if mine and other and not mine & other:
        return f"{' or '.join(sorted(mine))} here, {' or '.join(sorted(other))} in the plugin"
    return None


def _resolved(schema: Any, root: Document, depth: int = 8) -> Any:
    if not isinstance(schema, dict) or depth == 0:
        return {}
    if isinstance(schema.get("$ref"), str):
        known = root.get("components", {}).get("schemas", {})
        return _resolved(known.get(_target(schema["$ref"])), root, depth - 1)
    if len(schema.get("allOf", ())) == 1:
        return _resolved(schema["allOf"][0], root, depth - 1)
    return schema


def _types(schema: Any) -> set[str]:
    """The JSON types that a schema plainly names; none where it does not."""
    named = schema.get("type")
    types = {named} if isinstance(named, str) else set(named) if isinstance(named, list) else set()
    return {"number" if name == "integer" else name for name in types}

