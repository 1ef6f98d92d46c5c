"""The evidence of a run's decontamination: every refused row beside the item that it holds.

write_evidence(Path("runs/cold_start"))      # runs/cold_start/contamination.md
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REASON = "contaminated_by:"
SHOWN = 1_000
"""Pairs that are written out; the table counts all, and all are in `rejected/`."""


def write_evidence(run: Path, shown: int = SHOWN) -> Path | None:
    """Writes `contamination.md` of a run directory from its `rejected/`; None where nothing was
    contaminated.

    Pairs are sorted by item and row, so the page does not depend on tasks.
    """
    pairs = sorted(_pairs(run), key=lambda pair: (pair["reason"], pair["id"]))
    if not pairs:
        return None
    lines = ["# Contamination", "", *_table(pairs), ""]
    for pair in pairs[:shown]:
        lines += _section(pair)
    if len(pairs) > shown:
        lines += [f"… and {len(pairs) - shown:,} more in `rejected/`.", ""]
    page = run / "contamination.md"
    part = page.with_suffix(".md.part")
    part.write_text("\n".join(lines), encoding="utf-8")
    os.replace(part, page)
    return page


def _pairs(run: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for file in sorted((run / "rejected").glob("*.parquet")):
        with pq.ParquetFile(file) as rows:
            columns = ["prompt_id", "id", "step", "reason", "detail"]
            for batch in rows.iter_batches(columns=columns):
                held = batch.filter(pc.starts_with(batch["reason"], REASON))  # type: ignore[attr-defined]
                for row in held.to_pylist():
                    yield row | {"id": row["id"] or row["prompt_id"] or ""}


def _table(pairs: list[dict[str, Any]]) -> list[str]:
    """How many rows and items, benchmark by benchmark."""
    rows: Counter[str] = Counter()
    items: dict[str, set[str]] = {}
    for pair in pairs:
        item = pair["reason"].removeprefix(REASON)
        benchmark = item.partition("/")[0]
        rows[benchmark] += 1
        items.setdefault(benchmark, set()).add(item)
    head = ["| benchmark | rows left out | items found |", "|---|---|---|"]
    return head + [f"| {name} | {n:,} | {len(items[name]):,} |" for name, n in sorted(rows.items())]


def _section(pair: dict[str, Any]) -> list[str]:
    said = (pair["detail"] or "").split("\n")
    quoted = [f"> {line}" for text in said[1:] for line in (_escaped(text), "")]
    return [
        f"## {pair['reason'].removeprefix(REASON)}",
        "",
        f"`{pair['id']}`: {said[0]}",
        "",
        *quoted,
    ]


def _escaped(text: str) -> str:
    """The text as Markdown shows it literally, formulas aside.

    >>> _escaped("row: **Find** <b>x</b>")
    'row: \\\\*\\\\*Find\\\\*\\\\* &lt;b>x&lt;/b>'
    """
    return text.replace("*", r"\*").replace("<", "&lt;")
