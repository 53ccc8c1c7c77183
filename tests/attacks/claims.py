"""Whether each command that stands beside a claim of docs/security.md is there: the attack, or the test.

Tests are looked for in their sources, so nothing is built or run for that; what they show, they show when they run.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
import sys
from pathlib import Path

from arena import ATTACKS
from kinds import KINDS

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs" / "security.md"


def rows(text: str) -> list[list[str]]:
    """The rows of the tables between the marks, but for their heads."""
    begin, end = text.index("<!-- claims -->"), text.index("<!-- end -->")
    found = []
    for line in text[begin:end].splitlines():
        if line.startswith("|") and not line.startswith(("| promise |", "|---")):
            found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def package_folder(name: str) -> Path | None:
    """The folder of a package of the workspace."""
    for file in [ROOT / "Cargo.toml", *ROOT.glob("*/Cargo.toml"), *ROOT.glob("*/*/Cargo.toml")]:
        if re.search(rf'^\[package\]\nname = "{re.escape(name)}"$', file.read_text(), re.MULTILINE):
            return file.parent
    return None


def rust_test(words: list[str]) -> str | None:
    """What is wrong with `cargo test -p PACKAGE [--lib|--bin NAME|--test NAME] FILTER`."""
    if words[:1] != ["-p"] or len(words) < 3:
        return "it names no package and no test"
    folder, wanted = package_folder(words[1]), words[-1]
    if folder is None:
        return f"there is no package {words[1]}"
    places = (
        [folder / "tests"]
        if "--test" in words
        else [folder / "src"]
        if "--lib" in words or "--bin" in words
        else [folder / "src", folder / "tests"]
    )
    modules, _, name = wanted.rpartition("::")
    for path in (path for place in places for path in place.rglob("*.rs")):
        if modules and modules.rpartition("::")[2] not in (path.stem, path.parent.name):
            continue
        for found in re.findall(r"#\[test\]\n(?:\s*#\[[^\n]*\n)*\s*fn (\w+)\(", path.read_text()):
            if name in found:
                return None
    return f"no test there has {wanted!r} in its name"


def python_test(words: list[str]) -> str | None:
    """What is wrong with `pytest FILE[::NAME]`, in sdk-python."""
    file, _, name = words[-1].partition("::")
    path = ROOT / "sdk-python" / file
    if not path.is_file():
        return f"there is no {path.relative_to(ROOT)}"
    tests = re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(), re.MULTILINE)
    return None if tests and (not name or name in tests) else f"there is no test {name} in it"


def fault(command: str) -> str | None:
    """What is wrong with a command."""
    words = shlex.split(command)
    if words[0] == "scripts/attacks":
        for name in words[1:]:
            if not any(fnmatch.fnmatch(attack, name) for attack in ATTACKS):
                return f"there is no attack {name}"
        return None if words[1:] else "it names no attack"
    if words[:2] == ["cargo", "test"]:
        return rust_test(words[2:])
    if words[:4] == ["cd", "sdk-python", "&&", "../.venv/bin/pytest"]:
        return python_test(words[4:])
    return "it is no command of a kind that is known here"


def main() -> int:
    assert KINDS, "imported for the attacks that they name"
    claims = rows(DOCUMENT.read_text())
    faults, count, shown = [], 0, set()
    for claim in claims:
        commands = re.findall(r"`([^`]+)`", claim[-1]) if len(claim) == 3 else []
        if not commands:
            faults.append(f"no command stands beside: {claim[0]}")
        for command in commands:
            count += 1
            why = fault(command)
            if why is not None:
                faults.append(f"`{command}`: {why}")
            elif command.startswith("scripts/attacks"):
                shown |= {attack for name in command.split()[1:] for attack in fnmatch.filter(ATTACKS, name)}
    for each in faults:
        print(f"docs/security.md: {each}", file=sys.stderr)
    print(f"{len(claims)} claims, {count} commands, {len(shown)} of {len(ATTACKS)} attacks named")
    return 1 if faults or not claims else 0


if __name__ == "__main__":
    sys.exit(main())
