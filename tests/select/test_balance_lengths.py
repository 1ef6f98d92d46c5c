"""Over all pairs the chosen answers are as long as the rejected ones."""

from __future__ import annotations

import random
from math import exp, log1p

import pytest
from datatrove.data import Document
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import RunError, UsageError
from curate.select import BalanceLengths
from tests.select.passing import Passed, group, passed, scored

JUDGE = "Pairs:Gap(TextAnswer)"


def pair(number: int, chosen: int, rejected: int, domain: str = "helpful") -> list[Document]:
    """The halves of a pair with these lengths."""
    halves = group("c" * chosen, "r" * rejected, prompt=f"{number:016x}", domain=domain)
    return [scored(halves[0], JUDGE, 1.0), scored(halves[1], JUDGE, 0.0)]


def ratio(found: Passed, domain: str = "helpful") -> float:
    """The geometric mean of the chosen ones' lengths over the rejected ones'."""
    kept = [d for d in found.kept if d.metadata["domain"] == domain]
    signed = [log1p(len(d.text)) * (1 if d.text[0] == "c" else -1) for d in kept]
    return exp(sum(signed) / (len(kept) / 2)) if kept else 1.0


def test_what_is_balanced_stays_whole() -> None:
    documents = [d for n in range(20) for d in pair(n, 100 + n % 2, 101 - n % 2)]
    assert len(passed(BalanceLengths(), documents).kept) == 40


def test_the_pairs_that_pull_most_go_first_and_with_both_halves() -> None:
    documents = [d for n in range(10) for d in pair(n, 100, 100)] + pair(11, 199, 100)
    found = passed(BalanceLengths(), [*documents, *pair(12, 130, 100)])
    assert found.reasons == dict.fromkeys((f"{11:016x}-0", f"{11:016x}-1"), "length_balance")
    assert 1.0 < ratio(found) < 1.05


def test_each_domain_is_balanced_for_itself() -> None:
    rng = random.Random(5)
    documents: list[Document] = []
    for n in range(400):
        longer, shorter = rng.randint(80, 200), rng.randint(60, 140)
        sizes = (longer, shorter) if n % 2 else (shorter, longer)
        documents += pair(n, *sizes, domain="helpful" if n % 2 else "harmless")
    found = passed(BalanceLengths(), documents)
    assert 1 < ratio(found, "helpful") <= 1.05
    assert 1 / 1.05 <= ratio(found, "harmless") < 1
    assert len(found.kept) > 200  # more than half of the pairs


LENGTHS = st.tuples(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["a", "b"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(LENGTHS, max_size=30), st.floats(0.01, 0.5))
def test_the_rest_is_balanced_whatever_came_and_the_same_for_any_number_of_tasks(
    lengths: list[tuple[int, int, str]], within: float
) -> None:
    documents = [d for n, (c, r, domain) in enumerate(lengths) for d in pair(n, c, r, domain)]
    one = passed(BalanceLengths(within=within), documents)
    three = passed(BalanceLengths(within=within), documents, tasks=3)
    assert sorted(one.ids) == sorted(three.ids)
    assert all(one.ids.count(i) == 1 for i in one.ids) and len(one.ids) % 2 == 0
    for domain in ("a", "b"):
        assert 1 / (1 + within) - 1e-9 <= ratio(one, domain) <= 1 + within + 1e-9


def test_only_what_the_judge_sees_is_measured() -> None:
    said = ("<think>" + "t" * 500 + "</think>cc", "<think>t</think>rr")
    documents = []
    for n in range(4):
        halves = group(*said, prompt=f"{n:x}", domain="helpful")
        documents += [scored(halves[0], JUDGE, 0.9), scored(halves[1], JUDGE, 0.1)]
    assert len(passed(BalanceLengths(), documents).kept) == 8
    assert not passed(BalanceLengths(sees={"helpful": "completion"}), documents).kept


def test_a_sample_of_no_pair_is_refused_with_what_is_missing() -> None:
    with pytest.raises(RunError, match=r"p-0 is of no pair; put Pairs\(…\) before it"):
        passed(BalanceLengths(), group("a"))


def test_a_share_of_nothing_or_of_all_is_refused() -> None:
    with pytest.raises(UsageError, match="within=0"):
        BalanceLengths(within=0)
