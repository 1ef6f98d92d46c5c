"""Which documents fill a target, and how often each: exact, and a matter of ids and seed only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.select.mix_facts import Cell, Facts

Unit = Literal["samples", "tokens"]
Numbers = NDArray[np.int64]

SURPLUS, NO_TARGET, NO_TOKEN_COUNT = 0, -1, -2
"""What stands for a document that does not stay; any other number is how often it does."""


class Target(NamedTuple):
    """So many samples or tokens of a domain, or of one of its languages."""

    domain: str
    language: str | None
    wanted: int

    def __str__(self) -> str:
        return f"{self.domain}/{self.language}" if self.language else self.domain

    def takes(self, cell: Cell) -> bool:
        return cell.domain == self.domain and self.language in (None, cell.language)


class Filling(NamedTuple):
    """How far a target was filled, in its unit; `taken` counts the copies, which are `copied`."""

    target: Target
    here: int
    taken: int
    copied: int
    rows: int
    """Documents that are here, whatever the unit."""
    is_spent: bool
    """Everything that is here was taken as often as it may be."""

    @property
    def missing(self) -> int:
        """What is not here; what a token budget leaves because no sample fits is not missing."""
        return self.target.wanted - self.taken if self.is_spent else 0


def scaled(wanted: int, scale: float) -> int:
    """A part of a target, rounded to the nearest, a half upwards.

    >>> scaled(395_285, 0.001), scaled(5, 0.1), scaled(4, 0.1)
    (395, 1, 0)
    """
    return int(wanted * scale + 0.5)


def fill(
    facts: Facts, target: Target, ranks: Mapping[str, int], *, unit: Unit, most: int
) -> tuple[Numbers, NDArray[np.int16], Filling]:
    """The documents of a target, how often each stays, and how far that fills it.

    Args:
        ranks: sources with priority, the smaller the earlier; the others come after them.
        most: how often a document may stay.
    """
    cells = [i for i, cell in enumerate(facts.named) if target.takes(cell)]
    rows = facts.of_cells(cells)
    copies = np.zeros(len(rows), np.int16)
    sizes = np.ones(len(rows), np.int64)
    if unit == "tokens":
        sizes = facts.tokens[rows].astype(np.int64)
        copies[sizes < 0] = NO_TOKEN_COUNT
    usable = np.flatnonzero(copies == 0)
    of_cells = np.array([ranks.get(cell.source, len(ranks)) for cell in facts.named] or [0])
    order = usable[in_order(facts, rows[usable], of_cells)]
    left = target.wanted
    for _ in range(most):
        taken = order[within(sizes[order], left)]
        copies[taken] += 1
        left -= int(sizes[taken].sum())
        if len(taken) < len(order):
            break
    stays = np.maximum(copies, 0)
    here = int(sizes[usable].sum())
    taken_in_all = target.wanted - left
    filling = Filling(
        target,
        here=here,
        taken=taken_in_all,
        copied=taken_in_all - int(sizes[stays > 0].sum()),
        rows=len(rows),
        is_spent=bool((copies[usable] == most).all()),
    )
    return rows, copies, filling


def in_order(facts: Facts, rows: Numbers, ranks: NDArray[np.integer]) -> Numbers:
    """The places of `rows` with the preferred first.

    By priority of the source; then one sample of every prompt before a second of any; then the
    best score, what has none last; then as drawn: prompts first, so that a prompt with many
    samples is not drawn sooner.
    """
    prompts, samples = facts.prompts[rows], facts.samples[rows]
    scores = np.nan_to_num(-facts.scores[rows], nan=1.0)
    within_prompts = np.lexsort((samples, scores, prompts))
    starts = np.flatnonzero(np.diff(prompts[within_prompts], prepend=~prompts[within_prompts[:1]]))
    rounds = np.empty(len(rows), np.int32)
    sizes = np.diff(np.append(starts, len(rows)))
    rounds[within_prompts] = np.arange(len(rows)) - np.repeat(starts, sizes)
    return np.lexsort((samples, prompts, scores, rounds, ranks[facts.cells[rows]]))


def within(sizes: Numbers, budget: int) -> NDArray[np.bool_]:
    """Which of the sizes are taken, from the first on, each that still fits into what is left.

    >>> within(np.array([4, 5, 3, 1, 1]), 8).tolist()
    [True, False, True, True, False]
    """
    taken = np.zeros(len(sizes), bool)
    open_ = np.flatnonzero(sizes <= budget)
    while len(open_):
        sums = np.cumsum(sizes[open_])
        n = int(np.searchsorted(sums, budget, side="right"))
        taken[open_[:n]] = True
        budget -= int(sums[n - 1])
        open_ = open_[n:]
        open_ = open_[sizes[open_] <= budget]
    return taken
