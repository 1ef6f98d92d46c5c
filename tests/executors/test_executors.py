"""What a project's table says of executors, and who may run where; no cluster is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.errors import UsageError
from curate.project import PYPROJECT
from curate.run.executors import RayResources, SlurmResources, read_table, resources_for
from curate.run.task import StageSpec
from curate.select import Pick
from tests.executors.conftest import ROOT, Project

TABLE = """
    [tool.curate.executors.slurm]
    partition = "cpu"
    cpus = 4
    env = { A = "1", B = "2" }

    [tool.curate.executors.slurm.Pick]
    partition = "gpu"
    gpus = 2
    env = { B = "3" }

    [tool.curate.executors.slurm.Dedup]
    partition = "large"
    memory_gb = 64

    [tool.curate.executors.ray]
    cpus = 2
"""


def spec(name: str, *labels: str, gpus: int = 0) -> StageSpec:
    steps = [Pick(1, by="longest")] * len(labels)
    return StageSpec(name, Path("nowhere"), steps, list(labels), 4, (), False, "one", 1, gpus=gpus)


def test_a_stage_gets_the_defaults_then_what_its_steps_say_the_one_it_is_named_after_last(
    project: Project,
) -> None:
    project.table(TABLE)
    table = read_table(project.root, "slurm", ["Dedup", "Pick"])
    as_dedup = resources_for(spec("03-Dedup", "Dedup", "Pick"), table, SlurmResources)
    assert (as_dedup.partition, as_dedup.gpus, as_dedup.memory_gb) == ("large", 2, 64)
    as_pick = resources_for(spec("03-Pick", "Dedup", "Pick#2", gpus=8), table, SlurmResources)
    assert (as_pick.partition, as_pick.gpus, as_pick.cpus) == ("gpu", 8, 4)
    assert as_pick.env == {"A": "1", "B": "3"}
    table = read_table(project.root, "ray")
    assert resources_for(spec("03-Pick"), table, RayResources).cpus == 2


@pytest.mark.parametrize("text", ["", "[tool.curate]\nother = 1\n", "[tool.curate.executors]\n"])
def test_without_a_table_there_are_defaults(project: Project, text: str) -> None:
    project.table(text)
    assert read_table(project.root, "slurm") == {}
    assert resources_for(spec("03-Pick"), {}, SlurmResources) == SlurmResources()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("[tool.curate.executors.slrm]", "'slrm'; did you mean 'slurm'?", id="name"),
        pytest.param("[tool.curate.executors.slurm]\ncpu = 1", "did you mean 'cpus'?", id="key"),
        pytest.param(
            "[tool.curate.executors.slurm.Pick]\ngpu = 1", "did you mean 'gpus'?", id="step's key"
        ),
        pytest.param(
            "[tool.curate.executors.slurm.Pik]\ngpus = 1", "did you mean 'Pick'?", id="step"
        ),
        pytest.param(
            '[tool.curate.executors.ray]\ncpus = "2"', "'cpus' takes a whole number", id="type"
        ),
        pytest.param(
            "[tool.curate.executors.slurm]\ngpus = true", "'gpus' takes a whole number", id="bool"
        ),
        pytest.param("[tool.curate.executors.slurm]\ncpus = 0", "'cpus' takes", id="no core"),
        pytest.param("[tool.curate.executors.ray]\nenv = { A = 1 }", "a table of texts", id="env"),
        pytest.param(
            "[tool.curate.executors.slurm]\nsetup = [1]", "takes a list of texts", id="setup"
        ),
        pytest.param(
            '[tool.curate.executors.ray]\npartition = "x"', "no key 'partition'", id="not Ray's"
        ),
        pytest.param("[tool.curate.executors\n", "is no TOML", id="TOML"),
    ],
)
def test_a_wrong_table_is_refused(project: Project, text: str, says: str) -> None:
    project.table(text)
    with pytest.raises(UsageError, match=r"pyproject\.toml") as refused:
        read_table(project.root, "slurm", ["Dedup", "Pick"])
    assert says in str(refused.value)


def test_a_wrong_table_is_refused_before_anything_runs(project: Project) -> None:
    project.table("[tool.curate.executors.slurm.Pik]\ngpus = 1")
    done = project.run(f"out={project.root / 'out'}", "--executor", "slurm")
    assert done.returncode == 2
    assert "no such step; did you mean 'Pick'?" in done.stderr
    assert not (project.root / "out").exists()


@pytest.mark.parametrize("where", ["the page", "a new project"])
def test_the_example_for_nodes_of_eight_gpus_is_a_right_table(project: Project, where: str) -> None:
    if where == "the page":
        page = (ROOT / "docs/executors.md").read_text("utf-8")
        text = page.split("```toml\n")[1].split("```")[0]
    else:
        shown = PYPROJECT.format(name="x", version="1").split("# [tool.curate", 1)[1]
        text = "[tool.curate" + shown.replace("\n# ", "\n").replace("\n#\n", "\n")
    project.table(text)
    table = read_table(project.root, "slurm", ["Generate"])
    gets = resources_for(
        spec("02-Generate", "Prompts", "Generate", "Keep:MathAnswer"), table, SlurmResources
    )
    assert (gets.partition, gets.gpus, gets.sbatch) == ("h100", 8, {"exclusive": True})
    assert resources_for(spec("03-Dedup", "Dedup"), table, SlurmResources).partition == "cpu"


def test_dry_run_shows_what_tasks_would_get(project: Project) -> None:
    project.table('[tool.curate.executors.slurm.Dedup]\npartition = "large"\nmemory_gb = 64\n')
    done = project.run("gpus=2", "whole=true", "--executor", "slurm", "--dry-run")
    assert done.returncode == 0, done.stderr
    shown = done.stdout.split("stages:\n")[1].splitlines()
    gets = {
        name.split(":")[0].strip(): what for name, what in zip(shown[::2], shown[1::2], strict=True)
    }
    assert "gpus=2" in gets["02-Keep"] and "partition" not in gets["02-Keep"]
    for stage in ("03-Dedup", "09-Dedup"):
        assert "memory_gb=64, nodes=1, partition=large" in gets[stage]


def test_the_local_executor_has_no_gpus_to_give(project: Project) -> None:
    done = project.run("gpus=2")
    assert done.returncode == 2
    assert "Stage(gpus=2): the local executor gives no GPUs" in done.stderr


def test_without_slurm_it_says_so(project: Project) -> None:
    project.environment["PATH"] = "/nonexistent"
    done = project.run(f"out={project.root / 'out'}", "--executor", "slurm")
    assert done.returncode == 2
    assert "there is no sbatch on this machine" in done.stderr


def test_without_ray_it_says_how_to_install_it(project: Project) -> None:
    """Also where Ray is installed: a package of that name that cannot be found is put first."""
    hide = "import sys; sys.modules['ray'] = None\n"
    project.write("hidden/sitecustomize.py", hide)
    project.environment["PYTHONPATH"] += f":{project.root / 'hidden'}"
    done = project.run(f"out={project.root / 'out'}", "--executor", "ray")
    assert done.returncode == 2
    assert "pip install 'curate-datasets[ray]'" in done.stderr
