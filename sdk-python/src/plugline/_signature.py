"""What a function's annotations say of a method: its params, its streams, its result. Nothing is run here."""

from __future__ import annotations

import collections.abc
import enum
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import msgspec

from ._shape import Shape

CO_VARARGS, CO_VARKEYWORDS = 0x04, 0x08
CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200

INPUTS = (collections.abc.Iterator, collections.abc.Iterable)
ASYNC_INPUTS = (collections.abc.AsyncIterator, collections.abc.AsyncIterable)
OUTPUTS = (*INPUTS, collections.abc.Generator)
ASYNC_OUTPUTS = (*ASYNC_INPUTS, collections.abc.AsyncGenerator)


class Way(enum.Enum):
    """How a function is run."""

    PLAIN = enum.auto()
    ASYNC = enum.auto()


class Named(NamedTuple):
    """What a param is called on the wire, where that is no name of Python: `Annotated[int, Named("max-items")]`."""

    name: str


class Param(NamedTuple):
    """One param, as it is declared."""

    name: str
    wire: str
    type: Any
    default: Any
    """`msgspec.NODEFAULT` where it is required."""


class Signature(NamedTuple):
    """What a method takes and gives."""

    way: Way
    params: list[Param]
    shape: Shape
    """Of the params object: a struct with a member more, for `_meta`."""
    context: str | None
    """The argument that takes the call itself: a `Call`, or a host's `Context`."""
    input: tuple[str, Shape] | None
    """The argument that takes the input stream, and its items."""
    output: Shape | None
    result: Shape
    positional: tuple[str, ...]
    """The arguments that need no keyword, in their order."""


def signature(function: Callable[..., Any], name: str, skip: int = 0) -> Signature:
    """Reads a function's annotations; a TypeError says what it lacks. Skips so many arguments (`self`)."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as fault:
        raise TypeError(
            f"{name}: {fault}; the types of a method are found where its module can see them"
        ) from None
    code = function.__code__
    if code.co_flags & (CO_VARARGS | CO_VARKEYWORDS):
        raise TypeError(f"{name}: a method has no *args and no **kwargs: name its params")
    named = code.co_varnames[skip : code.co_argcount + code.co_kwonlyargcount]
    defaults = _defaults(function)
    context: str | None = None
    input: tuple[str, Shape] | None = None
    params: list[Param] = []
    for argument in named:
        if argument not in hints:
            raise TypeError(f"{name}: say of what type the param {argument!r} is")
        hint = hints[argument]
        if getattr(hint, "__plugline_context__", False):
            context = argument
        elif (item := _item(hint, (*INPUTS, *ASYNC_INPUTS))) is not None:
            if input is not None:
                raise TypeError(f"{name}: a method has one input stream at most")
            input = argument, Shape(item)
        else:
            hint, wire = _wire(hint, argument)
            params.append(Param(argument, wire, hint, defaults.get(argument, msgspec.NODEFAULT)))
    if "return" not in hints:
        raise TypeError(f"{name}: say what it returns; -> None, if nothing")
    flags = code.co_flags
    output, result = _returned(hints["return"])
    is_async = bool(flags & (CO_COROUTINE | CO_ASYNC_GENERATOR)) or _is_async_output(hints["return"])
    return Signature(
        Way.ASYNC if is_async else Way.PLAIN, params, _params_shape(name, params), context, input,
        Shape(output) if output is not None else None, Shape(result),
        tuple(argument for argument in code.co_varnames[skip : code.co_argcount] if argument != context),
    )  # fmt: skip


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    code = function.__code__
    values: tuple[Any, ...] = getattr(function, "__defaults__", None) or ()
    positional = code.co_varnames[: code.co_argcount]
    return dict(zip(positional[len(positional) - len(values) :], values, strict=True)) | (
        getattr(function, "__kwdefaults__", None) or {}
    )


def _wire(hint: Any, argument: str) -> tuple[Any, str]:
    """A type without what it is called on the wire, and that."""
    if typing.get_origin(hint) is not Annotated:
        return hint, argument
    bare, *notes = typing.get_args(hint)
    names = [note.name for note in notes if isinstance(note, Named)]
    rest = [note for note in notes if not isinstance(note, Named)]
    return (Annotated[(bare, *rest)] if rest else bare), (names or [argument])[0]


def _bare(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def _item(hint: Any, streams: tuple[Any, ...]) -> Any:
    """What a stream carries; None where it is no stream."""
    hint = _bare(hint)
    if typing.get_origin(hint) not in streams:
        return None
    item = typing.get_args(hint)[0]
    from ._call import Batch

    if typing.get_origin(item) in (typing.Union, types.UnionType):
        # A handler may yield single items and batches of them.
        kept = [arm for arm in typing.get_args(item) if (typing.get_origin(arm) or arm) is not Batch]
        item = typing.Union[tuple(kept)]  # noqa: UP007 - made at run time
    elif typing.get_origin(item) is Batch:
        item = typing.get_args(item)[0]
    return item


def _is_async_output(hint: Any) -> bool:
    return typing.get_origin(_bare(hint)) in ASYNC_OUTPUTS


def _returned(hint: Any) -> tuple[Any, Any]:
    """Items of the output, if there is one, and the result."""
    item = _item(hint, (*OUTPUTS, *ASYNC_OUTPUTS))
    if item is None:
        return None, hint
    bare = _bare(hint)
    if typing.get_origin(bare) is collections.abc.Generator:
        return item, (typing.get_args(bare) + (None, None))[2]
    return item, None


META = ("_meta", msgspec.Raw, msgspec.Raw(b"null"))


def _params_shape(name: str, params: list[Param]) -> Shape:
    for param in params:
        if param.name.startswith("_") or param.wire == "_meta":
            raise TypeError(f"{name}: {param.name!r}: a param does not begin with an underscore")
    fields: list[Any] = [
        (param.name, param.type)
        if param.default is msgspec.NODEFAULT
        else (param.name, param.type, msgspec.field(default_factory=_maker(param.default)))
        for param in params
    ]
    struct = msgspec.defstruct(
        "Params",
        [*fields, META],
        kw_only=True,
        forbid_unknown_fields=True,
        gc=False,
        module=__name__,
        rename={param.name: param.wire for param in params if param.wire != param.name},
    )
    return Shape(struct)


def _maker(value: Any) -> Callable[[], Any]:
    return lambda: value
