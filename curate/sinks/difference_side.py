"""One side of a comparison: a dataset folder or a run, and what can be read of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from curate.errors import UsageError
from curate.sinks.difference_hashes import Hashes, kind_of, text_hashes
from curate.sinks.layout import config_of, split_of
from curate.sinks.provenance import read_json
from curate.sinks.shards import shard_paths
from curate.sources.hub import PREFIX, fetched

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 1_024
"""Long chains of thought are 20 to 60 kB a row: about 60 MB."""
IDS = ("id", "uuid", "sample_id", "row_id", "problem_id", "question_id", "prompt_id")
"""What datasets of others call the id of a row, where they have one."""


class Part(NamedTuple):
    """A Parquet file of a dataset, and the config that it belongs to."""

    config: str
    path: Path


@dataclass(frozen=True)
class Side:
    """A dataset as it stands on disk."""

    name: str
    """As a person named it."""
    folder: Path
    parts: tuple[Part, ...]
    rejected: tuple[Path, ...]
    """What the run that made it left out, where it is known."""

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What is told of the run; empty for a dataset that curate did not write."""
        return read_json(self.folder / ".curate" / "manifest.json", {})

    @cached_property
    def columns(self) -> dict[str, str]:
        """Each column with its type."""
        import pyarrow.parquet as pq

        found: dict[str, str] = {}
        for part in self.parts:
            found |= {f.name: kind_of(f.type) for f in pq.read_schema(part.path)}
        return found

    @cached_property
    def rows(self) -> int:
        import pyarrow.parquet as pq

        return sum(pq.read_metadata(part.path).num_rows for part in self.parts)

    @property
    def configs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.config for part in self.parts))

    def batches(
        self, columns: Iterable[str] | None = None, parts: Iterable[Part] | None = None
    ) -> Iterator[tuple[str, pa.RecordBatch]]:
        """All rows in their order, or those of some parts, some at a time, with their config."""
        import pyarrow.parquet as pq

        for part in self.parts if parts is None else parts:
            with pq.ParquetFile(part.path) as file:
                there = file.schema_arrow.names
                names = [n for n in columns if n in there] if columns is not None else None
                for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=names):
                    yield part.config, batch

    def hashes_of(self, column: str) -> Hashes:
        """The hashes of a text column's values, as rows have them."""
        found = [texts_of(batch, column) for _, batch in self.batches([column])]
        return np.concatenate([np.empty(0, np.uint64), *found])

    def file(self, name: str) -> bytes | None:
        """A file of the folder, None where there is none."""
        path = self.folder / name
        return path.read_bytes() if path.is_file() else None


def open_side(path: Path, name: str | None = None) -> Side:
    """What stands at `path`; UsageError when it is neither a dataset folder nor a run with one."""
    name = name or str(path)
    if not path.is_dir():
        raise UsageError(f"{name} is no folder; compare dataset folders, runs or hub:NAME@REVISION")
    is_run = (path / "manifest.json").is_file() and not (path / ".curate").is_dir()
    folder = path / "dataset" if is_run else path
    if is_run and not folder.is_dir():
        raise UsageError(f"{name} is a run without a dataset yet; curate run … continues it")
    files = shard_paths(folder)
    if not files:
        raise UsageError(
            f"{name} is no dataset: it holds no Parquet files; name a dataset folder, a run or "
            "hub:NAME@REVISION"
        )
    parts = tuple(Part(place_of(file.relative_to(folder).as_posix()), file) for file in files)
    run = path if is_run else (folder / ".curate" / "manifest.json").resolve().parents[2]
    rejected = (run / "rejected").glob("*.parquet") if (run / "manifest.json").is_file() else ()
    return Side(name, folder, parts, tuple(sorted(rejected)))


def place_of(path: str) -> str:
    """The config of a file, and its split unless that is the one to train on.

    >>> place_of("train.parquet"), place_of("reasoning/test-00000-of-00001.parquet")
    ('default', 'reasoning/test')
    """
    config, split = config_of(path) or "default", split_of(path)
    return f"{config}/{split}" if split in ("test", "validation") else config


def located(spec: str) -> Path:
    """The folder that a person names: a path, or `hub:NAME@REVISION`, which is fetched."""
    return fetched(spec) if spec.startswith(PREFIX) else Path(spec)


def equal_parts(before: Side, after: Side) -> tuple[set[Part], set[Part]]:
    """The files of each side that the other has as well, byte for byte, in the same config.

    Their rows need no comparison: hashing a file takes a tenth of the time, measured.
    """
    sizes = [{p.path.stat().st_size for p in side.parts} for side in (before, after)]
    both = sizes[0] & sizes[1]
    sides = (before, after)
    found = [
        {p: (p.config, sha256(p.path)) for p in side.parts if p.path.stat().st_size in both}
        for side in sides
    ]
    shared = {*found[0].values()} & {*found[1].values()}
    a, b = ({part for part, content in one.items() if content in shared} for one in found)
    return a, b


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def id_column(before: Side, after: Side) -> str:
    """The column that names a row in both; UsageError when there is none."""
    for name in IDS:
        if before.columns.get(name) == after.columns.get(name) == "string":
            return name
    has = ", ".join(before.columns)
    raise UsageError(
        f"rows of {before.name} and {after.name} cannot be told apart: both need a text column "
        f"named {' or '.join(IDS[:2])}; {before.name} has {has}"
    )


def texts_of(batch: pa.RecordBatch, column: str) -> Hashes:
    """The hashes of a column of texts; of null as of an empty one."""
    if column not in batch.schema.names:
        return text_hashes([""] * batch.num_rows)
    return text_hashes([text or "" for text in batch.column(column).to_pylist()])
