"""pass@k and cons@k against counting all ways to take k of n answers."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.sinks.pass_at_k import consensus_at_k, pass_at_k


@pytest.mark.parametrize("n", range(1, 9))
def test_pass_at_k_is_the_share_of_all_choices_with_a_right_answer(n: int) -> None:
    for right in range(n + 1):
        answers = [True] * right + [False] * (n - right)
        for k in range(1, n + 1):
            ways = [any(chosen) for chosen in combinations(answers, k)]
            assert pass_at_k(n, right, k) == sum(ways) / len(ways)


@pytest.mark.parametrize(("n", "right", "k"), [(64, 3, 16), (200, 1, 100), (1000, 12, 64)])
def test_pass_at_k_is_the_product_of_the_paper(n: int, right: int, k: int) -> None:
    """Chen et al. 2021, figure 3, in fractions."""
    exact = 1 - prod((1 - Fraction(k, i) for i in range(n - right + 1, n + 1)), start=Fraction(1))
    assert pass_at_k(n, right, k) == float(exact)


def test_a_single_right_answer_among_many_is_not_lost_to_rounding() -> None:
    assert pass_at_k(3_000_000, 1, 1) == 1 / 3_000_000
    assert pass_at_k(10_000, 1, 5_000) == 0.5


def test_pass_at_1_is_the_mean() -> None:
    assert [pass_at_k(16, right, 1) for right in range(17)] == [right / 16 for right in range(17)]


@pytest.mark.parametrize(("n", "right", "k"), [(4, 5, 1), (4, 2, 5), (4, 2, 0), (4, -1, 1)])
def test_what_cannot_be(n: int, right: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"pass@{k} of {n}"):
        pass_at_k(n, right, k)


def vote(chosen: tuple[str | None, ...], score: dict[str, Fraction]) -> Fraction:
    """What the most frequent answer is worth, of several the mean; nothing without a vote."""
    votes = [answer for answer in chosen if answer is not None]
    if not votes:
        return Fraction(0)
    most = max(map(votes.count, votes))
    winners = {answer for answer in votes if votes.count(answer) == most}
    return sum((score[answer] for answer in winners), Fraction(0)) / len(winners)


@given(st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_cons_at_k_is_the_mean_over_all_choices(answers: list[str | None]) -> None:
    score = {"a": Fraction(1), "b": Fraction(0), "c": Fraction(1, 2), "d": Fraction(0)}
    classes = [(answers.count(a), float(of)) for a, of in score.items() if a in answers]
    ks = list(range(1, len(answers) + 1))
    found = consensus_at_k(classes, len(answers), ks)
    for k in ks:
        worth = [vote(chosen, score) for chosen in combinations(answers, k)]
        assert found[k] == float(sum(worth, Fraction(0)) / len(worth))


def test_cons_of_all_answers() -> None:
    """A tie of three, one of them right; silence has no vote; nobody votes."""
    assert consensus_at_k([(2, 1.0), (2, 0.0), (2, 0.0), (1, 1.0)], 9)[9] == pytest.approx(1 / 3)
    assert consensus_at_k([(1, 1.0)], 64) == {64: 1.0}
    assert consensus_at_k([], 64) == {64: 0.0}


def test_one_vote_is_one_answer() -> None:
    """cons@1 is pass@1, however many say nothing."""
    assert consensus_at_k([(20, 1.0), (10, 0.0)], 64, [1])[1] == pass_at_k(64, 20, 1)


def test_many_votes_for_the_better_half_approach_certainty() -> None:
    """60 % right answers against one wrong one: as the binomial vote, without replacement."""
    n, right, k = 100, 60, 25
    ways = sum(comb(right, r) * comb(n - right, k - r) for r in range(13, k + 1))
    found = consensus_at_k([(right, 1.0), (n - right, 0.0)], n, [k])[k]
    assert found == pytest.approx(ways / comb(n, k), abs=1e-15)


def test_more_votes_than_answers() -> None:
    with pytest.raises(ValueError, match="5 votes of 4"):
        consensus_at_k([(3, 1.0), (2, 0.0)], 4)
