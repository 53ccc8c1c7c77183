"""Attacks by settings and by the place from which a host is started: what a name means, and who says so."""

from __future__ import annotations

import json
import os
from pathlib import Path

from actor import answer, called, greet
from arena import Arena, Ran, as_plugin, attack


def tells_config(mark: str = "") -> None:
    if mark:
        Path(mark).write_text("run")
    config = greet()["config"]
    while True:
        answer(called(), config)


def program(path: Path, mark: Path) -> Path:
    """A plugin that leaves a mark when it is started."""
    words = " ".join(as_plugin(tells_config, mark))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nexec {words}\n")
    path.chmod(0o755)
    return path


def call(arena: Arena, driver: str, settings: Path | None = None, cwd: Path | None = None, **env: str) -> Ran:
    options = ["--plugins", str(settings)] if settings is not None else []
    return arena.plugline("--json", "call", *options, driver, "t.go", cwd=cwd, env=env)


@attack("settings/expansion")
def expansion(arena: Arena) -> str:
    """Has a config full of variables, commands and templates."""
    mark = arena.dir / "mark"
    plugin = program(arena.dir / "plugin", arena.dir / "started")
    texts = [
        "$HOME",
        "${HOME}",
        f"$(touch {mark})",
        f"`touch {mark}`",
        "%PATH%",
        "{{env.HOME}}",
        "~/x",
        "!include /etc/passwd",
    ]
    file = arena.file("plugins.toml")
    file.write_text(f"[plugins.p]\ndriver = {json.dumps(str(plugin))}\nconfig = {{ texts = {json.dumps(texts)} }}\n")
    ran = call(arena, "p", file)
    arena.holds("the plugin is given the texts", ran.code == 0 and json.loads(ran.out) == {"texts": texts}, ran.text)
    arena.holds("nothing of them was run", not mark.exists())
    control = arena.run(["sh", "-c", f"echo {texts[0]}"], sane=False)
    arena.bites("a shell expands them", control.out.strip() != b"$HOME")
    return "no value of the settings is expanded: what stands there is what the plugin is given"


@attack("settings/words-in-a-command")
def shell_words(arena: Arena) -> str:
    """Is named by a command with operators of a shell."""
    mark = arena.dir / "mark"
    for words in (
        f"true; touch {mark}",
        f"true && touch {mark}",
        f"$(touch {mark})",
        f"true | tee {mark}",
        f"true > {mark}",
    ):
        ran = arena.plugline("call", "--start-timeout", "1s", "--command", words, "t.go")
        arena.holds("it fails", ran.code == 3, ran.text)
        arena.holds("no shell has run it", not mark.exists(), words)
    arena.run(["sh", "-c", f"true; touch {mark}"], sane=False)
    arena.bites("a shell runs it", mark.exists())
    return "a command is split into words, and no shell sees it"


@attack("settings/plugin-in-the-working-directory")
def working_directory(arena: Arena) -> str:
    """Lies as a program of the plugin's name in the directory in which the host is started, and on PATH."""
    mark = arena.dir / "mark"
    here = arena.dir / "here"
    program(here / "users", mark)
    program(arena.dir / "bin" / "users", mark)
    ran = call(arena, "users", cwd=here, PATH=f"{arena.dir}/bin:{os.environ['PATH']}")
    arena.holds("the name means nothing", ran.code == 3 and ran.kind == "not_found", ran.text)
    arena.holds("nothing was started", not mark.exists())
    arena.run(["sh", "-c", "cd here && PATH=$PWD:$PATH timeout 1 users </dev/null"], sane=False)
    arena.bites("a shell with such a PATH starts it", mark.exists())
    return "a word is looked up in the settings, the search paths and the store, and nowhere else"


@attack("settings/relative-paths")
def relative(arena: Arena) -> str:
    """Lies where a relative path of the settings would lead from the working directory."""
    evil, good = arena.dir / "evil", arena.dir / "good"
    program(arena.dir / "here" / "plugin", evil)
    program(arena.dir / "etc" / "plugin", good)
    file = arena.dir / "etc" / "plugins.toml"
    file.write_text('[plugins.p]\ndriver = "./plugin"\n')
    ran = call(arena, "p", file, cwd=arena.dir / "here")
    arena.holds("the one beside the file is started", ran.code == 0 and good.exists() and not evil.exists(), ran.text)
    return "paths of a file are from the directory of that file"


@attack("settings/takes-another-name")
def another_name(arena: Arena) -> str:
    """Is a plugin in a search path that bears the name of one of the settings."""
    evil, good = arena.dir / "evil", arena.dir / "good"
    package = arena.dir / "found" / "users"
    program(package / "run", evil)
    (package / "plugline.toml").write_text('name = "users"\nversion = "99.0.0"\ncommand = ["./run"]\n')
    mine = program(arena.dir / "mine", good)
    file = arena.file("plugins.toml")
    file.write_text(f'search = ["found"]\n[plugins.users]\ndriver = "{mine}"\n')
    ran = call(arena, "users", file)
    arena.holds("the one of the settings is started", ran.code == 0 and good.exists() and not evil.exists(), ran.text)
    free = arena.file("plugins.toml")
    free.write_text('search = ["found"]\n')
    call(arena, "users", free)
    arena.bites("where the settings name none, the one that is found is started", evil.exists())
    return "a name of the settings is that of the settings, whatever version another has"


@attack("settings/endless-secret")
def endless_secret(arena: Arena) -> str:
    """Has a secret in a file without end, and one in a file that is not there."""
    plugin = program(arena.dir / "plugin", arena.dir / "started")
    for path in ("/dev/zero", "/nowhere/secret"):
        file = arena.file("plugins.toml")
        file.write_text(f'[plugins.p]\ndriver = "{plugin}"\nsecrets = {{ token = {{ file = "{path}" }} }}\n')
        ran = call(arena, "p", file)
        arena.holds("it is refused", ran.code == 3, ran.text)
        arena.flat(ran)
    arena.holds("nothing was started without its secret", not (arena.dir / "started").exists())
    return "a secret has 64 KiB at most; without it, nothing is started"


@attack("settings/bombs")
def bombs(arena: Arena) -> str:
    """Is a file of settings that is endless, too deep, or has a million tables."""
    deep, wide = arena.file("deep.toml"), arena.file("wide.toml")
    deep.write_text("a = " + "[" * 100_000 + "]" * 100_000)
    wide.write_text("".join(f"[plugins.p{at}]\n" for at in range(1_000_000)))
    for file in (deep, wide, Path("/dev/zero")):
        ran = call(arena, "p", file)
        arena.holds("it is a fault of the settings", ran.code in (2, 3), ran.text[-500:])
        arena.flat(ran)
    return "4 MiB at most, and a parser that knows how deep it is"


@attack("settings/unknown-members")
def unknown_members(arena: Arena) -> str:
    """Misspells what would protect: a member that nobody reads promises what nobody keeps."""
    for text in ("[plugins.p]\nsandbx = true\n", "[plugins.p.limits]\nmax_line = 1\n", "[pluggins.p]\n"):
        file = arena.file("plugins.toml")
        file.write_text(text)
        ran = call(arena, "p", file)
        arena.holds("it is a fault of the settings", ran.code == 2, ran.text)
        arena.holds("the member is named", any(word in ran.text for word in ("sandbx", "max_line", "pluggins")), ran.text)
    return "members that nobody knows are errors, with their names"
