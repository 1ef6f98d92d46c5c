"""Hopeless answers are cut soon after the defect begins, and sound ones never."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from curate.generate.watch import Watch
from curate.sample import Sample
from curate.scorers import ForeignScript, Length, MathAnswer
from curate.select import Keep
from filters import correct_answer, language_consistent, readable, think_format

SHARED = Path(__file__).parents[2] / "../shared"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="no ../shared with real chains")
PROMPT = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7")
ACCEPT = [think_format, correct_answer, *readable(), language_consistent()]
PIECE = 200
LOOP, LANGUAGE = "Repetition>=0.9", "LanguageConsistency:window=200,by=script>=0.95"
WITHIN = 512
"""Tokens within which a defect is to be seen, with 3.2 characters to one, of Chinese 1."""


class Cut(NamedTuple):
    """By which rule an answer was cut, and after how many characters."""

    rule: str
    length: int


def cut_of(text: str, prompt: Sample = PROMPT, size: int = PIECE) -> Cut | None:
    """Where an answer is cut that arrives in pieces of this size."""
    watch = Watch(prompt, ACCEPT)
    for end in range(size, len(text) + size, size):
        if rule := watch(text[end - size : end], end // 4):
            return Cut(rule, min(end, len(text)))
    return None


def rows(name: str) -> Iterator[dict[str, Any]]:
    raw = (SHARED / "data" / name).read_bytes()
    lines = (gzip.decompress(raw) if name.endswith("gz") else raw).decode().splitlines()
    return map(json.loads, lines)


@cache
def chains() -> list[tuple[Sample, str]]:
    """The sound real chains with their opening tag, which the chat template had written of some."""
    return [
        (
            Sample(prompt_id="p", problem=row["problem"], answer=row["answer"]),
            "<think>\n" + row["response"].removeprefix("<think>\n"),
        )
        for row in rows("traces_math500.jsonl.gz")
        if row["format"] in ("ok", "no_open")
    ]


@cache
def chinese() -> list[str]:
    return [row["problem"] for row in rows("cmath.jsonl")]


@cache
def russian() -> list[str]:
    return [row["text"] for row in rows("tatoeba_pairs.jsonl.gz") if row["language"] == "ru"]


@needs_shared
@pytest.mark.parametrize("size", [1000, PIECE, 37])
def test_sound_chains_are_never_cut(size: int) -> None:
    assert len(chains()) == 69
    assert [cut for prompt, text in chains() if (cut := cut_of(text, prompt, size))] == []


@needs_shared
def test_sound_chinese_is_never_cut() -> None:
    dice = random.Random(0)
    for _ in range(40):
        text = f"<think>{' '.join(dice.sample(chinese(), 40))}</think>7"
        assert cut_of(text, Sample(prompt_id="p", problem="小明有三个苹果")) is None


@needs_shared
@pytest.mark.parametrize("period", [5, 9, 15, 25, 45])
def test_a_planted_loop_is_cut(period: int) -> None:
    dice = random.Random(period)
    for prompt, text in chains()[::4]:
        said = text.partition("</think>")[0].split(" ")
        at = dice.randrange(len(said) // 2, len(said) - period)
        sound = " ".join(said[:at]) + " "
        cut = cut_of(sound + (" ".join(said[at : at + period]) + " ") * 60, prompt)
        assert cut and cut.rule == LOOP
        assert len(sound) < cut.length <= len(sound) + WITHIN * 3.2


def leak_of(language: str, dice: random.Random) -> tuple[str, float]:
    """A leak, and its characters a token."""
    if language == "zh":
        return "".join(dice.sample(chinese(), 20)), 1
    return " ".join(dice.sample(russian(), 60)), 3.2


@needs_shared
@pytest.mark.parametrize("language", ["zh", "ru"])
def test_a_planted_leak_into_english_is_cut(language: str) -> None:
    dice = random.Random(7)
    for prompt, text in chains():
        begun = text[: dice.randrange(20, text.index("</think>"))]
        leak, per_token = leak_of(language, dice)
        cut = cut_of(f"{begun} {leak}", prompt)
        assert cut and cut.rule == LANGUAGE
        assert len(begun) < cut.length <= len(begun) + WITHIN * per_token


@needs_shared
def test_a_planted_leak_into_chinese_is_cut() -> None:
    dice = random.Random(7)
    for _, text in chains()[::3]:
        begun = "<think>" + " ".join(dice.sample(chinese(), 25))
        leak = text[len("<think>") : 4000].partition("</think>")[0]
        cut = cut_of(f"{begun} {leak}", Sample(prompt_id="p", problem="小明有三个苹果"))
        assert cut and cut.rule == LANGUAGE
        assert len(begun) < cut.length <= len(begun) + WITHIN * 3.2


@needs_shared
def test_a_few_dozen_foreign_words_are_a_leak_though_the_chain_goes_on() -> None:
    for prompt, text in chains()[::3]:
        middle = text.index("\n", text.index("</think>") // 3)
        leaked = f"{text[:middle]}{chinese()[0][:30]} {text[middle:]}"
        cut = cut_of(leaked, prompt)
        assert cut and cut.rule == LANGUAGE and cut.length <= middle + WITHIN


@needs_shared
def test_a_missing_opening_tag_is_cut_with_the_first_piece() -> None:
    for prompt, text in chains():
        assert cut_of(text.removeprefix("<think>"), prompt) == Cut("ThinkFormat>=1", PIECE)


def test_what_an_ending_may_still_mend_is_not_cut() -> None:
    leak = "三加四等于七,所以答案是七没有错就这样写下来吧"
    assert cut_of(f"<think>I add. {leak}", size=20) == Cut(LANGUAGE, len(leak) + 14)
    assert cut_of(f"<think>It is `{leak}", size=20) is None
    assert cut_of(f"<think>See ```\n{leak}", size=20) is None
    assert cut_of(f"<think>I add three and four.</think>{leak}", size=20) is None
    assert cut_of("<thi") is None and cut_of("") is None


def test_it_names_the_first_rule_and_asks_none_that_cannot_tell() -> None:
    short = Keep(Length(maximum=3, unit="words"), at_least=0.5)
    watch = Watch(PROMPT, [Keep(MathAnswer()), think_format, short])
    assert watch("<think>one two", 2) is None
    assert watch(" three four", 4) == "Length:maximum=3,unit=words>=0.5"
    assert watch("<think>", 5) == "ThinkFormat>=1"
    assert Watch(PROMPT, [Keep(MathAnswer())])("<think>" * 9, 9) is None


def test_tokens_are_those_of_the_engine() -> None:
    watch = Watch(PROMPT, [Keep(Length(maximum=3))])
    assert watch("one two three four five", 3) is None
    assert watch("", 4) == "Length:maximum=3>=1"


def test_a_character_that_comes_in_halves_is_one() -> None:
    watch = Watch(PROMPT, [Keep(Length(maximum=2, unit="characters"))])
    assert [watch(half, 1) for half in "\ud83d\ude00\ud83d"] == [None] * 3
    assert watch("\ude00a", 2) == "Length:maximum=2,unit=characters>=1"
    foreign = Watch(PROMPT, [Keep(ForeignScript(letters=2))])
    assert foreign("\ud840", 1) is None
    assert foreign("\udc00\ud840\udc00 in the old spelling", 2) == "ForeignScript:letters=2>=1"
