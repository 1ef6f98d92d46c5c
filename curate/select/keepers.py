"""Who stays of a cluster, and what becomes of the others: the decisions of `Dedup`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.select.clusters import PAIRS_AT_ONCE, Nodes, likeness_of
from curate.select.facts import NAMES, Facts, write_decisions

NAMED = 10
"""Duplicates that a kept row names."""


def decide(
    folder: Path, facts: Facts, nodes: Nodes, roots: NDArray[np.int32], *, sketched: bool
) -> None:
    """Writes for each task which rows are dropped, for which kept one, and which were kept."""
    sizes = np.bincount(roots, minlength=len(nodes))
    members = np.flatnonzero(sizes[roots] > 1)
    table = _ranked(facts, nodes, roots, members)
    clusters = table.column("cluster").to_numpy()
    starts = np.flatnonzero(np.r_[True, clusters[1:] != clusters[:-1]][: len(clusters)])
    counts = np.diff(np.r_[starts, len(clusters)])
    ranked = table.column("node").to_numpy()
    keepers = np.repeat(starts, counts)
    others = np.ma.array(keepers, mask=keepers == np.arange(len(ranked)))
    ids = table.column("id")
    decisions = pa.table(
        {
            "keeper": ids.take(pa.array(others)),
            "likeness": _likeness(facts, nodes, ranked, ranked[keepers], sketched=sketched),
            "note": _notes(ids, starts, counts, len(ranked)),
        }
    )
    decided = np.full(len(nodes), -1, np.int32)
    decided[ranked] = np.arange(len(ranked))
    rows = np.flatnonzero(decided[nodes.of_row] >= 0)
    decisions = decisions.take(pa.array(decided[nodes.of_row[rows]]))
    borders = np.searchsorted(rows, facts.task_starts)
    for rank, (begin, end) in enumerate(pairwise(borders.tolist())):
        inside = pa.array(rows[begin:end] - facts.task_starts[rank], pa.int64())
        part = decisions.slice(begin, end - begin)
        write_decisions(folder, rank, part.add_column(0, "row", inside))


def _ranked(
    facts: Facts, nodes: Nodes, roots: NDArray[np.int32], members: NDArray[np.int64]
) -> pa.Table:
    """The members of clusters, those of one after each other, the one to keep first."""
    members = members[np.argsort(nodes.rows[members])]
    table = facts.table(nodes.rows[members], (*NAMES, "k"))
    for name, values in (
        ("node", members),
        ("cluster", roots[members]),
        ("unanswered", facts.column("answered")[nodes.rows[members]] == 0),
        ("rank", nodes.rank[members]),
    ):
        table = table.append_column(name, pa.array(values))
    # A problem with its answer is worth more than one without. Equal ones as rows stand in a
    # dataset, so that nothing depends on who came first.
    order = ("cluster", "unanswered", "rank", "domain", "source", "prompt_id", "k", "id", "node")
    return table.sort_by([(name, "ascending") for name in order])


def _likeness(
    facts: Facts,
    nodes: Nodes,
    members: NDArray[np.int64],
    keepers: NDArray[np.int64],
    *,
    sketched: bool,
) -> NDArray[np.float64]:
    found = np.ones(len(members))
    for i in range(0, len(members) if sketched else 0, PAIRS_AT_ONCE):
        part = slice(i, i + PAIRS_AT_ONCE)
        pairs = np.stack([nodes.rows[members[part]], nodes.rows[keepers[part]]], axis=1)
        found[part] = likeness_of(facts, pairs).jaccard
    return found


def _notes(
    ids: pa.ChunkedArray, starts: NDArray[np.int64], counts: NDArray[np.int64], total: int
) -> pa.Array:
    """What is said of the first row of each cluster; null for the others."""
    names = ids.combine_chunks()
    notes: list[str | None] = [None] * total
    for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
        others = names.slice(start + 1, min(count - 1, NAMED)).to_pylist()
        more = ", \u2026" if count - 1 > NAMED else ""
        notes[start] = f"cluster of {count}: {', '.join(others)}{more}"
    return pa.array(notes, pa.large_string())
