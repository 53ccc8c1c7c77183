"""Contracts as classes: the plugin implements the class, the caller is given an object that looks like one."""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from ._call import Call, with_parent
from ._encode import PARAMS_AT, Unsendable
from ._example import Example
from ._failure import RemoteError
from ._manifest import Entry
from ._method import About, Errors
from ._original import held
from ._plugin import _about, _semantic
from ._shape import Misfit, Shape
from ._signature import Signature, Way, signature

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)
T = TypeVar("T")


class Contract:
    """The base of contract classes.

        @contract("users", "1.0.0")
        class Users(Contract):
            @method(idempotent=True, errors=[NotFound])
            def get_user(self, id: UserId) -> User:
                \"\"\"Finds one user by id.\"\"\"
                raise NotImplementedError
    """


class Marked(NamedTuple):
    """What a decorator says of a method of a contract class."""

    errors: Errors
    idempotent: bool
    deprecated: bool
    examples: Sequence[Example]
    description: str | None
    name: str | None
    is_notification: bool


class Term(NamedTuple):
    """One method of a contract."""

    attribute: str
    about: About
    stub: Callable[..., Any]
    is_notification: bool
    original: dict[str, Any] | None

    def entry(self) -> Entry:
        name = self.about.name
        return Entry(self.about, held(signature(self.stub, name, 1), self.original, name), self.is_notification)


class Terms(NamedTuple):
    """A contract."""

    name: str
    version: str
    terms: list[Term]
    original: dict[str, Any] | None = None  # the document that it was written in, if it was


def method(
    *,
    errors: Errors = (),
    idempotent: bool = False,
    deprecated: bool = False,
    examples: Sequence[Example] = (),
    description: str | None = None,
    name: str | None = None,
) -> Callable[[F], F]:
    """Makes a function a method of its contract. `name` is its name there, where that is no name of Python."""
    return _mark(Marked(errors, idempotent, deprecated, examples, description, name, False))


def notification(
    *,
    deprecated: bool = False,
    examples: Sequence[Example] = (),
    description: str | None = None,
    name: str | None = None,
) -> Callable[[F], F]:
    """Makes a function a notification of its contract."""
    return _mark(Marked((), False, deprecated, examples, description, name, True))


def _mark(marked: Marked) -> Callable[[F], F]:
    def mark(function: F) -> F:
        function.__plugline__ = marked  # type: ignore[attr-defined]
        return function

    return mark


def contract(name: str, version: str, *, document: str | None = None) -> Callable[[C], C]:
    """Makes a class a contract, of that name and version. One that was written as an OpenRPC document, of which the class
    was made, is declared as it stands there: `document` is its text."""
    original: dict[str, Any] | None = None if document is None else msgspec.json.decode(document)

    def make(cls: C) -> C:
        terms = []
        for attribute, stub in vars(cls).items():
            marked = getattr(stub, "__plugline__", None)
            if marked is not None:
                about = _about(
                    f"{name}.{marked.name or attribute}",
                    marked.description,
                    stub,
                    marked.errors,
                    marked.idempotent,
                    marked.deprecated,
                    marked.examples,
                )
                terms.append(Term(attribute, about, stub, marked.is_notification, original))
        cls.__plugline_terms__ = Terms(name, _semantic(version), terms, original)  # type: ignore[attr-defined]
        return cls

    return make


def terms(cls: type) -> Terms:
    """The contract that a class is, or implements."""
    found = getattr(cls, "__plugline_terms__", None)
    if not isinstance(found, Terms):
        raise TypeError(f"{cls.__name__} is no contract: @contract(name, version)")
    return found


class Caller(typing.Protocol):
    """Who can be called: a plugin, for its host; the host, for a handler."""

    def invoke(self, entry: Entry, params: bytes, arguments: dict[str, Any]) -> Any: ...


def client(cls: type[T], of: Call | Caller) -> T:
    """An object whose methods are calls."""
    members: dict[str, Any] = {}
    for term in terms(cls).terms:
        members[term.attribute] = _method(term, of)
    made: Any = type(f"{cls.__name__}Client", (cls,), {"__init__": lambda self: None, **members})
    instance: T = made()
    return instance


def _method(term: Term, of: Call | Caller) -> Callable[..., Any]:
    entries: list[Entry] = []

    def call(self: object, *args: Any, **kwargs: Any) -> Any:
        if not entries:
            entries.append(term.entry())
        return invoke(of, entries[0], args, kwargs)

    call.__name__, call.__doc__ = term.attribute, term.about.description
    return call


def invoke(of: Call | Caller, entry: Entry, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Calls a method with a function's arguments."""
    signature = entry.signature
    arguments = _bind(entry, args, kwargs)
    params = _encoded(signature, arguments)
    if not isinstance(of, Call):
        return of.invoke(entry, params, arguments)
    return _call_host(of, entry, params)


def _bind(entry: Entry, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    signature = entry.signature
    names = [param.name for param in signature.params]
    if signature.input is not None:
        names.append(signature.input[0])
    if len(args) > len(signature.positional):
        many = len(signature.positional)
        raise TypeError(f"{entry.about.name} takes {many} arguments without a keyword, and {len(args)} were given")
    given = dict(zip(signature.positional, args, strict=False))
    if twice := given.keys() & kwargs.keys():
        raise TypeError(f"{entry.about.name}: {twice.pop()!r} was given twice")
    given |= kwargs
    if unknown := given.keys() - set(names):
        raise TypeError(f"{entry.about.name} has no argument {unknown.pop()!r}")
    for param in signature.params:
        if param.name not in given and param.default is msgspec.NODEFAULT:
            raise TypeError(f"{entry.about.name}: {param.name!r} is missing")
    if signature.input is not None and signature.input[0] not in given:
        raise TypeError(f"{entry.about.name}: {signature.input[0]!r} is missing")
    return given


def _encoded(signature: Signature, arguments: dict[str, Any]) -> bytes:
    parts = [
        b"%b:%b" % (msgspec.json.encode(param.wire), Shape(param.type).write(arguments[param.name], PARAMS_AT + 1))
        for param in signature.params
        if _is_given(arguments.get(param.name, msgspec.UNSET), param.default)
    ]
    params = b"{" + b",".join(parts) + b"}"
    if signature.shape.held is not None:
        try:
            signature.shape.held(params)
        except Misfit as fault:
            raise Unsendable(f"the params are not what the contract says: {fault}") from None
    return params


def _is_given(argument: Any, default: Any) -> bool:
    """A parameter that may be left out is left out where it is `None`."""
    return argument is not msgspec.UNSET and (argument is not None or default is not None)


def _call_host(call: Call, entry: Entry, params: bytes) -> Any:
    session, name = call._session, entry.about.name
    if entry.is_notification:
        call._check_served(name)
        session.notify(name, with_parent(params, call.id))
        return None
    if entry.signature.way is Way.ASYNC:
        return _call_host_async(call, entry, params)
    call._check_served(name)
    slot = session.begin(name, params, parent=call._incoming)
    call._wait(slot, lambda: slot.is_done, slot.deadline)
    with known_errors(entry):
        return call._outcome(slot, entry.signature.result)


async def _call_host_async(call: Call, entry: Entry, params: bytes) -> Any:
    from ._loop import until

    call._check_served(entry.about.name)
    slot = call._session.begin(entry.about.name, params, parent=call._incoming)
    try:
        await until(slot, lambda: slot.is_done, slot.deadline)
    except BaseException:
        call._session.abandon(slot, "the call that it was made for ended")
        raise
    with known_errors(entry):
        return call._outcome(slot, entry.signature.result)


class known_errors:
    """Raises the class that was declared for an error that came over the wire."""

    def __init__(self, entry: Entry) -> None:
        self._errors = entry.about.errors

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, RemoteError) and self._errors != "any":
            for declared in self._errors:
                if isinstance(declared, type) and declared.__code__ == fault.code:
                    try:
                        known = declared.read(fault.error)
                    except msgspec.ValidationError:
                        return  # its data is not what was declared: it is raised as it came
                    raise known from fault

