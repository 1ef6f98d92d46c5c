"""Whether a sample store holds the answers that a dataset consists of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.engines.segments import entries
from curate.sinks.shards import rows_of, shard_paths


class Cover(NamedTuple):
    """How many of a dataset's answers are in a store, and of those that its run left out."""

    kept: int
    refused: int
    missing: int

    def __str__(self) -> str:
        refused = f" and {self.refused:,} refused" if self.refused else ""
        there = f"{self.kept:,} kept{refused} answers"
        return f"all {there}" if not self.missing else f"{there}, {self.missing:,} are not in it"


def cover(store: Path, folder: Path, run: Path | None = None) -> Cover:
    """Looks every sample up by the part of the store's key that is in its id.

    Those that the run refused count too, where it is here: they are asked for again otherwise.
    """
    keys = np.unique(np.concatenate([np.empty(0, np.uint32), *key_starts(store)]))
    kept, lost = found_in(keys, ids_of(shard_paths(folder)))
    refused, also_lost = (
        found_in(keys, ids_of(sorted((run / "rejected").glob("*.parquet")))) if run else (0, 0)
    )
    return Cover(kept, refused, lost + also_lost)


def key_starts(store: Path) -> Iterator[NDArray[np.uint32]]:
    """The first four bytes of every key in the store."""
    for segment in sorted(store.glob("*.records")):
        raw = entries(segment)["key"].astype("<u8")
        yield raw.view(np.uint8).reshape(-1, 8)[:, :4].copy().view(">u4").ravel().astype(np.uint32)


def ids_of(files: Iterable[Path]) -> Iterator[str]:
    return (row["id"] for row in rows_of(files, ["id"]) if row.get("id"))


def found_in(keys: NDArray[np.uint32], ids: Iterable[str]) -> tuple[int, int]:
    """How many ids end in the beginning of a key, and how many do not."""
    wanted = [int(one.rpartition("-")[2], 16) for one in ids]
    there = int(np.isin(np.array(wanted, np.uint32), keys).sum())
    return there, len(wanted) - there
