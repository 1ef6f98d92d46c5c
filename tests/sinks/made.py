"""Samples and run directories for the tests of sinks."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from curate.sample import Sample, Verdict, digest, prompt_id
from curate.sinks import DatasetFolder
from curate.step import Context

ROOT = Path(__file__).parents[2]
CARD = """---
license: mit
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
---
# Sums

<!-- author: summary -->
<!-- /author: summary -->

{text}

<!-- load -->
<!-- /load -->
"""
"""The card of a dataset to be released, with places for an author and for how to load it."""


def sample(number: int, k: int = 0, **changes: Any) -> Sample:
    """A sample whose every value follows from its number."""
    problem = changes.pop("problem", f"What is {number} + {k}?")
    pid = prompt_id("sums", f"What is {number} + ?", None)
    rest = {
        **{"answer": str(number + k), "domain": "math", "source": "sums", "license": "MIT"},
        **{"language": "en", "model": "SmolLM2-135M-Instruct", "finish_reason": "stop"},
        **{"prompt_tokens": 20, "completion_tokens": 30 + number, "seed": number * 1000 + k},
        **{"samples_tried": 4, "samples_correct": 2},
    } | changes
    made = Sample(
        prompt_id=pid,
        problem=problem,
        id=f"{pid}-{digest([number, k])[:8]}",
        k=k,
        prompt=({"role": "user", "content": problem},),
        **rest,
    )
    text = f"<think>\n{number} + {k} = {number + k}\n</think>\n<answer>{number + k}</answer>"
    verdicts = {"MathAnswer": Verdict(1.0, "equal"), "ThinkFormat": Verdict(0.75, "ok")}
    return made.with_completion(text).with_verdicts(verdicts)


def samples(prompts: int, per_prompt: int = 2, seed: int = 0) -> list[Sample]:
    """Samples of several domains in random order."""
    domains = ("math", "code", "logic")
    made = [sample(n, k, domain=domains[n % 3]) for n in range(prompts) for k in range(per_prompt)]
    random.Random(seed).shuffle(made)
    return made


def context(out: Path, project: Path = ROOT) -> Context:
    return Context(out=out, project=project, pipeline_dir=project / "pipelines")


def write(
    out: Path, given: list[Sample], *, project: Path = ROOT, **arguments: Any
) -> list[Sample]:
    """Runs DatasetFolder on samples, and gives those that it yields."""
    step = DatasetFolder(**arguments)
    step.prepare(context(out, project))
    return [Sample.from_document(d) for d in step.run(iter([s.to_document() for s in given]))]


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def manifest() -> dict[str, Any]:
    """What a runner writes, with the paths and times of one machine."""
    return {
        "curate_version": "0.1.0",
        "pipeline": {
            "file": "pipelines/cold_start.py",
            "name": "cold_start",
            "doc": "Cold start: a few thousand long, readable, checked traces.",
        },
        "parameters": {
            **{"prompts": "/home/ann/data/problems.jsonl", "engine": "http://10.0.0.7:8000/v1"},
            **{"samples": 8, "keep": 2, "limit": None, "out": "/scratch/ann/x", "store": "/s"},
        },
        "command": "curate run pipelines/cold_start.py prompts=/home/ann/data/problems.jsonl "
        "engine=http://10.0.0.7:8000/v1 out=/scratch/ann/x --tasks 4 --replace",
        "fingerprint": "f" * 64,
        "steps": [
            {"step": "Prompts", "path": "/home/ann/data/problems.jsonl", "limit": None},
            {
                **{"step": "Generate", "engine": "local", "template": "prompts/reflect.md"},
                "accept": [{"step": "Keep", "scorer": "MathAnswer()", "at_least": 1.0}],
            },
            {"step": "DatasetFolder", "card": "cards/cold_start.md", "shard_mb": 500},
        ],
        "stages": [{"name": "01-Generate", "tasks": 2, "status": "done", "seconds": 12.345}],
        "status": "running",
        "packages": {"python": "3.11.7", "datatrove": "0.10.1"},
        "engine": {
            **{"kind": "endpoint", "model": "SmolLM2-135M-Instruct", "revision": None},
            **{"temperature": 0.7, "url": "http://10.0.0.7:8000/v1"},
        },
    }


def funnel() -> list[dict[str, Any]]:
    return [
        {
            **{"step": "Prompts", "unit": "prompts", "in": 0, "made": 60, "out": 60},
            **{"dropped": {}, "failed": 0},
        },
        {
            **{"step": "Generate", "unit": "samples", "in": 0, "made": 100, "out": 40},
            **{"dropped": {"MathAnswer": 50, "ThinkFormat": 8, "surplus": 1}, "failed": 1},
        },
    ]
