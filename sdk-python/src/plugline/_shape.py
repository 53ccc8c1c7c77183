"""A type as it stands on the wire: read and checked in one step, written, and described by a schema.

msgspec knows dataclasses, TypedDicts, enums, unions, bounds and its own structs. Pydantic's models are known by what
they have (`__pydantic_validator__`), so pydantic is loaded only by who uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ._codes import Fault
from ._encode import Unsendable, sound
from ._faults import faults_of


def is_model(type_: Any) -> bool:
    """Whether it is a pydantic model."""
    return hasattr(type_, "__pydantic_validator__")


class Big(int):
    """An integer that may be beyond 2^53 − 1, which JSON parsers need not keep: its digits as a text on the wire."""


def _big(value: Any) -> Big:
    digits = value.removeprefix("-") if isinstance(value, str) else ""
    if not digits or not digits.isascii() or not digits.isdigit() or len(digits) > 4000:
        raise ValueError("Expected an integer as a text of decimal digits")
    return Big(value)


def read_hook(type_: Any, value: Any) -> Any:
    if type_ is Big:
        return _big(value)
    if is_model(type_):
        return type_.model_validate(value)
    raise NotImplementedError(f"{type_!r} has no JSON form: use a dataclass, a TypedDict, an enum or a Struct")


def write_hook(value: Any) -> Any:
    if isinstance(value, Big):
        return str(int(value))
    if is_model(type(value)):
        return value.model_dump(mode="json", by_alias=True)
    raise NotImplementedError(f"{type(value).__qualname__} has no JSON form")


def schema_hook(type_: Any) -> dict[str, Any]:
    if type_ is Big:
        return {"type": "string", "format": "integer", "pattern": "^-?[0-9]+$"}
    if is_model(type_):
        described: dict[str, Any] = type_.model_json_schema(ref_template="#/components/schemas/{model}")
        return described
    raise TypeError(f"{type_!r} has no JSON form: use a dataclass, a TypedDict, an enum or a Struct")


class Misfit(Exception):
    """JSON that is not of the type."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{faults[0].path or 'it'} {faults[0].message}")
        self.faults = faults


_encode = msgspec.json.Encoder(enc_hook=write_hook, decimal_format="string").encode


class Shape:
    """A type. Its decoder is made when it is first used."""

    __slots__ = ("_decode", "held", "type")

    def __init__(self, type_: Any) -> None:
        self.type = type_
        self.held: Callable[[msgspec.Raw | bytes], None] | None = None
        """What else it is held to: raises `Misfit`."""
        self._decode: Any = None

    def _decoder(self) -> Any:
        if self._decode is None:
            self._decode = msgspec.json.Decoder(self.type, dec_hook=read_hook).decode
        return self._decode

    def read(self, raw: msgspec.Raw | bytes) -> Any:
        if self.held is not None:
            self.held(raw)
        decode = self._decode or self._decoder()
        try:
            return decode(raw)
        except (ValueError, RecursionError) as fault:
            raise Misfit(faults_of(fault, raw, decode)) from None

    def write(self, value: Any, within: int) -> bytes:
        """Its JSON, which the other side is sure to take; raises `Unsendable`, and nothing else."""
        if value is None and self.type in (None, type(None)):
            return b"null"
        try:
            if type(value) is str and self.type is str and self.held is None:
                return _encode(value)  # nothing in it can be wrong but a lone surrogate
            data = sound(_encode(value), within)
        except Unsendable:
            raise
        except Exception as fault:
            raise Unsendable(str(fault)) from fault
        if not is_model(type(value)):
            try:
                self.read(data)
            except Misfit as fault:
                raise Unsendable(f"it is not of the declared type: {fault}") from None
        elif self.held is not None:
            try:
                self.held(data)
            except Misfit as fault:
                raise Unsendable(f"it is not what the contract says: {fault}") from None
        return data


def write(value: Any, within: int) -> bytes:
    """The JSON of a value whose type nobody declared."""
    return Shape(Any).write(value, within)


def write_params(params: Any, within: int) -> bytes:
    """The JSON of params; None are none."""
    data = write({} if params is None else params, within)
    if data[:1] != b"{":
        raise Unsendable(f"they are values by their names, and not a {type(params).__name__}")
    return data
