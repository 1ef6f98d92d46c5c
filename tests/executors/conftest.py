"""A user's own project, and the real Slurm and Ray that run it.

CURATE_TEST_SLURM=$(.ci/slurm FOLDER) CURATE_TEST_RAY=$(.ci/ray FOLDER) pytest tests/executors
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

RULES = """
    from dataclasses import dataclass

    from curate.sample import Sample, Verdict
    from curate.scorers.scorer import Scorer
    from curate.select import Keep


    @dataclass(frozen=True)
    class LongEnough(Scorer):
        '''1.0 for a completion of at least `n` characters.'''

        n: int = 3

        def judge(self, sample: Sample) -> Verdict:
            length = len(sample.response)
            return Verdict(float(length >= self.n), f"{length} characters")


    long_enough = Keep(LongEnough())
"""

TOY = """
    import os, signal, time
    from pathlib import Path

    from curate import Sample, Stage, Step, pipeline
    from curate.notice import notice
    from curate.select import Dedup, Mix, Pick
    from curate.sinks import DatasetFolder
    from filters import long_enough


    class Numbers(Step):
        '''Samples of small sums; every third completion repeats another prompt's.'''

        is_source = True
        makes = "samples"

        def __init__(self, n, domain="math"):
            super().__init__()
            self.n, self.domain = n, domain

        def run(self, data, rank=0, world_size=1):
            for i in range(self.n):
                problem = f"What is {i} + 1?"
                prompt_id = f"{i * 7919:08x}{len(self.domain):08x}"
                prompt = Sample(prompt_id=prompt_id, problem=problem, answer=str(i + 1),
                                domain=self.domain, source="numbers")
                for k in range(3):
                    text = f"The sum of {i} and 1 is {i + 1}." + " I am sure." * k
                    if k == 2 and i % 2:
                        text = f"The sum of {i} and 1 is {i + 1}."
                    if k == 0 and i % 5 == 0:
                        text = "?"
                    id = f"{prompt.prompt_id}-{k:08x}"
                    yield prompt.with_completion(text, id=id, k=k).to_document()


    class Trouble(Step):
        '''Does what `how` says when it meets problem 5, while a marker file is there.'''

        where = frozenset({"how", "marker"})

        def __init__(self, how, marker):
            super().__init__()
            self.how, self.marker = how, marker

        def run(self, data, rank=0, world_size=1):
            for document in data:
                if document.metadata["problem"] == "What is 5 + 1?" and Path(self.marker).exists():
                    if self.how == "raise":
                        raise KeyError("no such thing")
                    if self.how == "die":
                        os.kill(os.getpid(), signal.SIGKILL)
                    if self.how == "notice":
                        notice("look here")
                    if self.how == "sleep":
                        Path(self.marker).with_suffix(f".{os.getpid()}").touch()
                        while Path(self.marker).exists():
                            time.sleep(0.1)
                yield document


    class Where(Step):
        '''Writes down where a task ran.'''

        where = frozenset({"file"})

        def __init__(self, file):
            super().__init__()
            self.file = file

        def run(self, data, rank=0, world_size=1):
            if self.file != "none":
                names = ("SLURM_GPUS_ON_NODE", "COLOUR", "CURATE_VERIFIERS")
                Path(f"{self.file}-{rank}").write_text(
                    f"{Path.cwd()} {[os.environ.get(n) for n in names]}")
            yield from data


    @pipeline
    def toy(n: int = 40, how: str = "none", marker: str = "none", file: str = "none",
            gpus: int = 0, whole: bool = False, out: str = "runs/toy") -> list:
        '''A toy.'''
        begins = [Numbers(n),
                  Stage([long_enough, Trouble(how, marker), Where(file)], gpus=gpus)]
        picks = [Dedup(by="completion", within="prompt"), Pick(1, by="longest")]
        mixes = [Numbers(n, "logic"), Mix({"math": 25, "logic": 60}),
                 Dedup(by="completion", within="all", keep="longest")]
        return [*begins, *picks, *(mixes if whole else []), DatasetFolder()]
"""


class Project:
    """A folder with filters, a pipeline and an executors table, and `curate` run beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.python = sys.executable
        self.started: list[subprocess.Popen[str]] = []
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.table("")
        self.write("pipelines/__init__.py", "")
        self.write("pipelines/toy.py", TOY)
        self.write("filters/__init__.py", "from filters.rules import long_enough\n")
        self.write("filters/rules.py", RULES)
        self.elsewhere = root / "elsewhere"
        self.elsewhere.mkdir()

    def table(self, text: str) -> None:
        """Writes pyproject.toml with this in it."""
        self.write(
            "pyproject.toml", "[project]\nname = 'mine'\nversion = '0'\n" + textwrap.dedent(text)
        )

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`curate run` with four tasks, from a folder that is not the project's root."""
        pipeline = str(self.root / "pipelines/toy.py")
        run = subprocess.Popen(
            [self.python, "-m", "curate.cli", "run", pipeline, "--tasks", "4", *words],
            cwd=self.elsewhere,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(run)
        return run

    def run(self, *words: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        run = self.start(*words)
        stdout, stderr = run.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(run.args, run.returncode, stdout, stderr)

    def local(self, *words: str) -> dict[str, bytes]:
        """What the local executor makes of the pipeline."""
        done = self.run(f"out={self.root / 'local'}", *words)
        assert done.returncode == 0, done.stderr
        return shards(self.root / "local")


def shards(out: Path) -> dict[str, bytes]:
    """The shards of a run's dataset, and what was refused."""
    found = {p.name: p.read_bytes() for p in sorted((out / "dataset/data").glob("*.parquet"))}
    assert found
    return found | {"funnel": (out / "funnel.json").read_bytes()}


def wait_until(true: Callable[[], object], timeout_s: float = 300) -> None:
    until = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < until, "what was waited for did not happen"
        time.sleep(0.1)


def squeue(project: Project, *words: str) -> list[str]:
    """Lines of `squeue` about jobs of this project that still do something."""
    done = subprocess.run(
        ["squeue", "-h", "-r", "-o", "%F_%K|%T|%Z|%j", *words],
        env=project.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if str(project.root) in line]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    yield project
    for run in project.started:
        run.kill()
        run.communicate()  # closes its pipes too


@pytest.fixture
def slurm(project: Project) -> Iterator[Project]:
    """The project where Slurm's commands work."""
    conf = os.environ.get("CURATE_TEST_SLURM")
    if not conf:
        pytest.skip("$CURATE_TEST_SLURM names no slurm.conf; .ci/slurm FOLDER starts a Slurm")
    project.environment["SLURM_CONF"] = conf
    yield project
    for job in {line.split("_")[0] for line in squeue(project)}:
        subprocess.run(["scancel", job], env=project.environment, check=True)


@pytest.fixture
def ray(project: Project) -> Project:
    """The project in an environment with Ray."""
    python = os.environ.get("CURATE_TEST_RAY")
    if not python:
        pytest.skip("$CURATE_TEST_RAY names no Python with Ray; .ci/ray FOLDER makes one")
    project.python = python
    return project
