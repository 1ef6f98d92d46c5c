"""A pipeline on a real Ray: the same dataset, and what becomes of tasks that fail or die."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil

from tests.executors.conftest import Project, shards, wait_until


def words(project: Project, how: str) -> list[str]:
    marker = project.write("marker", "")
    return [f"out={project.root / 'out'}", f"how={how}", f"marker={marker}", "--executor", "ray"]


def test_the_dataset_is_the_local_one(ray: Project) -> None:
    ray.table("""
        [tool.curate.executors.ray]
        memory_gb = 1
        env = { COLOUR = "green" }
    """)
    out = ray.root / "a run"
    done = ray.run(f"out={out}", f"file={ray.root / 'seen'}", "whole=true", "--executor", "ray")
    assert done.returncode == 0, done.stderr
    assert shards(out) == ray.local("whole=true")
    for rank in range(4):
        seen = (ray.root / f"seen-{rank}").read_text()
        assert seen == f"{ray.root} [None, 'green', '1']"


def test_what_fails_is_said_and_a_rerun_completes(ray: Project) -> None:
    for how, says in (("raise", "KeyError: 'no such thing'"), ("die", "was killed by SIGKILL")):
        done = ray.run(*words(ray, how))
        assert done.returncode == 1
        said = done.stderr.strip().splitlines()[-1]
        assert says in said and "Traceback" not in done.stderr
        assert Path(said.split(" in ")[-1].split("its log is ")[-1]).is_file()
    (ray.root / "marker").unlink()
    done = ray.run(f"out={ray.root / 'out'}", "--executor", "ray")
    assert done.returncode == 0, done.stderr
    assert shards(ray.root / "out") == ray.local()


def test_a_task_whose_actor_is_killed_starts_again(ray: Project) -> None:
    run = ray.start(*words(ray, "sleep"))
    wait_until(lambda: list(ray.root.glob("marker.*")))
    (first,) = ray.root.glob("marker.*")
    worker = psutil.Process(int(first.suffix[1:]))
    actor = worker.parents()[1]
    assert "RankWorker" in " ".join(actor.cmdline())
    assert worker.nice() == psutil.Process(run.pid).nice(), "as urgent as a local task"
    os.kill(actor.pid, signal.SIGKILL)
    wait_until(lambda: len(list(ray.root.glob("marker.*"))) == 2 or run.poll() is not None)
    assert not worker.is_running()
    (ray.root / "marker").unlink()
    _, stderr = run.communicate(timeout=600)
    assert run.returncode == 0, stderr
    assert "was lost on" in stderr and "starts again" in stderr
    assert shards(ray.root / "out") == ray.local()


def test_what_no_node_can_hold_is_said(ray: Project) -> None:
    ray.table("[tool.curate.executors.ray]\ncpus = 4000\npatience_s = 2\n")
    done = ray.run(f"out={ray.root / 'out'}", "--executor", "ray")
    assert done.returncode == 1
    assert "no node of the Ray cluster can hold a task of stage 01-Numbers" in done.stderr
