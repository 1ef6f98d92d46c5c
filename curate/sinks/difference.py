"""What changed between two datasets: rows, columns, lengths, rules, and why rows came or went.

    difference = compare(Path("runs/a/dataset"), Path("runs/b"))
    difference.bump(), difference.text(), difference.changelog("1.1.0", "2026-11-22")

Rows are the same by their id. Both datasets are read side by side, some rows at a time, and only
hashes of rows whose partner has not come yet are kept: with the rows in one order (as curate writes
them) memory is 46 bytes a row at most (measured), whatever the texts are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.errors import UsageError
from curate.sinks.difference_about import About, about
from curate.sinks.difference_hashes import Hashes, cell_hashes, text_hashes
from curate.sinks.difference_reasons import reasons_for
from curate.sinks.difference_side import Part, Side, equal_parts, id_column, open_side, texts_of
from curate.sinks.difference_totals import COLUMNS, DIMENSIONS, Tally, Totals
from curate.step import unheard

if TYPE_CHECKING:
    import pyarrow as pa

Bump = Literal["major", "minor", "patch"]
QUESTION = ("problem", "check", "answer")
"""What makes two prompts one question, whatever their id."""
PLACE = "(config)"
"""Stands among the columns of a changed row that has moved to another config or split."""


class Changed(NamedTuple):
    """One row that is not in both datasets as it is."""

    sign: Literal["+", "-", "~"]
    id: str
    columns: tuple[str, ...] = ()
    """Of a changed row: where its values differ."""


@dataclass(frozen=True)
class Schema:
    """What became of the columns."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    retyped: tuple[tuple[str, str, str], ...] = ()
    """(column, type before, type after)"""


@dataclass
class Difference:
    """What is different in `after`."""

    before: Side
    after: Side
    id_column: str
    schema: Schema
    about: About
    """What differs in how they were made and in what is said of them."""
    totals: tuple[Totals, Totals] = field(default_factory=lambda: (Totals(), Totals()))
    added: Tally = field(default_factory=Tally)
    removed: Tally = field(default_factory=Tally)
    changed: Tally = field(default_factory=Tally)
    """By what the rows say in `after`."""
    columns: Counter[str] = field(default_factory=Counter)
    """Of changed rows: how often each column differs."""
    renamed_prompts: int = 0
    """Questions that both have, under ids that the other does not know."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Removed rows by the reason for which the run of `after` left them out."""
    let_in: Counter[str] = field(default_factory=Counter)
    """Added rows by the reason for which the run of `before` had left them out."""

    @property
    def has_other_rows(self) -> bool:
        return bool(self.added.rows or self.removed.rows or self.changed.rows)

    @property
    def removed_configs(self) -> tuple[str, ...]:
        return tuple(name for name in self.before.configs if name not in self.after.configs)

    def bump(self) -> Bump | None:
        """What the next version is; None when nothing differs.

        Major: who reads `before` cannot read `after` without a change (a column is gone or has
        another type, a config is gone, unchanged prompts have other ids). Minor: rows or columns
        are new, gone or changed. Patch: only the card, the licence or what is told of the run.
        """
        schema = self.schema
        if schema.removed or schema.retyped or self.removed_configs or self.renamed_prompts:
            return "major"
        if self.has_other_rows or schema.added or self.before.configs != self.after.configs:
            return "minor"
        return "patch" if self.about else None

    def text(self) -> str:
        """The report for a terminal."""
        from curate.sinks.difference_text import report

        return report(self)

    def changelog(self, version: str, date: str) -> str:
        """A section of CHANGELOG.md."""
        from curate.sinks.difference_text import section

        return section(self, version, date)

    def json(self) -> dict[str, Any]:
        """The same figures for programs."""
        from curate.sinks.difference_text import as_json

        return as_json(self)


def compare(
    a: Path,
    b: Path,
    *,
    names: tuple[str | None, str | None] = (None, None),
    each: Callable[[Changed], None] | None = None,
    report: Callable[[Mapping[str, float]], None] = unheard,
) -> Difference:
    """What changed from the dataset or run `a` to `b`; `each` gets every row that differs.

    Ids are compared by 64-bit hashes: of 20 million rows two share one by chance with a probability
    of 1 in 90,000. Raises UsageError where there is no dataset, no column with ids in both, or an
    id stands on two rows of one dataset.
    """
    before, after = open_side(a, names[0]), open_side(b, names[1])
    if empty := next((side for side in (before, after) if not side.columns), None):
        raise UsageError(f"{empty.name} has no columns")
    key = id_column(before, after)
    equal = equal_parts(before, after)
    beside = about(before, after, shards=not are_same(before, after, equal))
    found = Difference(before, after, key, schema_of(before, after), beside)
    walk = Walk(found, equal, each=each, report=report)
    walk.go()
    return walk.found


def are_same(before: Side, after: Side, equal: tuple[set[Part], set[Part]]) -> bool:
    """True when both have the same files under the same names."""
    names = [[p.path.relative_to(s.folder) for p in s.parts] for s in (before, after)]
    return names[0] == names[1] and len(equal[0]) == len(before.parts) == len(equal[1])


def schema_of(before: Side, after: Side) -> Schema:
    """What became of the columns."""
    old, new = before.columns, after.columns
    return Schema(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        retyped=tuple((n, old[n], new[n]) for n in old if n in new and old[n] != new[n]),
    )


class Ids:
    """Which ids a side has that the other has not, and which both have."""

    def __init__(self, before: Side, after: Side, key: str) -> None:
        a, b = unique_ids(before, key), unique_ids(after, key)
        self.common: Hashes = np.intersect1d(a, b, assume_unique=True)
        self.counts = (len(a), len(b))

    def are_common(self, ids: Hashes) -> NDArray[np.bool_]:
        if not len(self.common):
            return np.zeros(len(ids), bool)
        places = np.minimum(np.searchsorted(self.common, ids), len(self.common) - 1)
        return self.common[places] == ids


def unique_ids(side: Side, key: str) -> Hashes:
    """The sorted hashes of a side's ids; UsageError when one stands on two rows."""
    ids = np.sort(side.hashes_of(key))
    doubles = int((ids[1:] == ids[:-1]).sum())
    if doubles:
        raise UsageError(
            f"{side.name}: the column `{key}` does not name rows: {doubles:,} of {len(ids):,} "
            "repeat an id; rows without ids of their own cannot be compared"
        )
    return ids


class Walk:
    """Reads both sides, that of `before` always a little ahead, and fills a `Difference`."""

    def __init__(
        self,
        found: Difference,
        equal: tuple[set[Part], set[Part]],
        *,
        each: Callable[[Changed], None] | None,
        report: Callable[[Mapping[str, float]], None],
    ) -> None:
        self.found, self.each, self.report = found, each, report
        retyped = {name for name, _, _ in found.schema.retyped}
        self.columns = tuple(
            n for n in found.before.columns if n in found.after.columns and n not in retyped
        )
        self.sides, self.equal = (found.before, found.after), equal
        self.ids = Ids(found.before, found.after, found.id_column)
        self.waiting: dict[int, bytes] = {}
        """Rows of `before` whose partner has not come: the hashes of their cells."""
        self.early: dict[int, tuple[bytes, str, pa.RecordBatch]] = {}
        """Rows of `after` that came first, with their config and the row itself."""
        self.only: tuple[list[Hashes], list[Hashes]] = ([], [])
        """Of the rows that one side has alone: id, prompt and question."""
        self.read = [0, 0]

    def go(self) -> None:
        self._equal()
        before = self._before()
        ahead, needed = 0, 0
        for config, batch in self._others(1):
            keys = texts_of(batch, self.found.id_column)
            common = self.ids.are_common(keys)
            needed += int(common.sum())
            while ahead < needed and (more := next(before, None)) is not None:
                ahead += more
            self._alone(1, config, batch, keys, common)
            self._of_after(config, batch.filter(mask(common)), keys[common])
            self._count(1, config, batch)
        for _ in before:
            pass
        self._conclude()

    def _equal(self) -> None:
        """Counts the rows of files that both sides have; of them no text is read."""
        for side, of, parts in zip((0, 1), self.sides, self.equal, strict=True):
            chosen = [part for part in of.parts if part in parts]
            for config, batch in of.batches(COLUMNS, chosen):
                self._count(side, config, batch)

    def _others(self, side: int) -> Iterator[tuple[str, pa.RecordBatch]]:
        of = self.sides[side]
        return of.batches(parts=[part for part in of.parts if part not in self.equal[side]])

    def _before(self) -> Iterator[int]:
        """Takes one batch of `before` after the other; yields how many of its rows are common."""
        for config, batch in self._others(0):
            keys = texts_of(batch, self.found.id_column)
            common = self.ids.are_common(keys)
            self._alone(0, config, batch, keys, common)
            rows = batch.filter(mask(common))
            for key, cells in self._cells(config, rows, keys[common]):
                if key in self.early:
                    other, its_config, row = self.early.pop(key)
                    self._differs(its_config, row, 0, cells, other)
                else:
                    self.waiting[key] = cells
            self._count(0, config, batch)
            yield int(common.sum())

    def _of_after(self, config: str, batch: pa.RecordBatch, keys: Hashes) -> None:
        told = [n for n in (self.found.id_column, *DIMENSIONS) if n in batch.schema.names]
        short = batch.select(told)  # no text is held for a row that waits
        for number, (key, cells) in enumerate(self._cells(config, batch, keys)):
            other = self.waiting.pop(key, None)
            if other is None:
                self.early[key] = (cells, config, short.slice(number, 1))
            elif other != cells:
                self._differs(config, batch, number, other, cells)

    def _cells(
        self, config: str, batch: pa.RecordBatch, keys: Hashes
    ) -> Iterator[tuple[int, bytes]]:
        place = np.repeat(text_hashes([config]), batch.num_rows)
        cells = np.column_stack([cell_hashes(batch, self.columns), place])
        return zip(keys.tolist(), map(np.ndarray.tobytes, cells), strict=True)

    def _differs(self, config: str, batch: Any, number: int, a: bytes, b: bytes) -> None:
        """Notes a row that both have and that is not the same."""
        if a == b:
            return
        unequal = np.frombuffer(a, np.uint64) != np.frombuffer(b, np.uint64)
        compared = (*self.columns, PLACE)
        names = tuple(name for name, other in zip(compared, unequal, strict=True) if other)
        self.found.changed.add(config, batch.slice(number, 1))
        self.found.columns.update(names)
        if self.each:
            self.each(Changed("~", batch.column(self.found.id_column)[number].as_py(), names))

    def _alone(
        self, side: int, config: str, batch: pa.RecordBatch, keys: Hashes, common: Any
    ) -> None:
        """Notes the rows that the other side does not have."""
        if common.all():
            return
        rows = batch.filter(mask(~common))
        (self.found.removed, self.found.added)[side].add(config, rows)
        prompts = texts_of(rows, "prompt_id")
        questions = cell_hashes(rows, QUESTION)
        self.only[side].append(np.column_stack([keys[~common], prompts, text_keys(questions)]))
        if self.each:
            for name in rows.column(self.found.id_column).to_pylist():
                self.each(Changed("+" if side else "-", name or ""))

    def _count(self, side: int, config: str, batch: pa.RecordBatch) -> None:
        self.found.totals[side].add(config, batch)
        self.read[side] += batch.num_rows
        self.report({"rows": sum(self.read), "of": sum(self.ids.counts)})

    def _conclude(self) -> None:
        """What can be said when all rows were seen: renamed prompts, and reasons."""
        found = self.found
        nothing = np.empty((0, 3), np.uint64)
        gone, new = (np.concatenate([nothing, *rows]) for rows in self.only)
        if {"problem", "prompt_id"} <= {*self.columns}:
            found.renamed_prompts = renamed(found.before, found.after, gone, new)
        found.left_out = reasons_for(gone, found.after.rejected)
        found.let_in = reasons_for(new, found.before.rejected)


def renamed(before: Side, after: Side, gone: Any, new: Any) -> int:
    """How many questions lost a prompt id that is nowhere in `after`, and have one that was nowhere
    in `before`.
    """
    if not len(gone) or not len(new):
        return 0
    lost = gone[~np.isin(gone[:, 1], after.hashes_of("prompt_id"))][:, 2]
    found = new[~np.isin(new[:, 1], before.hashes_of("prompt_id"))][:, 2]
    return len(np.intersect1d(lost, found))


def text_keys(cells: NDArray[np.uint64]) -> Hashes:
    """One hash for each row of hashes."""
    return text_hashes([row.tobytes() for row in cells])  # type: ignore[misc]


def mask(chosen: NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.array(chosen)
