"""Non-reasoning data as DeepSeek-R1 has it: writing, facts, who it is, translation, role play.

    curate run pipelines/non_reasoning.py                   # a laptop: embedded model, 120 prompts
    curate run pipelines/non_reasoning.py name=Ada author="Ada Lab" prompts=mine.jsonl limit=none \
        style=zero_shot engine=http://node1:8000/v1 model=deepseek-ai/DeepSeek-V3 \
        judge=http://node2:8000/v1 judge_model=deepseek-ai/DeepSeek-V3

Rows of all families have the domain "general" and their family as `source`. A prompt's column
`think` asks for a chain of thought before the answer, or for none, as for "hello" (v1, section
2.3.3). `{{name}}` and `{{author}}` in prompts and templates are the model's own name and maker.
"""

from typing import Literal

from curate import Step, pipeline
from curate.generate import Generate
from curate.select import Decontaminate, Dedup, Pick
from curate.sinks import DatasetFolder, Hub
from curate.sources import Prompts
from filters import general
from filters.benchmarks import BENCHMARKS

FAMILIES = {
    "factual_qa": "general_factual",
    "role_play": "general_role_play",
    "self_cognition": "general_self",
    "small_talk": "general_small_talk",
    "translation": "general_translation",
    "writing": "general_writing",
}
ZERO_SHOT = {
    "self_cognition": "zero_shot_self",
    "small_talk": "zero_shot_plain",
    "translation": "zero_shot_plain",
    "*": "zero_shot_thinking",
}


@pipeline
def non_reasoning(
    prompts: str = "pipelines/prompts/general.jsonl",
    engine: str = "local",
    model: str | None = None,
    name: str = "Aster",
    author: str = "Aster Lab",
    style: Literal["few_shot", "zero_shot"] = "few_shot",
    judge: str | None = None,
    judge_model: str | None = None,
    samples: int = 8,
    keep: int = 1,
    limit: int | None = 120,
    concurrency: int | None = None,
    benchmarks: str = BENCHMARKS,
    store: str = "runs/store",
    out: str = "runs/non_reasoning",
    repo: str | None = None,
) -> list[Step]:
    """Answers that need no reasoning, with a short chain of thought where it helps."""
    names = {"name": name, "author": author}
    templates = FAMILIES if style == "few_shot" else ZERO_SHOT
    return [
        Prompts(prompts, limit=limit, domain="general", fields=names),
        Decontaminate(benchmarks),
        Generate(
            engine,
            model=model,
            template={family: f"pipelines/prompts/{file}.md" for family, file in templates.items()},
            fields=names,
            samples=samples,
            keep=keep,
            accept=general(name, author, judge, judge_model, store),
            concurrency=concurrency,
            store=store,
        ),
        Dedup(by="completion", within="prompt"),
        Pick(per_prompt=1, by="first"),
        DatasetFolder(card="cards/non_reasoning.md"),
        Hub(repo),
    ]
