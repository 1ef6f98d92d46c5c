"""Which documents are duplicates of each other: from candidates to clusters.

A node is a document (or, where problems are compared, all samples of a prompt). Nodes are numbered
in the order of a hash of their name, so nothing here depends on the order in which they came or on
how many tasks saw them. First equal texts are put together, then the bands are gone through one by
one, so that one column is in memory at a time; a pair that shares a band is compared, and a cluster
holds at most one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.select.facts import BAND_NAMES, Facts
from curate.select.minhash import likeness
from curate.select.same_answers import SameAnswers
from curate.select.tokens import Hashes, Positions, mixed

MOST_COMPARED = 64
"""Nodes of a bucket that are compared each with each. Of more, only those that share a further band
are: thousands of problems made from one template share a band without being duplicates.
"""
PAIRS_AT_ONCE = 1 << 15
"""Their sketches take 1 KB a document: 64 MB, and as much while they are compared."""


@dataclass(frozen=True)
class Rule:
    """What makes two candidates duplicates."""

    similarity: float
    compares_answers: bool
    """Problems: another answer is another problem, and where one has no answer the texts may differ
    only by something added before or after, and have the same diagrams if both have any.
    """


class Nodes:
    """The documents of all rows; of a prompt's samples, one node."""

    def __init__(self, facts: Facts) -> None:
        key, whole = facts.column("key"), facts.column("whole")
        order = np.lexsort((whole, key))
        grouped = facts.column("grouped")[order[1:]]
        new = np.r_[True, (key[order[1:]] != key[order[:-1]]) | ~grouped][: len(order)]
        self.of_row = np.empty(len(order), np.int32)
        self.of_row[order] = np.cumsum(new) - 1
        self.rows = order[new]
        """One row of each node."""
        rank = facts.column("rank")[order]
        starts = np.flatnonzero(new)
        self.rank = np.minimum.reduceat(rank, starts) if len(starts) else rank

    def __len__(self) -> int:
        return len(self.rows)


class Clusters:
    """The nodes of one cluster share a root."""

    def __init__(
        self,
        facts: Facts,
        nodes: Nodes,
        rule: Rule,
        report: Callable[[Mapping[str, float]], None],
    ) -> None:
        self._facts, self._nodes, self._rule = facts, nodes, rule
        self._parents = np.arange(len(nodes), dtype=np.int32)
        whole = self._column("whole")
        self._answered = self._column("answered")
        self._answer_of_root = self._answered.copy()
        self._diagrams = self._column("diagram")
        self._answers = SameAnswers(self._texts_of_answers)
        self._heads = self._put_equal_together(whole)
        """One node of each text and answer; the others have it as their root."""
        self._compare(self._candidates(whole[self._heads], []))
        del whole  # a column of ten million rows is 80 MB, and the bands take long
        if rule.similarity < 1:
            for i, name in enumerate(BAND_NAMES):
                further = [*BAND_NAMES[i + 1 :], *BAND_NAMES[:i]]
                self._compare(self._candidates(self._column(name)[self._heads], further))
                report({"bands": i + 1, "documents": len(facts)})

    def roots(self) -> NDArray[np.int32]:
        """The root of each node's cluster."""
        while True:
            above = self._parents[self._parents]
            if np.array_equal(above, self._parents):
                return above
            self._parents = above

    def _column(self, name: str) -> Hashes:
        return self._facts.column(name)[self._nodes.rows]

    def _texts_of_answers(self, nodes: list[int]) -> list[str]:
        rows = self._nodes.rows[nodes]
        order = np.argsort(rows)
        found = self._facts.table(rows[order], ("answer",)).column("answer").to_pylist()
        return [found[i] for i in np.argsort(order)]

    def _put_equal_together(self, whole: Hashes) -> NDArray[np.int32]:
        order = np.lexsort((self._answered, whole))
        same = whole[order[1:]] == whole[order[:-1]]
        same &= self._answered[order[1:]] == self._answered[order[:-1]]
        new = np.r_[True, ~same][: len(order)]
        heads = order[new]
        self._parents[order] = np.repeat(heads, np.diff(np.r_[np.flatnonzero(new), len(order)]))
        return np.sort(heads).astype(np.int32)

    def _candidates(self, keys: Hashes, further: list[str]) -> Iterator[NDArray[np.int32]]:
        """Pairs of heads with the same key, the smaller number first."""
        order = np.argsort(keys, kind="stable")
        heads, keys = self._heads[order], keys[order]
        further = list(further)
        while len(keys):
            starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
            sizes = np.diff(np.r_[starts, len(keys)])
            for size in np.unique(sizes[(sizes > 1) & (sizes <= MOST_COMPARED)]).tolist():
                yield from _each_with_each(heads, starts[sizes == size], size)
            large = np.repeat(sizes > MOST_COMPARED, sizes)
            heads, keys = heads[large], keys[large]
            if not further or not len(keys):
                break
            finer = self._column(further.pop(0))[heads]
            keys = mixed(keys + mixed(finer))
            order = np.lexsort((heads, keys))
            heads, keys = heads[order], keys[order]
        if len(keys):  # equal in every band, so nearly surely equal
            starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
            first = np.repeat(heads[starts], np.diff(np.r_[starts, len(keys)]))
            yield np.stack([first, heads], axis=1)[first != heads]

    def _compare(self, candidates: Iterator[NDArray[np.int32]]) -> None:
        self.roots()
        for pairs in candidates:
            for i in range(0, len(pairs), PAIRS_AT_ONCE):
                part = pairs[i : i + PAIRS_AT_ONCE]
                roots = self._parents[part]
                part = part[roots[:, 0] != roots[:, 1]]
                if len(part):
                    self._unite(part[self._are_duplicates(part)])

    def _are_duplicates(self, pairs: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which pairs of nodes say the same; of their answers only that both have one or not."""
        drawn = self._diagrams[pairs]
        alike = (drawn[:, 0] == drawn[:, 1]) | (drawn == 0).any(axis=1)
        if self._rule.similarity == 1:
            return alike
        found = likeness_of(self._facts, self._nodes.rows[pairs])
        if self._rule.compares_answers:
            both = (self._answered[pairs] != 0).all(axis=1)
            alike = both | (alike & found.within)
        return alike & (found.jaccard >= self._rule.similarity)

    def _unite(self, pairs: NDArray[np.int32]) -> None:
        """Makes one cluster of two, the root being the smaller, unless their answers differ."""
        parents, answered = self._parents, self._answer_of_root
        self._answers.prepare(self._answered[pairs], pairs)
        for a, b in pairs.tolist():
            first, second = sorted((_root(parents, a), _root(parents, b)))
            if first == second:
                continue
            said = int(answered[first]), int(answered[second])
            if all(said) and not self._answers.same((said[0], first), (said[1], second)):
                continue
            parents[second] = first
            answered[first] = said[0] or said[1]


def likeness_of(facts: Facts, rows: NDArray[np.int64]) -> Any:
    """How alike the two rows of each pair are."""
    wanted, places = np.unique(rows, return_inverse=True)
    places = places.reshape(rows.shape)
    return likeness(facts.sketches(wanted), places[:, 0], places[:, 1])


def _root(parents: NDArray[np.int32], node: int) -> int:
    while (above := int(parents[node])) != node:
        parents[node] = parents[above]
        node = above
    return node


def _each_with_each(
    heads: NDArray[np.int32], starts: Positions, size: int
) -> Iterator[NDArray[np.int32]]:
    """The pairs inside buckets of one size, a few buckets at a time."""
    first, second = np.triu_indices(size, 1)
    step = max(1, (1 << 18) // len(first))
    for i in range(0, len(starts), step):
        members = heads[starts[i : i + step, None] + np.arange(size)]
        yield np.stack([members[:, first].ravel(), members[:, second].ravel()], axis=1)
