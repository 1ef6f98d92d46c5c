"""What is left of recorded samples: every kind of selection, one after the other.

    curate run benchmarks/scale_pipeline.py data=runs/scale-data out=runs/scale

`data` is a folder that `benchmarks.scale_data` has written; `benchmarks.scale` runs and checks it.
"""

from curate import Step, pipeline
from curate.select import Decontaminate, Dedup, Mix
from curate.sinks import DatasetFolder
from curate.sources import Samples
from filters import (
    correct_answer,
    language_consistent,
    no_foreign_word,
    plain_reasoning,
    publishable,
    readable,
    think_format,
)


@pipeline
def scale(
    data: str = "runs/scale-data",
    math: int = 100,
    code: int = 100,
    stem: int = 100,
    logic: int = 100,
    general: int = 100,
    out: str = "runs/scale",
) -> list[Step]:
    """Filters, decontamination, dedup of problems and of completions, mix and dataset."""
    return [
        Samples(f"{data}/samples"),
        think_format,
        *readable(),
        plain_reasoning,
        language_consistent(),
        no_foreign_word(),
        *publishable(),
        correct_answer,
        Decontaminate(f"{data}/benchmark.jsonl", require="all"),
        Dedup(by="problem", within="all", keep=("main",)),
        Dedup(by="completion", within="all", keep=("main",)),
        Mix({"math": math, "code": code, "stem": stem, "logic": logic, "general": general}),
        DatasetFolder(),
    ]
