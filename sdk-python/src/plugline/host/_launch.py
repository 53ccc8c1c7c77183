"""The start of a plugin: the handshake, and what of a function or a contract a host serves."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from .. import _messages
from .._codes import DECLINED, INVALID_CONFIG, UNSUPPORTED_PROTOCOL, WireError
from .._failure import CallFailed, Kind
from .._messages import InitializeResult
from .._signature import signature
from .._text import shown
from .._watch import sleep_until
from ._connection import Callback
from ._error import Error, Phase
from ._instance import Instance

DICTS: tuple[Any, ...] = (dict, Mapping)


def shake_hands(instance: Instance, params: bytes, deadline: float | None) -> InitializeResult:
    connection = instance.connection
    try:
        slot = connection.handshake(params, deadline)
        sleep_until(slot, lambda: slot.is_done, deadline)
        outcome = slot.outcome or CallFailed(Kind.HANDSHAKE_TIMEOUT, "no answer in time")
    except CallFailed as why:
        outcome = why
    if isinstance(outcome, CallFailed):
        failed = instance.failed(outcome)
        failed.args = (f"the handshake failed: {failed.args[0]}",)
        raise failed
    if isinstance(outcome, WireError):
        outcome = instance.redactor.error(outcome)
        kind = {
            UNSUPPORTED_PROTOCOL: Kind.VERSION_MISMATCH,
            INVALID_CONFIG: Kind.INVALID_CONFIG,
            DECLINED: Kind.DECLINED,
        }.get(outcome.code, Kind.HANDSHAKE_INVALID)
        raise _refused(instance, kind, f"{shown(outcome.message)} ({outcome.code})", outcome)
    hello = connection.hello
    if hello is None:
        try:
            msgspec.json.decode(outcome, type=InitializeResult)
            reason = "its answer is none"
        except (ValueError, RecursionError) as fault:
            reason = instance.redactor.text(str(fault))
        raise _refused(instance, Kind.HANDSHAKE_INVALID, f"its answer is not a handshake's: {reason}", None)
    if hello.protocol_version not in _messages.VERSIONS:
        version = hello.protocol_version
        raise _refused(instance, Kind.VERSION_MISMATCH, f"it chose version {version}, which was not offered", None)
    if hello.capabilities.streams is not msgspec.UNSET and hello.capabilities.cancel is msgspec.UNSET:
        raise _refused(instance, Kind.HANDSHAKE_INVALID, "it declares streams, but not cancel", None)
    return hello


def _refused(instance: Instance, kind: Kind, reason: str, remote: WireError | None) -> Error:
    return Error(
        kind, f"the handshake failed: {reason}", phase=Phase.HANDSHAKE, command=instance.command,
        evidence=instance.evidence(), remote=remote,
    )  # fmt: skip


def callback(name: str, function: Callable[..., Any]) -> Callback:
    """A function whose params are all annotated takes them by name; any other takes a dict."""
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):
        hints = {}
    code: Any = getattr(function, "__code__", None)
    skip = int(hasattr(function, "__self__"))
    names: Sequence[str] = code.co_varnames[skip : code.co_argcount + code.co_kwonlyargcount] if code else ()
    if code is None or "return" not in hints or not all(name in hints for name in names):
        return Callback(name, function, None)
    if len(names) == 1 and typing.get_origin(hints[names[0]]) in DICTS:
        return Callback(name, function, None)
    return Callback(name, function, signature(getattr(function, "__func__", function), name, skip))


def serve(implementation: object, callbacks: dict[str, Callback], listeners: dict[str, Callback]) -> None:
    from .._contract import terms

    for term in terms(type(implementation)).terms:
        function = getattr(implementation, term.attribute)
        callback = Callback(term.about.name, function, term.entry().signature)
        (listeners if term.is_notification else callbacks)[term.about.name] = callback
