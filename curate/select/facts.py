"""What `Dedup` remembers of each document between its passes: one Arrow file a task.

    id, prompt_id, domain, source, k  what names the document, and where it stands in a dataset
    grouped                           whether it stands for the samples of a prompt
    answer                            the gold answer of a problem, or null
    rank                              the smaller, the sooner it is kept
    key, whole, diagram, answered     hashes: of its name, its text, its pictures, its answer
    band_00 …, sketch                 how alike it is to others (see `minhash`)

The files are mapped, not read, and no page stays mapped behind its batch: a column of ten million
rows is one array of 80 MB while it is used, and sketches are read for the rows that are compared.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.select.minhash import BANDS, Sketches
from curate.select.tokens import Hashes, Positions, starts_of

FACTS = ".facts.arrow"
NUMBERS = ("key", "whole", "diagram", "answered")
BAND_NAMES = tuple(f"band_{i:02d}" for i in range(BANDS))
NAMES = ("id", "prompt_id", "domain", "source")


def schema(*, sketched: bool) -> pa.Schema:
    """The columns of a task's file; `sketched` where texts may be alike without being equal."""
    names = [(name, pa.large_string()) for name in (*NAMES, "answer")]
    rest = [("k", pa.int32()), ("grouped", pa.bool_()), ("rank", pa.float64())]
    numbers = [(name, pa.uint64()) for name in (*NUMBERS, *(BAND_NAMES if sketched else ()))]
    drawn = [("sketch", pa.large_list(pa.uint32()))] if sketched else []
    return pa.schema([*names, *rest, *numbers, *drawn])


class Facts:
    """The facts of all tasks, as columns; rows are numbered through, task after task."""

    def __init__(self, folder: Path, tasks: int) -> None:
        self.paths = [facts_path(folder, rank) for rank in range(tasks)]
        sizes = [[len(batch) for batch in batches(path, ("key",))] for path in self.paths]
        self.task_starts = starts_of(np.array([sum(s) for s in sizes], np.int64))
        self._batch_counts = [len(s) for s in sizes]
        self._batch_starts = starts_of(np.array([n for s in sizes for n in s], np.int64))

    def __len__(self) -> int:
        return int(self.task_starts[-1])

    def column(self, name: str) -> NDArray[Any]:
        """A column of numbers, of every row."""
        found = [
            np.array(batch.column(name).to_numpy(zero_copy_only=False))
            for path in self.paths
            for batch in batches(path, (name,))
        ]
        return np.concatenate(found) if found else np.empty(0, np.uint64)

    def table(self, rows: Positions, names: tuple[str, ...]) -> pa.Table:
        """Columns of some rows, which are given in rising order."""
        parts = [
            pa.table([batch.column(name).take(pa.array(inside)) for name in names], list(names))
            for batch, inside in self._parts(rows, names)
        ]
        kept = pa.schema([schema(sketched=True).field(name) for name in names])
        return pa.concat_tables(parts) if parts else kept.empty_table()

    def sketches(self, rows: Positions) -> Sketches:
        """The sketches of some rows, which are given in rising order."""
        values, sizes = [], []
        for batch, inside in self._parts(rows, ("sketch",)):
            column = batch.column("sketch")
            whole = Sketches(column.values.to_numpy(), column.offsets.to_numpy())
            part = whole.take(inside)
            values.append(part.values)
            sizes.append(np.diff(part.starts))
        if not sizes:
            return Sketches(np.empty(0, np.uint32), np.zeros(1, np.int64))
        return Sketches(np.concatenate(values), starts_of(np.concatenate(sizes)))

    def _parts(
        self, rows: Positions, names: tuple[str, ...]
    ) -> Iterator[tuple[pa.RecordBatch, Positions]]:
        """The batches with some of the rows, and which of theirs those are; no other is opened."""
        borders = np.searchsorted(rows, self._batch_starts)
        wanted = np.diff(borders) > 0
        first = 0
        for path, count in zip(self.paths, self._batch_counts, strict=True):
            inside = first + np.flatnonzero(wanted[first : first + count])
            found = batches(path, names, inside - first) if len(inside) else ()
            for i, batch in zip(inside.tolist(), found, strict=True):
                yield batch, rows[borders[i] : borders[i + 1]] - self._batch_starts[i]
            first += count


def batches(
    path: Path, names: tuple[str, ...], wanted: Positions | None = None
) -> Iterator[pa.RecordBatch]:
    """Columns of a file's record batches, all or those `wanted`, mapped one after the other.

    What is taken of a batch is to be copied: its pages are let go when the next one is asked for.
    """
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    source = pa.py_buffer(pages)
    columns = pa.ipc.open_file(source).schema
    fields = [columns.get_field_index(name) for name in names]
    reader = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=fields))
    for i in range(reader.num_record_batches) if wanted is None else wanted.tolist():
        yield reader.get_batch(i)
        pages.madvise(mmap.MADV_DONTNEED)


def facts_path(folder: Path, rank: int) -> Path:
    return folder / f"{rank:05d}{FACTS}"


class Decision(NamedTuple):
    """What becomes of a row: another one is kept for it (`keeper`, with how alike they are), or it
    is kept for others (`note`).
    """

    row: int
    keeper: str | None
    likeness: float
    note: str | None


DECISIONS = pa.schema(
    [("row", pa.int64()), ("keeper", pa.large_string()), ("likeness", pa.float64()),
     ("note", pa.large_string())]
)  # fmt: skip


def write_decisions(folder: Path, rank: int, table: pa.Table) -> None:
    """Keeps what becomes of a task's rows, sorted by row; the others stay as they are."""
    path = decisions_path(folder, rank)
    part = path.with_suffix(".part")
    with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, DECISIONS) as writer:
        writer.write_table(table.cast(DECISIONS), max_chunksize=4096)
    part.replace(path)


def read_decisions(folder: Path, rank: int) -> Iterator[Decision]:
    """What becomes of a task's rows, in their order."""
    for batch in batches(decisions_path(folder, rank), tuple(DECISIONS.names)):
        columns = [batch.column(name).to_pylist() for name in DECISIONS.names]
        yield from map(Decision._make, zip(*columns, strict=True))


def decisions_path(folder: Path, rank: int) -> Path:
    return folder / f"{rank:05d}.decisions.arrow"


def as_hash(texts: list[str]) -> Hashes:
    """A hash of each text as it is written."""
    import hashlib

    digests = b"".join(
        hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in texts
    )
    return np.frombuffer(digests, "<u8")
