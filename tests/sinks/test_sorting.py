"""Sorting with spills gives what sorting in memory gives."""

from __future__ import annotations

import random
from operator import itemgetter
from pathlib import Path

import pytest

from curate.sample import sort_key
from curate.sinks import sorting
from curate.sinks.sorting import Sorter, batches, sorted_rows
from tests.sinks.made import samples


@pytest.mark.parametrize(
    "memory_mb", [256, 0.05, 0.001], ids=["no spill", "some runs", "a run a row"]
)
def test_sorts_samples_whatever_fits_into_memory(tmp_path: Path, memory_mb: float) -> None:
    rows = [s.to_row() for s in samples(60)]
    scratch = tmp_path / "scratch"
    assert list(sorted_rows(rows, scratch, memory_mb=memory_mb)) == sorted(rows, key=sort_key)
    assert not list(scratch.glob("*"))


def test_spills_and_merges_in_several_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "RUNS_AT_ONCE", 3)
    sorter = Sorter[dict[str, int]](tmp_path, key=itemgetter("n"), memory_mb=0.02)
    numbers = list(range(100))
    random.Random(1).shuffle(numbers)
    for n in numbers:
        sorter.add({"n": n})
    assert len(list(tmp_path.glob("*"))) > 9
    assert [row["n"] for row in sorter.rows()] == list(range(100))


def test_rows_of_any_shape_come_back_whole(tmp_path: Path) -> None:
    rows = [
        {"id": "b", "metadata": {"x": [1, None, "é\u2028"]}},
        {"id": "a", "metadata": {"y": 0.1}},
    ]
    assert list(sorted_rows(rows, tmp_path, key=itemgetter("id"), memory_mb=0)) == rows[::-1]


def test_batches_end_at_the_limit() -> None:
    rows = [{"text": "x" * size} for size in (4, 4, 9, 1)]
    assert [len(batch) for batch in batches(rows, 8)] == [2, 1, 1]
