"""Statistics in one pass equal what sorting everything would give."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from curate.sinks.statistics import Lengths, Statistics
from tests.sinks.made import sample


@given(st.lists(st.integers(0, 50), min_size=1), st.sampled_from([1, 50, 95, 99, 100]))
def test_percentiles_are_nearest_ranks(lengths: list[int], percent: int) -> None:
    rank = -(-percent * len(lengths) // 100)
    assert Lengths(lengths).percentile(percent) == sorted(lengths)[rank - 1]


@given(st.lists(st.integers(0, 10_000), min_size=1), st.integers(1, 40))
def test_histograms_hold_everything_in_adjoining_bars(lengths: list[int], bars: int) -> None:
    found = Lengths(lengths).histogram(bars)
    assert len(found) <= bars
    assert sum(n for _, _, n in found) == len(lengths)
    assert all(b[0] == a[1] + 1 for a, b in pairwise(found))


def test_what_is_of_a_prompt_counts_once_for_it() -> None:
    rows = [sample(1, k, pass_rate=0.5) for k in range(3)] + [sample(2, 0, pass_rate=1.0)]
    statistics = Statistics()
    assert len(list(statistics.watch(s.to_row() for s in rows))) == statistics.rows == 4
    assert statistics.prompts == 2
    assert statistics.per_prompt == {3: 1, 1: 1}
    assert statistics.tried.sum == 8
    assert statistics.correct == 4
    assert statistics.pass_rates == {5: 1, 10: 1}
