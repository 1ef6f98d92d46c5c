"""Reflection: how often the reasoning looks back."""

from __future__ import annotations

import pytest

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers import Reflection
from tests.scorers.real import needs_data, rows

PROMPT = Sample(prompt_id="p", problem="?")

TEXTS = [
    ("<think>Wait. WAIT! wait, wait; wait</think>7", 0.5, "in any case"),
    ("<think>waiting, button, checked</think>7", 0.0, "whole words"),
    ("<think>It is 7.</think>But wait.", 0.0, "not in the response"),
    ("But check: it is 7.", 0.2, "without tags"),
    ("<think>等等，不对，但是要检查一下</think>7", 0.4, "Chinese"),  # noqa: RUF001
    ("<think>" + "mistake however but retry error verify wrong evaluate check wait " * 9, 1, "all"),
    ("", 0.0, "empty"),
]


@pytest.mark.parametrize(("text", "score", "reason"), TEXTS, ids=[text[2] for text in TEXTS])
def test_reflection(text: str, score: float, reason: str) -> None:
    verdict = Reflection(enough=10).judge(PROMPT.with_completion(text))
    assert verdict.score == pytest.approx(score)


def test_the_reason_counts() -> None:
    said = PROMPT.with_completion("<think>Wait, but wait.</think>7")
    assert Reflection().judge(said).reason == "3 markers: 2 wait, 1 but"
    with pytest.raises(UsageError, match="enough=0 is at least 1"):
        Reflection(enough=0)


@needs_data
def test_most_real_chains_reflect() -> None:
    chains = [PROMPT.with_completion(row["response"]) for row in rows("traces_math500.jsonl.gz")]
    assert sum(Reflection().judge(chain).score == 1.0 for chain in chains) == 62
