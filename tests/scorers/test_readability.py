"""Readability: long paragraphs and blocks of code in the reasoning."""

from __future__ import annotations

from collections import Counter

import pytest

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers import Readability
from tests.scorers.real import needs_data, rows

PROMPT = Sample(prompt_id="p", problem="?")
CODE = "```python\nprint(7)\n```"
LONG = "word " * 11

TEXTS = [
    ("a\n\nb", "7", True, "short"),
    (LONG, "7", False, "a long paragraph"),
    (f"\n{LONG}\n", "7", False, "between line breaks"),
    ("word word word\n" * 9, "7", True, "many lines"),
    ("三" * 11, "7", False, "every Chinese character is a word"),
    (CODE, "7", False, "a block of code"),
    ("  ~~~\nprint(7)", "7", False, "an open block, indented, of tildes"),
    ("use `print(7)` or ```print```", "7", True, "code in a line"),
    ("a", CODE + LONG, True, "in the response"),
]


@pytest.mark.parametrize(
    ("reasoning", "response", "good", "reason"), TEXTS, ids=[text[3] for text in TEXTS]
)
def test_readability(reasoning: str, response: str, good: bool, reason: str) -> None:
    rule = Readability(paragraph_words=10)
    for text in (f"<think>{reasoning}</think>{response}", f"{reasoning}</think>{response}"):
        sample = PROMPT.with_completion(text)
        assert rule.judge(sample).score == float(good)
        assert bool(rule.hopeless(sample, 1.0)) != good


def test_what_is_allowed_is_a_parameter() -> None:
    sample = PROMPT.with_completion(f"<think>{LONG}\n{CODE}\n{CODE}\n</think>7")
    assert Readability(paragraph_words=10, code_blocks=2).judge(sample).score == 0.0
    assert Readability(paragraph_words=11, code_blocks=1).judge(sample).score == 0.0
    assert Readability(paragraph_words=11, code_blocks=2).judge(sample).score == 1.0
    assert Readability(paragraph_words=None, code_blocks=None).judge(sample).score == 1.0
    code = PROMPT.with_completion(f"<think>```\n{LONG}\n```\n</think>7")
    assert Readability(paragraph_words=10, code_blocks=1).judge(code).score == 1.0
    with pytest.raises(UsageError, match="paragraph_words=-1 is at least 0"):
        Readability(paragraph_words=-1)


def test_a_growing_paragraph_is_hopeless_with_its_first_word_too_many() -> None:
    watch = Readability(paragraph_words=10).watch(PROMPT, 1.0)
    assert watch is not None
    assert [watch("word ", 0) for _ in range(11)][-2:] == [
        None,
        "a paragraph of over 10 words in the reasoning",
    ]
    watch = Readability(paragraph_words=10).watch(PROMPT, 1.0)
    assert watch is not None
    assert not any(watch(piece, 0) for piece in ["<thi", "nk>a</th", "ink>", *["word "] * 20])


@needs_data
def test_long_paragraphs_of_real_chains() -> None:
    refused: Counter[str] = Counter()
    for row in rows("traces_math500.jsonl.gz"):
        if not Readability().judge(PROMPT.with_completion(row["response"])).score:
            refused[row["model"]] += 1
    assert sum(refused.values()) == 4 and len(refused) == 1
