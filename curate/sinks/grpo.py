"""`GRPO`: a model rewarded by scorers for what it answers to the prompts of a dataset."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import RunError, UsageError
from curate.project import template_root
from curate.sample import Sample, schema
from curate.sinks import settings
from curate.sinks.training import Trainer
from curate.sinks.training_job import Job
from curate.sources.template import Template, load_template
from curate.step import Context

if TYPE_CHECKING:
    import pyarrow

ASKED = (
    *("id", "prompt_id", "problem", "answer", "domain", "source", "source_id", "license"),
    *("language", "verifier", "check", "prompt"),
)
"""The columns of a prompt, which reach the scorers."""


SAVE_STEPS = 16
"""A step of 512 long answers takes minutes, so this is about an hour."""


class PromptTrainer(Trainer):
    """A trainer that is given prompts, each once, and lets the student answer."""

    kind = "grpo"
    columns = None
    template: str | None = None
    """Says the prompt to a base model as plain text."""

    def problem(self, row: Mapping[str, Any]) -> str | None:
        return None

    def training_schema(self) -> pyarrow.Schema:
        import pyarrow as pa

        fields = [schema().field(name) for name in ASKED]
        if self.template:
            fields = [f.with_type(pa.string()) if f.name == "prompt" else f for f in fields]
        return pa.schema(fields)

    def training_rows(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        for row in rows:
            if row["prompt_id"] in seen:
                continue
            seen.add(row["prompt_id"])
            asked = {name: row[name] for name in ASKED} | {"id": row["prompt_id"]}
            yield asked | {"prompt": self._prompt(row)}

    def _prompt(self, row: Mapping[str, Any]) -> Any:
        if not self.template:
            return row["prompt"] or [{"role": "user", "content": row["problem"]}]
        return self._said.render(Sample.from_row(row))[-1]["content"]

    _said: Template

    def prepare(self, context: Context) -> None:
        super().prepare(context)
        if self.template:
            self._said = load_template(find_template(context, self.template))
            if len(self._said.turns) != 1:
                raise UsageError(
                    f"{type(self).__name__}: template={self.template!r} has "
                    f"{len(self._said.turns)} turns; plain text for a base model is one"
                )

    def files(self) -> list[Path]:
        own = [find_template(self._context, self.template)] if self.template else []
        return super().files() + own


def find_template(context: Context, name: str) -> Path:
    """The file of a template: one of the project, or of ours by its bare name (`r1_zero`)."""
    if name.endswith(".md"):
        return context.find(name)
    return template_root() / f"pipelines/prompts/{name}.md"


class GRPO(PromptTrainer):
    """Group relative policy optimization with R1's settings, on TRL's GRPOTrainer.

    `rewards` are scorers (or any reward function of TRL), with `weights` of 1 where none are given.
    What a scorer cannot judge (None) neither adds to nor takes from an answer's advantage.
    Keywords are those of `curate.sinks.training.Common`, and TRL's:

        GRPO("OUT/student", rewards=[MathAnswer(), LanguageConsistency()], max_steps=1700)

    Args:
        settings: R1's, of `r1_zero`, `r1_stage_1`, `r1_stage_2` or `zero_qwen_32b`: rate 3e-6, KL
            1e-3, temperature 1, up to 32,768 tokens (DeepSeek-R1 v2, sections 2.1, 3.2 and B.4.1).
        batch: questions of a step, 32 with 16 `generations` each.
        rollout_steps: steps from the answers that are generated at a time, 16.
        reference_steps: the policy becomes the reference after so many steps, 400; None for never.
        template: plain text for a base model instead of turns, as `r1_zero`.
    """

    config = "GRPOConfig"
    common_defaults = {"batch": settings.QUESTIONS, "max_length": None}  # noqa: RUF012

    def __init__(
        self,
        model: str,
        rewards: Sequence[Any],
        weights: Sequence[float] | None = None,
        *,
        settings: str = "r1_zero",
        generations: int = settings.GENERATIONS,
        rollout_steps: int = settings.ROLLOUT,
        reference_steps: int | None = settings.REFERENCE_STEPS,
        template: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, **options)
        self.rewards = list(rewards)
        self.weights = list(weights) if weights is not None else None
        self.settings, self.template = settings, template
        self.generations, self.rollout_steps = generations, rollout_steps
        self.reference_steps = reference_steps

    def prepare(self, context: Context) -> None:
        if self.settings not in settings.GRPO:
            raise UsageError(
                f"GRPO: settings={self.settings!r} is not one of {', '.join(settings.GRPO)}"
            )
        if not self.rewards or self.generations < 2 or self.rollout_steps < 1:
            raise UsageError(
                f"GRPO: {len(self.rewards)} rewards, generations={self.generations}, rollout_steps="
                f"{self.rollout_steps}; it takes a reward, two generations and one step at least"
            )
        if self.weights is not None and len(self.weights) != len(self.rewards):
            raise UsageError(
                f"GRPO: {len(self.weights)} weights for {len(self.rewards)} rewards; give one each"
            )
        super().prepare(context)

        every = self.arguments_of_trl()["save_steps"]
        if every != self._rollouts(every):
            raise UsageError(
                f"GRPO: save_steps={every} is in the middle of a rollout of {self.rollout_steps} "
                f"steps, which no checkpoint holds; choose {self._rollouts(every)}"
            )

    def _rollouts(self, steps: float) -> int:
        """The steps of as many whole rollouts as it takes."""
        rollout = self.rollout_steps * self.further.get("num_iterations", 1)
        return -(-int(steps) // rollout) * rollout

    def in_step(self) -> int:
        return self.common.batch * self.generations

    def defaults(self) -> dict[str, Any]:
        if self.settings not in settings.GRPO:  # `prepare` says so
            return {"learning_rate": 0.0}
        told = {**settings.GRPO[self.settings], "save_steps": self._rollouts(SAVE_STEPS)}
        # An adapter's reference is the model without it, which stays as it was.
        if self.reference_steps and not self.common.lora and self.further.get("beta", 1.0):
            told |= {"sync_ref_model": True, "ref_model_mixup_alpha": 1.0}
            told |= {"ref_model_sync_steps": self.reference_steps}
        return told

    def arguments_for(self, job: Job) -> dict[str, Any]:
        needed = self.common.batch * self.rollout_steps
        if job.count < needed:
            raise RunError(
                f"{self.label}: {job.count:,} prompts came in, and a rollout takes {needed:,} "
                f"(batch={self.common.batch} x rollout_steps={self.rollout_steps}); choose smaller "
                "ones, or bring more prompts"
            )
        accumulated = self.in_step() // (self.common.per_device * self.common.devices)
        return {
            "num_generations": self.generations,
            "steps_per_generation": accumulated * self.rollout_steps,
            "reward_weights": self.weights,
        }

    def trainer_class(self) -> Any:
        return skipping_trainer()

    def parts(self, job: Job) -> dict[str, Any]:
        return {"reward_funcs": self.rewards}

    def build(self, job: Job, arguments: Any, tokenizer: Any, data: Any, watch: Any) -> Any:
        if job.prefill:
            data = data.add_column("prefill", [job.prefill] * len(data))
        return super().build(job, arguments, tokenizer, data, watch)


def skipping_trainer() -> Any:
    """TRL's GRPOTrainer, in which a reward that cannot judge an answer does not count for it.

    TRL sums what is known, so an answer that one of two rewards could not judge would stand behind
    its group. Here the mean of the group stands in; what is logged stays what was judged.
    """
    trl: Any = importlib.import_module("trl")
    torch: Any = importlib.import_module("torch")

    class SkippingTrainer(trl.GRPOTrainer):
        def _calculate_rewards(self, *args: Any, **further: Any) -> Any:
            self.judged = super()._calculate_rewards(*args, **further)
            training = self.model.training
            size = self.num_generations if training else self.num_generations_eval
            return neutral(self.judged, size)

        def _generate_and_score_completions(self, inputs: Any) -> Any:
            output = super()._generate_and_score_completions(inputs)
            metrics = self._metrics["train" if self.model.training else "eval"]
            for i, name in enumerate(self.reward_func_names):
                known = self.judged[:, i]
                known = known[~torch.isnan(known)]
                spread = known.std().item() if len(known) > 1 else float("nan")
                metrics[f"rewards/{name}/std"][-1] = spread
                mean = known.mean().item() if len(known) else float("nan")
                metrics[f"rewards/{name}/mean"][-1] = mean
            return output

    return SkippingTrainer


def neutral(rewards: Any, size: int) -> Any:
    """Rewards of shape (answers, functions), with NaN as the mean of its group of `size` answers;
    rows that nothing judged, and groups, stay NaN.
    """
    torch: Any = importlib.import_module("torch")
    groups = rewards.view(-1, size, rewards.shape[1])
    means = torch.nanmean(groups, dim=1, keepdim=True).expand_as(groups).reshape(rewards.shape)
    unknown = torch.isnan(rewards)
    fill = unknown & ~unknown.all(dim=1, keepdim=True)
    return torch.where(fill, means, rewards)
