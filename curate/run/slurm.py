"""The Slurm executor: a stage is an array job, which the run watches until its last task is done.

One stage is submitted after the other, because a stage is checked before the next may begin. A task
that fails ends the stage: what is left of its job is cancelled. Ctrl-C cancels it too. A run that
is only lost (its terminal closed, its machine down) leaves its job at work, and the same command
finds it again by its name in `stages/NAME/slurm.json`.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

from datatrove.executor.slurm import SlurmPipelineExecutor
from datatrove.utils.logging import logger
from datatrove.utils.stats import PipelineStats

from curate.errors import RunError, UsageError
from curate.run.executors import SlurmResources, resources_for
from curate.run.local import Heard
from curate.run.remote import Job, Listening, lay_out, missing, perform, watch
from curate.run.task import StageSpec
from curate.sinks.atomic import write_text
from curate.step import Context

ASK_EVERY_S = 5.0
"""How often Slurm is asked; the tasks themselves are read from files."""
TOLD_EVERY_S = 10.0
ENDED = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"}
    | {"PREEMPTED", "REVOKED", "TIMEOUT"}
)
"""States after which a task does nothing more (squeue, section "job state codes")."""
NEVER = frozenset(
    {"AccountNotAllowed", "BadConstraints", "DependencyNeverSatisfied", "InvalidAccount"}
    | {"InvalidQOS", "JobHeldAdmin", "PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit"}
    | {"QOSNotAllowed", "launch failed requeued held"}
)
"""Reasons for which a task waits until somebody changes the cluster or the job; no waiting helps.
"""
FILES_LATE_S = 3.0
"""What a task wrote before it failed is looked for that long."""
DONE_LATE_S = 60.0
"""A completion file may show that late: clients of a file server keep a listing for a while."""
CANCEL_S = 60.0
"""Slurm kills a cancelled task 30 seconds (KillWait) after it asked it to end."""


@dataclass(frozen=True)
class Element:
    """A part of an array job: its number, state, Slurm's reason for it, and its node."""

    job: str
    index: int
    state: str
    reason: str
    node: str


@dataclass
class Submitted:
    """A job of this run, as `slurm.json` keeps it; written before Slurm has it, so that no kill
    leaves one that nobody knows.
    """

    path: Path
    name: str
    ranks: list[int]
    each: int
    """Tasks that an element does one after the other."""
    first_missed: dict[int, float] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Submitted | None:
        return cls(path, **json.loads(path.read_text())) if path.exists() else None

    def save(self) -> None:
        said = {"name": self.name, "ranks": self.ranks, "each": self.each}
        write_text(self.path, json.dumps(said) + "\n")

    def ranks_of(self, element: Element) -> list[int]:
        return self.ranks[element.index * self.each : (element.index + 1) * self.each]

    def elements(self) -> list[Element] | None:
        """What Slurm knows of it; None when Slurm does not answer. What ended long ago is gone."""
        command = ["squeue", "--noheader", "--array", "--states=all", f"--name={self.name}"]
        asked = slurm([*command, "--format=%F|%K|%T|%N|%r"])
        if asked.returncode:
            return None
        lines = (line.split("|", 4) for line in asked.stdout.splitlines() if line)
        return [
            Element(job, int(index) if index.isdigit() else 0, state, reason.strip(), node)
            for job, index, state, node, reason in lines
        ]

    def cancel(self) -> None:
        """Cancels what is left of it and waits until it is gone, as far as Slurm says so."""
        slurm(["scancel", f"--name={self.name}"])
        if self.gone_within(CANCEL_S):
            self.path.unlink(missing_ok=True)

    def gone_within(self, seconds: float, tick: Callable[[], None] | None = None) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            elements = self.elements()
            if elements is not None and all(e.state in ENDED for e in elements):
                return True
            if tick:
                tick()
            time.sleep(0.5)
        return False


def slurm(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Asks one of Slurm's commands; raises UsageError where there is no Slurm."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=120)
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no {command[0]} on this machine; start the run where Slurm's commands are, "
            "or leave --executor slurm out"
        ) from error
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", "no answer in 2 minutes")


def unfinished(out: Path) -> list[Submitted]:
    """The jobs of a run directory that nobody saw the end of."""
    found = (Submitted.read(path) for path in sorted(out.glob("stages/*/slurm.json")))
    return [job for job in found if job]


def refuse_jobs(out: Path) -> None:
    """Raises UsageError when a job still works in `out`."""
    for job in unfinished(out):
        elements = job.elements()
        if elements is None or any(e.state not in ENDED for e in elements):
            raise UsageError(
                f"an earlier run's job may be at work in {out}: continue it with --executor slurm, "
                f"or end it with: scancel --name={job.name}"
            )
        job.path.unlink()


def cancel_jobs(out: Path) -> None:
    """Cancels the jobs that still work in `out`; raises RunError for one that does not end."""
    for job in unfinished(out):
        job.cancel()
        if job.path.exists():
            raise RunError(f"job {job.name} of an earlier run does not end; see squeue")


class SlurmStage(SlurmPipelineExecutor):
    """datatrove's executor, with a stage's completion files for its own and our tasks for its
    pipeline's.
    """

    def __init__(self, job: Job, tasks: int, gets: SlurmResources, name: str, workers: int) -> None:
        each = math.ceil(len(job.ranks) / gets.max_array_size)
        super().__init__(
            pipeline=[],
            tasks=tasks,
            time=gets.time,
            partition=gets.partition,
            cpus_per_task=gets.cpus,
            gpus_per_task=gets.gpus,
            nodes_per_task=gets.nodes,
            workers=workers,
            job_name=name,
            qos=gets.qos,
            env_command=setup(job, gets),
            max_array_size=gets.max_array_size,
            logging_dir=str(job.folder / "logs"),
            with_srun=False,
            tasks_per_job=each,
        )
        self.job, self.gets = job, gets

    def get_sbatch_args(self, max_array: int = 1) -> dict[str, Any]:
        """datatrove's options, memory for the task instead of for each core, and none that is
        empty.
        """
        args = super().get_sbatch_args(max_array)
        memory, account = self.gets.memory_gb, self.gets.account
        del args["mem-per-cpu"]
        args |= {"mem": f"{memory}G" if memory else "", "account": account}
        args |= {name: f'"{args[name]}"' for name in ("output", "error")}
        said = {k: v for k, v in args.items() if v or k == "requeue"}
        return said | {k: "" if v is True else v for k, v in self.gets.sbatch.items()}

    def get_launch_file_contents(self, sbatch_args: dict[str, Any], run_script: str) -> str:
        """The same Python as here, wherever its commands are."""
        pickled = shlex.quote(str(self.job.folder / "logs/executor.pik"))
        command = f"{shlex.quote(self.job.python)} -m datatrove.tools.launch_pickled_pipeline"
        return super().get_launch_file_contents(sbatch_args, f"{command} {pickled}")

    def launch_merge_stats(self) -> None:
        """Not needed; and when a task fails, its job would wait for ever."""

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> PipelineStats:
        perform(self.job, rank)
        return PipelineStats()


def setup(job: Job, gets: SlurmResources) -> str:
    """The shell commands before a task."""
    said = {**gets.env, "PYTHONPATH": job.path}
    lines = [f"cd {shlex.quote(str(job.project))}", *gets.setup]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in said.items()]
    return "\n".join(f"{line} || exit 1" for line in lines)


class Slurm:
    """Runs stages as array jobs."""

    at_once: int | None = None

    def __init__(self, table: Mapping[str, Any]) -> None:
        slurm(["sbatch", "--version"])
        self._table = table
        self._asked = self._told = 0.0
        self._state = ""

    def __enter__(self) -> Self:
        logger.disable("datatrove")
        if "SLURM_JOB_ID" in os.environ:  # inside a job: its limits are not those of our tasks
            for name in [n for n in os.environ if n.startswith("SLURM_") and n != "SLURM_CONF"]:
                del os.environ[name]
        return self

    def __exit__(self, *error: object) -> None:
        logger.enable("datatrove")

    def run_stage(
        self,
        spec: StageSpec,
        context: Context,
        workers: int,
        heard: Heard,
        tick: Callable[[], None],
        told: Callable[[str], None],
    ) -> None:
        """Submits a stage, or finds its job of an earlier run again, and waits for its tasks."""
        if not missing(spec):
            return
        job = self._again(spec, tick, told) or self._submit(spec, context, workers)
        try:
            listening = Listening(spec, heard, told)
            watch(spec, listening, tick, lambda left: self._look(spec, job, left, told))
        except BaseException:
            told(f"cancels what is left of job {job.name}")
            job.cancel()
            raise
        job.path.unlink(missing_ok=True)

    def _again(
        self, spec: StageSpec, tick: Callable[[], None], told: Callable[[str], None]
    ) -> Submitted | None:
        """The job of an earlier run that still works on this stage."""
        job = Submitted.read(spec.folder / "slurm.json")
        if job is None:
            return None
        elements = job.elements()
        if elements is None:
            raise RunError("Slurm does not answer (squeue); an earlier run's job may be at work")
        alive = {e.job for e in elements if e.state not in ENDED and e.state != "COMPLETING"}
        if alive:
            told(f"job {', '.join(sorted(alive))} of an earlier run works on {spec.name}")
            return job
        if not job.gone_within(10 * CANCEL_S, tick):
            raise RunError(f"job {job.name} of an earlier run does not end; see squeue")
        return None

    def _submit(self, spec: StageSpec, context: Context, workers: int) -> Submitted:
        gets = resources_for(spec, self._table, SlurmResources)
        ranks = missing(spec)
        slots = min(workers, len(ranks))
        lay_out(spec, context)
        name = f"curate-{spec.name}-{token_hex(4)}"
        job = Job(spec.folder, context.project, ranks, slots, gets.cpus, gets.env)
        stage = SlurmStage(job, spec.tasks, gets, name, slots)
        submitted = Submitted(spec.folder / "slurm.json", name, ranks, stage.tasks_per_job)
        submitted.save()
        try:
            stage.launch_job()
        except subprocess.CalledProcessError as error:
            submitted.path.unlink()
            script = spec.folder / "logs/launch_script.slurm"
            why = slurm(["sbatch", "--test-only", str(script)]).stderr.strip().splitlines()
            said = (
                why[-1].removeprefix("allocation failure: ")
                if why
                else f"status {error.returncode}"
            )
            raise RunError(
                f"Slurm refuses stage {spec.name}: {said}; see [tool.curate.executors.slurm] in "
                f"{context.project / 'pyproject.toml'}, and {script}"
            ) from error
        return submitted

    def _look(
        self, spec: StageSpec, job: Submitted, left: list[int], told: Callable[[str], None]
    ) -> None:
        """Says how the job is, and raises when a task that is left will never be done."""
        now = time.monotonic()
        if now - self._asked < ASK_EVERY_S and not job.first_missed:
            return
        self._asked = now
        elements = job.elements()
        if elements is None:
            told("Slurm does not answer (squeue); the run goes on waiting")
            return
        self._tell(spec, elements, left, told)
        for element in elements:
            if element.state == "PENDING" and element.reason in NEVER:
                raise RunError(
                    f"Slurm can never start a task of stage {spec.name} ({element.reason}); what "
                    "it asks for is in [tool.curate.executors.slurm] of the project's "
                    f"pyproject.toml and in {spec.folder / 'logs/launch_script.slurm'}"
                )
        known = {rank: e for e in elements for rank in job.ranks_of(e)}
        works = any(e.state not in ENDED for e in elements)
        for rank in left:
            element = known.get(rank)
            if works if element is None else element.state not in ENDED:
                job.first_missed.pop(rank, None)
                continue
            is_late = element is None or element.state == "COMPLETED"
            patience = DONE_LATE_S if is_late else FILES_LATE_S
            if now - job.first_missed.setdefault(rank, now) > patience:
                raise RunError(lost(spec, rank, element))

    def _tell(
        self, spec: StageSpec, elements: list[Element], left: list[int], told: Callable[[str], None]
    ) -> None:
        """How many tasks are done and in which state Slurm has the others, when that changes."""
        states = Counter(
            e.state.lower() + (f" ({e.reason})" if e.reason not in ("", "None") else "")
            for e in elements
            if e.state not in ENDED
        )
        parts = [f"{n} {state}" for state, n in sorted(states.items())]
        said = ", ".join([f"{spec.tasks - len(left)} of {spec.tasks} tasks done", *parts])
        if said != self._state and time.monotonic() - self._told > TOLD_EVERY_S:
            self._state, self._told = said, time.monotonic()
            told(f"job {elements[0].job if elements else '?'}: {said}")


def lost(spec: StageSpec, rank: int, element: Element | None) -> str:
    """The end of a task that said nothing itself, in words."""
    folder = spec.folder / "logs/slurm_logs"
    if element is None:
        how, log = "is no more in Slurm's queue", folder
    else:
        reason = f" ({element.reason})" if element.reason not in ("", "None") else ""
        how = f"ended as {element.state}{reason} on {element.node or 'no node'}"
        log = folder / f"{element.job}_{element.index}.out"
    lines = log.read_text(errors="replace").split("\n") if log.is_file() else []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return (
        f"task {rank} of stage {spec.name} {how} before it was done"
        + (f", its last line: {last[:200]}" if last else "")
        + f"; its log is {log}; what is finished is kept, run the same command again to continue"
    )
