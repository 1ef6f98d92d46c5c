"""The files of a dataset folder, and how a card writes numbers; for `tests.sinks.truth`."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, floor
from pathlib import Path
from typing import Any

import polars
import yaml


def number(text: str) -> float | None:
    """A number as the card writes it."""
    text = text.strip().replace(",", "")
    return None if text in ("unknown", "-", "") else float(text.removesuffix("%").strip())


def percentile(lengths: Sequence[int], percent: float) -> int:
    return sorted(lengths)[max(ceil(percent / 100 * len(lengths)), 1) - 1]


def close(said: float | None, found: float | None, what: str, decimals: int = 2) -> None:
    if found is None or said is None:
        assert said is None and found is None, f"{what}: the card says {said}, the files {found}"
        return
    assert abs(said - found) <= 0.5 * 10**-decimals + 1e-9, f"{what}: {said} is not {found}"


def unescaped(cell: str) -> str | None:
    """What a cell shows; None for unknown."""
    shown = re.sub(r"\\([\\`*\[\]|~$_])", r"\1", cell.strip()).strip("`")
    return None if shown == "unknown" else shown


@dataclass
class Truth:
    """The files of a dataset, and what they say."""

    folder: Path
    rejected: polars.DataFrame | None
    head: dict[str, Any] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    """The rules that found something to check."""

    def __post_init__(self) -> None:
        text = (self.folder / "README.md").read_text(encoding="utf-8")
        self.head = yaml.safe_load(text[4 : text.index("\n---\n", 4)])
        self.body = text[text.index("\n---\n", 4) + 5 :]
        self.shards = {
            p.relative_to(self.folder).as_posix(): polars.read_parquet(p)
            for p in sorted(self.folder.glob("[!.]*/*.parquet"))
        }
        own = [f for p, f in self.shards.items() if not p.startswith("unverified/")]
        self.rows = polars.concat(own)
        self.is_pairs = "chosen" in self.rows.columns
        self.samples = halves(self.rows) if self.is_pairs else self.rows
        self.manifest = json.loads((self.folder / ".curate/manifest.json").read_text())

    @property
    def answered(self) -> list[int]:
        return self.samples["completion_tokens"].drop_nulls().to_list()

    def prompts(self) -> polars.DataFrame:
        return self.samples.unique("prompt_id", keep="first", maintain_order=True)

    def of(self, column: str, value: str | None) -> polars.DataFrame:
        """The samples with a value; empty text is as good as none."""
        held = polars.col(column)
        if value is None:
            return self.samples.filter(held.is_null() | (held == ""))
        return self.samples.filter(held == value)


def halves(rows: polars.DataFrame) -> polars.DataFrame:
    """Pairs as samples: the columns that tell of one of the two, once for each."""
    names = [c.removeprefix("rejected_") for c in rows.columns if c.startswith("rejected_")]
    worse = rows.with_columns(polars.col(f"rejected_{n}").alias(n) for n in names)
    return polars.concat([rows, worse])


def rows_of_table(text: str, head: str) -> list[list[str]]:
    lines = text[text.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def tenths(truth: Truth) -> Counter[int]:
    rates = truth.prompts()["pass_rate"].drop_nulls().to_list()
    return Counter(floor(rate * 10 + 1e-6) for rate in rates)
