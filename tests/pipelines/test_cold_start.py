"""The main job on the real embedded model: end to end, again, replayed, and killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from curate.engines.segments import entries
from curate.sinks.shards import read_rows
from tests.sinks.truth import check_card

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("CURATE_TEST_KILLS", "5"))
CONCURRENCY = 4


class Job:
    """`curate run pipelines/cold_start.py` at a small size, in a folder of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder, self.words = folder, words
        self.mark = f"{folder}-{time.time_ns()}"

    @property
    def environment(self) -> dict[str, str]:
        own = {"CURATE_TEST_MARK": self.mark, "PYTHONPATH": "", "HF_HUB_OFFLINE": "1"}
        return {**os.environ, **own}

    def start(self, out: str = "out", **environment: str) -> subprocess.Popen[str]:
        pipeline = str(ROOT / "pipelines/cold_start.py")
        places = [f"out={self.folder / out}", f"store={self.folder / 'store'}"]
        return subprocess.Popen(
            [sys.executable, "-m", "curate.cli", "run", pipeline, *places, *self.words],
            cwd=ROOT,
            env=self.environment | environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, out: str = "out", **environment: str) -> str:
        run = self.start(out, **environment)
        _, stderr = run.communicate(timeout=400)
        assert run.returncode == 0, stderr
        assert "Traceback" not in stderr
        return stderr

    def processes(self) -> Iterator[psutil.Process]:
        """Every living process that this job started, whoever its parent is now."""
        for process in psutil.process_iter():
            try:
                if process.environ().get("CURATE_TEST_MARK") == self.mark:
                    yield process
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue

    def victim(self, kind: str) -> psutil.Process | None:
        part = {"run": "curate.cli", "worker": "curate.run.worker", "engine": "local_server"}[kind]
        for process in self.processes():
            try:
                if part in " ".join(process.cmdline()):
                    return process
            except psutil.Error:
                continue
        return None

    def gone_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while list(self.processes()):
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True


def shards(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((out / "dataset/data").glob("*.parquet"))}


def rows(out: Path) -> list[dict[str, Any]]:
    return list(read_rows(out / "dataset"))


def without_engine(folder: Path) -> dict[str, str]:
    """An environment in which no embedded engine can start."""
    (folder / "broken").mkdir(exist_ok=True)
    (folder / "broken/xllamacpp.py").write_text("raise ImportError('taken away')\n")
    return {"PYTHONPATH": str(folder / "broken")}


def check_dataset(out: Path) -> None:
    """Every row is right by plain arithmetic on its problem, and carries what let it in."""
    found = rows(out)
    assert found
    for row in found:
        expression = json.loads(row["check"])["metadata"]["expression"]
        left, sign, right = expression.split()
        value = int(left) + int(right) if sign == "+" else int(left) - int(right)
        assert int(row["answer"]) == value
        text = row["completion"][0]["content"]
        assert text.startswith("<think>") and str(value) in text.split("</think>")[1]
        assert {v["name"] for v in row["verdicts"] if v["score"] == 1.0} >= {"MathAnswer"}
    order = [(r["domain"], r["source"], r["prompt_id"], r["k"]) for r in found]
    assert order == sorted(order)
    assert len({r["id"] for r in found}) == len(found)


def check_funnel(out: Path) -> None:
    funnel = json.loads((out / "funnel.json").read_text())
    dropped = Counter[str]()
    for row in funnel:
        assert row["in"] + row["made"] == row["out"] + sum(row["dropped"].values()) + row["failed"]
        dropped[row["step"]] += sum(row["dropped"].values()) + row["failed"]
    rejected = Counter[str]()
    for file in (out / "rejected").glob("*.parquet"):
        rejected.update(pq.read_table(file, columns=["step"]).column("step").to_pylist())
    assert rejected == +dropped
    assert funnel[-1]["out"] == len(rows(out))
    check_card(out)


def test_end_to_end_then_again_then_replayed(tmp_path: Path) -> None:
    job = Job(tmp_path, "limit=8", "samples=6")
    job.finish()
    check_dataset(tmp_path / "out")
    check_funnel(tmp_path / "out")
    assert job.gone_within(5)
    assert "nothing to do" in job.finish()
    job.words = (*job.words, "--tasks", "3", "--workers", "2")
    job.finish("replay", **without_engine(tmp_path))
    assert shards(tmp_path / "replay") == shards(tmp_path / "out")
    assert (tmp_path / "replay/dataset/README.md").read_text() == (
        tmp_path / "out/dataset/README.md"
    ).read_text()
    manifest = json.loads((tmp_path / "replay/manifest.json").read_text())
    assert sum(s["numbers"].get("requests", 0) for s in manifest["stages"]) == 0


@pytest.mark.parametrize("style", ["reflect", "rewrite"])
def test_the_other_ways_to_cold_start_data(tmp_path: Path, style: str) -> None:
    job = Job(tmp_path, "limit=8", "samples=6", f"style={style}")
    job.finish()
    check_dataset(tmp_path / "out")
    check_funnel(tmp_path / "out")


def test_no_engine_and_nothing_stored_is_one_line(tmp_path: Path) -> None:
    run = Job(tmp_path, "limit=2").start(**without_engine(tmp_path))
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "Traceback" not in stderr
    assert "the local engine did not start" in stderr.strip().splitlines()[-1]
    assert "engine.log" in stderr.strip().splitlines()[-1]


def test_killed_at_random_instants(tmp_path: Path) -> None:
    """SIGKILL to the run, a worker or the engine, then the same command; the seed is printed."""
    seed = int(os.environ.get("CURATE_TEST_SEED", time.time_ns() % 100_000))
    chance = random.Random(seed)
    print(f"seed {seed}")  # noqa: T201
    job = Job(tmp_path, "limit=8", "samples=3", f"concurrency={CONCURRENCY}", "--tasks", "2")
    reference = Job(tmp_path / "reference", *job.words)
    (tmp_path / "reference").mkdir()
    started = time.monotonic()
    reference.finish()
    whole_s = time.monotonic() - started
    for number in range(KILLS):
        run = job.start()
        kind = chance.choice(["run", "worker", "engine"])
        time.sleep(chance.uniform(0.2, whole_s))
        if victim := job.victim(kind):
            victim.send_signal(signal.SIGKILL)
        _, stderr = run.communicate(timeout=whole_s * 2 + 30)
        assert "Traceback" not in stderr, f"kill {number}, seed {seed}: {stderr}"
        assert run.returncode in (0, 1, -signal.SIGKILL), (number, kind, stderr)
        assert job.gone_within(5), f"kill {number} ({kind}), seed {seed}: processes are left"
        if run.returncode == 0:
            shutil.rmtree(tmp_path / "out")
    job.finish()
    check_dataset(tmp_path / "out")
    check_funnel(tmp_path / "out")
    job.finish("replay", **without_engine(tmp_path))
    assert shards(tmp_path / "replay") == shards(tmp_path / "out")
    keys = [int(k) for f in (tmp_path / "store").glob("*.records") for k in entries(f)["key"]]
    assert len(set(keys)) == len(keys), "a stored completion was asked for again"
