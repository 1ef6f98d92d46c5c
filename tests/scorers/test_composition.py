"""Rules made of rules, with rules that say what a test tells them to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import pytest

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers import (
    Agreed,
    AllOf,
    FirstOf,
    Judge,
    Length,
    Majority,
    MathAnswer,
    Repetition,
    Scorer,
    scorer_from,
)

PROMPT = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7")
ASKED: list[tuple[str, int]] = []


@dataclass(frozen=True)
class Says(Scorer):
    """What the answer has under this rule's letter: `a=1 b=None`."""

    letter: str
    needs_gold: ClassVar[bool] = True

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        samples = list(samples)
        ASKED.append((self.letter, len(samples)))
        said = [dict(w.split("=") for w in s.text.split())[self.letter] for s in samples]
        return [Verdict(None if score == "None" else float(score), score) for score in said]


A, B, C = Says("a"), Says("b"), Says("c")
TABLE = [
    # a, b, first, all, agreed
    ("1", "0", 1.0, 0.0, None),
    ("0", "1", 0.0, 0.0, None),
    ("0.5", "0.75", 0.5, 0.5, None),
    ("1", "1", 1.0, 1.0, 1.0),
    ("None", "1", 1.0, None, 1.0),
    ("None", "0", 0.0, 0.0, 0.0),
    ("0", "None", 0.0, 0.0, 0.0),
    ("1", "None", 1.0, None, 1.0),
    ("None", "None", None, None, None),
]


@pytest.mark.parametrize(("a", "b", "first", "every", "agreed"), TABLE, ids=lambda v: str(v))
def test_what_two_rules_come_to(
    a: str, b: str, first: float | None, every: float | None, agreed: float | None
) -> None:
    sample = PROMPT.with_completion(f"a={a} b={b}")
    for rule, score in ((FirstOf, first), (AllOf, every), (Agreed, agreed)):
        verdict = rule(A, B).judge(sample)
        assert verdict.score == score
        assert "Says:letter=" in verdict.reason


SAMPLES = [
    PROMPT.with_completion(f"a={a} b={b} c=1")
    for a, b in itertools.product(("0", "1", "None"), repeat=2)
]


def test_only_what_is_open_goes_to_the_next_rule_all_at_once() -> None:
    for rule, expected in (
        (FirstOf(A, B, C), [("a", 9), ("b", 3), ("c", 1)]),
        (AllOf(A, B, C), [("a", 9), ("b", 6), ("c", 4)]),
        (Agreed(A, B), [("a", 9), ("b", 9)]),
        (FirstOf(Agreed(A, B), C), [("a", 9), ("b", 9), ("c", 3)]),
    ):
        ASKED.clear()
        assert rule.judge_all(SAMPLES) == [rule.judge(sample) for sample in SAMPLES]
        assert ASKED[: len(expected)] == expected


def test_where_rules_disagree_the_next_one_decides() -> None:
    rule = FirstOf(Agreed(A, B), C)
    verdict = rule.judge(PROMPT.with_completion("a=1 b=0 c=0.25"))
    assert verdict == Verdict(0.25, "Says:letter=c: 0.25")
    verdict = FirstOf(Agreed(A, B), A).judge(PROMPT.with_completion("a=None b=None"))
    assert not verdict.is_judged


def test_a_rule_that_compares_samples_sees_all_of_them() -> None:
    said = ["a=1 \\boxed{7}", "a=None \\boxed{7}", "a=None \\boxed{8}", "a=0 \\boxed{7}"]
    samples = [PROMPT.with_completion(text) for text in said]

    class First(Says):
        def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
            words = [sample.text.split()[0].removeprefix("a=") for sample in samples]
            return [Verdict(None if w == "None" else float(w)) for w in words]

    rule = FirstOf(First("a"), Majority())
    verdicts = rule.judge_all(samples)
    assert [verdict.score for verdict in verdicts] == [1.0, 1.0, 0.0, 0.0]
    assert verdicts[1].reason == "Majority: 3 of 4 answer 7"
    assert rule.needs_group


def test_needs_what_its_rules_need() -> None:
    judge = Judge(engine="http://a:8000/v1", model="m", prompt="helpfulness")
    rules = [
        (FirstOf(MathAnswer(), judge), False, False, None),
        (AllOf(MathAnswer(), judge), True, False, "no gold answer"),
        (FirstOf(MathAnswer(), Judge(engine="local")), True, False, "no gold answer"),
        (Agreed(Length(maximum=9), Repetition()), False, False, None),
        (AllOf(Majority(), Length(maximum=9)), False, True, None),
    ]
    bare = Sample(prompt_id="p", problem="What is 3 + 4?")
    for rule, gold, group, problem in rules:
        assert (rule.needs_gold, rule.needs_group) == (gold, group), rule.name
        assert rule.gold_problem(bare) == problem
        assert rule.gold_problem(PROMPT) is None
    assert rules[0][0].batch == max(MathAnswer.batch, 64)
    text = Sample(prompt_id="p", problem="Why?", answer="Because the air scatters it away from us.")
    assert MathAnswer().gold_problem(text)
    assert FirstOf(MathAnswer(), Judge(engine="local")).gold_problem(text) is None
    assert AllOf(MathAnswer(), Judge(engine="local")).gold_problem(text)


def test_is_hopeless_when_what_decides_is() -> None:
    long = PROMPT.with_completion("one two three four ", completion_tokens=40)
    short, short_too, never = Length(maximum=10), Length(maximum=20), MathAnswer()
    assert AllOf(never, short).hopeless(long, 1.0) == "40 tokens"
    assert AllOf(never, short).hopeless(long, 0.0) is None
    assert FirstOf(never, short).hopeless(long, 1.0) is None
    assert FirstOf(short, short_too).hopeless(long, 1.0) == "40 tokens; 40 tokens"
    assert FirstOf(short, Length(maximum=50)).hopeless(long, 1.0) is None


def test_is_named_by_its_rules() -> None:
    rule = FirstOf(Agreed(MathAnswer(), Length(maximum=9)), Judge(engine="http://a/v1", model="V3"))
    assert rule.name == "FirstOf(Agreed(MathAnswer; Length:maximum=9); Judge:model=V3)"
    assert rule.__name__ == rule.name


@pytest.mark.parametrize("name", ["FirstOf", "AllOf", "Agreed"])
def test_is_not_typed(name: str) -> None:
    with pytest.raises(UsageError, match=rf"in Python only: {name}\(MathAnswer\(\)"):
        scorer_from(name)
    with pytest.raises(UsageError, match="it takes none"):
        scorer_from(f"{name}:scorers=MathAnswer")


def test_of_one_rule_nothing_is_made() -> None:
    with pytest.raises(UsageError, match="two or more rules"):
        FirstOf(MathAnswer())
