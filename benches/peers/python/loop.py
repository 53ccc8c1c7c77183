"""The workload behind a bare loop over standard input: `json`, and nothing that a plugin needs besides."""

import json
import sys
from collections.abc import Callable
from typing import Any

SERVED = ("id", "username", "mail", "display_name", "groups", "opaque")
users: list[dict[str, Any]] = []


def on_load(file: str) -> None:
    with open(file, encoding="utf-8") as opened:
        users[:] = [{name: user[name] for name in SERVED} for user in json.load(opened)]


def get_user(id: dict[str, str]) -> dict[str, Any]:
    return next(user for user in users if user["id"] == id)


def get_user_by_claim(claim: str, value: str) -> dict[str, Any]:
    return next(user for user in users if user[claim] == value)


def get_user_groups(id: dict[str, str]) -> Any:
    return get_user(id)["groups"]


def find_users(query: str) -> list[dict[str, Any]]:
    def texts(user: dict[str, Any]) -> str:
        return f"{user['username']}\n{user['display_name']}\n{user['mail']}\n{user['id']['opaque_id']}"

    return [user for user in users if query.lower() in texts(user).lower()]


METHODS: dict[str, Callable[..., Any]] = {
    "users.on_load": on_load,
    "users.get_user": get_user,
    "users.get_user_by_claim": get_user_by_claim,
    "users.get_user_groups": get_user_groups,
    "users.find_users": find_users,
}

for line in sys.stdin:
    request = json.loads(line)
    result = METHODS[request["method"]](**request["params"])
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}) + "\n")
    sys.stdout.flush()
