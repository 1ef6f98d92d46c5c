"""The hottest functions of a run, all tasks in one process under the profiler.

    python -m benchmarks.scale_profile --rows 2000
    python -m benchmarks.scale_profile --rows 20000 --lengths 0.1 --by cumulative

The profiler itself costs most where functions are small; by stage the processor's time is that of
`time.process_time`, with and without it (`--plain`).
"""

from __future__ import annotations

import argparse
import cProfile
import pickle
import pstats
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from benchmarks import scale_data
from benchmarks.scale_check import sizes_of_mix
from curate.run import executors
from curate.run.load import load
from curate.run.run import Options, Run
from curate.run.task import StageSpec, run_task
from curate.step import Context

ROOT = Path(__file__).parents[1]


class InThisProcess(AbstractContextManager["InThisProcess"]):
    """Runs every task here, with fresh steps, and counts the time of each stage."""

    at_once: int | None = 1

    def __init__(self, profile: cProfile.Profile | None) -> None:
        self._profile = profile

    def __exit__(self, *error: object) -> None:
        return None

    def run_stage(self, spec: StageSpec, context: Context, *_: Any) -> None:
        payload = pickle.dumps((spec, context))
        started = time.process_time()
        with self._profile or nullcontext():
            for rank in range(spec.tasks):
                fresh, its_context = pickle.loads(payload)
                run_task(fresh, rank, its_context)
        print(f"{spec.name:<24} {time.process_time() - started:>8.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--lengths", type=float, default=1.0)
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--by", default="tottime", help="tottime or cumulative")
    parser.add_argument("--plain", action="store_true", help="without the profiler")
    options = parser.parse_args()
    profile = None if options.plain else cProfile.Profile(time.process_time)
    executors.choose = lambda *_: InThisProcess(profile)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        scale_data.write(data, options.rows, lengths=options.lengths)
        typed = sizes_of_mix(data) | {"data": str(data), "out": f"{folder}/out"}
        pipeline = load(str(ROOT / "benchmarks/scale_pipeline.py"))
        Run(pipeline, typed, Options(tasks=options.tasks)).go()
    if profile:
        pstats.Stats(profile).sort_stats(options.by).print_stats(30)


if __name__ == "__main__":
    main()
