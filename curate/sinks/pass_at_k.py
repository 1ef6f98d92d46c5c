"""What k tries, or the vote of k answers, are worth: pass@k and cons@k of one problem, exactly.

    pass_at_k(16, 4, 8)                        # 16 answers, 4 of them right: that one of 8 is
    consensus_at_k([(9, 1.0), (5, 0.0)], 16)   # 9 say 7 and are right, 5 say 8, 2 say nothing

Both are expectations over all ways to take k of the n answers that were given, so of n = 64 answers
there is a pass@16 and a cons@16 without the luck of which 16 came first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from math import comb

Class = tuple[int, float]
"""Equal answers: how many there are, and the share of them that is right (0 or 1, as a rule)."""


def pass_at_k(n: int, right: int, k: int) -> float:
    """The chance that at least one of k of the n answers is right, in [0, 1].

    1 - C(n - right, k) / C(n, k), unbiased (Chen et al. 2021, arXiv 2107.03374, section 2.1), here
    in whole numbers up to one division, so nothing is lost however large n is. Raises ValueError
    for k above n.

    >>> pass_at_k(4, 1, 1), pass_at_k(4, 1, 2), pass_at_k(4, 3, 2), pass_at_k(4, 0, 4)
    (0.25, 0.5, 1.0, 0.0)
    """
    if not (0 <= right <= n and 1 <= k <= n):
        raise ValueError(f"pass@{k} of {n} answers with {right} right")
    ways = comb(n, k)
    return (ways - comb(n - right, k)) / ways


def consensus_at_k(classes: Sequence[Class], n: int, ks: Sequence[int] = ()) -> dict[int, float]:
    """By k the expected score of the answer that most of k answers give, in [0, 1].

    Of n answers those in no class say nothing and have no vote; a tie is broken by lot; where
    nobody votes the score is 0. With k = n and R1's 64 answers that is cons@64 (DeepSeek-R1, v1,
    section 3). Raises ValueError for more votes than answers.

    >>> consensus_at_k([(2, 1.0), (1, 0.0)], 3), consensus_at_k([(2, 1.0), (2, 0.0)], 4)
    ({3: 1.0}, {4: 0.5})
    >>> consensus_at_k([(2, 1.0), (1, 0.0)], 3, [1, 2, 3])
    {1: 0.6666666666666666, 2: 0.6666666666666666, 3: 1.0}
    """
    sizes = tuple(sorted(size for size, _ in classes))
    if sum(sizes) > n or any(not 1 <= k <= n for k in ks):
        raise ValueError(f"{sum(sizes)} votes of {n} answers, cons@{list(ks)}")
    found: dict[int, float] = {}
    for k in ks or [n]:
        chances = _chances(sizes, n - sum(sizes), k)
        found[k] = float(sum(Fraction(right) * chances[size] for size, right in classes))
    return found


@lru_cache(maxsize=4096)
def _chances(sizes: tuple[int, ...], silent: int, k: int) -> Mapping[int, Fraction]:
    """By size the chance of one class of that size to be chosen by k of all answers."""
    n = sum(sizes) + silent
    if k == n:
        ties = sizes.count(sizes[-1]) if sizes else 1
        return {s: Fraction(int(s == sizes[-1]), ties) for s in sizes}
    found: dict[int, Fraction] = {}
    for size in set(sizes):
        others = list(sizes)
        others.remove(size)
        votes = range(1, min(size, k) + 1)
        ways = sum(comb(size, v) * _ways(others, silent, k - v, v) for v in votes)
        found[size] = Fraction(ways, comb(n, k))
    return found


def _ways(others: Sequence[int], silent: int, left: int, most: int) -> Fraction:
    """In how many ways the other classes and the silent fill `left` places, with no class above
    `most` votes; a way with t classes that have as many counts 1 / (t + 1).
    """
    ways: dict[tuple[int, int], int] = {(0, 0): 1}
    for size in others:
        further: dict[tuple[int, int], int] = {}
        for (taken, ties), number in ways.items():
            for votes in range(min(size, most, left - taken) + 1):
                place = (taken + votes, ties + (votes == most))
                further[place] = further.get(place, 0) + number * comb(size, votes)
        ways = further
    return sum(
        (
            Fraction(number * comb(silent, left - taken), ties + 1)
            for (taken, ties), number in ways.items()
        ),
        Fraction(0),
    )
