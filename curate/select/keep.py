"""A scorer with a threshold: a filter in a pipeline, and what `Generate(accept=[…])` takes.

Keep(LanguageConsistency(), at_least=0.95)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import ClassVar

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter
from datatrove.utils.typeshelper import StatHints

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer
from curate.step import Step, batched, grouped


class Keep(Step, BaseFilter):
    """Keeps the samples whose score is at least `at_least`; what cannot be judged is not kept.

    A verdict that a document already has, of a scorer with the same name and parameters, counts;
    another one is made and added. A document is refused for the scorer's name, or for
    `NAME:unjudged`.

    >>> from curate.scorers import Length
    >>> short = Keep(Length(maximum=3, unit="words"))
    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> short.filter(prompt.with_completion("Seven.").to_document())
    True
    >>> short.filter(prompt.with_completion("It is 7, I think.").to_document())
    (False, 'Length:maximum=3,unit=words')
    """

    type = "🔻 - KEEP"
    where: ClassVar[frozenset[str]] = frozenset({"exclusion_writer"})

    def __init__(
        self, scorer: Scorer, at_least: float = 1.0, *, exclusion_writer: DiskWriter | None = None
    ) -> None:
        if not 0.0 <= at_least <= 1.0:
            raise UsageError(f"Keep({scorer.name}): at_least={at_least} is not in [0, 1]")
        self.label = f"Keep:{scorer.name}"
        super().__init__()
        self.scorer, self.at_least = scorer, at_least
        self.is_grouped = scorer.needs_group
        self.exclusion_writer = exclusion_writer

    def verdict(self, sample: Sample) -> Verdict:
        """What the scorer says of a sample, or has said before."""
        return sample.verdicts.get(self.scorer.name) or self.scorer.judge(sample)

    def accepts(self, verdict: Verdict) -> bool:
        """True when the verdict is judged and reaches the threshold."""
        return verdict.reaches(self.at_least)

    def refusal(self, verdict: Verdict) -> str:
        """The reason that is counted for a verdict that is not accepted."""
        return self.scorer.name if verdict.is_judged else f"{self.scorer.name}:unjudged"

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        verdict = self._judged([doc])[0]
        return True if self.accepts(verdict) else (False, self.refusal(verdict))

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        batches = grouped(data) if self.is_grouped else batched(data, self.scorer.batch)
        with self.exclusion_writer or nullcontext() as writer:
            for documents in batches:
                with self.track_time():
                    verdicts = self._judged(documents)
                for document, verdict in zip(documents, verdicts, strict=True):
                    self.stat_update(StatHints.total)
                    if self.accepts(verdict):
                        self.stat_update(StatHints.forwarded)
                        self.update_doc_stats(document)
                        yield document
                        continue
                    reason = self.refusal(verdict)
                    self.stat_update(StatHints.dropped)
                    self.drop(document, reason, detail=verdict.reason)
                    if writer:
                        document.metadata["filter_reason"] = reason
                        writer.write(document, rank)

    def _judged(self, documents: Sequence[Document]) -> list[Verdict]:
        """The documents' verdicts, which they carry from now on."""
        found = {i: v for i, d in enumerate(documents) if (v := self._known(d)) is not None}
        if len(found) < len(documents):
            # A rule that compares a prompt's samples is shown those with a verdict as well.
            asked = [i for i in range(len(documents)) if self.is_grouped or i not in found]
            said = self.scorer.judge_all([Sample.from_document(documents[i]) for i in asked])
            for i, verdict in zip(asked, said, strict=True):
                if i in found:
                    continue
                found[i] = verdict
                row = {"name": self.scorer.name, "score": verdict.score, "reason": verdict.reason}
                metadata = documents[i].metadata
                metadata["verdicts"] = [*(metadata.get("verdicts") or ()), row]
        return [found[i] for i in range(len(documents))]

    def _known(self, document: Document) -> Verdict | None:
        for said in document.metadata.get("verdicts") or ():
            if said["name"] == self.scorer.name:
                return Verdict(said["score"], said["reason"] or "")
        return None
