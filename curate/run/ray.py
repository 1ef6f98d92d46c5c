"""The Ray executor: the tasks of a stage are actors, on this machine or on a running cluster.

datatrove's executor gives them out, and a task whose actor dies is started again, at most three
times. It returns as if nothing had happened when a task fails; the run looks for itself.
"""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from datatrove.executor.ray import RayPipelineExecutor
from datatrove.utils.logging import logger
from datatrove.utils.stats import PipelineStats

from curate.errors import RunError, UsageError
from curate.run.executors import RayResources, resources_for
from curate.run.local import Heard
from curate.run.remote import Job, Listening, lay_out, missing, perform, watch
from curate.run.task import StageSpec
from curate.step import Context

SILENCE_S = 60.0
"""A task says something every five seconds; Ray cannot see when the middle one of its three
processes dies.
"""
DONE_LATE_S = 60.0
"""A completion file may show that late: clients of a file server keep a listing for a while."""
QUIET = {
    **{"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"},
    **{"RAY_ENABLE_AUTO_CONNECT": "0", "RAY_worker_niceness": "0"},
}
"""No report to Ray's makers over the network, no advice on versions to come, and no new Ray by
itself: datatrove's thread may still ask for something when this one is shut down. Tasks are as
urgent as those of a local run: Ray gives them a niceness of 15, with which a task of 2 s took 90 s
beside six busy processes.
"""
STORE_BYTES = 100 << 20
"""Nothing but a few paths goes through Ray's memory; 75 MB is the least it takes."""


class RayStage(RayPipelineExecutor):
    """datatrove's executor, with a stage's completion files for its own and our tasks for its
    pipeline's.
    """

    def __init__(self, job: Job, tasks: int, gets: RayResources, workers: int) -> None:
        super().__init__(
            pipeline=[],
            tasks=tasks,
            workers=workers,
            logging_dir=str(job.folder / "logs"),
            cpus_per_task=gets.cpus,
            mem_per_cpu_gb=gets.memory_gb / gets.cpus,
            gpus_per_task=gets.gpus,
        )
        self.job = job

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> PipelineStats:
        perform(self.job, rank)
        return PipelineStats()


class Ray:
    """Runs stages on Ray, which is started, or connected to, with the first of them."""

    at_once: int | None = None

    def __init__(self, table: Mapping[str, Any]) -> None:
        if importlib.util.find_spec("ray") is None:
            raise UsageError(
                "--executor ray needs Ray; install it with: pip install 'curate-datasets[ray]'"
            )
        self._table = table
        self._ray: Any = None

    def __enter__(self) -> Self:
        logger.disable("datatrove")
        return self

    def __exit__(self, *error: object) -> None:
        if self._ray:
            self._ray.shutdown()
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
        """Gives the tasks to Ray and waits for them."""
        ranks = missing(spec)
        if not ranks:
            return
        gets = resources_for(spec, self._table, RayResources)
        slots = min(workers, len(ranks))
        job = Job(spec.folder, context.project, ranks, slots, gets.cpus, gets.env)
        lay_out(spec, context)
        self._begin(gets)
        stage = RayStage(job, spec.tasks, gets, slots)
        look = Look(self._ray, spec, gets, Listening(spec, heard, told), told)
        thread = threading.Thread(target=look.run, args=(stage,), daemon=True)
        thread.start()
        watch(spec, look.listening, tick, look)
        while thread.is_alive():  # it gives back what the tasks held
            tick()
            thread.join(0.1)

    def _begin(self, gets: RayResources) -> None:
        if self._ray:
            return
        os.environ.update(QUIET)
        self._ray = importlib.import_module("ray")
        here = {"include_dashboard": False, "object_store_memory": STORE_BYTES}
        there = {"runtime_env": {"env_vars": {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}}}
        try:
            self._ray.init(
                address=gets.address or "local",
                log_to_driver=False,
                logging_level="ERROR",
                **(there if gets.address else here),
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise RunError(f"Ray does not start ({gets.address or 'local'}): {error}") from error


class Look:
    """How a stage stands on Ray: whether its tasks can be placed, and whether they are alive."""

    def __init__(
        self,
        ray: Any,
        spec: StageSpec,
        gets: RayResources,
        listening: Listening,
        told: Callable[[str], None],
    ) -> None:
        self._ray, self._spec, self._gets, self._told = ray, spec, gets, told
        self.listening = listening
        self._began = time.monotonic()
        self._ended: float | None = None
        self._error: BaseException | None = None

    def run(self, stage: RayStage) -> None:
        """What the thread does; it ends when datatrove gives no task to Ray any more."""
        try:
            stage.run()
        except Exception as error:
            self._error = error
        self._ended = time.monotonic()

    def __call__(self, left: list[int]) -> None:
        """Raises when the tasks that are left will never be done."""
        now, stage = time.monotonic(), self._spec.name
        again = "what is finished is kept, run the same command again to continue"
        if self._ended and now - self._ended > (0 if self._error else DONE_LATE_S):
            why = f": {self._error}" if self._error else ""
            raise RunError(f"Ray gave up task {left[0]} of stage {stage}{why}; {again}")
        for rank, heard in self.listening.last_word.items():
            if rank in left and now - heard > SILENCE_S:
                log = self._spec.folder / "logs" / f"worker-{rank:05d}.log"
                raise RunError(
                    f"task {rank} of stage {stage} has not been heard of for {SILENCE_S:.0f} s; "
                    f"its log is {log}; {again}"
                )
        if not self.listening.last_word and not self._fits():
            needs = f"{self._gets.cpus} CPUs, {self._gets.gpus} GPUs, {self._gets.memory_gb} GB"
            if now - self._began > self._gets.patience_s:
                raise RunError(
                    f"no node of the Ray cluster can hold a task of stage {stage} ({needs}), and "
                    f"none came in {self._gets.patience_s} s; see [tool.curate.executors.ray] in "
                    "the project's pyproject.toml"
                )
            self._told(f"no node of the Ray cluster can hold a task of {stage} ({needs}) yet")

    def _fits(self) -> bool:
        """True when some node, were it empty, could hold a task."""
        needs = {
            "CPU": self._gets.cpus,
            "GPU": self._gets.gpus,
            "memory": self._gets.memory_gb << 30,
        }
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return any(all(n.get(what, 0) >= much for what, much in needs.items()) for n in nodes)
