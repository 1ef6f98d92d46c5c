"""The loop closed on one machine: is a student that learned from a curated set better than before?

    curate run pipelines/tiny_r1.py                         # one seed, 40 minutes on 2 cores
    curate run pipelines/tiny_r1.py scale=smoke             # every step once, 4 minutes
    curate run pipelines/tiny_r1.py seeds=3 out=runs/tiny_r1_3

The embedded model, shown examples, teaches itself to do without: SFT on its first answer to each
sum as it came, SFT on one checked answer to each, and GRPO after the latter. OUT/evaluation.md
compares them on sums that no training set has. Both SFTs take as many steps of as many rows, which
are alike in length, so they see the same tokens.
"""

from dataclasses import dataclass
from typing import Any, Literal

from curate import Step, pipeline
from curate.engines.student import embedded_student
from curate.generate import Generate
from curate.scorers import MathAnswer, ThinkFormat
from curate.select import Decontaminate
from curate.sinks import GRPO, SFT, DatasetFolder, Evaluation
from curate.sources import Prompts
from filters import boxed_format, correct_answer, language_consistent, readable

SUMS = "reasoning-gym:chain_sum?min_terms=2&max_terms=2&min_digits=1&max_digits=1&size=2000"
HELD_OUT = "pipelines/prompts/held_out_sums.jsonl"
"""80 of the 200 sums and differences of two digits; the others are for training."""
GOOD = [boxed_format, correct_answer, *readable(), language_consistent()]


@dataclass(frozen=True)
class Size:
    """How much of everything; of `sums` two in five are held out."""

    sums: int
    steps: int
    questions: int
    rl_steps: int
    held_out: int
    answers: int


SIZES = {"full": Size(200, 30, 4, 12, 80, 4), "smoke": Size(20, 2, 1, 1, 6, 1)}


@pipeline
def tiny_r1(
    scale: Literal["full", "smoke"] = "full",
    seeds: int = 1,
    student: str | None = None,
    concurrency: int | None = None,
    store: str = "runs/store",
    out: str = "runs/tiny_r1",
) -> list[Step]:
    """Teacher, curated set, SFT, GRPO and evaluation, with the unfiltered set beside it."""
    size, base = SIZES[scale], student or str(embedded_student())
    steps: list[Step] = []
    for seed in range(seeds):
        asked = {"seed": seed, "concurrency": concurrency, "store": store}
        taught: dict[str, Any] = {"max_steps": size.steps, "batch": 8, "per_device": 8}
        taught |= {"seed": seed, "learning_rate": 1e-4, "max_length": 256, "bf16": True}
        sums = [Prompts(SUMS, limit=size.sums), Decontaminate(HELD_OUT)]
        shown = {"template": "pipelines/prompts/few_shot.md", **asked}
        raw = Generate("local", samples=1, keep="all", accept=[], **shown)
        steps += [*sums, raw, SFT(base, out=f"unfiltered-{seed}", **taught)]
        sums = [Prompts(SUMS, limit=size.sums), Decontaminate(HELD_OUT)]
        good = Generate("local", samples=8, keep=1, accept=GOOD, **shown)
        steps += [*sums, good, DatasetFolder(card="cards/cold_start.md")][: 4 if not seed else 3]
        steps += [SFT(base, out=f"curated-{seed}", **taught)]
        rewarded = [MathAnswer(), ThinkFormat("boxed")]
        grouped = {"generations": 8, "batch": size.questions, "per_device": 8, "rollout_steps": 1}
        grouped |= {"max_completion_length": 64, "max_steps": size.rl_steps, "beta": 0.0}
        grouped |= {"learning_rate": 5e-6, "seed": seed, "bf16": True, "reference_steps": None}
        steps += [GRPO(f"OUT/curated-{seed}", rewarded, out=f"rl-{seed}", **grouped)]
        for name, model, template in (
            ("base", base, None),
            ("base, asked to reason", base, "zero_shot_math"),
            ("base, the teacher's examples", base, "few_shot"),
            ("SFT, unfiltered", f"OUT/unfiltered-{seed}", None),
            ("SFT, curated", f"OUT/curated-{seed}", None),
            ("SFT, curated, then GRPO", f"OUT/rl-{seed}", None),
        ):
            asked["template"] = template and f"pipelines/prompts/{template}.md"
            k = size.answers
            answers = Generate(f"local:{model}", samples=k, keep="all", accept=[], **asked)
            scores = Evaluation(name, MathAnswer(), k=k, strict=boxed_format, seed=seed)
            steps += [Prompts(HELD_OUT, limit=size.held_out), answers, scores]
    return steps
