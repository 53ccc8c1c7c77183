"""The fixture over the Python SDK with one fault in the SDK: `MUTANT=name python3 python_sdk.py`. `--list` prints their names.

They are faults of plugin.yaml, and found by the cases that claim those:

    plugline conformance mutants plugin $(python3 conformance/mutants/python_sdk.py --list) -- \
        .venv/bin/python conformance/mutants/python_sdk.py

The SDK knows nothing of this: a fault replaces functions of it before the fixture is loaded.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONTROL = "none"
FAULTS: dict[str, Callable[[], None]] = {}


def fault(name: str, owner: Callable[[], Any], attribute: str, new: Callable[..., Any]) -> None:
    """One function of the SDK is replaced; the new one is given the old one first."""

    def plant() -> None:
        where = owner()
        was = getattr(where, attribute)
        setattr(where, attribute, lambda *args, **named: new(was, *args, **named))

    assert name not in FAULTS, f"{name} is there twice"
    FAULTS[name] = plant


def of(module: str, *path: str) -> Callable[[], Any]:
    """A module of the SDK, or something in it."""

    def find() -> Any:
        from importlib import import_module

        found: Any = import_module(f"plugline.{module}")
        for name in path:
            found = getattr(found, name)
        return found

    return find


def line_out(name: str, change: Callable[[bytes], bytes]) -> None:
    """Every line but the first, so that the handshake succeeds."""

    def push(was: Any, outbox: Any, line: bytes) -> None:
        greeted = name in GREETED
        GREETED.add(name)
        was(outbox, change(line) if greeted else line)

    fault(name, of("_outbox", "Outbox"), "push", push)


GREETED: set[str] = set()
SPLITTER = of("_frame", "Splitter")
CONNECTION, SESSION = of("_connection", "Connection"), of("_session", "Session")
CALL, METHOD = of("_call", "Call"), of("_method", "Method")
ENCODE, ENVELOPE, CODES, MESSAGES = of("_encode"), of("_envelope"), of("_codes"), of("_messages")
INLET, OUTLET, IN_FLIGHT = of("_flow", "Inlet"), of("_flow", "Outlet"), of("_incoming", "InFlight")


def error(code: int, data: Any = None) -> Any:
    import msgspec
    from plugline._codes import WireError

    return WireError(code, "wrong", msgspec.UNSET if data is None else data)


def end(*_: Any) -> Any:
    os._exit(1)


# Lines.

fault("split-u2028", SPLITTER, "feed", lambda was, it, data: was(it, data.replace(b"\xe2\x80\xa8", b"\n")))
fault("split-u2029", SPLITTER, "feed", lambda was, it, data: was(it, data.replace(b"\xe2\x80\xa9", b"\n")))
fault("split-nel", SPLITTER, "feed", lambda was, it, data: was(it, data.replace(b"\xc2\x85", b"\n")))
fault("split-cr", SPLITTER, "feed", lambda was, it, data: was(it, data.replace(b"\r", b"\n")))


def bom_refused(was: Any, it: Any) -> Any:
    it._started = True  # it knows of no start
    return was(it)


def one_byte_more(was: Any, it: Any) -> Any:
    it.limit += 1
    try:
        return was(it)
    finally:
        it.limit -= 1


fault("bom-refused", SPLITTER, "next", bom_refused)
fault("limit-off-by-one", SPLITTER, "next", one_byte_more)
fault("limit-echoes-id", CONNECTION, "skipped", lambda was, it, line: it.refuse(1, error(-32007, {"limit": line.limit})))
fault("limit-code", CONNECTION, "skipped", lambda was, it, line: it.refuse(None, error(-32600, {"limit": line.limit})))
fault("limit-no-data", CONNECTION, "skipped", lambda was, it, line: it.refuse(None, error(-32007)))
fault("limit-ends", CONNECTION, "skipped", end)
fault("long-answer-sent", ENCODE, "response", lambda was, id, result, limit: was(id, result, 1 << 62))
fault("long-error-sent", ENCODE, "failure", lambda was, id, error, limit: was(id, error, 1 << 62))
line_out("crlf-out", lambda line: line[:-1] + b"\r\n")
line_out("bom-out", lambda line: b"\xef\xbb\xbf" + line)
line_out("pretty-out", lambda line: line[:-2] + b"\n}\n")
line_out("null-result-left-out", lambda line: line.replace(b',"result":null}', b"}"))
line_out("answer-without-version", lambda line: line.replace(b'"jsonrpc":"2.0",', b"") if b'"method"' not in line else line)
line_out("log-level-warning", lambda line: line.replace(b'"level":"warn"', b'"level":"warning"'))

# The envelope.


def envelope(name: str, change: Callable[[Any], None]) -> None:
    def slowly(was: Any, envelope: Any, line: bytes) -> Any:
        change(envelope)
        return was(envelope, line)

    fault(name, ENVELOPE, "_slowly", slowly)


def version_missing(envelope: Any) -> None:
    from plugline._envelope import ABSENT

    if envelope.jsonrpc is ABSENT:
        envelope.jsonrpc = "2.0"


def version_unchecked(envelope: Any) -> None:
    if isinstance(envelope.jsonrpc, str):
        envelope.jsonrpc = "2.0"


def null_params(envelope: Any) -> None:
    from plugline._envelope import EMPTY_PARAMS

    if bytes(envelope.params) == b"null":
        envelope.params = EMPTY_PARAMS


envelope("version-missing-taken", version_missing)
envelope("version-unchecked", version_unchecked)
envelope("null-params-taken", null_params)
fault("id-as-text", ENCODE, "id_of", lambda was, id: was(str(id) if type(id) is int else id))
fault("id-negative-taken", ENVELOPE, "is_id", lambda was, id, line: was(abs(id) if type(id) is int else id, line))
fault("id-true-is-one", ENVELOPE, "is_id", lambda was, id, line: id is True or was(id, line))
fault("id-minus-zero-taken", ENVELOPE, "_is_minus_zero", lambda was, line: False)
fault("id-too-long-taken", ENVELOPE, "is_id", lambda was, id, line: isinstance(id, str) or was(id, line))
fault("array-params-invalid-request", MESSAGES, "not_an_object", lambda was: error(-32600))
fault("unknown-method-internal", CODES, "method_not_found", lambda was, method: error(-32603))


def malformed(name: str, wrong: str, new: Callable[[Any, bytes], Any]) -> None:
    def take(was: Any, it: Any, line: bytes, what: Any) -> Any:
        return new(it, line) if what.wrong.name == wrong else was(it, line, what)

    fault(name, SESSION, "malformed", take)


malformed("parse-error-not-answered", "PARSE", lambda it, line: None)
malformed("parse-error-invalid-request", "PARSE", lambda it, line: it.refuse(None, error(-32600)))
malformed("parse-error-ends", "PARSE", end)
malformed("scalar-is-parse-error", "NO_OBJECT", lambda it, line: it.refuse(None, error(-32700)))


def answered_all_the_same(was: Any, it: Any, what: str) -> None:
    was(it, what)
    if "nobody listens" in what:
        it.refuse(None, error(-32601))


fault("unknown-notification-answered", SESSION, "ignored", answered_all_the_same)
fault("answers-twice", IN_FLIGHT, "answer", lambda was, it, request, line, out: was(it, request, line, out) and (out.push(line) or True))
fault("integers-too-large-sent", of("_shape"), "sound", lambda was, data, within: data)

# The lifecycle.


def refuses(name: str, new: Callable[[Any, str], Any]) -> None:
    fault(name, of("_messages", "Phase"), "refuses", lambda was, phase, method: new(lambda: was(phase, method), method))


refuses("second-handshake-taken", lambda was, method: None if method == "rpc.initialize" else was())
refuses("calls-before-handshake", lambda was, method: None if method.startswith("conf.") else was())


def no_ping_at_the_end(was: Any, it: Any, request: Any) -> Any:
    return error(-32003) if it.phase.name == "CLOSING" else was(it, request)


def end_with_1(was: Any, it: Any, why: Any) -> None:
    it.exit_code = 1
    was(it, why)


def answered_early(was: Any, it: Any, grace: float, then: Callable[[], None]) -> None:
    if it._ending:
        was(it, grace, then)
        return
    for request in it.in_flight.all():
        if request.method == "rpc.shutdown":
            it.answer(request, b"null")  # at once, and not when a worker comes to it


def without_config(was: Any, it: Any, *args: Any) -> None:
    was(it, *args)
    it.config = {}


def undeterred(was: Any, it: Any, *args: Any) -> None:
    from plugline._session import Refusal

    try:
        was(it, *args)
    except Refusal as refusal:
        if refusal.error.code != -32009:
            raise


PLUGIN = of("_plugin", "Plugin")
fault("ping-after-shutdown-refused", SESSION, "route", no_ping_at_the_end)
fault("exit-1-at-end", SESSION, "ended", end_with_1)
fault("shutdown-answered-early", SESSION, "drain", answered_early)
fault("config-dropped", PLUGIN, "_configure", without_config)
fault("declined-ignored", PLUGIN, "_configure", undeterred)


def ignore_sigterm(was: Any, session: Any) -> None:
    import signal

    was(session)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def die_of_sigint(was: Any, session: Any) -> None:
    import signal

    was(session)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def leave_stdout(was: Any, it: Any) -> Any:
    wire = was(it)
    os.dup2(wire.write, 1)
    return wire


fault("sigterm-ignored", of("_serve"), "_hear_signals", ignore_sigterm)
fault("sigint-exits", of("_serve"), "_hear_signals", die_of_sigint)
fault("print-on-the-wire", of("_stdio", "Stdio"), "serve", leave_stdout)
fault("child-on-the-wire", of("_stdio", "Stdio"), "serve", leave_stdout)

# Calls.


def twice(was: Any, it: Any, id: Any, reason: Any) -> None:
    if id in it.in_flight.by_id:
        it.refuse(id, error(-32004))
    was(it, id, reason)


fault("cancel-ignored", CONNECTION, "cancelled", lambda was, it, id, reason: None)
fault("cancel-answered-twice", CONNECTION, "cancelled", twice)
fault("cancel-code", CODES, "cancelled", lambda was, reason=None: error(-32800))
fault("cancel-stops-all", CONNECTION, "cancelled", lambda was, it, id, reason: it.cancel_all("all"))
fault("deadline-code", CODES, "deadline_exceeded", lambda was: error(-32000))
fault("overload-unbounded", IN_FLIGHT, "at_depth", lambda was, it, depth: 0)
fault("overload-off-by-one", IN_FLIGHT, "at_depth", lambda was, it, depth: was(it, depth) - 1)
fault("depth-unbounded", CONNECTION, "_overload", lambda was, it, request, handler, params: None)
fault("panic-ends", METHOD, "_broken", end)


def downhill(was: Any, it: Any, progress: float, *more: Any) -> None:
    it._incoming.progress = float("-inf")
    was(it, -progress, *more)


def without_data(was: Any, it: Any, request: Any, why: BaseException) -> Any:
    outcome = was(it, request, why)
    return error(outcome.code) if outcome.code > 0 else outcome


fault("progress-decreases", CALL, "progress", downhill)
fault("error-data-dropped", METHOD, "_failed", without_data)

# Callbacks.


def without_parent(was: Any, it: Any, method: str, params: bytes, **named: Any) -> Any:
    return was(it, method, params, **{**named, "parent": None})


def lose_data(was: Any, it: Any, told: Any) -> None:
    was(it, error(told.code))


def by_prefix(was: Any, it: Any, method: str) -> None:
    if not any(method.startswith(served) for served in it.host.serves):
        was(it, method)


fault("parent-missing", CONNECTION, "begin", without_parent)
fault("undeclared-callback-sent", CALL, "_check_served", lambda was, it, method: None)
fault("callback-by-prefix", CALL, "_check_served", by_prefix)
fault("waiting-callback-uncancellable", CONNECTION, "_bind", lambda was, it, slot, parent: None)
fault("host-load-ignored", CONNECTION, "_places", lambda was, it: 1 << 30)
fault("late-callback-not-cancelled", CONNECTION, "_tell_cancelled", lambda was, it, slot, reason: None)
fault("callback-error-data-lost", of("_failure", "RemoteError"), "__init__", lose_data)

# Streams.


def always(was: Any, it: Any, line: int) -> Any:
    from plugline._flow import Sent

    sent = was(it, line)
    return Sent.YES if sent is Sent.WAIT else sent


def with_credit(was: Any, it: Any, items: Any, line: int) -> int:
    it._credit.give(line)
    return int(was(it, items, line))


def no_grant(was: Any, it: Any) -> Any:
    taken = was(it)
    return taken and (taken[0], 0)


def but_complete(was: Any, it: Any, stage: Any) -> None:
    if stage.name != "COMPLETE":
        was(it, stage)


def reverse(was: Any, it: Any, item: Any, *more: Any) -> Any:
    from plugline import Batch

    return was(it, Batch(reversed(item)) if isinstance(item, Batch) else item, *more)


def to_the_end(was: Any, it: Any, call: Any, items: Any) -> Any:
    from plugline import Error

    try:
        return was(it, call, items)
    except Error as why:
        if why.code < 0:
            raise
        return None


fault("credit-ignored", OUTLET, "spend", always)
fault("credit-given-ignored", OUTLET, "give", lambda was, it, bytes: None)
fault("output-reversed", CALL, "_lines", reverse)
fault("stream-error-lost", METHOD, "_send_all", to_the_end)
fault("input-credit-never", INLET, "take", no_grant)
fault("input-overdraw-taken", INLET, "put", with_credit)
fault("input-end-ignored", INLET, "to", but_complete)


def main() -> int:
    if sys.argv[1:] == ["--list"]:
        known = re.findall(r"^  ([a-z0-9-]+): ", (HERE / "plugin.yaml").read_text(encoding="utf-8"), re.MULTILINE)
        assert not (strangers := FAULTS.keys() - known), f"not in plugin.yaml: {strangers}"
        print(*(f"--only {name}" for name in FAULTS))
        return 0
    name = os.environ.get("MUTANT", CONTROL)
    if name != CONTROL:
        if name not in FAULTS:
            print(f"MUTANT={name}: there is no such fault; python_sdk.py --list shows all", file=sys.stderr)
            return 2
        FAULTS[name]()
    sys.path.insert(0, str(HERE.parent / "fixture" / "python-sdk"))
    import conf

    conf.plugin.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
