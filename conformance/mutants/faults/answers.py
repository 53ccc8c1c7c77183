"""Faults of calls: load, errors, params, progress, log, notifications, cancel."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from plain.call import Call
from plain.conf import LEVELS, Conf
from plain.peer import Peer
from plain.wire import (
    BAD_PARAMS,
    CANCELLED,
    DEADLINE,
    INTERNAL,
    INVALID,
    OVERLOADED,
    STREAM,
    RpcError,
    is_id,
)

from .plant import Change, do, end, ends, error, fail, fault, for_ever, later, params_of, pipe, request

# Load.


def load(change: Any) -> Change:
    return (Peer, "check_load", lambda was, it, depth, there: change(was, it, depth, there))


def handled(change: Any) -> Change:
    """Between a handler and its answer."""
    return (Peer, "handle", lambda was, it, call, params: change(it, call, was(call, params)))


def keeps_place(when: Any) -> Change:
    return handled(lambda it, call, o: do(when(o) and it.load.update([call.depth]), o))


def code(outcome: Any) -> int:
    return outcome.code if isinstance(outcome, RpcError) else 0


def queues(was: Any, it: Any, id: Any, method: Any, params: Any, meta: Any) -> Any:
    if it.load[0] < it.own_limits["maxInFlight"]:
        return was(id, method, params, meta)

    def wait() -> None:
        with it.change:
            it.change.wait_for(lambda: it.load[0] < it.own_limits["maxInFlight"])
        was(id, method, params, meta)

    threading.Thread(target=wait, daemon=True).start()


ONE = threading.Lock()


def one_at_a_time(was: Any, it: Any, call: Any, params: Any) -> Any:
    with ONE:
        return was(call, params)


def place_late(was: Any, it: Any, call: Any, params: Any) -> None:
    depth = call.depth
    it.load.update([depth])
    was(call, params)
    time.sleep(0.05)
    it.load.subtract([depth])


fault("overload-unbounded", "serves any number of calls at once", load(lambda was, it, depth, there: was(depth, 0)))
fault(
    "overload-off-by-one",
    "serves one call more at once than it declares",
    load(lambda was, it, depth, there: was(depth, there - 1)),
)
fault(
    "overload-early",
    "serves one call less at once than it declares",
    load(lambda was, it, depth, there: was(depth, there + 1)),
)
fault(
    "overload-no-data",
    "does not say how many calls it serves at once",
    error(lambda e: RpcError(OVERLOADED) if e.code == OVERLOADED else e),
)
fault("overload-queues", "queues calls beyond what it declares", (Peer, "start", queues))
fault("pool-of-one", "handles one call at a time, though it declares more", (Peer, "handle", one_at_a_time))
fault("place-kept", "keeps the places of cancelled calls", keeps_place(lambda o: code(o) == CANCELLED))
fault("panic-keeps-place", "keeps the places of handlers that panic", keeps_place(lambda o: code(o) == INTERNAL))
fault("error-keeps-place", "keeps the places of calls that fail", keeps_place(lambda o: code(o) > 0))
fault(
    "violation-keeps-place",
    "keeps the places of calls whose streams were misused",
    keeps_place(lambda o: code(o) == STREAM),
)
fault("place-late", "gives a place up after the answer is out", (Peer, "serve", place_late))
fault(
    "depths-share-load",
    "counts the calls of all depths together",
    load(lambda was, it, depth, there: was(depth, sum(it.load.values()))),
)
fault("depth-unbounded", "serves calls of any depth", load(lambda was, it, depth, there: was(0, there)))
fault(
    "depth-early",
    "refuses calls below the depth that it declares",
    load(lambda was, it, depth, there: was(depth + 2 if depth else 0, there)),
)
fault(
    "depth-no-data",
    "does not say how deep calls may be",
    load(lambda was, it, depth, there: fail(OVERLOADED) if depth > it.own_limits["maxDepth"] else was(depth, there)),
)


# Errors of the application.


def application(change: Any) -> Change:
    return error(lambda e: change(e) if not -32768 <= e.code < -32000 and e.code != INTERNAL or e.code > -1000 else e)


def wrapped(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


fault(
    "error-code-internal",
    "answers errors of the application with -32603",
    application(lambda e: RpcError(INTERNAL, e.data, e.message)),
)
fault(
    "error-code-32000",
    "answers errors of the application with -32000",
    application(lambda e: RpcError(-32000, e.data, e.message)),
)
fault(
    "error-code-zero-internal",
    "takes a code of 0 for none",
    application(lambda e: e if e.code else RpcError(INTERNAL, e.data, e.message)),
)
fault("error-code-absolute", "drops the minus of codes", application(lambda e: RpcError(abs(e.code), e.data, e.message)))
fault("error-code-32-bits", "keeps 32 bits of codes", application(lambda e: RpcError(wrapped(e.code), e.data, e.message)))
fault("error-data-dropped", "drops the data of errors", application(lambda e: RpcError(e.code, message=e.message)))
fault(
    "error-data-as-text",
    "writes the data of errors as text",
    application(lambda e: RpcError(e.code, ... if e.data is ... else str(e.data), e.message)),
)
fault(
    "falsy-error-data-dropped",
    "takes data of 0 or false for none",
    application(lambda e: RpcError(e.code, e.data or ..., e.message)),
)
fault(
    "panic-not-answered",
    "does not answer for a handler that panics",
    handled(lambda it, call, o: for_ever() if code(o) == INTERNAL else o),
)
fault(
    "panic-application-code",
    "answers a panic with a code of the application",
    handled(lambda it, call, o: RpcError(1) if code(o) == INTERNAL else o),
)
ends("panic-ends", "exits when a handler panics", (Conf, "panic", lambda was, it, *args: end(101)))


# Params.


def add(change: Any) -> Change:
    return params_of("conf.add", lambda params: {name: change(value) for name, value in params.items()})


def bad_params(change: Any) -> Change:
    return error(lambda e: change(e) if e.code == BAD_PARAMS else e)


def paths(change: Any) -> Change:
    def changed(e: RpcError) -> RpcError:
        faults = (e.data or {}).get("errors", []) if isinstance(e.data, dict) else []
        return RpcError(e.code, {"errors": [{**fault, "path": change(fault["path"])} for fault in faults]})

    return bad_params(changed)


MAXIMA = {
    "conf.sleep": ("ms", 3_600_000),
    "conf.blob": ("bytes", 64 << 20),
    "conf.progress": ("steps", 10**6),
    "conf.count": ("n", 10**9),
}


def numbers(change: Any) -> Change:
    """Params that have a minimum, which is 0, and a maximum."""

    def changed(method: str, params: Any) -> Any:
        name, most = MAXIMA.get(method, ("", 0))
        if not isinstance(params, dict) or type(params.get(name)) is not int:
            return params
        return {**params, name: change(params[name], most)}

    return request(changed)


fault(
    "missing-param-default",
    "takes 0 for a param that is missing",
    params_of("conf.add", lambda params: {"a": 0, "b": 0, **params}),
)
fault(
    "unknown-param-taken",
    "ignores unknown params",
    params_of("conf.add", lambda params: {n: v for n, v in params.items() if n in ("a", "b", "_meta")}),
)
fault(
    "params-in-any-case",
    "takes names of params in any case",
    params_of("conf.add", lambda params: {n.lower(): v for n, v in params.items()}),
)
fault("params-converted", "converts text to numbers", add(lambda v: int(v) if isinstance(v, str) and v.isdigit() else v))
fault("true-is-an-integer", "takes true for 1", add(lambda v: int(v) if isinstance(v, bool) else v))
fault("null-is-missing-is-zero", "takes null for 0", add(lambda v: 0 if v is None else v))
fault("fraction-cut", "cuts fractions off", add(lambda v: int(v) if isinstance(v, float) and abs(v) < 2**53 else v))
fault("param-faults-missing", "does not say what is wrong with params", bad_params(lambda e: RpcError(e.code)))
fault("param-path-is-name", "says the name of a param in place of its path", paths(lambda path: path.removeprefix("/")))
fault("param-path-from-message", "says paths from the message", paths(lambda path: f"/params{path}"))
fault(
    "param-path-shallow",
    "says the first member of a path alone",
    paths(lambda path: "/" + path.split("/")[1] if path else ""),
)
fault("pointer-not-escaped", "does not escape paths", paths(lambda path: path.replace("~1", "/").replace("~0", "~")))
fault(
    "pointer-escaped-in-wrong-order",
    "escapes / before ~",
    paths(lambda path: "/" + path[1:].replace("~1", "/").replace("~0", "~").replace("/", "~1").replace("~", "~0")),
)
fault("bad-params-internal", "answers bad params with -32603", bad_params(lambda e: RpcError(INTERNAL, e.data)))
fault("bad-params-invalid-request", "answers bad params with -32600", bad_params(lambda e: RpcError(INVALID, e.data)))
fault("no-params-unchecked", "ignores params of a method that has none", params_of("conf.notes", lambda params: {}))
fault(
    "optional-required",
    "wants optional params",
    params_of("conf.count", lambda params: params if "fail_after" in params else fail(BAD_PARAMS, {"errors": []})),
)
fault(
    "optional-unchecked",
    "does not check optional params",
    params_of("conf.count", lambda params: {n: v for n, v in params.items() if n != "fail_after" or type(v) is int}),
)
fault(
    "bounds-unchecked",
    "does not check the bounds of params",
    params_of("conf.count", lambda params: {**params, "n": max(0, params["n"])}),
)
fault(
    "maximum-unchecked", "does not check the maxima of params", numbers(lambda value, most: 0 if value > most else value)
)
fault("minimum-unchecked", "does not check the minima of params", numbers(lambda value, most: max(0, value)))
fault(
    "enum-unchecked",
    "takes words that are none of the choices",
    params_of("conf.log", lambda params: {**params, "level": params["level"] if params["level"] in LEVELS else "info"}),
)
fault(
    "enum-in-any-case",
    "takes words in any case",
    params_of("conf.log", lambda params: {**params, "level": params["level"].lower()}),
)


# Progress and log.


def progress(change: Any) -> Change:
    return (Call, "progress", lambda was, it, progress, total=None: change(was, it, progress, total))


def said(**members: Any) -> Change:
    return progress(
        lambda was, it, p, t: it.peer.notify(
            "rpc.progress", {"id": it.id, "progress": p, "total": t, **{n: m(it, p) for n, m in members.items()}}
        )
    )


def as_request(was: Any, it: Any, p: Any, t: Any) -> None:
    it.peer.writer.write(
        it.peer.writer.line({"id": 5, "method": "rpc.progress", "params": {"id": it.id, "progress": p, "total": t}})
    )


def in_pairs(was: Any, it: Any, p: Any, t: Any) -> None:
    if p % 2 == 0:
        was(p, t)
        was(p - 1, t)


def after_answer(was: Any, it: Any, call: Any, params: Any) -> None:
    held: list[tuple[Any, Any]] = []
    ordinary = call.progress
    call.progress = lambda p, t=None: held.append((p, t))
    was(call, params)
    for p, t in held:
        ordinary(p, t)


def log(change: Any) -> Change:
    return (Call, "log", lambda was, it, level, message: was(change(level), message))


fault(
    "progress-without-id",
    "does not say whose progress it is",
    progress(lambda was, it, p, t: it.peer.notify("rpc.progress", {"progress": p, "total": t})),
)
fault("progress-decreases", "has progress decrease", said(progress=lambda it, p: -p))
fault("progress-text", "writes progress as text", said(progress=lambda it, p: str(p)))
fault(
    "progress-id-number",
    "writes ids of digits as numbers in progress",
    said(id=lambda it, p: int(it.id) if isinstance(it.id, str) and it.id.isdigit() else it.id),
)
fault("progress-is-request", "sends progress as a request", progress(as_request))
fault("progress-reordered", "sends progress out of order", progress(in_pairs))
fault("progress-after-answer", "sends progress after the answer", (Peer, "serve", after_answer))
fault("log-level-upper", "writes log levels in upper case", log(str.upper))
fault("log-level-warning", "writes warn as warning", log(lambda level: "warning" if level == "warn" else level))
fault("log-level-number", "writes log levels as numbers", log(LEVELS.index))


# Notifications of the contract.


def note(change: Any) -> Change:
    return (Peer, "on_contract", lambda was, it, method, params: change(was, it, method, params))


def in_a_thread(was: Any, it: Any, method: Any, params: Any) -> None:
    it.notes_seen = it.__dict__.get("notes_seen", 0) + 1
    later(0.05 if it.notes_seen % 2 else 0.01, lambda: was(method, params))


def one_late(was: Any, it: Any, method: Any, params: Any) -> None:
    held, it.held = it.__dict__.get("held"), (method, params)
    if held:
        was(*held)


fault("notes-in-threads", "handles notifications in threads of their own", note(in_a_thread))
fault("last-note-late", "handles a notification when the next one comes", note(one_late))
fault(
    "notes-reversed",
    "handles the latest notification first",
    (Conf, "list_notes", lambda was, it, *args: was(*args)[::-1]),
)
fault(
    "notes-once",
    "forgets notifications once they were asked for",
    (Conf, "list_notes", lambda was, it, *args: pipe(was(*args), lambda notes: do(it.notes.clear(), notes))),
)


# Cancel.


def cancel(change: Any) -> Change:
    return (Peer, "on_cancel", lambda was, it, call: change(was, it, call))


def cancel_params(change: Any) -> Change:
    """Before a cancel is looked at; None ignores it."""

    def on_rpc(was: Any, it: Any, method: str, params: Any, cost: int) -> None:
        if method == "rpc.cancel":
            params = change(it, params)
        if params is not None:
            was(method, params, cost)

    return (Peer, "on_rpc", on_rpc)


def calls(it: Any) -> list[Any]:
    return [call for call in list(it.calls.values()) if call]


def stop_all(it: Any, found: Any) -> Any:
    for call in found:
        call.stop(RpcError(CANCELLED))


def each_answered(was: Any, it: Any, method: str, params: Any, cost: int) -> None:
    known: set[Any] = it.__dict__.setdefault("cancelled", set())
    id = params.get("id")
    if method == "rpc.cancel" and is_id(id) and id in known:
        it.respond(id, RpcError(CANCELLED))
    known.update([id] if is_id(id) else [])
    was(method, params, cost)


def answers_unknown(it: Any, params: Any, finished: bool) -> Any:
    id = params.get("id")
    if is_id(id) and id not in it.calls and (id in it.__dict__.get("answered", ())) is finished:
        it.respond(id, RpcError(CANCELLED))
    return params


def remembers(was: Any, it: Any, id: Any, outcome: Any) -> None:
    it.__dict__.setdefault("answered", set()).add(id)
    was(id, outcome)


def remembered(was: Any, it: Any, id: Any, *args: Any) -> None:
    was(id, *args)
    if id in it.__dict__.get("cancelled", ()):
        it.calls[id].stop(RpcError(CANCELLED))


def keep(it: Any, params: Any) -> Any:
    it.__dict__.setdefault("cancelled", set()).add(params.get("id"))
    return params


def raises(it: Any, params: Any) -> Any:
    return {"id": params["id"]} if {params["id"]} else None


fault("cancel-ignored", "ignores rpc.cancel", cancel(lambda was, it, call: None))
fault(
    "cancel-answered-twice",
    "answers a cancelled call at once, and again when its handler ends",
    cancel(lambda was, it, call: do(it.respond(call.id, RpcError(CANCELLED)), was(call))),
)
fault(
    "cancel-not-answered",
    "does not answer a cancelled call",
    handled(lambda it, call, o: for_ever() if code(o) == CANCELLED else o),
)
fault(
    "cancel-code",
    "answers a cancelled call with -32800",
    handled(lambda it, call, o: RpcError(-32800) if code(o) == CANCELLED else o),
)
fault(
    "cancel-result",
    "answers a cancelled call with null",
    handled(lambda it, call, o: None if code(o) == CANCELLED else o),
)
fault(
    "cancel-needs-reason",
    "ignores a cancel without a reason",
    cancel_params(lambda it, params: params if "reason" in params else None),
)
fault(
    "cancel-of-zero-ignored",
    "ignores a cancel of id 0",
    cancel_params(lambda it, params: params if params.get("id") else None),
)
fault(
    "cancel-params-closed",
    "ignores a cancel with unknown members",
    cancel_params(lambda it, params: None if params.keys() - {"id", "reason"} else params),
)
fault(
    "cancel-of-finished-answered",
    "answers a cancel of a call that has ended",
    (Peer, "respond", remembers),
    cancel_params(lambda it, params: answers_unknown(it, params, True)),
)
fault(
    "cancel-of-unknown-answered",
    "answers a cancel of a call that never was",
    (Peer, "respond", remembers),
    cancel_params(lambda it, params: answers_unknown(it, params, False)),
)
fault("cancel-remembered", "cancels a call that comes after its cancel", cancel_params(keep), (Peer, "start", remembered))
fault(
    "cancel-id-loose",
    "takes an id of digits for a number",
    cancel_params(
        lambda it, params: (
            {"id": int(params["id"])} if isinstance(params.get("id"), str) and params["id"].isdigit() else params
        )
    ),
)
fault(
    "cancel-null-is-all",
    "takes a cancel of null for one of all calls",
    cancel_params(
        lambda it, params: do(stop_all(it, calls(it)) if "id" in params and params["id"] is None else 0, params)
    ),
)
fault("cancel-stops-all", "stops all calls at a cancel", cancel(lambda was, it, call: stop_all(it, calls(it))))
fault(
    "cancel-stops-latest", "stops the latest call at a cancel", cancel(lambda was, it, call: stop_all(it, calls(it)[-1:]))
)
fault("each-cancel-answered", "answers each cancel", (Peer, "on_rpc", each_answered))
ends("faulty-cancel-ends", "exits at a cancel without an id", cancel_params(raises))
fault(
    "deadline-code",
    "answers a deadline that passed with -32000",
    handled(lambda it, call, o: RpcError(-32000) if call.deadline and code(o) in (DEADLINE, CANCELLED) else o),
)
fault(
    "deadline-and-cancel-answered",
    "answers at the deadline, and again at the cancel",
    handled(lambda it, call, o: do(call.deadline and it.respond(call.id, RpcError(DEADLINE)), o)),
)


def slow_handshake(was: Any, it: Any, id: Any, params: Any) -> None:
    it.hello_id = id
    later(0.2, lambda: was(id, params) if it.hello_id == id else it.respond(id, RpcError(CANCELLED)))


def cancels_handshake(it: Any, params: Any) -> Any:
    it.hello_id = None
    return params


fault(
    "initialize-cancelled",
    "has rpc.initialize cancelled",
    (Peer, "initialize", slow_handshake),
    cancel_params(cancels_handshake),
)


# What else may happen to answers.


def to_latest(was: Any, it: Any, call: Any, params: Any) -> None:
    it.latest = call.id
    time.sleep(0.1)
    it.load.subtract([call.depth])
    del it.calls[call.id]
    it.respond(it.latest, it.handle(call, params))


def now_and_then(was: Any, it: Any, call: Any, outcome: Any) -> Any:
    it.calls_seen = it.__dict__.get("calls_seen", 0) + 1
    return for_ever() if it.calls_seen % 500 == 0 else outcome


fault("answers-to-latest-id", "answers to the id of the latest call", (Peer, "serve", to_latest))
fault("every-500th-call-lost", "loses a call now and then", handled(lambda it, call, o: now_and_then(None, it, call, o)))


# Standard output.


def wire_on_1(then: Any) -> Change:
    return (Peer, "run", lambda was, it: do(os.dup2(it.writer.fd, 1), then(), was()))


def print_to_stderr() -> None:
    sys.stdout = sys.stderr


def full_pipe() -> Any:
    reader, writer = os.pipe()
    os.dup2(writer, 1)
    os.set_inheritable(reader, False)


fault("print-on-the-wire", "leaves standard output to what handlers print", wire_on_1(lambda: None))
fault("child-on-the-wire", "leaves standard output to child processes", wire_on_1(print_to_stderr))
fault(
    "print-into-a-full-pipe",
    "puts a pipe that nobody reads in place of standard output",
    (Peer, "run", lambda was, it: do(full_pipe(), was())),
)
