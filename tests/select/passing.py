"""A step of selection run on documents, with the law of the funnel checked on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datatrove.data import Document

from curate.run.ledger import TaskLedger, stage_funnel
from curate.run.task import Metered
from curate.sample import Sample, Verdict
from curate.step import Context, Step, TwoPass


def group(*texts: str, prompt: str = "p", **changes: Any) -> list[Document]:
    """The samples of one prompt; as many tokens as the text has characters."""
    base = Sample(prompt_id=prompt, problem="?", **changes)
    return [
        base.with_completion(t, id=f"{prompt}-{k}", k=k, completion_tokens=len(t)).to_document()
        for k, t in enumerate(texts)
    ]


def scored(document: Document, name: str, score: float | None) -> Document:
    """The document with a verdict."""
    sample = Sample.from_document(document).with_verdicts({name: Verdict(score)})
    return sample.to_document()


class Listening(TaskLedger):
    """A ledger that remembers which document was refused for what."""

    def __init__(self, stage: Path) -> None:
        super().__init__(stage, 0)
        self.reasons: list[tuple[str, str, str]] = []
        self.notes = self._notes

    def drop(self, label: str, unit: Any, document: Document, reason: str, **said: Any) -> None:
        self.reasons.append((document.id, reason, said["detail"]))
        super().drop(label, unit, document, reason, **said)


@dataclass
class Passed:
    """What a step let pass, and what it refused with which reason and detail."""

    kept: list[Document] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    made: int = 0
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        return [document.id for document in self.kept]


def passed(step: Step, documents: Sequence[Document], tasks: int = 1) -> Passed:
    """Runs the step over copies of the documents, dealt to `tasks` in turn by prompt."""
    shares: list[list[Document]] = [[] for _ in range(tasks)]
    dealt: dict[str, int] = {}
    for d in documents:
        task = dealt.setdefault(d.metadata["prompt_id"], len(dealt) % tasks)
        shares[task].append(Document(d.text, d.id, metadata=dict(d.metadata)))
    found = Passed()
    with TemporaryDirectory() as name:
        folder = Path(name)
        step.context = Context(folder, folder, folder, tasks=tasks)
        if isinstance(step, TwoPass):
            step.facts = folder / "facts"
            step.facts.mkdir()
            for rank, share in enumerate(shares):
                assert list(step.observe(iter(share), rank, tasks)) == share
            step.decide(tasks)
            step.forget()
        for rank, share in enumerate(shares):
            ledger = Listening(folder / f"stage-{rank}")
            step.context = Context(folder, folder, folder, rank, tasks, ledger=ledger)
            found.kept += Metered(step, step.label, ledger).run(iter(share), rank, tasks)
            ledger.commit()
            rows, notes = stage_funnel(folder / f"stage-{rank}", [(step.label, "samples")])
            found.made += sum(row.made for row in rows)
            found.reasons.update({id: reason for id, reason, _ in ledger.reasons})
            found.details.update({id: detail for id, _, detail in ledger.reasons})
            found.notes |= notes
    return found
