"""The fixture plugin with one fault in it: `MUTANT=name python3 plugin.py`. `--list` prints them as plugin.yaml.

The fixture itself knows nothing of this: a fault replaces methods of its classes before it serves.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixture" / "python"))

import fixture
from faults import answers, callbacks, life, lines, manifests, messages, streams, values
from faults.plant import CONTROL, FAULTS, plant

__all__ = ["answers", "callbacks", "life", "lines", "manifests", "messages", "streams", "values"]

HEAD = """\
# The faults that a plugin may have, each of which the suite must find: written by `plugin.py --list`.
# Which cases find it, they say themselves (`kills`). The control has no fault, and must pass everything.
command: [python3, conformance/mutants/plugin.py]
"""


def listed() -> str:
    faults = "".join(f"  {name}: {json.dumps(fault.says, ensure_ascii=False)}\n" for name, fault in FAULTS.items())
    ending = "".join(f"  - {name}\n" for name, fault in FAULTS.items() if fault.ends)
    return f"{HEAD}control: {CONTROL}\n# That it ends is their fault.\nends:\n{ending}mutants:\n{faults}"


def main() -> int:
    if sys.argv[1:] == ["--list"]:
        print(listed(), end="")
        return 0
    name = os.environ.get("MUTANT", CONTROL)
    if name != CONTROL:
        if name not in FAULTS:
            print(f"MUTANT={name}: there is no such fault; plugin.py --list shows all", file=sys.stderr)
            return 2
        plant(FAULTS[name])
    return fixture.main()


if __name__ == "__main__":
    sys.exit(main())
