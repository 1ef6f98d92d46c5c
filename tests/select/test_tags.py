"""Domain and language of problems that do not say them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curate.errors import UsageError
from curate.sample import Sample
from curate.select import Tags
from curate.select.tags import domain_of
from curate.sources.row import Defaults, read_row
from tests.select.passing import passed

DATA = Path(__file__).parents[2] / "../shared/data"

WRITTEN = {
    "math": [
        "Solve $x^2 - 5x + 6 = 0$.",
        "A shop sells pens at $3 each. How much do 7 pens cost in total?",
        "What is the remainder when $2^{100}$ is divided by 7?",
        "Find the area of a triangle with sides 5, 12 and 13.",
        "Let $\\triangle ABC$ have $AB = 3$ and $BC = 4$. Compute $AC$.",
        "The average of five integers is 12. What is their sum?",
        "一个长方形的面积是 24 平方厘米,长是 6 厘米,周长是多少厘米?",
        "解方程 $2x + 3 = 7$。",
    ],
    "code": [
        "Write a function that returns the n-th Fibonacci number.",
        "Given a string s, return the longest palindromic substring. Use Python code.",
        "Read integers from standard input and print the largest to standard output.",
        "```python\ndef f(x):\n    return x\n```\nWhat does this code return for 3?",
        "Implement binary search over a sorted array and return the index of the element.",
        "Write a SQL query that lists all customers without orders.",
        'def add(a, b):\n    """Adds two numbers.\n    >>> add(1, 2)\n    3\n    """',
        "编写一个函数,返回列表中的最大值。",
    ],
    "stem": [
        "A 2 kg block slides down a frictionless incline. What is its acceleration?",
        "Which organelle is responsible for photosynthesis in plant cells?",
        "How many moles of water form when 4 g of hydrogen react with excess oxygen?",
        "What is the wavelength of a photon with an energy of 3 eV?",
        "Which of the following enzymes unwinds DNA during replication?",
        "Calculate the pH of a 0.1 M solution of acetic acid.",
        "An electron moves in a magnetic field. What force acts on it?",
        "Which hormone lowers the concentration of glucose in the blood?",
    ],
    "logic": [
        "On an island, knights always tell the truth and knaves always lie. A says: B is a knave. "
        "Who is what?",
        "Solve this logic puzzle: Ann sits next to Bob, and Carl sits to the left of Ann.",
        "Premise: all cats are animals. Premise: Tom is a cat. Which conclusion can be inferred?",
        "Using the numbers 3, 5 and 7, create an equation that equals 22.",
        "Each of three suspects makes two statements; exactly one is a liar. Who is it?",
    ],
    "general": [
        "Write a poem about the sea.",
        "Who wrote Faust?",
        "Translate 'good morning' into French.",
        "Give me tips for my first job interview.",
        "What should I cook tonight with rice and eggs?",
        "Summarize the plot of Hamlet in three sentences.",
        "How do I tell my friend that I am moving away?",
        "Plan a trip to Rome for two people.",
        "What is the capital of Australia?",
        "写一首关于春天的诗。",
    ],
}


@pytest.mark.parametrize("domain", WRITTEN)
def test_a_domain_is_told_or_left_open(domain: str) -> None:
    """Few are missed, and none is taken for another."""
    told = [domain_of(Sample(prompt_id="p", problem=problem)) for problem in WRITTEN[domain]]
    wrong = [
        p for p, d in zip(WRITTEN[domain], told, strict=True) if d not in (None, "general", domain)
    ]
    assert wrong == []
    assert domain == "general" or told.count(domain) >= 0.75 * len(told)


def test_what_a_row_says_stays() -> None:
    problem = "Write a function that returns the n-th prime."
    prompt = Sample(prompt_id="p", problem=problem, domain="math", language="de")
    (kept,) = passed(Tags(), [prompt.to_document()]).kept
    assert Sample.from_document(kept) == prompt
    unsaid = replace(prompt, domain="general", language=None)
    (kept,) = passed(Tags(), [unsaid.to_document()]).kept
    assert Sample.from_document(kept) == replace(prompt, domain="code", language="en")
    for off in (Tags(domain=False), Tags(language=False)):
        (kept,) = passed(off, [unsaid.to_document()]).kept
        found = Sample.from_document(kept)
        assert (found.domain == "general") != (found.language is None)


@pytest.mark.parametrize(
    ("further", "domain"),
    [
        ({"verifier": "MathAnswer"}, "math"),
        ({"verifier": "CodeTests"}, "code"),
        ({"check": '{"tests": ["assert f(1) == 1"]}'}, "code"),
        ({"check": '{"nums": [1, 2], "target": 3}'}, "logic"),
        ({"check": '{"instruction_id_list": []}'}, "general"),
        ({}, None),
    ],
    ids=str,
)
def test_verifier_and_columns_say_it_too(further: dict[str, Any], domain: str | None) -> None:
    assert domain_of(Sample(prompt_id="p", problem="Do it.", **further)) == domain


def test_the_language_is_told_or_left_open() -> None:
    problems = ["What is 3 + 4?", "小明有几个苹果?", "3 + 4 =", "¿Cuánto es?"]
    asked = [Sample(prompt_id=str(n), problem=p).to_document() for n, p in enumerate(problems)]
    found = [d.metadata["language"] for d in passed(Tags(), asked).kept]
    assert found == ["en", "zh", None, None]
    german = Sample(prompt_id="p", problem="Wie viele Äpfel hat Anna nach drei Tagen noch?")
    for by, code in (("script", None), ("model", "de")):
        (kept,) = passed(Tags(by=by), [german.to_document()]).kept  # type: ignore[arg-type]
        assert kept.metadata["language"] == code
    with pytest.raises(UsageError, match="'script' or 'model'"):
        Tags(by="guess")  # type: ignore[arg-type]


@pytest.mark.skipif(not DATA.exists(), reason="no ../shared with problems of known domain")
@pytest.mark.parametrize(
    ("name", "domain", "told", "wrong"),
    [
        ("gsm8k_test.jsonl.gz", "math", 0.85, 0.01),
        ("math_test.jsonl.gz", "math", 0.85, 0.01),
        ("cmath.jsonl", "math", 0.75, 0.0),
        ("mbpp.jsonl.gz", "code", 0.98, 0.0),
        ("humaneval.jsonl.gz", "code", 0.9, 0.02),
        ("knights_knaves.jsonl.gz", "logic", 0.99, 0.0),
        ("countdown.jsonl", "logic", 0.99, 0.0),
        ("ifeval.jsonl", "general", 0.5, 0.03),
    ],
)
def test_real_problems_by_their_words_alone(
    name: str, domain: str, told: float, wrong: float
) -> None:
    data = (DATA / name).read_bytes()
    text = (gzip.decompress(data) if name.endswith("gz") else data).decode()
    found: Counter[str | None] = Counter()
    for line in text.strip().split("\n")[:1500]:
        prompt = read_row(json.loads(line), Defaults(name))
        assert isinstance(prompt, Sample)
        found[domain_of(replace(prompt, check=None, verifier=None))] += 1
    assert found[domain] >= told * found.total()
    assert found.total() - found[domain] - found[None] <= wrong * found.total()
