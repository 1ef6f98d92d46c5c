"""Reasoning data by rejection sampling: DeepSeek-R1's 600k (v1, section 2.3.3).

    curate run pipelines/reasoning.py                       # a laptop: embedded model, 80 prompts
    curate run pipelines/reasoning.py engine=http://node1:8000/v1 style=zero_shot \
        model=deepseek-ai/DeepSeek-R1 prompts="math.jsonl;code.jsonl;stem.jsonl;logic.jsonl" \
        samples=16 limit=none judge=http://node2:8000/v1 judge_model=deepseek-ai/DeepSeek-V3

Several answers to each prompt; those stay that the rule of their domain calls right (tests for
code), a judge where that rule cannot tell, and whose reasoning has one language, no long paragraph
and no code block. `few_shot` is for the embedded model: R1's README advises against examples.
"""

from typing import Literal

from curate import Step, pipeline
from curate.generate import Generate
from curate.select import Decontaminate, Dedup, Pick
from curate.sinks import DatasetFolder, Hub
from curate.sources import Prompts
from filters import language_consistent, plain_reasoning, readable, right_answer, think_format
from filters.benchmarks import BENCHMARKS

EASY = (
    "reasoning-gym:chain_sum?min_terms=2&max_terms=2&min_digits=1&max_digits=1"
    ";pipelines/prompts/easy_code.jsonl;pipelines/prompts/easy_stem.jsonl"
    ";pipelines/prompts/easy_logic.jsonl"
)
"""Problems for a model of 135M parameters; they take turns, so 80 are 20 of each."""


def templates(style: str) -> dict[str, str]:
    """The template of each domain; sums are shown to the embedded model as for the cold start."""
    names = {domain: f"{style}_{domain}" for domain in ("math", "code", "stem", "logic")}
    names |= {"math": "few_shot"} if style == "few_shot" else {}
    return {domain: f"pipelines/prompts/{name}.md" for domain, name in names.items()}


@pipeline
def reasoning(
    prompts: str = EASY,
    engine: str = "local",
    model: str | None = None,
    style: Literal["few_shot", "zero_shot"] = "few_shot",
    judge: str | None = None,
    judge_model: str | None = None,
    samples: int = 8,
    keep: int = 1,
    limit: int | None = 80,
    concurrency: int | None = None,
    benchmarks: str = BENCHMARKS,
    store: str = "runs/store",
    out: str = "runs/reasoning",
    repo: str | None = None,
) -> list[Step]:
    """Right, readable chains of thought in math, code, STEM and logic (DeepSeek-R1, 2.3.3)."""
    return [
        Prompts(prompts, limit=limit),
        Decontaminate(benchmarks),
        Generate(
            engine,
            model=model,
            template=templates(style),
            samples=samples,
            keep=keep,
            accept=[
                think_format,
                right_answer(judge, judge_model, store),
                *readable(),
                plain_reasoning,
                language_consistent(),
            ],
            concurrency=concurrency,
            store=store,
        ),
        Dedup(by="completion", within="prompt"),
        Pick(per_prompt=1, by="shortest"),
        DatasetFolder(card="cards/reasoning.md"),
        Hub(repo),
    ]
