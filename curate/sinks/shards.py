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
from curate.sinks.cuts import Cuts
from curate.sinks.provenance import read_json

if TYPE_CHECKING:
    import pyarrow

Row = Mapping[str, Any]

# What is cut by its content (see `curate.sinks.cuts`) and by it alone is the same in the next
# version, where the Hub's store has it already. Measured by `benchmarks.publish xet`.
#
# The Hub's viewer and `datasets` read row groups of at most 100 MB; a page of the viewer reads
# whole groups where the offsets in the page index cannot help. Chains of thought are 20 to 60 kB a
# row.
ROW_GROUP_BYTES = 8_000_000
# A row that comes or goes moves the ends of pages up to the end of its row group, or until a long
# text ends a page in both versions: soon in pages as short as a text. Arrow's own content-defined
# pages need eight texts for a page and count them through the whole file, so that of 1,500 rows of
# 22,000 characters with four replaced 42 to 57 % was new (11 kB of new text each), with these 14 %.
# Smaller pages cost size and help short rows: of 9,000 of 2,500 characters with 9 edited 18.1, 16.8
# and 16.1 % was new with pages of 16, 8 and 4 KiB, which make 14.3, 14.9 and 15.7 MB of them (by a
# model of the store, on average over three edits and five ways to cut it). What is left is the
# store's: with its chunks of 64 KiB on average, 100 kB are new around every place that differs, and
# a row has three: its names, its long text, its numbers. In row groups of 0.2 MB they are one, but
# the footer and the page index, new each time, are 3 % then: 16.7 % of edited rows, 29 instead of
# 34 % of replaced ones, 6 instead of 3 % of 1 % more rows of another source. Where Arrow ends the
# pages of all columns by content, it is 11 % of those.
# Row groups end with their source: of 1 % more rows, of a source in the middle of 9,000 rows of
# 2,500 characters, 2.4 % was new instead of 13.7.
PAGE_BYTES = 8 * 1024
LEVEL = 3
# Of these no two rows have the same: a dictionary would be another one for every change.
DIFFERENT = frozenset({"id", "prompt_id", "problem", "answer", "source_id", "content", "seed"})
DIFFERENT |= {"prompt_tokens", "completion_tokens"}
# Nobody looks for a range of these. Arrow writes the least and the greatest of each page and row
# group whole where they have up to 4 kB: 7 % of the file of 20,000 rows of 800 characters.
UNRANGED = frozenset({"problem", "answer", "source_id", "content"})
CHUNKING = {"row_group_bytes": ROW_GROUP_BYTES, "data_page_bytes": PAGE_BYTES}


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

    A shard ends with the first prompt that takes it to `shard_bytes` of text, or before that where
    its rows say so (see `curate.sinks.cuts`), so no prompt is in two shards and a row that comes or
    goes changes one. The same rows give the same bytes.
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
        self.cuts = Cuts(shard_bytes)

    def __call__(self, row: Row) -> str:
        if (stem := self.stem_of(row)) != self.stem:
            self.stem, self.cuts = stem, Cuts(self.shard_bytes)
        return f"{self.stem}-{self.cuts(row):05d}"


def _write(rows: Iterable[Row], path: Path, fields: pyarrow.Schema) -> Shard:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = arrow_bytes = 0
    leaves = {path: path.rpartition(".")[2] for path in _leaves(fields)}
    repeating = [path for path, name in leaves.items() if name not in DIFFERENT]
    ranged = [path for path, name in leaves.items() if name not in UNRANGED]
    with pq.ParquetWriter(
        path,
        fields,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=repeating,  # type: ignore[arg-type]
        write_statistics=ranged,  # type: ignore[arg-type]
        data_page_size=PAGE_BYTES,
        write_batch_size=1,  # or a page ends only after 1,024 values
        write_page_index=True,
    ) as writer:
        for _, members in groupby(rows, Cuts(ROW_GROUP_BYTES, by_source=True)):
            batch = list(members)
            table = pa.Table.from_pylist(batch, schema=fields)
            writer.write_table(table, row_group_size=len(batch))
            count += len(batch)
            arrow_bytes += table.nbytes
        # `datasets` marks files that are cut by content with this name.
        writer.add_key_value_metadata({"content_defined_chunking": json.dumps(CHUNKING)})
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Shard(path.name, count, path.stat().st_size, arrow_bytes, sha256)


def _leaves(fields: pyarrow.Schema) -> list[str]:
    """The paths of the columns as Parquet has them, such as `prompt.list.element.role`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(fields.empty_table(), sink)
    with pq.ParquetFile(pa.BufferReader(sink.getvalue())) as file:
        return [file.schema.column(n).path for n in range(len(file.schema))]


def _named(shard: Shard, shards: int, folder: Path) -> Shard:
    """The shard under its final name, which says how many there are."""
    path = f"{shard.path}-of-{shards:05d}.parquet"
    (folder / f"{shard.path}.parquet").rename(folder / path)
    return shard._replace(path=path)
