"""`Dedup`: of several texts that say the same, one.

    Dedup(by="problem", within="all", keep="first")
    Dedup(by="completion", within="prompt")

The samples of a prompt are compared as they pass. Elsewhere it takes two passes over the documents:
what is known of each stands in files (`observation`, `facts`), one process finds the clusters in
them (`clusters`) and chooses who stays (`keepers`), and the second pass leaves the others out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args

import numpy as np
from datatrove.data import Document

from curate.errors import UsageError
from curate.select import keepers
from curate.select.clusters import Clusters, Nodes, Rule
from curate.select.facts import FACTS, Facts, read_decisions
from curate.select.features import Numbers
from curate.select.minhash import likeness, sketches
from curate.select.observation import Observer, Rank, Rows, Texts
from curate.select.tokens import Hashes
from curate.step import Step, TwoPass, grouped, unheard

By = Literal["problem", "completion"]
Within = Literal["prompt", "domain", "source", "all"]
Keeping = Literal["first", "shortest", "longest", "best"]

PROMPTS_AT_ONCE, CHARACTERS_AT_ONCE = 32, 1 << 20
"""Prompts whose samples are compared in one go: numpy's calls cost as much for one as for all."""


class Dedup(Step):
    """Drops documents that repeat another one, as `duplicate_of:ID`.

    Args:
        by: What is compared. Two problems with different gold answers are never duplicates, and of
            a problem that goes all samples go. Completions are compared by their text alone.
        within: Where: among the samples of a prompt, in a domain, in a source, or everywhere.
        similarity: From which Jaccard similarity on, of the n-grams of tokens (3 of a completion, 2
            of a problem). 1.0: equal when case, spacing, LaTeX's type-setting and markup are
            folded.
        keep: Who stays: `first` in the order of a dataset (domain, source, prompt_id, k),
            `shortest`, `longest`, `best` by the verdict named `score`, or names of sources, in
            their order and before all others. Equal ones go by `first`, which is also what holds
            within a prompt unless something else is said. A problem with an answer goes before one
            without.
        score: The name of a verdict, as in `MathAnswer`.
        numbers: `masked`: texts that differ in their numbers only are the same, whatever their
            answers: one is left of what a template made.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        across = cls is Dedup and kwargs.get("within", "prompt") != "prompt"
        return Step.__new__(DedupAcross if across else cls, *args, **kwargs)

    def __init__(
        self,
        *,
        by: By,
        within: Within,
        similarity: float = 0.8,
        keep: Keeping | tuple[str, ...] | None = None,
        score: str | None = None,
        numbers: Numbers = "kept",
    ) -> None:
        self.label = "Dedup"
        super().__init__()
        if within == "prompt" and keep is None:
            keep = "first"
        self.texts = Texts(by, within, similarity, numbers)
        self.rank = Rank(tuple(keep) if isinstance(keep, list) else keep, score)
        check(self.texts, self.rank)
        self.is_grouped = within == "prompt"

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        for groups in several(grouped(data)):
            ranked = [sorted(group, key=self._place) for group in groups]
            found = Compared([document for group in ranked for document in group], self.texts)
            first = 0
            for group in ranked:
                yield from self._kept(group, found, first)
                first += len(group)

    def _kept(self, group: list[Document], found: Compared, first: int) -> list[Document]:
        """What stays of a prompt's samples, which come in the order of who is to stay."""
        kept: list[int] = []
        for i in range(len(group)):
            alike = found.likeness(first + i, [first + j for j in kept])
            twin = next((n for n, value in enumerate(alike) if value >= found.least), None)
            if twin is None:
                kept.append(i)
            else:
                said = f"similarity {alike[twin]:.2f}"
                self.drop(group[i], f"duplicate_of:{group[kept[twin]].id}", said)
        return sorted((group[i] for i in kept), key=lambda d: (d.metadata["k"], d.id))

    def _place(self, document: Document) -> tuple[float, int, str]:
        rank = self.rank.of(document, self.texts.text_of(document))
        return (rank, document.metadata["k"], document.id)


class DedupAcross(Dedup, TwoPass):
    """Of more than one prompt. What stays for others carries a verdict `Dedup:by=…,within=…` that
    names them.
    """

    def observe(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        observer = Observer(self.facts, rank, self.texts, self.rank)
        for document in data:
            observer.add(document)
            yield document
        observer.close()

    def decide(self, tasks: int) -> None:
        report = self.context.report if self.context else unheard
        facts = Facts(self.facts, tasks)
        if self.rank.keep == "best" and len(facts) and np.isinf(facts.column("rank")).all():
            raise UsageError(
                f"{self.verdict_name}: no document has a verdict {self.rank.score!r}; put "
                f"Keep({self.rank.score}()) before it, or choose another keep="
            )
        nodes = Nodes(facts)
        compares = self.texts.by == "problem" and self.texts.numbers == "kept"
        clusters = Clusters(facts, nodes, Rule(self.texts.similarity, compares), report)
        keepers.decide(
            self.facts, facts, nodes, clusters.roots(), sketched=self.texts.similarity < 1
        )

    def forget(self) -> None:
        for path in self.facts.glob(f"*{FACTS}"):
            path.unlink(missing_ok=True)

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        decisions = read_decisions(self.facts, rank)
        decision = next(decisions, None)
        rows = Rows(self.texts.by)
        for document in data:
            rows.is_new(document)
            while decision and decision.row < rows.number:
                decision = next(decisions, None)
            if decision is None or decision.row > rows.number:
                yield document
            elif decision.keeper is None:
                yield self._noted(document, decision.note or "")
            else:
                said = f"similarity {decision.likeness:.2f}"
                self.drop(document, f"duplicate_of:{decision.keeper}", said)

    @property
    def verdict_name(self) -> str:
        """The name of the verdict that a cluster's kept document carries."""
        return f"Dedup:by={self.texts.by},within={self.texts.within}"

    def _noted(self, document: Document, note: str) -> Document:
        said = document.metadata.get("verdicts") or ()
        others = [verdict for verdict in said if verdict["name"] != self.verdict_name]
        row = {"name": self.verdict_name, "score": 1.0, "reason": note}
        document.metadata["verdicts"] = [*others, row]
        return document


def several(prompts: Iterable[list[Document]]) -> Iterator[list[list[Document]]]:
    """A few prompts at a time."""
    groups: list[list[Document]] = []
    characters = 0
    for group in prompts:
        groups.append(group)
        characters += sum(len(document.text) for document in group)
        if len(groups) == PROMPTS_AT_ONCE or characters > CHARACTERS_AT_ONCE:
            yield groups
            groups, characters = [], 0
    if groups:
        yield groups


class Compared:
    """How alike the samples of a few prompts are."""

    def __init__(self, documents: list[Document], texts: Texts) -> None:
        self.least = texts.similarity
        features = texts.features([texts.text_of(document) for document in documents])
        self._whole: Hashes = features.whole
        self._sketches = sketches(features.grams, features.starts)

    def likeness(self, document: int, others: list[int]) -> list[float]:
        """How alike a document is to each of several others, 1.0 for the same tokens."""
        found = self._whole[others] == self._whole[document] if others else np.empty(0)
        if others and self.least < 1:
            each = np.full(len(others), document)
            found = np.maximum(found, likeness(self._sketches, each, np.array(others)).jaccard)
        return found.tolist()


def check(texts: Texts, rank: Rank) -> None:
    """Refuses arguments that make no sense, with what is allowed."""
    said = f"Dedup(by={texts.by!r}, within={texts.within!r}"
    for name, value, allowed in (
        ("by", texts.by, get_args(By)),
        ("within", texts.within, get_args(Within)),
        ("numbers", texts.numbers, get_args(Numbers)),
    ):
        if value not in allowed:
            raise UsageError(f"Dedup({name}={value!r}): choose one of {', '.join(allowed)}")
    if texts.by == "problem" and texts.within == "prompt":
        raise UsageError(f"{said}): a prompt has one problem; within=domain, source or all")
    if not 0 < texts.similarity <= 1:
        raise UsageError(f"Dedup(similarity={texts.similarity}): a share above 0, at most 1")
    if rank.keep is None:
        raise UsageError(
            f"{said}) does not say who stays: keep={', '.join(get_args(Keeping))}, or a tuple of "
            "sources in order of priority"
        )
    if isinstance(rank.keep, str) and rank.keep not in get_args(Keeping):
        raise UsageError(
            f"Dedup(keep={rank.keep!r}): choose one of {', '.join(get_args(Keeping))}, or give a "
            "tuple of sources"
        )
    if (rank.keep == "best") != (rank.score is not None):
        raise UsageError(
            f"{said}, keep={rank.keep!r}, score={rank.score!r}): keep='best' goes with the name of "
            "a verdict, as in score='MathAnswer'"
        )
