"""A dataset that exists already, made sound: scored, filtered, deduplicated, decontaminated, mixed.

    curate run pipelines/clean.py                                  # 60 rows that have every fault
    curate run pipelines/clean.py data=hub:open-r1/OpenR1-Math-220k@main filters=correct_answer
    curate run pipelines/clean.py data=answers.jsonl.gz columns=problem=question,completion=text \
        benchmarks=math-500,gsm8k require=all targets=math=10000,code=5000 out=runs/sound

A rule drops what it refuses; what it cannot judge stays with a null verdict. Rows without an answer
are prompts: they are deduplicated and decontaminated. What went, and why, stands in `rejected/`.
"""

from typing import Literal

from curate import Step, pipeline
from curate.errors import UsageError
from curate.select import Decontaminate, Dedup, Mix, Refuse
from curate.sinks import DatasetFolder, Hub
from curate.sources import Samples
from filters import BENCHMARKS, named


@pipeline
def clean(
    data: str = "pipelines/prompts/to_clean.jsonl",
    benchmarks: str = BENCHMARKS,
    filters: str = "readable,plain_reasoning,language_consistent,publishable",
    columns: str = "",
    require: str = "",
    similarity: float = 0.8,
    stays: Literal["first", "shortest", "longest"] = "first",
    targets: str = "",
    limit: int | None = None,
    seed: int = 0,
    out: str = "runs/clean",
    repo: str | None = None,
) -> list[Step]:
    """Cleans a dataset: filters by name, benchmarks out, one of each problem and answer, a mix.

    `similarity` (1 = exact) is of problems; of rows that ask the same, each keeps its own answer.
    """
    return [
        Samples(data, columns=pairs("columns", columns), limit=limit),
        *([Refuse(*rules)] if (rules := named(filters)) else []),
        Decontaminate(benchmarks, require=tuple(filter(None, require.split(",")))),
        Dedup(by="problem", within="all", similarity=similarity, keep=stays),
        Dedup(by="completion", within="prompt"),
        *([Mix(numbers, seed=seed)] if (numbers := counts(targets)) else []),
        DatasetFolder(card="cards/clean.md"),
        Hub(repo),
    ]


def pairs(name: str, text: str) -> dict[str, str]:
    """`a=b,c=d` as a mapping."""
    words = [word.partition("=") for word in text.split(",") if word]
    if not all(key and value for key, _, value in words):
        raise UsageError(f"{name}={text}: it takes NAME=VALUE[,NAME=VALUE…]")
    return {key: value for key, _, value in words}


def counts(targets: str) -> dict[str, int]:
    """`math=10000,code=5000` as numbers of samples."""
    wanted = pairs("targets", targets)
    if odd := [value for value in wanted.values() if not value.isdecimal()]:
        raise UsageError(f"targets={targets}: {odd[0]} is not a number of samples")
    return {domain: int(value) for domain, value in wanted.items()}
