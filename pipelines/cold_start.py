"""Cold-start data as DeepSeek-R1 collected it: a few thousand long, readable, checked traces.

    curate run pipelines/cold_start.py                      # a laptop: embedded model, 60 sums
    curate run pipelines/cold_start.py style=reflect out=runs/reflect
    curate run pipelines/cold_start.py engine=http://node1:8000/v1 \
        model=deepseek-ai/DeepSeek-R1-Zero prompts=problems.jsonl limit=none samples=16

`style` chooses among R1's ways (DeepSeek-R1, v1 section 2.3.1): `few_shot`, a long chain of thought
as example; `reflect`, prompting directly for reflection and verification; `rewrite`, a raw trace
put into readable form by a second request, with a summary at the end and the final answer checked
again.
"""

from typing import Literal

from curate import Step, pipeline
from curate.generate import Generate
from curate.select import Decontaminate, Dedup, Keep, Pick
from curate.sinks import DatasetFolder, Hub
from curate.sources import Prompts
from filters import correct_answer, language_consistent, r1_format, readable, think_format
from filters.benchmarks import BENCHMARKS

ONE_DIGIT_SUMS = "reasoning-gym:chain_sum?min_terms=2&max_terms=2&min_digits=1&max_digits=1"


@pipeline
def cold_start(
    prompts: str = ONE_DIGIT_SUMS,
    engine: str = "local",
    model: str | None = None,
    style: Literal["few_shot", "reflect", "rewrite"] = "few_shot",
    samples: int = 8,
    keep: int = 2,
    limit: int | None = 60,
    concurrency: int | None = None,
    benchmarks: str = BENCHMARKS,
    store: str = "runs/store",
    out: str = "runs/cold_start",
    repo: str | None = None,
) -> list[Step]:
    """Cold start: a few thousand long, readable, checked traces (DeepSeek-R1, section 2.3.1)."""

    def generate(template: str, keep: int, form: Keep) -> Step:
        return Generate(
            engine,
            model=model,
            template=f"pipelines/prompts/{template}.md",
            samples=samples,
            keep=keep,
            accept=[form, correct_answer, *readable(), language_consistent()],
            concurrency=concurrency,
            store=store,
        )

    raw = generate("reflect" if style == "reflect" else "few_shot", keep, think_format)
    return [
        Prompts(prompts, limit=limit),
        Decontaminate(benchmarks),
        raw,
        *([generate("rewrite", 1, r1_format)] if style == "rewrite" else []),
        Dedup(by="completion", within="prompt"),
        Pick(per_prompt=1, by="shortest"),
        DatasetFolder(card="cards/cold_start.md"),
        Hub(repo),
    ]
