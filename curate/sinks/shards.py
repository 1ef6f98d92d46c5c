"""Rows to Parquet shards that load everywhere, page well on the Hub and change little between
versions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.sample import schema
from curate.sinks.sorting import batches, text_bytes

if TYPE_CHECKING:
    import pyarrow

Row = Mapping[str, Any]

# The Hub's viewer and `datasets` read row groups of at most 100 MB; a page of the viewer reads
# whole groups where the page index cannot help, and chains of thought are 20 to 60 kB a row: 32 MB
# is about 1,000 of them.
ROW_GROUP_BYTES = 32_000_000
# What `datasets` writes by default. Of a shard with 30 rows replaced in 30,000 11 % is new to the
# Hub's store with content-defined chunks, 67 % without; it costs 1.5 % of size.
CHUNKING = {"min_chunk_size": 256 * 1024, "max_chunk_size": 1024 * 1024, "norm_level": 0}


class Shard(NamedTuple):
    """One Parquet file of a dataset: its path in the folder, and what is in it."""

    path: str
    rows: int
    bytes: int
    arrow_bytes: int
    sha256: str


def write_shards(
    rows: Iterable[Row], folder: Path, *, shard_bytes: int, fields: pyarrow.Schema | None = None
) -> list[Shard]:
    """Writes `data/train-*.parquet` under `folder` from sorted rows; without rows one empty shard.

    `fields` are the columns, those of samples where nothing else is said.

    A shard ends with the first prompt that takes it to `shard_bytes` of text, so no prompt is in
    two shards. The same rows give the same bytes.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    written = [
        _write(members, data / f"{number:05d}.parquet", fields or schema())
        for number, members in groupby(rows, _ShardNumber(shard_bytes))
    ] or [_write((), data / "00000.parquet", fields or schema())]
    return [_named(shard, number, len(written), folder) for number, shard in enumerate(written)]


def read_rows(folder: Path, columns: Iterable[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a dataset folder's shards (or of any folder with Parquet files), in the order of
    the file names.

    Of `columns`, those that a file does not have are left out.
    """
    import pyarrow.parquet as pq

    for path in sorted((*folder.glob("*.parquet"), *folder.glob("data/*.parquet"))):
        with pq.ParquetFile(path) as file:
            names = [n for n in columns if n in file.schema_arrow.names] if columns else None
            for batch in file.iter_batches(batch_size=256, columns=names):
                yield from batch.to_pylist()


class _ShardNumber:
    """Gives each of the sorted rows the number of its shard."""

    def __init__(self, shard_bytes: int) -> None:
        self.shard_bytes = shard_bytes
        self.number = 0
        self.size = 0
        self.prompt_id: str | None = None

    def __call__(self, row: Row) -> int:
        if row["prompt_id"] != self.prompt_id and self.size >= self.shard_bytes:
            self.number += 1
            self.size = 0
        self.prompt_id = row["prompt_id"]
        self.size += text_bytes(row)
        return self.number


def _write(rows: Iterable[Row], path: Path, fields: pyarrow.Schema) -> Shard:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = arrow_bytes = 0
    with pq.ParquetWriter(
        path,
        fields,
        compression="zstd",
        use_content_defined_chunking=CHUNKING,  # type: ignore[arg-type]
        write_page_index=True,
    ) as writer:
        for batch in batches(rows, ROW_GROUP_BYTES):
            table = pa.Table.from_pylist(batch, schema=fields)
            writer.write_table(table, row_group_size=len(batch))
            count += len(batch)
            arrow_bytes += table.nbytes
        # As `datasets` marks such files.
        writer.add_key_value_metadata({"content_defined_chunking": json.dumps(CHUNKING)})
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Shard(path.name, count, path.stat().st_size, arrow_bytes, sha256)


def _named(shard: Shard, number: int, shards: int, folder: Path) -> Shard:
    """The shard under its final name, which says how many there are."""
    path = f"data/train-{number:05d}-of-{shards:05d}.parquet"
    (folder / "data" / shard.path).rename(folder / path)
    return shard._replace(path=path)
