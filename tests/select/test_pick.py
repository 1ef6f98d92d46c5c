"""`Pick`: which samples of a prompt stay."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import UsageError
from curate.scorers import Length, MathAnswer
from curate.select import Pick
from tests.select.passing import group, passed, scored

WORDS = Length(maximum=3, unit="words")


@pytest.mark.parametrize(
    ("by", "kept"),
    [
        ("shortest", ["p-1", "q-0"]),
        ("longest", ["p-0", "q-1"]),
        ("first", ["p-0", "q-0"]),
        ("different", ["p-1", "q-0"]),
    ],
)
def test_by_rule(by: str, kept: list[str]) -> None:
    documents = group("ccc", "a", "bb") + group("x", "yy", prompt="q")
    assert passed(Pick(1, by=by), documents).ids == kept


def test_several_come_in_the_order_of_their_numbers() -> None:
    assert passed(Pick(2, by="shortest"), group("ccc", "bb", "a")).ids == ["p-1", "p-2"]
    assert passed(Pick(9, by="shortest"), group("a", "b")).ids == ["p-0", "p-1"]


def test_the_rest_is_surplus_and_says_what_was_taken() -> None:
    found = passed(Pick(1, by="shortest"), group("ccc", "a"))
    assert (found.reasons, found.details) == ({"p-0": "surplus"}, {"p-0": "shortest: p-1"})


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        pytest.param(["ccc", "a", "bb", "dddd"], ["p-1", "p-3"], id="both"),
        pytest.param(["aa", "bb", "cc"], ["p-0", "p-1"], id="all equal"),
        pytest.param(["a"], ["p-0"], id="only one"),
    ],
)
def test_shortest_and_longest(texts: list[str], kept: list[str]) -> None:
    assert passed(Pick(2, by=("shortest", "longest")), group(*texts)).ids == kept


def test_rules_choose_in_turn() -> None:
    step = Pick(3, by=("shortest", "longest"))
    assert passed(step, group("a", "bb", "ccc", "dddd")).ids == ["p-0", "p-1", "p-3"]


def test_best_goes_by_the_verdict_that_is_there_then_by_number() -> None:
    documents = [
        scored(d, WORDS.name, s) for d, s in zip(group(*"abcd"), [0.5, None, 0.9, 0.9], strict=True)
    ]
    assert passed(Pick(1, by="best", scorer=WORDS), documents).ids == ["p-2"]
    assert passed(Pick(3, by="best", scorer=WORDS), documents).ids == ["p-0", "p-2", "p-3"]


def test_best_judges_where_there_is_no_verdict() -> None:
    found = passed(Pick(1, by="best", scorer=WORDS), group("one two three four", "one"))
    assert found.ids == ["p-1"]
    assert found.kept[0].metadata["verdicts"][0]["name"] == WORDS.name


def test_different_takes_what_is_least_like_those_taken() -> None:
    base = "we add three and four and get seven at last so it is done"
    near, far = (
        base.replace("done", "so"),
        "count upwards from the larger one until all are used up",
    )
    documents = group(base, near, far, base + " indeed")
    assert passed(Pick(2, by="different"), documents).ids == ["p-1", "p-2"]
    assert passed(Pick(2, by=("first", "different")), documents).ids == ["p-0", "p-2"]


def test_random_is_the_same_draw_whatever_else_is_there() -> None:
    documents = [d for n in range(200) for d in group("a", "b", "c", "d", prompt=f"{n:03d}")]
    picked = passed(Pick(1, by="random"), documents).ids
    assert passed(Pick(1, by="random"), documents, tasks=3).ids != []
    assert set(passed(Pick(1, by="random"), documents, tasks=3).ids) == set(picked)
    assert set(passed(Pick(1, by="random", seed=1), documents).ids) != set(picked)
    numbers = [picked.count(f"{n:03d}-{k}") for k in range(4) for n in range(200)]
    by_k = [sum(numbers[k * 200 : (k + 1) * 200]) for k in range(4)]
    assert sum(by_k) == 200 and min(by_k) > 25  # 50 each expected; 4 standard deviations


@settings(deadline=None)
@given(
    st.lists(st.text("ab ", min_size=1, max_size=9), min_size=1, max_size=6),
    st.integers(1, 4),
    st.sampled_from(["first", "shortest", "longest", "random", "different"]),
    st.randoms(use_true_random=False),
)
def test_as_many_as_there_are_and_no_matter_of_order(
    texts: list[str], n: int, by: str, chance: random.Random
) -> None:
    documents = group(*texts)
    found = passed(Pick(n, by=by), documents)
    assert len(found.ids) == min(n, len(texts))
    assert {*found.ids, *found.reasons} == {d.id for d in documents}
    chance.shuffle(documents)
    assert passed(Pick(n, by=by), documents).ids == found.ids


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda: Pick(by="worst"), "choose one of first, shortest", id="rule"),
        pytest.param(lambda: Pick(0, by="first"), "at least 1", id="none"),
        pytest.param(lambda: Pick(1, by=("first", "longest")), "a sample for each", id="few"),
        pytest.param(lambda: Pick(1, by=()), "at least one rule", id="no rule"),
        pytest.param(lambda: Pick(by="best"), "scorer=", id="no scorer"),
        pytest.param(lambda: Pick(by="first", scorer=MathAnswer()), "belong together", id="scorer"),
    ],
)
def test_arguments_that_make_no_sense(make: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make()
