"""Faults of the envelope: ids, kinds of messages, the order of checks."""

from __future__ import annotations

import json
import re
from typing import Any

from plain.peer import RPC_REQUESTS, Peer, State
from plain.wire import (
    BAD_PARAMS,
    CANCELLED,
    INTERNAL,
    INVALID,
    NO_METHOD,
    NOT_INITIALIZED,
    OVERLOADED,
    PARSE,
    RpcError,
    is_id,
)

from .plant import (
    Change,
    answer_out,
    do,
    end,
    ends,
    error,
    fail,
    fault,
    instead,
    message,
    put,
    request,
)


def id_out(change: Any) -> Change:
    """Ids on their way out, once the handshake is done."""
    return (Peer, "response", lambda was, it, id, o: was(id if it.state is State.NEW else change(id), o))


def id_in(free: Any) -> Change:
    return (Peer, "is_free", lambda was, it, id: free(was, id))


def single(value: Any) -> Any:
    return float(value) if type(value) is int else value


fault("id-zero-is-none", "takes an id of 0 for none", id_in(lambda was, id: (id == "" or bool(id)) and was(id)))
fault("id-empty-is-none", "takes an empty id for none", id_in(lambda was, id: id != "" and was(id)))
fault("id-as-text", "writes ids as text", id_out(lambda id: str(id) if type(id) is int else id))
fault("id-32-bits", "keeps 32 bits of ids", id_out(lambda id: id & 0xFFFFFFFF if type(id) is int else id))
fault("id-as-double", "writes ids with a fraction", id_out(single))
fault(
    "id-digits-as-number",
    "writes ids of digits as numbers",
    id_out(lambda id: int(id) if type(id) is str and id.isdigit() else id),
)
fault("id-trimmed", "trims ids", id_out(lambda id: id.strip() if type(id) is str else id))
fault("id-cut-at-64", "cuts ids at 64 characters", id_out(lambda id: id[:64] if type(id) is str else id))
fault("id-null-answered", "serves a request with a null id", id_in(lambda was, id: id is None or was(id)))
fault(
    "id-null-is-notification",
    "takes a request with a null id for a notification",
    instead(lambda it, m: "id" in m and m["id"] is None and "method" in m, lambda it, m: None),
)
fault("id-true-is-one", "serves a request whose id is true", id_in(lambda was, id: type(id) is bool or was(id)))
fault(
    "id-fraction-taken", "serves a request whose id has a fraction", id_in(lambda was, id: type(id) is float or was(id))
)
fault("id-negative-taken", "serves a request whose id is negative", id_in(lambda was, id: type(id) is int or was(id)))
fault(
    "id-too-large-taken",
    "serves a request whose id is beyond 2^53 - 1",
    id_in(lambda was, id: (type(id) is float and id >= 2**53) or was(id)),
)
fault("id-list-taken", "serves a request whose id is a list", id_in(lambda was, id: type(id) is list or was(id)))
fault("id-too-long-taken", "serves a request whose id is too long", id_in(lambda was, id: type(id) is str or was(id)))
fault(
    "id-length-in-characters",
    "counts the characters of an id",
    id_in(lambda was, id: (type(id) is str and len(id) <= 256) or was(id)),
)
fault(
    "id-whole-double-taken",
    "serves a request whose id is 1.0",
    id_in(lambda was, id: (type(id) is float and id.is_integer()) or was(id)),
)
fault(
    "id-minus-zero-taken",
    "serves a request whose id is -0",
    id_in(lambda was, id: (type(id) is float and id == 0) or was(id)),
)
fault(
    "bad-id-echoed",
    "answers a request whose id is none with that id",
    instead(
        lambda it, m: "method" in m and "id" in m and not is_id(m["id"]),
        lambda it, m: it.respond(m["id"], RpcError(INVALID)),
    ),
)
fault(
    "bad-id-not-answered",
    "does not answer a request whose id is none",
    instead(lambda it, m: "method" in m and "id" in m and not is_id(m["id"]), lambda it, m: None),
)


def cancels_other(was: Any, it: Any, id: Any) -> Any:
    if is_id(id) and (other := it.calls.get(id)):
        other.stop(RpcError(CANCELLED))
    return was(id)


fault("id-in-flight-served", "serves a request whose id is in flight", id_in(lambda was, id: is_id(id)))
fault("id-in-flight-cancels", "cancels a call when another comes with its id", (Peer, "is_free", cancels_other))
fault(
    "shutdown-id-free",
    "takes requests with the id of an rpc.shutdown that is in flight",
    (Peer, "is_free", lambda was, it, id: was(id) or (is_id(id) and it.calls[id] is None)),
)
fault(
    "id-in-flight-echoed",
    "answers a request whose id is in flight with that id",
    instead(
        lambda it, m: "method" in m and is_id(m.get("id")) and m["id"] in it.calls,
        lambda it, m: it.respond(m["id"], RpcError(INVALID)),
    ),
)


def once(was: Any, it: Any, id: Any) -> bool:
    seen: set[Any] = it.__dict__.setdefault("seen", set())
    fresh = was(id) and id not in seen
    seen.add(id)
    return fresh


fault("id-never-free", "takes an id once", (Peer, "is_free", once))
fault(
    "id-spaces-shared",
    "takes its own ids in flight for ids of the host",
    (Peer, "is_free", lambda was, it, id: was(id) and id not in it.callbacks),
)


def ends_call(was: Any, it: Any, id: Any, answer: Any) -> None:
    if call := it.calls.get(id):
        call.stop(RpcError(1, message="answered"))
    else:
        was(id, answer)


fault("response-ends-call", "takes a response for the end of a call of the host", (Peer, "on_response", ends_call))


# Params.


def changed_params(when: Any, then: Any) -> Change:
    return message(lambda m: m.update(params=then(m["params"])) if "params" in m and when(m["params"]) else None)


fault(
    "params-required",
    "wants params where none are needed",
    instead(
        lambda it, m: "method" in m and "id" in m and "params" not in m,
        lambda it, m: it.respond(m["id"], RpcError(BAD_PARAMS)),
    ),
)
fault("empty-array-is-object", "takes [] for {}", request(lambda method, params: {} if params == [] else params))
fault(
    "array-params-invalid-request",
    "answers params that are an array with -32600",
    request(lambda method, params: fail(INVALID) if isinstance(params, list) else params),
)


def by_position(was: Any, it: Any, id: Any, method: str, params: Any) -> None:
    known = it.conf.methods.get(method)
    was(id, method, dict(zip(known.params, params, strict=False)) if known and isinstance(params, list) else params)


fault("array-params-by-position", "takes params by position", (Peer, "on_request", by_position))
fault("null-params-taken", "takes null params for {}", changed_params(lambda params: params is None, lambda params: {}))
fault(
    "falsy-params-taken",
    "takes 0, false and empty text for {}",
    changed_params(lambda params: params is not None and params != [] and not params, lambda params: {}),
)
fault(
    "scalar-params-bad-params",
    "answers params that are a scalar with -32602",
    (Peer, "envelope_fault", lambda was, it, m: was({**m, "params": {}})),
)


# Members of the envelope.

MEMBERS = {"jsonrpc", "id", "method", "params", "result", "error"}


def lowered(m: Any) -> None:
    members = {name.lower(): value for name, value in m.items()}
    m.clear()
    m.update(members)


fault(
    "unknown-member-refused",
    "refuses unknown members of a message",
    (Peer, "envelope_fault", lambda was, it, m: was(m) or ("unknown" if m.keys() - MEMBERS else None)),
)
fault("members-in-any-case", "takes members of a message in any case", message(lowered))
fault(
    "version-missing-taken",
    "takes a message without jsonrpc",
    message(lambda m: m.setdefault("jsonrpc", "2.0") if "method" in m and "id" in m else None),
)
fault(
    "version-unchecked",
    "takes any jsonrpc that is a text",
    message(lambda m: m.update(jsonrpc="2.0") if type(m.get("jsonrpc")) is str else None),
)
fault(
    "version-number-taken",
    "takes jsonrpc for a number",
    message(lambda m: m.update(jsonrpc="2.0") if m.get("jsonrpc") == 2 else None),
)
fault(
    "version-null-taken",
    "takes a null jsonrpc",
    message(lambda m: m.update(jsonrpc="2.0") if m.get("jsonrpc", 0) is None else None),
)
fault(
    "envelope-error-without-id",
    "answers a faulty request without its id",
    instead(
        lambda it, m: is_id(m.get("id")) and "method" in m and it.envelope_fault(m),
        lambda it, m: it.respond(None, RpcError(INVALID)),
    ),
)


def broken_response(it: Any, m: Any) -> bool:
    return "method" not in m and bool(m.keys() & {"result", "error"}) and m.get("jsonrpc") != "2.0"


fault("broken-response-ignored", "ignores a response without jsonrpc", instead(broken_response, lambda it, m: None))
fault(
    "broken-response-echoes-id",
    "answers a broken response with its id",
    instead(broken_response, lambda it, m: it.respond(m.get("id"), RpcError(INVALID))),
)
fault(
    "broken-response-taken",
    "takes a response without jsonrpc",
    message(lambda m: m.setdefault("jsonrpc", "2.0") if "method" not in m else None),
)


def dropped(*names: str) -> Any:
    return lambda m: [m.pop(name, None) for name in names]


fault(
    "method-and-result-served",
    "serves a request that has a result or an error",
    message(lambda m: dropped("result", "error")(m) if "method" in m else None),
)
fault(
    "mixed-echoes-id",
    "answers what is request and response at once with its id",
    instead(
        lambda it, m: "method" in m and "id" in m and m.keys() & {"result", "error"},
        lambda it, m: it.respond(m["id"], RpcError(INVALID)),
    ),
)
fault(
    "null-result-is-absent",
    "takes a null result for none",
    message(lambda m: dropped("result")(m) if m.get("result", 0) is None else None),
)
fault(
    "result-and-error-taken",
    "takes a response that has a result and an error",
    message(lambda m: dropped("error")(m) if "result" in m and "method" not in m else None),
)
fault(
    "null-response-ignored",
    "ignores a response without an id",
    instead(
        lambda it, m: "method" not in m and m.keys() & {"result", "error"} and m.get("id") is None, lambda it, m: None
    ),
)
fault(
    "response-id-unchecked",
    "ignores a response whose id is none",
    instead(
        lambda it, m: "method" not in m and m.keys() & {"result", "error"} and type(m.get("id")) in (int, float),
        lambda it, m: it.on_response(m["id"], m),
    ),
)
fault("empty-object-ignored", "ignores {}", instead(lambda it, m: not m, lambda it, m: None))
fault(
    "no-method-echoes-id",
    "answers what has no method with its id",
    instead(
        lambda it, m: is_id(m.get("id")) and not m.keys() & {"method", "result", "error"},
        lambda it, m: it.respond(m["id"], RpcError(INVALID)),
    ),
)
fault(
    "bad-method-is-notification",
    "takes what has no id for a notification",
    instead(lambda it, m: "id" not in m and "method" in m, lambda it, m: None),
)
fault(
    "method-type-unchecked",
    "looks up a method that is no text",
    message(lambda m: m.update(method=str(m["method"])) if "method" in m and "id" in m else None),
)


# Lines that are no objects.


def other(when: Any, then: Any) -> Change:
    return (Peer, "receive", lambda was, it, m, cost: then(was, it, m) if when(m) else was(m, cost))


def is_list(m: Any) -> bool:
    return isinstance(m, list)


def refuse_each(was: Any, it: Any, m: Any) -> None:
    for _ in m or [0]:
        it.respond(None, RpcError(INVALID))


def refuse_all(was: Any, it: Any, m: Any) -> None:
    it.writer.write(json.dumps([{"jsonrpc": "2.0", "id": None, "error": RpcError(INVALID).body()}] * len(m)).encode())


def serve_each(was: Any, it: Any, m: Any) -> None:
    for one in m:
        was(one, 0)


fault("empty-batch-ignored", "ignores an empty batch", other(lambda m: m == [], lambda was, it, m: None))
fault("batch-served", "serves what is in a batch", other(is_list, serve_each))
fault("batch-answered-for-each", "answers each message of a batch", other(is_list, refuse_each))
fault("batch-answered-as-batch", "answers a batch with a batch", other(is_list, refuse_all))
fault(
    "batch-of-notifications-ignored",
    "ignores a batch of notifications",
    other(lambda m: is_list(m) and any("id" not in one for one in m if isinstance(one, dict)), lambda was, it, m: None),
)
fault(
    "scalar-is-parse-error",
    "answers a line that is a scalar with -32700",
    other(lambda m: not isinstance(m, dict | list), lambda was, it, m: it.respond(None, RpcError(PARSE))),
)
fault("null-line-ignored", "ignores a line that is null", other(lambda m: m is None, lambda was, it, m: None))


# Lines that are not JSON.


def broken(then: Any) -> Change:
    return (Peer, "on_broken", lambda was, it, text: then(was, it, text))


def found_id(text: bytes) -> int | None:
    found = re.search(rb'"id":([0-9]+)', text)
    return int(found[1]) if found else None


def two_served(was: Any, it: Any, text: bytes) -> Any:
    rest = text.decode(errors="replace")
    while rest.startswith("{"):
        try:
            m, at = json.JSONDecoder().raw_decode(rest)
        except ValueError:
            break
        it.receive(m, 0)
        rest = rest[at:]
    else:
        return None if not rest else was(text)
    was(text)


fault(
    "parse-error-echoes-id",
    "answers what is not JSON with an id that it finds there",
    broken(lambda was, it, text: it.respond(found_id(text), RpcError(PARSE))),
)
fault("parse-error-not-answered", "does not answer what is not JSON", broken(lambda was, it, text: None))
ends("parse-error-ends", "exits at what is not JSON", broken(lambda was, it, text: end()))
fault(
    "parse-error-invalid-request",
    "answers what is not JSON with -32600",
    broken(lambda was, it, text: it.respond(None, RpcError(INVALID))),
)
fault(
    "broken-notification-ignored",
    "ignores what is not JSON and has no id",
    broken(lambda was, it, text: was(text) if b'"id"' in text else None),
)
fault("two-on-a-line-served", "serves two messages on a line", broken(two_served))
fault(
    "headers-taken",
    "ignores a header",
    broken(lambda was, it, text: None if text.startswith(b"Content-Length:") else was(text)),
)


# _meta.


def meta(change: Any) -> Change:
    return (Peer, "take_meta", lambda was, it, params: change(was, params))


def deadline(ok: Any) -> Change:
    return meta(
        lambda was, params: fail(BAD_PARAMS) if not ok(params.get("_meta", {}).get("deadlineMs", 0)) else was(params)
    )


def deadline_passed(was: Any, params: Any) -> Any:
    found = was(params)
    return fail(-32005) if type(found.get("deadlineMs")) is int and found["deadlineMs"] > 2**31 else found


fault("meta-refused", "takes _meta for an unknown param", meta(lambda was, params: params.get("_meta", {})))
fault("meta-checked", "refuses members of _meta that are ill-typed", deadline(lambda ms: type(ms) is int))
fault("meta-deadline-checked", "refuses a deadline that is ill-typed", deadline(lambda ms: type(ms) is int and ms >= 0))
fault("deadline-overflows", "takes a far deadline for one that passed", meta(deadline_passed))
fault(
    "meta-parent-checked",
    "refuses a parent that is ill-typed",
    meta(
        lambda was, params: fail(BAD_PARAMS) if isinstance(params.get("_meta", {}).get("parent"), dict) else was(params)
    ),
)


# Notifications and responses.


def notified(when: Any, then: Any) -> Change:
    return (Peer, "on_notification", lambda was, it, m, cost: then(it, m) if when(it, m) else was(m, cost))


def unknown(it: Any, m: Any) -> bool:
    return m["method"] not in it.conf.methods and m["method"] not in RPC_REQUESTS and m["method"] not in NOTIFICATIONS


NOTIFICATIONS = {"rpc.cancel", "rpc.input", "rpc.inputEnd", "rpc.outputCredit"}


def refused(code: int) -> Any:
    return lambda it, m: it.respond(None, RpcError(code))


def is_request(it: Any, m: Any) -> bool:
    known = it.conf.methods.get(m["method"])
    return m["method"] in ("rpc.ping", "rpc.initialize") or bool(known and known.result is not None)


fault(
    "unknown-notification-answered", "answers a notification that it does not know", notified(unknown, refused(NO_METHOD))
)
fault(
    "faulty-notification-answered",
    "answers a notification without jsonrpc",
    notified(lambda it, m: m.get("jsonrpc") != "2.0", refused(INVALID)),
)
fault(
    "notification-params-answered",
    "answers a notification whose params are none",
    notified(lambda it, m: not isinstance(m.get("params", {}), dict | list), refused(INVALID)),
)
fault(
    "notification-served-and-answered",
    "answers a request without an id",
    notified(is_request, lambda it, m: it.respond(None, {})),
)
fault(
    "shutdown-by-notification",
    "shuts down at a notification",
    notified(lambda it, m: m["method"] == "rpc.shutdown", lambda it, m: put(it, "state", State.CLOSING)),
)
fault(
    "bad-note-kept",
    "does not check the params of notifications",
    (Peer, "on_contract", lambda was, it, method, params: it.conf.notes.append(str(params.get("text")))),
)
fault(
    "early-note-kept",
    "takes notifications before the handshake",
    notified(
        lambda it, m: it.state is State.NEW and m["method"] == "conf.note", lambda it, m: it.conf.notes.append("early")
    ),
)
fault(
    "note-with-meta-dropped",
    "takes _meta in a notification for an unknown param",
    notified(lambda it, m: "_meta" in m.get("params", {}), lambda it, m: None),
)


def stray_answered(was: Any, it: Any, id: Any, answer: Any) -> None:
    known = id in it.callbacks
    was(id, answer)
    if not known:
        it.respond(None, RpcError(INVALID))


fault("stray-response-answered", "answers a response to nothing", (Peer, "on_response", stray_answered))
fault(
    "null-result-response-answered",
    "takes a response with a null result for none",
    instead(
        lambda it, m: "method" not in m and m.get("result", 0) is None, lambda it, m: it.respond(None, RpcError(INVALID))
    ),
)


# The order of checks, and methods.


def full(it: Any) -> bool:
    return bool(it.load[0] >= it.own_limits["maxInFlight"])


def first(check: Any) -> Change:
    """A check before all others."""
    return (
        Peer,
        "on_request",
        lambda was, it, id, method, params: do(check(it, method, params), was(id, method, params)),
    )


fault(
    "lifecycle-before-envelope",
    "looks at the lifecycle before the envelope",
    instead(
        lambda it, m: (
            it.state is State.NEW
            and is_id(m.get("id"))
            and type(m.get("method")) is str
            and m["method"] not in RPC_REQUESTS
        ),
        lambda it, m: it.respond(m["id"], RpcError(NOT_INITIALIZED)),
    ),
)
fault(
    "method-before-lifecycle",
    "looks methods up before the handshake",
    first(
        lambda it, method, params: (
            it.state is State.NEW and method not in it.conf.methods and method not in RPC_REQUESTS and fail(NO_METHOD)
        )
    ),
)
fault(
    "params-before-lifecycle",
    "looks at params before the handshake",
    first(lambda it, method, params: it.state is State.NEW and isinstance(params, list) and fail(BAD_PARAMS)),
)
fault(
    "params-before-method",
    "looks at params before the method",
    first(lambda it, method, params: isinstance(params, list) and fail(BAD_PARAMS)),
)
fault(
    "load-before-method",
    "looks at the load before the method",
    first(lambda it, method, params: full(it) and not method.startswith("rpc.") and fail(OVERLOADED, {"limit": 8})),
)
fault(
    "load-before-params",
    "looks at the load before the params",
    first(lambda it, method, params: full(it) and method in it.conf.methods and fail(OVERLOADED, {"limit": 8})),
)
fault(
    "overload-counts-rpc",
    "refuses requests of the protocol for load",
    first(lambda it, method, params: full(it) and method.startswith("rpc.") and fail(OVERLOADED, {"limit": 8})),
)
fault(
    "unknown-method-internal",
    "answers an unknown method with -32603",
    error(lambda e: RpcError(INTERNAL) if e.code == NO_METHOD else e),
)
fault(
    "unknown-method-not-answered",
    "does not answer an unknown method",
    (Peer, "respond", lambda was, it, id, o: None if isinstance(o, RpcError) and o.code == NO_METHOD else was(id, o)),
)
fault(
    "unknown-method-null",
    "answers null for an unknown method",
    (Peer, "response", lambda was, it, id, o: was(id, None if isinstance(o, RpcError) and o.code == NO_METHOD else o)),
)
fault(
    "unknown-rpc-null",
    "answers null for an unknown method of the protocol",
    (
        Peer,
        "check_method",
        lambda was, it, method: (
            it.conf.methods["conf.notes"] if method not in RPC_REQUESTS and method.startswith("rpc.") else was(method)
        ),
    ),
)


def named(change: Any) -> Change:
    return message(lambda m: m.update(method=change(m["method"])) if type(m.get("method")) is str else None)


fault("method-trimmed", "trims names of methods", named(str.strip))
fault(
    "method-in-any-case",
    "takes names of methods in any case",
    named(lambda name: name.lower() if name.lower() in RPC_REQUESTS else name),
)
fault(
    "method-by-prefix",
    "looks for the beginning of names",
    named(lambda name: next((known for known in RPC_REQUESTS if name.startswith(known)), name)),
)
fault(
    "rpc-params-closed",
    "refuses unknown params of the protocol's methods",
    request(
        lambda method, params: (
            fail(BAD_PARAMS)
            if method in ("rpc.ping", "rpc.discover", "rpc.shutdown") and isinstance(params, dict) and "later" in params
            else params
        )
    ),
)


# Responses.

fault("answer-without-version", "leaves jsonrpc out of responses", answer_out(lambda m: m.pop("jsonrpc")))
fault("answer-with-null-error", "adds a null error to results", answer_out(lambda m: m.setdefault("error", None)))
fault("error-with-null-result", "adds a null result to errors", answer_out(lambda m: m.setdefault("result", None)))
fault(
    "error-code-text",
    "writes codes as text",
    answer_out(lambda m: m["error"].update(code=str(m["error"]["code"])) if "error" in m else None),
)
fault(
    "error-without-message",
    "leaves the message out of errors",
    answer_out(lambda m: m["error"].pop("message") if "error" in m else None),
)
fault(
    "error-is-text",
    "writes errors as text",
    answer_out(lambda m: m.update(error=m["error"]["message"]) if "error" in m else None),
)
fault("answer-has-method", "writes the method into responses", answer_out(lambda m: m.update(method="rpc.ping")))
fault(
    "answers-twice",
    "answers twice",
    (
        Peer,
        "respond",
        lambda was, it, id, o: do(was(id, o), it.state is State.READY and id != "initialize" and was(id, o)),
    ),
)
