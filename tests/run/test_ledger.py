"""The law of the funnel, and what refused documents look like."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from datatrove.data import Document
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import FunnelError
from curate.run.ledger import Row, TaskLedger, rejected_schema, stage_funnel
from curate.sample import Sample

NUMBERS = st.integers(0, 50)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=5), st.integers(-3, 3))
def test_the_law_holds_exactly_when_nothing_is_missing(
    tmp_path_factory: pytest.TempPathFactory, tasks: list[tuple[int, int, int]], missing: int
) -> None:
    stage = tmp_path_factory.mktemp("stage")
    for rank, (out, dropped, failed) in enumerate(tasks):
        ledger = TaskLedger(stage, rank)
        ledger.count("Step", "samples", into=out + failed, made=dropped, out=out, failed=failed)
        ledger.row("Step", "samples").dropped["why"] += dropped
        if not rank:
            ledger.row("Step", "samples").into += missing
        ledger.commit()
    if missing:
        with pytest.raises(FunnelError, match="Step lost track"):
            stage_funnel(stage, [("Step", "samples")])
    else:
        rows, _ = stage_funnel(stage, [("Step", "samples"), ("Idle", "prompts")])
        assert rows[0].out == sum(out for out, _, _ in tasks)
        assert rows[1] == Row("Idle", "prompts")


def test_a_row_survives_its_json() -> None:
    row = Row("S", "samples", into=3, made=1, out=2, failed=1, dropped=Counter(a=1))
    assert Row.from_json(row.to_json()) == row
    assert row.missing == 0


def test_refused_rows_have_ids_only_where_they_are_something(tmp_path: Path) -> None:
    ledger = TaskLedger(tmp_path, 0)
    prompt = Sample(prompt_id="00ff", problem="p", answer="1")
    sample = prompt.with_completion("text", id="00ff-aa", k=0)
    bad = Document(text="{torn", id="", metadata={})
    for document, reason in [(bad, "not_json"), (prompt.to_document(), "gold_unusable")]:
        ledger.drop("S", "prompts", document, reason, detail="d", failed=False)
    ledger.drop(
        "S", "samples", sample.to_document(), "duplicate_of:00ff-bb", detail="", failed=False
    )
    ledger.commit()
    table = pq.read_table(tmp_path / "rejected/00000.parquet")
    assert table.schema.equals(rejected_schema())
    assert [(r["id"], r["prompt_id"], r["reason"]) for r in table.to_pylist()] == [
        (None, None, "not_json"),
        (None, "00ff", "gold_unusable"),
        ("00ff-aa", "00ff", "duplicate_of:00ff-bb"),
    ]
    rows, _ = stage_funnel_without_law(tmp_path)
    assert rows["samples"]["dropped"] == {"duplicate_of": 1}


def stage_funnel_without_law(stage: Path) -> tuple[dict, dict]:
    import json

    numbers = json.loads((stage / "numbers/00000.json").read_text())
    return {row["unit"]: row for row in numbers["funnel"]}, numbers["notes"]


def test_nothing_appears_before_commit(tmp_path: Path) -> None:
    ledger = TaskLedger(tmp_path, 0)
    for i in range(1200):
        document = Sample(prompt_id=f"{i:04x}", problem="p").to_document()
        ledger.drop("S", "prompts", document, "r", detail="", failed=False)
    assert not list(tmp_path.glob("**/*.parquet"))
    assert not list(tmp_path.glob("**/*.json"))
    ledger.commit()
    assert pq.read_table(tmp_path / "rejected/00000.parquet").num_rows == 1200


def test_numbers_of_several_tasks_add_up_and_other_notes_do_not(tmp_path: Path) -> None:
    for rank in range(3):
        ledger = TaskLedger(tmp_path, rank)
        ledger.note("numbers", {"requests": rank, f"only_{rank}": 1})
        ledger.note("engine", {"temperature": 0.6})
        ledger.commit()
    _, notes = stage_funnel(tmp_path, [])
    assert notes["engine"] == {"temperature": 0.6}
    assert notes["numbers"] == {"requests": 3, "only_0": 1, "only_1": 1, "only_2": 1}
