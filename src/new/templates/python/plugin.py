"""The plugin my-plugin."""

from typing import Annotated

from msgspec import Meta, Struct
from plugline import Example, Plugin


class Config(Struct, forbid_unknown_fields=True):
    """What a host may say at the start."""

    greeting: Annotated[str, Meta(description="What to say; Hello unless said.")] = "Hello"


plugin = Plugin(
    "my-plugin",
    version="0.1.0",
    provides={"my_plugin": "0.1.0"},
    description="Greets people.",
    instances="many",
)
config = Config()


@plugin.on_start
def start(given: Config) -> None:
    """Takes the config, before anything is called."""
    global config
    config = given


@plugin.method("my_plugin.hello", idempotent=True, examples=[Example("Ada", {"name": "Ada"}, "Hello, Ada!")])
def hello(name: Annotated[str, Meta(description="Whom to greet.")]) -> str:
    """Greets somebody."""
    return f"{config.greeting}, {name}!"


if __name__ == "__main__":
    plugin.run()
