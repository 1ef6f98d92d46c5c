"""Contradiction: the reasoning's answer against the response's."""

from __future__ import annotations

import pytest

from curate.sample import Sample
from curate.scorers import Contradiction
from tests.scorers.real import needs_data, rows

PROMPT = Sample(prompt_id="p", problem="?")

TEXTS = [
    (r"So \boxed{\frac{1}{2}}.", "It is $0.5$.", 1.0, "equal, written otherwise"),
    (r"So \boxed{7}.", r"\boxed{8}", 0.0, "two boxes"),
    ("So the answer is 7.", "It is 8.", 0.0, "stated"),
    ("The answer is 6. Wait, the answer is 7.", "It is 7.", 1.0, "the last one counts"),
    ("The answer is 6. But wait, that is wrong, it must be 7.", "It is 7.", None, "doubted"),
    ("The answer is 7. Wait, I check: yes.", "It is 7.", 1.0, "doubted and confirmed"),
    ("3 + 4 makes seven.", "It is 7.", None, "names none"),
    ("The answer is 7.", "I do not know.", None, "no answer"),
    ("The answer is not clear yet. 3 + 4 = 7.", "It is 8.", None, "no answer stated"),
    ("所以答案是7。", "答案是8。", 0.0, "Chinese"),
    ("", "It is 7.", None, "no reasoning"),
]


@pytest.mark.parametrize(
    ("reasoning", "response", "score", "reason"), TEXTS, ids=[text[3] for text in TEXTS]
)
def test_contradiction(reasoning: str, response: str, score: float | None, reason: str) -> None:
    said = PROMPT.with_completion(f"<think>{reasoning}</think>{response}")
    assert Contradiction().judge(said).score == score


def test_without_reasoning_there_is_none() -> None:
    assert Contradiction().judge(PROMPT.with_completion("It is 7.")).score is None


@needs_data
def test_real_chains_do_not_contradict_themselves_and_changed_ones_do() -> None:
    named = found = 0
    for row in rows("traces_math500.jsonl.gz"):
        score = Contradiction().judge(PROMPT.with_completion(row["response"])).score
        assert score != 0.0, row["id"]
        named += score == 1.0
        changed = row["response"].rpartition("</think>")[0] + "</think>\\boxed{12345}"
        found += Contradiction().judge(PROMPT.with_completion(changed)).score == 0.0
    assert named >= 55 and found >= 55
