"""Faults of streams: items and the credit that they cost."""

from __future__ import annotations

from typing import Any

from plain import call as calls
from plain import conf
from plain.call import Call
from plain.conf import Conf
from plain.peer import Peer
from plain.wire import CANCELLED, INTERNAL, INVALID, STREAM, RpcError, Writer, is_id

from .lines import any_length
from .plant import Change, do, ends, fail, fault, handled_errors, later, params_of, put, streamed

# Output.


def sent(change: Any) -> Change:
    """Items on their way out."""
    return (Call, "send", lambda was, it, items: change(was, it, items))


def output(change: Any) -> Change:
    """The params of rpc.output."""

    def line(was: Any, it: Any, message: Any, *limit: Any) -> Any:
        if message.get("method") == "rpc.output":
            message = {**message, "params": change(dict(message["params"]))}
        return was(message, *limit)

    return (Writer, "line", line)


def after_answer(was: Any, it: Any, call: Any, params: Any) -> None:
    held: list[Any] = []
    ordinary, call.send = call.send, held.append
    was(call, params)
    for items in held:
        ordinary(items)


def in_result(was: Any, it: Any, call: Any, params: Any) -> Any:
    items: list[Any] = []
    call.send = items.extend
    outcome = was(call, params)
    return items if call.method.output and outcome is None else outcome


def at_line_ends(was: Any, it: Any, items: Any) -> None:
    was([item for at, item in enumerate(items) if at % 256 != 255])


def spent(change: Any) -> Change:
    return (Call, "spend", lambda was, it, cost: change(was, it, cost))


def waits_for_fit(was: Any, it: Any, cost: int) -> None:
    with it.change:
        it.wait(lambda: it.credit >= cost)
        it.credit -= cost


def sends_at_zero(was: Any, it: Any, cost: int) -> None:
    with it.change:
        it.wait(lambda: it.credit >= 0)
        it.credit -= cost


def shared(was: Any, it: Any, cost: int) -> None:
    first = it.peer.__dict__.setdefault("payer", it)
    with first.change:
        first.wait(lambda: first.credit > 0)
        first.credit -= cost


def holds_writer(was: Any, it: Any, cost: int) -> None:
    with it.peer.writer.lock:
        was(cost)


def heeds_no_cancel(was: Any, it: Any, cost: int) -> None:
    with it.change:
        it.change.wait_for(lambda: it.credit > 0)
        it.credit -= cost


def by_single_lines(was: Any, it: Any, items: Any) -> None:
    calls.ITEMS_A_LINE = 1
    was(items)


def window(bytes_: int) -> Change:
    return (Call, "__init__", lambda was, it, *args: do(was(*args), put(it, "credit", bytes_), None))


def one_more(was: Any, it: Any, call: Any, params: Any) -> None:
    was(call, params)
    if call.method.output and call.stopped:
        it.notify("rpc.output", {"id": call.id, "items": [0]})


fault("output-in-result", "gives the items of a stream as its result", (Peer, "handle", in_result))
fault("output-after-answer", "sends items after the answer", (Peer, "serve", after_answer))
fault(
    "output-items-not-a-list",
    "sends an item without a list",
    output(lambda params: {**params, "items": params["items"][0]}),
)
fault("output-reversed", "sends items in reverse", sent(lambda was, it, items: was(items[::-1])))
fault("output-last-item-lost", "loses the last item", sent(lambda was, it, items: was(items[:-1])))
fault("output-item-lost-at-line-end", "loses an item where a line ends", sent(at_line_ends))
fault("output-without-id", "does not say whose items they are", output(lambda params: {"items": params["items"]}))
fault(
    "output-id-number",
    "writes ids of digits as numbers in rpc.output",
    output(lambda params: {**params, "id": int(params["id"]) if str(params["id"]).isdigit() else params["id"]}),
)
fault(
    "summary-is-count", "gives the number of items as the result", streamed(lambda o: o if isinstance(o, RpcError) else 5)
)
fault(
    "empty-stream-fails",
    "fails a stream without items",
    params_of("conf.count", lambda params: params if params.get("n") else fail(-32602, {"errors": []})),
)
fault(
    "stream-error-lost",
    "ends a stream that failed as if it had not",
    streamed(lambda o: None if isinstance(o, RpcError) and o.code == 1001 else o),
)
fault(
    "stream-error-internal",
    "ends a stream that failed with -32603",
    streamed(lambda o: RpcError(INTERNAL) if isinstance(o, RpcError) and o.code == 1001 else o),
)
fault(
    "stream-error-drops-items",
    "drops the items before an error",
    params_of(
        "conf.count",
        lambda params: (
            {**params, "n": 0, "fail_after": 0} if params.get("fail_after", params["n"] + 1) <= params["n"] else params
        ),
    ),
)
fault("credit-ignored", "sends without credit", spent(lambda was, it, cost: it.check()))
fault("credit-in-items", "counts credit in lines", spent(lambda was, it, cost: was(1)))
fault(
    "credit-without-lf", "counts a line without its LF", spent(lambda was, it, cost: was(cost - 1)), sent(by_single_lines)
)
fault("credit-zero-is-credit", "sends at a credit of zero", spent(sends_at_zero))
fault("credit-waits-for-fit", "waits until a line fits its credit", spent(waits_for_fit))
fault("credit-given-ignored", "ignores the credit that it is given", (Call, "add_credit", lambda was, it, bytes_: None))
fault("credit-shared", "has all streams share one credit", spent(shared))
fault("blocked-stream-blocks-all", "writes nothing while a stream waits for credit", spent(holds_writer))
fault("blocked-stream-not-cancelled", "heeds no cancel while it waits for credit", spent(heeds_no_cancel))
fault("output-after-cancel", "sends an item after the answer to a cancel", (Peer, "serve", one_more))
fault("window-64k-assumed", "takes 64 KiB for the host's window", window(65536))
fault("window-default-assumed", "takes the default for the host's window", window(256 << 10))


# Credit and input that come.


def on_rpc(name: str, change: Any) -> Change:
    def changed(was: Any, it: Any, method: str, params: Any, cost: int) -> None:
        if method == name:
            params = change(it, params)
        if params is not None:
            was(method, params, cost)

    return (Peer, "on_rpc", changed)


def unknown_answered(it: Any, params: Any) -> Any:
    if is_id(params.get("id")) and params["id"] not in it.calls:
        it.respond(None, RpcError(INVALID))
    return params


def known_call(it: Any, params: Any) -> Any:
    return params if {params["id"]} and params["bytes"] >= 0 else None


fault("late-credit-answered", "answers credit for a stream that is over", on_rpc("rpc.outputCredit", unknown_answered))
ends("faulty-credit-ends", "exits at credit without an id", on_rpc("rpc.outputCredit", known_call))
fault(
    "credit-text-taken",
    "takes credit that is a text",
    on_rpc("rpc.outputCredit", lambda it, params: {**params, "bytes": int(params["bytes"])}),
)
fault(
    "credit-id-loose",
    "takes credit for an id that is a text of its id",
    on_rpc("rpc.outputCredit", lambda it, params: {**params, "id": int(params["id"])}),
)


def fed(change: Any) -> Change:
    return (Call, "feed", lambda was, it, items, cost: change(was, it, items, cost))


def inputs(it: Any) -> list[Any]:
    return [call for call in it.peer.calls.values() if call and call.method.input]


def feed_all(was: Any, it: Any, items: Any, cost: int) -> None:
    for call in inputs(it):
        with call.change:
            call.input.extend((item, 0) for item in items)
            call.change.notify_all()


def long_lines(was: Any, it: Any, *args: Any) -> None:
    calls.ITEMS_A_LINE = conf.ITEMS_AT_ONCE = 100_000
    was(*args)


def feed_latest(was: Any, it: Any, items: Any, cost: int) -> None:
    latest = inputs(it)[-1]
    with latest.change:
        latest.input.extend((item, 0) for item in items)
        latest.change.notify_all()


def drop_last(was: Any, it: Any) -> None:
    with it.change:
        if it.input:
            it.input.pop()
    was()


def last_line_lost(was: Any, it: Any, items: Any, cost: int) -> None:
    held, it.held = it.__dict__.get("held"), (items, cost)
    if held:
        was(*held)


def waits_for_room(was: Any, it: Any, items: Any, cost: int) -> None:
    with it.change:
        it.change.wait_for(lambda: it.room > 0)
    was(items, cost)


def keeps_empty(was: Any, it: Any, items: Any, cost: int) -> None:
    if items:
        was(items, cost)
        return
    with it.change:
        it.room -= cost


def shares(share: Any) -> Change:
    """What each of a line's items takes of what the line cost."""

    def feed(it: Any, items: Any, cost: int) -> None:
        with it.change:
            fits = it.fits(cost)
            if fits:
                it.room -= cost
                it.input.extend((item, share(cost, len(items))) for item in items)
                it.change.notify_all()
        if not fits:
            it.stop(RpcError(STREAM))

    return fed(lambda was, it, items, cost: feed(it, items, cost))


def no_input(it: Any) -> bool:
    return it.method.input is None


fault("input-first-of-line", "takes the first item of a line", fed(lambda was, it, items, cost: was(items[:1], cost)))
fault("input-last-line-lost", "takes a line of input when the next one comes", fed(last_line_lost))
fault("input-end-ignored", "ignores rpc.inputEnd", (Call, "end_input", lambda was, it: None))
fault(
    "empty-input-fails",
    "fails an input stream without items",
    (
        Call,
        "end_input",
        lambda was, it: (
            was()
            if it.room < it.peer.own_limits["streamWindowBytes"] or it.input
            else it.stop(RpcError(-32602, {"errors": []}))
        ),
    ),
)
fault("input-overdraw-taken", "takes input without credit", (Call, "fits", lambda was, it, cost: not it.ended))
fault(
    "input-waits-for-fit",
    "refuses a line of input that is longer than the credit that is left",
    (Call, "fits", lambda was, it, cost: was(cost) and cost <= it.room),
)
fault(
    "input-at-zero-taken",
    "takes input at a credit of zero",
    (Call, "fits", lambda was, it, cost: was(cost) or (it.room == 0 and not it.ended)),
)
fault(
    "input-lf-not-counted",
    "counts a line of input without its LF",
    fed(lambda was, it, items, cost: was(items, cost - 1)),
)
fault("empty-input-kept", "gives no credit for input without items", fed(keeps_empty))
fault(
    "input-credit-rounded", "rounds what the items of a line take of it down", shares(lambda cost, count: cost // count)
)
fault(
    "input-credit-byte-lost",
    "gives a byte less of input credit for each item",
    shares(lambda cost, count: cost // count - 1),
)
fault(
    "input-overdraw-code",
    "answers input without credit with -32600",
    (Call, "feed", lambda was, it, items, cost: was(items, cost) if it.fits(cost) else it.stop(RpcError(INVALID))),
)
fault("input-overdraw-blocks-reader", "reads nothing while input waits to be taken", fed(waits_for_room))
fault("input-after-end-taken", "takes input after rpc.inputEnd", (Call, "end_input", lambda was, it: later(0.2, was)))
fault(
    "input-unasked-ignored",
    "ignores input that a call does not have",
    fed(lambda was, it, items, cost: None if no_input(it) else was(items, cost)),
)
fault(
    "input-unasked-null-error",
    "answers input that a call does not have without its id",
    fed(lambda was, it, items, cost: it.peer.respond(None, RpcError(STREAM)) if no_input(it) else was(items, cost)),
)
fault(
    "input-end-is-fault",
    "takes rpc.inputEnd of a call without input for a fault",
    (Call, "end_input", lambda was, it: it.stop(RpcError(STREAM)) if no_input(it) else was()),
)
fault("input-of-all-streams", "gives input to all calls", fed(feed_all))
fault("input-to-latest", "gives input to the latest call", fed(feed_latest))


def granted(change: Any) -> Change:
    """The credit that is said, not the one that is counted."""

    def grant(was: Any, it: Any, bytes_: int) -> None:
        with it.change:
            it.room += 1 << 40
        change(it, bytes_)

    return (Call, "grant", grant)


def said(it: Any, **params: Any) -> None:
    it.peer.notify("rpc.inputCredit", {"id": it.id, **params})


def lazily(was: Any, it: Any, bytes_: int) -> None:
    it.owed = it.__dict__.get("owed", 0) + bytes_
    if it.owed >= it.peer.own_limits["streamWindowBytes"]:
        was(it.owed)
        it.owed = 0


fault("input-credit-never", "gives no input credit", granted(lambda it, bytes_: None))
fault(
    "input-credit-wrong-id",
    "gives input credit to another call",
    granted(lambda it, bytes_: said(it, id="nobody", bytes=bytes_)),
)
fault("input-credit-in-items", "counts input credit in items", granted(lambda it, bytes_: said(it, bytes=1)))
fault("input-credit-text", "writes input credit as text", granted(lambda it, bytes_: said(it, bytes=str(bytes_))))
fault(
    "input-credit-too-much",
    "gives more input credit than was taken",
    granted(lambda it, bytes_: said(it, bytes=100 * bytes_)),
)
fault("input-credit-after-window", "gives input credit when a whole window is taken", (Call, "grant", lazily))


# Items, as handlers take them.


def items(change: Any) -> Change:
    """Changes items before they are checked; leaves out what is `...`."""

    def feed(was: Any, it: Any, given: Any, cost: int) -> None:
        was([item for item in map(change, given) if item is not ...], cost)

    return (Call, "feed", feed)


def stops_at_zero(was: Any, it: Any, *args: Any) -> Any:
    call = args[0]
    total = 0
    for item in call.items():
        if item == 0:
            return total
        total += item
    return total


def collected(was: Any, it: Any, call: Any, params: Any) -> None:
    call.send([2 * item for item in call.items()])


def batched(was: Any, it: Any, call: Any, params: Any) -> None:
    held: list[int] = []
    for item in call.items():
        held.append(2 * item)
        if len(held) == 10:
            call.send(held)
            held = []
    call.send(held)


def deaf_to_cancel(was: Any, it: Any, error: RpcError) -> None:
    if it.method.input is None or error.code != CANCELLED:
        was(error)


fault("bad-item-skipped", "skips items that are ill-typed", items(lambda item: item if type(item) is int else ...))
fault(
    "bad-item-internal",
    "answers an item that is ill-typed with -32603",
    handled_errors("conf.sum", lambda e: RpcError(INTERNAL) if e.code == -32602 else e),
)
fault(
    "input-items-converted",
    "converts items that are text",
    items(lambda item: int(item) if isinstance(item, str) else item),
)
fault("true-is-an-item", "takes true for an integer", items(lambda item: int(item) if isinstance(item, bool) else item))
fault("input-stops-at-zero", "takes an item of 0 for the end", (Conf, "sum", stops_at_zero))
fault("output-at-end", "sends nothing before the input has ended", (Conf, "double", collected))
fault("output-in-batches", "sends items ten at a time", (Conf, "double", batched))
fault(
    "end-completes-input",
    "takes the end of the connection for rpc.inputEnd",
    (Call, "hang_up", lambda was, it: it.end_input()),
)
fault("waiting-input-not-cancelled", "heeds no cancel while it waits for input", (Call, "stop", deaf_to_cancel))
fault(
    "streams-not-counted",
    "does not count calls with streams",
    (
        Peer,
        "start",
        lambda was, it, id, method, params, m: do(was(id, method, params, m), method.input and it.load.subtract([0])),
    ),
)

fault(
    "stream-line-over-window",
    "sends stream lines that are longer than the window",
    any_length(lambda m: m.get("method") == "rpc.output"),
    (Conf, "count", long_lines),
)
