"""What is called hopeless is: random cuts of real chains, with and without planted defects.

CURATE_TEST_CUTS=10000 pytest -s tests/scorers/test_hopeless.py     # all, and what fired
"""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from curate.sample import Sample
from curate.scorers import Scorer
from tests.scorers.samples import COMPOSED, SCORERS

TRACES = Path(__file__).parents[2] / "../shared/data/traces_math500.jsonl.gz"
CUTS = int(os.environ.get("CURATE_TEST_CUTS", "200"))
CUTS_OF_ONE = 5
THRESHOLDS = (0.5, 0.9, 0.95, 1.0)
Plant = Callable[[random.Random, str], str]

SENTENCES = {
    "Chinese": ["所以我们先把三和四加起来，得到七。", "等等，这个地方好像不对，再算一遍吧。"],  # noqa: RUF001
    "Russian": ["Теперь сложим три и четыре, получится семь.", "Подожди, это неверно, проверим."],
    "identity": ["I am ChatGPT, made by OpenAI. ", "我是通义千问，由阿里云开发。"],  # noqa: RUF001
    "personal": ["Write to jane.doe@mail.org. ", "Ring +44 20 7946 0958 now. "],
    "code": ["\n```python\nprint(3 + 4)\n```\n", "\n```\n7\n"],
}


def sentence(kind: str) -> Plant:
    def plant(rng: random.Random, text: str) -> str:
        return put(rng, text, f" {rng.choice(SENTENCES[kind]) * rng.randint(1, 3)} ")

    return plant


def put(rng: random.Random, text: str, what: str) -> str:
    at = rng.choice([i for i, c in enumerate(text) if c in " \n"] or [0])
    return text[:at] + what + text[at:]


def loop(rng: random.Random, text: str) -> str:
    words = text.split()
    start, period = rng.randrange(len(words)), rng.choice([1, 2, 5, 19, 20, 21, 40, 400])
    said = " ".join(words[start : start + period]) + rng.choice([" ", "\n"])
    return put(rng, text, said * rng.randint(3, 8 + 120 // period))


def counted_loop(rng: random.Random, text: str) -> str:
    said = [f"Step {i}: I add {i} and {i + 1}, that makes {2 * i + 1}, no. " for i in range(90)]
    return put(rng, text, "".join(said[: rng.randint(20, 90)]))


def unspaced_loop(rng: random.Random, text: str) -> str:
    said = "".join(rng.choices("abcdefg01234#|", k=rng.choice([1, 2, 7, 33, 150])))
    return put(rng, text, rng.choice([said, said, "\n"]) * rng.randint(10, 1500 // len(said)))


def long_paragraph(rng: random.Random, text: str) -> str:
    return put(rng, text, "\n" + " ".join(rng.choices(text.split(), k=rng.randint(300, 900))))


def refusal(rng: random.Random, text: str) -> str:
    reasoning, closed, response = text.rpartition("</think>")
    said = rng.choice(["I'm sorry, but I can't help with that. ", "抱歉，我无法回答这个问题。"])  # noqa: RUF001
    return f"{reasoning}{closed}\n\n{said}{response}"


def tags(rng: random.Random, text: str) -> str:
    kind = rng.randrange(4)
    if kind == 0:
        return text.replace("<think>", "")
    if kind == 1:
        return text.replace("</think>", "")
    return put(rng, text, rng.choice(["<think>", "</think>", "<answer>", "</answer>"]))


PLANTS: dict[str, Plant] = {
    "nothing": lambda rng, text: text,
    **{kind: sentence(kind) for kind in SENTENCES},
    "loop": loop,
    "counted loop": counted_loop,
    "unspaced loop": unspaced_loop,
    "long paragraph": long_paragraph,
    "refusal": refusal,
    "tags": tags,
}
THEIR_RULES = {
    **dict.fromkeys(["Chinese", "Russian"], "ForeignScript"),
    **dict.fromkeys(["loop", "counted loop", "unspaced loop"], "Repetition"),
    **dict.fromkeys(["code", "long paragraph"], "Readability"),
    **{"identity": "Identity", "personal": "PersonalData", "refusal": "Refusal"},
    "tags": "ThinkFormat",
}
ENDINGS = [
    "",
    "</think>7",
    "<think>I add.</think>It is 7.",
    "\n```\n</think>\\boxed{7}",
    " 7.",
    "7",
]


@cache
def chains() -> list[dict[str, Any]]:
    with gzip.open(TRACES, "rt", encoding="utf-8") as rows:
        found = [json.loads(row) for row in rows]
    for row in found:
        said = row["response"]
        said = said if len(said) < 6000 else said[:4000] + said[-2000:]
        row["response"] = said if said.startswith("<think>") else f"<think>\n{said}"
    return found


def watchers() -> list[tuple[Scorer, float]]:
    prompt = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7", language="en")
    return [
        (scorer, at_least)
        for i, scorer in enumerate([*SCORERS, *COMPOSED])
        for at_least in [THRESHOLDS[i % len(THRESHOLDS)]]
        if scorer.watch(prompt, at_least)
    ]


def tokens(text: str) -> int:
    return len(text) // 4 + 1


def streamed(scorer: Scorer, begun: Sample, at_least: float, rng: random.Random) -> str | None:
    """What a watch says that is told the beginning in pieces."""
    watch, fault, at = scorer.watch(begun, at_least), None, 0
    while watch and at < len(begun.text):
        end = at + rng.randint(1, 40)
        fault = watch(begun.text[at:end], tokens(begun.text[:end]))
        at = end
    return fault


@pytest.mark.skipif(not TRACES.exists(), reason="no ../shared with real chains")
def test_no_random_cut_is_called_hopeless_that_is_not() -> None:
    rng, fired = random.Random(20250122), Counter[tuple[str, str]]()
    for number in range(CUTS // CUTS_OF_ONE):
        row, kind = rng.choice(chains()), list(PLANTS)[number % len(PLANTS)]
        prompt = Sample("p", row["problem"], answer=row["answer"], language="en")
        text = PLANTS[kind](rng, row["response"])
        for cut in [rng.randrange(len(text) + 1) for _ in range(CUTS_OF_ONE)]:
            begun = prompt.with_completion(text[:cut], completion_tokens=tokens(text[:cut]))
            wholes = [text, text[:cut] + rng.choice([*ENDINGS, row["response"]])]
            in_pieces = cut % 8 == 0
            for scorer, at_least in watchers():
                fault = scorer.hopeless(begun, at_least)
                if in_pieces:
                    fault = streamed(scorer, begun, at_least, rng) or fault
                if fault:
                    fired[kind, scorer.name] += 1
                    for whole in wholes:
                        sample = prompt.with_completion(
                            whole, completion_tokens=tokens(whole), finish_reason="stop"
                        )
                        verdict = scorer.judge(sample)
                        where = f"{scorer.name} at {cut} of a chain with {kind}: {fault}"
                        assert not verdict.reaches(at_least), f"{where}, but {verdict}: {whole!r}"
    planted = sum(fired[kind, rule] for kind, rule in THEIR_RULES.items())
    for (kind, name), n in sorted(fired.items()):
        sys.stdout.write(f"{n:6} {kind}: {name}\n")
    sys.stdout.write(f"{sum(fired.values())} faults at {CUTS} cuts, {planted} by a defect's rule\n")
    assert planted >= CUTS // 20, fired
