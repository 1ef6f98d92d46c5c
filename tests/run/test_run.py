"""A toy pipeline through the real command line: results, resuming, kills, wrong input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from curate import __version__
from curate.run.documents import read_share
from tests.run.conftest import Project


def texts(out: Path) -> list[tuple[str, str]]:
    """What is left at the end of a run without a sink."""
    last = max((out / "stages").iterdir())
    return sorted((d.metadata["problem"], d.text) for d in read_share(last / "documents", 0))


def funnel(out: Path) -> dict[str, dict]:
    return {row["step"]: row for row in json.loads((out / "funnel.json").read_text())}


def one_line(stderr: str) -> str:
    """The complaint: the last line, with nothing that looks like a traceback anywhere."""
    assert "Traceback" not in stderr
    return stderr.strip().splitlines()[-1]


def test_every_document_is_accounted_for(project: Project) -> None:
    done = project.curate("run", "pipelines/toy.py")
    assert done.returncode == 0, done.stderr
    out = project.root / "runs/toy"
    assert texts(out) == sorted((str(i), "x") for i in range(1, 20, 2) if i != 11)
    rows = funnel(out)
    for row in rows.values():
        assert row["in"] + row["made"] == row["out"] + sum(row["dropped"].values()) + row["failed"]
    assert rows["Numbers"]["out"] == 60
    assert rows["LambdaFilter"]["dropped"] == {"even": 30}
    assert rows["without_eleven"]["dropped"] == {"dropped": 3}
    assert rows["Pick"]["dropped"] == {"surplus": 18}
    rejected = [
        row for f in (out / "rejected").glob("*.parquet") for row in pq.read_table(f).to_pylist()
    ]
    assert len(rejected) == 30 + 3 + 18
    assert {(r["step"], r["reason"]) for r in rejected} == {
        ("LambdaFilter", "even"),
        ("without_eleven", "dropped"),
        ("Pick", "surplus"),
    }
    assert all(r["id"].startswith(r["prompt_id"]) for r in rejected)


@pytest.mark.parametrize("words", [("--tasks", "3"), ("--tasks", "4", "--workers", "1")])
def test_tasks_and_workers_change_nothing(project: Project, words: tuple[str, ...]) -> None:
    project.curate("run", "pipelines/toy.py")
    done = project.curate("run", "pipelines/toy.py", "out=elsewhere", *words)
    assert done.returncode == 0, done.stderr
    assert texts(project.root / "elsewhere") == texts(project.root / "runs/toy")
    assert funnel(project.root / "elsewhere") == funnel(project.root / "runs/toy")
    manifest = json.loads((project.root / "elsewhere/manifest.json").read_text())
    assert manifest["stages"][1]["tasks"] == int(words[1])


def test_workers_option_limits_the_processes(project: Project) -> None:
    project.curate("run", "pipelines/toy.py", "--tasks", "4", "--workers", "1")
    logs = project.root / "runs/toy/logs"
    assert [p.name for p in logs.glob("worker-*.log")] == ["worker-00.log"]


def test_a_rerun_does_nothing(project: Project) -> None:
    project.curate("run", "pipelines/toy.py")
    before = {p: p.stat().st_mtime_ns for p in (project.root / "runs").rglob("*") if p.is_file()}
    again = project.curate("run", "pipelines/toy.py")
    assert again.returncode == 0
    assert "nothing to do" in again.stderr
    after = {p: p.stat().st_mtime_ns for p in (project.root / "runs").rglob("*") if p.is_file()}
    del before[project.root / "runs/toy/.lock"], after[project.root / "runs/toy/.lock"]
    assert before == after


def test_other_parameters_are_refused_with_both_ways_out(project: Project) -> None:
    project.curate("run", "pipelines/toy.py")
    done = project.curate("run", "pipelines/toy.py", "n=10")
    assert done.returncode == 2
    line = one_line(done.stderr)
    assert "Numbers n: 20 -> 10" in line
    assert "out=" in line and "--replace" in line
    assert project.curate("run", "pipelines/toy.py", "n=10", "--replace").returncode == 0
    assert len(texts(project.root / "runs/toy")) == 5


def test_a_changed_module_is_another_run(project: Project) -> None:
    project.write("filters/__init__.py", "LEAST = 1\n")
    project.write(
        "pipelines/toy.py", (project.root / "pipelines/toy.py").read_text() + "\nimport filters\n"
    )
    project.curate("run", "pipelines/toy.py")
    project.write("filters/__init__.py", "LEAST = 2\n")
    done = project.curate("run", "pipelines/toy.py")
    assert done.returncode == 2
    assert "filters/__init__.py has changed" in one_line(done.stderr)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        pytest.param("die", "was killed by SIGKILL", id="a worker is killed"),
        pytest.param("raise", "KeyError", id="a step raises"),
        pytest.param("vanish", "lost track of 3", id="documents vanish"),
        pytest.param("full", "the disk is full", id="the disk is full"),
    ],
)
def test_a_failure_is_one_line_and_the_rerun_completes(
    project: Project, how: str, says: str
) -> None:
    marker = project.root / "marker"
    marker.touch()
    words = ("run", "pipelines/toy.py", f"how={how}", f"marker={marker}", "--tasks", "3")
    failed = project.curate(*words)
    assert failed.returncode == 1
    assert says in one_line(failed.stderr)
    marker.unlink()
    if how == "vanish":
        words = (*words, "--replace")
    done = project.curate(*words)
    assert done.returncode == 0, done.stderr
    assert len(texts(project.root / "runs/toy")) == 9


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_no_process_and_continues(
    project: Project, kind: signal.Signals
) -> None:
    marker = project.root / "marker"
    marker.touch()
    words = ("run", "pipelines/toy.py", "how=sleep", f"marker={marker}", "--tasks", "2")
    run = project.start(*words)
    try:
        wait_for(project.root / "marker.reached")
        children = psutil.Process(run.pid).children(recursive=True)
        assert children
        run.send_signal(kind)
        _, stderr = run.communicate(timeout=5)
    finally:
        run.kill()
    if kind != signal.SIGKILL:
        assert run.returncode == 130
        assert "the same command continues" in one_line(stderr)
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    marker.unlink()
    done = project.curate(*words)
    assert done.returncode == 0, done.stderr
    assert len(texts(project.root / "runs/toy")) == 9


def wait_for(path: Path, timeout_s: float = 30) -> None:
    until = time.monotonic() + timeout_s
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(
            ["run", "pipelines/toy.py", "nn=3"],
            "has no parameter 'nn'; did you mean 'n'?",
            id="name",
        ),
        pytest.param(["run", "pipelines/toy.py", "n=many"], "'n' takes a whole number", id="type"),
        pytest.param(["run", "pipelines/toy.py", "n"], "is not key=value", id="no value"),
        pytest.param(["run", "pipelines/toy.py", "n=1", "n=2"], "given twice", id="twice"),
        pytest.param(["run", "pipelines/ty.py"], "did you mean 'toy.py'?", id="file"),
        pytest.param(["run", "pipelines/toy.py@toi"], "did you mean 'toy'?", id="pipeline"),
        pytest.param(["run"], "say which pipeline", id="no file"),
        pytest.param(
            ["run", "pipelines/toy.py", "out=pyproject.toml"], "is a file", id="out is a file"
        ),
        pytest.param(
            ["run", "pipelines/toy.py", "out=pipelines"],
            "is not empty and holds no run",
            id="foreign",
        ),
        pytest.param(
            ["run", "pipelines/toy.py", "--tasks", "0"], "a whole number from 1", id="tasks"
        ),
        pytest.param(["run", "pipelines/toy.py", "--task"], "--task", id="option"),
        pytest.param(["report", "pipelines"], "run", id="report of no run"),
        pytest.param(["why", "pipelines", "x"], "run", id="why of no run"),
        pytest.param(["nonsense"], "nonsense", id="command"),
    ],
)
def test_wrong_words_are_refused_before_anything_happens(
    project: Project, words: list[str], says: str
) -> None:
    done = project.curate(*words)
    assert done.returncode == 2
    assert says in one_line(done.stderr)
    assert not (project.root / "runs").exists()


def test_a_place_that_cannot_be_written(project: Project) -> None:
    done = project.curate("run", "pipelines/toy.py", "out=/proc/curate-run")
    assert done.returncode in (1, 2)
    assert "/proc/curate-run" in one_line(done.stderr)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_really_full(project: Project) -> None:
    disk = project.root / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60k", "tmpfs", disk])
    if mounted.returncode:
        pytest.skip("this system does not let root mount a small disk")
    try:
        words = ("run", "pipelines/toy.py", "n=3000", "out=disk/run")
        failed = project.curate(*words)
        assert failed.returncode == 1
        assert "the disk is full" in one_line(failed.stderr)
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        done = project.curate(*words)
        assert done.returncode == 0, done.stderr
        assert len(texts(disk / "run")) == 1499
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_second_run_in_the_same_place_waits_and_says_so(project: Project) -> None:
    marker = project.root / "marker"
    marker.touch()
    words = ("run", "pipelines/toy.py", "how=sleep", f"marker={marker}")
    first = project.start(*words)
    try:
        wait_for(project.root / "marker.reached")
        second = project.curate(*words)
        assert second.returncode == 1
        assert "another run is working" in one_line(second.stderr)
    finally:
        first.kill()
        first.communicate()


def test_dry_run_shows_the_stages_and_runs_nothing(project: Project) -> None:
    done = project.curate("run", "pipelines/toy.py", "n=7", "--dry-run", "--tasks", "5")
    assert done.returncode == 0
    assert "n = 7" in done.stdout
    assert "02-LambdaFilter: LambdaFilter > Trouble > without_eleven (5 tasks)" in done.stdout
    assert "03-Pick: Pick (5 tasks, sorted by prompt first)" in done.stdout
    assert not (project.root / "runs").exists()


def test_version_and_help(project: Project) -> None:
    assert project.curate("--version").stdout == f"curate {__version__}\n"
    assert "--dry-run" in project.curate("run", "--help").stdout
    assert "RUN" in project.curate("why", "-h").stdout


def test_help_after_a_file_lists_its_parameters(project: Project) -> None:
    done = project.curate("run", "pipelines/toy.py", "--help")
    assert done.returncode == 0
    assert "A toy." in done.stdout
    assert "a whole number; default 20" in done.stdout


def test_typed_paths_count_from_the_current_folder(project: Project) -> None:
    (project.root / "deep").mkdir()
    done = project.curate("run", "pipelines/toy.py", "out=deep/run")
    assert done.returncode == 0
    inside = project.root / "deep"
    words = project.command("run", "../pipelines/toy.py", "out=other")
    subprocess.run(words, cwd=inside, env=project.environment, check=True, capture_output=True)
    assert (inside / "other/manifest.json").exists()
    assert (inside / "run/manifest.json").exists()


def test_what_a_worker_has_to_say_reaches_the_person_once(project: Project) -> None:
    marker = project.write("marker", "")
    done = project.curate("run", "pipelines/toy.py", "how=notice", f"marker={marker}")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("curate: look here\n") == 1  # of three samples with that problem
