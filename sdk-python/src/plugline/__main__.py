"""`python -m plugline SCRIPT …`: runs a plugin whose standard output is taken away before any line of it runs.

A script that imports plugline first does not need it. One whose interpreter runs unbuffered (`PYTHONUNBUFFERED`), and
that prints before it imports plugline, does.
"""

from __future__ import annotations

import runpy
import sys

from ._stdio import STDIO


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("usage: python -m plugline SCRIPT [ARGUMENT …]")
    STDIO.take_if_asked()
    del sys.argv[0]
    sys.path[0] = sys.argv[0].rpartition("/")[0] or "."
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
