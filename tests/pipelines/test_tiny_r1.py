"""The loop closed: every step once, and a stage that asks the model an earlier one trained.

The whole of it at `scale=smoke` took 169 s alone, 272 and 338 s beside another worker.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="curate-datasets[train,local,gym] is not installed")
pytest.importorskip("gguf", reason="curate-datasets[train,local,gym] is not installed")
pytest.importorskip("xllamacpp", reason="curate-datasets[train,local,gym] is not installed")
pytest.importorskip("reasoning_gym", reason="curate-datasets[train,local,gym] is not installed")

from curate.engines.trained import model_files, revision_of
from curate.sinks.shards import read_rows
from tests.engines.tiny_weights import write_tiny_weights
from tests.pipelines.running import LIMIT_S, ROOT, finish, write_rows

HELD_OUT = ROOT / "pipelines/prompts/held_out_sums.jsonl"

CHAIN = """
from curate import Step, pipeline
from curate.generate import Generate
from curate.sinks import SFT, DatasetFolder
from curate.sources import Prompts, Samples


@pipeline
def chain(model: str = "", samples: str = "", prompts: str = "", out: str = "runs/x") -> list[Step]:
    return [
        Samples(samples),
        SFT(model, max_steps=2, batch=2, max_length=256, learning_rate=1e-3),
        Prompts(prompts),
        Generate("local:OUT/student", samples=2, keep="all", accept=[], max_tokens=8),
        DatasetFolder(),
    ]
"""


def test_next_stage_asks_what_this_one_trained(tmp_path: Path) -> None:
    """R1's stages in small: a model is trained, and is the engine of the chain behind it."""
    model = write_tiny_weights(tmp_path / "tiny")
    turns = [{"role": "assistant", "content": "<think>\nadd\n</think>\nIt is \\boxed{3}."}]
    rows = [{"problem": f"What is 1 + {n}?", "answer": "3", "completion": turns} for n in range(4)]
    samples = write_rows(tmp_path / "samples.jsonl", rows)
    prompts = write_rows(tmp_path / "prompts.jsonl", [{"problem": "2 + 2?", "answer": "4"}])
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "chain.py").write_text(CHAIN)
    words = [f"model={model}", f"samples={samples}", f"prompts={prompts}", "out=run"]
    run = subprocess.run(
        [sys.executable, "-m", "curate.cli", "run", "chain.py", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert run.returncode == 0, run.stderr
    rows = list(read_rows(tmp_path / "run/dataset", ["model", "model_revision"]))
    trained = revision_of(model_files(tmp_path / "run/student"))
    assert [tuple(row.values()) for row in rows] == [("student", trained)] * 2
    assert trained != revision_of(model_files(model))


def test_held_out_sums_are_others() -> None:
    """80 of the 200, each once, with the right answer."""
    rows = [json.loads(line) for line in HELD_OUT.read_text().splitlines()]
    asked = [row["problem"].partition(": ")[2].removesuffix(" =") for row in rows]
    assert len(set(asked)) == len(asked) == 80
    for row, sum_ in zip(rows, asked, strict=True):
        first, sign, second = sum_.split()
        right = int(first) + int(second) if sign == "+" else int(first) - int(second)
        assert row["answer"] == str(right)


def test_smoke(tmp_path: Path) -> None:
    words = ("scale=smoke", f"out={tmp_path}/run", f"store={tmp_path}/store")
    finish("tiny_r1", *words)
    held_out = {json.loads(line)["problem"] for line in HELD_OUT.read_text().splitlines()}
    taught = {r["problem"] for r in read_rows(tmp_path / "run/dataset", ["problem"])}
    assert taught
    assert not taught & held_out
    found = [json.loads(p.read_text()) for p in (tmp_path / "run/evaluation").glob("*.json")]
    models: dict[str, Any] = {said["name"]: said["models"][0] for said in found}
    assert len(models) == 6
    assert len({model["revision"] for model in models.values()}) == 4, "base and three trained"
    table = (tmp_path / "run/evaluation.md").read_text()
    assert all(f"| {name} |" in table for name in models)
    assert "the same command" not in finish("tiny_r1", *words)
