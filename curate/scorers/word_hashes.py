"""The words of a text as numbers, so that whole texts are compared in a few array operations.

A word is one of `curate.text.words`. Equal words have equal numbers, of which two different ones
share one with a chance of about 2^-64 (a polynomial modulo 2^64 with an odd base, mixed at the
end).
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from curate.text import LONGEST_WORD, is_unspaced

_BASE = 0x9E3779B97F4A7C15
_MIX = np.uint64(0xD6E8FEB86659FD93)
_SPACE, _UNSPACED = 1, 2

Numbers = np.ndarray[Any, np.dtype[np.uint64]]


class WordHashes(NamedTuple):
    """A number for each word of a text, and facts of its characters."""

    words: Numbers
    unnumbered: Numbers
    """The same without digits and dots: `Step 1:` and `Step 2:` are equal, as are 1.5 and 27."""
    longest_run: int
    """Of characters without a space between them, or of spaces."""


def word_hashes(text: str) -> WordHashes:
    """The words of a text in order.

    >>> hashes = word_hashes("Step 1: add. Step 2: add.")
    >>> [int(n) for n in (hashes.words[:, None] == hashes.words).sum(axis=1)]
    [2, 1, 2, 2, 1, 2]
    >>> [int(n) for n in (hashes.unnumbered[:, None] == hashes.unnumbered).sum(axis=1)]
    [2, 2, 2, 2, 2, 2]
    """
    if not text:
        return WordHashes(np.zeros(0, np.uint64), np.zeros(0, np.uint64), 0)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds = _kinds().take(codes, mode="clip")
    is_space = kinds == _SPACE
    borders = np.flatnonzero(is_space[1:] != is_space[:-1]) + 1
    runs = np.concatenate(([0], borders, [len(codes)]))
    starts = _starts(kinds, runs)
    is_word = ~is_space[starts]
    kept = (codes - np.uint32(48) > 9) & (codes != 46)  # unsigned: all below "0" is large
    place = np.concatenate(([0], np.cumsum(kept)))
    return WordHashes(
        _hashes(codes, starts)[is_word],
        _hashes(codes[kept], place[starts])[is_word],
        int(np.diff(runs).max()),
    )


def gram_hashes(words: Numbers, n: int) -> Numbers:
    """A number for every `n` words in a row."""
    total = np.zeros(max(len(words) - n + 1, 0), np.uint64)
    # n in binary: what is known of 1, 2, 4, … words is put together to that of n.
    part, size, length = words, 1, 0
    while size <= n and len(total):
        base = np.uint64(pow(_BASE, size, 1 << 64))
        if n & size:
            total = total * base + part[length : length + len(total)]
            length += size
        part, size = part[:-size] * base + part[size:], 2 * size
    return total


def _starts(kinds: Any, runs: Any) -> Any:
    """Where words and spaces begin: at spaces, around characters that need none, and every
    `LONGEST_WORD` characters.
    """
    begins = np.zeros(len(kinds) + 1, bool)
    begins[runs] = True
    if (alone := kinds == _UNSPACED).any():
        begins[:-1] |= alone
        begins[1:] |= alone
    starts = np.flatnonzero(begins[:-1])
    lengths = np.diff(np.append(starts, len(kinds)))
    long = lengths > LONGEST_WORD
    for start, length in zip(starts[long], lengths[long], strict=True):
        begins[start : start + length : LONGEST_WORD] = True
    return np.flatnonzero(begins[:-1])


def _hashes(codes: Any, starts: Any) -> Numbers:
    """A polynomial of the characters between each start and the next, from prefix sums."""
    powers, inverses = _powers(max(1 << len(codes).bit_length(), 1 << 14))
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum((codes + np.uint64(1)) * powers[: len(codes)], out=sums[1:])
    found = np.diff(sums[np.append(starts, len(codes))]) * inverses[starts]
    found ^= found >> np.uint64(32)
    return found * _MIX


@lru_cache(maxsize=8)
def _powers(size: int) -> tuple[Numbers, Numbers]:
    """The powers of the base and of its inverse, modulo 2^64."""
    both = (np.full(size, value, np.uint64) for value in (_BASE, pow(_BASE, -1, 1 << 64)))
    powers, inverses = (np.cumprod(np.append(np.uint64(1), ones)) for ones in both)
    return powers, inverses


@cache
def _kinds() -> Any:
    kinds = np.zeros(0x10000, np.uint8)
    for code in range(0x10000):
        if chr(code).isspace():
            kinds[code] = _SPACE
        elif is_unspaced(chr(code)):
            kinds[code] = _UNSPACED
    return kinds
