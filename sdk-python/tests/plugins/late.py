"""The smallest plugin."""

from __future__ import annotations

from plugline import Plugin

plugin = Plugin("late", version="0.1.0", provides={"late": "1.0.0"})


@plugin.method("late.hello")
def hello() -> str:
    return "hello"


if __name__ == "__main__":
    plugin.run()
