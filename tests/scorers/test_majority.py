from __future__ import annotations

import json
import pickle
import random
from dataclasses import replace

import pytest

from curate.sample import Sample
from curate.scorers import Majority, majority, scorer_from
from curate.scorers.majority import Consensus, answer_classes, consensus
from curate.select import Keep

PROMPT = Sample(prompt_id="p", problem="What is 1 - 1/2?")


def said(*texts: str, prompt: Sample = PROMPT) -> list[Sample]:
    return [prompt.with_completion(f"<think>Hm.</think>{text}") for text in texts]


def scores(*texts: str, prompt: Sample = PROMPT) -> list[float | None]:
    return [verdict.score for verdict in Majority().judge_all(said(*texts, prompt=prompt))]


CASES = [
    (["$0.5$", "\\frac12", "2"], [1.0, 1.0, 0.0], "equal in value"),
    (["2", "$(x+1)^2$", "$x^2+2x+1$"], [0.0, 1.0, 1.0], "equal expressions"),
    (["1,000", "1000", "I do not know."], [1.0, 1.0, 0.0], "no answer is no vote"),
    (["1", "2", "1", "2", "3"], [None, None, None, None, None], "two are the largest"),
    (["1", "2", "3"], [None, None, None], "nobody agrees"),
    (["1"], [None], "one sample"),
    (["I do not know."], [0.0], "one that does not answer"),
    ([], [], "none"),
    (["\\boxed{((((}", "\\boxed{((((}", "1"], [1.0, 1.0, 0.0], "unreadable in one spelling"),
    (["\\boxed{a cat}", "\\boxed{a  cat}", "\\boxed{a dog}"], [1.0, 1.0, 0.0], "texts"),
]


@pytest.mark.parametrize(("texts", "expected", "reason"), CASES, ids=[c[2] for c in CASES])
def test_most_of_a_prompt_are_right(texts: list[str], expected: list, reason: str) -> None:
    assert scores(*texts) == expected


def test_prompts_do_not_mix() -> None:
    other = Sample(prompt_id="q", problem="What is 2 + 2?")
    half, four = said("0.5", "0.5", "4"), said("4", "4", "0.5", prompt=other)
    mixed = [sample for pair in zip(half, four, strict=True) for sample in pair]
    verdicts = Majority().judge_all(mixed)
    assert [verdict.score for verdict in verdicts] == [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    assert verdicts[0].reason == "2 of 3 answer 0.5"
    assert verdicts[4].reason == "1 of 3 answer 4, 2 answer 0.5"


def test_as_a_reward_of_trl_a_prompt_is_its_group() -> None:
    rewards = Majority()(
        prompts=["1/2 + 1/2?"] * 3 + ["2 + 2?"] * 3, completions=["1", "1", "2", "4", "5", "5"]
    )
    assert rewards == [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]


OPTIONS = {"A": "Paris", "B": "Rome", "C": "$\\pi$"}


@pytest.mark.parametrize("options", [OPTIONS, list(OPTIONS.values())], ids=["dict", "list"])
def test_options_go_by_letter_or_text(options: object) -> None:
    prompt = Sample(prompt_id="p", problem="?", check=json.dumps({"options": options}))
    texts = [
        "\\boxed{B}",
        "\\boxed{(b)}",
        "\\boxed{Rome}",
        "\\boxed{B. Rome}",
        "**B**",
        "\\boxed{A}",
    ]
    assert scores(*texts, prompt=prompt) == [1.0] * 5 + [0.0]
    assert scores("$\\pi$", "\\boxed{C)}", "\\boxed{A}", prompt=prompt) == [1.0, 1.0, 0.0]
    assert (
        scores("I choose (A).", "So the answer is A.", "It is B.", prompt=prompt)[:2] == [1.0] * 2
    )
    assert scores("\\boxed{D}", "\\boxed{D}", "\\boxed{A}", prompt=prompt) == [0.0, 0.0, 1.0]
    assert consensus(said("\\boxed{Rome}", "No idea.", prompt=prompt)) == Consensus("B", 0.5, 2)


def test_the_consensus_is_a_label_that_says_so() -> None:
    found = consensus(said("0.5", "\\frac12", "2", "I do not know."))
    assert found == Consensus("0.5", 0.5, 4)
    label = found.label(replace(PROMPT, check='{"unit":"m"}'))
    assert label.answer == "0.5"
    assert label.checks == {"unit": "m", "consensus": {"n": 4, "share": 0.5}}
    assert consensus(said("1", "2")) == Consensus(None, 0.5, 2)
    assert consensus(said("No idea.")) == Consensus(None, 0.0, 1)
    assert consensus([]) == Consensus(None, 0.0, 0)
    with pytest.raises(ValueError, match="no consensus"):
        consensus(said("1", "2")).label(PROMPT)


def test_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 answers of 16 spellings and 4 values: each new spelling meets each class once at most."""
    compared: list[tuple[str, str]] = []
    compare = majority.compare
    monkeypatch.setattr(majority, "compare", lambda *p: compared.append(p) or compare(*p))
    texts = [f"${k}{form}$" for k in (1, 2, 3, 4) for form in ("", ".0", "/1", "\\cdot 1")] * 4
    random.Random(0).shuffle(texts)
    classes = answer_classes(said(*texts))
    assert sorted(len(one.members) for one in classes) == [16] * 4
    assert len(compared) <= 16 * 4


def test_a_group_of_hostile_answers_is_judged() -> None:
    hostile = ["9^{9^{9}}", "{" * 3000, "9" * 100_000, "\\frac{" * 500, "7^{70000000}"]
    verdicts = Majority().judge_all(said(*(f"\\boxed{{{text}}}" for text in hostile), "7", "7"))
    assert [verdict.score for verdict in verdicts[-2:]] == [1.0, 1.0]
    assert all(len(verdict.reason) < 300 for verdict in verdicts)


def test_is_a_scorer_of_groups() -> None:
    assert Majority.needs_group and not Majority.needs_gold
    assert scorer_from("Majority") == Majority() == pickle.loads(pickle.dumps(Majority()))
    assert Keep(Majority()).verdict(said("1")[0]).score is None
