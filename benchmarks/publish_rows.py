"""Datasets for `benchmarks.publish`: rows of real sentences, and the changes of a next version.

>>> rows = dataset(20, characters=500, sentences=["One.", "Two and three."])
>>> len(rows), rows == sorted(rows, key=sort_key)
(20, True)
>>> sum(a != b for a, b in zip(rows, changed(rows, 0.1, seed=1)))
2
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curate.sample import Sample, Verdict, digest, prompt_id, sort_key

Row = dict[str, Any]
DATA = Path(__file__).parents[2] / "shared/data"
TEXTS = {
    "traces_math500.jsonl.gz": "response",
    "math_test.jsonl.gz": "solution",
    "math_train.jsonl.gz": "problem",
    "gsm8k_train.jsonl.gz": "solution",
}
SPREAD = 0.7
"""Of the logarithm of the lengths of completions, as in `benchmarks.scale_data`."""


def real_sentences() -> list[str]:
    """Every line of the traces, solutions and problems in ../shared/data; without it, sentences of
    the grammar of `benchmarks.scale_words`.
    """
    if not DATA.is_dir():
        from benchmarks import scale_words as words

        chance = random.Random(0)
        return [words.filled(chance, words.FACTS) for _ in range(100_000)]
    found: set[str] = set()
    for name, column in TEXTS.items():
        with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
            for line in file:
                found |= set(re.split(r"(?<=[.?!])\s+|\n+", json.loads(line)[column]))
    return sorted(found)


def dataset(
    prompts: int, *, characters: int, sentences: Sequence[str], source: str = "sums", seed: int = 0
) -> list[Row]:
    """Sorted rows, one for each prompt, with completions of `characters` on average."""
    chance = random.Random(f"{source} {seed}")
    rows = [_row(chance, source, characters, sentences) for _ in range(prompts)]
    return sorted(rows, key=sort_key)


def changed(rows: Sequence[Row], share: float, *, seed: int) -> list[Row]:
    """The rows with another answer of the model to `share` of them, anywhere."""
    chance = random.Random(seed)
    new = list(rows)
    for at in chance.sample(range(len(rows)), max(1, round(share * len(rows)))):
        other = chance.choice(rows)
        row = rows[at]
        new[at] = row | {
            **{key: other[key] for key in ("completion", "completion_tokens", "verdicts")},
            "id": f"{row['prompt_id']}-{digest([seed, at])[:8]}",
            "seed": chance.getrandbits(62),
        }
    return sorted(new, key=sort_key)


def replaced(rows: Sequence[Row], new: Sequence[Row], *, seed: int) -> list[Row]:
    """The rows without as many as there are `new` ones, and with these."""
    chance = random.Random(seed)
    gone = set(chance.sample(range(len(rows)), len(new)))
    kept = (row for at, row in enumerate(rows) if at not in gone)
    return sorted((*kept, *new), key=sort_key)


def _row(chance: random.Random, source: str, characters: int, sentences: Sequence[str]) -> Row:
    problem = f"{_text(chance, 150, sentences)} ({chance.getrandbits(40)})"
    answer = str(chance.randint(-999, 9999))
    length = characters * chance.lognormvariate(-SPREAD * SPREAD / 2, SPREAD)
    text = f"<think>\n{_text(chance, length, sentences)}\n</think>\n\\boxed{{{answer}}}"
    name = prompt_id(source, problem, None)
    k = chance.randint(0, 7)
    values: dict[str, Any] = {
        **{"prompt_id": name, "id": f"{name}-{chance.getrandbits(32):08x}", "k": k},
        **{"problem": problem, "answer": answer, "domain": "math", "source": source},
        **{"source_id": f"{source}-{chance.getrandbits(30)}", "license": "MIT", "language": "en"},
        **{"verifier": "MathAnswer", "prompt": ({"role": "user", "content": problem},)},
        **{"model": "deepseek-r1", "model_revision": "f7361cd9", "finish_reason": "stop"},
        **{"prompt_tokens": len(problem) // 4, "completion_tokens": len(text) // 4},
        **{"seed": chance.getrandbits(62), "samples_tried": 8, "samples_correct": k},
    }
    verdicts = {
        "MathAnswer": Verdict(1.0, f"{answer} equals {answer}"),
        "ThinkFormat": Verdict(1.0, "one block of thought"),
        "LanguageConsistency": Verdict(1.0 - chance.random() / 20, "words of English"),
    }
    return Sample(**values).with_completion(text).with_verdicts(verdicts).to_row()


def _text(chance: random.Random, length: float, sentences: Sequence[str]) -> str:
    found: list[str] = []
    while length > 0:
        found.append(chance.choice(sentences))
        length -= len(found[-1]) + 1
    return " ".join(found)
