"""Rules look first whether a text can have their fault at all; that must change no verdict."""

import random

import pytest

from curate.sample import Sample
from curate.scorers import (
    ForeignScript,
    Identity,
    LanguageConsistency,
    PersonalData,
    Readability,
    Refusal,
    Repetition,
    foreign_script,
    identity,
    language_consistency,
    personal_data,
)
from curate.scorers.new_sentences import sentences
from curate.scorers.refusal import _Response
from curate.scorers.scripts import Scripts, ascii_words
from curate.scorers.word_hashes import gram_hashes, word_hashes
from curate.text import words

PIECES = (
    *("So $x = 3$ and ", "wait, no, ", "step 1: add 2. ", "step 22: add it. ", "word " * 40),
    *("<think>", "</think>", "</answer>", "\n", "\n\n", "```python\nx\n```\n", "~~~", "x y " * 30),
    *("I'm sorry, but I can't help with that. ", "I am ChatGPT, made by OpenAI. ", "palm, {{ "),
    *("I am {{name}}. ", "我是通义千问", "我无法回答您的问题。", "Write to jane.doe@mail.org. "),
    *("call 13800138000 ", "+1 650-253-0000 ", "(212) 867-5309 ", " 4539 1488 0343 6467 "),
    *("8.8.8.8 ", "2001:4860:4860::8888 ", "DE89 3702 0400 4405 3201 30 ", " 078-05-1120 "),
    *("11010519491231002X ", "Card: 4539148803436467 ", "3+4 - 22 5 ", "1.2.3.4 ", "٣٤٥ "),
    *("a" * 40, "ab" * 350, " " * 650, "三加四等于七。", "Давайте проверим. ", "π and θ ", "Ζεύς "),
    *("é ", "ABC DE sin cos mm "),
    *("\u017f \u212a ", r"\( a \le \frac{1}{2} \) ", "https://a.b/c ", "`f` "),
)


def texts(count: int) -> list[str]:
    choose = random.Random(5)
    return [
        "".join(
            choose.choice(PIECES) * choose.choice((1, 1, 1, 2, 6, 12))
            for _ in range(choose.randint(0, 12))
        )
        for _ in range(count)
    ]


def samples(count: int) -> list[Sample]:
    prompt = Sample(prompt_id="p", problem="Who is Ζεύς?", language="en")
    return [prompt.with_completion(text) for text in texts(count)]


@pytest.mark.parametrize(
    "rule, place, name, unsure",
    [
        pytest.param(Repetition(n=5), Repetition, "_sound", None, id="repetition"),
        pytest.param(Readability(paragraph_words=50), Readability, "_may_be_long", True, id="long"),
        pytest.param(PersonalData(), personal_data, "_may_hold", True, id="personal data"),
        pytest.param(ForeignScript(), foreign_script, "_may_leak", True, id="foreign script"),
        pytest.param(
            LanguageConsistency(by="script", window=20),
            language_consistency,
            "ascii_words",
            None,
            id="language",
        ),
    ],
)
def test_a_verdict_is_the_same_without_the_first_look(
    monkeypatch: pytest.MonkeyPatch, rule, place, name, unsure
) -> None:
    judged = samples(250)
    before = rule.judge_all(judged)
    monkeypatch.setattr(place, name, lambda *_: unsure)
    assert rule.judge_all(judged) == before
    assert len({verdict.score for verdict in before}) > 1


def test_an_identity_is_the_same_without_the_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    class All:
        def which(self, text: str) -> list[str]:
            return [text]

    judged = samples(250)
    before = Identity().judge_all(judged)
    monkeypatch.setattr(identity, "_stems", All)
    assert Identity().judge_all(judged) == before


def test_a_refusal_is_the_same_when_every_sentence_is_looked_at() -> None:
    for sample in samples(400):
        every = next(filter(None, map(_Response().fault, sentences(sample.text))), None)
        assert Refusal().judge(sample).reason == (every or "")


def test_words_of_ascii_letters_are_counted_as_they_are_found() -> None:
    counted = 0
    for text in (*texts(400), "z" * 65, "Z" * 130, "aé", "\u03c0\u03c1o", "ABCD cmm", ""):
        count = ascii_words(text)
        if count is not None:
            assert count == len(Scripts().feed(text, is_whole=True)), text
            counted += 1
    assert counted > 20


def numbered(values) -> list[int]:
    """Equal values as equal numbers, in the order in which they come."""
    numbers: dict = {}
    return [numbers.setdefault(value, len(numbers)) for value in values]


def test_hashes_are_equal_where_words_and_their_grams_are() -> None:
    for text in texts(200):
        said, found = words(text), word_hashes(text)
        assert numbered(found.words.tolist()) == numbered(said)
        bare = [word.translate(str.maketrans("", "", "0123456789.")) for word in said]
        assert numbered(found.unnumbered.tolist()) == numbered(bare)
        for n in (1, 3, 4, 7, 20):
            grams = zip(*(said[i:] for i in range(n)), strict=False)
            assert numbered(gram_hashes(found.words, n).tolist()) == numbered(grams)
