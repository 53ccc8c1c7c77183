"""`logging`, bridged to `rpc.log`: what the program and its libraries log reaches the host."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ._call import write_log
from ._messages import Level

if TYPE_CHECKING:
    from ._session import Session


class Bridge(logging.Handler):
    """Sends what is logged to the host. Exceptions go with it, as text in the field `exception`."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
            fields: dict[str, object] = {}
            if record.exc_info:
                fields["exception"] = logging.Formatter().formatException(record.exc_info)
            write_log(self._session, level_of(record.levelno), message, record.name, fields)
        except Exception:  # noqa: BLE001 - as all handlers of `logging` do
            self.handleError(record)


def level_of(number: int) -> Level:
    """The nearest level below."""
    if number >= logging.ERROR:
        return Level.ERROR
    if number >= logging.WARNING:
        return Level.WARN
    if number >= logging.INFO:
        return Level.INFO
    return Level.DEBUG if number >= logging.DEBUG else Level.TRACE


def bridge(session: Session, level: str) -> None:
    """Has the root logger tell the host what is at least of that level, until the session ends."""
    handler = Bridge(session)
    root = logging.getLogger()
    root.addHandler(handler)
    number = 5 if level == "trace" else getattr(logging, level.upper())
    handler.setLevel(number)
    before = root.level
    if before == logging.NOTSET or before > number:
        root.setLevel(number)

    def undo() -> None:
        root.removeHandler(handler)
        root.setLevel(before)

    session.undo.append(undo)
