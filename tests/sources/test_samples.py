"""Datasets that exist already, read as samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import Sample, schema
from curate.sources import Samples
from curate.step import Context


class Heard:
    """A ledger that remembers what was left out."""

    def __init__(self) -> None:
        self.dropped: list[tuple[str, str]] = []
        self.counts: dict[str, int] = {}

    def count(self, label: str, unit: str, **numbers: int) -> None:
        for name, number in numbers.items():
            self.counts[name] = self.counts.get(name, 0) + number

    def drop(
        self, label: str, unit: str, document: Document, reason: str, *, detail: str, failed: bool
    ) -> None:
        self.dropped.append((reason, detail))

    def note(self, name: str, value: Any) -> None: ...


def read(folder: Path, spec: str, **arguments: Any) -> tuple[list[Document], Heard]:
    heard = Heard()
    step = Samples(spec, **arguments)
    step.prepare(Context(out=folder / "out", project=folder, pipeline_dir=folder, ledger=heard))
    return list(step.run()), heard


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"problem": "3 + 4?", "completion": "7"}, id="ours"),
        pytest.param({"question": "3 + 4?", "response": "7"}, id="question and response"),
        pytest.param({"prompt": "3 + 4?", "completion": "7"}, id="plain strings"),
        pytest.param({"instruction": "3 + 4?", "output": "7"}, id="alpaca"),
        pytest.param(
            {
                "messages": [
                    {"role": "user", "content": "3 + 4?"},
                    {"role": "assistant", "content": "7"},
                ]
            },
            id="messages",
        ),
        pytest.param(
            {
                "conversations": [
                    {"from": "human", "value": "3 + 4?"},
                    {"from": "gpt", "value": "7"},
                ]
            },
            id="ShareGPT",
        ),
        pytest.param(
            {
                "prompt": [{"role": "user", "content": "3 + 4?"}],
                "completion": [{"role": "assistant", "content": "7"}],
            },
            id="TRL",
        ),
    ],
)
def test_layouts(tmp_path: Path, row: dict[str, Any]) -> None:
    write(tmp_path / "rows.jsonl", {**row, "answer": 7, "id": "q1"})
    [document], _ = read(tmp_path, "rows.jsonl")
    sample = Sample.from_document(document)
    assert (sample.problem, sample.text, sample.answer) == ("3 + 4?", "7", "7")
    assert (sample.source, sample.source_id, sample.k) == ("rows", "q1", 0)
    assert sample.prompt == ({"role": "user", "content": "3 + 4?"},)


def test_answers_to_one_question_are_samples_of_one_prompt(tmp_path: Path) -> None:
    write(
        tmp_path / "rows.jsonl",
        {"problem": "p", "generations": ["a", "b"]},
        {"problem": "p", "completion": "a"},
    )
    documents, _ = read(tmp_path, "rows.jsonl")
    assert [d.metadata["k"] for d in documents] == [0, 1, 2]
    assert len({d.id for d in documents}) == 3
    assert len({d.metadata["prompt_id"] for d in documents}) == 1


def test_rows_of_ours_stay_as_they_are(tmp_path: Path) -> None:
    sample = Sample(prompt_id="a" * 16, problem="p", domain="code").with_completion(
        "c", id="a-1", k=3, seed=9
    )
    folder = tmp_path / "run/dataset/data"
    folder.mkdir(parents=True)
    rows = pa.Table.from_pylist([sample.to_row()], schema())
    pq.write_table(rows, folder / "train-00000-of-00001.parquet")
    [document], _ = read(tmp_path, "run")
    assert document == sample.to_document()


def test_rows_without_an_answer_are_prompts(tmp_path: Path) -> None:
    first, second = {"text": "3 + 4?", "answer": 7}, {"text": "3 + 5?"}
    write(tmp_path / "rows.jsonl", first, second, first, first | {"answer": 8})
    documents, heard = read(tmp_path, "rows.jsonl")
    assert [Sample.from_document(d).is_prompt for d in documents] == [True, True]
    twin = f"duplicate_of:{documents[0].id}"
    assert [reason for reason, _ in heard.dropped] == [twin, "conflicting_answers"]
    assert heard.counts == {"into": 4, "out": 2}


def test_several_places_and_a_limit(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"problem": "p", "completion": "1"})
    write(tmp_path / "b.jsonl", *({"problem": "q", "completion": str(n)} for n in range(5)))
    documents, _ = read(tmp_path, "a.jsonl;b.jsonl", limit=3)
    assert [d.metadata["source"] for d in documents] == ["a", "b", "b"]


def test_other_columns(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"ask": "p", "say": "c", "gold": "7", "text": "?"})
    columns = {"problem": "ask", "completion": "say", "answer": "gold"}
    [document], _ = read(tmp_path, "a.jsonl", columns=columns)
    sample = Sample.from_document(document)
    assert (sample.problem, sample.text, sample.answer) == ("p", "c", "7")


def test_bad_rows_are_kept_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"problem": "p", "completion": "c"}\n{oops\n{"problem": ""}\n'
    )
    documents, heard = read(tmp_path, "a.jsonl")
    assert len(documents) == 1
    assert [reason for reason, _ in heard.dropped] == ["not_json", "empty_problem"]
    assert "a.jsonl:2" in heard.dropped[0][1]


@pytest.mark.parametrize(
    ("rows", "arguments", "says"),
    [
        pytest.param([{"odd": 1}], {}, "its columns are odd", id="no question"),
        pytest.param([], {}, "is empty", id="empty"),
        pytest.param(
            [{"problem": "p"}], {"columns": {"answer": "gold"}}, "no column 'gold'", id="column"
        ),
    ],
)
def test_what_cannot_be_read(
    tmp_path: Path, rows: list[Any], arguments: dict[str, Any], says: str
) -> None:
    write(tmp_path / "a.jsonl", *rows)
    with pytest.raises(UsageError, match=says):
        read(tmp_path, "a.jsonl", **arguments)


def test_arguments_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="our columns are"):
        Samples("a.jsonl", columns={"gold": "answer"})
    with pytest.raises(UsageError, match="at least 1"):
        Samples("a.jsonl", limit=0)
