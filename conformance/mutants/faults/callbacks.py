"""Faults of callbacks: what the plugin asks of its host, and nested calls."""

from __future__ import annotations

from typing import Any

from plain.call import Call
from plain.peer import Peer
from plain.wire import CANCELLED, INTERNAL, OVERLOADED, RpcError

from .plant import Change, do, fail, fault, for_ever, put


def meta(change: Any) -> Change:
    def with_meta(was: Any, it: Any, call: Any, params: Any) -> Any:
        made = was(call, params)
        change(made, call, it)
        return made

    return (Peer, "with_meta", with_meta)


def answer(change: Any) -> Change:
    """The host's answers, as handlers get them."""

    def callback(was: Any, it: Any, method: str, params: Any) -> Any:
        try:
            return change(was(method, params))
        except RpcError as error:
            return change(error)

    return (Call, "callback", callback)


def errors(change: Any) -> Change:
    def changed(outcome: Any) -> Any:
        if isinstance(outcome, RpcError):
            raise change(outcome)
        return outcome

    return answer(changed)


def results(change: Any) -> Change:
    def changed(outcome: Any) -> Any:
        if isinstance(outcome, RpcError):
            raise outcome
        return change(outcome)

    return answer(changed)


fault(
    "parent-missing", "does not say which call a callback is made for", meta(lambda m, call, it: m["_meta"].pop("parent"))
)
fault(
    "parent-in-params",
    "says the parent beside the params",
    meta(lambda m, call, it: m.update(parent=m.pop("_meta")["parent"])),
)
fault(
    "parent-as-number",
    "writes a parent of digits as a number",
    meta(lambda m, call, it: m["_meta"].update(parent=int(call.id)) if str(call.id).isdigit() else None),
)
fault(
    "parent-zero-missing",
    "takes a parent of 0 for none",
    meta(lambda m, call, it: m["_meta"].pop("parent") if call.id == 0 else None),
)
fault(
    "parent-is-first-call",
    "says the first call in flight as the parent",
    meta(lambda m, call, it: m["_meta"].update(parent=next(iter(it.calls)))),
)
fault(
    "callback-params-lost",
    "loses the params of callbacks",
    meta(lambda m, call, it: [m.pop(name) for name in list(m) if name != "_meta"]),
)
fault(
    "callback-deadline-longer",
    "gives callbacks more time than their call has",
    meta(lambda m, call, it: m["_meta"].update(deadlineMs=3_600_000)),
)
fault(
    "callback-deadline-fraction",
    "gives callbacks a deadline with a fraction",
    meta(lambda m, call, it: m["_meta"].update(deadlineMs=1000.5)),
)
fault("callback-result-lost", "loses the results of callbacks", results(lambda result: None))
fault("callback-falsy-result", "takes a result of 0 for none", results(lambda result: result or None))
fault(
    "callback-null-is-failure",
    "takes a null result for a failure",
    results(lambda result: fail(INTERNAL) if result is None else result),
)
fault(
    "callback-error-internal",
    "answers -32603 for an error of the host",
    errors(lambda e: RpcError(INTERNAL, e.data, e.message)),
)
fault(
    "callback-error-data-lost",
    "loses the data of the host's errors",
    errors(lambda e: RpcError(e.code, message=e.message)),
)
fault(
    "cancelled-callback-internal",
    "answers -32603 where the host cancelled",
    errors(lambda e: RpcError(INTERNAL) if e.code == CANCELLED else e),
)


def host_method(change: Any) -> Change:
    return (Peer, "check_host_method", lambda was, it, method: change(was, it, method))


fault(
    "undeclared-callback-sent", "calls methods that the host did not declare", host_method(lambda was, it, method: None)
)
fault(
    "callback-by-prefix",
    "calls methods that begin like those that the host declared",
    host_method(
        lambda was, it, method: None if any(method.startswith(known) for known in it.host_methods) else was(method)
    ),
)
fault(
    "callbacks-undeclared",
    "calls a host that takes no callbacks",
    host_method(lambda was, it, method: was(method) if it.host_methods else None),
)


def oldest(was: Any, it: Any, id: Any, message: Any) -> None:
    was(min(it.callbacks, default=id) if id in it.callbacks else id, message)


def loose(was: Any, it: Any, id: Any, message: Any) -> None:
    was(int(id) if isinstance(id, str) and id.isdigit() else id, message)


def any_answer(was: Any, it: Any, id: Any, message: Any) -> None:
    was(id if id in it.callbacks else min(it.callbacks, default=id), message)


fault("callback-answers-in-turn", "takes answers in the order of the callbacks", (Peer, "on_response", oldest))
fault("callback-id-loose", "takes an answer whose id is a text of its id", (Peer, "on_response", loose))
fault("callback-takes-any-answer", "takes any answer for that to its callback", (Peer, "on_response", any_answer))
fault(
    "callback-id-same",
    "gives all callbacks the same id",
    (Peer, "ask", lambda was, it, *args: do(put(it, "next_id", 0), was(*args))),
)


def place_kept(was: Any, it: Any, id: Any, message: Any) -> None:
    if id in it.callbacks:
        it.asked[it.callbacks[id].depth] += 1
    was(id, message)


def frees_place(it: Any, call: Any) -> Any:
    with it.change:
        it.asked[call.depth + 1] -= 1
        it.change.notify_all()


def host_load(change: Any) -> Change:
    return (Peer, "ask", lambda was, it, call, *args: do(change(it, call), was(call, *args)))


def full(it: Any, call: Any) -> bool:
    return bool(it.asked[call.depth + 1] >= it.limits["maxInFlight"])


fault("callback-place-kept", "keeps the places of callbacks that were answered", (Peer, "on_response", place_kept))
fault(
    "cancelled-callback-place-free",
    "frees the place of a callback when its call is cancelled",
    (Peer, "on_cancel", lambda was, it, call: do(frees_place(it, call), was(call))),
)
fault(
    "host-load-ignored",
    "sends more callbacks at once than the host takes",
    host_load(lambda it, call: it.limits.update(maxInFlight=1 << 30)),
)
fault(
    "host-load-refused",
    "fails a callback that the host does not take yet",
    host_load(lambda it, call: full(it, call) and fail(OVERLOADED, {"limit": 1})),
)
fault(
    "waiting-callback-uncancellable",
    "does not cancel a call whose callback waits for the host",
    (Call, "check", lambda was, it: None),
)
fault(
    "late-callback-not-cancelled",
    "does not cancel a callback that it gives up",
    (Peer, "notify", lambda was, it, method, params: None if method == "rpc.cancel" else was(method, params)),
)

# Nested calls.

fault(
    "nested-deadlock",
    "serves no nested call while a handler waits",
    (Peer, "handle", lambda was, it, call, params: for_ever() if call.depth else was(call, params)),
)
fault(
    "nested-refused",
    "refuses nested calls",
    (Peer, "check_load", lambda was, it, depth, there: fail(OVERLOADED, {"limit": 1}) if depth else was(depth, there)),
)
fault(
    "unknown-parent-refused",
    "refuses a call whose parent is not in flight",
    (Peer, "depth_of", lambda was, it, m: fail(-32602, {"errors": []}) if "parent" in m and not was(m) else was(m)),
)


def keeps_depth(was: Any, it: Any, id: Any, message: Any) -> None:
    if id in it.callbacks:
        it.__dict__.setdefault("depths", {})[id] = it.callbacks[id].depth
    was(id, message)


def answered_too(was: Any, it: Any, meta: Any) -> Any:
    return was(meta) or it.__dict__.get("depths", {}).get(meta.get("parent"), -1) + 1


def loose_parent(was: Any, it: Any, meta: Any) -> Any:
    parent = meta.get("parent")
    return was({**meta, "parent": int(parent)} if isinstance(parent, str) and parent.isdigit() else meta)


fault(
    "stale-parent-taken",
    "takes a callback that was answered for a parent",
    (Peer, "on_response", keeps_depth),
    (Peer, "depth_of", answered_too),
)
fault("parent-id-loose", "takes a parent that is a text of its id", (Peer, "depth_of", loose_parent))
