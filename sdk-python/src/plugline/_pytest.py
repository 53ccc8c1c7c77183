"""The pytest fixture for authors of plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from . import Plugin, host


@pytest.fixture
def plugline_start() -> Iterator[Callable[..., host.Plugin]]:
    """Starts a plugin within the test, as `plugline.testing.start` does, and stops it when the test is over."""
    from .testing import start

    started: list[host.Plugin] = []

    def begin(plugin: Plugin, **options: Any) -> host.Plugin:
        started.append(start(plugin, **options))
        return started[-1]

    yield begin
    for running in started:
        running.stop()
