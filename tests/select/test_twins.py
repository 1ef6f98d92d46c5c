"""Verified and unverified twins have the same prompts and counts."""

from __future__ import annotations

from collections import Counter

import pytest
from datatrove.data import Document
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import UsageError
from curate.scorers import MathAnswer
from curate.select import ByDomain, Keep, Twins
from tests.select.passing import Passed, group, passed, scored

SCORES = st.lists(st.sampled_from([0.0, 1.0, None]), min_size=1, max_size=5)


def given_scores(prompts: list[list[float | None]]) -> list[Document]:
    return [
        scored(document, "MathAnswer", score)
        for n, scores in enumerate(prompts)
        for document, score in zip(
            group(*["x"] * len(scores), prompt=f"{n:02d}"), scores, strict=True
        )
    ]


def per_prompt(found: Passed) -> Counter[str]:
    return Counter(d.metadata["prompt_id"] for d in found.kept)


@settings(deadline=None)
@given(st.lists(SCORES, max_size=6), st.sampled_from([None, 1, 2]))
def test_same_prompts_and_counts(prompts: list[list[float | None]], n: int | None) -> None:
    documents = given_scores(prompts)
    verified = passed(Twins(MathAnswer(), verified=True, per_prompt=n), documents)
    unverified = passed(Twins(MathAnswer(), verified=False, per_prompt=n), documents)
    assert per_prompt(verified) == per_prompt(unverified)
    scores = {d.id: d.metadata["verdicts"][0]["score"] for d in documents}
    assert {scores[id] for id in verified.ids} <= {1.0}
    correct = [min(s.count(1.0), n or 9) for s in prompts]
    assert sum(per_prompt(verified).values()) == sum(correct)


def test_the_unverified_twin_is_drawn_whatever_the_verdict() -> None:
    documents = given_scores([[1.0, 0.0, 0.0, 0.0]] * 40)
    found = passed(Twins(MathAnswer(), verified=False), documents)
    good = sum(d.metadata["verdicts"][0]["score"] == 1.0 for d in found.kept)
    assert len(found.kept) == 40
    assert 2 <= good <= 20  # 10 expected
    again = passed(Twins(MathAnswer(), verified=False), documents[::-1], tasks=3)
    assert set(again.ids) == set(found.ids)
    other = passed(Twins(MathAnswer(), verified=False, seed=1), documents)
    assert set(other.ids) != set(found.ids)


def test_reasons() -> None:
    documents = given_scores([[1.0, 0.0], [0.0, None], [None]])
    verified = passed(Twins(MathAnswer(), verified=True), documents)
    assert verified.reasons == {
        **{"00-1": "not_good", "01-0": "no_good_sample", "01-1": "no_good_sample"},
        "02-0": "unjudged",
    }
    unverified = passed(Twins(MathAnswer(), verified=False), documents)
    assert Counter(unverified.reasons.values())["not_drawn"] == 1


@pytest.mark.parametrize("verified", [True, False])
def test_a_domain_without_a_rule_is_unjudged_never_good(verified: bool) -> None:
    documents = group("7", "7", domain="science", answer="7")
    step = Twins(ByDomain(math=Keep(MathAnswer()), other=[]), verified=verified)
    assert set(passed(step, documents).reasons.values()) == {"unjudged"}


def test_none_per_prompt_makes_no_sense() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        Twins(MathAnswer(), verified=True, per_prompt=0)
