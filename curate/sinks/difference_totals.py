"""What a whole dataset comes to, added up from Arrow batches: counts, lengths, pass rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.sinks.difference_hashes import kind_of
from curate.sinks.statistics import Judged, Lengths

if TYPE_CHECKING:
    import pyarrow as pa

DIMENSIONS = ("domain", "source", "license", "language", "model", "model_revision")
LENGTHS = ("prompt_tokens", "completion_tokens")
YIELDS = ("samples_tried", "samples_correct", "pass_rate")
COLUMNS = ("prompt_id", *DIMENSIONS, *LENGTHS, *YIELDS, "verdicts")
"""What `Totals.add` reads."""
VERDICTS = "list<struct<name: string, score: float, reason: string>>"


@dataclass
class Tally:
    """Rows by config and by what stands in the columns of `DIMENSIONS`."""

    rows: int = 0
    by: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, config: str, batch: pa.RecordBatch) -> None:
        """Counts the rows of a batch; null counts as an empty text."""
        self.rows += batch.num_rows
        if batch.num_rows:
            self.by.setdefault("config", Counter())[config] += batch.num_rows
        for name in DIMENSIONS:
            if name in batch.schema.names and batch.num_rows:
                counter = self.by.setdefault(name, Counter())
                for pair in batch.column(name).value_counts().to_pylist():
                    counter[str(pair["values"] or "")] += pair["counts"]

    def of(self, dimension: str) -> Counter[str]:
        return self.by.get(dimension, Counter())


@dataclass
class Totals(Tally):
    """The same with lengths, verdicts and yields."""

    prompts: int = 0
    lengths: dict[str, Lengths] = field(default_factory=dict)
    verdicts: dict[str, Judged] = field(default_factory=dict)
    tried: int = 0
    """Samples tried for the prompts that say so, and how many of them were correct."""
    correct: int = 0
    pass_rate_prompts: int = 0
    pass_rate_sum: float = 0.0
    _prompt_id: str | None = None

    @property
    def pass_rate(self) -> float | None:
        """Mean pass rate of the prompts that have one; None where none has."""
        return self.pass_rate_sum / self.pass_rate_prompts if self.pass_rate_prompts else None

    def add(self, config: str, batch: pa.RecordBatch) -> None:
        """Counts the rows of a batch; those of a prompt come one after the other."""
        super().add(config, batch)
        names = batch.schema.names
        for name in LENGTHS:
            if name in names and is_number(batch.column(name)):
                lengths = self.lengths.setdefault(name, Lengths())
                for pair in batch.column(name).value_counts().to_pylist():
                    if pair["values"] is not None:
                        lengths[int(pair["values"])] += pair["counts"]
        if "prompt_id" in names and batch.num_rows:
            self._add_prompts(batch)
        if "verdicts" in names and kind_of(batch.column("verdicts").type) == VERDICTS:
            self._add_verdicts(batch.column("verdicts"))

    def _add_prompts(self, batch: pa.RecordBatch) -> None:
        ids = batch.column("prompt_id").to_pylist()
        starts = [a != b for a, b in zip([self._prompt_id, *ids], ids, strict=False)]
        self._prompt_id = ids[-1]
        self.prompts += sum(starts)
        first = np.asarray(starts)
        columns = {n: batch.column(n) for n in YIELDS if n in batch.schema.names}
        yields = {n: numbers(c)[first] for n, c in columns.items() if is_number(c)}
        if "samples_tried" in yields and "samples_correct" in yields:
            tried, correct = yields["samples_tried"], yields["samples_correct"]
            self.tried += int(np.nansum(tried))
            self.correct += int(np.nansum(correct[~np.isnan(tried)]))
        if "pass_rate" in yields:
            rates = yields["pass_rate"]
            self.pass_rate_prompts += int((~np.isnan(rates)).sum())
            self.pass_rate_sum += float(np.nansum(rates))

    def _add_verdicts(self, column: Any) -> None:
        flat = column.flatten()
        encoded = flat.field("name").dictionary_encode()
        codes = np.asarray(encoded.indices.fill_null(0))
        scores = numbers(flat.field("score"))
        for code, name in enumerate(encoded.dictionary.to_pylist()):
            judged = self.verdicts.setdefault(str(name), Judged())
            own = scores[codes == code]
            known = own[~np.isnan(own)]
            judged.judged += len(known)
            judged.unjudged += len(own) - len(known)
            judged.total += float(known.sum())


def is_number(column: Any) -> bool:
    """Datasets of others may have other things under our names."""
    import pyarrow.types as types

    return types.is_integer(column.type) or types.is_floating(column.type)


def numbers(column: Any) -> Any:
    """A column of numbers as floats, null as not-a-number."""
    import pyarrow as pa

    return np.asarray(column.cast(pa.float64()).fill_null(float("nan")))


def as_json(totals: Totals) -> Mapping[str, Any]:
    """The figures of one side."""
    told: dict[str, Any] = {"rows": totals.rows, "prompts": totals.prompts}
    told |= {name: dict(sorted(counter.items())) for name, counter in totals.by.items()}
    for name, lengths in totals.lengths.items():
        told[name] = {f"p{p}": lengths.percentile(p) for p in (50, 95)} | {"sum": lengths.sum}
    told["verdicts"] = {
        name: {"mean": j.mean, "judged": j.judged, "unjudged": j.unjudged}
        for name, j in sorted(totals.verdicts.items())
    }
    told |= {"samples_tried": totals.tried, "samples_correct": totals.correct}
    return told | {"pass_rate": totals.pass_rate}
