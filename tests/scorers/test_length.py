"""Length and Finished: is it all there, and no more than that?"""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers import Finished, Length
from tests.scorers.real import needs_data, texts

PROMPT = Sample(prompt_id="p", problem="?")


def test_length_counts_tokens_else_words() -> None:
    three = PROMPT.with_completion("one two three")
    rule = Length(minimum=2, maximum=3)
    assert rule.judge(three).score == 1.0
    assert rule.judge(PROMPT.with_completion("one two three", completion_tokens=4)).score == 0.0
    assert rule.judge(PROMPT.with_completion("one")).score == 0.0
    assert Length(unit="characters", maximum=12).judge(three).score == 0.0
    assert Length().judge(PROMPT.with_completion("")).score == 0.0


@pytest.mark.parametrize(
    ("tokens", "punishment"), [(0, 0), (60, 0), (70, -0.25), (80, -0.5), (100, -1), (101, -1)]
)
def test_the_soft_limit_is_one_plus_the_punishment_of_dapo(tokens: int, punishment: float) -> None:
    rule = Length(minimum=0, maximum=100, soft=40)
    said = PROMPT.with_completion("7", completion_tokens=tokens)
    assert rule.judge(said).score == 1 + punishment
    assert bool(rule.hopeless(said, 0.5)) == (punishment < -0.5)
    assert bool(rule.hopeless(said, 1.0)) == (punishment < 0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"minimum": 5, "maximum": 4}, "leaves no length"),
        ({"soft": 5}, "soft=5 is from 0 to maximum, which is None"),
        ({"maximum": 4, "soft": 5}, "soft=5 is from 0 to maximum, which is 4"),
        ({"tokenizer": "x.json", "unit": "words"}, "counts tokens, not unit=words"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Length(**parameters)


def test_a_named_tokenizer_counts_instead_of_the_engine(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="no package tokenizers")
    path = tmp_path / "tokenizer.json"
    model = {"type": "WordLevel", "vocab": {"It": 0, "is": 1, "7": 2, "?": 3}, "unk_token": "?"}
    path.write_text(json.dumps({"model": model, "pre_tokenizer": {"type": "Whitespace"}}))
    rule = Length(maximum=4, tokenizer=str(path))
    four = rule.judge(PROMPT.with_completion("It is 7.", completion_tokens=900))
    assert (four.score, four.reason) == (1.0, "4 tokens")
    assert rule.judge(PROMPT.with_completion("It is 7, yes.")).score == 0.0
    assert rule.watch(PROMPT, 1.0) is None
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be loaded"):
        Length(tokenizer=str(tmp_path / "broken.json")).judge(PROMPT.with_completion("7"))


@pytest.mark.parametrize(
    ("reason", "score"),
    [("stop", 1.0), ("end_turn", 1.0), ("eos_token", 1.0), ("length", 0.0), ("abort", 0.0)],
)
def test_an_answer_is_finished_when_the_engine_says_so(reason: str, score: float) -> None:
    assert Finished().judge(PROMPT.with_completion("7", finish_reason=reason)).score == score


ENDS = [
    ("<think>a", 0.0, "in the reasoning"),
    ("<think>a</think>b<think>", 0.0, "in another reasoning"),
    (r"It is \boxed{\frac{1}{2}", 0.0, "in a box"),
    (r"It is \[ x", 0.0, "in a formula"),
    ("```python\nprint(7)", 0.0, "in code"),
    ("It is 7.", 1.0, "a sentence"),
    ("它是七。", 1.0, "a Chinese sentence"),
    ("<answer>7</answer>\n", 1.0, "an element"),
    (r"So $\boxed{7}$", 1.0, "a box"),
    (r"So $\boxed{7}$ and then", None, "after a box"),
    ("7", None, "a number"),
    ("It is", None, "a word"),
    ("", None, "nothing"),
]


@pytest.mark.parametrize(("text", "score", "reason"), ENDS, ids=[end[2] for end in ENDS])
def test_where_nobody_says_the_text_tells_or_nothing_does(
    text: str, score: float | None, reason: str
) -> None:
    assert Finished().judge(PROMPT.with_completion(text)).score == score


@needs_data
def test_of_real_texts_none_is_called_cut_off_and_few_cut_ones_whole() -> None:
    numbers, whole, cut = random.Random(1), Counter[float | None](), Counter[float | None]()
    for text in texts("traces_math500.jsonl.gz", "response"):
        whole[Finished().judge(PROMPT.with_completion(text)).score] += 1
        for _ in range(10):
            begun = text[: numbers.randrange(len(text))]
            cut[Finished().judge(PROMPT.with_completion(begun)).score] += 1
    assert whole[0.0] == 0 and whole[1.0] >= 65
    assert cut[1.0] <= 0.06 * cut.total()
