"""How far verdicts can be trusted: what `curate audit --save` keeps, as cards state it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.sinks.provenance import read_json

AUDITS = "cards/audits.json"


def read_audits(project: Path) -> list[dict[str, Any]]:
    """The audits that a project keeps; RunError when the file is damaged."""
    return read_json(project / AUDITS, [])


def audits_of(
    names: Iterable[str], audits: Sequence[Mapping[str, Any]]
) -> list[tuple[str, Mapping[str, Any] | None]]:
    """Each verdict with every audit of its very scorer and parameters; None where there is none.

    >>> audits_of(["Length", "MathAnswer"], [{"scorer": "MathAnswer", "cases": "a.jsonl"}])
    [('Length', None), ('MathAnswer', {'scorer': 'MathAnswer', 'cases': 'a.jsonl'})]
    """
    found: list[tuple[str, Mapping[str, Any] | None]] = []
    for name in sorted(names):
        own = [audit for audit in audits if audit["scorer"] == name]
        found += [(name, audit) for audit in own] or [(name, None)]
    return found
