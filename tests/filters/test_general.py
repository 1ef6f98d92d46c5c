"""Thinking where it is asked for, and who judges non-reasoning answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from curate.sample import Sample
from filters import AskedThinking, Declines, answers_well, general, pair_judges

THOUGHT = "<think>\nThe user wants a greeting, so I say hello.\n</think>\n"


def sample(said: str, **check: Any) -> Sample:
    prompt = Sample("p", "Please say hello.", language="en", check=json.dumps(check))
    return prompt.with_completion(said, finish_reason="stop", completion_tokens=9)


CASES = [
    (True, f"{THOUGHT}Hello!", None, "asked for and there"),
    (True, "Hello!", "no thinking", "asked for and missing"),
    (False, "Hello!", None, "not asked for and not there"),
    (False, f"{THOUGHT}Hello!", "thinks where it should not", "not asked for and there"),
    (False, "<think>\n\n</think>\nHello!", "thinks where it should not", "not even an empty one"),
    (None, "Hello!", None, "nobody said, none"),
    (None, f"{THOUGHT}Hello!", None, "nobody said, some"),
    (None, "", "no response", "nothing"),
    (True, "<think>Hm.</think>", "no response", "no answer after it"),
    (True, "<think>Hm.\n# Plan\nI go.</think>Hello!", "Markdown in the thinking: #", "a heading"),
    (True, "<think>I do:\n- this</think>Hello!", "Markdown in the thinking: -", "a list"),
    (True, "<think>I am **sure**.</think>Hello!", "Markdown in the thinking: **", "bold"),
    (True, f"<think>{'word ' * 200}</think>Hello!", "a paragraph of over 155 words", "too long"),
    (True, "<think>I say 你好你好你好你好.</think>Hello!", "thinks in another language", "mixed"),
    (True, "<think>So 2 - 1 is 1, and 3 * 4 is 12.</think>- Hello!", None, "signs are no list"),
]


@pytest.mark.parametrize(("asked", "said", "fault", "what"), CASES, ids=[row[3] for row in CASES])
def test_thinking_as_it_is_asked_for(
    asked: bool | None, said: str, fault: str | None, what: str
) -> None:
    verdict = AskedThinking().judge(sample(said, **({} if asked is None else {"think": asked})))
    assert verdict.score == (0.0 if fault else 1.0)
    assert verdict.reason.startswith(fault or "")


def test_a_gold_answer_counts_then_instructions_then_that_it_ended() -> None:
    rule = answers_well()
    gold = Sample("p", "?", answer="hello").with_completion("Bye!", finish_reason="stop")
    no_comma = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    assert rule.filter(gold.to_document()) is not True
    assert rule.filter(sample("Hello, you.", **no_comma).to_document()) is not True
    assert rule.filter(sample("Hello you.", **no_comma).to_document()) is True
    assert rule.filter(sample("Hello, you.").to_document()) is True


def test_with_a_judge_it_takes_eight_of_ten() -> None:
    rule = answers_well("http://node:1/v1", "judge")
    assert "Judge:model=judge,prompt=helpfulness" in rule.scorer.name
    assert 6 / 9 < rule.at_least <= 7 / 9 < 8 / 9
    assert not any(keep.scorer.needs_gold for keep in general("Ada", "Ada Lab"))


def test_a_harmful_request_is_declined_or_not() -> None:
    refusal = "I'm sorry, but I can't help with that."
    assert Declines().judge(sample(refusal, harmful=True)).score == 1.0
    assert Declines().judge(sample("Cut the lock.", harmful=True)).score == 0.0
    assert Declines().judge(sample(refusal)).score is None
    assert Declines().judge(sample("<think>No.</think>", harmful=True)).score is None


def test_rules_ask_nobody_and_a_judge_is_asked_four_times() -> None:
    rules = pair_judges()
    assert {name: judge.name for name, judge in rules.items()} == {
        "helpful": "Gap(FirstOf(TextAnswer; Instructions:score=share))",
        "harmless": "Gap(Declines)",
    }
    judges = pair_judges("http://node:1/v1", "judge")
    assert judges["helpful"].name == "Preference:model=judge"
    assert judges["harmless"].name == "Gap(Judge:model=judge,prompt=harmlessness,repeats=4)"
