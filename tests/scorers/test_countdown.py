"""Countdown expressions, and what holds for all rules that read a prompt's own columns."""

from __future__ import annotations

import json
import pickle
import random
import re
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.sample import Sample, Verdict
from curate.scorers import Countdown, Instructions, KnightsKnaves, ReasoningGym, Scorer, scorer_from
from curate.select import Keep
from tests.scorers.test_contract import ODD

SHARED = Path(__file__).parents[2] / "../shared"
NUMBERS, TARGET = [25, 41, 12, 17], 84


def judged(
    answer: str, nums: Any = NUMBERS, target: Any = TARGET, rule: Scorer | None = None
) -> Verdict:
    prompt = Sample("p", "Make it.", check=json.dumps({"nums": nums, "target": target}))
    return (rule or Countdown()).judge(prompt.with_completion(answer))


@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared cases")
def test_the_given_cases() -> None:
    file = SHARED / "cases/countdown-verify.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    wrong = [
        row["id"]
        for row in rows
        for answer in (row["expression"], f"So <answer>{row['expression']}</answer>")
        if judged(answer, row["nums"], row["target"]).score != float(row["correct"])
    ]
    assert (len(rows), wrong) == (90, [])


@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data")
def test_every_gold_answer_is_right() -> None:
    file = SHARED / "data/countdown.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    wrong = [r["id"] for r in rows if judged(r["answer"], r["nums"], r["target"]).score != 1.0]
    assert (len(rows), wrong) == (994, [])


STYLES = [
    *("{}", "{} = T", "T = {}", "**{} = T**", "`{}`", "```\n{}\n```", "$${}$$", "- {} = T"),
    *("<answer>{}</answer>", "<answer>{} = T</answer>", "\\boxed{{{}}}", "$\\boxed{{{} = T}}$"),
    *("<answer>The expression is {}.</answer>", "<answer>\n{}\n</answer>", "\n\n{}\n"),
    *("<answer>$\\boxed{{{}}}$</answer>", "The answer is {}.", "So {} = T, done (4 numbers)."),
    *("First 2 + 3 = 5.\nThen {} = T.\nAll 4 are there.", "Answer: {}", "1. Try it.\n2. {} = T"),
]


@pytest.mark.parametrize("style", STYLES)
def test_where_an_answer_stands(style: str) -> None:
    style = style.replace("T", str(TARGET))
    assert judged(style.format("(25 * 41 - 17) / 12")).score == 1.0
    assert judged(style.format("(25 * 41 + 17) / 12")).score == 0.0
    assert judged("<think>" + style.format("(25 * 41 - 17) / 12")).score == 0.0


@pytest.mark.parametrize(
    "spelled",
    [
        "(25\u00d741\u221217)\u00f712",
        "(25 x 41 - 17)/12",
        r"\frac{25 \times 41 - 17}{12}",
        r"\dfrac{(25)(41) - 17}{12}",
        r"\left(25 \cdot 41 - 17\right) \div 12",
        "[25 * 41 - 17] / 12",
        "(17 - 25\u221741)/-12",
        "(25.0 * 41 - 17) / 12.0",
    ],
)
def test_spellings_of_one_expression(spelled: str) -> None:
    assert judged(spelled).score == 1.0


WRONG = {
    "no answer": "I found nothing.",
    "nothing": "",
    "the target alone": "84",
    "a number is left out": "41 + 25 + 17 + 1",
    "a number is used twice": "(25 * 41 - 17) / 12 + 12 - 12",
    "a claim that is false": "(25 * 41 - 17) / 12 = 85",
    "steps, not an expression": "25*41 = 1025\n1025-17 = 1008\n1008/12 = 84",
    "digits put together": "(2 5 * 41 - 17) / 12",
    "a power": "25 ** 41",
    "whole division": "(25 * 41 - 17) // 12",
    "division by zero": "84 / (12 - 12)",
    "an open bracket": "(25 * 41 - 17 / 12",
    "Python": "<answer>__import__('os').system('true')</answer>",
    "nearly": "25 * 41 / 12 - 17 / 12 + 1 / 10000000",
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
def test_wrong_answers(answer: str) -> None:
    assert judged(answer).score == 0.0


def test_fractions_are_exact_and_grouped() -> None:
    assert judged(r"\frac{12}{\frac{6}{2}}", [12, 6, 2], 4).score == 1.0
    assert judged(r"2 / \frac{4}{2}", [2, 4, 2], 1).score == 1.0
    assert judged("1/3 + 2/3", [1, 3, 2, 3], 1).score == 1.0
    assert judged("1/3 * 3", [1, 3, 3], "1").score == 1.0


def test_a_thousand_may_have_a_comma() -> None:
    for said in ("1,000 * 2", "1{,}000 * 2", "2 * 1000.0"):
        assert judged(said, [1000, 2], 2000).score == 1.0


def test_some_of_the_numbers() -> None:
    assert judged("3 + 4", [3, 4, 5], 7).score == 0.0
    assert judged("3 + 4", [3, 4, 5], 7, Countdown(use="some")).score == 1.0
    assert judged("3 + 3 + 1", [3, 4, 5], 7, Countdown(use="some")).score == 0.0


@pytest.mark.parametrize(
    "check",
    [{}, {"nums": [1]}, {"target": 3}, {"nums": "a", "target": 3}, {"nums": [1], "target": "x"}],
)
def test_without_numbers_and_target_nothing_is_judged(check: dict[str, Any]) -> None:
    prompt = Sample("p", "Make it.", check=json.dumps(check))
    assert Countdown().judge(prompt.with_completion("1")).score is None
    assert Countdown().gold_problem(prompt)


def test_the_columns_of_reasoning_gym() -> None:
    check = json.dumps({"task": "countdown", "metadata": {"numbers": [3, 4], "target": 7}})
    assert Countdown().judge(Sample("p", "?", check=check).with_completion("4 + 3")).score == 1.0


def grown(draw: random.Random, numbers: list[int]) -> tuple[str, Fraction]:
    """A random expression of all the numbers, and its value."""
    if len(numbers) == 1:
        return str(numbers[0]), Fraction(numbers[0])
    cut = draw.randrange(1, len(numbers))
    (left, a), (right, b) = grown(draw, numbers[:cut]), grown(draw, numbers[cut:])
    sign = draw.choice("+-*/" if b else "+-*")
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else a}[sign]
    return f"({left} {sign} {right})", value


@settings(deadline=None)
@given(
    draw=st.randoms(use_true_random=False),
    numbers=st.lists(st.integers(1, 99), min_size=2, max_size=6),
    style=st.sampled_from(STYLES),
)
def test_random_expressions_and_their_mutants(
    draw: random.Random, numbers: list[int], style: str
) -> None:
    expression, value = grown(draw, numbers)
    style = style.replace("T", str(value))
    assert judged(style.format(expression), numbers, str(value)).score == 1.0
    assert judged(style.format(expression), [*numbers, 7], str(value)).score == 0.0
    assert judged(expression, numbers, str(value + 1)).score == 0.0
    place = draw.choice([i for i, c in enumerate(expression) if c in "+-*/"])
    mutant = expression[:place] + draw.choice("+-*/") + expression[place + 1 :]
    try:
        exact = grown_value(mutant)
    except ZeroDivisionError:
        exact = None
    assert judged(mutant, numbers, str(value)).score == float(exact == value)


def grown_value(expression: str) -> Fraction:
    """The value by Python's own parser, over fractions."""
    return eval(re.sub(r"\d+", r"Fraction(\g<0>)", expression))


CHECKS: dict[Scorer, tuple[dict[str, Any], str | None, str, str]] = {
    Countdown(): ({"nums": NUMBERS, "target": TARGET}, None, "(25*41-17)/12", "25+41"),
    Countdown(use="some"): ({"nums": [1, 2, 9], "target": 3}, None, "1 + 2", "1 * 2"),
    KnightsKnaves(): (
        {},
        "(1) Zoey is a knight\n(2) Ethan is a knave",
        "Ethan is a knave, Zoey a knight.",
        "Both are knaves.",
    ),
    Instructions(): (
        {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]},
        None,
        "Red and green.",
        "Red, green.",
    ),
    Instructions(mode="loose", score="share"): (
        {"instruction_id_list": ["startend:quotation"], "kwargs": [{}]},
        None,
        'Sure:\n"Red."',
        "Red",
    ),
    ReasoningGym(): (
        {"task": "gcd", "metadata": {"source_dataset": "gcd"}},
        "6",
        "<answer>6</answer>",
        "<answer>9</answer>",
    ),
}
every_rule = pytest.mark.parametrize("rule", CHECKS, ids=lambda rule: rule.name)


def prompt_for(rule: Scorer) -> Sample:
    columns, answer, _, _ = CHECKS[rule]
    return Sample("p", "What is it?", answer, check=json.dumps(columns))


@every_rule
def test_a_rule_over_columns_keeps_the_contract(rule: Scorer) -> None:
    prompt, (_, answer, good, bad) = prompt_for(rule), CHECKS[rule]
    assert pickle.loads(pickle.dumps(rule)) == rule == scorer_from(rule.name)
    assert rule.gold_problem(prompt) is None
    assert rule.gold_problem(Sample("p", "What is it?"))
    liked, other = prompt.with_completion(good), prompt.with_completion(bad)
    verdicts = rule.judge_all([liked, other])
    assert [v.score for v in verdicts] == [1.0, 0.0]
    assert [rule.judge(liked), rule.judge(other)] == verdicts
    keep = Keep(rule, at_least=0.99)
    assert keep.filter(liked.to_document()) is True
    assert keep.filter(other.to_document()) == (False, rule.name)
    rewards = rule(
        prompts=["What is it?"] * 2,
        completions=[good, bad],
        answer=[answer] * 2,
        check=[prompt.check] * 2,
        trainer_state=None,
    )
    assert rewards == [1.0, 0.0]


@every_rule
@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_any_text_gets_a_verdict(rule: Scorer, text: str) -> None:
    for completion in (text, f"<think>{text}</think>{text}", f"<answer>{text}</answer>"):
        started = time.process_time()
        verdict = rule.judge(prompt_for(rule).with_completion(completion))
        assert verdict.score is None or 0.0 <= verdict.score <= 1.0
        assert len(verdict.reason) < 300
        assert time.process_time() - started < 30
