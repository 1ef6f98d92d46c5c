"""What is seen of a training while it goes on: progress, a loss that is no number, and which
checkpoints are complete.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from curate.errors import RunError
from curate.sinks.atomic import write_text
from curate.sinks.provenance import read_json

COMPLETE = "complete.json"
"""Written into a checkpoint when all of it is there: transformers writes it file by file."""
REFERENCE = "reference.pt"


def complete_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint; what a kill left of others is removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in found:
        if not (path / COMPLETE).exists():
            shutil.rmtree(path, ignore_errors=True)
    return next((path for path in reversed(found) if (path / COMPLETE).exists()), None)


def watching(checkpoints: Path, report: Callable[[Mapping[str, float]], None]) -> Any:
    """A callback of transformers for one training."""
    transformers: Any = importlib.import_module("transformers")
    torch: Any = importlib.import_module("torch")

    class Watch(transformers.TrainerCallback):
        trainer: Any = None
        tokens = 0

        def __init__(self) -> None:
            before = complete_checkpoint(checkpoints)
            said = read_json(before / COMPLETE, {}) if before else {}
            self.before, self.started = said, time.monotonic()
            self.tokens = said.get("tokens", 0)

        def seconds(self) -> float:
            """Of all attempts, as far as they count."""
            return self.before.get("seconds", 0.0) + time.monotonic() - self.started

        def on_train_begin(self, args: Any, state: Any, control: Any, **further: Any) -> None:
            self.started = time.monotonic()
            forward(repeat_sampler(further.get("train_dataloader")), round(state.epoch or 0.0, 6))
            path = checkpoints / f"checkpoint-{state.global_step}" / REFERENCE
            if state.global_step and path.exists():
                with gathered(self.trainer.ref_model, 0):
                    weights = torch.load(path, map_location="cpu", weights_only=True)
                    self.trainer.ref_model.load_state_dict(weights)

        def on_step_end(self, args: Any, state: Any, control: Any, **further: Any) -> None:
            report({"step": state.global_step, "steps": state.max_steps})

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **further: Any
        ) -> None:
            for name in ("loss", "grad_norm"):
                value = (logs or {}).get(name)
                if value is not None and not math.isfinite(float(value)):
                    raise RunError(
                        f"{name} is {value} at step {state.global_step}; choose a smaller "
                        "learning_rate or max_grad_norm, look at the rows, and run again: it "
                        "continues from the last complete checkpoint"
                    )
            if logs and "num_tokens" in logs:
                self.tokens = self.before.get("tokens", 0) + int(logs["num_tokens"])
            if logs and "loss" in logs:
                report({"loss": float(logs["loss"]), "completion_tokens": self.tokens})

        def on_save(self, args: Any, state: Any, control: Any, **further: Any) -> None:
            place = checkpoints / f"checkpoint-{state.global_step}"
            if getattr(args, "sync_ref_model", False):
                with gathered(self.trainer.ref_model, None):
                    if state.is_world_process_zero:
                        torch.save(self.trainer.ref_model.state_dict(), place / REFERENCE)
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                torch.distributed.barrier()  # others may still write their share
            if state.is_world_process_zero:
                said = {"seconds": self.seconds(), "tokens": self.tokens}
                write_text(place / COMPLETE, json.dumps(said))

    return Watch()


def repeat_sampler(loader: Any) -> Any:
    """TRL's own sampler in a loader; None where it is another's."""
    found = getattr(loader, "batch_sampler", None)
    while found is not None and type(found).__name__ != "RepeatSampler":
        found = getattr(found, "batch_sampler", None) or getattr(found, "sampler", None)
    return found


def forward(sampler: Any, epochs: float) -> None:
    """Brings TRL's sampler to where a training was: it draws an order for each epoch, and begins
    with the first one again when transformers resumes (measured with TRL 1.16).
    """
    torch: Any = importlib.import_module("torch")
    if sampler is None or not sampler.shuffle:
        return
    for _ in range(int(epochs)):
        torch.randperm(sampler.num_samples, generator=sampler.generator)


@contextlib.contextmanager
def gathered(model: Any, changed_by: int | None) -> Iterator[None]:
    """The whole parameters of a model that ZeRO-3 may have divided."""
    parameters = list(model.parameters())
    if not any(hasattr(parameter, "ds_id") for parameter in parameters):
        yield
        return
    zero: Any = importlib.import_module("deepspeed.zero")
    with zero.GatheredParameters(parameters, modifier_rank=changed_by):
        yield
