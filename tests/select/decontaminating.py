"""A small benchmark, and what `Decontaminate` makes of texts: drops with reason and detail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datatrove.data import Document

from curate.sample import Sample
from curate.select import Decontaminate
from curate.step import Context

ITEMS = [
    {
        "id": "rosa",
        "problem": "If Rosa's age is divided by 2, 3, 4, or 6, the remainder is 1. If her age is "
        "divided by 7, the remainder is 0. She is less than 75 years old. How old is Rosa?",
        "solution": "An age that leaves the remainder 1 when it is divided by 2, 3, 4 or 6 is one "
        "more than a multiple of 12: 1, 13, 25, 37, 49, 61, 73. Of these only 49 is a multiple "
        "of 7, so Rosa is $\\boxed{49}$ years old.",
    },
    {
        "id": "asymptotes",
        "problem": "How many vertical asymptotes does the graph of $y=\\frac{2}{x^2+x-6}$ have?",
        "solution": "Two.",
    },
    {"id": "sum", "problem": "What is $17 + 25$?", "solution": "42"},
    {
        "id": "trains",
        "problem": "A train leaves Lyon at 9:40 and travels 130 kilometers an hour. A second one "
        "leaves Paris at 10:10 and travels 160 kilometers an hour toward Lyon, 430 kilometers "
        "away. At what time do they meet, and how far from Paris are they then?",
        "solution": None,
    },
]
"""Written for the tests: two long, one with a formula, one shorter than any n-gram."""


def benchmark(folder: Path, rows: Sequence[dict[str, Any]] = ITEMS, name: str = "bench") -> str:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def context(folder: Path) -> Context:
    return Context(out=folder / "run", project=folder, pipeline_dir=folder)


class Dropped(dict[str, tuple[str, str]]):
    """Reason and detail of each dropped document by its id."""

    def drop(self, document: Document, reason: str, detail: str = "", unit: str = "") -> None:
        self[document.id] = (reason, detail)


def prompts(texts: Sequence[str]) -> list[Document]:
    return [Sample(prompt_id=f"{i:016x}", problem=t).to_document() for i, t in enumerate(texts)]


def decontaminated(
    documents: Sequence[Document], folder: Path, *benchmarks: str, **options: Any
) -> tuple[list[str], Dropped]:
    """The ids that stay, and the others; against the small benchmark where none is named."""
    step = Decontaminate(list(benchmarks) or [benchmark(folder)], **options)
    step.prepare(context(folder))
    dropped = Dropped()
    step.drop = dropped.drop  # type: ignore[method-assign,assignment]
    return [document.id for document in step.run(documents)], dropped


def items_in(texts: Sequence[str], folder: Path, **options: Any) -> list[str | None]:
    """The item that each text is dropped for."""
    _, dropped = decontaminated(prompts(texts), folder, **options)
    reasons = [dropped.get(f"{i:016x}", (None, ""))[0] for i in range(len(texts))]
    return [r and r.removeprefix("contaminated_by:bench/") for r in reasons]
