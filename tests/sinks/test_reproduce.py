"""A dataset made again from what it tells of itself, and what is said when that cannot be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from curate.cli import main
from curate.sinks.origins import provenance
from curate.sinks.reproduce import findings, outcome
from curate.sinks.reproduce_record import Record, open_record
from curate.sinks.statistics import Statistics
from tests.pipelines.running import PROMPTS, answering, finish, right, write_rows
from tests.sinks.made import samples

MODEL = "m@0123abc"
RECORDED = {
    "fingerprint": "f",
    "command": "curate run pipelines/a.py engine=http://HOST/v1 limit=5",
    "pipeline": {"file": "pipelines/a.py", "name": "a"},
    "packages": {},
}


def shards(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "data").glob("*.parquet"))}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of cold_start whose server is gone by now, with its store."""
    folder = tmp_path_factory.mktemp("made")
    prompts = write_rows(folder / "sums.jsonl", PROMPTS[:1])
    with answering(lambda asked, n: right(asked) + " " * n) as server:
        finish(
            "cold_start",
            *(f"prompts={prompts}", f"engine={server.url}", f"model={MODEL}"),
            *(f"out={folder / 'out'}", f"store={folder / 'store'}", "samples=2", "keep=2"),
        )
    return folder


def test_the_printed_command_makes_the_same_bytes(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", str(made / "out/dataset"), "--into", str(tmp_path / "again")]) == 0
    said = capsys.readouterr().out
    assert "Result: byte-identical: every answer comes from the sample store" in said
    assert f"Generate: {MODEL.replace('@', ' at revision ')}" in said
    line = said.strip().splitlines()[-1]
    assert line.startswith(f"cd {tmp_path / 'again'} && curate run pipelines/cold_start.py ")
    (tmp_path / "bin").mkdir()
    curate = tmp_path / "bin/curate"
    curate.write_text(f'#!/bin/sh\nexec {sys.executable} -m curate.cli "$@"\n')
    curate.chmod(0o755)
    done = subprocess.run(
        f"{line} out=runs/again",
        shell=True,
        env={
            **os.environ,
            "PATH": f"{curate.parent}:{os.environ['PATH']}",
            "PYTHONPATH": "",
            "HF_HUB_OFFLINE": "1",
        },
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    again = tmp_path / "again/runs/again/dataset"
    assert shards(made / "out/dataset")
    assert shards(again) == shards(made / "out/dataset")
    constraints = (tmp_path / "again/constraints.txt").read_text()
    assert "pyarrow==" in constraints
    assert "python==" not in constraints


def copy_of(made: Path, folder: Path) -> Path:
    """The dataset alone, as it comes from a Hub."""
    shutil.copytree(made / "out/dataset", folder)
    return folder


def what(record: Record) -> str:
    return ": ".join(outcome(findings(record)))


def test_what_is_missing_decides_what_comes_of_it(made: Path, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    shutil.copy(made / "sums.jsonl", tmp_path / "project")
    alone = copy_of(made, tmp_path / "alone")
    record = open_record(str(alone), store=str(made / "store"), project=tmp_path / "project")
    assert what(record).startswith("byte-identical: ")
    record = open_record(str(alone), project=tmp_path / "project")
    assert what(record).startswith("same distribution: the same model is asked the same")
    record = open_record(str(alone), store=str(made / "store"), project=tmp_path)
    assert what(record).startswith("not reproducible: sums.jsonl (sha256 ")
    (tmp_path / "empty").mkdir()
    record = open_record(str(alone), store=str(tmp_path / "empty"), project=tmp_path / "project")
    assert what(record).startswith("same distribution: ")


def test_an_unknown_revision_is_no_model_to_ask_again(made: Path, tmp_path: Path) -> None:
    alone = copy_of(made, tmp_path / "alone")
    path = alone / ".curate/provenance.json"
    told = json.loads(path.read_text())
    told["engines"]["Generate"]["revision"] = None
    path.write_text(json.dumps(told))
    shutil.copy(made / "sums.jsonl", tmp_path)
    record = open_record(str(alone), project=tmp_path)
    assert what(record).startswith("not reproducible: without a sample store: Generate: m,")


def test_a_changed_file_of_the_pipeline_is_found(made: Path, tmp_path: Path) -> None:
    alone = copy_of(made, tmp_path / "alone")
    (alone / ".curate/files/pipelines/cold_start.py").write_text("# something else\n")
    record = open_record(str(alone), store=str(made / "store"), project=tmp_path)
    assert "pipelines/cold_start.py is neither" in what(record)


def test_a_folder_that_is_in_use_is_not_touched(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x").write_text("mine")
    assert main(["reproduce", str(made / "out"), "--into", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_dataset_of_others_tells_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", str(tmp_path)]) == 2
    assert "does not tell how it was made" in capsys.readouterr().err


def test_provenance_names_sources_models_code_and_no_place(made: Path) -> None:
    text = (made / "out/dataset/.curate/provenance.json").read_text()
    told = json.loads(text)
    [entry] = [e for e in told["inputs"] if e["step"] == "Prompts"]
    assert (entry["spec"], len(entry["sha256"])) == ("sums.jsonl", 64)
    assert told["sources"] == [{"source": "sums", "license": None, "rows": 1}]
    assert told["models"] == [{"model": "m", "revision": "0123abc", "rows": 1}]
    assert told["engines"]["Generate"]["kind"] == "endpoint"
    assert told["generation"][0]["template"] == "pipelines/prompts/few_shot.md"
    assert len(told["files"]["few_shot.md"]) == 64
    assert {v["name"] for v in told["verdicts"]} >= {"MathAnswer", "ThinkFormat"}
    assert told["packages"]["python"].startswith("3.")
    for place in (str(made), str(Path.cwd()), "127.0.0.1", os.environ.get("USER", "root/")):
        assert place not in text


def test_provenance_of_a_run_that_read_the_hub() -> None:
    statistics = Statistics()
    for one in samples(4):
        statistics.add(one.to_row())
    manifest: dict[str, Any] = {
        "steps": [{"step": "Samples", "spec": "hub:o/d@v1.0.0?config=c;/home/ann/x.jsonl"}],
        "identity": {"files": {"x.jsonl": "5d"}},
        "notes": {
            "datasets": {"hub:o/d@v1.0.0": "1c", "hub:o/benchmark@main": "2d"},
            "decontamination": {"items": 3},
            "decontamination#2": {"items": 4},
        },
    }
    told = provenance(manifest, statistics.end())
    assert told["inputs"] == [
        {"step": "Samples", "spec": "hub:o/d@v1.0.0?config=c", "commit": "1c"},
        {"step": "Samples", "spec": "x.jsonl", "sha256": "5d"},
        {"step": None, "spec": "hub:o/benchmark@main", "commit": "2d"},
    ]
    assert told["decontamination"] == [{"items": 3}, {"items": 4}]
    assert told["sources"] == [{"source": "sums", "license": "MIT", "rows": 8}]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([{"spec": "hub:o/d@main", "commit": None}], "not reproducible: what was read then"),
        ([{"spec": "hub:o/d@main", "commit": "1c"}], "byte-identical: nothing is generated"),
    ],
    ids=["a branch that nobody pinned", "pinned"],
)
def test_what_was_read_counts_at_its_commit(
    tmp_path: Path, inputs: list[dict[str, Any]], said: str
) -> None:
    (tmp_path / ".curate").mkdir()
    (tmp_path / ".curate/manifest.json").write_text(json.dumps(RECORDED))
    (tmp_path / ".curate/provenance.json").write_text(json.dumps({"inputs": inputs}))
    assert what(open_record(str(tmp_path))).startswith(said)
