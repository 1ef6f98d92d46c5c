"""How alike are two texts? Their features as sketches: exact for short texts, an estimate for long.

A sketch is the smallest 256 hashes of a text's n-grams. Two texts with fewer n-grams than that are
compared exactly; of longer ones it is a fair sample of both, and the estimate of their Jaccard
similarity J has a standard deviation of at most 0.03 (sqrt(J (1 - J) / 256)).

Candidates come from bands of MinHash values: each of 16 bands is made of `rows` values, and two
texts that agree in a whole band are compared. They do with probability 1 - (1 - J**rows)**16, so
a J of 0.8 is missed once in 600 times with rows = 5 (Leskovec et al., Mining of Massive Datasets,
section 3.4).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.select.tokens import Hashes, Positions, mixed, starts_of

SKETCH = 256
BANDS = 16
MOST_ROWS = 5
FOUND = 0.995
"""The least share of pairs at the threshold that become candidates."""

Values = NDArray[np.uint32]


class Sketches(NamedTuple):
    """Sorted sketches, one after the other; `values[starts[i]:starts[i + 1]]` is text i."""

    values: Values
    starts: Positions

    def take(self, texts: Positions) -> Sketches:
        """The sketches of some texts, in their order."""
        sizes = np.diff(self.starts)[texts]
        starts = starts_of(sizes)
        moved = np.repeat(self.starts[texts] - starts[:-1], sizes)
        return Sketches(self.values[np.arange(starts[-1]) + moved], starts)


def sketches(grams: Hashes, starts: Positions) -> Sketches:
    """The sketch of each text's features; a text without any has the one feature 0."""
    sizes = np.diff(starts)
    texts = np.repeat(np.arange(len(sizes), dtype=np.uint64), sizes)
    empty = np.flatnonzero(sizes == 0).astype(np.uint64)
    keys = np.r_[(texts << np.uint64(32)) | (grams >> np.uint64(32)), empty << np.uint64(32)]
    keys.sort()
    keys = keys[np.r_[True, keys[1:] != keys[:-1]]] if len(keys) else keys
    counts = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(sizes))
    places = np.arange(len(keys)) - np.repeat(starts_of(counts)[:-1], counts)
    return Sketches(keys[places < SKETCH].astype(np.uint32), starts_of(np.minimum(counts, SKETCH)))


def rows_for(similarity: float) -> int:
    """How many values make a band, so that pairs of this similarity are found.

    >>> rows_for(0.5), rows_for(0.8), rows_for(0.95)
    (1, 5, 5)
    """
    fits = [r for r in range(1, MOST_ROWS + 1) if 1 - (1 - similarity**r) ** BANDS >= FOUND]
    return max(fits, default=1)


def bands(of: Sketches, rows: int) -> NDArray[np.uint64]:
    """A number for each band (first axis) of each text; equal where all its values are equal."""
    multipliers, masks = _permutations(rows * BANDS)
    found = np.zeros((BANDS, len(of.starts) - 1), np.uint64)
    if not len(of.values):
        return found
    permuted = np.empty_like(of.values)
    for i in range(rows * BANDS):
        np.bitwise_xor(of.values, masks[i], out=permuted)
        np.multiply(permuted, multipliers[i], out=permuted)
        band = found[i // rows]
        band += np.minimum.reduceat(permuted, of.starts[:-1])
        band *= np.uint64(0x9E3779B97F4A7C15)
    return mixed(found)


@cache
def _permutations(count: int) -> tuple[Values, Values]:
    numbers = mixed(np.arange(1, 2 * count + 1, dtype=np.uint64) << np.uint64(17))
    values = (numbers >> np.uint64(32)).astype(np.uint32)
    return values[:count] | np.uint32(1), values[count:]


class Likeness(NamedTuple):
    """How alike the two texts of each pair are."""

    jaccard: NDArray[np.float64]
    within: NDArray[np.bool_]
    """True where all features of one are features of the other: nothing but something added."""


def likeness(of: Sketches, first: Positions, second: Positions) -> Likeness:
    """The Jaccard similarity of pairs of texts, given by their numbers.

    >>> both = sketches(np.array([1, 2, 2, 3], np.uint64) << np.uint64(40), np.array([0, 2, 4]))
    >>> likeness(both, np.array([0, 0]), np.array([1, 0])).jaccard.round(2).tolist()
    [0.33, 1.0]
    """
    a, b = of.take(first), of.take(second)
    limits = np.minimum(_limits(a), _limits(b))
    a_keys, b_keys = _known(a, limits), _known(b, limits)
    keys = np.concatenate([a_keys, b_keys])
    keys.sort()
    shared_keys = keys[1:][keys[1:] == keys[:-1]]
    a_size, b_size, shared = (_sizes(k, len(first)) for k in (a_keys, b_keys, shared_keys))
    union = a_size + b_size - shared
    return Likeness(shared / np.maximum(union, 1), shared == np.minimum(a_size, b_size))


def _limits(of: Sketches) -> NDArray[np.uint32]:
    """Up to which hash a sketch says everything of its text."""
    last = of.values[of.starts[1:] - 1]
    return np.where(np.diff(of.starts) < SKETCH, np.uint32(0xFFFFFFFF), last)


def _known(of: Sketches, limits: NDArray[np.uint32]) -> Hashes:
    sizes = np.diff(of.starts)
    pairs = np.repeat(np.arange(len(sizes), dtype=np.uint64) << np.uint64(32), sizes)
    return (pairs | of.values)[of.values <= np.repeat(limits, sizes)]


def _sizes(keys: Hashes, count: int) -> Positions:
    return np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=count)
