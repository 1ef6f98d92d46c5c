"""A scorer with a threshold: a filter in a pipeline, and what `Generate(accept=[…])` takes.

Keep(LanguageConsistency(), at_least=0.95)
Keep(CodeTests(), domains=["code"])
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar, NamedTuple

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter
from datatrove.utils.typeshelper import StatHints

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer
from curate.step import Step, batched, grouped


class Refusal(NamedTuple):
    """Why a sample does not stay: the reason that is counted, and a word for its reader."""

    reason: str
    detail: str


class Grade(NamedTuple):
    """Whether a sample is good, with its score in [0, 1]; both None when that cannot be judged."""

    is_good: bool | None
    score: float | None


class Keep(Step, BaseFilter):
    """Keeps the samples whose score is at least `at_least`; what cannot be judged is not kept.

    A verdict that a document already has, of a scorer with the same name and parameters, counts;
    another one is made and added. A document is refused for the scorer's name, or for
    `NAME:unjudged`. With `domains`, samples of other domains stay, and are not judged.

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
        self,
        scorer: Scorer,
        at_least: float = 1.0,
        *,
        domains: Sequence[str] = (),
        exclusion_writer: DiskWriter | None = None,
    ) -> None:
        if not 0.0 <= at_least <= 1.0:
            raise UsageError(f"Keep({scorer.name}): at_least={at_least} is not in [0, 1]")
        if isinstance(domains, str):
            raise UsageError(
                f"Keep({scorer.name}): domains={domains!r} is one word; it takes a list, "
                f"as in domains=[{domains!r}]"
            )
        self.label = f"Keep:{scorer.name}"
        super().__init__()
        self.scorer, self.at_least, self.domains = scorer, at_least, tuple(domains)
        self.is_grouped = scorer.needs_group
        self.exclusion_writer = exclusion_writer

    def identity(self) -> dict[str, Any]:
        """Without `domains` where there are none: then it is the rule that it was without them."""
        return {k: v for k, v in super().identity().items() if k != "domains" or v}

    def keeps(self) -> list[Keep]:
        """The rules that it consists of: itself."""
        return [self]

    def for_domain(self, domain: str | None) -> list[Keep]:
        """The rules by which samples of a domain are judged: itself, or none."""
        return [self] if self.is_for(domain) else []

    def is_for(self, domain: str | None) -> bool:
        """True when samples of this domain are judged."""
        return not self.domains or domain in self.domains

    def verdict(self, sample: Sample) -> Verdict:
        """What the scorer says of a sample, or has said before."""
        return sample.verdicts.get(self.scorer.name) or self.scorer.judge(sample)

    def accepts(self, verdict: Verdict) -> bool:
        """True when the verdict is judged and reaches the threshold."""
        return verdict.reaches(self.at_least)

    def refusal(self, verdict: Verdict) -> str:
        """The reason that is counted for a verdict that is not accepted."""
        return self.scorer.name if verdict.is_judged else f"{self.scorer.name}:unjudged"

    def refusals(self, documents: Sequence[Document]) -> list[Refusal | None]:
        """For each document why it does not stay, or None when it does."""
        return [
            None
            if verdict is None or self.accepts(verdict)
            else Refusal(self.refusal(verdict), verdict.reason)
            for verdict in self.verdicts(documents)
        ]

    def grades(self, documents: Sequence[Document]) -> list[Grade]:
        """For each document whether it is good; None for a domain that is not judged, too."""
        return [
            Grade(self.accepts(verdict), verdict.score)
            if verdict and verdict.is_judged
            else Grade(None, None)
            for verdict in self.verdicts(documents)
        ]

    def verdicts(self, documents: Sequence[Document]) -> list[Verdict | None]:
        """The documents' verdicts, which they carry from now on; None for other domains.

        A rule that compares a prompt's samples must be given all samples of a prompt.
        """
        mine = [i for i, d in enumerate(documents) if self.is_for(d.metadata.get("domain"))]
        found: list[Verdict | None] = [None] * len(documents)
        for i, verdict in zip(mine, self._judged([documents[i] for i in mine]), strict=True):
            found[i] = verdict
        return found

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        refused = self.refusals([doc])[0]
        return (False, refused.reason) if refused else True

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        batches = grouped(data) if self.is_grouped else batched(data, self.scorer.batch)
        with self.exclusion_writer or nullcontext() as writer:
            for documents in batches:
                with self.track_time():
                    refusals = self.refusals(documents)
                for document, refused in zip(documents, refusals, strict=True):
                    self.stat_update(StatHints.total)
                    if refused is None:
                        self.stat_update(StatHints.forwarded)
                        self.update_doc_stats(document)
                        yield document
                        continue
                    self.stat_update(StatHints.dropped)
                    self.drop(document, refused.reason, detail=refused.detail)
                    if writer:
                        document.metadata["filter_reason"] = refused.reason
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
