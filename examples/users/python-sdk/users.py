#!/usr/bin/env python3
"""The contract `users` 1.0.0 in Python, with the SDK: users in a JSON file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contract import Claim, LoadFailed, NotFound, User, UserId, Users
from msgspec import Struct, convert, json
from plugline import InvalidConfig, Plugin

DATA = Path(__file__).resolve().parent.parent / "data/users.json"


class Config(Struct, forbid_unknown_fields=True):
    """The config of the plugin."""

    file: str | None = None


class JsonUsers(Users):
    def __init__(self, config: Config) -> None:
        try:
            self.on_load(config.file or str(DATA))
        except LoadFailed as why:
            raise InvalidConfig("/file", why.reason) from None

    def on_load(self, file: str) -> None:
        try:
            records = json.decode(Path(file).read_bytes(), type=list[dict[str, Any]])
            self.users = convert([{"groups": []} | record for record in records], list[User])
        except (OSError, ValueError) as why:
            raise LoadFailed(reason=f"{file}: {why}") from why

    def get_user(self, id: UserId) -> User:
        return self._first(user for user in self.users if user.id == id)

    def get_user_by_claim(self, claim: Claim, value: str) -> User:
        return self._first(user for user in self.users if getattr(user, claim.value) == value)

    def get_user_groups(self, id: UserId) -> list[str]:
        return self.get_user(id).groups

    def find_users(self, query: str) -> list[User]:
        def texts(user: User) -> str:
            return f"{user.username}\n{user.display_name}\n{user.mail}\n{user.id.opaque_id}"

        return [user for user in self.users if query.lower() in texts(user).lower()]

    def _first(self, found: Iterator[User]) -> User:
        for user in found:
            return user
        raise NotFound()


if __name__ == "__main__":
    Plugin("users-python-sdk", version="0.1.0", instances="many").provide(JsonUsers).run()
