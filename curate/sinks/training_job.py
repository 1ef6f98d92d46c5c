"""One training as any process can do it: in the task's own, or in each that `accelerate` starts.

TRL is loaded here and nowhere before.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError, RunError
from curate.sinks import settings
from curate.sinks.atomic import write_text
from curate.sinks.proof import Proof, prove_batch
from curate.sinks.provenance import read_json
from curate.sinks.shards import rows_of
from curate.sinks.training_watch import complete_checkpoint, watching

if TYPE_CHECKING:
    from curate.sinks.training import Trainer

Report = Callable[[Mapping[str, float]], None]
DONE, STATE = "training.json", "job.json"
PART, ADAPTER = "model.part", "adapter.part"
FULL = ("no space left", "iostream error", "inline_container.cc")
"""What safetensors and torch say when the disk is full (measured on a full tmpfs)."""
PROVED_ROWS = 8
"""Rows of the trainer's own batch that are looked at."""


@dataclass(frozen=True)
class Job:
    """What is trained on what, and where it goes; picklable with the standard library."""

    step: Trainer
    model: str
    revision: str | None
    folder: Path
    rows: Path
    count: int
    digest: str
    """Of everything that says what the trained model is."""
    teacher: str | None = None
    length: int | None = None
    template: str | None = None
    """The chat template that the proof asks for."""
    prefill: str = ""
    """What the student's generation prompt opens."""
    may_be_cut: bool = False

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def where(self) -> dict[str, Any]:
        """The arguments of transformers that say which revision is meant."""
        return {"revision": self.revision} if self.revision else {}

    def begin(self) -> None:
        """Keeps the checkpoints of this very job; clears away what another one left."""
        if read_json(self.folder / STATE, {}).get("job") != self.digest:
            for path in self.folder.iterdir():
                if path.is_dir() and path != self.rows.parent:
                    shutil.rmtree(path)
                elif path.is_file() and path.name != "ids.txt":
                    path.unlink()
            write_text(self.folder / STATE, json.dumps({"job": self.digest}))

    def max_length(self) -> int | None:
        """The tokens of a row at most: what was asked for, within what the model can read."""
        transformers: Any = importlib.import_module("transformers")
        config = transformers.AutoConfig.from_pretrained(self.model, **self.where)
        context = getattr(config.get_text_config(), "max_position_embeddings", None)
        asked = self.step.common.max_length
        return min((n for n in (asked, context) if n), default=None)

    def proved(self, proof: Proof, length: int | None) -> Job:
        """The same job, with what the proof found."""
        return replace(
            self,
            length=length,
            template=proof.template,
            prefill=proof.prefill,
            may_be_cut=proof.cut > 0,
        )

    def finish(self, record: Mapping[str, Any]) -> None:
        """Puts the model in its place; the record comes last and says that all is there."""
        # Pickled, with places on this machine, and needed by nobody.
        (self.folder / PART / "training_args.bin").unlink(missing_ok=True)
        for path in sorted((self.folder / PART).iterdir()):
            os.replace(path, self.folder / path.name)
        for name in (PART, ADAPTER, "checkpoints", "launch"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        write_text(self.folder / DONE, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        (self.folder / STATE).unlink(missing_ok=True)


def ready_packages(step: str, lora: bool, deepspeed: bool) -> None:
    """RunError when what this training needs is not installed."""
    needed = ["trl", "torch", "transformers", "accelerate"]
    needed += ["peft"] * lora + ["deepspeed"] * deepspeed
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise RunError(
            f"{step} needs {', '.join(missing)}, not installed here; "
            + "run: pip install 'curate-datasets[train]'"
            + (" deepspeed" if "deepspeed" in missing else "")
        )


def load_tokenizer(job: Job) -> Any:
    """The student's tokenizer, with the templates that were set for it."""
    transformers: Any = importlib.import_module("transformers")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(job.model, **job.where)
    except (OSError, ValueError) as error:
        said = str(error).strip().splitlines()[0]
        raise RunError(
            f"{job.step.label}: cannot load the tokenizer of {job.model}: {said}; check the name "
            "and revision, the network and, for a private model, HF_TOKEN"
        ) from None
    if job.step.common.chat_template:
        tokenizer.chat_template = job.step.chat_template
    if job.template:
        tokenizer.chat_template = job.template
    return tokenizer


def train(job: Job, report: Report) -> dict[str, Any]:
    """Trains from the last complete checkpoint on, and saves the model beside it.

    Raises RunError with the next step when memory or disk run out, or the loss is no number.
    """
    if job.step.common.devices == 1 and not job.step.common.deepspeed:
        _one_device()
    with explained(job):
        watch = watching(job.checkpoints, report)
        trainer = _trainer(job, watch)
        checkpoint = complete_checkpoint(job.checkpoints)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        trainer.save_model(str(job.folder / (ADAPTER if job.step.common.lora else PART)))
        state = trainer.state
        return {
            "log": [entry for entry in state.log_history if "train_runtime" not in entry],
            "steps": state.global_step,
            "epochs": state.epoch,
            "seconds": round(watch.seconds(), 1),
            "tokens": watch.tokens,
            "resumed_from": int(checkpoint.name.rpartition("-")[2]) if checkpoint else None,
            "device": str(trainer.args.device),
            "arguments": trl_arguments(job),
        }


def _one_device() -> None:
    """Without this, transformers takes all GPUs it sees, and TRL refuses."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = "0" if seen is None else seen.partition(",")[0]


def trl_arguments(job: Job) -> dict[str, Any]:
    """What TRL is told."""
    torch: Any = importlib.import_module("torch")
    own, has_gpu = job.step.common, torch.cuda.is_available()
    told = {
        "output_dir": str(job.checkpoints),
        "per_device_train_batch_size": own.per_device,
        "gradient_accumulation_steps": job.step.in_step() // (own.per_device * own.devices),
        "seed": own.seed,
        "data_seed": own.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # else a loss of NaN is logged as 0
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not has_gpu,
        "bf16": has_gpu,
        "gradient_checkpointing": has_gpu,
        **job.step.arguments_of_trl(),
        **job.step.arguments_for(job),
    }
    if job.revision:
        told["model_init_kwargs"] = told.get("model_init_kwargs", {}) | job.where
    return told


def lora_config(job: Job) -> Any:
    """PEFT's configuration; None without LoRA."""
    lora = job.step.common.lora
    if not lora:
        return None
    peft: Any = importlib.import_module("peft")
    given = lora if isinstance(lora, dict) else {}
    return peft.LoraConfig(**{"task_type": "CAUSAL_LM", **settings.LORA, **given})


def _trainer(job: Job, watch: Any) -> Any:
    trl: Any = importlib.import_module("trl")
    datasets: Any = importlib.import_module("datasets")
    transformers: Any = importlib.import_module("transformers")
    datasets.disable_progress_bars()  # they would run through the run's own
    transformers.utils.logging.disable_progress_bar()
    arguments = getattr(trl, job.step.config)(**trl_arguments(job))
    data = datasets.Dataset.from_parquet(
        str(job.rows), cache_dir=str(job.folder / "rows/cache"), columns=job.step.columns
    )
    trainer = job.step.build(job, arguments, load_tokenizer(job), data, watch)
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    watch.trainer = trainer
    batch = job.step.collated(trainer, data.select(range(min(PROVED_ROWS, len(data)))))
    if batch is not None:
        rows = list(islice(rows_of([job.rows]), PROVED_ROWS))
        prove_batch(batch, trainer.processing_class, rows, may_be_cut=job.may_be_cut)
    return trainer


def save_adapted(job: Job) -> None:
    """Merges a trained adapter into the model, which loads everywhere then; keeps it beside it."""
    if not job.step.common.lora:
        return
    peft: Any = importlib.import_module("peft")
    transformers: Any = importlib.import_module("transformers")
    torch: Any = importlib.import_module("torch")
    adapter, part = job.folder / ADAPTER, job.folder / PART
    with explained(job):
        model = transformers.AutoModelForCausalLM.from_pretrained(
            job.model, dtype=torch.float32, **job.where
        )
        merged = peft.PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        merged.save_pretrained(str(part))
        load_tokenizer(job).save_pretrained(str(part))
    (part / "adapter").mkdir(exist_ok=True)
    for path in adapter.glob("adapter_*"):
        shutil.copyfile(path, part / "adapter" / path.name)


@contextlib.contextmanager
def explained(job: Job) -> Iterator[None]:
    """What stops a training, as a RunError with the next step."""
    name = job.step.label
    try:
        yield
    except CurateError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = f"{type(error).__name__}: {error}"
        low = said.lower()
        if "out of memory" in low or "can't allocate memory" in low:
            raise RunError(
                f"{name}: out of memory with {job.step.common.per_device} rows of up to "
                f"{job.length} tokens on a device; choose a smaller per_device or max_length, "
                "gradient_checkpointing=True, lora=True, or deepspeed=True on several devices "
                f"({said.splitlines()[0][:200]})"
            ) from error
        if any(sign in low for sign in FULL):
            raise RunError(
                f"{name}: the disk of {job.folder} is full; make room and run the same command "
                f"again, it continues from the last complete checkpoint ({said[:200]})"
            ) from error
        if isinstance(error, ValueError | TypeError | ImportError | OSError):
            raise RunError(f"{name}: TRL cannot train with these settings: {error}") from error
        raise
