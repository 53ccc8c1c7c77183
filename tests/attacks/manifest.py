"""Attacks by a document: what a plugin declares of itself, and what is made of that."""

from __future__ import annotations

import html.parser
import json
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

import actor
from actor import Message, answer, behave, greet
from arena import ROOT, Arena, Ran, attack

EVIL = "EVIL()"


def manifest(**changes: Any) -> Message:
    """A manifest that keeps the rules, but for what is changed. `config`, `params`, `schemas`: schemas; others: members."""
    return {
        "openrpc": "1.3.2",
        "info": {"title": "hostile", "version": "1.0.0", **changes.get("info", {})},
        "methods": [
            {
                "name": "t.go",
                "description": changes.get("description", "Goes."),
                "paramStructure": "by-name",
                "params": [
                    {"name": name, "required": True, "schema": schema}
                    for name, schema in changes.get("params", {}).items()
                ],
                "result": {"name": "result", "schema": changes.get("result", True)},
                "x-plugline": changes.get("method", {"errors": "any"}),
            },
            *changes.get("methods", []),
        ],
        "components": {"schemas": changes.get("schemas", {})},
        "x-plugline": {
            "protocol": [1],
            "provides": [{"contract": "t", "version": "1.0.0"}],
            "requires": [],
            "config": changes.get("config", {"type": "object"}),
            "hostMethods": [],
            "instances": "many",
        },
    }


def declares(file: str) -> None:
    document = json.loads(Path(file).read_text())
    greet(document, provides=document["x-plugline"]["provides"])
    while True:
        message = actor.receive()
        if not actor.protocol(message, document) and "id" in message:
            answer(message, "fine")


def check(arena: Arena, document: Message | str, **how: Any) -> Ran:
    """`plugline contract check` of a document."""
    file = arena.file("manifest.json")
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return arena.plugline("--json", "contract", "check", file, **how)


def quick(arena: Arena, ran: Ran, seconds: float = 12) -> None:
    arena.holds(f"it takes no more than {seconds} s", ran.seconds < seconds, ran.seconds)
    arena.flat(ran, 384)


@attack("manifest/regex-bomb")
def regex_bomb(arena: Arena) -> str:
    """Declares a pattern that takes other engines exponential time, and is given the text for it."""
    file = arena.file("manifest.json")
    file.write_text(json.dumps(manifest(params={"text": {"type": "string", "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}})))
    text = "a" * 5000
    ran = arena.call(declares, file, params=[f"text={text}"])
    arena.holds("the text is refused", ran.kind == "invalid_request", ran.text)
    quick(arena, ran)
    naive = "import re; re.match('^(([a-z])+.)+[A-Z]([a-z])+$', 'a' * 60)"
    control = arena.run([sys.executable, "-c", naive], seconds=3, sane=False)
    arena.bites("an engine that backtracks is not done after 3 s with sixty letters", control.code == -9)
    return f"an engine that runs in linear time: five thousand letters took {ran.seconds:.1f} s in all"


@attack("manifest/regex-size-bomb")
def regex_size(arena: Arena) -> str:
    """Declares a pattern that compiles to gigabytes."""
    ran = check(arena, manifest(params={"text": {"type": "string", "pattern": "(((a{1,1000}){1,1000}){1,1000})"}}))
    arena.holds("it is refused", ran.code == 1, ran.text)
    quick(arena, ran)
    return "a compiled pattern has 1 MiB at most"


def to(name: str) -> Message:
    return {"$ref": f"#/components/schemas/{name}"}


@attack("manifest/reference-loop")
def reference_loop(arena: Arena) -> str:
    """Declares schemas that are each other."""
    schemas = {"A": to("B"), "B": {"anyOf": [to("A"), to("C")]}, "C": to("C")}
    ran = check(arena, manifest(params={"a": to("A")}, schemas=schemas))
    arena.holds("it is refused", ran.code == 1, ran.text)
    quick(arena, ran)
    return "a reference that leads to itself without a value between is a fault of the document"


@attack("manifest/exponential-alternatives")
def exponential(arena: Arena) -> str:
    """Declares fourteen schemas, each three times an alternative of the one before: 3^14 ways to check one value."""
    schemas: Message = {f"S{at}": {"anyOf": [to(f"S{at + 1}")] * 3} for at in range(14)}
    schemas["S14"] = {"type": "string"}
    file = arena.file("manifest.json")
    file.write_text(json.dumps(manifest(params={"a": to("S0")}, schemas=schemas)))
    ran = arena.call(declares, file, params=["a:=1"])
    arena.holds("the document is refused for it, or the check", "alternatives" in ran.text, ran.text)
    quick(arena, ran)
    return "a schema stands for ten thousand alternatives at most: the document was refused, and nothing checked by it"


@attack("manifest/deep-schema")
def deep_schema(arena: Arena) -> str:
    """Declares a schema that is a hundred thousand levels deep."""
    depth = 100_000
    text = json.dumps(manifest(params={"a": {"x": "HERE"}}))
    ran = check(arena, text.replace('"HERE"', '{"not":' * depth + "{}" + "}" * depth))
    arena.holds("it is refused", ran.code == 1, ran.text[-1000:])
    quick(arena, ran)
    return "the parser's depth: a fault of the document, and no overflow of a stack"


@attack("manifest/a-hundred-thousand-methods", 60)
def many_methods(arena: Arena) -> str:
    """Declares a hundred thousand methods, each with a schema."""
    more = [
        {
            "name": f"t.m{at}", "description": "D", "paramStructure": "by-name", "params": [],
            "result": {"name": "r", "schema": {"type": "string"}},
        }
        for at in range(100_000)
    ]  # fmt: skip
    file = arena.file("manifest.json")
    file.write_text(json.dumps(manifest(methods=more)))
    ran = arena.plugline("--json", "contract", "check", file, seconds=40)
    arena.holds("it is refused, or found to be right", ran.code in (0, 1), ran.text[-1000:])
    arena.flat(ran, 1536)
    return f"the text of a manifest is bounded: {ran.seconds:.1f} s, {'refused' if ran.code else 'read'}, {ran.peak} MiB at most"


@attack("manifest/fetches-a-schema")
def fetches(arena: Arena) -> str:
    """Points at schemas at an address and in a file of this machine, to see who comes for them."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.settimeout(0.3)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/schema.json"
    fifo = arena.file("fifo")
    os.mkfifo(fifo)

    def somebody_came() -> bool:
        try:
            listener.accept()[0].close()
            return True
        except TimeoutError:
            pass
        try:
            # It can be opened so where somebody has it open to read.
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            return True
        except OSError:
            return False

    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    arena.bites("a reader of the file is seen", somebody_came())
    os.close(reader)
    for reference in (url, f"file://{fifo}", f"{fifo}", "../secret.json#/x", "//127.0.0.1/x"):
        ran = check(arena, manifest(params={"a": {"$ref": reference}}))
        arena.holds(f"{reference} is refused", ran.code == 1, ran.text)
        arena.holds(f"{reference} is not fetched", not somebody_came(), reference)
        generated = arena.plugline("contract", "gen", "python", arena.dir / "manifest.json-1", "--out", arena.dir)
        arena.holds("nothing is generated from it either", generated.code != 0 and not somebody_came(), generated.text)
    listener.close()
    return "a reference points into its own document, or it is a fault; nothing is ever fetched"


# What is made of a document.


POISON = [
    EVIL,
    f'"""\n{EVIL}\n"""',
    f"*/ {EVIL} /*",
    f"\n{EVIL}\n//",
    f"\u2028{EVIL}\u2029",
    f'\\"; {EVIL}; \\"',
    f"${{{EVIL}}} `{EVIL}`",
    f'r####"####; {EVIL}',
    f'//go:generate {EVIL}\n//go:embed /etc/passwd\n#[path = "/etc/passwd"]',
    f"\u202e{EVIL}\u2066",
    f"# type: ignore\n{EVIL}",
    f"\r{EVIL}\r",
    f"</script><script>{EVIL}</script><img src=x onerror='{EVIL}'>",
]


def poisoned(text: str) -> Message:
    """A document with that text wherever a text may be anything."""
    described = {
        "type": "string",
        "description": text,
        "title": text,
        "default": text,
        "examples": [text],
        "enum": [text, "b"],
    }
    member = {"type": "object", "description": text, "properties": {text: described}, "required": [text]}
    return manifest(
        description=text,
        info={"description": text},
        params={"a": described, "b": member},
        result={"$ref": "#/components/schemas/Shared"},
        schemas={"Shared": member},
        method={"errors": [{"code": 1, "name": "Failed", "message": text}]},
    )


STRINGS = {
    # Comments, then every kind of string; what is left is code.
    "python": r"""#[^\n]*|\"{3}.*?(?<!\\)\"{3}|'{3}.*?(?<!\\)'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""",
    "rust": r"""//[^\n]*|/\*.*?\*/|r(#+)".*?"\1|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\\n])'""",
    "typescript": r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`""",
    "go": r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|`[^`]*`|'(?:\\.|[^'\\\n])*'""",
}


def code_of(language: str, text: str) -> str:
    return re.sub(STRINGS[language], " ", text, flags=re.DOTALL)


@attack("manifest/code-in-generated-code", 90)
def injection(arena: Arena) -> str:
    """Describes methods, members, errors and defaults in words that end comments and strings of four languages."""
    made = 0
    for number, text in enumerate(POISON):
        file = arena.dir / f"poison-{number}.json"
        file.write_text(json.dumps(poisoned(text)))
        for language in STRINGS:
            out = arena.dir / f"{language}-{number}"
            out.mkdir()
            ran = arena.plugline("contract", "gen", language, file, "--out", out)
            arena.holds(f"{language} is generated or refused", ran.code in (0, 1), ran.text)
            for path in (each for each in out.rglob("*") if each.is_file()):
                made += 1
                code = path.read_bytes().decode()
                arena.holds(
                    "what is generated is plain text",
                    "EVIL" not in code_of(language, code),
                    path.name,
                    code_of(language, code),
                )
                arena.holds(
                    "no character of it is another than it looks like",
                    not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]", code),
                    path.name,
                )
                directives = [each for each in code.splitlines() if each.startswith(("//go:", "#[path", "# type:"))]
                arena.holds("no directive comes from the document", not directives, directives)
            arena.holds("nothing is written elsewhere", not list(arena.dir.parent.glob("EVIL*")))
            if language == "python" and ran.code == 0:
                source = ROOT / "sdk-python" / "src"
                for path in out.glob("*.py"):
                    loaded = arena.run(
                        [sys.executable if not (ROOT / ".venv/bin/python").exists() else ROOT / ".venv/bin/python", "-B", path],
                        env={"PYTHONPATH": str(source)}, sane=False,
                    )  # fmt: skip
                    arena.holds(
                        "it loads, and calls nothing that is not there",
                        loaded.code == 0 and b"EVIL" not in loaded.out,
                        loaded.text,
                    )
    arena.bites("the look at code finds such text where it is code", "EVIL" in code_of("python", f'x = ""\n{EVIL}'))
    return f"text becomes a comment or a literal by one function each: {made} files, and not a word of it is code"


class Markup(html.parser.HTMLParser):
    """What a page has of scripts and of addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "img", "iframe", "object", "link", "base", "form", "svg"):
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name, _ in attributes if name.startswith("on") or name in ("src", "style")]


@attack("manifest/markup-in-pages")
def markup(arena: Arena) -> str:
    """Describes itself in markup, for the page that `describe --format html` makes."""
    for number, text in enumerate(POISON):
        file = arena.dir / f"poison-{number}.json"
        file.write_text(json.dumps(poisoned(text)))
        command = " ".join(actor_command(file))
        for form in ("html", "markdown"):
            ran = arena.plugline("describe", "--format", form, "--command", command)
            arena.holds("it is described, or refused", ran.code in (0, 3), ran.text)
            if form == "html":
                page = Markup()
                page.feed(ran.out.decode())
                arena.holds("the page has no script and no address", not page.found, page.found)
    naive = Markup()
    naive.feed(f"<p>{POISON[-1]}</p>")
    arena.bites("text that is put into a page as it is becomes a script", "script" in naive.found)
    return "text becomes markup by one function, and the page's policy lets no script run"


def actor_command(file: Path) -> list[str]:
    from arena import as_plugin

    return as_plugin(declares, file)


@attack("manifest/names-that-are-paths")
def names_as_paths(arena: Arena) -> str:
    """Bears names that leave the folder into which code is generated."""
    for name in ("../../evil", "/tmp/evil", "a/../../evil", "..", "con", ".hidden", "x\u0000y", "-rf"):
        file = arena.file("manifest.json")
        document = manifest(info={"title": name})
        document["x-plugline"]["provides"] = [{"contract": name, "version": "1.0.0"}]
        document["methods"][0]["name"] = f"{name}.go"
        file.write_text(json.dumps(document))
        out = arena.dir / "within" / "generated"
        out.mkdir(parents=True, exist_ok=True)
        before = {path for path in arena.dir.rglob("*") if out not in path.parents}
        for language in STRINGS:
            arena.plugline("contract", "gen", language, file, "--out", out)
        after = {
            path
            for path in arena.dir.rglob("*")
            if out not in path.parents and path.suffix in (".py", ".rs", ".ts", ".go", ".mod")
        }
        arena.holds("nothing is written outside the folder", not after - before, after - before)
    return "names of contracts are letters, digits and _; others are faults of the document"


@attack("manifest/lies-about-itself")
def lies(arena: Arena) -> str:
    """Declares a result of one type, and returns another."""
    file = arena.file("manifest.json")
    file.write_text(json.dumps(manifest(result={"type": "integer"})))
    ran = arena.call(declares, file)
    arena.holds(
        "the result is not given on", ran.code == 3 and ran.kind == "protocol_violation" and ran.out == b"", ran.text
    )
    return "results are checked against what was declared: protocol_violation"


def behaves() -> None:
    greet()
    behave()
