"""`curate score` and `curate audit`, as they are typed."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from curate.cli import main

RIGHT = {"id": "a", "problem": "What is 3 + 4?", "answer": 7, "completion": "It is $7$."}
WRONG = {**RIGHT, "id": "b", "completion": "It is $8$."}
NO_GOLD = {**RIGHT, "id": "c", "answer": None}
SILENT = {**RIGHT, "id": "d", "completion": None}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CURATE_VERIFIERS", "2")
    (tmp_path / "pyproject.toml").write_text("")
    return tmp_path


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def read(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_rows_come_out_in_order_with_score_and_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [RIGHT, WRONG, NO_GOLD, SILENT] * 50
    (folder / "rows.jsonl").write_text(lines(rows))
    assert main(["score", "MathAnswer", "rows.jsonl"]) == 0
    said = capsys.readouterr()
    found = read(said.out)
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert [row["score"] for row in found] == [1.0, 0.0, None, None] * 50
    assert [row["reason"] for row in found[2:4]] == [
        "no gold answer",
        "no completion; it has id, problem, answer, completion",
    ]
    assert found[0] == RIGHT | {"score": 1.0, "reason": found[0]["reason"]}
    assert "200 rows" in said.err and "100 judged: mean 0.5, 50 with score 1" in said.err
    assert "  50 no gold answer" in said.err


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.jsonl.zst", "out.parquet"])
def test_every_kind_of_file_is_written_and_read(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with gzip.open(folder / "rows.jsonl.gz", "wt") as file:
        file.write(lines([RIGHT, WRONG]))
    command = ["score", "Length:maximum=3,unit=words", "rows.jsonl.gz", "--workers", "1"]
    assert main([*command, "--out", name]) == 0
    assert "Length:maximum=3,unit=words: 2 rows" in capsys.readouterr().out
    assert main(["score", "MathAnswer", name]) == 0
    found = read(capsys.readouterr().out)
    assert [(row["id"], row["score"]) for row in found] == [("a", 1.0), ("b", 0.0)]
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_further_columns_are_the_checks_and_a_rule_of_its_own_scale_keeps_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"nums": [3, 4], "target": 7, "problem": "Make 7.", "completion": "4 + 3"}
    (folder / "rows.jsonl").write_text(lines([row, {**row, "completion": "4 - 3"}]))
    assert main(["score", "Countdown", "rows.jsonl"]) == 0
    assert [row["score"] for row in read(capsys.readouterr().out)] == [1.0, 0.0]
    (folder / "loops.jsonl").write_text(lines([{"completion": "a b c d " * 50}]))
    assert main(["score", "RepetitionPenalty", "loops.jsonl"]) == 0
    assert read(capsys.readouterr().out)[0]["score"] < -0.5


def test_a_prompts_samples_are_judged_together_wherever_they_stand(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [("p", "7"), ("q", "1"), ("p", "8"), ("q", "1"), ("p", "7.0")]
    rows = [{"prompt_id": name, "problem": name, "completion": a} for name, a in said]
    (folder / "rows.jsonl").write_text(lines(rows))
    assert main(["score", "Majority", "rows.jsonl"]) == 0
    assert [row["score"] for row in read(capsys.readouterr().out)] == [1.0, 1.0, 0.0, 1.0, 1.0]
    rows = [{"problem": "3 + 4?", "completion": a, "note": a} for a in ("7", "8", "7")]
    (folder / "rows.jsonl").write_text(lines(rows))
    assert main(["score", "Majority", "rows.jsonl"]) == 0
    assert [row["score"] for row in read(capsys.readouterr().out)] == [1.0, 0.0, 1.0]


def test_trls_solution_is_the_gold_answer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rows.jsonl").write_text(lines([{"solution": "7", "completion": "It is $7$."}]))
    assert main(["score", "MathAnswer", "rows.jsonl"]) == 0
    assert read(capsys.readouterr().out)[0]["score"] == 1.0


@pytest.mark.parametrize(
    ("words", "content", "said"),
    [
        (["score", "MathAnser", "rows.jsonl"], lines([RIGHT]), "did you mean 'MathAnswer'?"),
        (["score", "MathAnswer", "row.jsonl"], lines([RIGHT]), "there is no file row.jsonl"),
        (["score", "MathAnswer", "rows.csv"], "a,b\n", "its name must end in .jsonl"),
        (["score", "MathAnswer", "rows.jsonl"], "", "is empty: it has no rows"),
        (["score", "MathAnswer", "rows.jsonl"], lines([RIGHT]) + "{x}\n", "row 2: not JSON"),
        (["score", "MathAnswer", "rows.jsonl"], lines([{"pred": "7"}]), "no completion; it has pr"),
        (
            ["score", "MathAnswer", "rows.jsonl", "--out", "no/o.jsonl"],
            lines([RIGHT]),
            "there is no folder no",
        ),
        (
            ["score", "MathAnswer", "rows.jsonl", "--out", "o.csv"],
            lines([RIGHT]),
            "--out o.csv: its name must end in .jsonl",
        ),
        (["audit", "MathAnswer", "rows.jsonl"], lines([RIGHT]), "row 1: no column `expected`"),
        (
            ["audit", "MathAnswer", "rows.jsonl"],
            lines([RIGHT | {"expected": "yes"}]),
            "expected is 'yes', not a number",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], content: str, said: str
) -> None:
    for name in ("rows.jsonl", "rows.csv"):
        (folder / name).write_text(content)
    assert main(words) == 2
    complaint = capsys.readouterr().err.strip().splitlines()[-1]
    assert complaint.startswith("curate: ") and said in complaint
    assert sorted(path.name for path in folder.iterdir()) == [
        *("pyproject.toml", "rows.csv", "rows.jsonl")
    ]


def test_an_audit_counts_what_is_wrong_and_shows_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        RIGHT | {"expected": 1},
        RIGHT | {"expected": 0, "id": "falsely accepted"},
        WRONG | {"expected": 1, "id": "falsely rejected"},
        WRONG | {"expected": 0},
        NO_GOLD | {"expected": None},
        NO_GOLD | {"expected": 1, "id": "unjudged"},
        RIGHT | {"expected": None, "id": "judged"},
        RIGHT | {"expected": 0, "note": "who knows"},
    ]
    (folder / "rows.jsonl").write_text(lines(rows))
    assert main(["audit", "MathAnswer", "rows.jsonl", "--out", "wrong.jsonl", "--save"]) == 0
    said = capsys.readouterr().out
    assert "7 rows, 1 more are disputed" in said and "accuracy 42.86%" in said
    assert "1 false accepts (50.00% of 2)" in said
    assert "row 2 (falsely accepted): 1, expected 0: " in said
    assert "2 false rejects (66.67% of 3)" in said
    assert "row 6 (unjudged): null, expected 1: no gold answer" in said
    assert "1 judged, but should not be (50.00% of 2)" in said
    wrong = read((folder / "wrong.jsonl").read_text())
    assert [row["id"] for row in wrong] == [rows[i]["id"] for i in (1, 2, 5, 6)]
    kept = json.loads((folder / "cards" / "audits.json").read_text())
    assert [(a["scorer"], a["cases"], a["rows"], a["false_accepts"]) for a in kept] == [
        ("MathAnswer", "rows.jsonl", 7, 1)
    ]
    (folder / "rows.jsonl").write_text(lines(rows[:1]))
    assert main(["audit", "MathAnswer", "rows.jsonl", "--save"]) == 0
    assert main(["audit", "Length:maximum=9", "rows.jsonl", "--save"]) == 0
    kept = json.loads((folder / "cards" / "audits.json").read_text())
    assert [(a["scorer"], a["rows"]) for a in kept] == [("Length:maximum=9", 1), ("MathAnswer", 1)]


def test_a_graded_score_may_be_off_by_the_tolerance(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"completion": "<think>我想三加四等于七 yes yes yes</think>7", "expected": 0.29}
    (folder / "rows.jsonl").write_text(lines([row | {"language": "en"}]))
    assert main(["audit", "LanguageConsistency", "rows.jsonl"]) == 0
    assert "1 false rejects" in capsys.readouterr().out
    assert main(["audit", "LanguageConsistency", "rows.jsonl", "--tolerance", "0.03"]) == 0
    assert "accuracy 100.00%" in capsys.readouterr().out


def test_ctrl_c_leaves_nothing_behind(folder: Path) -> None:
    rows = [{**RIGHT, "completion": "So we add three and four. " * 400}] * 3000
    (folder / "rows.jsonl").write_text(lines(rows))
    command = [sys.executable, "-m", "curate.cli", "score", "Repetition", "rows.jsonl"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [*command, "--out", "out.jsonl"], stderr=subprocess.PIPE, text=True, env=environment
    ) as run:
        deadline = time.monotonic() + 30
        while not (folder / ".out.jsonl.part").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        assert run.stderr
        assert run.stderr.read().strip() == "curate: stopped; --out is as it was"
    assert run.returncode == 130
    assert not [path for path in folder.iterdir() if "out" in path.name]
