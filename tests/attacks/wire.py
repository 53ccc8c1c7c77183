"""Attacks over the wire: what a plugin writes, and what it does not read."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

import actor
from actor import Message, answer, behave, called, greet, notify, raw, receive, send
from arena import Arena, attack

MIB = 1 << 20


# Lines.


def endless_line() -> None:
    greet()
    request = called()
    raw(b'{"jsonrpc":"2.0","id":%d,"result":"' % request["id"])
    for _ in range(256):
        raw(b"x" * MIB)
    raw(b'"}\n')
    behave()


@attack("wire/line-bomb")
def line_bomb(arena: Arena) -> str:
    """Answers with one line of 256 MiB."""
    ran = arena.call(endless_line)
    arena.holds("the call fails as too large", ran.kind == "too_large", ran.text)
    arena.flat(ran)
    naive = arena.run(["python3", "-c", NAIVE_READER], stdin=b"x" * (256 * MIB) + b"\n", sane=False)
    arena.bites("a reader of lines holds all of a line of 256 MiB", naive.peak > 256)
    return f"maxLineBytes: the connection was closed at 16 MiB ({ran.kind}), and the host had {ran.peak} MiB at most"


NAIVE_READER = "import sys; sys.stdin.buffer.readline()"


def early_line() -> None:
    receive()
    raw(b'{"jsonrpc":"2.0","id":0,"result":{"x":"' + b"x" * (4 * MIB) + b'"}}\n')
    behave()


@attack("wire/line-bomb-before-the-handshake")
def early_line_bomb(arena: Arena) -> str:
    """Answers the handshake with a line of 4 MiB, before any limit was agreed on."""
    ran = arena.call(early_line, options=["--no-validate"])
    arena.holds("the start fails as too large", ran.kind == "too_large", ran.text)
    return "the limit of 1 MiB that holds before the handshake"


def nested(depth: str, where: str) -> None:
    greet()
    request = called()
    bomb = b"[" * int(depth) + b"]" * int(depth)
    id = b"%d" % request["id"]
    if where == "result":
        raw(b'{"jsonrpc":"2.0","id":' + id + b',"result":' + bomb + b"}\n")
    elif where == "id":
        raw(b'{"jsonrpc":"2.0","id":' + bomb + b',"result":1}\n')
    else:
        raw(
            b'{"jsonrpc":"2.0","method":"rpc.log","params":{"level":"info","message":"m","fields":{"x":' + bomb + b"}}}\n"
        )
        answer(request, "fine")
    behave()


@attack("wire/nesting-bomb")
def nesting_bomb(arena: Arena) -> str:
    """Answers with a million arrays within each other."""
    ran = arena.call(nested, MIB, "result")
    arena.holds("it is given on as text, or that call fails", ran.code in (0, 3), ran.code, ran.err)
    arena.flat(ran)
    with arena.driver() as driver:
        plugin = driver.launch(nested, MIB, "result")
        first, second = driver.call(plugin), driver.call(plugin)
    # The driver decodes what comes.
    arena.holds("who decodes it has an error", first.get("err", {}).get("kind") == "protocol_violation", str(first)[:500])
    arena.holds("that call alone fails", second.get("ok") == {"result": "fine"}, str(second)[:500])
    try:
        json.loads("[" * MIB + "]" * MIB)
        deep = False
    except RecursionError:
        deep = True
    arena.bites("a usual parser of JSON runs out of stack", deep)
    return "results are looked through without recursion, and decoded to a depth of 100: that call alone failed"


@attack("wire/nesting-bomb-in-an-id")
def nesting_in_id(arena: Arena) -> str:
    """Answers with an id that is a million arrays deep."""
    ran = arena.call(nested, MIB, "id")
    arena.holds("the connection is broken", ran.kind == "protocol_violation", ran.text)
    return "an id that is none breaks the connection"


@attack("wire/nesting-bomb-in-a-log")
def nesting_in_log(arena: Arena) -> str:
    """Logs a field that is a hundred thousand arrays deep."""
    ran = arena.call(nested, 100_000, "log")
    arena.holds("the call has its answer", ran.code == 0 and ran.out == b'"fine"\n', ran.text)
    return "what cannot be taken of a notification is ignored; the call had its answer"


def answers_with(line: str) -> None:
    """Answers with these bytes, in which `@` is the id."""
    greet()
    request = called()
    raw(bytes.fromhex(line).replace(b"@", str(request["id"]).encode()) + b"\n")
    behave()


def odd_answers(arena: Arena, lines: list[bytes], kinds: set[str]) -> list[str]:
    seen = []
    for line in lines:
        ran = arena.call(answers_with, line.hex(), timeout="1s")
        arena.holds(f"{line[:60]!r} is no answer", ran.code == 3 and ran.out == b"", ran.text)
        arena.holds(f"{line[:60]!r} ends as one of {kinds}", ran.kind in kinds, ran.text)
        seen.append(ran.kind)
    return sorted(set(seen))


@attack("wire/id-confusion")
def id_confusion(arena: Arena) -> str:
    """Answers with ids that look like the right one: text, a fraction, an exponent, null, none."""
    forged = [b'"@"', b"@.0", b"@e0", b"null", b"[@]", b"-@", b"00@"]
    lines = [b'{"jsonrpc":"2.0","id":' + id + b',"result":"forged"}' for id in forged]
    kinds = odd_answers(arena, lines, {"protocol_violation", "timeout"})
    return f"ids are compared exactly: each ended as {' or '.join(kinds)}, none as a result"


@attack("wire/invalid-utf8")
def invalid_utf8(arena: Arena) -> str:
    """Answers with bytes that are no UTF-8, with NULs, with a BOM within the stream and with lone surrogates."""
    lines = [
        b'{"jsonrpc":"2.0","id":@,"result":"\xff\xfe"}',
        b'{"jsonrpc":"2.0","id":@,"result":"\xc0\xaf"}',
        b'{"jsonrpc":"2.0","id":@,"result":"\x00"}',
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":@,"result":1}',
        b'{"jsonrpc":"2.0","id":@,"re\x00sult":1}',
    ]
    kinds = odd_answers(arena, lines, {"protocol_violation", "timeout"})
    ran = arena.call(answers_with, b'{"jsonrpc":"2.0","id":@,"result":"\\ud800"}'.hex(), timeout="1s")
    arena.holds("half a character does no harm", ran.code in (0, 3), ran.text)
    return f"the parser takes UTF-8 alone: {' or '.join(kinds)}"


@attack("wire/duplicate-members")
def duplicate_members(arena: Arena) -> str:
    """Says id, result and error twice in one message, so that two readers might see two messages."""
    lines = [
        b'{"jsonrpc":"2.0","id":@,"id":99,"result":1}',
        b'{"jsonrpc":"2.0","id":99,"id":@,"result":1}',
        b'{"jsonrpc":"2.0","id":@,"result":1,"error":{"code":1,"message":"m"}}',
        b'{"jsonrpc":"2.0","id":@,"method":"rpc.ping","result":1}',
    ]
    kinds = odd_answers(arena, lines, {"protocol_violation", "timeout", "remote_error"})
    return f"a message that says two things is none: {' or '.join(kinds)}"


@attack("wire/batch")
def batch(arena: Arena) -> str:
    """Answers in a batch, which JSON-RPC has and this protocol has not."""
    kinds = odd_answers(arena, [b'[{"jsonrpc":"2.0","id":@,"result":"forged"}]'], {"protocol_violation"})
    return f"an array that holds a message is a {kinds[0]}"


def huge_numbers() -> None:
    greet()
    request = called()
    raw(b'{"jsonrpc":"2.0","id":%d,"result":[1e999999999,%s,-0,1e-999999999]}\n' % (request["id"], b"9" * 100_000))
    behave()


@attack("wire/huge-numbers")
def numbers(arena: Arena) -> str:
    """Answers with an integer of a hundred thousand digits and an exponent of a thousand million."""
    ran = arena.call(huge_numbers)
    arena.holds("it is passed on as it came, or the call fails", ran.code in (0, 3), ran.text)
    arena.holds("it takes no time", ran.seconds < 10, ran.seconds)
    arena.flat(ran)
    return "numbers are text until somebody wants one: " + (
        ran.kind if ran.code else "the result was passed on as it came"
    )


def spoilt_handshake(result: str) -> None:
    request = receive()
    while request.get("method") != "rpc.initialize":
        actor.protocol(request)
        request = receive()
    answer(request, json.loads(result))
    behave()


@attack("wire/handshake-lies")
def handshake_lies(arena: Arena) -> str:
    """Answers the handshake with versions, limits and capabilities that cannot be."""
    good: Message = {"protocolVersion": 1, "plugin": {"name": "p", "version": "1"}, "provides": []}
    lies: list[Message] = [
        {"protocolVersion": 2**31},
        {"protocolVersion": -1},
        {"limits": {"maxLineBytes": 0}},
        {"limits": {"maxInFlight": 0}},
        {"limits": {"streamWindowBytes": 1}},
        {"limits": {"maxDepth": "x"}},
        {"plugin": None},
        {"provides": {}},
        {"capabilities": {"streams": {}}},
    ]
    kinds = set()
    for lie in lies:
        ran = arena.call(spoilt_handshake, json.dumps(good | lie))
        arena.holds(f"{lie} is refused", ran.kind in ("handshake_invalid", "version_mismatch"), ran.text)
        kinds.add(ran.kind)
    return f"the handshake is checked member by member: {' or '.join(sorted(kinds))}"


# Answers.


def answers_twice() -> None:
    greet()
    request = called()
    answer(request, "first")
    for _ in range(1000):
        answer(request, "forged")
    behave(lambda request: answer(request, "second"))


@attack("wire/duplicate-answers")
def duplicate_answers(arena: Arena) -> str:
    """Answers one call a thousand times, so that a later answer might be taken for another call's."""
    with arena.driver() as driver:
        plugin = driver.launch(answers_twice)
        first, second = driver.call(plugin), driver.call(plugin)
    arena.holds(
        "each call has its own answer",
        (first.get("ok"), second.get("ok")) == ({"result": "first"}, {"result": "second"}),
        first,
        second,
    )
    return "an id is forgotten with its first answer; a thousand others were ignored"


def answers_for_others() -> None:
    greet()
    for id in range(5000):
        answer({"id": id}, "forged")
        answer({"id": str(id)}, "forged")
    behave(lambda request: answer(request, "its own"))


def answers_late() -> None:
    greet()

    def respond(request: Message) -> None:
        time.sleep(0.05)
        answer(request, "right")

    behave(respond)


@attack("wire/answers-for-another-plugin")
def for_another(arena: Arena) -> str:
    """Answers the next five thousand ids of the host, some of which are another plugin's to answer."""
    with arena.driver() as driver:
        driver.launch(answers_for_others)
        other = driver.launch(answers_late)
        results = [driver.call(other).get("ok") for _ in range(20)]
    arena.holds("the other's calls have its answers", results == [{"result": "right"}] * 20, results)
    return "each connection has ids of its own: what one plugin says is no answer of another"


# Calls of the plugin.


def asks_for(methods: str) -> None:
    greet()
    request = called()
    got = []
    for number, method in enumerate(json.loads(methods)):
        send({"id": number, "method": method, "params": {}})
        while (message := receive()).get("id") != number or "method" in message:
            actor.protocol(message)
        got.append(message.get("error", {}).get("code", "served"))
    answer(request, got)
    behave()


def refused_methods(arena: Arena, methods: list[str]) -> list[object]:
    ran = arena.call(asks_for, json.dumps(methods))
    arena.holds("the call has its answer", ran.code == 0, ran.text)
    codes: list[object] = json.loads(ran.out)
    return codes


@attack("wire/methods-of-the-protocol")
def protocol_methods(arena: Arena) -> str:
    """Calls the host as if it were a plugin: initialize, discover, shutdown, and names that begin with rpc."""
    methods = ["rpc.initialize", "rpc.shutdown", "rpc.discover", "rpc.output", "rpc.exec", "rpc.", "rpc.log"]
    codes = refused_methods(arena, methods)
    arena.holds(
        "none of them is served",
        all(code in (-32601, -32600, -32602) for code in codes),
        dict(zip(methods, codes, strict=True)),
    )
    return f"a host serves what it declared: {sorted(set(map(str, codes)))}"


@attack("wire/methods-not-offered")
def methods_not_offered(arena: Arena) -> str:
    """Calls methods that the host did not offer, by names that a look-up might mistake."""
    methods = [
        "",
        ".",
        "__proto__",
        "constructor",
        "conf_host.echo",
        "CONF_HOST.ECHO",
        "t.go",
        "t.go\u0000",
        "../t",
        "a" * 100_000,
    ]
    codes = refused_methods(arena, methods)
    arena.holds("none of them is served", "served" not in codes, codes)
    return "names are compared exactly with those that were offered: -32601"


def forges_ends() -> None:
    greet()
    first = called()
    for method in (
        "rpc.cancel",
        "rpc.inputEnd",
        "rpc.outputCredit",
        "rpc.inputCredit",
        "rpc.output",
        "rpc.shutdown",
        "rpc.progress",
    ):
        for id in (first["id"], first["id"] + 1, 0, "x", None):
            notify(method, {"id": id, "bytes": 1 << 50, "items": ["forged"], "progress": 9e99})
    answer(first, "fine")
    behave()


@attack("wire/forged-notifications")
def forged_notifications(arena: Arena) -> str:
    """Sends each notification of the protocol about calls that it does not belong to."""
    with arena.driver() as driver:
        plugin = driver.launch(forges_ends)
        first, second = driver.call(plugin), driver.call(plugin)
    for done in (first, second):
        is_told = done.get("ok") == {"result": "fine"} or done.get("err", {}).get("kind") in (
            "stream_violation",
            "protocol_violation",
            "closed",
            "plugin_exited",
        )
        arena.holds("each call ends with its own answer, or with the violation", is_told, first, second)
    return f"who may say what of which call is looked up: {first.get('ok') or first['err']['kind']}"


def calls_after_the_end() -> None:
    greet()
    request = called()
    answer(request, "fine")
    for number in range(200):
        send({"id": number, "method": "conf_host.echo", "params": {"value": number, "_meta": {"parent": request["id"]}}})
    behave()


@attack("wire/callbacks-after-the-end")
def callbacks_after_the_end(arena: Arena) -> str:
    """Calls back in the name of a call that was answered."""
    with arena.driver() as driver:
        plugin = driver.launch(calls_after_the_end, callbacks=["conf_host.echo"])
        done = [driver.call(plugin) for _ in range(3)]
    arena.holds("calls go on", [each.get("ok") for each in done] == [{"result": "fine"}] * 3, done)
    return "a parent that is over is none: the callbacks are served at depth 0, within maxInFlight"


def recurses() -> None:
    greet()
    waiting: list[Message] = []
    next_id = 0
    deepest = 0
    while True:
        message = receive()
        if "method" not in message:
            request = waiting.pop()
            answer(request, message.get("result", message.get("error", {}).get("code")))
        elif not actor.protocol(message):
            waiting.append(message)
            next_id += 1
            deepest += 1
            params = {"method": "t.go", "params": {}, "_meta": {"parent": message["id"]}}
            send({"id": next_id, "method": "conf_host.call", "params": params})


@attack("wire/endless-recursion")
def endless_recursion(arena: Arena) -> str:
    """Calls back within each call, and has the host call it again, without end."""
    with arena.driver() as driver:
        plugin = driver.launch(recurses, callbacks=["conf_host.call"])
        done = driver.call(plugin)
        peak = driver.peak()
    arena.holds("it ends with an overload", done.get("ok") == {"result": -32006} or "32006" in json.dumps(done), done)
    arena.holds("memory stays flat", peak < 192, peak)
    return "maxDepth: the seventeenth level was refused (-32006), and the levels before it ended"


# Floods.


def floods(what: str, count: str) -> None:
    greet()
    request = called()
    id = request["id"]
    many: dict[str, Callable[[int], Message]] = {
        "logs": lambda at: {"method": "rpc.log", "params": {"level": "info", "message": f"{at} " + "x" * 500}},
        "progress": lambda at: {"method": "rpc.progress", "params": {"id": id, "progress": at, "message": "x" * 200}},
        "cancels": lambda at: {"method": "rpc.cancel", "params": {"id": at}},
        "unknown": lambda at: {"method": f"t.note{at}", "params": {"x": "x" * 200}},
        "answers": lambda at: {"id": 1_000_000 + at, "result": "x" * 200},
    }
    if what == "stray":
        lines = [f"stray {at} {'x' * 200}\n".encode() for at in range(1000)]
    elif what == "stderr":
        lines = [f"noise {at} {'x' * 500}\n".encode() for at in range(1000)]
    else:
        lines = [actor.line(many[what](at)) for at in range(1000)]
    data = b"".join(lines)
    for _ in range(int(count) // 1000):
        raw(data, 2 if what == "stderr" else 1)
    answer(request, "fine")
    behave()


def survives_flood(arena: Arena, what: str, count: int) -> str:
    ran = arena.call(floods, what, count, timeout="20s")
    arena.holds(
        "the call has its answer", ran.code == 0 and ran.out == b'"fine"\n', ran.code, ran.out[:200], ran.err[-2000:]
    )
    arena.flat(ran)
    return f"{count} of them came and went: {ran.seconds:.1f} s, and the host had {ran.peak} MiB at most"


@attack("wire/flood-of-logs", 60)
def flood_of_logs(arena: Arena) -> str:
    """Logs fifty thousand lines before it answers."""
    return "the queue of events is bounded in bytes, what is too much is dropped and counted: " + survives_flood(
        arena, "logs", 100_000
    )


@attack("wire/flood-of-progress", 60)
def flood_of_progress(arena: Arena) -> str:
    """Reports progress fifty thousand times before it answers."""
    return "of progress that nobody takes, the oldest is dropped: " + survives_flood(arena, "progress", 50_000)


@attack("wire/flood-of-cancels", 60)
def flood_of_cancels(arena: Arena) -> str:
    """Cancels fifty thousand calls that are none."""
    return "a cancel of nothing is nothing: " + survives_flood(arena, "cancels", 50_000)


@attack("wire/flood-of-answers", 60)
def flood_of_answers(arena: Arena) -> str:
    """Answers fifty thousand calls that nobody made."""
    return "answers to nothing are ignored: " + survives_flood(arena, "answers", 50_000)


@attack("wire/flood-of-notifications", 60)
def flood_of_notifications(arena: Arena) -> str:
    """Sends fifty thousand notifications that nobody listens to."""
    return "what nobody listens to is ignored: " + survives_flood(arena, "unknown", 50_000)


@attack("wire/flood-of-stray-output", 60)
def flood_of_stray(arena: Arena) -> str:
    """Prints fifty thousand lines to its standard output."""
    ran_so = survives_flood(arena, "stray", 50_000)
    return "ten stray lines are told, then ten a second: " + ran_so


@attack("wire/flood-of-standard-error", 60)
def flood_of_stderr(arena: Arena) -> str:
    """Writes fifty thousand lines to its standard error."""
    return "standard error is always drained, and 16 KiB of it are kept: " + survives_flood(arena, "stderr", 50_000)


def floods_for_ever(line: str) -> None:
    greet()
    called()
    data = f"{line}\n".encode() * (65536 // (len(line) + 1))
    while True:
        raw(data)


@attack("wire/flood-without-an-answer", 90)
def flood_without_an_answer(arena: Arena) -> str:
    """Writes without a pause, and never answers: log lines, stray output, empty lines."""
    log = actor.line({"method": "rpc.log", "params": {"level": "info", "message": "again"}}).decode().strip()
    with arena.driver() as driver:
        for line in (log, "again", ""):
            plugin = driver.launch(floods_for_ever, line)
            began = time.monotonic()
            done = driver.call(plugin, timeout_ms=1000)
            took = time.monotonic() - began
            arena.holds("the call ends by its deadline", done.get("err", {}).get("kind") == "timeout", done)
            arena.holds("and no later", took < 5, f"{took:.1f} s")
            driver.do("stop", plugin=plugin)
    return "who reads looks at the time, also where there is always more to read"


def calls_too_late_without_reading() -> None:
    greet()
    called()
    late = {"value": 1, "_meta": {"deadlineMs": 0}}
    for number in range(300_000):
        send({"id": f"{number:0250}", "method": "conf_host.echo", "params": late})


@attack("wire/flood-of-late-callbacks", 90)
def flood_of_late_callbacks(arena: Arena) -> str:
    """Calls back without end, with a deadline that is over, and reads none of the answers."""
    with arena.driver() as driver:
        plugin = driver.launch(calls_too_late_without_reading, callbacks=["conf_host.echo"])
        done = driver.call(plugin, timeout_ms=15000, seconds=30)
        peak = driver.peak()
    arena.holds("it is stopped for it", done.get("err", {}).get("kind") == "overloaded", done)
    arena.holds("memory stays flat", peak < 64, f"{peak} MiB")
    return f"what is answered in a handler's stead is bounded: the connection closes, and the host had {peak} MiB at most"


def calls_without_reading() -> None:
    greet()
    called()
    value = "x" * 100_000
    for number in range(100_000):
        send({"id": number, "method": "conf_host.echo", "params": {"value": value}})


@attack("wire/flood-of-callbacks", 60)
def flood_of_callbacks(arena: Arena) -> str:
    """Calls back without end, 100 KB each, and reads none of the answers."""
    with arena.driver() as driver:
        plugin = driver.launch(calls_without_reading, callbacks=["conf_host.echo"])
        done = driver.call(plugin, timeout_ms=8000, seconds=30)
        peak = driver.peak()
    arena.holds("the call ends", "err" in done, done)
    arena.holds("memory stays flat", peak < 192, f"{peak} MiB")
    return f"maxInFlight, and what waits to be written is bounded: {done['err']['kind']}, and the host had {peak} MiB at most"


# Streams.


def overdraws() -> None:
    greet()
    request = called()
    items = ["x" * 60_000]
    for _ in range(2000):
        notify("rpc.output", {"id": request["id"], "items": items})
    answer(request, None)
    behave()


@attack("wire/credit-fraud")
def credit_fraud(arena: Arena) -> str:
    """Streams 120 MB to a consumer that takes nothing, without the credit for it."""
    with arena.driver() as driver:
        plugin = driver.launch(overdraws)
        call = driver.begin("call", plugin=plugin, method="t.go", output=True, take=0, timeout_ms=15000)
        ended = driver.event("exited")
        peak = driver.peak()
        driver.do("take", call=call, n=1000)
        done = driver.end(call)
    arena.holds("it was stopped for it", ended["wanted"] is False, ended)
    arena.holds("it is a violation", done.get("err", {}).get("kind") == "stream_violation", done)
    arena.holds("memory stays flat", peak < 96, f"{peak} MiB")
    return f"credit is counted: {done['err']['kind']}, and the host had {peak} MiB at most"


def grants_too_much() -> None:
    greet()
    request = called()
    for bytes_ in (2**53 - 1, 2**53 - 1, 2**53 - 1, -1, 2**64, 1e308, "x", None, 0):
        notify("rpc.inputCredit", {"id": request["id"], "bytes": bytes_})
    answer(request, "fine")
    behave()


@attack("wire/credit-overflow")
def credit_overflow(arena: Arena) -> str:
    """Grants credit whose sum no integer holds, and credit below zero."""
    with arena.driver() as driver:
        plugin = driver.launch(grants_too_much)
        call = driver.begin("call", plugin=plugin, method="t.go", input=True, timeout_ms=5000)
        done = driver.end(call)
        again = driver.call(plugin)
    arena.holds("the call ends", "ok" in done or done["err"]["kind"] in ("stream_violation", "protocol_violation"), done)
    arena.holds("the host lives", "ok" in again or "err" in again, again)
    return f"credit is added within its bounds: {done.get('ok') or done['err']['kind']}"


def streams_after_the_end() -> None:
    greet()
    request = called()
    notify("rpc.output", {"id": request["id"], "items": [1]})
    answer(request, None)
    for _ in range(5000):
        notify("rpc.output", {"id": request["id"], "items": ["late"]})
    behave()


@attack("wire/items-after-the-end")
def items_after_the_end(arena: Arena) -> str:
    """Goes on with a stream that it has ended."""
    with arena.driver() as driver:
        plugin = driver.launch(streams_after_the_end)
        done = driver.call(plugin, output=True)
        again = driver.call(plugin, output=True)
    told = [each.get("ok") or each["err"]["kind"] for each in (done, again)]
    arena.holds("the streams end", told[0] == {"result": None}, told)
    return f"a stream ends with its answer; what comes after it belongs to nobody: {told[1]}"


# Time.


def reads_no_more() -> None:
    greet()
    called()
    time.sleep(3600)


@attack("wire/never-reads")
def never_reads(arena: Arena) -> str:
    """Reads nothing any more, while the host has four megabytes for it."""
    with arena.driver() as driver:
        plugin = driver.launch(
            reads_no_more, timeouts={"start_ms": 8000, "grace_ms": 200, "exit_ms": 200, "term_ms": 200}
        )
        calls = [
            driver.begin("call", plugin=plugin, method="t.go", params={"x": "x" * 100_000}, timeout_ms=1500)
            for _ in range(40)
        ]
        ends = [driver.end(call) for call in calls]
        peak = driver.peak()
    kinds = {each.get("err", {}).get("kind") for each in ends}
    arena.holds("every call ends", None not in kinds, ends[:3])
    arena.holds("memory stays flat", peak < 192, f"{peak} MiB")
    return f"no caller waits in another's write: 40 calls ended as {' or '.join(sorted(map(str, kinds)))}, the host had {peak} MiB at most"


def byte_by_byte() -> None:
    greet()
    request = called()
    while True:
        for byte in actor.line({"id": request["id"], "result": "x" * 10_000}):
            raw(bytes([byte]))
            time.sleep(0.05)


@attack("wire/slow-loris")
def slow_loris(arena: Arena) -> str:
    """Answers a byte every 50 ms, so that something always comes."""
    with arena.driver() as driver:
        done = driver.call(driver.launch(byte_by_byte), timeout_ms=1000)
    arena.holds("the call ends by its deadline", done.get("err", {}).get("kind") == "timeout", done)
    return "a deadline is the call's, not the byte's: timeout after 1 s"


def slow_handshake() -> None:
    request = receive()
    for byte in actor.line({"id": request["id"], "error": {"code": -32601, "message": "x" * 10_000}}):
        raw(bytes([byte]))
        time.sleep(0.05)


@attack("wire/slow-loris-handshake")
def slow_start(arena: Arena) -> str:
    """Shakes hands a byte every 50 ms."""
    ran = arena.call(slow_handshake, options=["--start-timeout", "1s", "--no-validate"])
    arena.holds("the start ends by its deadline", ran.kind == "handshake_timeout", ran.text)
    return "a deadline for all of the start: handshake_timeout after 1 s"


def closes_output() -> None:
    greet()
    called()
    os.close(1)
    time.sleep(3600)


@attack("wire/half-closed")
def half_closed(arena: Arena) -> str:
    """Closes its standard output and lives on."""
    with arena.driver() as driver:
        plugin = driver.launch(closes_output)
        done = driver.call(plugin, timeout_ms=8000)
        driver.event("exited")
    arena.holds("the call ends at once", done.get("err", {}).get("kind") == "closed", done)
    return "the end of its output is the end of the connection (closed); the ladder made it go"


def half_a_line() -> None:
    greet()
    request = called()
    raw(actor.line({"id": request["id"], "result": "forged"})[:-1])
    os._exit(0)


@attack("wire/exit-in-mid-line")
def exit_in_mid_line(arena: Arena) -> str:
    """Ends behind an answer that lacks only its line feed."""
    ran = arena.call(half_a_line)
    arena.holds("half a line is no answer", ran.code == 3 and ran.kind == "plugin_exited", ran.text)
    return "what has no line feed is no line: plugin_exited"
