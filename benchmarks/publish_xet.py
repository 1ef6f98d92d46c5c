"""What a next version sends by Xet: bytes that are new in the store of the Hub.

Published by `curate publish` to the test Hub, each version of one dataset in a repository and a
store of its own after the first: rows changed anywhere, rows replaced, rows of a new source, and
the same rows that came in another order.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.publish_process import Publishers
from benchmarks.publish_rows import Row, changed, dataset, real_sentences, replaced
from curate.sample import sort_key
from curate.sinks.shards import write_shards
from curate.sinks.sorting import sorted_rows
from tests.servers.hub import Hub
from tests.sinks.made import CARD

NAME = "org/traces"
SHARD_BYTES = 500_000_000


EDITED = "0.1 % of the rows have another answer"
REPLACED = "0.1 % of the rows gone, as many new ones"
EXTENDED = "1 % more rows, of a new source between"
SHUFFLED = "the same rows in another order"


def measured(rows: int, characters: int, folder: Path) -> Iterator[tuple[str, int, int]]:
    """Of the first version and of each that follows it: its name, bytes that are new, all bytes."""
    sentences = real_sentences()
    texts = {"characters": characters, "sentences": sentences}
    half = dataset(rows // 2, source="a few sums", **texts)
    first = sorted([*half, *dataset(rows - rows // 2, **texts)], key=sort_key)
    size = write(first, folder / "first")
    yield f"{rows:,} rows of {characters:,} characters", size, size

    def more(count: int, source: str) -> list[Row]:
        return dataset(count, source=source, seed=1, **texts)

    few = max(1, rows // 1_000)
    versions = {
        EDITED: changed(first, 0.001, seed=1),
        REPLACED: replaced(first, more(few, "sums"), seed=2),
        EXTENDED: [*first, *more(rows // 100, "other sums")],
        SHUFFLED: random.Random(3).sample(first, len(first)),
    }
    for name, version in versions.items():
        write(sorted_rows(version, folder / "sort"), folder / "second")
        yield name, *published(folder)


def published(folder: Path) -> tuple[int, int]:
    """Publishes `first`, then `second`: its bytes that were new, and all of its bytes."""
    shutil.rmtree(folder / "hub", ignore_errors=True)
    with (
        Hub(folder / "hub", xet=True) as hub,
        Publishers(hub.environment, folder / "publishes.log") as publishers,
    ):
        for name in ("first", "second"):
            before = hub.uploaded_bytes()
            status = publishers.run("publish", str(folder / name), NAME)
            if status != 0:
                raise RuntimeError((folder / "publishes.log").read_text())
        return hub.uploaded_bytes() - before, bytes_of(folder / "second")


def write(rows: Iterable[Row], folder: Path) -> int:
    """A dataset folder; the bytes of its shards."""
    shutil.rmtree(folder, ignore_errors=True)
    shards = write_shards(rows, folder, shard_bytes=SHARD_BYTES)
    (folder / "README.md").write_text(CARD.format(text="Traces."))
    (folder / ".curate").mkdir()
    told = {"shards": [shard._asdict() for shard in shards]}
    (folder / ".curate/manifest.json").write_text(json.dumps(told))
    return bytes_of(folder)


def bytes_of(folder: Path) -> int:
    """Of its shards."""
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))
