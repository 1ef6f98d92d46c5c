"""The 800k mix that R1 was fine-tuned on, or any part of it (DeepSeek-R1 v2, table 5).

    curate run pipelines/r1_sft.py                          # a laptop: embedded model, 50 samples
    curate run pipelines/r1_sft.py scale=1 reasoning=runs/reasoning non_reasoning=runs/non_reasoning
    curate run pipelines/r1_sft.py scale=0.01 reasoning="hub:me/reasoning@v1.0.0;more.jsonl"

395,285 samples of mathematics, 211,129 of code, 10,124 of STEM, 10,395 of logic and 177,812 of
everything else, times `scale`, but `floor` of each at least. They come from the pipelines
`reasoning` and `non_reasoning`, which run here as two chains, or from datasets that exist. What
both have, and what a benchmark has, is left out before they are mixed; a domain that is short is
told with what would fill it.
"""

from typing import Literal

from curate import Step, pipeline
from curate.select import Decontaminate, Dedup, Join, Mix
from curate.sinks import DatasetFolder, Hub
from curate.sources import Samples
from filters.benchmarks import BENCHMARKS
from filters.mixes import R1_CONFIGS, R1_SFT
from pipelines.non_reasoning import non_reasoning as general_steps
from pipelines.reasoning import EASY
from pipelines.reasoning import reasoning as reasoning_steps


@pipeline
def r1_sft(
    reasoning: str | None = None,
    non_reasoning: str | None = None,
    scale: float = 0.00001,
    floor: int = 10,
    require: bool = False,
    prompts: str = EASY,
    engine: str = "local",
    model: str | None = None,
    style: Literal["few_shot", "zero_shot"] = "few_shot",
    name: str = "Aster",
    author: str = "Aster Lab",
    judge: str | None = None,
    judge_model: str | None = None,
    samples: int = 8,
    keep: int = 1,
    limit: int | None = 80,
    general_limit: int | None = 24,
    concurrency: int | None = None,
    benchmarks: str = BENCHMARKS,
    store: str = "runs/store",
    out: str = "runs/r1_sft",
    repo: str | None = None,
) -> list[Step]:
    """R1's mix for fine-tuning: 600k of reasoning, 200k of everything else, or a part of it."""
    asked = {"engine": engine, "model": model, "style": style, "judge": judge}
    asked |= {"judge_model": judge_model, "samples": samples, "keep": keep, "store": store}
    asked |= {"concurrency": concurrency, "benchmarks": benchmarks}
    first = reasoning_steps(prompts, limit=limit, **asked)[:-2]
    second = general_steps(limit=general_limit, name=name, author=author, **asked)[:-2]
    return [
        *([Samples(reasoning)] if reasoning else first),
        *([Samples(non_reasoning)] if non_reasoning else second),
        Join(),
        Decontaminate(benchmarks),
        Dedup(by="problem", within="all", keep="first"),
        Dedup(by="completion", within="prompt"),
        Mix(R1_SFT, scale=scale, floor=floor, require=require),
        DatasetFolder(card="cards/r1_sft.md", configs=R1_CONFIGS),
        Hub(repo),
    ]
