"""What all trainers have in common: a sink that trains a model on the documents that come in.

    [Samples("hub:me/traces@v1.0.0"), SFT("Qwen/Qwen2.5-Math-1.5B", lora=True)]

    OUT/student/ model.safetensors, tokenizer.json, …     the model, as transformers loads it
                 README.md  report.txt  training.json     what it is, how it was trained, on what
                 ids.txt                                  the rows it was trained on
                 checkpoints/  rows/                      while it trains

Killed, the same command continues from the last complete checkpoint. `training.json` is written
last: with it, the folder is complete.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datatrove.data import Document

from curate.errors import RunError, UsageError
from curate.notice import notice
from curate.sample import Sample, digest
from curate.sinks import settings
from curate.sinks.launch import launched
from curate.sinks.proof import Kind, Proof, prove
from curate.sinks.provenance import read_json
from curate.sinks.shards import rows_of
from curate.sinks.training_job import (
    DONE,
    Job,
    load_tokenizer,
    lora_config,
    ready_packages,
    save_adapted,
    train,
)
from curate.sinks.training_report import Trained, write_report
from curate.sinks.training_rows import Rows, write_rows
from curate.step import Context, Step, plain

if TYPE_CHECKING:
    import pyarrow

FROM_RUN = "OUT/"
"""Begins the model that an earlier step of the same run wrote."""
HASHED_BYTES = 1 << 28
"""Files of a local model up to this size are part of a run's fingerprint; hashing takes 0.3 s."""


@dataclass(frozen=True)
class Common:
    """What every trainer takes by keyword; all else is TRL's.

    Args:
        out: the folder in the run directory.
        seed: of the order, of dropout and sampling, of LoRA's first weights.
        lora: train an adapter and merge it at the end; a dict says LoRA's own parameters.
        max_length: tokens of a row at most; never more than the model's context.
        batch: rows (of GRPO: questions) of a step, on all devices together.
        per_device: rows that a device takes at a time; the rest of the batch is accumulated.
        devices: GPUs, or processes on a CPU; several are started with `accelerate launch`.
        deepspeed: divide parameters, gradients and optimizer over the devices (ZeRO-3).
        chat_template: a Jinja file of the project, for a base model that has none.
        cut_at_most: the share of rows that `max_length` may cut.
        unclosed_at_most: the share of rows whose reasoning may have no end.
    """

    out: str = "student"
    seed: int = 0
    lora: bool | dict[str, Any] = False
    max_length: int | None = settings.CONTEXT
    batch: int = settings.BATCH
    per_device: int = 1
    devices: int = 1
    deepspeed: bool = False
    chat_template: str | None = None
    cut_at_most: float = 0.0
    unclosed_at_most: float = 0.0


OWN = tuple(field.name for field in fields(Common))


class Trainer(Step):
    """Trains `model` on what comes in, writes OUT/<out>, and yields the documents again.

    `model` is a folder, a name on the Hub (`NAME@REVISION`), or `OUT/student` of an earlier step.
    Keywords that are none of `Common` are TRL's, over R1's. Raises RunError when the proof before
    training fails, the loss is no number, or memory or disk run out.
    """

    is_whole = True
    is_sink = True
    where = frozenset({"devices", "deepspeed", "per_device"})

    config: ClassVar[str] = "SFTConfig"
    """TRL's class of arguments, which its trainer is named after."""
    kind: ClassVar[Kind] = "sft"
    """What is proved of the rows."""
    save_steps: ClassVar[int] = 200
    """Of long reasoning on 8 GPUs 200 steps of 64 take about an hour, and that is what a kill
    costs."""
    common_defaults: ClassVar[Mapping[str, Any]] = {}
    """What differs from the defaults of `Common`."""
    teacher: str | None = None
    columns: ClassVar[list[str] | None] = ["prompt", "completion"]
    """What TRL gets of the rows; all where it is None."""

    def __init__(self, model: str, **options: Any) -> None:
        super().__init__()
        self.model = model
        own = {name: value for name, value in options.items() if name in OWN}
        self.common = Common(**{**self.common_defaults, **own})
        self.further = {name: value for name, value in options.items() if name not in OWN}

    # What a trainer of one kind says --------------------------------------------------------------

    def defaults(self) -> dict[str, Any]:
        """The arguments of TRL where nothing else is said."""
        raise NotImplementedError

    def problem(self, row: Mapping[str, Any]) -> str | None:
        """Why a row cannot be trained on, the reason under which it is left out."""
        return None if row["completion"] else "no_completion"

    def training_rows(self, rows: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]] | None:
        """The rows that TRL gets, from those of the samples; None for those as they are."""
        return None

    def training_schema(self) -> pyarrow.Schema:
        """Of `training_rows`, where those are not the samples as they are."""
        raise NotImplementedError

    def arguments_for(self, job: Job) -> dict[str, Any]:
        """Arguments of TRL that follow from the job."""
        return {}

    def trainer_class(self) -> Any:
        """TRL's class that trains."""
        return getattr(importlib.import_module("trl"), self.config.replace("Config", "Trainer"))

    def parts(self, job: Job) -> dict[str, Any]:
        """What TRL's trainer gets besides model, arguments, tokenizer and data."""
        return {}

    def build(self, job: Job, arguments: Any, tokenizer: Any, data: Any, watch: Any) -> Any:
        """TRL's trainer."""
        return self.trainer_class()(
            model=job.model,
            args=arguments,
            processing_class=tokenizer,
            train_dataset=data,
            peft_config=lora_config(job),
            callbacks=[watch],
            **self.parts(job),
        )

    def collated(self, trainer: Any, head: Any) -> Any:
        """The trainer's own batch of the first rows; None when there is none before it starts."""
        return None

    # What all do ----------------------------------------------------------------------------------

    @property
    def writes(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.common.out,)

    def identity(self) -> dict[str, Any]:
        said = {**asdict(self.common), **self.arguments_of_trl()}
        kept = {name: value for name, value in said.items() if name not in self.where}
        rest = {k: v for k, v in self.arguments.items() if k not in ("options", *kept)}
        return {"step": type(self).__name__, **plain(rest | kept)}

    def arguments_of_trl(self) -> dict[str, Any]:
        """R1's settings, and over them what was given."""
        arguments = {"save_steps": self.save_steps, **self.defaults()}
        if self.common.lora and "learning_rate" not in self.further:
            arguments["learning_rate"] *= settings.LORA_RATE
        return arguments | self.further

    def prepare(self, context: Context) -> None:
        super().prepare(context)
        own, name = self.common, type(self).__name__
        taken = [*OWN, *(k for k in self.arguments if k not in ("options", "model"))]
        settings.check_arguments(name, self.config, self.further, taken)
        if Path(own.out).name != own.out or own.out in ("dataset", "rejected", "stages", "."):
            raise UsageError(
                f"{name}: out={own.out!r} is no name for a folder in the run directory"
            )
        for what in ("batch", "per_device", "devices"):
            if getattr(own, what) < 1:
                raise UsageError(f"{name}: {what}={getattr(own, what)}; it is at least 1")
        if self.in_step() % (own.per_device * own.devices):
            raise UsageError(
                f"{name}: a step of {self.in_step()} rows cannot be divided by per_device="
                f"{own.per_device} x devices={own.devices}; choose numbers that divide it"
            )
        if own.chat_template:
            self.chat_template = context.find(own.chat_template).read_text(encoding="utf-8")
        self.find_model(self.model)

    def in_step(self) -> int:
        """Rows of an optimizer step."""
        return self.common.batch

    def files(self) -> list[Path]:
        folder = self._context.project / self.model
        files = sorted(folder.glob("*")) if folder.is_dir() else []
        template = self.common.chat_template
        own = [self._context.find(template)] if template else []
        return own + [f for f in files if f.is_file() and f.stat().st_size <= HASHED_BYTES]

    def find_model(self, model: str) -> str:
        """The folder or the name on the Hub that `model` names; UsageError for a folder that is not
        there.
        """
        if model.startswith(FROM_RUN):
            return str(self._context.out / model.removeprefix(FROM_RUN))
        folder = self._context.project / model
        if folder.is_dir():
            return str(folder)
        if model.startswith(("/", ".", "~")) or model.count("/") > 1:
            raise UsageError(
                f"{type(self).__name__}: there is no model folder {model}; name a folder, a model "
                "on the Hub, or OUT/student of an earlier trainer"
            )
        return model

    @property
    def _context(self) -> Context:
        if self.context is None:
            raise RuntimeError(f"{self.label}: prepare() comes before run()")
        return self.context

    def run(
        self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Trains on everything first; then yields the samples in the order they came."""
        if world_size != 1:
            raise RunError(
                f"{self.label} trains once, on everything, and was given {world_size} tasks; say "
                "Stage([...], tasks=1)"
            )
        folder = self._context.out / self.common.out
        ready_packages(type(self).__name__, bool(self.common.lora), self.common.deepspeed)
        rows = write_rows(self, self._accepted(data or ()), folder, self._context.report)
        if not rows.count:
            raise RunError(
                f"{self.label}: no row to train on came in; see what was left out and why with: "
                f"curate report {self._context.out}"
            )
        job = self.job(folder, rows)
        if read_json(folder / DONE, {}).get("job") != job.digest:
            self.make(job, rows)
        yield from rows.documents()
        rows.remove()

    def _accepted(self, data: Iterable[Document]) -> Iterator[dict[str, Any]]:
        for document in data:
            row = Sample.from_document(document).to_row()
            if reason := self.problem(row):
                self.drop(document, reason)
            else:
                yield row

    def job(self, folder: Path, rows: Rows) -> Job:
        """What is to be trained, as another process can do it."""
        model, _, revision = self.find_model(self.model).partition("@")
        if self.model.startswith(FROM_RUN) and not (Path(model) / DONE).exists():
            raise RunError(
                f"{self.label}: there is no trained model in {model}; {self.model} names the folder"
                " of a trainer that stands before this one"
            )
        before = read_json(Path(model) / DONE, {}).get("job", "")
        said = {**self.identity(), "rows": rows.sha256, "before": before}
        return Job(
            step=self,
            model=model,
            revision=revision or None,
            folder=folder,
            rows=rows.train,
            count=rows.count,
            digest=digest(said),
            teacher=self.find_model(self.teacher) if self.teacher else None,
        )

    def make(self, job: Job, rows: Rows) -> None:
        """Proves, trains, and puts the model in its place."""
        job.begin()
        tokenizer = load_tokenizer(job)
        length = job.max_length()
        proof = self.prove(job, tokenizer, length)
        job = job.proved(proof, length)
        many = self.common.devices > 1 or self.common.deepspeed
        result = (launched if many else train)(job, self._context.report)
        save_adapted(job)
        trained = Trained(job, rows, proof, result)
        job.finish(write_report(self, trained, self._context.out))
        notice(trained.sentence())

    def prove(self, job: Job, tokenizer: Any, length: int | None) -> Proof:
        """What the student would be trained on; RunError when it is not what the dataset says."""
        proof = prove(
            rows_of([job.rows]),
            tokenizer,
            max_length=length,
            kind=self.kind,
            cut_at_most=self.common.cut_at_most,
            unclosed_at_most=self.common.unclosed_at_most,
            report=self._context.report,
        )
        notice(proof.text())
        proof.check()
        return proof


class RowTrainer(Trainer):
    """A trainer that learns the rows as they are, up to `max_length` tokens of each."""

    def arguments_for(self, job: Job) -> dict[str, Any]:
        return {"max_length": job.length}

    def collated(self, trainer: Any, head: Any) -> Any:
        data = trainer.train_dataset
        return trainer.data_collator([data[i] for i in range(len(head))])
