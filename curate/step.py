"""What a pipeline is made of: steps, groups of steps, and the function that lists them.

    @pipeline
    def cold_start(limit: int | None = 60, out: str = "runs/cold_start") -> list[Step]:
        return [Prompts("problems.jsonl", limit=limit), Generate(...), DatasetFolder()]

A step takes documents and yields documents (datatrove's contract). It says with `drop` and `fail`
what it leaves out, so that at the end of a stage in + made = out + dropped + failed holds for every
step.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar, get_type_hints

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from curate.errors import UsageError
from curate.sample import is_prompt_document

Unit = Literal["prompts", "samples"]


def unit_of(document: Document) -> Unit:
    """A document is a prompt until something was generated from it, then a sample."""
    return "prompts" if is_prompt_document(document) else "samples"


class Ledger(Protocol):
    """Where a step's numbers and refused documents go; the run keeps one for each task."""

    def count(self, label: str, unit: Unit, **numbers: int) -> None:
        """Adds to `into`, `made`, `out` or `failed` of a step's row."""

    def drop(
        self, label: str, unit: Unit, document: Document, reason: str, *, detail: str, failed: bool
    ) -> None:
        """Counts a refused document and keeps it with its reason."""

    def note(self, name: str, value: Any) -> None:
        """Keeps a fact for the manifest: the engine, say; of several tasks, `numbers` add up."""


def unheard(numbers: Mapping[str, float]) -> None:
    """Takes progress where nobody watches."""


@dataclass(frozen=True)
class Context:
    """Where a step runs: the places on disk, and its share of what a whole run may use."""

    out: Path
    """The run directory."""
    project: Path
    """The project's root, from which paths written in a pipeline count."""
    pipeline_dir: Path
    """The folder of the pipeline file, the second place where its files are looked for."""
    rank: int = 0
    tasks: int = 1
    slot: int = 0
    slots: int = 1
    """This worker's number among those that run at the same time."""
    ledger: Ledger | None = None
    report: Callable[[Mapping[str, float]], None] = unheard
    """Takes cumulative numbers of this task for the live progress."""

    def share(self, total: int) -> int:
        """This worker's part of a number that holds for the whole run; the parts add up to it."""
        return total // self.slots + (self.slot < total % self.slots)

    def find(self, path: str | Path) -> Path:
        """The file that a pipeline names: from the project's root, else beside the pipeline."""
        for root in (self.project, self.pipeline_dir):
            if (root / path).exists():
                return root / path
        raise UsageError(f"there is no file {path} in {self.project} (or {self.pipeline_dir})")


class Step(PipelineStep):
    """A datatrove step that accounts for what it leaves out.

    Subclasses take plain, picklable arguments; what those say is the step's identity, except for
    the names in `where`.
    """

    type = "curate"
    where: ClassVar[frozenset[str]] = frozenset()
    """Arguments that say where or how fast it runs, not what the data is."""
    is_source: ClassVar[bool] = False
    """Makes documents from nothing; the runner deals them to the tasks."""
    makes: ClassVar[Unit | None] = None
    """What comes out of it, unless it is prompts of a source and samples of a generator."""
    is_join: ClassVar[bool] = False
    """Takes all chains of documents that are open before it."""
    is_whole: ClassVar[bool] = False
    """Must see everything: the runner gives it a stage of one task."""
    is_sink: ClassVar[bool] = False
    """Writes what it is given to its place; a list may end with it."""
    is_generator: ClassVar[bool] = False
    """Makes samples from prompts, those of one prompt one after the other."""
    is_grouped: bool = False
    """Needs the samples of a prompt one after the other."""
    writes: tuple[str, ...] = ()
    """Names that it makes in the run directory, besides what every run has there."""
    in_pilot: ClassVar[bool] = True
    """False for what acts outside of the run or takes hours: a pilot leaves it out."""
    counts_itself: ClassVar[bool] = False
    """Reports its own numbers to the ledger; for others the runner counts what goes in and out."""

    arguments: dict[str, Any]
    context: Context | None = None
    label: str = ""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind_partial(self, *args, **kwargs)
        bound.apply_defaults()
        self.arguments = dict(list(bound.arguments.items())[1:])
        self.label = cls.__name__
        return self

    def __init__(self) -> None:
        self.name = self.label
        super().__init__()

    def prepare(self, context: Context) -> None:
        """Called once before anything runs, again in every task: finds files, refuses wrong
        arguments with UsageError.
        """
        self.context = context

    def parallel(self) -> int | None:
        """How many workers this step can feed at most; None when there is no such limit."""
        return None

    def left(self) -> str | None:
        """What of this step is still to be done in a run that is complete, and how; or None."""
        return None

    def files(self) -> list[Path]:
        """The local files whose content is part of what the data is; known after `prepare`."""
        return []

    def identity(self) -> dict[str, Any]:
        """What says what the data is: the step's name and arguments, without those in `where`."""
        return {"step": type(self).__name__} | {
            k: plain(v) for k, v in self.arguments.items() if k not in self.where
        }

    def drop(
        self, document: Document, reason: str, detail: str = "", unit: Unit | None = None
    ) -> None:
        """Leaves a document out, for a reason that is counted; `detail` is for its reader."""
        self._leave_out(document, reason, detail, unit, failed=False)

    def fail(self, document: Document, reason: str, detail: str = "") -> None:
        """Leaves a document out because something went wrong with it."""
        self._leave_out(document, reason, detail, None, failed=True)

    def count(self, unit: Unit, **numbers: int) -> None:
        """Adds to this step's own numbers (`into`, `made`, `out`)."""
        if self.context and self.context.ledger:
            self.context.ledger.count(self.label, unit, **numbers)

    def _leave_out(
        self, document: Document, reason: str, detail: str, unit: Unit | None, *, failed: bool
    ) -> None:
        self.stat_update(f"{'failed' if failed else 'dropped'}_{reason}")
        if self.context and self.context.ledger:
            unit = unit or unit_of(document)
            self.context.ledger.drop(
                self.label, unit, document, reason, detail=detail, failed=failed
            )

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "context"}

    def __repr__(self) -> str:
        return self.label


class TwoPass(Step):
    """A step that decides about each document when it has seen a little of all of them.

    The runner calls `observe` in every task while the documents pass for the first time, `decide`
    once, and then `run` in every task, over the same documents in the same order. What is to be
    remembered stands in files of the folder `facts`, those of task r under its number: the calls
    are made in different processes, and may be repeated after a kill.
    """

    facts: Path
    """Set by the runner: a folder that is there."""

    def observe(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Yields every document as it came, and writes what `decide` needs to know of them."""
        raise NotImplementedError

    def decide(self, tasks: int) -> None:
        """Reads what the tasks wrote, and writes what becomes of their documents."""
        raise NotImplementedError

    def forget(self) -> None:
        """Removes what only `decide` needed; called when its decision is kept."""


def plain(value: Any) -> Any:
    """A value as JSON can hold it, for fingerprints: steps and scorers by their identity, never
    by address.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if not isinstance(value, type) and hasattr(value, "identity"):
        return value.identity()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(v) for v in value]
        return sorted(items, key=repr) if isinstance(value, set | frozenset) else items
    if isinstance(value, Path):
        return str(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if "object at 0x" in repr(value):
        state = {
            k: plain(v) for k, v in vars(value).items() if k not in ("stats", "exclusion_writer")
        }
        return {"type": f"{type(value).__module__}.{type(value).__qualname__}"} | state
    return repr(value)


@dataclass(frozen=True)
class Stage:
    """Steps that run in one executor pass, grouped by hand, with resources of their own.

    >>> Stage([], tasks=64, gpus=8).tasks
    64
    """

    steps: list[Any]
    tasks: int | None = None
    gpus: int = 0


F = TypeVar("F", bound=Callable[..., list[Any]])


def pipeline(function: F) -> F:
    """Marks a function that returns a list of steps as a pipeline; its parameters are what the
    command line takes.

    Every parameter needs a type and a default, so that `curate run FILE` works as it stands.
    """
    hints = get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is parameter.empty or name not in hints:
            raise UsageError(
                f"pipeline {function.__name__}: parameter '{name}' needs a type and a default, "
                f"as in {name}: int = 8"
            )
    function.__curate_pipeline__ = True  # type: ignore[attr-defined]
    return function


def grouped(data: Iterable[Document]) -> Iterator[list[Document]]:
    """The documents in runs of one prompt each, in the order they come."""
    group: list[Document] = []
    for document in data:
        if group and document.metadata["prompt_id"] != group[0].metadata["prompt_id"]:
            yield group
            group = []
        group.append(document)
    if group:
        yield group


def batched(data: Iterable[Document], size: int) -> Iterator[list[Document]]:
    """The documents in runs of `size`, the last one shorter."""
    documents = iter(data)
    while batch := list(islice(documents, size)):
        yield batch
