"""Steps in two passes, and several chains of documents, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.run.conftest import Project

PIPELINE = """
    import os, signal
    from pathlib import Path
    from curate import Sample, Step, pipeline
    from curate.select import Join
    from curate.step import TwoPass
    from curate.sinks import DatasetFolder

    class Numbers(Step):
        is_source = True
        makes = "samples"

        def __init__(self, first, n):
            super().__init__()
            self.first, self.n = first, n

        def run(self, data, rank=0, world_size=1):
            for i in range(self.first, self.first + self.n):
                prompt = Sample(prompt_id=f"{i * 7919 % 2**32:016x}", problem=str(i))
                yield prompt.with_completion(str(i), id=f"{i:016x}-00000000", k=0).to_document()

    class Below(TwoPass):
        '''Keeps what is below the mean of all.'''

        where = frozenset({"marker"})

        def __init__(self, marker="none", die=""):
            super().__init__()
            self.marker, self.die = marker, die

        def observe(self, data, rank=0, world_size=1):
            numbers = []
            for document in data:
                numbers.append(int(document.text))
                yield document
            (self.facts / f"{rank}.txt").write_text(" ".join(map(str, numbers)))

        def decide(self, tasks):
            seen = [(self.facts / f"{r}.txt").read_text().split() for r in range(tasks)]
            numbers = [int(n) for some in seen for n in some]
            self.count_down("decide")
            (self.facts / "mean").write_text(str(sum(numbers) / len(numbers)))

        def run(self, data, rank=0, world_size=1):
            mean = float((self.facts / "mean").read_text())
            self.context.ledger.note("mean", mean)
            self.context.ledger.note("datasets", {f"hub:a@{mean}": "c0ffee"})
            before = [int(n) for n in (self.facts / f"{rank}.txt").read_text().split()]
            for document, number in zip(data, before, strict=True):
                assert int(document.text) == number
                self.count_down("run")
                if number < mean:
                    yield document
                else:
                    self.drop(document, "above")

        def count_down(self, where):
            if self.die == where and Path(self.marker).exists():
                os.kill(os.getpid(), signal.SIGKILL)

    @pipeline
    def one(marker: str = "none", die: str = "", out: str = "runs/one") -> list:
        return [Numbers(0, 100), Below(marker, die), Below(), DatasetFolder()]

    @pipeline
    def two(out: str = "runs/two") -> list:
        return [Numbers(0, 60), Numbers(60, 40), Join(), Below(), Below(), DatasetFolder()]

    @pipeline
    def after(out: str = "runs/after") -> list:
        return [Numbers(0, 60), DatasetFolder(), Numbers(60, 40)]
"""


@pytest.fixture
def numbers(project: Project) -> Project:
    project.write("pipelines/numbers.py", PIPELINE)
    return project


def kept(run: Path) -> list[int]:
    rows = pl.read_parquet(run / "dataset/data/*.parquet")
    return sorted(int(p) for p in rows["problem"])


@pytest.mark.parametrize("tasks", [1, 3])
@pytest.mark.parametrize("name", ["one", "two"])
def test_everything_is_seen_before_anything_is_decided(
    numbers: Project, name: str, tasks: int
) -> None:
    done = numbers.curate("run", f"pipelines/numbers.py@{name}", "--tasks", str(tasks))
    assert done.returncode == 0, done.stderr
    run = numbers.root / "runs" / name
    assert kept(run) == list(range(25))
    funnel = json.loads((run / "funnel.json").read_text())
    steps = [(row["step"], row["unit"], row["in"], row["out"]) for row in funnel]
    assert ("Below", "samples", 100, 50) in steps
    assert ("Below#2", "samples", 50, 25) in steps
    assert not list((run / "stages").rglob("*.jsonl.zst")), "documents that nobody reads again"
    assert json.loads((run / "manifest.json").read_text())["notes"] == {
        **{"mean": 49.5, "mean#2": 24.5},
        "datasets": {"hub:a@49.5": "c0ffee", "hub:a@24.5": "c0ffee"},
    }


@pytest.mark.parametrize("die", ["decide", "run"])
def test_killed_between_the_passes(numbers: Project, die: str) -> None:
    marker = numbers.write("marker", "")
    words = ["run", "pipelines/numbers.py@one", f"marker={marker}", f"die={die}", "--tasks", "2"]
    killed = numbers.curate(*words)
    assert killed.returncode == 1
    assert "was killed by SIGKILL" in killed.stderr
    marker.unlink()
    assert numbers.curate(*words).returncode == 0
    assert kept(numbers.root / "runs/one") == list(range(25))


def test_the_plan_says_who_looks_and_decides(numbers: Project) -> None:
    said = numbers.curate("run", "pipelines/numbers.py@two", "--dry-run", "--tasks", "2").stdout
    assert "Below looks (2 tasks)" in said
    assert "Below decides (1 task)" in said


def test_a_chain_after_a_sink(numbers: Project) -> None:
    done = numbers.curate("run", "pipelines/numbers.py@after", "--tasks", "2")
    assert done.returncode == 0, done.stderr
    assert len(kept(numbers.root / "runs/after")) == 60
