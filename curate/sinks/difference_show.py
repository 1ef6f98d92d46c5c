"""`curate diff A B`: finds both sides, says how far it is, prints what differs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from curate.sinks.difference import Changed, compare
from curate.sinks.difference_side import located

PLAIN_EVERY_S = 10.0
QUIET_S = 2.0


def show(a: str, b: str, out: Callable[[str], None], *, ids: bool, as_json: bool) -> None:
    """Compares what `a` and `b` name (folders, runs, `hub:NAME@REVISION`), and prints it.

    With `ids` every id that differs is listed as it is found: `+ ID`, `- ID`, `~ ID column,column`;
    the report follows.
    """
    listed: list[dict[str, Any]] = []

    def keep(row: Changed) -> None:
        listed.append({"sign": row.sign, "id": row.id, "columns": list(row.columns)})

    def tell(row: Changed) -> None:
        out(f"{row.sign} {row.id} {','.join(row.columns)}".rstrip())

    found = compare(
        located(a),
        located(b),
        names=(a, b),
        each=(keep if as_json else tell) if ids else None,
        report=Pace(),
    )
    if as_json:
        out(json.dumps(found.json() | ({"ids": listed} if ids else {}), indent=2, default=str))
    else:
        out(("\n" if ids and found.has_other_rows else "") + found.text())


class Pace:
    """Says on standard error how many rows were read, when it takes more than a moment."""

    def __init__(self) -> None:
        self._started = self._said = time.monotonic()

    def __call__(self, numbers: Mapping[str, float]) -> None:
        now = time.monotonic()
        every = QUIET_S if self._said == self._started else PLAIN_EVERY_S
        if now - self._said >= every:
            self._said = now
            sys.stderr.write(f"curate: {numbers['rows']:,} of {numbers['of']:,} rows compared\n")
