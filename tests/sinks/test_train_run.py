"""Trainers at the end of a pipeline: `curate run`, killed and run again, on two processes, and in a
job of Slurm.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from curate.sample import Sample, schema
from curate.sinks import SFT
from curate.sinks.shards import read_rows
from tests.sinks.training import answered, place, ran, record

pytest.importorskip("trl", reason="TRL is not installed")
psutil: Any = pytest.importorskip("psutil", reason="psutil finds what to kill")
torch: Any = importlib.import_module("torch")
safetensors: Any = importlib.import_module("safetensors.torch")
pytestmark = pytest.mark.filterwarnings("default")  # they are of the trainers

PIPELINE = """\
from curate import pipeline
from curate.sinks import DatasetFolder, SFT
from curate.sources import Samples
from curate.step import Step


@pipeline
def train(steps: int = 16, devices: int = 1, out: str = "out") -> list[Step]:
    \"\"\"Samples, a dataset, a student.\"\"\"
    return [
        Samples("samples.parquet"),
        DatasetFolder(),
        SFT("tiny", max_steps=steps, devices=devices, **SETTINGS),
    ]


SETTINGS = {"batch": 4, "per_device": 2, "learning_rate": 5e-3, "save_steps": 4}
"""
SETTINGS: dict[str, Any] = {"batch": 4, "per_device": 2, "learning_rate": 5e-3, "save_steps": 4}


def project(folder: Path) -> Path:
    """A project with a pipeline, samples and a student."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    place(folder)
    (folder / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\n')
    (folder / "pipelines").mkdir()
    (folder / "pipelines/__init__.py").touch()
    (folder / "pipelines/train.py").write_text(PIPELINE)
    rows = [answered(n).to_row() for n in range(12)]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema()), folder / "samples.parquet")
    return folder


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "curate.cli", "run", "pipelines/train.py", *words]


def run(folder: Path, *words: str, **further: str) -> str:
    """What `curate run` says, with further variables of its environment."""
    env = _env() | further
    done = subprocess.run(
        command(*words), cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def _env() -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}


def kill_when(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Kills a run and all its processes at once, as soon as a file is there."""
    deadline = time.monotonic() + 300
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    root = psutil.Process(process.pid)
    for one in [*root.children(recursive=True), root]:
        one.kill()
    process.wait()


def test_a_killed_training_continues_to_the_same_model(tmp_path: Path) -> None:
    folder = project(tmp_path)
    student = folder / "out/student"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command(), cwd=folder, env=_env(), stdout=log, stderr=subprocess.STDOUT
        )
        kill_when(student / "checkpoints/checkpoint-4/complete.json", process)
    assert not (student / "training.json").exists()
    # What a kill in the middle of saving leaves is no checkpoint to continue from.
    (student / "checkpoints/checkpoint-15").mkdir()
    said = run(folder)
    assert "12 of 12 done" in said or "12 samples in, 12 samples out" in said
    told = record(folder)
    assert told["resumed_from"] in (4, 8, 12)
    assert told["dataset"]["run"]["fingerprint"]
    assert not (student / "checkpoints").exists()
    assert "nothing to do" in run(folder)

    rows = [Sample.from_row(row) for row in read_rows(folder / "out/dataset")]
    ran(SFT("tiny", out="whole", max_steps=16, **SETTINGS), rows, folder)
    whole = record(folder, "whole")
    assert whole["resumed_from"] is None
    assert told["dataset"]["sha256"] == whole["dataset"]["sha256"]
    assert told["curve"]["loss"] == whole["curve"]["loss"]
    assert told["tokens"] == whole["tokens"]
    a, b = (
        safetensors.load_file(folder / f"out/{name}/model.safetensors")
        for name in ("student", "whole")
    )
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_two_processes_train_through_accelerate(tmp_path: Path) -> None:
    folder = project(tmp_path)
    run(folder, "steps=6", "devices=2")
    two = record(folder)
    assert two["settings"]["devices"] == 2
    assert two["settings"]["trl"]["gradient_accumulation_steps"] == 1
    rows = [Sample.from_row(row) for row in read_rows(folder / "out/dataset")]
    ran(SFT("tiny", out="one", max_steps=6, **SETTINGS), rows, folder)
    one = record(folder, "one")
    # The same rows in the same steps, added in another order.
    assert two["curve"]["loss"] == pytest.approx(one["curve"]["loss"], rel=2e-2)
    assert two["loss"]["last"] < two["loss"]["first"]
    assert not (folder / "out/student/launch").exists()


def test_two_processes_train_in_a_job_of_slurm(tmp_path: Path) -> None:
    """CURATE_TEST_SLURM=$(.ci/slurm FOLDER)"""
    conf = os.environ.get("CURATE_TEST_SLURM")
    if not conf:
        pytest.skip("$CURATE_TEST_SLURM names no slurm.conf; .ci/slurm FOLDER starts a Slurm")
    folder = project(tmp_path)
    with (folder / "pyproject.toml").open("a") as file:
        file.write("[tool.curate.executors.slurm.SFT]\ncpus = 2\nmemory_gb = 4\n")
    words = ("steps=6", "devices=2", "--executor", "slurm")
    run(folder, *words, SLURM_CONF=conf)
    job = record(folder)
    assert list((folder / "out/stages").glob("*SFT*/logs/launch_script.slurm"))
    run(folder, "steps=6", "devices=2", "out=local")
    here = record(folder, "../local/student")
    assert job["curve"]["loss"] == here["curve"]["loss"]
    assert job["dataset"]["sha256"] == here["dataset"]["sha256"]
