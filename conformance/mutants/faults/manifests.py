"""Faults of the manifest."""

from __future__ import annotations

import copy
from typing import Any

from plain.conf import Conf

from .plant import Change, fault


def manifest(change: Any) -> Change:
    def changed(was: Any, it: Any) -> Any:
        made = copy.deepcopy(was())
        change(made)
        return made

    return (Conf, "manifest", changed)


def method(name: str, change: Any) -> Change:
    return manifest(lambda m: [change(listed) for listed in m["methods"] if listed["name"] == name])


def own(change: Any) -> Change:
    return manifest(lambda m: change(m["x-plugline"]))


def extension(name: str, change: Any) -> Change:
    return method(name, lambda listed: change(listed["x-plugline"]))


def renamed(name: str) -> Change:
    return method("conf.add", lambda listed: listed.update(name=name))


fault("manifest-other-openrpc", "says another version of OpenRPC as a number", manifest(lambda m: m.update(openrpc=1.3)))
fault(
    "manifest-params-object",
    "lists params as an object",
    method("conf.add", lambda m: m.update(params={"a": {}, "b": {}})),
)
fault(
    "manifest-descriptor-without-schema",
    "lists a param without its schema",
    method("conf.add", lambda m: m["params"][0].pop("schema")),
)
fault(
    "manifest-param-structure-missing",
    "does not say that params are by name",
    method("conf.add", lambda m: m.pop("paramStructure")),
)
fault(
    "manifest-by-position",
    "says that params are by position",
    method("conf.add", lambda m: m.update(paramStructure="by-position")),
)
fault(
    "manifest-remote-ref",
    "refers to a schema elsewhere",
    method("conf.add", lambda m: m["result"].update(schema={"$ref": "https://example.com/integer.json"})),
)
fault(
    "manifest-defs",
    "keeps schemas in $defs",
    method("conf.add", lambda m: m["result"].update(schema={"$defs": {"i": {"type": "integer"}}, "type": "integer"})),
)
fault("manifest-lists-rpc", "lists methods of the protocol", renamed("rpc.ping"))
fault("manifest-name-without-contract", "lists a method without its contract", renamed("add"))
fault("manifest-name-with-dash", "lists a method with a dash in its name", renamed("conf.add-two"))
fault("manifest-extension-missing", "has no x-plugline", manifest(lambda m: m.pop("x-plugline")))
fault(
    "manifest-version-not-semver",
    "has a version that is no semantic one",
    own(lambda x: x["provides"][0].update(version="1.0")),
)
fault(
    "manifest-instances-number", "says how many instances there may be as a number", own(lambda x: x.update(instances=1))
)
fault("manifest-protocol-text", "says protocol versions as text", own(lambda x: x.update(protocol=["1"])))
fault(
    "manifest-host-methods-names",
    "lists methods of the host by name alone",
    own(lambda x: x.update(hostMethods=["conf_host.echo"])),
)
fault(
    "manifest-extension-misplaced",
    "says output beside x-plugline",
    method("conf.count", lambda m: m.update(output=m["x-plugline"].pop("output"))),
)
fault(
    "manifest-error-without-name",
    "lists an error without its name",
    extension("conf.count", lambda x: x["errors"][0].pop("name")),
)
fault(
    "manifest-error-code-reserved",
    "lists an error with a code of the protocol",
    extension("conf.count", lambda x: x["errors"][0].update(code=-32050)),
)
fault(
    "manifest-example-without-end",
    "lists an example of a stream without its end",
    extension("conf.count", lambda x: x["examples"][0].pop("result")),
)
fault(
    "manifest-errors-twice-missing",
    "does not list errors as OpenRPC does",
    method("conf.count", lambda m: m.pop("errors")),
)
fault(
    "manifest-errors-undeclared",
    "does not list the errors of a method",
    extension("conf.count", lambda x: x.pop("errors")),
)
fault(
    "manifest-host-stream",
    "gives a method of the host a stream",
    own(lambda x: x["hostMethods"][0].update({"x-plugline": {"output": {}}})),
)
fault(
    "manifest-method-missing",
    "does not list a method that it serves",
    manifest(lambda m: m.update(methods=[listed for listed in m["methods"] if listed["name"] != "conf.add"])),
)
fault(
    "manifest-required-missing",
    "does not say which params are required",
    method("conf.add", lambda m: [param.pop("required") for param in m["params"]]),
)
fault(
    "manifest-notification-with-result",
    "lists a notification with a result",
    method("conf.note", lambda m: m.update(result={"name": "result", "schema": {"type": "null"}})),
)
fault(
    "manifest-nothing-without-result",
    "lists a method that returns nothing without a result",
    method("conf.print", lambda m: m.pop("result")),
)
fault(
    "manifest-output-missing", "does not say that a method has output", extension("conf.count", lambda x: x.pop("output"))
)
fault("manifest-input-missing", "does not say that a method has input", extension("conf.sum", lambda x: x.pop("input")))
fault(
    "manifest-any-error-missing",
    "does not say that a method relays errors",
    extension("conf.fail", lambda x: x.pop("errors")),
)
fault(
    "manifest-optional-first",
    "lists an optional param before required ones",
    method("conf.fail", lambda m: m["params"].reverse()),
)
fault(
    "manifest-example-without-result",
    "lists an example without its result",
    method("conf.add", lambda m: m["examples"][0].pop("result")),
)
fault(
    "manifest-example-params-object",
    "lists the params of an example as an object",
    method("conf.add", lambda m: m["examples"][0].update(params={"a": 1, "b": 2})),
)
fault("manifest-requires-missing", "does not say what it requires of the host", own(lambda x: x.update(requires=[])))
fault(
    "manifest-host-method-of-nobody",
    "lists a method of the host that belongs to no contract",
    own(lambda x: x["hostMethods"][0].update(name="nobody.knows")),
)
fault(
    "manifest-name-differs",
    "has another name than it says in the handshake",
    manifest(lambda m: m["info"].update(title="other")),
)
fault(
    "manifest-provides-differ",
    "provides something else than it says in the handshake",
    own(lambda x: x["provides"][0].update(version="2.0.0")),
)
