"""Preference pairs as in DeepSeek-R1's second RL stage: helpful and harmless, chosen and rejected.

    curate run pipelines/preferences.py             # a laptop: embedded model, 60 prompts, rules
    curate run pipelines/preferences.py prompts=mine.jsonl limit=none style=zero_shot \
        engine=http://node1:8000/v1 model=deepseek-ai/DeepSeek-R1 \
        judge=http://node2:8000/v1 judge_model=deepseek-ai/DeepSeek-V3

A prompt's domain is "helpful" or "harmless". The judge sees two answers four times, in both orders;
a pair stays when its gap is above 1, and the chosen ones are as long as the rejected ones (v2,
section 3.1). `judge=rules` asks no model (see `filters/preferences.py`), so it looks at all pairs
of a prompt's answers and not at 4.
"""

from typing import Literal

from curate import Step, pipeline
from curate.generate import Generate
from curate.select import BalanceLengths, Decontaminate, Pairs
from curate.sinks import Hub, PairsFolder
from curate.sources import Prompts
from filters import SEEN, pair_judges, readable
from filters.benchmarks import BENCHMARKS

TEMPLATES = {
    "helpful": "pipelines/prompts/preferences_helpful.md",
    "harmless": "pipelines/prompts/preferences_harmless.md",
}


@pipeline
def preferences(
    prompts: str = "pipelines/prompts/preferences.jsonl",
    engine: str = "local",
    model: str | None = None,
    style: Literal["few_shot", "zero_shot"] = "few_shot",
    judge: str = "rules",
    judge_model: str | None = None,
    samples: int = 6,
    limit: int | None = 60,
    concurrency: int | None = None,
    benchmarks: str = BENCHMARKS,
    store: str = "runs/store",
    out: str = "runs/preferences",
    repo: str | None = None,
) -> list[Step]:
    """Pairs of answers, one clearly better than the other, for DPO and reward models."""
    tries = samples * samples if judge == "rules" else 4
    return [
        Prompts(prompts, limit=limit),
        Decontaminate(benchmarks),
        Generate(
            engine,
            model=model,
            template=TEMPLATES if style == "few_shot" else None,
            samples=samples,
            keep="all",
            temperature=1.0,
            accept=readable(),
            concurrency=concurrency,
            store=store,
        ),
        Pairs(pair_judges(judge, judge_model, store), sees=SEEN, tries=tries),
        BalanceLengths(sees=SEEN),
        PairsFolder(card="cards/preferences.md"),
        Hub(repo),
    ]
