"""ThinkFormat, LanguageConsistency, ForeignScript: what they let pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.sample import Sample
from curate.scorers import (
    ForeignScript,
    LanguageConsistency,
    ThinkFormat,
)
from curate.scorers.scripts import language_of
from curate.scorers.think_format import Style

PROMPT = Sample(prompt_id="p", problem="What is 3 + 4?", language="en")
SHARED = Path(__file__).parents[2] / "../shared"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="no ../shared with labelled data")

GOOD, OTHER = "<think>a</think>b", "<think>a</think><answer>b</answer>"
FORMATS = [
    ("think", GOOD, True, "both parts"),
    ("think", "<think>\na\n</think>\n\nb\n", True, "line breaks"),
    ("think", "\n<think>a</think>b", False, "something before"),
    ("think", "a</think>b", False, "no opening tag"),
    ("think", "<think>a", False, "never closes"),
    ("think", "<think> </think>b", False, "no reasoning"),
    ("think", "<think>a</think> \n", False, "no response"),
    ("think", "<think>a<think>b</think>c", False, "opens twice"),
    ("think", "<think>a</think>b</think>c", False, "closes twice"),
    ("think", "<think>a</think>b<think>c", False, "opens again"),
    ("think", "<THINK>a</THINK>b", False, "other case"),
    ("think", "", False, "empty"),
    ("think-answer", OTHER, True, "both elements"),
    ("think-answer", "<think>a</think>\n<answer>\nb\n</answer>\n", True, "space around"),
    ("think-answer", GOOD, False, "no answer element"),
    ("think-answer", OTHER + "c", False, "something after"),
    ("think-answer", "<think>a</think>c<answer>b</answer>", False, "something between"),
    ("think-answer", "<think>a</think><answer> </answer>", False, "empty answer"),
    ("think-answer", "<think>a</think><answer>b</answer><answer>b</answer>", False, "two answers"),
    (
        "think-answer",
        "<think><answer>b</answer></think><answer>b</answer>",
        False,
        "one in thought",
    ),
    ("think-answer", "<think>a</think><answer>b", False, "answer never closes"),
    ("prefilled", GOOD, True, "tag written"),
    ("prefilled", "a</think>b", True, "tag given by the template"),
    ("prefilled", "a<think>b</think>c", False, "something before the tag"),
    ("prefilled", "a", False, "never closes"),
    ("prefilled", "</think>b", False, "no reasoning"),
    ("boxed", "<think>a</think>\\boxed{b}", True, "box in the response"),
    ("boxed", "<think>\\boxed{b}</think>b", False, "box in the reasoning only"),
    ("r1", GOOD, True, "think tags"),
    ("r1", "<think>a</think>", False, "no summary"),
]


@pytest.mark.parametrize(
    ("style", "text", "good", "reason"), FORMATS, ids=[f"{f[0]}: {f[3]}" for f in FORMATS]
)
def test_think_format(style: Any, text: str, good: bool, reason: str) -> None:
    assert ThinkFormat(style).judge(PROMPT.with_completion(text)).score == float(good)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("|s|a|s|b", True),
        ("|s|a|s|", False),
        ("|s|a|s|b|s|", False),
        ("a|s|b", False),
        (GOOD, False),
    ],
)
def test_the_special_token_of_r1(text: str, good: bool) -> None:
    rule = ThinkFormat("r1", token="|s|")
    assert rule.judge(PROMPT.with_completion(text)).score == float(good)


TAGS = [
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "|s|",
    "|",
    "s",
    "<thi",
    "nk>",
    " ",
    "\n",
    "a",
]
STYLES = [*get_args(Style), "token"]


@pytest.mark.parametrize("style", STYLES)
@settings(deadline=None, max_examples=200)
@given(text=st.lists(st.sampled_from(TAGS), max_size=12).map("".join))
def test_a_growing_answer_has_the_faults_that_it_has_as_a_whole(style: Any, text: str) -> None:
    rule = ThinkFormat("r1", token="|s|") if style == "token" else ThinkFormat(style)
    watch = rule.watch(PROMPT, 1.0)
    assert watch is not None
    fault = None
    for character in text + ".":  # with a stop behind it, no tag has merely begun
        fault = watch(character, 0)
    assert bool(fault) == bool(rule.lasting_fault(text + "."))


LANGUAGES = [
    ("I add three and four.", 1.0, "one language"),
    ("I add 三加四 them now", 0.5, "Chinese characters are words"),
    ("Let $三$ and `四` and \\(五\\) be numbers", 1.0, "formulas and code are none"),
    ("see https://a.b/三四五 for three more", 1.0, "nor are addresses"),
    ("```\n三四五\n```\nthree lines of code", 1.0, "nor are code blocks"),
    ("It costs $5 and 三四五六 at $7", 0.5, "a lone dollar hides nothing"),
    ("сумма трёх и четырёх", 0.0, "another script"),
    ("θ and φ are the two angles", 1.0, "Greek letters are formulas"),
    ("3 + 4 = 7", None, "no words"),
    ("", None, "empty"),
]


@pytest.mark.parametrize(("text", "share", "reason"), LANGUAGES, ids=[x[2] for x in LANGUAGES])
def test_language_consistency(text: str, share: float | None, reason: str) -> None:
    verdict = LanguageConsistency().judge(PROMPT.with_completion(f"<think>{text}</think>三"))
    assert verdict.score == (None if share is None else pytest.approx(share, abs=1e-4))


def test_the_target_is_given_or_the_prompts_or_the_problems_own() -> None:
    said = "<think>设三加四等于七</think>7"
    problem = Sample(prompt_id="p", problem="三加四等于多少？")  # noqa: RUF001
    assert LanguageConsistency().judge(problem.with_completion(said)).score == 1.0
    assert LanguageConsistency().judge(PROMPT.with_completion(said)).score == 0.0
    assert LanguageConsistency("zh").judge(PROMPT.with_completion(said)).score == 1.0
    foreign = Sample(prompt_id="p", problem="?", language="zh-CN").with_completion(said)
    assert LanguageConsistency().judge(foreign).score == 1.0
    unknown = Sample(prompt_id="p", problem="?", language="xx").with_completion(said)
    assert LanguageConsistency().judge(unknown).score is None
    assert language_of("ひらがなと漢字") == "ja" and language_of("한국어") == "ko"


LEAK = "先算三加四等于七"
WINDOWS = [
    ("one two three four five six " * 9, 1.0, "one language"),
    ("one two " * 50 + LEAK, 0.0, "a leak at the end of a long chain"),
    (LEAK + " one two" * 50, 0.0, "one at its beginning"),
    ("one two " * 50 + LEAK[:2] + " one two" * 50, 0.75, "two words of eight"),
    ("one two three 三", 0.75, "a chain shorter than the window"),
]


@pytest.mark.parametrize(("text", "share", "reason"), WINDOWS, ids=[x[2] for x in WINDOWS])
def test_a_window_is_not_diluted(text: str, share: float, reason: str) -> None:
    rule = LanguageConsistency(window=8)
    assert rule.judge(PROMPT.with_completion(f"<think>{text}</think>三")).score == share


FOREIGN = [
    ("三加四等于七是的", 0.0, "eight letters"),
    ("三加四 = 12, 等于七是的", 0.0, "numbers and marks between"),
    ("三加四 and 等于七是的", 1.0, "a word between"),
    ("三加四 $x$ `y` 等于七是的", 0.0, "masks between"),
    ("`三加四等于七是的` and $三加四等于七是的$", 1.0, "in masks"),
    ("сумма трёх", 0.0, "another script"),
    ("<think>三加四等于</think>七是的", 0.0, "tags between"),
]


@pytest.mark.parametrize(("text", "score", "reason"), FOREIGN, ids=[x[2] for x in FOREIGN])
def test_foreign_script(text: str, score: float, reason: str) -> None:
    assert ForeignScript(letters=8).judge(PROMPT.with_completion(text)).score == score


def test_foreign_is_what_the_problem_is_not() -> None:
    problem = Sample(prompt_id="p", problem="三加四等于多少？")  # noqa: RUF001
    said = problem.with_completion("设三加四等于七, but then I add three and four again.")
    assert ForeignScript().judge(said).score == 0.0
    assert ForeignScript(language="en", letters=20).judge(said).score == 1.0
    assert ForeignScript().judge(Sample("p", "?", language="xx").with_completion("a")).score is None


@needs_shared
def test_the_share_of_letters_is_that_of_the_constructed_chains() -> None:
    """Names in formulas are masked here and counted there: 0.013 at most (measured)."""
    rule = LanguageConsistency("en", unit="letters")
    path = SHARED / "cases/language-mixed-cot-constructed.jsonl"
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        if "fr" not in row["languages"]:  # one script
            verdict = rule.judge(PROMPT.with_completion(row["text"]))
            assert verdict.score == pytest.approx(row["share_en_by_letters"], abs=0.015), row["id"]
