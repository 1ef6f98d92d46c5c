"""The loop closed on one machine: is a student that learned from a curated set better than before?

    curate run pipelines/tiny_r1.py                         # one seed, 15 to 33 minutes on 2 cores
    curate run pipelines/tiny_r1.py scale=smoke             # every step once, 3 to 6 minutes
    curate run pipelines/tiny_r1.py seeds=3 out=runs/tiny_r1_3

The embedded model, shown examples, teaches itself to do without: SFT on its first answer to each
sum as it came, SFT on one checked answer to each, and GRPO after the latter. OUT/evaluation.md
compares them on sums that no training set has. Both SFTs take as many steps of as many rows (the
rest of an epoch is left out), which are alike in length, so they see the same tokens.
"""

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
FEW_SHOT, REASON = "pipelines/prompts/few_shot.md", "pipelines/prompts/zero_shot_math.md"
ARMS = {
    "base": ("{base}", None),
    "base, asked to reason": ("{base}", REASON),
    "base, the teacher's examples": ("{base}", FEW_SHOT),
    "SFT, unfiltered": ("OUT/unfiltered-{seed}", None),
    "SFT, curated": ("OUT/curated-{seed}", None),
    "SFT, curated, then GRPO": ("OUT/rl-{seed}", None),
}
"""What is compared: a model, and the template that it is asked with."""
FULL = {"sums": 200, "steps": 30, "rl_steps": 12, "questions": 4, "test": 80, "k": 2, "slots": 16}
SMOKE = {"sums": 20, "steps": 2, "rl_steps": 1, "questions": 1, "test": 6, "k": 1, "slots": 2}


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
    size, base = SMOKE if scale == "smoke" else FULL, student or str(embedded_student())
    good = [boxed_format, correct_answer, *readable(), language_consistent()]
    steps: list[Step] = []
    for seed in range(seeds):
        asked: dict[str, Any] = {"concurrency": concurrency or size["slots"], "store": store}
        asked["seed"] = seed
        trained: dict[str, Any] = {"seed": seed, "per_device": 8, "bf16": True}
        taught = {**trained, "batch": 8, "max_steps": size["steps"], "max_length": 256}
        taught |= {"learning_rate": 1e-4, "dataloader_drop_last": scale == "full"}
        steps += [Prompts(SUMS, limit=size["sums"]), Decontaminate(HELD_OUT)]
        steps += [Generate(samples=1, keep="all", accept=[], template=FEW_SHOT, **asked)]
        steps += [SFT(base, out=f"unfiltered-{seed}", **taught)]
        steps += [Prompts(SUMS, limit=size["sums"]), Decontaminate(HELD_OUT)]
        steps += [Generate(samples=8, accept=good, template=FEW_SHOT, **asked)]
        steps += [] if seed else [DatasetFolder(card="cards/cold_start.md")]
        steps += [SFT(base, out=f"curated-{seed}", **taught)]
        trained |= {"batch": size["questions"], "max_steps": size["rl_steps"], "rollout_steps": 1}
        trained |= {"generations": 8, "max_completion_length": 64, "reference_steps": None}
        rewards = [MathAnswer(), ThinkFormat("boxed")]
        steps += [GRPO(f"OUT/curated-{seed}", rewards, out=f"rl-{seed}", beta=0.0, **trained)]
        for name, (model, template) in ARMS.items():
            k, engine = size["k"], "local:" + model.format(base=base, seed=seed)
            said = {"samples": k, "keep": "all", "accept": [], "max_tokens": 128, **asked}
            answers = Generate(engine, template=template, **said)
            scores = Evaluation(name, MathAnswer(), k=k, strict=boxed_format, seed=seed)
            steps += [Prompts(HELD_OUT, limit=size["test"]), answers, scores]
    return steps
