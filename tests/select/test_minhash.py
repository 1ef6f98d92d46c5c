"""How alike two texts are: exact for short ones, within bounds for long ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.select.minhash import SKETCH, bands, likeness, rows_for, sketches
from curate.select.tokens import mixed, starts_of

CASES = Path(__file__).parents[2] / "../shared/cases/textdedup-jaccard.jsonl"


def sketched(*texts: set[int]) -> object:
    features = [mixed(np.array(sorted(t), np.uint64) + np.uint64(1)) for t in texts]
    return sketches(np.concatenate(features), starts_of(np.array([len(f) for f in features])))


def alike(a: set[int], b: set[int]) -> float:
    of = sketched(a, b)
    found = likeness(of, np.array([0, 1]), np.array([1, 0]))  # type: ignore[arg-type]
    assert found.jaccard[0] == found.jaccard[1]
    return float(found.jaccard[0])


SMALL = st.sets(st.integers(0, 60), min_size=1, max_size=50)


@given(SMALL, SMALL)
def test_short_texts_are_compared_exactly(a: set[int], b: set[int]) -> None:
    assert alike(a, b) == pytest.approx(len(a & b) / len(a | b))


@given(SMALL, SMALL)
def test_a_text_within_another(a: set[int], b: set[int]) -> None:
    of = sketched(a, b, a | b)
    found = likeness(of, np.array([0, 0, 1]), np.array([2, 1, 2]))  # type: ignore[arg-type]
    assert found.within.tolist() == [True, a <= b or b <= a, True]


@pytest.mark.parametrize("shared", [0, 2000, 5000, 8000, 9500, 10_000])
def test_long_texts_are_estimated(shared: int) -> None:
    errors = []
    for seed in range(20):
        first = seed * 100_000
        a = set(range(first, first + 10_000))
        b = set(range(first + 10_000 - shared, first + 20_000 - shared))
        errors.append(alike(a, b) - shared / (20_000 - shared))
    true = shared / (20_000 - shared)
    deviation = (true * (1 - true) / SKETCH) ** 0.5
    assert abs(np.mean(errors)) <= 4 * deviation / 20**0.5
    assert np.max(np.abs(errors)) <= 4 * deviation


def test_of_different_lengths() -> None:
    a, b = set(range(5000)), set(range(100))
    assert alike(a, b) == pytest.approx(100 / 5000, abs=0.04)
    assert alike(b, set(range(99))) == 0.99


@pytest.mark.skipif(not CASES.exists(), reason="../shared/cases is not here")
def test_given_cases() -> None:
    with CASES.open() as lines:
        cases = [json.loads(line) for line in lines]
    words = {w: i for i, w in enumerate(sorted({w for c in cases for w in c["a"] + c["b"]}))}
    for case in cases:
        a, b = ({words[w] for w in case[side]} for side in "ab")
        # A text without words is one feature of its own, so that empty texts are the same.
        assert alike(a, b) == pytest.approx(case["jaccard"], abs=1e-4)
    assert len(cases) == 9


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9])
def test_pairs_at_the_threshold_share_a_band(similarity: float) -> None:
    shared = round(200 * 2 * similarity / (1 + similarity))
    found = 0
    for seed in range(200):
        first = seed * 1000
        of = sketched(
            set(range(first, first + 200)), set(range(first + 200 - shared, first + 400 - shared))
        )
        numbers = bands(of, rows_for(similarity))  # type: ignore[arg-type]
        found += bool((numbers[:, 0] == numbers[:, 1]).any())
    assert found >= 196


def test_unlike_texts_share_no_band() -> None:
    of = sketched(*({n * 1000 + i for i in range(100)} for n in range(50)))
    numbers = bands(of, rows_for(0.8))  # type: ignore[arg-type]
    assert all(len(set(band.tolist())) == 50 for band in numbers)


def test_nothing_to_compare() -> None:
    of = sketches(np.empty(0, np.uint64), np.zeros(1, np.int64))
    assert bands(of, 2).shape == (16, 0)
