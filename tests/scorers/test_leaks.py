"""A single word or sentence of another script that is planted in a real chain is found."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from curate.sample import Sample, Verdict
from curate.scorers import ForeignScript, LanguageConsistency

SHARED = Path(__file__).parents[2] / "../shared"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="no ../shared with real chains")
RULE = ForeignScript()
CHINESE = re.compile(r"[\u4e00-\u9fff]{2,}")
WORDS = re.compile(r"[^\W\d_]{3,}")
PLANTED = 400


def rows(name: str) -> Iterator[dict[str, Any]]:
    raw = (SHARED / "data" / name).read_bytes()
    text = (gzip.decompress(raw) if name.endswith("gz") else raw).decode()
    return map(json.loads, text.strip().split("\n"))


@cache
def chains() -> list[Sample]:
    """The real English chains with their problems."""
    return [
        Sample(prompt_id="p", problem=row["problem"]).with_completion(row["response"])
        for row in rows("traces_math500.jsonl.gz")
    ]


@cache
def problems(language: str) -> list[str]:
    if language == "zh":
        return [row["problem"] for row in rows("cmath.jsonl")]
    return [row["text"] for row in rows("tatoeba_pairs.jsonl.gz") if row["language"] == language]


def leak_of(kind: str, language: str, dice: random.Random) -> str:
    """A word or a sentence of that language: of Chinese one to four characters, or up to a stop."""
    text = dice.choice(problems(language))
    if kind == "sentence":
        return re.split("[。？.?!]", text)[0]  # noqa: RUF001
    words = (CHINESE if language == "zh" else WORDS).findall(text)
    if not words:
        return leak_of(kind, language, dice)
    word = dice.choice(words)
    if language != "zh":
        return word
    size = dice.randint(1, 4)
    start = dice.randrange(max(1, len(word) - size + 1))
    return word[start : start + size]


def planted(kind: str, language: str, count: int) -> Iterator[tuple[Sample, Sample, int]]:
    """A chain, the same with a leak between two of its words, and where the leak begins."""
    dice = random.Random(count)
    for _ in range(count):
        sample = dice.choice(chains())
        spaces = [space.start() for space in re.finditer(r"\s", sample.text)]
        place, leak = dice.choice(spaces), leak_of(kind, language, dice)
        text = f"{sample.text[:place]} {leak}{sample.text[place:]}"
        yield sample, sample.with_completion(text), place


@pytest.mark.parametrize("kind", ["word", "sentence"])
@pytest.mark.parametrize("language", ["zh", "ja", "ko", "ru", "ar", "th"])
def test_a_planted_leak_is_found(kind: str, language: str) -> None:
    found = sum(RULE.judge(leaky).score == 0.0 for _, leaky, _ in planted(kind, language, PLANTED))
    assert found >= 0.99 * PLANTED


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("traces_math500.jsonl.gz", "response"),
        ("gsm8k_train.jsonl.gz", "solution"),
        ("gsm8k_test.jsonl.gz", "solution"),
        ("math_test.jsonl.gz", "solution"),
    ],
)
def test_no_clean_chain_has_one(name: str, column: str) -> None:
    false = [
        row["id"]
        for row in rows(name)
        if RULE.judge(Sample("p", row["problem"]).with_completion(row[column])) != Verdict(1.0)
    ]
    assert false == []


def test_no_share_sees_a_word() -> None:
    blind = LanguageConsistency(by="script", window=200)
    missed = sum(
        blind.judge(leaky).reaches(0.95) for _, leaky, _ in planted("word", "zh", PLANTED // 4)
    )
    assert missed >= 0.9 * PLANTED // 4


def test_a_leak_is_seen_while_the_chain_grows_and_never_wrongly() -> None:
    dice, seen = random.Random(3), 0
    for sound, leaky, place in planted("word", "zh", PLANTED // 4):
        assert not RULE.hopeless(sound, 1.0)
        cut = dice.randrange(len(leaky.text))
        fault = RULE.hopeless(leaky.with_completion(leaky.text[:cut]), 1.0)
        assert not fault or (cut > place and RULE.judge(leaky).score == 0.0)
        seen += bool(fault)
        enough = leaky.text[: place + 200]
        late = RULE.hopeless(leaky.with_completion(enough), 1.0)
        assert late or "`" in enough or "[asy]" in enough
    assert seen > PLANTED // 16


def test_what_the_problem_says_is_no_leak() -> None:
    problem = Sample(
        prompt_id="p", problem="小明 has 3 apples. What does 苹果 mean?", language="en"
    )
    assert RULE.judge(problem.with_completion("小明 has 3 苹果, that is apples.")).score == 1.0
    assert RULE.judge(problem.with_completion("小明有 3 apples.")).reason == "'小明有' is not en"
    growing = RULE.watch(problem, 1.0)
    assert growing and not growing("小", 1) and not growing("明 has", 2)
    assert growing(" 苹果吗 is what it says", 3) == "'苹果吗' is not en"


SYMBOLS = [
    ("Let π, θ and αβγ be angles; Δx and Σ are known.", "en", 1.0, "Greek symbols"),
    ("Then λόγος is a word.", "en", 0.0, "a Greek word"),
    ("Let ж be a variable and Ш(E) a group, ℵ and א too.", "en", 1.0, "letters as variables"),
    ("Then да is a word.", "en", 0.0, "two Cyrillic letters"),
    ("So $x = \\text{面积}$ holds.", "en", 0.0, "in a formula"),
    ("Print `面积` or see https://a.b/面积 now.", "en", 1.0, "in code and addresses"),
    ("naïve Café Erdős ½ ﬁ ª", "en", 1.0, "Latin with marks"),
    ("设点 ABC 和 x, sin x, Euler 定理", "zh", 1.0, "names in Chinese"),
    ("所以 we have to add both of these numbers", "zh", 0.0, "prose in Chinese"),
    ("所以 これ", "zh", 0.0, "kana in Chinese"),
    ("点 A と 点 B の 距離", "ja", 1.0, "Japanese has Chinese characters"),
    ("Итак, по теореме Pythagoras", "ru", 1.0, "a name in Russian"),
    ("Итак, 因此", "ru", 0.0, "Chinese in Russian"),
]


@pytest.mark.parametrize(
    ("text", "language", "score", "reason"), SYMBOLS, ids=[x[3] for x in SYMBOLS]
)
def test_a_symbol_is_no_word(text: str, language: str, score: float, reason: str) -> None:
    sample = Sample(prompt_id="p", problem="?", language=language).with_completion(text)
    assert RULE.judge(sample).score == score
