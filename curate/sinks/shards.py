"""Rows to Parquet shards that load everywhere, page well on the Hub and change little between
versions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.sample import schema
from curate.sinks.provenance import read_json
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


def one_split(row: Row) -> str:
    """The beginning of the path of every shard of a dataset of one config and one split."""
    return "data/train"


def write_shards(
    rows: Iterable[Row],
    folder: Path,
    *,
    shard_bytes: int,
    fields: pyarrow.Schema | None = None,
    stem: Callable[[Row], str] = one_split,
) -> list[Shard]:
    """Writes `STEM-00000-of-000NN.parquet` under `folder` from rows that come sorted, stem by stem;
    without rows one empty shard of `data/train`.

    `fields` are the columns, those of samples where nothing else is said.

    A shard ends with the first prompt that takes it to `shard_bytes` of text, so no prompt is in
    two shards. The same rows give the same bytes.
    """
    written: list[Shard] = []
    stems: list[str] = []
    for name, members in groupby(rows, _ShardName(shard_bytes, stem)):
        path = folder / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        written.append(_write(members, path, fields or schema())._replace(path=name))
        stems.append(name.rpartition("-")[0])
    if not written:
        (folder / "data").mkdir(parents=True)
        name = "data/train-00000"
        path = folder / f"{name}.parquet"
        return [_named(_write((), path, fields or schema())._replace(path=name), 1, folder)]
    return [_named(shard, stems.count(s), folder) for shard, s in zip(written, stems, strict=True)]


def shard_paths(folder: Path) -> list[Path]:
    """All Parquet files of a dataset folder in the order of its configs, or of any other folder in
    the order of their names.
    """
    found = [*folder.glob("*.parquet"), *folder.glob("[!.]*/*.parquet")]
    told = read_json(folder / ".curate/manifest.json", {}).get("shards", [])
    order = {shard["path"]: number for number, shard in enumerate(told)}
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    return [folder / name for name in sorted(names, key=lambda n: order.get(n, len(order)))]


def read_rows(folder: Path, columns: Iterable[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a dataset folder's shards (or of any folder with Parquet files), in the order of
    `shard_paths`.

    Of `columns`, those that a file does not have are left out.
    """
    yield from rows_of(shard_paths(folder), columns)


def rows_of(
    paths: Iterable[Path], columns: Iterable[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of Parquet files, one after the other; see `read_rows`."""
    import pyarrow.parquet as pq

    for path in paths:
        with pq.ParquetFile(path) as file:
            names = [n for n in columns if n in file.schema_arrow.names] if columns else None
            for batch in file.iter_batches(batch_size=256, columns=names):
                yield from batch.to_pylist()


class _ShardName:
    """Gives each of the sorted rows the stem and the number of its shard, as `data/train-00000`."""

    def __init__(self, shard_bytes: int, stem: Callable[[Row], str]) -> None:
        self.shard_bytes = shard_bytes
        self.stem_of = stem
        self.stem = ""
        self.number = 0
        self.size = 0
        self.prompt_id: str | None = None

    def __call__(self, row: Row) -> str:
        if (stem := self.stem_of(row)) != self.stem:
            self.stem, self.number, self.size = stem, 0, 0
        elif row["prompt_id"] != self.prompt_id and self.size >= self.shard_bytes:
            self.number += 1
            self.size = 0
        self.prompt_id = row["prompt_id"]
        self.size += text_bytes(row)
        return f"{self.stem}-{self.number:05d}"


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


def _named(shard: Shard, shards: int, folder: Path) -> Shard:
    """The shard under its final name, which says how many there are."""
    path = f"{shard.path}-of-{shards:05d}.parquet"
    (folder / f"{shard.path}.parquet").rename(folder / path)
    return shard._replace(path=path)
