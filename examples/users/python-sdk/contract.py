"""The contract `users` 1.0.0 as a Python class: what a plugin implements, and what a host calls."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct
from plugline import Contract, Error, contract, method


class UserId(Struct, frozen=True):
    """Who somebody is, everywhere."""

    opaque_id: str
    idp: str


class OpaqueEntry(Struct):
    """An encoded value."""

    decoder: str
    value: str


class Opaque(Struct):
    """What only a provider understands."""

    map: dict[str, OpaqueEntry]


class User(Struct, omit_defaults=True):
    """Somebody."""

    id: UserId
    username: str
    mail: str
    display_name: str
    groups: list[str]
    opaque: Opaque | None = None


class Claim(Enum):
    """What may identify somebody."""

    MAIL = "mail"
    USERNAME = "username"
    DISPLAY_NAME = "display_name"


class NotFound(Error, code=1, message="no such user"):
    """Nobody is that."""


class LoadFailed(Error, code=2, message="the users cannot be loaded"):
    """The file is not there, or is none."""

    reason: str


@contract("users", "1.0.0")
class Users(Contract):
    """Looks people up."""

    @method(idempotent=True, errors=[LoadFailed])
    def on_load(self, file: str) -> None:
        """Replaces the users with those of that file."""
        raise NotImplementedError

    @method(idempotent=True, errors=[NotFound])
    def get_user(self, id: UserId) -> User:
        """Finds one user by id."""
        raise NotImplementedError

    @method(idempotent=True, errors=[NotFound])
    def get_user_by_claim(self, claim: Claim, value: str) -> User:
        """Finds one user by something that only they have."""
        raise NotImplementedError

    @method(idempotent=True, errors=[NotFound])
    def get_user_groups(self, id: UserId) -> list[str]:
        """The names of the groups that a user is in."""
        raise NotImplementedError

    @method(idempotent=True)
    def find_users(self, query: str) -> list[User]:
        """Finds the users whose username, display name, mail or opaque id contains that, in whatever case."""
        raise NotImplementedError
