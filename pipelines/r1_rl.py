"""The prompts of R1's reasoning RL: math, code, STEM, logic (DeepSeek-R1 v2, table 4).

    curate run pipelines/r1_rl.py                           # a laptop: embedded model, 180 prompts
    curate run pipelines/r1_rl.py engine=http://node1:8000/v1 form=r1_zero scale=1 limit=none \
        model=deepseek-ai/DeepSeek-V3-Base prompts="math.jsonl;code.jsonl;stem.jsonl;logic.jsonl" \
        samples=16 at_least=0.1 at_most=0.9

A pilot asks each prompt `samples` times, at the temperature of the RL itself (1.0). Prompts stay
that are answered rightly sometimes: where all answers score the same, GRPO has nothing to learn
from; `at_least` and `at_most` set a narrower band of pass rates. One row is one prompt with its
gold answer, tests or options and its pass rate.

`form=r1_zero` puts the template of R1-Zero around the question: text of a base model in the pilot,
one user turn in the column `prompt` (a base model is sent its content without a chat template).
"""

from typing import Literal

from curate import Step, pipeline
from curate.generate import Generate
from curate.select import AsPrompts, Decontaminate, Dedup, Mix, PassRate
from curate.sinks import DatasetFolder, Hub
from curate.sources import Prompts, PromptTemplate
from filters import right_answer
from filters.benchmarks import BENCHMARKS
from filters.mixes import R1_RL
from pipelines.reasoning import EASY, templates

R1_ZERO = "pipelines/prompts/r1_zero.md"
SUMS = ";reasoning-gym:chain_sum?min_digits=1&"
HARDER = f"{SUMS}min_terms=3&max_terms=3&max_digits=1{SUMS}min_terms=2&max_terms=2&max_digits=2"
"""Right and wrong among 4 answers: 6 of 30, 9 of 30 sums; of EASY's 8 of 29 (embedded model)."""


@pipeline
def r1_rl(
    prompts: str = EASY + HARDER,
    engine: str = "local",
    model: str | None = None,
    style: Literal["few_shot", "zero_shot"] = "few_shot",
    form: Literal["chat", "r1_zero"] = "chat",
    samples: int = 4,
    at_least: float = 0.0,
    at_most: float = 1.0,
    scale: float = 0.0001,
    floor: int = 10,
    limit: int | None = 180,
    concurrency: int | None = None,
    benchmarks: str = BENCHMARKS,
    store: str = "runs/store",
    out: str = "runs/r1_rl",
    repo: str | None = None,
) -> list[Step]:
    """Prompts for RL that a model answers rightly now and then, in R1's proportions."""
    is_zero = form == "r1_zero"
    return [
        Prompts(prompts, limit=limit),
        Decontaminate(benchmarks),
        Dedup(by="problem", within="all", keep="first"),
        Generate(
            engine,
            model=model,
            template=R1_ZERO if is_zero else templates(style),
            api="completions" if is_zero else "chat",
            samples=samples,
            keep="all",
            temperature=1.0,
            top_p=1.0,
            accept=[right_answer()],
            concurrency=concurrency,
            store=store,
        ),
        PassRate(at_least, at_most),
        AsPrompts(),
        *([PromptTemplate(R1_ZERO)] if is_zero else []),
        Mix(R1_RL, scale=scale, floor=floor),
        DatasetFolder(card="cards/rl_prompts.md"),
        Hub(repo),
    ]
