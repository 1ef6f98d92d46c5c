"""One task of a stage: read its share, run the steps with their numbers counted, write what is
left.

datatrove's executor does the rest (logs, statistics, one completion file per rank), so that the
same task runs in a local worker, a Slurm job or on Ray.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.executor.base import DistributedEnvVars, PipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.filters.base_filter import BaseFilter

from curate.run.documents import Deal, Shares, dealer, read_share, sort_by_prompt
from curate.run.ledger import TaskLedger
from curate.step import Context, Step, TwoPass, unit_of

Documents = Iterator[Document]


@dataclass(frozen=True)
class StageSpec:
    """A stage as its tasks need it; picklable with the standard library."""

    name: str
    folder: Path
    steps: list[Any]
    labels: list[str]
    tasks: int
    sources: tuple[Path, ...]
    """The documents of the stages before, one chain after the other; none for a source."""
    sort: bool
    deal: Deal
    next_tasks: int | None
    """Tasks of the next stage; None when nothing reads this one's documents."""
    observes: TwoPass | None = None
    decides: TwoPass | None = None
    """The step in two passes whose documents pass here, or that decides here about all of them."""
    observed_tasks: int = 0
    """Of a decision: how many tasks observed."""
    gpus: int = 0
    """What `Stage(..., gpus=8)` asks for each task."""


class StageExecutor(PipelineExecutor):
    """Runs single tasks of a stage in this process, with datatrove's logs, statistics and
    completion files.
    """

    def __init__(self, spec: StageSpec, ledger: TaskLedger, context: Context) -> None:
        pipeline: list[Any] = [Reader(spec, context)] if spec.sources else []
        for step, label in zip(spec.steps, spec.labels, strict=True):
            if isinstance(step, Step):
                step.label = label
                step.prepare(context)
            pipeline.append(Metered(step, label, ledger))
        for step in (spec.observes, spec.decides):
            if step:
                step.prepare(context)
        if spec.observes:
            pipeline.append(Observation(spec.observes))
        if spec.decides:
            pipeline.append(Decision(spec.decides, spec.observed_tasks))
        pipeline.append(Writer(spec, ledger))
        super().__init__(pipeline, logging_dir=str(spec.folder / "logs"))
        self._tasks = spec.tasks

    def run(self) -> None:
        raise NotImplementedError("tasks are run one by one, see curate.run.local")

    @property
    def world_size(self) -> int:
        return self._tasks

    def get_distributed_env(self, node_rank: int = -1) -> DistributedEnvVars:
        numbers = dict.fromkeys(("cpus_per_task", "mem_per_cpu", "gpus_on_node"), "-1")
        env = {"node_ips": "localhost", "executor": "LOCAL"} | numbers
        return DistributedEnvVars(**{f"datatrove_{k}": v for k, v in env.items()})  # type: ignore[typeddict-item]


def run_task(spec: StageSpec, rank: int, context: Context) -> None:
    """Runs one task to its completion file, or raises; steps must be fresh (unpickled for this
    task).
    """
    ledger = TaskLedger(spec.folder, rank)
    context = replace(context, rank=rank, tasks=spec.tasks, ledger=ledger)
    StageExecutor(spec, ledger, context)._run_for_rank(rank)


class Reader(PipelineStep):
    """The share of a task."""

    type, name = "curate", "Reader"

    def __init__(self, spec: StageSpec, context: Context) -> None:
        super().__init__()
        self.spec, self.context = spec, context

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Any:
        documents = chain.from_iterable(read_share(s, rank) for s in self.spec.sources)
        if self.spec.sort:
            documents = sort_by_prompt(documents, self.spec.folder / f"sorting-{rank:05d}")
        for consumed, document in enumerate(documents, 1):
            yield document
            self.context.report({"consumed": consumed})


class Observation(PipelineStep):
    """The first pass of a step in two."""

    type, name = "curate", "Observation"

    def __init__(self, step: TwoPass) -> None:
        super().__init__()
        self.step = step

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        yield from self.step.observe(data, rank, world_size)


class Decision(PipelineStep):
    """The moment between the two passes."""

    type, name = "curate", "Decision"

    def __init__(self, step: TwoPass, tasks: int) -> None:
        super().__init__()
        self.step, self.tasks = step, tasks

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Any:
        self.step.decide(self.tasks)
        yield from ()


class Writer(PipelineStep):
    """Deals what is left to the next stage's tasks, then commits the documents and the ledger."""

    type, name = "curate", "Writer"

    def __init__(self, spec: StageSpec, ledger: TaskLedger) -> None:
        super().__init__()
        self.spec, self.ledger = spec, ledger

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        if self.spec.next_tasks is None:
            for _ in data:
                pass
        else:
            shares = Shares(self.spec.folder / "documents", rank)
            deal = dealer(self.spec.deal, rank, self.spec.next_tasks)
            for n, document in enumerate(data):
                shares.write(deal(n, document), document)
            shares.commit()
        self.ledger.commit()
        yield from ()


class Metered(PipelineStep):
    """A step with what goes in and comes out counted, whoever wrote it.

    Steps of ours say themselves what they leave out. Of datatrove's filters the exclusion writer is
    listened to; for any other step, documents are told apart by id: what went in and did not come
    out was dropped.
    """

    type = "curate"

    def __init__(self, step: Any, label: str, ledger: TaskLedger) -> None:
        super().__init__()
        self.step, self.label, self.ledger, self.name = step, label, ledger, label
        self.stats = getattr(step, "stats", self.stats)

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Any:
        if isinstance(self.step, Step) and self.step.counts_itself:
            return self.step.run(data, rank, world_size)
        if isinstance(self.step, Step):
            return self._counted_out(self.step.run(self._counted_in(data), rank, world_size))
        if isinstance(self.step, BaseFilter):
            self.step.exclusion_writer = Listener(self._drop, self.step.exclusion_writer)  # type: ignore[assignment]
            return self._counted_out(self.step.run(self._counted_in(data), rank, world_size))
        return self._by_id(data, rank, world_size)

    def _counted_in(self, data: Documents | None) -> Documents:
        for document in data or ():
            self.ledger.row(self.label, unit_of(document)).into += 1
            yield document

    def _counted_out(self, data: Documents) -> Documents:
        is_source = getattr(self.step, "is_source", False)
        for document in data:
            row = self.ledger.row(self.label, unit_of(document))
            row.into += is_source
            row.out += 1
            yield document

    def _by_id(self, data: Documents | None, rank: int, world_size: int) -> Documents:
        inside: dict[str, Document] = {}

        def remember(documents: Documents | None) -> Documents:
            for document in documents or ():
                inside[document.id] = document
                yield document

        for document in self.step(remember(data), rank, world_size) or ():
            row = self.ledger.row(self.label, unit_of(document))
            if inside.pop(document.id, None):
                row.into += 1
            else:
                row.made += 1
            row.out += 1
            yield document
        for document in inside.values():
            self.ledger.row(self.label, unit_of(document)).into += 1
            self._drop(document)

    def _drop(self, document: Document) -> None:
        reason = document.metadata.pop("filter_reason", "dropped")
        self.ledger.drop(
            self.label, unit_of(document), document, str(reason), detail="", failed=False
        )


class Listener(contextlib.AbstractContextManager):
    """Stands where a filter has its exclusion writer: tells the ledger, then hands on to the writer
    that was there.
    """

    def __init__(self, drop: Callable[[Document], None], writer: Any) -> None:
        self._drop, self._writer = drop, writer

    def __enter__(self) -> Listener:
        if self._writer:
            self._writer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._writer:
            self._writer.__exit__(*error)

    def write(self, document: Document, rank: int = 0) -> None:
        if self._writer:
            self._writer.write(document, rank)
        self._drop(document)
