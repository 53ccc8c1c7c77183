"""Attacks on secrets: a plugin that says what it was given, and others who look where it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import actor
from actor import Message, answer, behave, called, greet, notify, raw, refuse
from arena import HERE, PLUGLINE, Arena, Ran, as_plugin, attack, wait_for
from manifest import manifest
from package import install, pack

TOKEN = 'hunter22-"quoted"-\\-tail'
ENV = "env-secret-9471"


def document() -> Message:
    config = {"type": "object", "properties": {"token": {"type": "string"}, "pin": {"type": "string", "writeOnly": True}}}
    return manifest(config=config, params={"password": {"type": "string", "writeOnly": True}})


def says_all(file: str) -> None:
    """Says what it was given, in every way that it has."""
    params = greet(document(), provides=[{"contract": "t", "version": "1.0.0"}])
    secrets = [params["config"].get("token", ""), params["config"].get("pin", ""), os.environ.get("KEY", "")]
    request = called()
    secrets.append(request["params"].get("password", ""))
    Path(file).write_text(json.dumps(secrets))
    for text in filter(None, secrets):
        told = {"plain": text, "json": json.dumps(text), "list": [text]}
        notify("rpc.log", {"level": "error", "message": f"it is {text}", "target": text, "fields": {text: told}})
        raw(f"it is {text}\n".encode(), 2)
        raw(f"it is {text}\n".encode())
        raw((" " * (195 - 4) + text + "\n").encode())
    refuse(request, 1, f"wrong: {' '.join(secrets)}", {"given": secrets, **{text: 1 for text in secrets}})
    behave()


def given(arena: Arena, *options: str) -> tuple[Ran, list[str]]:
    plugin = arena.dir / "plugin"
    seen = arena.file("seen")
    plugin.write_text("#!/bin/sh\nexec " + " ".join(as_plugin(says_all, seen)) + "\n")
    plugin.chmod(0o755)
    (arena.dir / "token").write_text(TOKEN + "\n")
    file = arena.file("plugins.toml")
    file.write_text(
        f'[plugins.p]\ndriver = "{plugin}"\nconfig = {{ pin = "pin-0815-4711" }}\n'
        'secrets = { token = { file = "token" } }\nenv = { KEY = { env = "HOST_KEY" } }\n'
    )
    words = ["call", "--plugins", file, *options, "p", "t.go", "password=param-secret-1234"]
    ran = arena.plugline("--json", *words, env={"HOST_KEY": ENV})
    text = arena.plugline(*words, env={"HOST_KEY": ENV})
    was_given = json.loads(seen.read_text())
    arena.bites("the plugin has them all", was_given == [TOKEN, "pin-0815-4711", ENV, "param-secret-1234"])
    return Ran(ran.code, ran.out + text.out, ran.err + text.err, ran.seconds, ran.peak), was_given


PARTS = ["hunter22", "-tail", "pin-0815", "env-secret", "param-secret"]


@attack("secrets/said-again")
def said_again(arena: Arena) -> str:
    """Writes its secrets to its log, its standard error, its standard output, and into the error that it answers."""
    ran, _ = given(arena)
    found = [part for part in PARTS if part in ran.text]
    arena.holds("none of them is shown", not found, found, ran.text)
    arena.holds(
        "what it said is shown but for them",
        "it is [secret]" in ran.text and "[secret]" in json.dumps(ran.report),
        ran.text,
    )
    return "`[secret]` in their place: in events, errors and their data; from plugins.toml, the environment, and by `writeOnly`"


@attack("secrets/in-a-transcript")
def transcript(arena: Arena) -> str:
    """Is traced, so that every line of the wire is written to a file."""
    trace = arena.file("trace")
    given(arena, "--trace", str(trace))
    text = trace.read_text()
    found = [part for part in PARTS if part in text]
    arena.holds("the transcript has none of them", not found, found, text)
    arena.holds("it has the rest", '"t.go"' in text and "[secret]" in text, text)
    return "a transcript has `[secret]` for what is secret, by the manifest's `writeOnly` and by value"


def waits() -> None:
    greet()
    while True:
        answer(called(), "fine")
        time.sleep(3600)


@attack("secrets/on-a-command-line")
def command_lines(arena: Arena) -> str:
    """Looks, as another user of the machine does, at the command lines of all processes while a plugin is started and runs."""
    (arena.dir / "token").write_text(TOKEN)
    plugin = arena.dir / "plugin"
    plugin.write_text("#!/bin/sh\nexec " + " ".join(as_plugin(waits)) + "\n")
    plugin.chmod(0o755)
    file = arena.file("plugins.toml")
    file.write_text(
        f'[plugins.p]\ndriver = "{plugin}"\nsecrets = {{ token = {{ file = "token" }} }}\nenv = {{ KEY = {{ env = "HOST_KEY" }} }}\n'
    )
    process = subprocess.Popen(
        [str(PLUGLINE), "call", "--timeout", "3s", "--plugins", str(file), "p", "t.go"],
        env={**arena.environment(), "HOST_KEY": ENV}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    seen: set[bytes] = set()

    def look() -> bool:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes())
            except OSError:
                pass  # It has ended.
        return process.poll() is not None

    wait_for(look, 20)
    arena.bites("the plugin was seen among them", any(b"actor.py\0secret\0waits" in each for each in seen))
    lines = b"\n".join(seen)
    arena.holds("no secret is among them", b"hunter22" not in lines and ENV.encode() not in lines)
    return f"a config goes over a pipe, a variable in the environment: {len(seen)} command lines looked at"


def fails_at_start() -> None:
    request = actor.receive()
    while request.get("method") != "rpc.initialize":
        actor.protocol(request, document())
        request = actor.receive()
    token = request["params"]["config"]["token"]
    raw(f"Traceback: connect({token!r}, {os.environ['KEY']!r})\n".encode(), 2)
    refuse(
        request, -32002, f"invalid config: {token}", {"errors": [{"path": "/token", "message": f"{token} is too short"}]}
    )
    raw(f"the end, {token}\n".encode(), 2)
    os._exit(1)


@attack("secrets/in-a-failed-start")
def failed_start(arena: Arena) -> str:
    """Refuses its config and quotes it, and dies with a backtrace that has it."""
    (arena.dir / "token").write_text(TOKEN)
    plugin = arena.dir / "plugin"
    plugin.write_text("#!/bin/sh\nexec " + " ".join(as_plugin(fails_at_start)) + "\n")
    plugin.chmod(0o755)
    file = arena.file("plugins.toml")
    file.write_text(
        f'[plugins.p]\ndriver = "{plugin}"\nsecrets = {{ token = {{ file = "token" }} }}\nenv = {{ KEY = {{ env = "HOST_KEY" }} }}\n'
    )
    told = ""
    for words in (["call"], ["--json", "call"]):
        ran = arena.plugline(*words, "--plugins", file, "p", "t.go", env={"HOST_KEY": ENV})
        arena.holds("it does not start", ran.code == 3, ran.text)
        told += ran.text
    doctor = arena.plugline("doctor", "--plugins", file, "p", env={"HOST_KEY": ENV})
    told += doctor.text
    found = [part for part in PARTS if part in told]
    arena.holds("no secret is told", not found, found, told)
    arena.holds("the rest is told", "Traceback" in told and "[secret]" in told, told)
    return "errors of a start, with their data and the last lines of standard error, have `[secret]`"


def tries_to_write(store: str) -> None:
    """As another user: writes wherever it can, and prints where that was."""
    os.setgid(65534)
    os.setuid(65534)
    written = []
    for path in [Path(store), *sorted(Path(store).rglob("*"))]:
        try:
            (path / "evil" if path.is_dir() else path).write_text("evil")
            written.append(str(path))
        except OSError:
            pass  # As it is to be.
    print(json.dumps(written))


@attack("secrets/another-user-writes-to-the-store")
def store_modes(arena: Arena) -> str:
    """Writes, as another user, to whatever an installation has made while the umask let everybody write."""
    old = os.umask(0)
    try:
        install(arena, pack(arena.file("package.tar.gz")))
        (arena.dir / "naive").mkdir()
    finally:
        os.umask(old)
    store = arena.dir / "store"
    arena.holds("only its user enters it", store.stat().st_mode & 0o077 == 0, oct(store.stat().st_mode))
    if os.geteuid() == 0:
        words = [
            sys.executable,
            "-B",
            "-c",
            f"import sys; sys.path.insert(0, {str(HERE)!r}); import secret; secret.tries_to_write(sys.argv[1])",
        ]
        ran = arena.run([*words, store], sane=False)
        arena.holds("another user writes nowhere", ran.out == b"[]\n", ran.text)
        control = arena.run([*words, arena.dir / "naive"], sane=False)
        arena.bites("there it writes", b"naive" in control.out)
    return "the directories of a store are entered by their user alone (0700), whatever the umask"
