"""A pipeline on a real Slurm: the same dataset, and what becomes of tasks that fail or die."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.executors.conftest import Project, shards, squeue, wait_until


def record(project: Project) -> dict:
    (path,) = (project.root / "out").glob("stages/*/slurm.json")
    return json.loads(path.read_text())


def words(project: Project, how: str) -> list[str]:
    marker = project.write("marker", "")
    return [f"out={project.root / 'out'}", f"how={how}", f"marker={marker}", "--executor", "slurm"]


def sleeping(project: Project) -> list[Path]:
    return list(project.root.glob("marker.*"))


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_the_dataset_is_the_local_one_and_tasks_get_what_the_table_says(slurm: Project) -> None:
    slurm.table("""
        [tool.curate.executors.slurm]
        partition = "main"
        time = "00:10:00"
        memory_gb = 1
        setup = ["COLOUR=blue"]
        env = { COLOUR = "it's green" }

        [tool.curate.executors.slurm.Keep]
        partition = "short"
        sbatch = { comment = "seen", oversubscribe = true }
    """)
    out = slurm.root / "a run"
    done = slurm.run(
        f"out={out}", "gpus=2", f"file={slurm.root / 'seen'}", "whole=true", "--executor", "slurm"
    )
    assert done.returncode == 0, done.stderr
    assert shards(out) == slurm.local("whole=true")
    for rank in range(4):
        seen = (slurm.root / f"seen-{rank}").read_text()
        assert seen == f"""{slurm.root} ['2', "it's green", '1']"""
    script = (out / "stages/02-Keep/logs/launch_script.slurm").read_text()
    for line in (
        "partition=short",
        "time=00:10:00",
        "mem=1G",
        "gpus=2",
        "comment=seen",
        "oversubscribe",
    ):
        assert f"#SBATCH --{line}\n" in script
    assert "qos" not in script
    assert not squeue(slurm)


def test_what_fails_is_said_and_a_rerun_completes(slurm: Project) -> None:
    done = slurm.run(*words(slurm, "raise"))
    said = complaint(done)
    assert done.returncode == 1
    assert "failed: KeyError: 'no such thing'" in said
    log = Path(said.split("traceback is in ")[1])
    assert "Traceback" in log.read_text()
    assert not squeue(slurm)

    done = slurm.run(*words(slurm, "die"))
    assert done.returncode == 1
    assert "was killed by SIGKILL" in complaint(done)
    assert not squeue(slurm)

    run = slurm.start(*words(slurm, "sleep"))
    wait_until(lambda: sleeping(slurm) and len(squeue(slurm)) == 1)  # the other tasks are done
    (name,) = {line.split("|")[0] for line in squeue(slurm)}
    subprocess.run(["scancel", name], env=slurm.environment, check=True)
    _, stderr = run.communicate(timeout=300)
    assert run.returncode == 1
    assert "ended as CANCELLED" in stderr and f"{name}.out" in stderr
    assert not squeue(slurm)

    (slurm.root / "marker").unlink()
    done = slurm.run(f"out={slurm.root / 'out'}", "--executor", "slurm")
    assert done.returncode == 0, done.stderr
    assert shards(slurm.root / "out") == slurm.local()


def test_a_run_that_is_lost_is_found_again_and_one_that_is_stopped_leaves_nothing(
    slurm: Project,
) -> None:
    run = slurm.start(*words(slurm, "sleep"))
    wait_until(lambda: sleeping(slurm))
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=300)
    assert run.returncode == 130, stderr
    assert not squeue(slurm)
    for marker in sleeping(slurm):
        marker.unlink()

    run = slurm.start(*words(slurm, "sleep"))
    wait_until(lambda: sleeping(slurm))
    run.kill()
    run.communicate()
    assert squeue(slurm)
    done = slurm.run(f"out={slurm.root / 'out'}")
    assert done.returncode == 2
    assert record(slurm)["name"] in complaint(done)

    (slurm.root / "marker").unlink()
    done = slurm.run(f"out={slurm.root / 'out'}", "--executor", "slurm")
    assert done.returncode == 0, done.stderr
    assert shards(slurm.root / "out") == slurm.local()
    assert len(sleeping(slurm)) == 1  # no task ran a second time


def test_a_run_that_is_made_anew_ends_what_still_works(slurm: Project) -> None:
    run = slurm.start(*words(slurm, "sleep"))
    wait_until(lambda: sleeping(slurm))
    run.kill()
    run.communicate()
    name = record(slurm)["name"]
    toy = slurm.root / "pipelines/toy.py"
    toy.write_text(toy.read_text() + "\nCHANGED = True\n")
    done = slurm.run("--replace", f"out={slurm.root / 'out'}")
    assert done.returncode == 0, done.stderr
    assert not [line for line in squeue(slurm) if name in line]
    assert shards(slurm.root / "out") == slurm.local()


@pytest.mark.parametrize(
    ("table", "says"),
    [
        pytest.param("cpus = 64", "can never start", id="more cores than there are"),
        pytest.param("gpus = 3", "refuses stage 01-Numbers", id="more GPUs than there are"),
        pytest.param('partition = "none"', "Invalid partition name", id="no such partition"),
        pytest.param('setup = ["no-such-thing"]', "no-such-thing: command not found", id="setup"),
    ],
)
def test_what_cannot_run_is_said(slurm: Project, table: str, says: str) -> None:
    slurm.table(f"[tool.curate.executors.slurm]\n{table}\n")
    done = slurm.run(f"out={slurm.root / 'out'}", "--executor", "slurm")
    assert done.returncode == 1
    assert says in complaint(done)
    assert not squeue(slurm)
