"""`Distill`: a teacher's reasoning taught to a student."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curate.errors import UsageError
from curate.sinks import settings
from curate.sinks.grpo import PromptTrainer
from curate.sinks.sft import SFT
from curate.sinks.training_job import Job
from curate.step import Context


class Distill(SFT):
    """R1's distillation: SFT on the teacher's samples, at the student's own rate.

    2 epochs, cosine to a tenth, 64 rows a step, context 32,768, and the learning rate of table 6 of
    DeepSeek-R1 v2 (B.4.3), from 1e-4 for 1.5B to 2e-5 for 70B. For a model that is not in it say
    `learning_rate`. Keywords are those of `curate.sinks.training.Common`, and TRL's:

        Distill("Qwen/Qwen2.5-Math-7B", devices=8, deepspeed=True)
        Distill("Qwen/Qwen3-0.6B", on_policy=True, teacher="Qwen/Qwen3-8B")

    With `on_policy` the student answers the prompts and learns from what `teacher` would have said
    (`OnPolicyDistill`).
    """

    def __new__(cls, *args: Any, on_policy: bool = False, **options: Any) -> Any:
        if on_policy and cls is Distill:
            return OnPolicyDistill(*args, **options)
        return super().__new__(cls, *args, **options)

    def __init__(self, model: str, *, on_policy: bool = False, **options: Any) -> None:
        super().__init__(model, **options)

    def defaults(self) -> dict[str, Any]:
        return {**settings.DISTILL, "learning_rate": settings.student_rate(self.model) or 0.0}

    def prepare(self, context: Context) -> None:
        if "teacher" in self.further:
            raise UsageError("Distill: teacher= goes with on_policy=True")
        check_rate(self.model, self.further)
        super().prepare(context)


class OnPolicyDistill(PromptTrainer):
    """The student answers the prompts, and learns the teacher's next tokens there (TRL's
    DistillationTrainer); the teacher has the student's vocabulary. Rates are those of `Distill`.
    """

    config = "DistillationConfig"
    common_defaults = {"max_length": None}  # noqa: RUF012

    def __init__(self, model: str, *, teacher: str, **options: Any) -> None:
        super().__init__(model, **options)
        self.teacher = teacher

    def defaults(self) -> dict[str, Any]:
        return {
            **settings.DISTILL,
            "learning_rate": settings.student_rate(self.model) or 0.0,
            "max_completion_length": settings.CONTEXT,
        }

    def prepare(self, context: Context) -> None:
        check_rate(self.model, self.further)
        super().prepare(context)
        self.find_model(str(self.teacher))

    def parts(self, job: Job) -> dict[str, Any]:
        return {"teacher_model": job.teacher}


def check_rate(model: str, given: Mapping[str, Any]) -> None:
    """UsageError for a student whose learning rate nobody said."""
    if "learning_rate" in given or settings.student_rate(model):
        return
    known = ", ".join(f"{base} {rate:g}" for base, rate in settings.STUDENTS.items())
    raise UsageError(
        f"Distill: R1 names no learning rate for {model}; say learning_rate=…, near that of a "
        f"student of its size ({known})"
    )
