"""What is contaminated, and what only looks so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.contaminated import labelled
from curate.errors import UsageError
from curate.sample import Sample
from curate.select import Decontaminate
from tests.select.decontaminating import (
    ITEMS,
    benchmark,
    context,
    decontaminated,
    items_in,
    prompts,
)

SHARED = Path(__file__).parents[2] / "../shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not here")

ROSA, ASYMPTOTES, SUM, TRAINS = (row["problem"] or "" for row in ITEMS)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One cache for all tests of this file: what is in it is named by its content."""
    folder = tmp_path_factory.getbasetemp() / "decontaminate-cache"
    monkeypatch.setenv("CURATE_CACHE", str(folder))
    return folder


@pytest.mark.parametrize(
    ("text", "item"),
    [
        pytest.param(ROSA, "rosa", id="verbatim"),
        pytest.param(ROSA.upper(), "rosa", id="other case"),
        pytest.param("## Problem 12\n\n" + ROSA.replace("Rosa", "**Rosa**"), "rosa", id="markup"),
        pytest.param(ROSA.replace("'", "\u2019").replace(". ", ".<br>\n"), "rosa", id="web page"),
        pytest.param(ROSA.rpartition("She")[0], "rosa", id="cut at its end"),
        pytest.param(
            ROSA.replace("She is", "Think about it before you calculate. She is"),
            "rosa",
            id="a sentence put in",
        ),
        pytest.param(
            f"Solve both. (a) Name three primes below 20. (b) {ROSA} (c) What is a square?",
            "rosa",
            id="embedded",
        ),
        pytest.param(ROSA.replace("remainder", "remaindr"), "rosa", id="mistyped"),
        pytest.param(
            ASYMPTOTES.replace("\\frac{2}{", "\\dfrac 2 {").replace("+", r" + \,"),
            "asymptotes",
            id="other LaTeX",
        ),
        pytest.param(
            ASYMPTOTES.replace("How many", "Find the number of"), "asymptotes", id="other lead"
        ),
        pytest.param("Compute:\nwhat is 17+25 ?", "sum", id="shorter than an n-gram"),
        pytest.param(
            "A train leaves Lyon at 9:40 and travels 130 kilometers an hour. A second one leaves "
            "Paris at 10:10 and travels 160 kilometers an hour toward Lyon.",
            "trains",
            id="an excerpt",
        ),
        pytest.param(ROSA.replace("75", "80"), None, id="one number other"),
        pytest.param(ASYMPTOTES.replace("+x-6", "-x+6"), None, id="signs other"),
        pytest.param(
            ASYMPTOTES.replace("2}{x^2+x-6", "5}{x^2+3x-10"), None, id="the same template"
        ),
        pytest.param("What is $17 + 26$?", None, id="short, one number other"),
        pytest.param("What is 17 times 25, and what is 3 + 4?", None, id="the same words"),
        pytest.param("The remainder is 1.", None, id="a few words of it"),
        pytest.param("The answer is 42.", None, id="a short solution"),
        pytest.param("", None, id="empty"),
        pytest.param("$$ ... $$", None, id="no word"),
    ],
)
def test_what_is_contaminated(text: str, item: str | None, tmp_path: Path) -> None:
    assert items_in([text], tmp_path) == [item]


def test_solutions_are_looked_for_as_well(tmp_path: Path) -> None:
    solution = ITEMS[0]["solution"] or ""
    sample = Sample(prompt_id="0" * 16, problem="How old is she?").with_completion(
        f"<think>Let me see.\n{solution}\nYes.</think>She is 49.", id="s", k=0
    )
    assert decontaminated([sample.to_document()], tmp_path)[0] == ["s"]
    kept, dropped = decontaminated([sample.to_document()], tmp_path, by=("problem", "completion"))
    assert not kept
    reason, detail = dropped["s"]
    assert reason == "contaminated_by:bench/rosa"
    assert "100% of the solution in order" in detail


def test_all_samples_of_a_contaminated_prompt_go(tmp_path: Path) -> None:
    base = Sample(prompt_id="0" * 16, problem=SUM)
    other = Sample(prompt_id="1" * 16, problem="What is $31 + 58$?")
    samples = [
        p.with_completion("It is.", id=f"{p.prompt_id[0]}-{k}", k=k)
        for p in (base, other)
        for k in range(3)
    ]
    kept, dropped = decontaminated([s.to_document() for s in samples], tmp_path)
    assert kept == ["1-0", "1-1", "1-2"]
    assert sorted(dropped) == ["0-0", "0-1", "0-2"]


def test_earlier_turns_count(tmp_path: Path) -> None:
    turns = [("system", "Be brief."), ("user", ROSA), ("assistant", "49"), ("user", "Why?")]
    prompt = Sample(
        prompt_id="0" * 16,
        problem="Why?",
        prompt=tuple({"role": r, "content": c} for r, c in turns),  # type: ignore[misc]
    )
    assert not decontaminated([prompt.to_document()], tmp_path)[0]


def test_the_detail_shows_both_texts(tmp_path: Path) -> None:
    _, dropped = decontaminated(prompts([f"Problem 12: {ROSA}"]), tmp_path)
    _, detail = dropped["0" * 16]
    share, row, item = detail.split("\n")
    assert share.startswith("100% of the question in order")
    assert row == "row: " + ROSA[:-1]
    assert item == "benchmark: " + ROSA[:-1]


def test_masked_numbers_take_the_template_too(tmp_path: Path) -> None:
    texts = [ROSA.replace("75", "80"), "How many primes are less than 75?"]
    assert items_in(texts, tmp_path, numbers="masked") == ["rosa", None]


def test_r1_takes_any_ten_in_a_row(tmp_path: Path) -> None:
    text = "Some number is divided by 2, 3, 4, or 6, the remainder is 1. What is the next prime?"
    assert items_in([text], tmp_path) == [None]
    assert items_in([text], tmp_path, ngram="r1") == ["rosa"]


SPACE = st.sampled_from([" ", "  ", "\n", "\t", " \n ", r" \, ", "\u00a0"])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_item_is_found_whatever_its_spacing(data: Any, tmp_path_factory: Any) -> None:
    row = data.draw(st.sampled_from(ITEMS))
    spaced = re.sub(r" ", lambda m: data.draw(SPACE), row["problem"])
    spaced = re.sub(r"(?<=[=+\-{}])|(?=[=+\-])", lambda m: data.draw(SPACE), spaced)
    folder = tmp_path_factory.getbasetemp()
    assert items_in([data.draw(SPACE) + spaced], folder) == [row["id"]]


def test_the_order_and_the_company_of_rows_do_not_matter(tmp_path: Path) -> None:
    texts = [ROSA, "What is a prime?", SUM, TRAINS + " Show your work.", "Name a city."] * 120
    alone = [items_in([text], tmp_path)[0] for text in texts[:5]]
    assert items_in(texts, tmp_path) == alone * 120
    assert items_in(texts[::-1], tmp_path) == (alone * 120)[::-1]


@needs_shared
def test_cases_of_others(tmp_path: Path) -> None:
    lines = (SHARED / "cases/real-decontamination.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    math500 = str((SHARED / "data/math500.jsonl").resolve())
    kept, _ = decontaminated(prompts([row["text"] for row in rows]), tmp_path, math500)
    hits = [f"{i:016x}" not in kept for i in range(len(rows))]
    planted = [hit for hit, row in zip(hits, rows, strict=True) if row["contaminated"]]
    clean = [hit for hit, row in zip(hits, rows, strict=True) if not row["contaminated"]]
    assert sum(planted) / len(planted) >= 0.98
    assert sum(clean) / len(clean) <= 0.02


@needs_shared
def test_edited_copies_and_other_rows_of_four_benchmarks(tmp_path: Path) -> None:
    data = SHARED / "data"
    rows = [row for row in labelled(data, items=60) if row.half == "held out"]
    names = ["math500.jsonl", "gsm8k_test.jsonl.gz", "humaneval.jsonl.gz", "ifeval.jsonl"]
    spec = [str((data / name).resolve()) for name in names]
    kept, _ = decontaminated(prompts([row.text for row in rows]), tmp_path, *spec)
    is_kept = {*kept}
    hits = [(row, f"{i:016x}" not in is_kept) for i, row in enumerate(rows)]
    planted = [hit for row, hit in hits if row.item]
    clean = [hit for row, hit in hits if row.kind.startswith("row of")]
    assert sum(planted) / len(planted) >= 0.99
    assert sum(clean) / len(clean) <= 0.005


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({"ngram": 9}, "choose 8, 10, 13 or 'r1'", id="ngram"),
        pytest.param({"by": ()}, "'problem', 'completion' or both", id="by nothing"),
        pytest.param({"by": "answer"}, "'problem', 'completion' or both", id="by"),
        pytest.param({"numbers": "dropped"}, "'kept' or 'masked'", id="numbers"),
        pytest.param({"require": "gpqa"}, "none of the benchmarks: bench", id="require"),
    ],
)
def test_arguments_that_make_no_sense(options: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        Decontaminate(benchmark(tmp_path), **options).prepare(context(tmp_path))
