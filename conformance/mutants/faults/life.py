"""Faults of the lifecycle: handshake, limits, capabilities, shutdown, the end."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

from plain.call import Call
from plain.peer import GRACE_AT_END, GRACE_AT_SIGTERM, MINIMA, RPC_REQUESTS, Peer, State
from plain.wire import (
    BAD_CONFIG,
    BAD_PARAMS,
    CLOSING,
    DECLINED,
    INVALID,
    NO_METHOD,
    NOT_INITIALIZED,
    UNSUPPORTED,
    RpcError,
    Writer,
)

from .plant import Change, do, end, ends, error, fail, fault, for_ever, later, params_of, pipe, put

# Before the handshake.

fault("banner", "prints a banner", (Peer, "run", lambda was, it: do(it.writer.put(b"plugin ready\n"), was())))
fault(
    "greeting",
    "says that it is ready",
    (Peer, "run", lambda was, it: do(it.notify("rpc.log", {"level": "info", "message": "ready"}), was())),
)


def lifecycle(check: Any) -> Change:
    return (Peer, "check_lifecycle", lambda was, it, method: check(was, it, method))


def needs_handshake(name: str) -> Change:
    return lifecycle(
        lambda was, it, method: fail(NOT_INITIALIZED) if it.state is State.NEW and method == name else was(method)
    )


fault("discover-needs-handshake", "does not answer rpc.discover before the handshake", needs_handshake("rpc.discover"))
fault("ping-needs-handshake", "does not answer rpc.ping before the handshake", needs_handshake("rpc.ping"))
fault("shutdown-needs-handshake", "does not shut down before the handshake", needs_handshake("rpc.shutdown"))
fault(
    "calls-before-handshake",
    "serves calls before the handshake",
    lifecycle(lambda was, it, method: None if it.state is State.NEW else was(method)),
)
fault(
    "not-initialized-code",
    "answers calls before the handshake with -32002",
    error(lambda e: RpcError(BAD_CONFIG, {"errors": []}) if e.code == NOT_INITIALIZED else e),
)
fault(
    "discover-differs",
    "has another manifest after the handshake",
    (
        Peer,
        "respond",
        lambda was, it, id, o: was(
            id, {**o, "x": 1} if isinstance(o, dict) and "openrpc" in o and it.state is State.READY else o
        ),
    ),
)
fault(
    "discover-initializes",
    "takes rpc.discover for the handshake",
    lifecycle(
        lambda was, it, method: do(was(method), put(it, "state", State.READY) if method == "rpc.discover" else None)
    ),
)
fault(
    "discover-leaves-note",
    "keeps a note of each rpc.discover",
    lifecycle(
        lambda was, it, method: do(was(method), it.conf.notes.append("discovered") if method == "rpc.discover" else None)
    ),
)


def answered(method: str, result: Any) -> Change:
    return (
        Peer,
        "on_request",
        lambda was, it, id, name, params: it.respond(id, result) if name == method else was(id, name, params),
    )


fault("ping-answers-pong", "answers rpc.ping with a text", answered("rpc.ping", "pong"))
fault("ping-answers-null", "answers rpc.ping with null", answered("rpc.ping", None))


# The handshake.


def hello(change: Any) -> Change:
    return (Peer, "hello", lambda was, it, version: pipe(was(version), lambda answer: do(change(answer), answer)))


def limited(**limits: int) -> Change:
    return hello(lambda answer: answer.update(limits={**answer["limits"], **limits}))


fault("hello-version-text", "says its protocol version as text", hello(lambda a: a.update(protocolVersion="1")))
fault("hello-without-version", "does not say its protocol version", hello(lambda a: a.pop("protocolVersion")))
fault("hello-without-plugin", "does not say which plugin it is", hello(lambda a: a.pop("plugin")))
fault("hello-without-provides", "does not say what it provides", hello(lambda a: a.pop("provides")))
fault("hello-provides-names", "says what it provides by name alone", hello(lambda a: a.update(provides=["conf"])))
fault("declares-small-lines", "declares lines below the minimum", limited(maxLineBytes=4096))
fault("declares-no-depth", "declares a depth of 0", limited(maxDepth=0))
fault("declares-small-window", "declares a window below the minimum", limited(streamWindowBytes=4096))
fault("capability-true", "declares a capability as true", hello(lambda a: a["capabilities"].update(cancel=True)))
fault("capabilities-list", "declares its capabilities as a list", hello(lambda a: a.update(capabilities=["cancel"])))
fault("streams-without-cancel", "declares streams without cancel", hello(lambda a: a["capabilities"].pop("cancel")))


def initialize(change: Any) -> Change:
    return (Peer, "initialize", lambda was, it, id, params: change(was, it, id, params))


def offered(choose: Any) -> Any:
    def hello_offered(was: Any, it: Any, id: Any, params: Any) -> None:
        ordinary = it.hello
        it.hello = lambda version: {**ordinary(version), "protocolVersion": choose(params["protocolVersions"])}
        was(id, params)

    return hello_offered


fault("version-highest-offered", "takes the highest version offered", initialize(offered(max)))
fault("version-first-offered", "takes the first version offered", initialize(offered(lambda versions: versions[0])))
fault(
    "version-unchecked-at-hello",
    "takes any version",
    initialize(lambda was, it, id, params: was(id, {**params, "protocolVersions": [1]})),
)
fault(
    "supported-missing",
    "does not say which versions it speaks",
    error(lambda e: RpcError(e.code) if e.code == UNSUPPORTED else e),
)
fault(
    "unsupported-code",
    "answers versions that it does not speak with -32602",
    error(lambda e: RpcError(BAD_PARAMS, e.data) if e.code == UNSUPPORTED else e),
)


def hello_params(change: Any) -> Change:
    return params_of("rpc.initialize", change)


def without(*names: str) -> Any:
    return lambda params: {name: value for name, value in params.items() if name not in names}


def defaulted(params: Any) -> Any:
    return params if params.get("protocolVersions") is not None else {**params, "protocolVersions": [1]}


def raised(params: Any) -> Any:
    limits = params.get("limits")
    if not isinstance(limits, dict):
        return params
    least = {name: max(value, MINIMA.get(name, 0)) if type(value) is int else value for name, value in limits.items()}
    return {**params, "limits": least}


fault(
    "hello-unchecked",
    "does not check the params of rpc.initialize",
    hello_params(lambda params: {"protocolVersions": [1]}),
)
fault("hello-versions-default", "takes version 1 where none is offered", hello_params(defaulted))
fault(
    "hello-items-unchecked",
    "takes versions that are text",
    hello_params(
        lambda params: (
            {**params, "protocolVersions": [int(v) for v in params["protocolVersions"]]}
            if isinstance(params.get("protocolVersions"), list)
            else params
        )
    ),
)
fault("hello-host-unchecked", "does not check who the host is", hello_params(without("host")))
fault("hello-instance-unchecked", "does not check the name of the instance", hello_params(without("instance")))
fault("hello-limits-unchecked", "does not check the limits of the host", hello_params(without("limits")))
fault("limits-minimum-unchecked", "takes limits below their minimum", hello_params(raised))
fault(
    "hello-capabilities-unchecked", "does not check the capabilities of the host", hello_params(without("capabilities"))
)
fault(
    "hello-callbacks-unchecked",
    "does not check which methods the host has",
    hello_params(
        lambda params: {**params, "capabilities": {}} if "callbacks" in params.get("capabilities", {}) else params
    ),
)


def closed(within: Any, known: set[str]) -> Change:
    return hello_params(lambda params: fail(BAD_PARAMS, {"errors": []}) if within(params).keys() - known else params)


fault(
    "hello-members-closed",
    "refuses unknown members of rpc.initialize",
    closed(lambda p: p, {"protocolVersions", "host", "instance", "config", "limits", "capabilities", "_meta"}),
)
fault("hello-limits-closed", "refuses unknown limits", closed(lambda p: p.get("limits", {}), set(MINIMA)))
fault(
    "hello-capabilities-closed",
    "refuses unknown capabilities",
    closed(lambda p: p.get("capabilities", {}), {"progress", "log", "streams", "callbacks"}),
)


# The config.


def config_error(change: Any) -> Change:
    return error(lambda e: change(e) if e.code == BAD_CONFIG else e)


def deeper(e: RpcError) -> RpcError:
    return RpcError(e.code, {"errors": [{**fault, "path": f"/config{fault['path']}"} for fault in e.data["errors"]]})


def config(change: Any) -> Change:
    return (Peer, "accept", lambda was, it, params, given: was(params, change(params, given)))


fault(
    "config-unchecked",
    "does not check its config",
    (
        Peer,
        "check_config",
        lambda was, it, given: None if not isinstance(given, dict) or type(given.get("refuse")) is int else was(given),
    ),
)
fault(
    "config-bad-params",
    "answers a config that it cannot work with with -32602",
    config_error(lambda e: RpcError(BAD_PARAMS, e.data)),
)
fault("config-path-from-params", "says faults of the config by their path from the params", config_error(deeper))
fault("config-faults-missing", "does not say what is wrong with the config", config_error(lambda e: RpcError(e.code)))
fault(
    "config-falsy-taken", "takes any empty config for {}", (Peer, "check_config", lambda was, it, given: was(given or {}))
)
fault("config-dropped", "forgets its config", config(lambda params, given: {}))
fault(
    "config-known-members-only",
    "forgets members of its config",
    config(lambda params, given: {n: v for n, v in given.items() if n == "refuse"}),
)
fault(
    "config-default-null", "takes null for the default of its config", config(lambda params, given: params.get("config"))
)
fault(
    "declined-is-config-fault",
    "answers -32002 where it is unfit",
    error(lambda e: RpcError(BAD_CONFIG, {"errors": []}) if e.code == DECLINED else e),
)
fault(
    "declined-without-reason",
    "does not say why it is unfit",
    error(lambda e: RpcError(DECLINED) if e.code == DECLINED else e),
)
fault(
    "declined-ignored",
    "serves where it is unfit",
    (
        Peer,
        "check_config",
        lambda was, it, given: was(
            {n: v for n, v in given.items() if n != "refuse"} if isinstance(given, dict) else given
        ),
    ),
)
ends(
    "declined-exits",
    "exits where it is unfit",
    (Peer, "respond", lambda was, it, id, o: do(was(id, o), isinstance(o, RpcError) and o.code == DECLINED and end())),
)


def counts(*codes: int) -> Change:
    """A handshake that fails with these is taken for done."""

    def respond(was: Any, it: Any, id: Any, outcome: Any) -> None:
        if isinstance(outcome, RpcError) and outcome.code in codes and it.state is State.NEW:
            it.state = State.READY
        was(id, outcome)

    return (Peer, "respond", respond)


fault("failed-handshake-counts", "takes a handshake without a version for done", counts(UNSUPPORTED))
fault("failed-config-counts", "takes a handshake that it refused for done", counts(BAD_CONFIG, DECLINED))


def second(then: Any) -> Change:
    def on_request(was: Any, it: Any, id: Any, method: str, params: Any) -> None:
        if method == "rpc.initialize" and it.state is State.READY:
            then(it, params)
        was(id, method, params)

    return (Peer, "on_request", on_request)


def check_first(it: Any, params: Any) -> None:
    if not isinstance(params, dict):
        fail(BAD_PARAMS, {"errors": []})


def reset(it: Any, params: Any) -> None:
    it.state = State.NEW
    fail(INVALID)


fault(
    "second-handshake-taken",
    "takes a second handshake",
    lifecycle(lambda was, it, method: None if method == "rpc.initialize" else was(method)),
)
fault("second-handshake-not-initialized", "forgets the handshake at a second one", second(reset))
fault("second-handshake-params-first", "looks at the params of a second handshake", second(check_first))
fault(
    "second-handshake-changes",
    "takes what a second handshake says, though it refuses it",
    second(
        lambda it, params: do(
            it.accept(params, params.get("config", {})), put(it.writer, "limit", it.limits["maxLineBytes"])
        )
    ),
)
fault(
    "second-handshake-takes-features",
    "forgets the capabilities at a second handshake",
    second(lambda it, params: put(it, "features", set())),
)


def of_all_handshakes(was: Any, it: Any, id: Any, params: Any) -> None:
    said = it.__dict__.setdefault("said", {})
    said.update(params.get("capabilities", {}))
    was(id, {**params, "capabilities": dict(said)})


fault(
    "failed-handshake-keeps-features",
    "keeps the capabilities of a handshake that failed",
    (Peer, "initialize", of_all_handshakes),
)


# What the host did not declare.


def always(name: str, of: str) -> Change:
    return (Call, of, lambda was, it, *args: do(it.peer.features.add(name), was(*args)))


def all_streams(was: Any, it: Any, method: str) -> Any:
    return do(it.features.add("streams"), was(method))


fault("progress-undeclared", "sends progress to a host that takes none", always("progress", "progress"))
fault("log-undeclared", "sends log lines to a host that takes none", always("log", "log"))
fault("streams-undeclared", "serves streams to a host that has none", (Peer, "check_method", all_streams))
fault(
    "input-undeclared",
    "serves input streams to a host that has none",
    (Peer, "check_method", lambda was, it, method: all_streams(was, it, method) if method == "conf.sum" else was(method)),
)
fault(
    "serial-reader",
    "reads nothing while a handler runs",
    (Peer, "begin", lambda was, it, call, params: it.serve(call, params)),
)


# Shutdown.


def closing(then: Any) -> Change:
    return lifecycle(lambda was, it, method: then(was, method) if it.state is State.CLOSING else was(method))


def passes(name: str) -> Change:
    return closing(lambda was, method: None if method == name else was(method))


fault(
    "shutdown-then-invalid-request",
    "answers a handshake after rpc.shutdown with -32600",
    closing(lambda was, method: fail(INVALID) if method == "rpc.initialize" else was(method)),
)
fault("shutdown-then-discover", "answers rpc.discover after rpc.shutdown", passes("rpc.discover"))
fault("second-shutdown-answered", "shuts down twice", passes("rpc.shutdown"))
fault("ping-after-shutdown-refused", "answers no rpc.ping after rpc.shutdown", closing(lambda was, method: fail(CLOSING)))
fault("shutdown-ignored", "serves on after rpc.shutdown", closing(lambda was, method: None))
fault(
    "method-before-shutdown",
    "looks methods up after rpc.shutdown",
    closing(lambda was, method: was(method) if method in RPC_REQUESTS or method.startswith("conf.") else fail(NO_METHOD)),
)
fault(
    "shutdown-code",
    "answers calls after rpc.shutdown with -32000",
    error(lambda e: RpcError(NOT_INITIALIZED) if e.code == CLOSING else e),
)
fault(
    "grace-default-zero",
    "gives calls no grace where none is named",
    params_of("rpc.shutdown", lambda params: {"graceMs": 0, **params}),
)
fault("grace-unchecked", "does not check the grace", params_of("rpc.shutdown", lambda params: {}))
fault(
    "bad-shutdown-shuts",
    "shuts down though the params are wrong",
    (
        Peer,
        "on_request",
        lambda was, it, id, method, params: do(
            method == "rpc.shutdown" and put(it, "state", State.CLOSING), was_open(was, it, id, method, params)
        ),
    ),
)


def was_open(was: Any, it: Any, id: Any, method: str, params: Any) -> Any:
    if method != "rpc.shutdown":
        return was(id, method, params)
    it.state = State.READY
    try:
        was(id, method, params)
    finally:
        it.state = State.CLOSING


def shut_down(change: Any) -> Change:
    return (Peer, "shut_down", lambda was, it, id, grace: change(was, it, id, grace))


def early(was: Any, it: Any, id: Any, grace: float) -> None:
    it.respond(id, None)
    it.state = State.CLOSING
    threading.Thread(target=lambda: it.drain(grace), daemon=True).start()


def abandons(was: Any, it: Any, id: Any, grace: float) -> None:
    it.state = State.CLOSING
    later(grace, lambda: it.respond(id, None))


def unless_gone(was: Any, it: Any, id: Any, grace: float) -> None:
    respond = it.respond
    it.respond = lambda to, o: None if it.gone and to == id else respond(to, o)
    was(id, grace)


fault("shutdown-cancels-at-once", "gives calls no grace", shut_down(lambda was, it, id, grace: was(id, 0)))
fault("shutdown-answered-early", "answers rpc.shutdown before it is done", shut_down(early))
fault(
    "shutdown-result-object",
    "answers rpc.shutdown with {}",
    (
        Peer,
        "respond",
        lambda was, it, id, o: was(id, {} if o is None and it.state is State.CLOSING and id not in it.calls else o),
    ),
)
fault(
    "shutdown-waits-for-ever",
    "waits for calls however long they take",
    shut_down(lambda was, it, id, grace: was(id, 1e6)),
)
fault("shutdown-abandons", "answers rpc.shutdown and leaves calls without an answer", shut_down(abandons))
ends(
    "shutdown-exits",
    "exits at rpc.shutdown",
    (Peer, "shut_down", lambda was, it, id, grace: do(it.respond(id, None), end(0))),
)
fault(
    "exit-1-after-shutdown",
    "exits with 1 after rpc.shutdown",
    (Peer, "exit", lambda was, it, code: was(1 if it.state is State.CLOSING else code)),
)


# The end.


def at_end(change: Any) -> Change:
    return (Peer, "at_end", lambda was, it: change(was, it))


def answers_nothing(was: Any, it: Any) -> None:
    time.sleep(GRACE_AT_END)
    end(0)


fault("exit-1-at-end", "exits with 1 at the end of its input", (Peer, "exit", lambda was, it, code: was(1)))
fault("end-ignored", "does not exit at the end of its input", at_end(lambda was, it: for_ever()))
ends("end-drops-calls", "drops what is in flight at the end of its input", at_end(lambda was, it: end(0)))
fault(
    "end-waits-for-calls",
    "waits for calls at the end of its input, however long they take",
    (Peer, "drain", lambda was, it, grace: was(1e6)),
)
ends("end-forgets-answers", "does not answer what it stops at the end of its input", at_end(answers_nothing))
fault(
    "end-fails-callbacks-late",
    "fails its callbacks when its time after the end of its input is over",
    (
        Peer,
        "end_callbacks",
        lambda was, it, error: later(GRACE_AT_END - 0.2, lambda: was(error)) if it.gone else was(error),
    ),
)
ends("end-keeps-callbacks", "waits for the host after it has gone", (Peer, "end_callbacks", lambda was, it, error: None))
ends("end-forgets-shutdown", "does not answer rpc.shutdown at the end of its input", shut_down(unless_gone))


def ignored(was: Any, it: Any, data: Any) -> int:
    try:
        return int(was(data))
    except OSError:
        return len(data)


fault("epipe-ignored", "goes on when nobody reads what it says", (Writer, "put", ignored))


def at_signal(number: signal.Signals, action: Any) -> Change:
    return (Peer, "run", lambda was, it: do(signal.signal(number, action), was()))


fault("sigterm-kills", "is killed by SIGTERM", at_signal(signal.SIGTERM, signal.SIG_DFL))
fault("sigterm-ignored", "ignores SIGTERM", at_signal(signal.SIGTERM, signal.SIG_IGN))
fault("sigterm-exits-143", "exits with 143 at SIGTERM", at_signal(signal.SIGTERM, lambda *_: end(143)))
fault(
    "sigterm-serves-on",
    "takes new requests after SIGTERM, until it ends",
    (Peer, "terminate", lambda was, it: do(it.drain(GRACE_AT_SIGTERM), it.exit(0))),
)
ends("sigterm-drops-calls", "drops what is in flight at SIGTERM", at_signal(signal.SIGTERM, lambda *_: end(0)))
ends("sigint-exits", "is killed by SIGINT", at_signal(signal.SIGINT, signal.SIG_DFL))
