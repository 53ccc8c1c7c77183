"""Errors as exception classes: those that a contract declares, and those of the protocol that a handler may raise."""

from __future__ import annotations

import sys
import typing
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from . import _codes as codes
from ._codes import RESERVED, Fault, WireError
from ._shape import read_hook

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
elif sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:

    def dataclass_transform(**_: object):
        return lambda cls: cls


@dataclass_transform(kw_only_default=True)
class Error(Exception):
    """What a method may answer in place of its result. Each is declared as a class of its own:

        class LoadFailed(Error, code=2, message="the users cannot be loaded"):
            reason: str

        raise LoadFailed(reason="no such file")

    Its annotated members, all given by keyword, are the error's data. Where one member is all of the data, the class
    says so: `class Busy(Error, code=3, message="busy", data="waiting")`, with `waiting: int`.
    """

    __code__: ClassVar[int] = codes.INTERNAL_ERROR
    __message__: ClassVar[str] = "internal error"
    __data__: ClassVar[type[msgspec.Struct] | None] = None
    __whole__: ClassVar[str | None] = None

    def __init_subclass__(
        cls, code: int | None = None, message: str | None = None, data: str | None = None, **rest: Any
    ) -> None:
        super().__init_subclass__(**rest)
        if code is not None:
            if code in RESERVED:
                raise TypeError(f"{cls.__name__}: the codes -32768 … -32000 belong to the protocol")
            cls.__code__ = code
        if message is not None:
            cls.__message__ = message
        if data is not None:
            cls.__whole__ = data
        cls.__data__ = None

    def __init__(self, **data: Any) -> None:
        form = self.data_type()
        if form is None:
            if data:
                raise TypeError(f"{type(self).__name__} has no members, but was given {', '.join(data)}")
        else:
            self.__dict__.update(msgspec.structs.asdict(form(**data)))
        super().__init__(self.__message__)

    @classmethod
    def data_type(cls) -> type[msgspec.Struct] | None:
        """What the error carries; None where it carries nothing."""
        if cls.__dict__.get("__data__") is None:
            hints = typing.get_type_hints(cls, include_extras=True)
            fields = [
                (name, hint, getattr(cls, name)) if hasattr(cls, name) else (name, hint)
                for name, hint in hints.items()
                if typing.get_origin(hint) is not ClassVar and hint is not ClassVar
            ]
            if not fields:
                return None
            cls.__data__ = msgspec.defstruct(cls.__name__, fields, kw_only=True, module=cls.__module__)
        return cls.__data__

    def wire(self) -> WireError:
        """How it goes over the wire."""
        form = self.data_type()
        if form is None:
            return WireError(self.__code__, str(self))
        if self.__whole__ is not None:
            return WireError(self.__code__, str(self), self.__dict__[self.__whole__])
        data = {field: self.__dict__[field] for field in form.__struct_fields__}
        return WireError(self.__code__, str(self), data)

    @classmethod
    def carries(cls) -> Any:
        """The type of its data; None where it carries nothing."""
        form = cls.data_type()
        if form is None or cls.__whole__ is None:
            return form
        return typing.get_type_hints(form, include_extras=True)[cls.__whole__]

    @classmethod
    def read(cls, error: WireError) -> Error:
        """One that came over the wire; a ValidationError where its data is not what was declared."""
        form = cls.data_type()
        members: dict[str, Any] = {}
        if form is not None and cls.__whole__ is not None:
            members = {cls.__whole__: msgspec.convert(error.data, cls.carries(), dec_hook=read_hook)}
        elif form is not None:
            members = msgspec.structs.asdict(msgspec.convert(error.data, form, dec_hook=read_hook))
        this = cls(**members)
        this.args = (error.message,)
        return this

    @property
    def code(self) -> int:
        return self.__code__


class _Adhoc(Error):
    def __init__(self, error: WireError) -> None:
        Exception.__init__(self, error.message)
        self._error = error

    @classmethod
    def data_type(cls) -> None:
        return None

    def wire(self) -> WireError:
        return self._error

    @property
    def code(self) -> int:
        return self._error.code


def error(code: int, message: str, data: Any = msgspec.UNSET) -> Error:
    """An error without a class of its own, to be raised. Its code is declared at the method all the same:
    `errors=[ErrorDeclaration(code, name, message)]`, or `errors="any"`."""
    return _Adhoc(WireError(code, message, data))


class Cancelled(_Adhoc):
    """The call was cancelled: nobody waits for its result."""

    def __init__(self, why: WireError | None = None) -> None:
        super().__init__(why or codes.cancelled())


class DeadlineExceeded(_Adhoc):
    """The call's deadline has passed: nobody waits for its result."""

    def __init__(self) -> None:
        super().__init__(codes.deadline_exceeded())


class InvalidParams(_Adhoc):
    """The params fit their types and are wrong all the same. `path` is a JSON Pointer from the params."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(codes.invalid_params([Fault(path, message)]))


class InvalidConfig(_Adhoc):
    """The config fits its type and cannot be worked with. `path` is a JSON Pointer from the config."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(codes.invalid_config([Fault(path, message)]))


class Declined(_Adhoc):
    """The plugin judges itself unfit to run here; a host may try another version."""

    def __init__(self, reason: str) -> None:
        super().__init__(WireError(codes.DECLINED, f"declined: {codes.shorten(reason)}", {"reason": reason}))


class ErrorDeclaration(msgspec.Struct, frozen=True):
    """An error that a method may answer, where it has no class."""

    code: int
    name: str
    message: str

    def __post_init__(self) -> None:
        if self.code in RESERVED:
            raise TypeError(f"{self.name}: the codes -32768 … -32000 belong to the protocol")


def declaration(of: type[Error] | ErrorDeclaration) -> ErrorDeclaration:
    """What a manifest says of it."""
    if isinstance(of, ErrorDeclaration):
        return of
    if of.__code__ in RESERVED:
        raise TypeError(f"{of.__name__} has no code: class {of.__name__}(Error, code=…, message=…)")
    return ErrorDeclaration(of.__code__, of.__name__, of.__message__)
