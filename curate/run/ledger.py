"""What became of every document of a task: numbers for the funnel, and the refused rows themselves.

The law: for every step, in + made = out + dropped + failed. A stage whose numbers break it fails.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datatrove.data import Document

from curate.errors import FunnelError
from curate.sample import COLUMNS, is_prompt_document, schema
from curate.step import Unit

BATCH = 500
"""Refused rows held in memory at most; of long answers about 10 MB."""


@dataclass
class Row:
    """One line of the funnel."""

    step: str
    unit: Unit
    into: int = 0
    made: int = 0
    out: int = 0
    failed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def missing(self) -> int:
        """Documents that nobody accounts for; 0 when the law holds."""
        return self.into + self.made - self.out - self.failed - self.dropped.total()

    def add(self, other: Row) -> None:
        self.into += other.into
        self.made += other.made
        self.out += other.out
        self.failed += other.failed
        self.dropped.update(other.dropped)

    def to_json(self) -> dict[str, Any]:
        """The line as `funnel.json` has it: reasons by how often they were given."""
        dropped = dict(sorted(self.dropped.items(), key=lambda item: (-item[1], item[0])))
        return {
            **{"step": self.step, "unit": self.unit, "in": self.into, "made": self.made},
            **{"out": self.out, "dropped": dropped, "failed": self.failed},
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Row:
        numbers = {"into": row["in"], "made": row["made"], "out": row["out"]}
        return cls(
            row["step"],
            row["unit"],
            **numbers,
            failed=row["failed"],
            dropped=Counter(row["dropped"]),
        )


def rejected_schema() -> Any:
    """Columns of `rejected/*.parquet`: why a row was refused, and the row."""
    import pyarrow as pa

    why = [pa.field(name, pa.string()) for name in ("step", "reason", "detail")]
    return pa.schema([*list(schema())[:2], *why, *list(schema())[2:]])


class TaskLedger:
    """The ledger of one task; `commit` makes its numbers and refused rows appear."""

    def __init__(self, stage: Path, rank: int) -> None:
        self._numbers = stage / "numbers" / f"{rank:05d}.json"
        self._rejected = stage / "rejected" / f"{rank:05d}.parquet"
        self._rows: dict[tuple[str, Unit], Row] = {}
        self._notes: dict[str, Any] = {}
        self._batch: list[dict[str, Any]] = []
        self._writer: Any = None

    def count(self, label: str, unit: Unit, **numbers: int) -> None:
        row = self.row(label, unit)
        for name, number in numbers.items():
            setattr(row, name, getattr(row, name) + number)

    def row(self, label: str, unit: Unit) -> Row:
        return self._rows.setdefault((label, unit), Row(label, unit))

    def note(self, name: str, value: Any) -> None:
        self._notes[name] = value

    def drop(
        self, label: str, unit: Unit, document: Document, reason: str, *, detail: str, failed: bool
    ) -> None:
        if failed:
            self.row(label, unit).failed += 1
        else:
            self.row(label, unit).dropped[kind_of(reason)] += 1
        self._batch.append(
            rejected_row(document) | {"step": label, "reason": reason, "detail": detail}
        )
        if len(self._batch) >= BATCH:
            self._flush()

    def commit(self) -> None:
        """Makes numbers and refused rows appear; the rows first, so that numbers never count rows
        that are not there.
        """
        self._flush()
        if self._writer:
            self._writer.close()
            os.replace(self._part, self._rejected)
        self._numbers.parent.mkdir(parents=True, exist_ok=True)
        rows = [row.to_json() for row in self._rows.values()]
        part = self._numbers.with_suffix(".part")
        part.write_text(json.dumps({"funnel": rows, "notes": self._notes}))
        os.replace(part, self._numbers)

    @property
    def _part(self) -> Path:
        return self._rejected.with_suffix(".parquet.part")

    def _flush(self) -> None:
        if not self._batch:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._writer is None:
            self._rejected.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._part, rejected_schema(), compression="zstd")
        self._writer.write_table(pa.Table.from_pylist(self._batch, rejected_schema()))
        self._batch.clear()


def kind_of(reason: str) -> str:
    """The reason as it is counted: which one it duplicates is for the row.

    >>> kind_of("duplicate_of:0a1b-5f3c"), kind_of("MathAnswer:unjudged")
    ('duplicate_of', 'MathAnswer:unjudged')
    """
    kind, _, _ = reason.partition(":")
    return kind if kind.endswith(("_of", "_by")) else reason


def rejected_row(document: Document) -> dict[str, Any]:
    """A refused document as a row; what never became a prompt has only its text, and no id."""
    if not document.id:
        return {"problem": document.text}
    row = {name: document.metadata.get(name) for name in COLUMNS}
    if is_prompt_document(document):
        return row | {"id": None, "k": None, "problem": document.text}
    turn = {"role": "assistant", "content": document.text}
    return row | {"id": document.id, "completion": [turn]}


def stage_funnel(
    stage: Path, labels: Iterable[tuple[str, Unit]]
) -> tuple[list[Row], dict[str, Any]]:
    """The funnel of a finished stage, summed over its tasks, and the notes of its steps.

    `labels` are its steps in order with the unit to show where nothing went in. Raises FunnelError
    when a row breaks the law.
    """
    rows: dict[tuple[str, str], Row] = {}
    notes: dict[str, Any] = {}
    for path in sorted((stage / "numbers").glob("*.json")):
        numbers = json.loads(path.read_text())
        for row in map(Row.from_json, numbers["funnel"]):
            rows.setdefault((row.step, row.unit), Row(row.step, row.unit)).add(row)
        for name, value in numbers["notes"].items():
            notes[name] = together(name, notes.get(name), value)
    ordered: list[Row] = []
    for label, unit in labels:
        found = [row for (step, _), row in rows.items() if step == label]
        ordered += found or [Row(label, unit)]
    for row in ordered:
        if row.missing:
            raise FunnelError(
                f"step {row.step} lost track of {row.missing} {row.unit}: {row.into} in + "
                f"{row.made} made is not {row.out} out + {row.dropped.total()} dropped + "
                f"{row.failed} failed; "
                "a step of your own says self.drop(document, reason) for what it leaves out"
            )
    return ordered, notes


def together(name: str, before: Any, value: Any) -> Any:
    """One note of two: numbers add up, datasets are a list that grows, else the last one counts."""
    if name == "numbers":
        return add(before or {}, value)
    return {**(before or {}), **value} if name == "datasets" else value


def add(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    """The sums of two tasks' numbers.

    >>> add({"requests": 1}, {"requests": 2, "retries": 1})
    {'requests': 3, 'retries': 1}
    """
    return {name: a.get(name, 0) + b.get(name, 0) for name in {**a, **b}}
