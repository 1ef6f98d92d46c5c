"""What a trainer is given, on disk: the documents that come in, and the rows that TRL reads.

Both are Parquet, which `datasets` maps into memory, so 800,000 long answers take no more of it than
a few.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from datatrove.data import Document

from curate.sample import Sample, schema
from curate.sinks.shards import ROW_GROUP_BYTES, rows_of
from curate.sinks.sorting import batches

if TYPE_CHECKING:
    import pyarrow

Row = Mapping[str, Any]
IDS = "ids.txt"
TRAINED_ON = ("id", "prompt_id", "prompt", "completion", "chosen", "rejected", "answer", "check")
"""The columns whose content says what is trained on, where a row has them."""


class MakesRows(Protocol):
    """What this module asks of a trainer."""

    def training_rows(self, rows: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]] | None: ...

    def training_schema(self) -> pyarrow.Schema: ...


@dataclass
class Rows:
    """The rows of one training, and what is told of them."""

    folder: Path
    ids: Path
    """A file with the ids of what is trained on, one a line."""
    documents_file: Path
    train: Path
    """The Parquet file that TRL gets."""
    count: int = 0
    sha256: str = ""
    """Of the text trained on and its ids, in order."""
    licences: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    domains: Counter[str] = field(default_factory=Counter)

    def documents(self) -> Iterator[Document]:
        """What came in, in the order it came."""
        for row in rows_of([self.documents_file]):
            yield Sample.from_row(row).to_document()

    def remove(self) -> None:
        """Frees the place that the rows take."""
        shutil.rmtree(self.folder, ignore_errors=True)


def write_rows(
    step: MakesRows,
    data: Iterable[dict[str, Any]],
    folder: Path,
    report: Callable[[Mapping[str, float]], None],
) -> Rows:
    """Writes what comes in under `folder`/rows, and the ids of what is trained on beside it."""
    place = folder / "rows"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    documents = place / "documents.parquet"
    _write(_reported(data, report), documents, schema())
    made = step.training_rows(rows_of([documents]))
    train = documents
    if made is not None:
        train = place / "train.parquet"
        _write(made, train, step.training_schema())
    rows = Rows(place, folder / IDS, documents, train)
    told = hashlib.sha256()
    with rows.ids.open("w", encoding="utf-8") as ids:
        for row in rows_of([train]):
            ids.write((row.get("id") or row["prompt_id"]) + "\n")
            _count(rows, told, row)
    rows.sha256 = told.hexdigest()
    return rows


def _count(rows: Rows, told: Any, row: Row) -> None:
    import orjson

    told.update(orjson.dumps([row[name] for name in TRAINED_ON if name in row]))
    rows.count += 1
    rows.licences[row.get("license") or "unknown"] += 1
    rows.sources[row.get("source") or "unknown"] += 1
    rows.domains[row.get("domain") or "unknown"] += 1


def _reported(
    rows: Iterable[dict[str, Any]], report: Callable[[Mapping[str, float]], None]
) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows, 1):
        if not number % 500:
            report({"rows": number})
        yield row


def _write(rows: Iterable[dict[str, Any]], path: Path, fields: pyarrow.Schema) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, fields, compression="zstd") as writer:
        for batch in batches(rows, ROW_GROUP_BYTES):
            writer.write_table(pa.Table.from_pylist(batch, schema=fields))
