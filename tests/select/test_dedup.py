"""Of several texts that say the same, one stays."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import UsageError
from curate.sample import Sample, Verdict, prompt_id
from curate.select import Dedup
from curate.step import Context, TwoPass

CASES = Path(__file__).parents[2] / "../shared/cases"
LONG = " ".join(f"{i} apples" for i in range(30)) + " "
QUESTION = "A train travels at a steady speed of 60 miles per hour. How far does it go in 3 hours?"


class Drops:
    """A ledger that keeps what is dropped."""

    def __init__(self) -> None:
        self.dropped: dict[str, str] = {}

    def count(self, label: str, unit: str, **numbers: int) -> None:
        raise AssertionError("Dedup counts nothing itself")

    def note(self, name: str, value: Any) -> None:
        raise AssertionError("Dedup has nothing for the manifest")

    def drop(
        self, label: str, unit: str, document: Document, reason: str, *, detail: str, failed: bool
    ) -> None:
        assert not failed
        assert detail.startswith("similarity ")
        self.dropped[document.id] = reason


def passed(
    step: Dedup, documents: Sequence[Document], folder: Path, tasks: int = 2
) -> tuple[list[Document], dict[str, str]]:
    """What stays, and of the others why they went; the documents are dealt to the tasks in turn."""
    ledger = Drops()
    context = Context(out=folder, project=folder, pipeline_dir=folder, ledger=ledger)
    step = pickle.loads(pickle.dumps(step))
    step.prepare(context)
    shares = [documents[rank::tasks] for rank in range(tasks)]
    if isinstance(step, TwoPass):
        step.facts = folder / "facts"
        step.facts.mkdir(exist_ok=True)
        for rank, share in enumerate(shares):
            assert list(step.observe(iter(share), rank, tasks)) == list(share)
        step.decide(tasks)
    kept = [d for rank, share in enumerate(shares) for d in step.run(iter(share), rank, tasks)]
    assert {d.id for d in documents} == {d.id for d in kept} | ledger.dropped.keys()
    assert len(kept) + len(ledger.dropped) == len(documents)
    return kept, ledger.dropped


def problem(text: str, answer: str | None = None, source: str = "s", **more: Any) -> Document:
    made = Sample(prompt_id=prompt_id(source, text, more.get("check")), problem=text, **more)
    return Sample(**{**made.__dict__, "answer": answer, "source": source}).to_document()


def samples(*texts: str, prompt: str = "p", **more: Any) -> list[Document]:
    base = Sample(prompt_id=prompt, problem="?", **more)
    return [
        base.with_completion(t, id=f"{prompt}-{k}", k=k, completion_tokens=len(t)).to_document()
        for k, t in enumerate(texts)
    ]


def ids(documents: Sequence[Document]) -> list[str]:
    return sorted(d.id for d in documents)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        pytest.param("I add 3 and 4.", "I  add 3\nand 4.", True, id="white space"),
        pytest.param("the sum of 2n-1 is", "the sum of 2n+1 is", False, id="a symbol"),
        pytest.param("3 + 4 = 7", "3 + 4 = 8", False, id="a digit"),
        pytest.param(LONG + "end", LONG + "stop", True, id="one word of many"),
        pytest.param("", "", True, id="empty"),
        pytest.param("", "7", False, id="empty and not"),
    ],
)
def test_duplicates_within_a_prompt(a: str, b: str, same: bool, tmp_path: Path) -> None:
    dedup = Dedup(by="completion", within="prompt")
    assert ids(passed(dedup, samples(a, b), tmp_path, 1)[0]) == (
        ["p-0"] if same else ["p-0", "p-1"]
    )


def test_other_prompts_may_say_the_same(tmp_path: Path) -> None:
    documents = samples("same") + samples("same", prompt="q")
    assert len(passed(Dedup(by="completion", within="prompt"), documents, tmp_path)[0]) == 2
    across = Dedup(by="completion", within="all", keep="first")
    assert passed(across, documents, tmp_path)[1] == {"q-0": "duplicate_of:p-0"}
