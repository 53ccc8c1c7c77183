"""Carries out attacks: `scripts/attacks [--list] [--jobs N] [NAME…]`; a name may have `*` in it."""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import arena
import life
import manifest
import package
import sandbox
import secret
import settings
import terminal
import wire

import host

KINDS = (wire, life, manifest, package, settings, terminal, secret, sandbox, host)
SECONDS = "PLUGLINE_ATTACKS_PATIENCE"
"""How much longer than usual an attack may take, on a machine that is busy."""


def carried_out(attack: arena.Attack) -> arena.Message:
    """Carries it out in a process of its own, which has its time and is killed with all of its group after it."""
    seconds = attack.seconds * float(os.environ.get(SECONDS, "3"))
    process = subprocess.Popen(
        [sys.executable, "-B", __file__, "--one", attack.name],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        return failed(attack, f"it was not over after {seconds:.0f} s\n{err.decode(errors='replace')[-2000:]}")
    if process.returncode != 0:
        return failed(attack, f"it broke down:\n{err.decode(errors='replace')[-3000:]}")
    told: arena.Message = json.loads(out.splitlines()[-1])
    return told


def failed(attack: arena.Attack, why: str) -> arena.Message:
    return {"name": attack.name, "contained": False, "by": why, "controls": [], "seconds": attack.seconds}


def show(attack: arena.Attack, told: arena.Message) -> None:
    lines = [f"{attack.name}: {attack.says}"]
    lines += [f"    bites      {each}" for each in told["controls"]]
    word = "contained" if told["contained"] else "NOT CONTAINED"
    lines.append(f"    {word}  {told['by']}  [{told['seconds']:.1f} s]")
    # What is shown of an attack may be its poison.
    text = "\n".join(lines)
    print("".join(c if c == "\n" or not arena.unseen(c) else f"\\u{{{ord(c):x}}}" for c in text), flush=True)


def chosen(names: list[str]) -> list[arena.Attack]:
    attacks = arena.ATTACKS
    if not names:
        return list(attacks.values())
    found = []
    for name in names:
        matching = [
            each for each in attacks.values() if fnmatch.fnmatch(each.name, name) or each.name.startswith(f"{name}/")
        ]
        if not matching:
            sys.exit(f"there is no attack {name!r}; --list shows all")
        found += [each for each in matching if each not in found]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/attacks", description="Carries out attacks on what is built here.")
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="an attack, a kind of them, or a pattern; all unless said"
    )
    parser.add_argument("--list", action="store_true", help="list them, and carry out none")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="so many at a time (4); most of them wait")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(arena.carry_out(options.one)))
        return 0
    attacks = chosen(options.names)
    if options.list:
        for each in attacks:
            print(f"{each.name}  {each.says}")
        return 0
    for needed in (arena.PLUGLINE, arena.DRIVER):
        if not needed.exists():
            sys.exit(f"{needed} is not there: scripts/attacks builds it")
    started, lock = time.monotonic(), threading.Lock()
    told: list[arena.Message] = []

    def one(attack: arena.Attack) -> None:
        outcome = carried_out(attack)
        with lock:
            told.append(outcome)
            show(attack, outcome)

    # The longest first: the others fill the time beside them.
    order = sorted(attacks, key=lambda attack: -attack.seconds)
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(one, order))
    contained = sum(bool(each["contained"]) for each in told)
    controls = sum(bool(each["controls"]) for each in told)
    print(f"\n{'kind':<10} {'attacks':>7} {'contained':>9}")
    for kind in dict.fromkeys(each.name.partition("/")[0] for each in attacks):
        of_kind = [each for each in told if each["name"].startswith(f"{kind}/")]
        print(f"{kind:<10} {len(of_kind):>7} {sum(bool(each['contained']) for each in of_kind):>9}")
    for outcome in told:
        if not outcome["contained"]:
            print(f"NOT CONTAINED: {outcome['name']}")
    took = time.monotonic() - started
    print(
        f"{len(told)} attacks, {contained} contained; {controls} with a control that shows that they bite; {took:.0f} s"
    )
    return 0 if contained == len(told) else 1


if __name__ == "__main__":
    assert KINDS, "imported for the attacks that they name"
    sys.exit(main())
