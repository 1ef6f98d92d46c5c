"""How good is a model? pass@1, pass@k and cons@k with intervals, several models in one table.

    curate run pipelines/evaluate.py                        # a laptop: embedded model, 30 sums
    curate run pipelines/evaluate.py benchmark=math500 limit=none engine=http://node1:8000/v1 \
        model=deepseek-ai/DeepSeek-R1-Distill-Qwen-7B
    curate run pipelines/evaluate.py benchmark=aime24 limit=none out=runs/aime24 model=base,tuned \
        "engine=http://node1:8000/v1;http://node2:8000/v1"

`benchmark`: math500, aime24, aime25, gpqa, gsm8k, countdown, reasoning_gym, or a file or spec of
problems; `prompts`: a file with a benchmark's rows in place of the Hub's. `samples`: R1's number
for the benchmark. `sampling`: r1, greedy, or temperature=0.7,top_p=0.9,max_tokens=4096.
"""

from typing import Literal

from curate import Step, pipeline
from curate.generate import Generate
from curate.sinks import Evaluation
from filters import think_format
from filters.evaluations import benchmark_named, grading
from filters.sampling import models_of, sampling_named
from pipelines.reasoning import templates


@pipeline
def evaluate(
    benchmark: str = "reasoning_gym",
    prompts: str | None = None,
    engine: str = "local",
    model: str | None = None,
    style: Literal["few_shot", "zero_shot"] | None = None,
    samples: int | None = None,
    sampling: str = "r1",
    seed: int = 0,
    judge: str | None = None,
    judge_model: str | None = None,
    limit: int | None = 30,
    concurrency: int | None = None,
    store: str = "runs/store",
    out: str = "runs/evaluate",
) -> list[Step]:
    """Models on a benchmark; without `style`, only the embedded model is shown examples."""
    problems, steps = benchmark_named(benchmark), list[Step]()
    for of, name in models_of(engine, model):
        settings = sampling_named(sampling, of)
        k = samples or (problems.samples if settings.temperature else 1)
        shown = style or ("few_shot" if of == "local" else "zero_shot")
        generate = Generate(
            of,
            model=name,
            template=templates(shown) | {"*": f"pipelines/prompts/{shown}_logic.md"},
            samples=k,
            keep="all",
            accept=[],
            **vars(settings),
            seed=seed,
            concurrency=concurrency,
            store=store,
        )
        evaluation = Evaluation(
            name,
            grading(judge, judge_model, store),
            k=k,
            strict=think_format,
            benchmark=problems.title,
            by=problems.by,
            reference=problems.reference(name or ""),
        )
        steps += [*problems.source(prompts, limit), generate, evaluation]
    return steps
