"""`Difficulty`: prompts of a band of difficulty, by a pilot's pass rates or by a column.

    Difficulty(of="runs/pilot", at_least=0.1, at_most=0.9)      # pass rates: high is easy
    Difficulty(column="level", at_least=3, at_most=5)           # MATH's levels: high is hard

The pilot is an earlier run of these prompts with `Generate(…, keep="all")`, of a small model, say.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import Sample
from curate.step import Context, Step

WORDS = {"easy": 1.0, "medium": 2.0, "hard": 3.0}


class Difficulty(Step):
    """Keeps the prompts with `at_least` <= difficulty <= `at_most`; needs `of` or `column`.

    `of` is a run or a dataset folder; its pass rates are joined by `prompt_id` and written to
    `pass_rate`. A prompt of which no sample was accepted there has the rate 0. Reasons: `too_easy`,
    `too_hard`, and `not_piloted` for prompts that it does not hold, which stay with
    `missing="kept"`.

    `column` is a further column of the prompts: numbers, "Level 5", or easy, medium, hard (1, 2,
    3). Reasons: `too_easy`, `too_hard`, and `untagged` for prompts without it.
    """

    where = frozenset({"of"})  # its files are part of what the data is

    def __init__(
        self,
        of: str | None = None,
        *,
        column: str | None = None,
        at_least: float | None = None,
        at_most: float | None = None,
        missing: str = "dropped",
    ) -> None:
        super().__init__()
        if (of is None) == (column is None):
            raise UsageError("Difficulty needs of=RUN (pass rates) or column=NAME, one of the two")
        if missing not in ("dropped", "kept"):
            raise UsageError(f"Difficulty(missing={missing!r}): 'dropped' or 'kept'")
        low = at_least if at_least is not None else -np.inf
        high = at_most if at_most is not None else np.inf
        if low > high:
            raise UsageError(f"Difficulty: at_least={at_least} is above at_most={at_most}")
        self.of, self.column, self.low, self.high, self.missing = of, column, low, high, missing
        self._files: list[Path] = []

    def prepare(self, context: Context) -> None:
        super().prepare(context)
        if self.of is not None:
            self._files = rate_files(context.find(self.of))

    def files(self) -> list[Path]:
        return self._files

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        rates = Rates(self._files) if self.of is not None else None
        for document in data:
            if rates is not None:
                found = rates.of(document.metadata["prompt_id"])
                document.metadata["pass_rate"] = found
            else:
                found = as_number(Sample.from_document(document).checks.get(self.column or ""))
            if found is None:
                if self.missing == "kept":
                    yield document
                else:
                    self.drop(document, "untagged" if rates is None else "not_piloted")
            elif self.low <= found <= self.high:
                yield document
            else:
                is_easy = (found > self.high) == (rates is not None)
                self.drop(document, "too_easy" if is_easy else "too_hard", f"{found:g}")


def as_number(tag: Any) -> float | None:
    """The number of a tag of difficulty, None where it has none.

    >>> as_number(5), as_number("Level 5"), as_number("Hard"), as_number("?")
    (5.0, 5.0, 3.0, None)
    """
    if isinstance(tag, bool):
        return None
    if isinstance(tag, int | float):
        return None if tag != tag else float(tag)
    if not isinstance(tag, str):
        return None
    if (word := tag.strip().lower()) in WORDS:
        return WORDS[word]
    number = re.search(r"-?\d+(?:\.\d+)?", tag)
    return float(number.group()) if number else None


def rate_files(folder: Path) -> list[Path]:
    """The files of a run (its dataset and what it refused) or of a dataset folder."""
    inside = [(folder / "dataset", "[!.]*/*"), (folder, "data/*"), (folder, "*")]
    found = (sorted(place.glob(f"{names}.parquet")) for place, names in inside)
    rows = next(filter(None, found), [])
    if not rows:
        raise UsageError(f"Difficulty: there is no run or dataset with Parquet files in {folder}")
    return rows + sorted((folder / "rejected").glob("*.parquet"))


class Rates:
    """The pass rates of a pilot by prompt, 12 bytes each."""

    def __init__(self, files: Iterable[Path]) -> None:
        keys, rates = [np.empty(0, "<u8")], [np.empty(0, "<f4")]
        for path in files:
            for names, said in _rates_in(path):
                keys.append(np.array([_key(name) for name in names], "<u8"))
                rates.append(np.array(said, "<f4"))
        self._keys, first = np.unique(np.concatenate(keys), return_index=True)
        self._rates = np.concatenate(rates)[first]
        if not len(self._keys):
            raise UsageError(
                "Difficulty: the pilot has no pass rates; run it with Generate(…, keep='all')"
            )

    def of(self, prompt_id: str) -> float | None:
        """The pass rate of a prompt, None when it was not asked."""
        key = np.uint64(_key(prompt_id))
        at = int(self._keys.searchsorted(key))
        is_there = at < len(self._keys) and self._keys[at] == key
        return float(self._rates[at]) if is_there else None


def _rates_in(path: Path) -> Iterator[tuple[list[str], list[float]]]:
    """Prompts and their rates, some at a time; what says nothing of a prompt is left out."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    columns = {"prompt_id", "pass_rate", "reason"} & set(file.schema_arrow.names)
    if not {"prompt_id", "pass_rate"} <= columns:
        raise UsageError(f"Difficulty: {path} has no columns prompt_id and pass_rate")
    for batch in file.iter_batches(columns=sorted(columns)):
        values = batch.to_pydict()
        reasons = values.get("reason") or [None] * len(batch)
        rows = [
            (name, rate or 0.0)
            for name, rate, reason in zip(
                values["prompt_id"], values["pass_rate"], reasons, strict=True
            )
            if name and (rate is not None or reason == "no_sample_accepted")
        ]
        yield [name for name, _ in rows], [rate for _, rate in rows]


def _key(prompt_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(prompt_id.encode(), digest_size=8).digest(), "little")
