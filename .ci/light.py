"""Ends with an error when `curate --help` takes more than 12 times an empty Python: light.py BIN.

The best of several runs counts: on a shared machine the others measure its neighbours.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

RUNS, LIMIT = 9, 12.0


def best(command: list[str]) -> float:
    """Seconds of the fastest of `RUNS` runs."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


bin_folder = Path(sys.argv[1])
empty = best([str(bin_folder / "python"), "-c", "pass"])
help_ = best([str(bin_folder / "curate"), "--help"])
sys.stdout.write(
    f"curate --help {help_:.3f} s, python -c pass {empty:.3f} s: {help_ / empty:.1f} times\n"
)
sys.exit(0 if help_ <= LIMIT * empty else f"curate --help takes more than {LIMIT} times")
