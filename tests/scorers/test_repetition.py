"""Repetition: the share of n-grams again, and loops of any kind."""

from __future__ import annotations

import random

import pytest

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers import Repetition
from tests.scorers.real import needs_data, rows, texts

PROMPT = Sample(prompt_id="p", problem="?")


@needs_data
def test_repetition_is_that_of_the_real_chains() -> None:
    rule = Repetition(loop=10**6, in_a_row=10**6)
    for row in rows("traces_math500.jsonl.gz"):
        verdict = rule.judge(PROMPT.with_completion(row["response"]))
        assert verdict.score == pytest.approx(1 - row["dup20gram_frac"], abs=5e-4), row["id"]


@pytest.mark.parametrize("period", [1, 2, 7, 19, 20, 21, 150])
def test_a_loop_of_any_period_is_found_in_a_long_text(period: int) -> None:
    said = " ".join(f"word{i}" for i in range(period)) + " "
    sound = " ".join(str(i) for i in range(20_000))
    verdict = Repetition().judge(
        PROMPT.with_completion(f"{sound} {said * (12 + 30 // period)} {sound}a")
    )
    assert verdict.score == 0.0 and verdict.reason.startswith("a loop")


@pytest.mark.parametrize("period", [1, 5, 12, 25, 45, 97])
def test_a_stretch_said_four_times_in_a_row_is_a_loop(period: int) -> None:
    said = " ".join(f"word{i}" for i in range(period)) + " "
    sound = " ".join(str(i) for i in range(1000))
    times = max(4, -(-100 // period))
    rule = Repetition(loop=10**6)
    looped = PROMPT.with_completion(f"{sound} {said * times}{sound}")
    assert rule.judge(looped).reason.startswith("a loop:")
    fewer = PROMPT.with_completion(f"{sound} {said * (times - 1)}{sound}")
    assert not rule.judge(fewer).reason.startswith("a loop")
    apart = PROMPT.with_completion("".join(f"{said}but {i} " for i in range(times)))
    assert not rule.judge(apart).reason.startswith("a loop")


@needs_data
def test_no_sound_chain_comes_near_a_loop() -> None:
    rule = Repetition(loop=6, in_a_row=3, counted=10)
    found = [
        row["format"]
        for row in rows("traces_math500.jsonl.gz")
        if rule.judge(PROMPT.with_completion(row["response"])).reason.startswith("a loop")
    ]
    assert found == ["no_tags"]


def test_a_loop_without_spaces_is_one() -> None:
    assert Repetition().judge(PROMPT.with_completion("hahaha" * 400)).score == 0.0
    assert Repetition().judge(PROMPT.with_completion("我再想想" * 40)).score == 0.0


@pytest.mark.parametrize("period", [1, 7, 16, 37, 150, 1009])
@pytest.mark.parametrize("before", ["", "x = 5 and ", "abc" * 50 + "d"])
def test_a_loop_of_characters_of_any_period_is_found(period: int, before: str) -> None:
    said = "".join(random.Random(period).choices("abcdefgh0123", k=period))
    often = 5 * max(period, 600) // period
    looped = PROMPT.with_completion(f"{before}{said * often}")
    assert Repetition().judge(looped).score == 0.0
    assert Repetition().hopeless(looped, 0.1)
    once = PROMPT.with_completion(f"{before}{said}{said}")
    assert not Repetition().judge(once).reason.startswith("a loop")


def test_a_loop_of_spaces_is_one() -> None:
    assert Repetition().judge(PROMPT.with_completion("It is 7." + " \n" * 600)).score == 0.0
    assert Repetition().judge(PROMPT.with_completion("It is 7." + " " * 100)).score == 1.0


def test_a_loop_of_thousands_of_characters_is_found_when_it_is_said_four_times() -> None:
    letters = random.Random(1)
    sound = " ".join("".join(letters.choices("abcdefgh", k=6)) for _ in range(3000)) + " "
    long = " ".join("".join(letters.choices("ijklmnop", k=6)) for _ in range(900)) + " "
    assert Repetition().hopeless(PROMPT.with_completion(sound + long * 4 + "and"), 0.1)
    assert Repetition().hopeless(PROMPT.with_completion(sound + long * 3), 0.1) is None


def steps(times: int) -> str:
    said = "Step {}: I add {} and one more, and so I come to {} in the end. "
    return "".join(said.format(i, 2 * i, 2.5 * i) for i in range(times))


def test_a_loop_that_counts_is_one() -> None:
    looped = Repetition().judge(PROMPT.with_completion(steps(60)))
    assert looped.score == 0.0 and looped.reason.startswith("a loop: 40.")
    assert Repetition().judge(PROMPT.with_completion(steps(39))).score == 1.0
    assert Repetition(counted=100).judge(PROMPT.with_completion(steps(60))).score == 1.0
    numbers = " ".join(str(i) for i in range(5000))
    assert Repetition().judge(PROMPT.with_completion(numbers)).score == 1.0


@needs_data
def test_no_solution_is_a_loop() -> None:
    said = texts("math_test.jsonl.gz", "solution") + texts("gsm8k_test.jsonl.gz", "solution")
    assert all(Repetition().judge(PROMPT.with_completion(text)).score for text in said)


def test_a_number_of_times_below_two_is_refused() -> None:
    with pytest.raises(UsageError, match="loop=10, in_a_row=1 and counted=40 at least 2"):
        Repetition(in_a_row=1)
