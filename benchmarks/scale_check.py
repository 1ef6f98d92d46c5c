"""Whether a run found what `benchmarks.scale_data` has planted, row by row."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchmarks.scale_data import DOMAINS

SHARE_OF_SOUND = 0.5
"""The mix takes half of the sound samples of each domain, so that all targets can be filled."""
CAUGHT_BY = {
    "wrong": ("MathAnswer",),
    "unfinished": ("ThinkFormat",),
    "loop": ("Repetition",),
    "foreign": ("LanguageConsistency", "ForeignScript"),
    "code_block": ("Readability",),
    "long_paragraph": ("Readability",),
    "contaminated": ("contaminated_by",),
    **dict.fromkeys(("exact", "exact_completion", "near", "near_completion"), ("duplicate_of",)),
}
"""The beginning of the reason for which a kind is to be left out."""
STAYS = ("dataset", "surplus")
"""What becomes of sound rows: those that the mix has no room for are surplus."""


class Found(NamedTuple):
    """What became of the rows of each kind (None: sound), and of the mix."""

    fates: dict[str | None, Counter[str]]
    mix: str

    def caught(self, kind: str | None) -> int:
        """Rows of a kind with the fate that is right."""
        fates, right = self.fates[kind], CAUGHT_BY[kind] if kind else STAYS
        return sum(n for fate, n in fates.items() if fate.startswith(right))


def sizes_of_mix(data: Path) -> dict[str, int]:
    """The targets: half of the sound samples of each domain."""
    import polars as pl

    planted = pl.read_parquet(data / "planted.parquet")
    sound = planted.filter(pl.col("kind").is_null())
    domains = pl.scan_parquet(data / "samples/*.parquet").select("source_id", "domain").collect()
    counts = dict(sound.join(domains, on="source_id")["domain"].value_counts().iter_rows())
    return {name: int(counts.get(name, 0) * SHARE_OF_SOUND) for name in DOMAINS}


def check(data: Path, out: Path, mix: dict[str, int]) -> Found:
    """Compares every row's fate with its kind; raises ValueError where a row has none or two."""
    import polars as pl

    planted = pl.read_parquet(data / "planted.parquet").with_columns(pl.col("kind").cast(pl.String))
    rejected = pl.scan_parquet(out / "rejected/*.parquet").select("source_id", "reason").collect()
    fate = rejected["reason"].str.extract(r"^([^:]*)", 1)
    kept = pl.scan_parquet(out / "dataset/data/*.parquet").select("source_id", "domain").collect()
    fates = pl.concat(
        [
            rejected.select("source_id").with_columns(fate.alias("fate")),
            kept.select("source_id", pl.lit("dataset").alias("fate")),
        ]
    )
    joined = planted.join(fates, on="source_id", how="left")
    if len(joined) != len(planted) or joined["fate"].null_count():
        raise ValueError(
            f"{len(planted):,} rows went in and {len(fates):,} came out, "
            f"{joined['fate'].null_count():,} are missing"
        )
    counted = joined.group_by("kind", "fate").len().sort("kind", "len", descending=[False, True])
    found: dict[str | None, Counter[str]] = {}
    for kind, became, number in counted.iter_rows():
        found.setdefault(kind, Counter())[became] += number
    filled = dict(kept["domain"].value_counts().iter_rows())
    short = {n: (filled.get(n, 0), want) for n, want in mix.items() if filled.get(n, 0) != want}
    return Found(found, f"exact, {len(kept):,} rows" if not short else f"NOT exact: {short}")
