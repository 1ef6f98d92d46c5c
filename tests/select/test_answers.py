"""Gold answers out of worked solutions."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import Sample
from curate.select import Answers
from curate.select.answers import answer_in
from curate.sources.row import Defaults, read_row
from tests.select.passing import passed

DATA = Path(__file__).parents[2] / "../shared/data"


def prompt(solution: str | None, answer: str | None = None, **columns: object) -> Document:
    row = {"problem": f"Solve {solution!r} {answer!r}.", "answer": answer, "solution": solution}
    read = read_row({k: v for k, v in (row | columns).items() if v is not None}, Defaults("t"))
    assert isinstance(read, Sample)
    return read.to_document()


FOUND = [
    ("We get $x = \\boxed{7}$.", "7", "a box"),
    ("First \\boxed{3}, then \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}", "the last box counts"),
    ("3 + 4 = <<3+4=7>>7\n#### 7", "7", "GSM8K"),
    ("#### 1,234", "1,234", "a thousands comma"),
    ("Adding, the answer is 42.", "42", "a sentence that says so"),
    ("所以答案是 7。", "7", "Chinese"),
    ("It follows. Answer: $x + 1$", "x + 1", "a label"),
]
MISSING = [
    (None, "no_solution", "no solution"),
    ("  ", "no_solution", "an empty one"),
    ("Add 3 and 4 to get 7.", "no_answer_in_solution", "a number that is not marked"),
    ("Hence $6 \\mid n^3 - n$. $\\blacksquare$", "proof", "an end of proof"),
    ("This is what we wanted. \\boxed{}", "proof", "an empty box, as NuminaMath marks proofs"),
    ("Therefore it holds, as desired.", "proof", "a phrase"),
    ("故 $a = b$,证毕。", "proof", "Chinese"),
]


@pytest.mark.parametrize(("solution", "answer", "why"), FOUND, ids=[row[2] for row in FOUND])
def test_the_answer_of_a_solution_is_taken(solution: str, answer: str, why: str) -> None:
    document = prompt(solution)
    (kept,) = passed(Answers(), [document]).kept
    assert Sample.from_document(kept).answer == answer
    again = read_row(Sample.from_document(kept).to_row(), Defaults("t"))
    assert isinstance(again, Sample)
    assert again.prompt_id == kept.id == document.id


@pytest.mark.parametrize(("solution", "reason", "why"), MISSING, ids=[row[2] for row in MISSING])
def test_a_prompt_without_an_answer_goes_with_its_reason(
    solution: str | None, reason: str, why: str
) -> None:
    document = prompt(solution)
    assert passed(Answers(), [document]).reasons == {document.id: reason}
    kept = passed(Answers(), [prompt(solution, "7")]).kept
    assert [Sample.from_document(d).answer for d in kept] == ["7"]


def test_answers_that_disagree_with_the_solution_go_only_when_compared() -> None:
    same = prompt("It is \\boxed{0.5}.", "1/2")
    other = prompt("It is \\boxed{3}.", "4")
    unmarked = prompt("Add them.", "4")
    unreadable = prompt("It is \\boxed{3}.", "a long story about nothing at all")
    documents = [same, other, unmarked, unreadable]
    assert passed(Answers(), documents).ids == [d.id for d in documents]
    found = passed(Answers(compare=True), documents)
    assert found.ids == [same.id, unmarked.id, unreadable.id]
    assert found.reasons == {other.id: "answer_disagrees"}
    assert "3" in found.details[other.id]


def test_another_column_and_samples_work_too() -> None:
    document = prompt(None, worked="#### 9")
    sample = Sample.from_document(document).with_completion("Nine.", id="s").to_document()
    for each in (document, sample):
        (kept,) = passed(Answers(column="worked"), [each]).kept
        assert kept.metadata["answer"] == "9"
    assert passed(Answers(column="worked"), [sample]).kept[0].text == "Nine."
    with pytest.raises(UsageError, match="name the column"):
        Answers(column="")


@pytest.mark.skipif(not DATA.exists(), reason="no ../shared with real solutions")
@pytest.mark.parametrize("name", ["gsm8k_test.jsonl.gz", "math_test.jsonl.gz"])
def test_the_gold_answer_of_real_solutions(name: str) -> None:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    other = [
        (found, r["answer"].strip())
        for r in rows
        if (found := answer_in(r["solution"])) != r["answer"].strip()
    ]
    # MATH's answer is the last box; of two boxes joined by "and" both are the answer.
    assert len(other) <= 11
    assert [pair for pair in other if not str(pair[0]).endswith(f" and {pair[1]}")] == []
