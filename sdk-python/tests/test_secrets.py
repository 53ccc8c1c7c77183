"""Secrets that a plugin says again: in none of what a host shows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from plugline import host
from plugline.host._process import Command
from plugline.host._redact import Redactor

ECHOES = Path(__file__).parent / "plugins" / "echoes.py"
TOKEN, KEY = 'to"ken-\\hunter22', "key-of-the-environment"


def start(*how: str, **more: Any) -> host.Plugin:
    return host.Plugin.start(
        [sys.executable, str(ECHOES), *how], config={"token": TOKEN}, env={"KEY": KEY}, secrets=[TOKEN, KEY], **more
    )


def says_none(what: object) -> None:
    text = f"{what} {what!r}"
    assert "hunter22" not in text, text
    assert "of-the-environment" not in text, text
    assert "hunter" not in text, text


def test_neither_events_nor_errors_nor_transcripts_say_a_secret() -> None:
    lines: list[bytes] = []
    with start(transcript=lambda _, line: lines.append(line)) as plugin:
        with pytest.raises(host.RemoteError) as failed:
            plugin.call("t.say")
        says_none(failed.value)
        says_none(failed.value.error)
        assert failed.value.data == {"[secret]": ["[secret]", "[secret]"]}
        # What is asked for comes as it is.
        assert plugin.call("t.given") == TOKEN
        with pytest.raises(host.Error) as broken:
            plugin.call("t.break")
        says_none(broken.value)
        says_none(broken.value.evidence)
        plugin.stop()
        seen = set()
        while (event := plugin.events.get(10)) is not None:
            says_none(event)
            seen.add(type(event))
            if isinstance(event, host.Exited):
                break
        assert {host.Log, host.Stderr, host.Stray, host.Ready} <= seen
    assert lines
    says_none(b"\n".join(lines).decode())


@pytest.mark.parametrize("how", ["refuse", "die"])
def test_a_start_that_fails_says_no_secret(how: str) -> None:
    with pytest.raises(host.Error) as failed:
        start(how)
    says_none(failed.value)
    says_none(failed.value.evidence)
    says_none(failed.value.remote)
    assert "[secret]" in f"{failed.value}"


def test_a_command_says_no_environment() -> None:
    assert repr(Command(["x"], {"KEY": KEY})) == "Command(['x'], env=['KEY'], dir=None, guarded=False)"


def test_each_form_of_a_secret_is_one() -> None:
    redactor = Redactor(['a"b\u202ec', "one line\nanother line\n", "abc"])
    for text in ('{"t":"a\\"b\u202ec"}', '{"t":"a\\"b\\u202ec"}', 'a"b\\u{202e}c', "?t=a%22b%E2%80%AEc"):
        assert "[secret]" in redactor.text(text), text
    assert redactor.text("> another line") == "> [secret]"
    assert redactor.text("abc") == "abc"
    assert redactor.cut('x one li…') == "x [secret]…"
    assert not Redactor(["abc"])


def test_the_part_of_a_secret_at_either_end_of_a_tail_is_one() -> None:
    """The first line may have lost its beginning, and of the last the end may not have been read yet."""
    redactor = Redactor(["hunter22"])
    assert redactor.tail(["er22 is it", "it is hunt", "it is hunte"]) == ["[secret] is it", "it is hunt", "it is [secret]"]
    assert redactor.tail(["nter22 or hunte"]) == ["[secret] or [secret]"]
    assert redactor.tail([]) == []
