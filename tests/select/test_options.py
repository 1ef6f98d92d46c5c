"""`Options`: multiple choice out of a right answer and wrong ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from curate.errors import UsageError
from curate.sample import Sample, canonical_json
from curate.scorers import Choice
from curate.select.options import Options

WRONG = ("w1", "w2", "w3")


def prompt(number: int = 0, **columns: Any) -> Sample:
    given = {"w1": "milk", "w2": "wood", "w3": "air", "note": "x"} | columns
    return Sample(
        prompt_id=f"{number:016x}",
        problem=f"Which of these is a metal ({number})?",
        answer="iron",
        domain="stem",
        source="made",
        check=canonical_json(given),
    )


def asked(prompts: list[Sample], **arguments: Any) -> list[Sample]:
    step = Options(WRONG, **arguments)
    return [Sample.from_document(d) for d in step.run(p.to_document() for p in prompts)]


def test_every_place_is_as_likely_and_gold_is_judged_by_letter_and_text() -> None:
    found = asked([prompt(n) for n in range(400)])
    places = Counter(sample.answer for sample in found)
    assert set(places) == set("ABCD") and min(places.values()) > 70
    for sample in found[:20]:
        assert f"\n{sample.answer}. iron" in sample.problem
        for text in (f"\\boxed{{{sample.answer}}}", "The answer is iron."):
            assert Choice().judge(sample.with_completion(text)).score == 1.0
        assert Choice().judge(sample.with_completion("\\boxed{wood}")).score == 0.0
        assert sample.checks.keys() == {"options"}


def test_the_order_is_of_the_problem_and_the_seed() -> None:
    prompts = [prompt(n) for n in range(8)]
    one = asked(prompts)
    assert asked(prompts[::-1]) == one[::-1]
    assert [s.answer for s in asked(prompts, seed=1)] != [s.answer for s in one]
    assert len({sample.prompt_id for sample in one} | {p.prompt_id for p in prompts}) == 16


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"w2": None}, id="a column that is empty"),
        pytest.param({"w2": "iron"}, id="a wrong answer that is the right one"),
        pytest.param({"w3": 7}, id="no text"),
    ],
)
def test_what_is_no_choice_is_left_out(columns: dict[str, Any]) -> None:
    assert asked([prompt(**columns)]) == []


@pytest.mark.parametrize("wrong", [[], "w1", ["w"] * 40])
def test_wrong_columns(wrong: Any) -> None:
    with pytest.raises(UsageError, match="a list of 1 to"):
        Options(wrong)
