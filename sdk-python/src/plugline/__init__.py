"""Plugline: plugins in any language, over standard input and output.

    from plugline import Plugin

    plugin = Plugin("greeter", version="0.1.0", provides={"greet": "1.0.0"})

    @plugin.method("greet.hello")
    def hello(name: str) -> str:
        \"\"\"Greets somebody.\"\"\"
        return f"Hello, {name}!"

    plugin.run()

`plugline.host` starts and calls plugins, `plugline.testing` runs one within a test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._call import Batch, Call, current_call
    from ._contract import Contract, contract, method, notification
    from ._error import (
        Cancelled,
        DeadlineExceeded,
        Declined,
        Error,
        ErrorDeclaration,
        InvalidConfig,
        InvalidParams,
        error,
    )
    from ._example import Example
    from ._failure import CallFailed, Kind, RemoteError
    from ._messages import Level, Limits
    from ._plugin import HostMethod, Plugin
    from ._schema import Only
    from ._shape import Big
    from ._signature import Named

__version__ = "0.1.0"

_HOMES = {
    "_call": ("Batch", "Call", "current_call"),
    "_contract": ("Contract", "contract", "method", "notification"),
    "_error": (
        "Cancelled", "DeadlineExceeded", "Declined", "Error", "ErrorDeclaration", "InvalidConfig", "InvalidParams",
        "error",
    ),
    "_example": ("Example",),
    "_failure": ("CallFailed", "Kind", "RemoteError"),
    "_messages": ("Level", "Limits"),
    "_plugin": ("HostMethod", "Plugin"),
    "_schema": ("Only",),
    "_shape": ("Big",),
    "_signature": ("Named",),
}  # fmt: skip
_WHERE = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Batch", "Big", "Call", "CallFailed", "Cancelled", "Contract", "DeadlineExceeded", "Declined", "Error",
    "ErrorDeclaration", "Example", "HostMethod", "InvalidConfig", "InvalidParams", "Kind", "Level", "Limits", "Named",
    "Only", "Plugin", "RemoteError", "contract", "current_call", "error", "method", "notification",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Loaded when it is used: a host does not load what plugins need, nor the other way round. Where a host started
    # this process, `Plugin` takes standard output away as soon as it is loaded.
    home = _WHERE.get(name)
    if home is None:
        raise AttributeError(f"module 'plugline' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value
