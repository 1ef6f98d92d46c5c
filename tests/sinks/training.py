"""What the tests of trainers share: a tiny student, samples to train on, and a step that is run."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datatrove.data import Document

from curate.sample import Sample, Turn, prompt_id
from curate.step import Context, Step
from tests.vllm.tiny_model import write_tiny_model


def write_student(folder: Path) -> Path:
    """The tiny model with weights, the same every time."""
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    write_tiny_model(folder)
    torch.manual_seed(0)
    config = transformers.AutoConfig.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_config(config).float()
    model.save_pretrained(folder)
    return folder


def question(n: int, **changes: Any) -> Sample:
    """A prompt: a sum with its answer."""
    problem = f"What is {n} + 4?"
    return Sample(
        prompt_id=prompt_id("sums", problem, None),
        problem=problem,
        answer=str(n + 4),
        source="sums",
        license="mit",
        domain="math",
        prompt=(Turn(role="user", content=problem),),
        **changes,
    )


def answered(n: int) -> Sample:
    """A sample: the sum worked out."""
    prompt = question(n)
    text = f"<think>{n} + 4 = {n + 4}.</think>It is \\boxed{{{n + 4}}}."
    name = f"{prompt.prompt_id}-{n:08x}"
    return prompt.with_completion(text, id=name, k=0, finish_reason="stop", model="teacher")


def documents(samples: Iterable[Sample]) -> list[Document]:
    return [sample.to_document() for sample in samples]


def place(folder: Path) -> Context:
    """A project with a student in `tiny`, and a run directory."""
    (folder / "out").mkdir(exist_ok=True)
    if not (folder / "tiny").exists():
        write_student(folder / "tiny")
    return Context(out=folder / "out", project=folder, pipeline_dir=folder)


def ran(step: Step, samples: Iterable[Sample], folder: Path) -> list[Document]:
    """What the step yields."""
    step.prepare(place(folder))
    return list(step.run(iter(documents(samples))))


def record(folder: Path, out: str = "student") -> dict[str, Any]:
    """The content of training.json."""
    return json.loads((folder / "out" / out / "training.json").read_text())
