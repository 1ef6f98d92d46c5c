"""Prompts of a band of difficulty, by a pilot's pass rates or by a column."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datatrove.data import Document

from curate.errors import UsageError
from curate.run.ledger import TaskLedger
from curate.sample import Sample, prompt_id, schema
from curate.select import Difficulty
from curate.step import Context
from tests.select.passing import passed


def prompt(name: str, **columns: object) -> Sample:
    check = json.dumps(columns, sort_keys=True) if columns else None
    return Sample(prompt_id=prompt_id("t", name, check), problem=name, source="t", check=check)


def pilot(folder: Path, rates: dict[str, float | None], failed: list[str]) -> Path:
    """A run directory as Generate(keep="all") leaves it."""
    samples = [
        prompt(name).with_completion(f"{k}", k=k, id=f"{name}-{k}", pass_rate=rate).to_row()
        for name, rate in rates.items()
        for k in range(2)
    ]
    (folder / "dataset" / "data").mkdir(parents=True)
    table = pa.Table.from_pylist(samples, schema())
    pq.write_table(table, folder / "dataset" / "data" / "train-00000-of-00001.parquet")
    ledger = TaskLedger(folder, 0)
    for name in failed:
        document = prompt(name).to_document()
        ledger.drop(
            "Generate", "prompts", document, "no_sample_accepted", detail="8 tried", failed=False
        )
    document = prompt("never asked").to_document()
    ledger.drop("Generate", "prompts", document, "budget_spent", detail="", failed=False)
    ledger.commit()
    return folder


def ready(step: Difficulty, folder: Path) -> Difficulty:
    step.prepare(Context(folder, folder, folder))
    return pickle.loads(pickle.dumps(step))


def documents(*names: str) -> list[Document]:
    return [prompt(name).to_document() for name in names]


def test_pass_rates_are_joined_by_prompt(tmp_path: Path) -> None:
    pilot(tmp_path / "run", {"easy": 1.0, "middle": 0.5, "low": 0.125}, ["hard"])
    step = ready(Difficulty(of="run", at_least=0.125, at_most=0.9), tmp_path)
    asked = documents("easy", "middle", "low", "hard", "never asked", "unknown")
    found = passed(step, asked)
    assert [(d.text, d.metadata["pass_rate"]) for d in found.kept] == [
        ("middle", 0.5),
        ("low", 0.125),
    ]
    reasons = {d.text: found.reasons[d.id] for d in asked if d.id in found.reasons}
    assert reasons == {
        **{"easy": "too_easy", "hard": "too_hard"},
        **{"never asked": "not_piloted", "unknown": "not_piloted"},
    }
    assert passed(step, asked, tasks=3).reasons == found.reasons


def test_what_was_not_piloted_may_stay(tmp_path: Path) -> None:
    pilot(tmp_path / "run", {"easy": 1.0}, ["hard"])
    step = ready(Difficulty(of="run", at_most=0.9, missing="kept"), tmp_path)
    assert [d.text for d in passed(step, documents("easy", "hard", "new")).kept] == ["hard", "new"]


def test_a_dataset_folder_is_a_pilot_too(tmp_path: Path) -> None:
    pilot(tmp_path / "run", {"easy": 1.0, "middle": 0.5}, [])
    for place in ("run/dataset", "run/dataset/data"):
        step = ready(Difficulty(of=place, at_most=0.9), tmp_path)
        assert [d.text for d in passed(step, documents("easy", "middle")).kept] == ["middle"]
        assert [path.name for path in step.files()] == ["train-00000-of-00001.parquet"]
    here = Difficulty(of="run", at_most=0.9).identity()
    assert here == Difficulty(of="elsewhere/run", at_most=0.9).identity()


TAGS = [
    (1, "too_easy"),
    ("Level 2", "too_easy"),
    ("Level 4", None),
    (5.0, None),
    ("5", None),
    ("Level ?", "untagged"),
    (None, "untagged"),
    (True, "untagged"),
    (7, "too_hard"),
]


@pytest.mark.parametrize(("tag", "reason"), TAGS, ids=str)
def test_a_column_says_how_hard_a_problem_is(tag: object, reason: str | None) -> None:
    document = prompt("x", level=tag).to_document()
    found = passed(Difficulty(column="level", at_least=3, at_most=5), [document])
    assert found.reasons.get(document.id) == reason
    assert len(found.kept) == (reason is None)


def test_words_are_levels() -> None:
    asked = [prompt(word, difficulty=word).to_document() for word in ("Easy", "medium", "HARD")]
    found = passed(Difficulty(column="difficulty", at_least=2), asked)
    assert [d.text for d in found.kept] == ["medium", "HARD"]


def test_what_cannot_be_joined_is_said(tmp_path: Path) -> None:
    pilot(tmp_path / "run", {"a": None}, [])
    with pytest.raises(UsageError, match="keep='all'"):
        passed(ready(Difficulty(of="run"), tmp_path), documents("a"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no run or dataset"):
        ready(Difficulty(of="empty"), tmp_path)
    with pytest.raises(UsageError, match="there is no file nowhere"):
        ready(Difficulty(of="nowhere"), tmp_path)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "empty" / "x.parquet")
    with pytest.raises(UsageError, match="no columns prompt_id and pass_rate"):
        passed(ready(Difficulty(of="empty"), tmp_path), documents("a"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "one of the two"),
        ({"of": "run", "column": "level"}, "one of the two"),
        ({"column": "level", "at_least": 2, "at_most": 1}, "is above"),
        ({"column": "level", "missing": "maybe"}, "'dropped' or 'kept'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_arguments_are_said(arguments: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Difficulty(**arguments)
