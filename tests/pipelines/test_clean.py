"""The pipeline for datasets that exist already, on the rows that the project ships and on cases."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.sinks.truth import check_card

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"


def clean(out: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "curate.cli", "run", "pipelines/clean.py", f"out={out}", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for path in folder.rglob("*.parquet") for row in pq.read_table(path).to_pylist()]


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, found: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


def test_the_default_leaves_ten_of_every_domain(tmp_path: Path) -> None:
    benchmark = write(tmp_path / "mine.jsonl", [{"problem": "Who was the first on the Moon?"}])
    said = clean(tmp_path / "out", f"benchmarks={benchmark}")
    kept = rows(tmp_path / "out/dataset/data")
    domains = Counter(row["domain"] for row in kept)
    assert domains.keys() == {"math", "code", "stem", "logic", "general"}
    assert min(domains.values()) >= 10, said
    faults = [r["source_id"] for r in kept if r["source_id"].startswith("fault")]
    assert faults in ([], ["fault-near-duplicate"])  # one of two that say the same stays
    gone = {row["source_id"]: row["reason"] for row in rows(tmp_path / "out/rejected")}
    told = {name.removeprefix("fault-"): reason.partition(":")[0] for name, reason in gone.items()}
    twin = "math-10" if faults else "near-duplicate"
    assert told == {
        **{"exact-duplicate": "duplicate_of", twin: "duplicate_of"},
        **{"loop": "Repetition", "cut": "Finished", "code-block": "Readability"},
        **{"language": "LanguageConsistency", "refusal": "Refusal", "identity": "Identity"},
        "personal-data": "PersonalData",
    }


def test_benchmarks_are_taken_out_and_the_mix_is_exact(tmp_path: Path) -> None:
    first = read(ROOT / "pipelines/prompts/to_clean.jsonl")[0]
    benchmark = write(tmp_path / "mine.jsonl", [{"id": "b7", "problem": first["problem"]}])
    out = tmp_path / "out"
    clean(out, f"benchmarks={benchmark}", "targets=math=5,logic=3", "filters=")
    assert Counter(r["domain"] for r in rows(out / "dataset/data")) == {"math": 5, "logic": 3}
    gone = {row["source_id"]: row["reason"] for row in rows(out / "rejected")}
    assert gone[first["id"]] == "contaminated_by:mine/b7"
    card = (out / "dataset/README.md").read_text()
    assert "mine" in card
    assert "5" in card
    check_card(out)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the labelled cases beside the project")
def test_labelled_rows_of_others(tmp_path: Path) -> None:
    cases = read(SHARED / "cases/real-decontamination.jsonl")
    data = write(tmp_path / "data.jsonl", cases)
    clean(tmp_path / "out", f"data={data}", f"benchmarks={SHARED / 'data/math500.jsonl'}")
    reasons = {row["source_id"]: row["reason"] for row in rows(tmp_path / "out/rejected")}
    hit = {name for name, reason in reasons.items() if reason.startswith("contaminated_by:")}
    dirty = {case["id"] for case in cases if case["contaminated"]}
    assert len(hit & dirty) >= 0.98 * len(dirty)
    assert len(hit - dirty) <= 0.02 * (len(cases) - len(dirty))


@pytest.mark.parametrize(
    ("word", "says"),
    [
        pytest.param("filters=readible", "did you mean readable", id="filter"),
        pytest.param("columns=problem", "it takes NAME=VALUE", id="columns"),
        pytest.param("targets=math=many", "many is not a number", id="targets"),
        pytest.param("data=nowhere.jsonl", "there is no prompt file", id="data"),
    ],
)
def test_wrong_words(tmp_path: Path, word: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "curate.cli", "run", "pipelines/clean.py", f"out={tmp_path}", word],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
