"""Prompts run for real, with a ledger that keeps what it is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document

from curate.sample import Sample
from curate.sources import Prompts
from curate.step import Context


@dataclass
class Told:
    """What a source yielded, counted and left out."""

    prompts: list[Sample] = field(default_factory=list)
    numbers: Counter[str] = field(default_factory=Counter)
    dropped: list[tuple[str, str, Document]] = field(default_factory=list)
    """(reason, detail, document)"""

    def count(self, label: str, unit: str, **numbers: int) -> None:
        assert (label, unit) == ("Prompts", "prompts")
        self.numbers.update(numbers)

    def drop(
        self, label: str, unit: str, document: Document, reason: str, *, detail: str, failed: bool
    ) -> None:
        assert (label, unit, failed) == ("Prompts", "prompts", False)
        self.dropped.append((reason, detail, document))

    @property
    def reasons(self) -> list[str]:
        return [reason for reason, _, _ in self.dropped]


@pytest.fixture
def context(tmp_path) -> Context:
    return Context(out=tmp_path / "out", project=tmp_path, pipeline_dir=tmp_path / "pipelines")


@pytest.fixture
def told(context):
    """Runs `Prompts(spec, …)` in the folder of the test; in = out + dropped, whatever comes."""

    def run(spec: str | Path, **arguments: Any) -> Told:
        told = Told()
        step = Prompts(str(spec), **arguments)
        step.prepare(Context(**{**vars(context), "ledger": told}))
        told.prompts = [Sample.from_document(document) for document in step.run()]
        assert told.numbers["into"] == told.numbers["out"] + len(told.dropped)
        assert told.numbers["out"] == len(told.prompts)
        return told

    return run
