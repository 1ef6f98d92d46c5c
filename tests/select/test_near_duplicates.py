"""How many near-duplicates of problems are found, and how many other problems are merged."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from curate.select.surface import surface
from tests.select.near_duplicates import DATA, OTHER, SAME, Edit, Problem, edited, made, problems
from tests.select.test_dedup import CASES, left, problem, read

ANOTHER = "-98765"


def pairs(edit: Edit, of: list[Problem]) -> list[tuple[Problem, str]]:
    rng = random.Random(0)
    return [(p, text) for p in of if (text := edited(edit, p.text, rng)) is not None]


def merged(found: list[tuple[Problem, str]], answers: Any, folder: Path) -> float:
    """The share of pairs of which one goes."""
    documents = []
    for i, (p, text) in enumerate(found):
        first, second = answers(p)
        documents += [
            problem(p.text, first, "a", domain=str(i)),
            problem(text, second, "b", domain=str(i)),
        ]
    return 2 - len(left(documents, folder, within="domain")) / len(found)


@pytest.mark.parametrize("given", [True, False], ids=["answers", "no answers"])
@pytest.mark.parametrize("edit", SAME.values(), ids=list(SAME))
def test_the_same_problem_in_another_dress(edit: Edit, given: bool, tmp_path: Path) -> None:
    found = pairs(edit, [*problems(150), *made(30)])
    if not found:
        assert edit.__name__ in ("undrawn", "separated") and not DATA.exists()
        return
    assert merged(found, lambda p: (p.answer, p.answer) if given else (None, None), tmp_path) > 0.95


@pytest.mark.parametrize("given", [True, False], ids=["answers", "no answers"])
@pytest.mark.parametrize("edit", OTHER.values(), ids=list(OTHER))
def test_another_problem_that_looks_alike(edit: Edit, given: bool, tmp_path: Path) -> None:
    found = pairs(edit, [*problems(150), *made(30)])
    share = merged(found, lambda p: (p.answer, ANOTHER) if given else (None, None), tmp_path)
    assert share <= (0.0 if given else 0.03)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("**Problem 12.** Find $x$.", "Find $x$."),
        ("12) Find $x$.", "Find $x$."),
        ("(AIME 1994, Problem 3) Find $x$.", "Find $x$."),
        ("Solve the following math problem: Find $x$.", "Find $x$."),
        ("12 apples cost $5.", "12 apples cost $5."),
        ("3.5 apples", "3.5 apples"),
        ("Find $x$. Please reason step by step, and put your answer in \\boxed{}.", "Find $x$. "),
        (
            "Find $ab$ if $\\sin ab = 1$ in \\text{cm}.",
            "Find $a b$ if $\\sin a b = 1$ in \\text{cm}.",
        ),
        ("<p>Find <i>x</i><sup>2</sup>.</p>", " Find  x ^{2}. "),
        ("x &lt; 3 and 1,234{,}567 or 10,\\!000", "x < 3 and 1234567 or 10000"),
        ("f(1,2), 0.125,125 and 1,23", "f(1,2), 0.125,125 and 1,23"),
        ("See ![a](b.png) below: 10² m\u2212n", "See   below: 10^2 m-n"),
        ("- Find the *largest* one", "Find the largest one"),
        ("- 3 + 2*x*y", "- 3 + 2*x*y"),
        ("Problem 3.", "Problem 3."),
        ("", ""),
    ],
)
def test_what_a_problem_says(text: str, says: str) -> None:
    assert surface(text).text == says


@pytest.mark.skipif(not CASES.exists(), reason="../shared/cases is not here")
@pytest.mark.parametrize("given", [True, False], ids=["answers", "no answers"])
@pytest.mark.parametrize("name", ["math-near-identical.jsonl", "real-neardup-pairs.jsonl"])
def test_given_cases(name: str, given: bool, tmp_path: Path) -> None:
    rows = [row for row in read(name) if row["duplicate"] is not None]
    wrong = []
    for i, row in enumerate(rows):
        first, second = row["answers"] if given else (None, None)
        documents = [problem(row["a"], first, "a"), problem(row["b"], second, "b")]
        if (len(left(documents, tmp_path / str(i))) == 1) != row["duplicate"]:
            wrong.append(json.dumps(row))
    assert not wrong
