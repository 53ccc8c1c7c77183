"""The workload as a server of MCP's Python SDK: a tool a method, results as structured content."""

from pathlib import Path

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel, TypeAdapter


class UserId(BaseModel):
    opaque_id: str
    idp: str


class OpaqueEntry(BaseModel):
    decoder: str
    value: str


class Opaque(BaseModel):
    map: dict[str, OpaqueEntry]


class User(BaseModel):
    id: UserId
    username: str
    mail: str
    display_name: str
    groups: list[str]
    opaque: Opaque


class Nothing(BaseModel):
    """A result without content."""


class Groups(BaseModel):
    groups: list[str]


class Found(BaseModel):
    users: list[User]


FILE = TypeAdapter(list[User])
server = MCPServer("users")
users: list[User] = []


# Coroutines, as the SDK calls them at once; a plain function it would give to a thread.
@server.tool(description="Replaces the users with those of that file.")
async def on_load(file: str) -> Nothing:
    users[:] = FILE.validate_json(Path(file).read_bytes())
    return Nothing()


@server.tool(description="Finds one user by id.")
async def get_user(id: UserId) -> User:
    return next(user for user in users if user.id == id)


@server.tool(description="Finds one user by something that only they have.")
async def get_user_by_claim(claim: str, value: str) -> User:
    return next(user for user in users if getattr(user, claim) == value)


@server.tool(description="The names of the groups that a user is in.")
async def get_user_groups(id: UserId) -> Groups:
    return Groups(groups=next(user for user in users if user.id == id).groups)


@server.tool(description="Finds the users of whom something contains the query.")
async def find_users(query: str) -> Found:
    def texts(user: User) -> str:
        return f"{user.username}\n{user.display_name}\n{user.mail}\n{user.id.opaque_id}"

    return Found(users=[user for user in users if query.lower() in texts(user).lower()])


if __name__ == "__main__":
    server.run("stdio")
