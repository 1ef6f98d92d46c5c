"""Right answers, each domain by its own rule."""

from __future__ import annotations

import json
from typing import Any

import pytest

from curate.sample import Sample
from filters import right_answer, solves_puzzle

KNIGHTS = (
    "A very special island is inhabited only by knights and knaves. Knights always tell the truth,"
    " and knaves always lie. You meet 2 inhabitants: Ann, and Bob. Ann said that Bob is a knave."
    " Bob said that Ann is a knave or Bob is a knave. So who is a knight and who is a knave?"
)


def asked(domain: str, problem: str, answer: str | None, **check: Any) -> Sample:
    return Sample("p", problem, answer, domain=domain, check=json.dumps(check) if check else None)


TESTS = {"fn_name": "f", "inputs": [[2], [3]], "outputs": [4, 6]}
CASES = [
    (asked("math", "What is 1/2 of 3?", "3/2"), "\\boxed{1.5}", "\\boxed{2}"),
    (
        asked("code", "Write f(n) that doubles n.", None, tests=TESTS),
        "```python\ndef f(n):\n    return 2 * n\n```",
        "```python\ndef f(n):\n    return n ** 2\n```",
    ),
    (asked("stem", "Which is a metal?\nA. iron\nB. milk", "A"), "It is A.", "It is B."),
    (asked("logic", "Who is older?\nA. Ann\nB. Tom", "B"), "\\boxed{B}", "\\boxed{A}"),
    (asked("logic", "How many edges has a cube?", "12"), "\\boxed{12}", "\\boxed{8}"),
    (
        asked("logic", "Make 24 of 4, 6, 1.", "24", nums=[4, 6, 1], target=24),
        "<answer>4 * 6 * 1</answer>",
        "<answer>4 * 6</answer>",
    ),
    (
        asked("logic", KNIGHTS, "Ann is a knave, and Bob is a knight."),
        "Ann is a knave, and Bob is a knight.",
        "Ann is a knight, and Bob is a knave.",
    ),
    (
        asked(
            "logic",
            "Spell this word backward (example: sun -> nus): bag",
            "gab",
            task="spell_backward",
            metadata={"source_dataset": "spell_backward"},
        ),
        "<answer>gab</answer>",
        "<answer>bag</answer>",
    ),
]


@pytest.mark.parametrize(
    ("prompt", "right", "wrong"), CASES, ids=[c[0].problem[:20] for c in CASES]
)
def test_each_domain_has_its_rule(prompt: Sample, right: str, wrong: str) -> None:
    rule = right_answer()
    good, bad = (prompt.with_completion(said).to_document() for said in (right, wrong))
    assert [refusal is None for refusal in rule.refusals([good, bad])] == [True, False]


def test_a_domain_without_a_rule_is_not_let_in() -> None:
    poem = asked("general", "Write a poem.", None).with_completion("Roses are red.")
    [refusal] = right_answer().refusals([poem.to_document()])
    assert refusal and refusal.reason == "ByDomain:no_rule"


def test_a_puzzle_that_no_rule_knows_is_unjudged() -> None:
    riddle = asked("logic", "What walks on four legs in the morning?", None)
    assert solves_puzzle.scorer.gold_problem(riddle)


def test_only_the_rules_of_words_have_a_judge() -> None:
    named = {
        domain: [keep.scorer.name for keep in right_answer("http://h/v1").for_domain(domain) or []]
        for domain in ("math", "code", "stem", "logic")
    }
    assert named["code"] == ["CodeTests"]
    assert all("Judge" in named[domain][0] for domain in ("math", "stem", "logic"))
