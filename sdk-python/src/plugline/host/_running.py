"""A call that was begun: its result comes later, and it can be cancelled in the meantime."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._failure import CallFailed, Kind
from .._pending import Slot
from .._shape import Shape
from .._watch import sleep_until

if TYPE_CHECKING:
    from ._plugin import Plugin
    from ._stream import Sender

T_co = TypeVar("T_co", covariant=True)


class Running(Generic[T_co]):
    """A call that was begun with `Plugin.begin`. Its `result` may be asked for by any thread, or awaited.

    It is made at once, and sent when the plugin has a place for it. It ends by its own deadline, whether or not anybody
    waits; who waits, and when, is of no matter to the plugin.
    """

    def __init__(self, plugin: Plugin, slot: Slot, shape: Shape, sender: Sender | None) -> None:
        self._plugin, self._slot, self._shape, self._sender = plugin, slot, shape, sender

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._slot.is_done

    def result(self) -> T_co:
        """Waits for the result. Raises what `Plugin.call` raises; an `Error` of the kind `CANCELLED` where it was
        cancelled."""
        try:
            sleep_until(self._slot, lambda: self._slot.is_done, self._slot.deadline)
        except BaseException:  # Ctrl-C, for one
            self.cancel()
            raise
        return self._outcome()

    def cancel(self, reason: str = "its caller has left") -> None:
        """Has the plugin stop. What it answers is the outcome all the same: that it was cancelled, or the result, where
        that was on its way already. One that waits for its place ends unsent."""
        self._plugin.cancel(self._slot, reason)

    def __await__(self) -> Generator[Any, None, T_co]:
        return self._awaited().__await__()

    async def _awaited(self) -> T_co:
        import asyncio

        from .._loop import until

        try:
            await until(self._slot, lambda: self._slot.is_done, self._slot.deadline)
        except BaseException:  # the task is cancelled
            self.cancel("its caller was cancelled")
            raise
        if self._sender is None and not isinstance(self._slot.outcome, CallFailed):
            return self._outcome()
        # It may wait for a moment: for a source to let go, or to learn how the plugin ended.
        return await asyncio.get_running_loop().run_in_executor(None, self._outcome)

    def _outcome(self) -> T_co:
        try:
            result: T_co = self._plugin.outcome(self._slot, self._shape)
            return result
        except CallFailed:
            fault = self._sender.fault if self._sender is not None else None
            if fault is not None and not isinstance(fault, CallFailed):
                raise fault from None
            raise
        finally:
            if self._sender is not None:
                self._sender.join()


def of_cancel(slot: Slot) -> CallFailed:
    """How a call ends that its caller cancelled."""
    return CallFailed(Kind.CANCELLED, f"{slot.method} was cancelled")
