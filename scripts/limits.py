"""Holds docs/limits.md to the code: each default is the one in the code, and each test that is named is there.

    python3 scripts/limits.py

Says what differs, and exits with 1 if anything does.
"""

from __future__ import annotations

import ast
import operator
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/limits.md"
COLUMNS = ["what", "default", "unit", "who sets it", "beyond it", "tests", "in the code"]
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "s": 1.0, "min": 60.0}
"""What a unit counts; any other is 1. Durations are seconds."""
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.LShift: operator.lshift,
    ast.Pow: operator.pow,
}
LEAST_ROWS = 70
"""A table of fewer was not read as it was meant."""


class Wrong(Exception):
    """What is wrong with a row."""


def rows(page: str) -> list[dict[str, str]]:
    lines = [line for line in page.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    if not cells or cells[0] != COLUMNS:
        raise Wrong(f"the one table of the page has the columns {COLUMNS}")
    if any(len(row) != len(COLUMNS) for row in cells):
        raise Wrong(f"a row has {len(COLUMNS)} cells")
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells[2:]]


def source(name: str) -> str:
    path = ROOT / name
    if not path.is_file():
        raise Wrong(f"there is no file {name}")
    return path.read_text()


def value(file: str, name: str) -> float:
    """What a constant is, or the default of a field."""
    text = source(file)
    ways = [
        rf"\b(?:const|static) {name}: [^=]+= (.+?);",  # Rust
        rf"^\s*{name}(?:: \w+)? = (.+?)$",  # Python
        # The field of a `default`, alone on its line or beside others.
        rf"fn default\(\) -> Self \{{(?:(?!\n    \}}).)*?\b{name}: ((?:[\w:]+\()*[\d_* ]+\)*)",
    ]
    for way in ways:
        if (found := re.search(way, text, re.MULTILINE | re.DOTALL if "default" in way else re.MULTILINE)) is not None:
            return evaluated(file, found.group(1))
    raise Wrong(f"{file} has no {name}")


def evaluated(file: str, expression: str) -> float:
    """A number as it is written in Rust or Python, and what is made of constants beside it."""
    text = expression.split("  #")[0]
    text = re.sub(r'\.expect\("[^"]*"\)', "", text)
    text = re.sub(r"Duration::from_millis\((.+?)\)", r"(\1) * 0.001", text)
    text = re.sub(r"Duration::from_secs\((.+?)\)$", r"(\1)", text)
    text = re.sub(r"Duration::from_secs\((.+?)\)", r"(\1)", text)
    text = re.sub(r"\b(?:Some|NonZero\w+::new)\((.+)\)", r"(\1)", text)
    text = re.sub(r"\bas \w+\b", "", text)

    def of(node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name(id=name):
                return value(file, name)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                result: float = OPERATORS[type(op)](of(left), of(right))
                return result
        raise Wrong(f"{expression!r} in {file} is no number that this script reads")

    try:
        return of(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError:
        raise Wrong(f"{expression!r} in {file} is no number that this script reads") from None


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def split(reference: str) -> tuple[str, str]:
    file, found, name = reference.partition(": ")
    if not found:
        raise Wrong(f"{reference!r} is no `FILE: NAME`")
    return file, name


def check_test(reference: str) -> None:
    if re.fullmatch(r"[A-Z]{2}-\d\d", reference):
        if not list((ROOT / "conformance/cases").glob(f"*/{reference}.yaml")):
            raise Wrong(f"the conformance suite has no case {reference}")
        return
    file, name = split(reference)
    if file.endswith(".py"):
        way = rf"^def {name}\("
    else:
        # With what makes it a test, and not a comment or something else of that name.
        way = rf"#\[test\]\s*(?:#\[[^\n]*\]\s*)*fn {name}\(|^\s+fn {name}\(\s*(?:$|\w+ in )"
    if re.search(way, source(file), re.MULTILINE) is None:
        raise Wrong(f"{file} has no test {name}")


def check(row: dict[str, str]) -> None:
    tests = quoted(row["tests"])
    if not tests:
        raise Wrong("it names no test")
    for test in tests:
        check_test(test)
    number = float(row["default"])
    if row["in the code"] == "–":
        return
    [reference] = quoted(row["in the code"])
    said, found = number * UNITS.get(row["unit"], 1), value(*split(reference))
    if said != found:
        raise Wrong(f"the page says {row['default']} {row['unit']} ({said:g}), and the code {found:g}: {reference}")


def main() -> int:
    listed = rows(PAGE.read_text())
    wrong = 0
    if len(listed) < LEAST_ROWS:
        print(f"{PAGE.name}: only {len(listed)} rows were read", file=sys.stderr)
        wrong += 1
    for row in listed:
        try:
            check(row)
        except Wrong as what:
            print(f"{PAGE.name}: {row['what']}: {what}", file=sys.stderr)
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
