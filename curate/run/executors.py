"""Where the tasks of a stage run: on this machine, on Slurm or on Ray, and what they get there.

    [tool.curate.executors.slurm]              # in the project's pyproject.toml
    partition = "cpu"

    [tool.curate.executors.slurm.Generate]     # for the stages with this step
    partition = "gpu"
    gpus = 8

An executor changes nothing of what the data is, so nothing of it is in a run's fingerprint.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from curate.errors import UsageError
from curate.run.load import nearest
from curate.run.local import Crew, Heard
from curate.run.plan import PlannedStage
from curate.run.task import StageSpec
from curate.step import Context


class Executor(Protocol):
    """Runs the stages of a run, one after the other; leaving the context ends what still works."""

    at_once: int | None
    """Tasks that run at the same time where `--workers` says nothing; None for all of them."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def run_stage(
        self,
        spec: StageSpec,
        context: Context,
        workers: int,
        heard: Heard,
        tick: Callable[[], None],
        told: Callable[[str], None],
    ) -> None:
        """Runs a stage's tasks that have no completion file yet; returns when all have one, raises
        when one cannot get it.

        `tick` is called at least five times a second, `told` with what a person should hear.
        """
        ...


@dataclass(frozen=True)
class Resources:
    """What one task gets, whatever gives it."""

    cpus: int = 1
    gpus: int = 0
    memory_gb: int = 0
    """0 for what the cluster gives by itself."""
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SlurmResources(Resources):
    """What one task gets from Slurm; what is empty is left to the cluster."""

    nodes: int = 1
    """The task runs on the first; what it starts itself may use the others."""
    time: str = ""
    partition: str = ""
    qos: str = ""
    account: str = ""
    setup: list[str] = field(default_factory=list)
    """Shell commands before the task, such as `module load cuda`."""
    sbatch: dict[str, Any] = field(default_factory=dict)
    """Further options of sbatch, by their long names; true for one without a value."""
    max_array_size: int = 1001
    """The cluster's MaxArraySize, of which 1001 is Slurm's default."""


@dataclass(frozen=True)
class RayResources(Resources):
    """What one task gets from Ray."""

    memory_gb: int = 2
    address: str = ""
    """A running cluster, `auto` for the one of this machine; empty to start one here."""
    patience_s: int = 600
    """How long a cluster may take to grow a node that can hold a task."""


R = TypeVar("R", bound=Resources)
KINDS: dict[str, type[Resources]] = {"slurm": SlurmResources, "ray": RayResources}
WANTS = {
    int: "a whole number (of cpus and nodes at least 1)",
    str: "text",
    dict: "a table of texts",
}


def read_table(project: Path, executor: str, steps: Sequence[str] = ()) -> dict[str, Any]:
    """The table of an executor in the project's pyproject.toml, checked; empty without one.

    `steps` are the steps of the pipeline: a table that is nearly called like one is refused.
    """
    path = project / "pyproject.toml"
    try:
        data = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    tables = data.get("tool", {}).get("curate", {}).get("executors", {})
    where = f"{path}: [tool.curate.executors"
    for name, table in tables.items():
        if name not in KINDS or not isinstance(table, dict):
            raise UsageError(f"{where}] has no '{name}'{nearest(name, KINDS)}")
        check_table(table, KINDS[name], f"{where}.{name}", steps)
    return tables.get(executor, {})


def check_table(
    table: Mapping[str, Any], kind: type[Resources], where: str, steps: Sequence[str] | None
) -> None:
    """Refuses unknown keys and values of another type; a table inside is one for a step, and with
    steps of None there is none.
    """
    types = {f.name: type(getattr(kind(), f.name)) for f in fields(kind)}
    for name, value in table.items():
        if name in types:
            if not fits(name, value, types[name]):
                wants = "a list of texts" if name == "setup" else WANTS[types[name]]
                raise UsageError(f"{where}]: '{name}' takes {wants}, not {value!r}")
        elif isinstance(value, dict) and steps is not None:
            near = difflib.get_close_matches(name, steps, n=1, cutoff=0.8)
            if name not in steps and near:
                raise UsageError(f"{where}.{name}]: no such step; did you mean '{near[0]}'?")
            check_table(value, kind, f"{where}.{name}", None)
        else:
            raise UsageError(f"{where}] has no key '{name}'{nearest(name, types)}")


def fits(name: str, value: Any, wanted: type) -> bool:
    """True for a value of the type; tasks, cores and machines are one at least."""
    if type(value) is not wanted:
        return False
    if wanted is int:
        return value >= (name in ("cpus", "nodes", "max_array_size"))
    inside = value.values() if wanted is dict else value
    return name == "sbatch" or wanted is str or all(isinstance(v, str) for v in inside)


def resources_for(spec: StageSpec, table: Mapping[str, Any], kind: type[R]) -> R:
    """What a task of this stage gets: the defaults, then what is said for its steps, last for the
    one that it is named after, and the GPUs of `Stage(..., gpus=8)`.
    """
    names = {f.name for f in fields(kind)}
    merged = {name: value for name, value in table.items() if name in names}
    for step in names_of(spec):
        for name, value in table.get(step, {}).items():
            merged[name] = merged.get(name, {}) | value if isinstance(value, dict) else value
    if spec.gpus:
        merged["gpus"] = spec.gpus
    return kind(**merged)


def asked_for(executor: str, spec: StageSpec, table: Mapping[str, Any]) -> str:
    """What a task of this stage gets, in words: `cpus=4, partition=cpu`; empty on this machine."""
    if executor not in KINDS:
        return ""
    gets = resources_for(spec, table, KINDS[executor])
    said = {f.name: getattr(gets, f.name) for f in fields(gets)}
    return f"{executor}: " + ", ".join(f"{name}={value}" for name, value in said.items() if value)


def names_of(spec: StageSpec) -> list[str]:
    """The names of a stage's steps in the table, last that of the step it is named after; of a
    stage without steps, of the step in two passes that it is for.
    """
    if not spec.steps:
        return [table_name(step.label) for step in (spec.observes, spec.decides) if step]
    names = [table_name(label) for label in spec.labels]
    return sorted(names, key=spec.name.partition("-")[2].__eq__)


def table_name(label: str) -> str:
    """What a step is called in the table, whichever of its kind it is.

    >>> table_name("Dedup#2"), table_name("Keep:MathAnswer")
    ('Dedup', 'Keep')
    """
    return re.split("[:#]", label)[0]


def table_for(name: str, project: Path, stages: Sequence[PlannedStage]) -> dict[str, Any]:
    """The executor's table of the project; raises UsageError for a wrong one, and for GPUs where
    none are given out.
    """
    if name == "local":
        if gpus := max(stage.gpus for stage in stages):
            raise UsageError(
                f"Stage(gpus={gpus}): the local executor gives no GPUs to a stage; run it with "
                "--executor slurm or ray, or leave gpus out and name a server with "
                "engine=http://HOST:PORT/v1"
            )
        return {}
    steps = sorted({table_name(label) for stage in stages for label in stage.labels})
    return read_table(project, name, steps)


def choose(name: str, table: Mapping[str, Any], out: Path, lock_fd: int) -> Executor:
    """The executor of that name for a run in `out`.

    Raises UsageError when Slurm still works there for an earlier run, and this one is not on Slurm.
    """
    if name == "slurm":
        from curate.run.slurm import Slurm

        return Slurm(table)
    if has_jobs(out):
        from curate.run.slurm import refuse_jobs

        refuse_jobs(out)
    if name == "ray":
        from curate.run.ray import Ray

        return Ray(table)
    return Crew(out, lock_fd)


def end_jobs(out: Path) -> None:
    """Ends what other machines do for an earlier run in `out`, before that is removed."""
    if has_jobs(out):
        from curate.run.slurm import cancel_jobs

        cancel_jobs(out)


def has_jobs(out: Path) -> bool:
    """True when a run in `out` submitted jobs whose end nobody saw."""
    return any(out.glob("stages/*/slurm.json"))
