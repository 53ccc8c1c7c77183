#!/usr/bin/env python3
"""Compares the tables of docs/dependencies.md with what Cargo and pip would take; run by scripts/test.

A table follows a line `<!-- NAME: direct -->` or `<!-- NAME: brought -->` and has the dependency in its first column and
why it is there in its last. `direct` is what the crate or package asks for itself, with any feature and on any platform,
for more than its tests. `brought` is what comes with that, without optional features, on the platforms that are supported;
of a crate that builds on another one here, what that has is not said again.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs/dependencies.md"

# Whose tables there are, and on which crate here each builds.
DIRECT = ["plugline-protocol", "plugline-macros", "plugline-sdk", "plugline-host", "plugline-conformance", "plugline"]
BROUGHT = {"plugline-protocol": None, "plugline-sdk": "plugline-protocol"}
PYTHON = "plugline in Python"

TARGETS = ["x86_64-unknown-linux-gnu", "x86_64-apple-darwin"]


def cargo(*words: str) -> str:
    ran = subprocess.run(["cargo", *words, "--locked"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return ran.stdout


def direct() -> dict[str, set[str]]:
    """What each crate of the workspace asks for, but for others of the workspace."""
    packages = json.loads(cargo("metadata", "--no-deps", "--format-version=1"))["packages"]
    return {
        package["name"]: {
            asked["name"] for asked in package["dependencies"] if asked["kind"] != "dev" and "path" not in asked
        }
        for package in packages
    }


def tree(crate: str) -> set[str]:
    """All that is built with a crate, itself and others of the workspace left out."""
    found = set()
    for target in TARGETS:
        lines = cargo("tree", "--package", crate, "--edges=normal,build", "--prefix=none", "--target", target)
        # `name v1.2.3`, then `(/path)` of what is in the workspace, `(proc-macro)`, or `(*)`.
        found |= {line.split()[0] for line in lines.splitlines() if line and "(/" not in line}
    return found


def python() -> set[str]:
    """What the package asks pip for."""
    asked = importlib.metadata.requires("plugline") or []
    return {match[0] for match in (re.match(r"[\w.-]+", line) for line in asked if "extra ==" not in line) if match}


def expected() -> dict[str, set[str]]:
    of = direct()
    tables = {f"{name}: direct": of[name] for name in DIRECT}
    for name, below in BROUGHT.items():
        known = tree(below) if below else set()
        tables[f"{name}: brought"] = tree(name) - known - of[name]
    tables[f"{PYTHON}: direct"] = python()
    return tables


def written(faults: list[str]) -> dict[str, set[str]]:
    tables: dict[str, set[str]] = {}
    rows: set[str] | None = None
    for number, line in enumerate(DOCUMENT.read_text().splitlines(), 1):
        if match := re.fullmatch(r"<!-- (.+: (?:direct|brought)) -->", line):
            rows = tables[match[1]] = set()
        elif rows is not None and line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            names = re.findall(r"`([^`]+)`", cells[0])
            if not cells[-1]:
                faults.append(f"line {number}: no reason")
            for name in names:
                if name in rows:
                    faults.append(f"line {number}: {name} stands in this table twice")
                rows.add(name)
        elif line and not line.startswith("|"):
            rows = None
    return tables


def main() -> int:
    faults: list[str] = []
    is_written, is_so = written(faults), expected()
    for table in sorted(is_written.keys() | is_so.keys()):
        if table not in is_written or table not in is_so:
            faults.append(f"{table}: there is no such {'table' if table in is_so else 'crate'}")
            continue
        faults += [f"{table}: {name} is not in the table" for name in sorted(is_so[table] - is_written[table])]
        faults += [f"{table}: {name} is no dependency" for name in sorted(is_written[table] - is_so[table])]
    for fault in faults:
        print(f"{DOCUMENT.relative_to(ROOT)}: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
