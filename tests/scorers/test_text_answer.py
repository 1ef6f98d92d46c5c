"""Answers in words: said or not, whole or part of another word, denied, too long."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers import TextAnswer


def judged(said: str, gold: str, *aliases: str) -> float | None:
    check = json.dumps({"aliases": aliases}) if aliases else None
    prompt = Sample("p", "?", answer=gold, check=check)
    return TextAnswer().judge(prompt.with_completion(said)).score


RIGHT = [
    ("Paris", "Paris", "nothing else"),
    ("The capital is paris.", "Paris", "another case"),
    ("It is **Paris**!", "Paris", "marked"),
    ("<think>Rome? No.</think>It is Paris.", "Paris", "after the thinking"),
    ("It was Leonardo\nda  Vinci.", "Leonardo da Vinci", "over a line break"),
    ("There are \uff17 days.", "7", "a full-width digit"),
    ("It is not Rome but, of course, Paris.", "Paris", "another one is denied"),
    ("答案是巴黎。", "巴黎", "without spaces"),
    ("She said: c'est l'eau.", "eau", "behind an apostrophe"),
]
WRONG = [
    ("The capital is Rome.", "Paris", "another answer"),
    ("The Parisian way", "Paris", "part of a word"),
    ("<think>It is Paris.</think>It is Rome.", "Paris", "in the thinking only"),
    ("It is not Paris.", "Paris", "denied"),
    ("It isn't in Paris.", "Paris", "denied with two words between"),
    ("There are 17 days.", "7", "part of a number"),
    ("word " * 50 + "Paris", "Paris", "in passing"),
    ("", "Paris", "no response"),
]


@pytest.mark.parametrize(("said", "gold", "what"), RIGHT, ids=[row[2] for row in RIGHT])
def test_the_gold_answer_is_said(said: str, gold: str, what: str) -> None:
    assert judged(said, gold) == 1.0


@pytest.mark.parametrize(("said", "gold", "what"), WRONG, ids=[row[2] for row in WRONG])
def test_the_gold_answer_is_not_said(said: str, gold: str, what: str) -> None:
    assert judged(said, gold) == 0.0


def test_another_name_will_do() -> None:
    assert judged("It has 8 legs.", "eight", "8") == 1.0
    assert judged("It has 9 legs.", "eight", "8") == 0.0


def test_without_a_gold_answer_nobody_can_know() -> None:
    prompt = Sample("p", "?", answer=" ")
    assert TextAnswer().judge(prompt.with_completion("Paris")).score is None
    assert TextAnswer().gold_problem(prompt) == "no gold answer"


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20))
def test_every_answer_says_itself(gold: str) -> None:
    assert judged(f"It is {gold}.", gold) == 1.0


def test_no_words_at_all_are_refused() -> None:
    with pytest.raises(UsageError, match="longest=0"):
        TextAnswer(longest=0)
