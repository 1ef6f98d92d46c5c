"""Prints a command of the README, so that CI runs what a reader types: readme.py run|test."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
CONTAINS = {"run": "curate run", "test": "pytest"}


def command(which: str) -> str:
    """The first shell block of the README that sets up a virtual environment for `which`."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return next(b for b in blocks if "-m venv" in b and CONTAINS[which] in b).strip()


if __name__ == "__main__":
    sys.stdout.write(command(sys.argv[1]) + "\n")
