"""A run: a pipeline's stages in turn, each checked before the next begins, in one directory that a
rerun continues.

    OUT/manifest.json  OUT/funnel.json  OUT/dataset/  OUT/rejected/*.parquet  OUT/report.html
    OUT/contamination.md, where there is something to show in it
    OUT/stages/02-Generate/{documents,numbers,rejected,logs}/

Whatever is killed, the same command continues: a task without its completion file runs again, and
every completion that was finished comes from the store.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import compress, count
from pathlib import Path
from typing import Any

from curate.errors import RunError, UsageError
from curate.run import executors, manifest
from curate.run.documents import Deal
from curate.run.ledger import Row, stage_funnel, together
from curate.run.load import Pipeline
from curate.run.lock import held
from curate.run.manifest import Manifest
from curate.run.plan import PlannedStage, cut, made_by
from curate.run.prices import prices_near, spent
from curate.run.progress import Progress, duration, say
from curate.run.task import StageSpec
from curate.sinks.atomic import write_text
from curate.step import Context, Step, TwoPass

OURS = (
    "manifest.json",
    "funnel.json",
    "report.html",
    "contamination.md",
    "release.json",
    "dataset",
    "rejected",
    "stages",
    "engine.log",
)
"""What a run writes into its directory; `--replace` removes these, what its steps say that they
write (`Step.writes`), and nothing else."""
LOCK_PATIENCE_S = 10.0
"""A killed run's workers are gone within a second; a longer hold is a run that works."""
LISTED = 10
"""Bad rows that are shown; all of them are in `rejected/`."""


@dataclass(frozen=True)
class Options:
    """How a pipeline is run; nothing here changes what the data is."""

    tasks: int = 1
    workers: int | None = None
    replace: bool = False
    command: str = ""
    executor: str = "local"


class Run:
    """One pipeline with its parameters, and the directory that it fills."""

    def __init__(self, pipeline: Pipeline, typed: Mapping[str, Any], options: Options) -> None:
        self.pipeline, self.options = pipeline, options
        self.values = pipeline.bind(typed)
        out = self.values.get("out") or f"runs/{pipeline.name}"
        self.out = (pipeline.root / str(out)).absolute()
        self.context = Context(
            out=self.out, project=pipeline.root, pipeline_dir=pipeline.file.parent
        )
        self.stages = cut(self.listed(pipeline.function(**self.values)), options.tasks)
        self.table = executors.table_for(options.executor, pipeline.root, self.stages)
        for stage in self.stages:
            for step, label in zip(stage.steps, stage.labels, strict=True):
                if isinstance(step, Step):
                    step.label = label
                    step.prepare(self.context)
            if stage.decides:
                stage.decides.facts = self.folder(stage) / "facts"

    @staticmethod
    def listed(steps: list[Any]) -> list[Any]:
        """The steps of the pipeline's list that are run: all of them."""
        return steps

    def go(self) -> None:
        """Runs what is not done yet; raises UsageError (nothing was done) or RunError (run again to
        continue).
        """
        check_place(self.out)
        with locked(self.out) as lock_fd:
            if self.options.replace:
                remove_run(self.out)
            self.manifest = Manifest(self.out)
            said = manifest.identity(self.pipeline, self.stages)
            if self.is_complete(said):
                self.refuse_what_is_left()
                say(f"nothing to do: {shown(self.out)} is complete (--replace makes it again)")
                return
            started = time.monotonic()
            executor = executors.choose(self.options.executor, self.table, self.out, lock_fd)
            self.begin(said)
            with executor:
                for stage in self.stages:
                    if not self.is_done(stage):
                        self.run_stage(stage, executor)
            self.finish(time.monotonic() - started)

    def is_complete(self, said: Mapping[str, Any]) -> bool:
        """True when the directory holds this very run, done; raises UsageError when it holds
        another one.
        """
        if not self.manifest.data:
            return False
        old = self.manifest.data.get("identity", {})
        if old != json.loads(json.dumps(said)):
            what = "; ".join(manifest.changes(old, said)[:3])
            raise UsageError(
                f"{self.out} holds a run with other parameters ({what}); "
                "keep it and write elsewhere with out=…, or make it anew with --replace"
            )
        there = all((self.out / name).exists() for name in self.written())
        if self.manifest.data["status"] == "done" and there:
            return True
        if self.manifest.data["status"] == "done" or self.tasks_before() != self.tasks_now():
            remove_run(self.out)
            self.manifest = Manifest(self.out)
        return False

    def refuse_what_is_left(self) -> None:
        """Raises UsageError when a complete run is asked for more than it did."""
        steps = (step for stage in self.stages for step in stage.steps if isinstance(step, Step))
        if left := next(filter(None, (step.left() for step in steps)), None):
            raise UsageError(left)

    def written(self) -> list[str]:
        """The names that its steps make in the run directory."""
        steps = (step for stage in self.stages for step in stage.steps if isinstance(step, Step))
        return sorted({name for step in steps for name in step.writes})

    def tasks_before(self) -> list[int]:
        return self.manifest.data.get("tasks", [])

    def tasks_now(self) -> list[int]:
        return [stage.tasks for stage in self.stages]

    def begin(self, said: dict[str, Any]) -> None:
        if not self.manifest.data:
            self.manifest.start(self.pipeline, self.values, said, self.options.command)
        self.manifest.set(status="running", tasks=self.tasks_now(), writes=self.written())

    def is_done(self, stage: PlannedStage) -> bool:
        return any(s["name"] == stage.name for s in self.manifest.data["stages"])

    def folder(self, stage: PlannedStage) -> Path:
        return self.out / "stages" / stage.name

    def spec(self, stage: PlannedStage) -> StageSpec:
        """What the tasks of a stage need to know, and how its documents are dealt on."""
        after = next((s for s in self.stages if stage in s.inputs), None)
        return StageSpec(
            name=stage.name,
            folder=self.folder(stage),
            steps=stage.steps,
            labels=stage.labels,
            tasks=stage.tasks,
            sources=tuple(self.folder(before) / "documents" for before in stage.inputs),
            sort=stage.sort,
            deal=deal_to(stage, after),
            next_tasks=after.tasks if after else None if stage.ends_in_sink else 1,
            observes=stage.observes,
            decides=stage.decides,
            observed_tasks=sum(
                s.tasks for s in self.stages if s.observes and s.observes is stage.decides
            ),
            gpus=stage.gpus,
        )

    def run_stage(self, stage: PlannedStage, executor: executors.Executor) -> None:
        started = time.monotonic()
        at_once = self.options.workers or executor.at_once or stage.tasks
        workers = max(1, min(at_once, stage.workers))
        self.folder(stage).mkdir(parents=True, exist_ok=True)
        if stage.observes:
            stage.observes.facts.mkdir(parents=True, exist_ok=True)
        progress = Progress(stage.name, self.total_for(stage), prices_near(self.out))
        try:
            spec = self.spec(stage)
            executor.run_stage(
                spec, self.context, workers, progress.heard, progress.tick, progress.told
            )
        finally:
            progress.stop()
        self.account(stage, time.monotonic() - started)

    def total_for(self, stage: PlannedStage) -> int | None:
        """Documents that come in, known exactly from the stages before."""
        out = {done["name"]: done["out"] for done in self.manifest.data["stages"]}
        return sum(out[before.name] for before in stage.inputs) if stage.inputs else None

    def funnel(self) -> list[dict[str, Any]]:
        path = self.out / "funnel.json"
        return json.loads(path.read_text()) if path.exists() else []

    def account(self, stage: PlannedStage, seconds: float) -> None:
        """Checks the law of the funnel, puts the refused rows in their place, and marks the stage
        as done.

        Killed in between, it is simply done again: every part of it may be repeated.
        """
        folder = self.folder(stage)
        labels = list(zip(stage.labels, stage.units, strict=True))
        rows, notes = stage_funnel(folder, labels)
        came_in = self.total_for(stage) or 0
        rejected = self.out / "rejected"
        rejected.mkdir(exist_ok=True)
        for file in sorted((folder / "rejected").glob("*.parquet")):
            os.replace(file, rejected / f"{stage.name}-{file.name}")
        done = {
            **{"name": stage.name, "steps": stage.labels, "tasks": stage.tasks, "status": "done"},
            **{"seconds": round(seconds, 1), "funnel": [row.to_json() for row in rows]},
            **{"numbers": notes.get("numbers", {}), "out": rows[-1].out if rows else came_in},
        }
        stages = [*self.manifest.data["stages"], done]
        write_text(self.out / "funnel.json", funnel_json(stages))
        paid = spent(stages, prices_near(self.out))
        self.manifest.set(stages=stages, spent=paid, **self.noted(stage, notes))
        for before in stage.inputs:  # nobody reads them again
            shutil.rmtree(self.folder(before) / "documents", ignore_errors=True)
        if stage.decides:
            stage.decides.forget()
        for step in stage.steps:
            if isinstance(step, TwoPass):  # they may take as much as short documents
                shutil.rmtree(step.facts, ignore_errors=True)
        say(f"{stage.name}: {describe(rows)} in {duration(seconds)}")
        if stage.begins_with_source:
            self.list_bad_rows(stage)

    def noted(self, stage: PlannedStage, notes: Mapping[str, Any]) -> dict[str, Any]:
        """The manifest's notes with those of a stage; what another stage noted under the same name
        stays, and the later one has a number.
        """
        data = self.manifest.data
        said = dict(data.get("notes", {}))
        for name, value in notes.items():
            if name == "datasets":
                said[name] = together(name, said.get(name), value)
            elif name not in ("engine", "numbers"):
                names = (f"{name}#{n}" if n > 1 else name for n in count(1))
                said[next(free for free in names if said.get(free, value) == value)] = value
        engines = dict(data.get("engines", {}))
        if engine := notes.get("engine"):
            asking = (getattr(step, "is_generator", False) for step in stage.steps)
            engines[next(compress(stage.labels, asking), stage.name)] = engine
        return {"engine": engine or data["engine"], "engines": engines, "notes": said}

    def list_bad_rows(self, stage: PlannedStage) -> None:
        """Says where the rows stand that could not be used; the same row twice is no such row."""
        bad = [
            row["detail"]
            for file in sorted((self.out / "rejected").glob(f"{stage.name}-*.parquet"))
            for row in read_columns(file, ["reason", "detail"])
            if row["detail"] and row["reason"] != "duplicate_prompt"
        ]
        for detail in bad[:LISTED]:
            say(f"  {detail}")
        if len(bad) > LISTED:
            say(f"  … and {len(bad) - LISTED:,} more in {shown(self.out / 'rejected')}")

    def finish(self, seconds: float) -> None:
        from curate.run.report import write_html
        from curate.select.evidence import write_evidence

        for stage in self.stages:
            if stage.decides:
                shutil.rmtree(stage.decides.facts, ignore_errors=True)
            if stage is not self.stages[-1] or stage.ends_in_sink:
                shutil.rmtree(self.folder(stage) / "documents", ignore_errors=True)
        self.manifest.set(status="done")
        write_html(self.out)
        write_evidence(self.out)
        self.summary(seconds)

    def summary(self, seconds: float) -> None:
        last = self.funnel()[-1]
        dataset = self.out / "dataset"
        where = shown(dataset if dataset.is_dir() else self.out)
        say(f"{last['out']:,} {last['unit']} in {where} after {duration(seconds)}")
        warning = "" if last["out"] else "warning: nothing is left; "
        say(f"{warning}see what was left out and why with: curate report {shown(self.out)}")


def funnel_json(stages: list[dict[str, Any]]) -> str:
    """The funnel of all stages; the row of the samples that were made says what it took."""
    lines: list[dict[str, Any]] = []
    for stage in stages:
        took = {"numbers": stage["numbers"] | {"seconds": stage["seconds"]}}
        for row in stage["funnel"]:
            is_made = stage["numbers"] and row["step"].startswith("Generate")
            lines.append(row | took if is_made and row["unit"] == "samples" else row)
    return json.dumps(lines, indent=2, ensure_ascii=False) + "\n"


def read_columns(file: Path, columns: list[str]) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    return pq.read_table(file, columns=columns).to_pylist()


def shown(path: Path) -> str:
    """A path as one would type it here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def deal_to(stage: PlannedStage, after: PlannedStage | None) -> Deal:
    if after is None or after.tasks == 1:
        return "one"
    if after.sort:
        return "prompt"
    if stage.begins_with_source:
        return "row" if made_by(stage.steps[0]) == "prompts" else "prompt"
    return "rank" if after.tasks == stage.tasks else "prompt"


def describe(rows: list[Row]) -> str:
    """The stage in a few words: what came in and went out, and the most frequent reasons."""
    if not rows:
        return "all documents were looked at"
    dropped: Counter[str] = sum((row.dropped for row in rows), Counter())
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in dropped.most_common(3))
    failed = sum(row.failed for row in rows)
    text = f"{rows[0].into:,} {rows[0].unit} in, {rows[-1].out:,} {rows[-1].unit} out"
    return (
        text
        + (f" (left out: {reasons})" if reasons else "")
        + (f", {failed} failed" if failed else "")
    )


def check_place(out: Path) -> None:
    """Makes the run directory; refuses a folder that something else fills."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; choose another place with out=…")
    out.mkdir(parents=True, exist_ok=True)
    strange = [
        p.name for p in out.iterdir() if p.name not in (*OURS, ".lock") and ".part" not in p.name
    ]
    if strange and not (out / "manifest.json").exists():
        raise UsageError(
            f"{out} is not empty and holds no run ({strange[0]} is there); "
            "choose another place with out=…"
        )


def remove_run(out: Path) -> None:
    """Removes what a run wrote, the manifest last, so that a kill in between leaves something to
    continue.
    """
    executors.end_jobs(out)
    for name in (*written_before(out), *OURS[1:], OURS[0]):
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def written_before(out: Path) -> list[str]:
    """What the steps of the run that is there make; nothing where its manifest is damaged."""
    try:
        return Manifest(out).data.get("writes", [])
    except RunError:
        return []


def locked(out: Path) -> AbstractContextManager[int]:
    """The run directory for this run alone; waits a moment for the workers of a killed one."""
    return held(
        out / ".lock",
        LOCK_PATIENCE_S,
        f"another run is working in {out}; wait for it, or choose another place with out=…",
    )
