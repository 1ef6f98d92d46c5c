"""ThinkFormat and TagCount: the forms that peers differ in, tags of one's own, and shares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers import TagCount, ThinkFormat, scorer_from
from curate.scorers.think_format import Style

PROMPT = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7")
VERIFIERS = Path(__file__).parents[2] / "../shared/cases/verifiers-parsers.jsonl"

THOUGHT = "<|begin_of_thought|>a<|end_of_thought|>"
SOLVED = "<|begin_of_solution|>b<|end_of_solution|>"
FORMS = [
    ("begin-of-thought", f"{THOUGHT}\n\n{SOLVED}", True, "all four"),
    ("begin-of-thought", f"{THOUGHT}b", False, "no solution tags"),
    ("begin-of-thought", f"{THOUGHT}c{SOLVED}", False, "something between"),
    ("begin-of-thought", f"{THOUGHT}{SOLVED}c", False, "something behind"),
    ("begin-of-thought", f"{SOLVED}{THOUGHT}", False, "in another order"),
    ("begin-of-thought", "<think>a</think>b", False, "other tags"),
    ("trl", "<think>a</think>b", True, "both parts"),
    ("trl", "<think></think>", True, "both parts empty"),
    ("trl", "<think>a</think>b</think>", True, "closes twice"),
    ("trl", "<think>a</think>b<think>", False, "opens twice"),
    ("trl", "\n<think>a</think>b", False, "something before"),
    ("trl", "<think>a", False, "never closes"),
    ("verifiers", "\n<think>a</think>b", True, "blanks before"),
    ("verifiers", "<think></think> ", True, "a blank response"),
    ("verifiers", "<think>a</think>", False, "an empty response"),
    ("verifiers", "<think>a</think>b</think>c", False, "closes twice"),
    ("verifiers", "a<think>b</think>c", False, "something before"),
    ("open-r1", "<think>\na\n</think>\n<answer>\nb\n</answer>", True, "tags on lines"),
    ("open-r1", "<think>a</think><answer>b</answer>", False, "tags not on lines"),
]


@pytest.mark.parametrize(
    ("style", "text", "good", "reason"), FORMS, ids=[f"{f[0]}: {f[3]}" for f in FORMS]
)
def test_forms(style: Any, text: str, good: bool, reason: str) -> None:
    verdict = ThinkFormat(style).judge(PROMPT.with_completion(text))
    assert verdict.score == float(good)
    assert bool(verdict.reason) != good


@pytest.mark.skipif(not VERIFIERS.exists(), reason="no ../shared with the cases of verifiers")
def test_every_verdict_is_that_of_verifiers() -> None:
    rows = map(json.loads, VERIFIERS.read_text(encoding="utf-8").splitlines())
    judged = {
        row["id"]: ThinkFormat("verifiers").judge(PROMPT.with_completion(row["input"])).score
        == row["expected"]
        for row in rows
        if row["function"] == "format"
    }
    assert len(judged) >= 4 and all(judged.values()), judged


def test_tags_of_ones_own() -> None:
    two = ThinkFormat(tags="[T] [/T]")
    assert two.judge(PROMPT.with_completion("[T]a[/T]b")).score == 1.0
    assert two.judge(PROMPT.with_completion("<think>a</think>b")).score == 0.0
    four = ThinkFormat("think-answer", tags="<reasoning> </reasoning> <answer> </answer>")
    said = "<reasoning>a</reasoning><answer>b</answer>"
    assert four.judge(PROMPT.with_completion(said)).score == 1.0
    assert scorer_from(four.name) == four
    x = ThinkFormat("r1", token="x")
    assert x.judge(PROMPT.with_completion("x a x b")).score == 1.0
    assert x.hopeless(PROMPT.with_completion("x a x b"), 1.0) is None


WRONG = [
    (("think", None, "<a>"), "tags=<a> are 1", "one tag"),
    (("think-answer", None, "<a> </a>"), "style=think-answer has 4", "two tags for four"),
    (("think", None, "<a> <a>b"), "a part of another", "one inside of the other"),
    (("think", None, "ab ba"), "begins in it", "one that overlaps the other"),
    (("think", None, "<a>, </a>"), "a comma", "a comma"),
    (("trl", None, "<a> </a>"), "style=trl has its own tags", "a style with its own"),
    (("think", "|", None), "only style=r1", "a token for another style"),
]


@pytest.mark.parametrize("rule", [ThinkFormat, TagCount])
@pytest.mark.parametrize(("given", "says", "reason"), WRONG, ids=[w[2] for w in WRONG])
def test_tags_that_cannot_be(rule: Any, given: Any, says: str, reason: str) -> None:
    with pytest.raises(UsageError, match=says):
        rule(*given)


SHARES = [
    ("think", "<think>a</think>b", 1.0, "each once"),
    ("think", "</think>a<think>", 1.0, "order does not count"),
    ("think", "<think>a</think>b</think>", 0.5, "one of them twice"),
    ("think", "a", 0.0, "none"),
    ("think-answer", "<think>a</think>b</answer>", 0.75, "one of four missing"),
    ("begin-of-thought", THOUGHT, 0.5, "two of four"),
    ("r1", "<think>a</think>b", 1.0, "think tags"),
    ("prefilled", "a</think>b", 1.0, "the first may be missing"),
    ("prefilled", "<think><think>a</think>b", 0.5, "but not twice"),
    ("boxed", "<think>a</think>b", 2 / 3, "no box"),
    ("boxed", "<think>a</think>\\boxed{b} \\boxed{c}", 1.0, "two boxes"),
    ("trl", "<think>a</think>b</think>", 1.0, "closing again"),
    ("verifiers", "<think>a</think>b</think>", 0.5, "closing again"),
    ("open-r1", "<think>\na\n</think>\n<answer>\nb\n</answer>", 1.0, "with line breaks"),
    ("open-r1", "<think>a</think><answer>b</answer>", 0.0, "without"),
]


@pytest.mark.parametrize(
    ("style", "text", "share", "reason"), SHARES, ids=[f"{s[0]}: {s[3]}" for s in SHARES]
)
def test_the_share_of_tags(style: Any, text: str, share: float, reason: str) -> None:
    assert TagCount(style).judge(PROMPT.with_completion(text)).score == pytest.approx(share)


def test_the_token_of_r1_counts_twice() -> None:
    rule = TagCount("r1", token="|s|")
    scores = [rule.judge(PROMPT.with_completion(said)).score for said in ("|s|a|s|b", "|s|a", "")]
    assert scores == [1.0, 0.0, 0.0]


PIECES = [
    *("<think>", "</think>", "<answer>", "</answer>", "|s|", "|", "s", "<thi", "nk>", " ", "\n"),
    *("a", "\\boxed{", "[T]", "[/T]", "<|begin_of_thought|>", "<|end_of_thought|>"),
    *("<|begin_of_solution|>", "<|end_of_solution|>", "\n</think>\n<answer>\n", "<think>\n"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
RULES = [
    *(rule(style) for rule in (ThinkFormat, TagCount) for style in get_args(Style)),
    *(rule("r1", token="|s|") for rule in (ThinkFormat, TagCount)),
    *(rule("think", tags="[T] [/T]") for rule in (ThinkFormat, TagCount)),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@settings(deadline=None, max_examples=150)
@given(beginning=TEXTS, ending=TEXTS, size=st.integers(1, 9))
def test_a_growing_answer_is_given_up_only_when_no_ending_helps(
    rule: ThinkFormat | TagCount, beginning: str, ending: str, size: int
) -> None:
    whole = rule.judge(PROMPT.with_completion(beginning + ending))
    for at_least in (0.3, 0.75, 1.0):
        watch = rule.watch(PROMPT, at_least)
        assert watch is not None
        fault = None
        for start in range(0, len(beginning), size):
            fault = watch(beginning[start : start + size], 0)
        assert not (fault and whole.reaches(at_least)), (beginning, ending)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_tag_too_many_is_seen_at_once(rule: ThinkFormat | TagCount) -> None:
    token = rule.token or ("[T]" if rule.tags else "<think>\n")
    if rule.style == "begin-of-thought":
        token = "<|begin_of_thought|>"
    fault = rule.hopeless(PROMPT.with_completion(token * 4), 1.0)
    assert bool(fault) == (rule != ThinkFormat("open-r1"))  # which does not mind
