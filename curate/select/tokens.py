r"""Many texts as tokens, at once, as 64-bit hashes: what `Dedup` and `Decontaminate` compare.

    Find $\dfrac{1}{2}\cdot x$.   ->   find \frac 1 2 * x .

A token is a word in lower case, a run of digits, one symbol, one character of a script without
spaces, or a LaTeX command. LaTeX that only sets type is no token, synonyms are one. Everything is
done with numpy on the code points of a whole batch, because texts come by the million: a table
gives each character its class, tokens begin where the class changes, and a token's hash is a
difference of prefix sums. Hashes depend on the text alone, never on the run or the machine.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.select.symbols import (
    SAME_CHARACTERS,
    SPACED_BY_LATEX,
    UNSPACED_SCRIPTS,
    meanings,
    table_of_characters,
)

Hashes = NDArray[np.uint64]
Positions = NDArray[np.int64]

AT_ONCE = 1 << 17
"""Characters of a block: its arrays stay in the cache (measured: 1 << 19 takes 1.2 times as long).
"""

SPACE, LETTER, DIGIT, SINGLE, BACKSLASH = range(5)
RUNS = (".", "*", "-", "_", "'", "<=>")
FIRST_RUN = 8
"""Classes of characters; from 8 on, symbols that are one token when they follow each other."""

_BASE, _GRAM = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1342543DE82EF95)


@dataclass(frozen=True)
class Tokens:
    """The tokens of several texts, one after the other; `hashes[starts[i]:starts[i + 1]]` is text
    i, and its token j is characters `begins[j]` to `ends[j]` of that text.
    """

    hashes: Hashes
    starts: Positions
    begins: Positions
    ends: Positions

    def of(self, i: int) -> Hashes:
        """The hashes of text `i`, in its order."""
        return self.hashes[self.starts[i] : self.starts[i + 1]]

    def ngrams(self, n: int) -> tuple[Hashes, Positions]:
        """The hashes of `n` tokens in a row, in the order of the texts, and where each text starts.

        A text with fewer tokens is one n-gram, a text with none has none.

        >>> grams, starts = tokenize(["1 + 2 = 3", "1 + 2", ""]).ngrams(4)
        >>> starts.tolist()
        [0, 2, 3, 3]
        """
        sizes = np.diff(self.starts)
        short = np.flatnonzero((sizes > 0) & (sizes < n))
        firsts, count = self.starts[short], len(self.hashes)
        sums = self.hashes.copy()
        powers = _powers(int(_GRAM), n)
        for j in range(1, min(n, count)):
            sums[: count - j] += self.hashes[j:] * powers[j]
        sums[firsts] = 0
        for j in range(n - 1):
            long = sizes[short] > j
            sums[firsts[long]] += self.hashes[firsts[long] + j] * powers[j]
        whole = np.arange(count) + n <= np.repeat(self.starts[1:], sizes)
        whole[firsts] = True
        numbers = np.where(sizes < n, np.minimum(sizes, 1), sizes - n + 1)
        return mixed(sums[whole]), starts_of(numbers)


def tokenize(
    texts: Sequence[str], *, numbers: Literal["kept", "masked"] = "kept", latex: bool = True
) -> Tokens:
    r"""The tokens of all texts. With `numbers="masked"` every number is the same token, with
    `latex=False` `$`, braces and commands are tokens like others.

    >>> a, b = r"Find $\dfrac{1}{2}\cdot x\,$.", "find \\frac12 * x."
    >>> spaced = tokenize([a, b])
    >>> spaced.of(0).tolist() == spaced.of(1).tolist()
    True
    >>> masked = tokenize(["3.5 + 4", "10 + 12"], numbers="masked")
    >>> masked.of(0).tolist() == masked.of(1).tolist()
    True
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    full = np.flatnonzero(np.diff(np.cumsum(lengths) // AT_ONCE)) + 1
    borders = [0, *full.tolist(), len(texts)]
    blocks = [
        _block(texts[i:j], lengths[i:j], numbers == "masked", latex)
        for i, j in itertools.pairwise(borders)
    ]
    if len(blocks) == 1:
        return blocks[0]
    return Tokens(
        hashes=np.concatenate([b.hashes for b in blocks]),
        starts=starts_of(np.concatenate([np.diff(b.starts) for b in blocks])),
        begins=np.concatenate([b.begins for b in blocks]),
        ends=np.concatenate([b.ends for b in blocks]),
    )


def mixed(hashes: Hashes) -> Hashes:
    """Every bit of a number made to depend on all of its bits (the finaliser of SplitMix64)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def starts_of(sizes: NDArray[np.integer]) -> Positions:
    """Where each of several parts starts, and the end of the last one."""
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts


class _Characters(NamedTuple):
    """What is known of every character: its class, and a number that its hash is made of."""

    classes: NDArray[np.uint8]
    numbers: Hashes
    cased: Hashes
    """The numbers of LaTeX's letters, where `\\Delta` is not `\\delta`."""


@cache
def _characters(latex: bool) -> _Characters:
    folded, letters, digits, spaces = table_of_characters()
    if latex:
        for character, same in SAME_CHARACTERS.items():
            folded[ord(character)] = ord(same)
    classes = np.full(len(folded), SINGLE, np.uint8)
    classes[letters] = LETTER
    classes[digits] = DIGIT
    classes[spaces] = SPACE
    for first, last in UNSPACED_SCRIPTS:
        classes[first : last + 1] = SINGLE
    for i, symbols in enumerate(RUNS):
        classes[[ord(symbol) for symbol in symbols]] = FIRST_RUN + i
    if latex:
        classes[ord("\\")] = BACKSLASH
        classes[[ord(c) for c in SPACED_BY_LATEX]] = SPACE
    classes = classes[folded]
    every = mixed(np.arange(1, len(folded) + 1, dtype=np.uint64) * _BASE)
    return _Characters(classes, every[folded], every)


@cache
def _powers(base: int, count: int) -> Hashes:
    return np.cumprod(np.r_[np.uint64(1), np.full(count - 1, base, np.uint64)])


@cache
def _base_powers(count: int) -> tuple[Hashes, Hashes]:
    """The powers of the base and of its inverse modulo 2**64."""
    inverse = pow(int(_BASE), -1, 1 << 64)
    return _powers(int(_BASE), count), _powers(inverse, count)


def _block(texts: Sequence[str], lengths: Positions, masked: bool, latex: bool) -> Tokens:
    """The tokens of a few texts, laid one after the other with a character 0 after each."""
    joined = "\0".join([*texts, ""])
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    characters = _characters(latex)
    places = codes.astype(np.intp)
    classes = characters.classes.take(places)
    values = characters.numbers.take(places)
    borders = np.ones(len(codes) + 1, bool)
    np.not_equal(classes[1:], classes[:-1], out=borders[1:-1])
    borders[:-1] |= classes == SINGLE
    if latex:
        _set_commands(codes, classes, borders, values, characters.cased)
    shown = classes != SPACE
    begins = np.flatnonzero(borders[:-1] & shown)
    ends = np.flatnonzero(borders[1:] & shown) + 1
    hashes = _hashed(values, begins, ends)
    kinds = classes.take(begins)
    if latex:
        kept = np.flatnonzero(_meant(hashes, kinds, ends - begins > 1))
        hashes, kinds = hashes.take(kept), kinds.take(kept)
        begins, ends = begins.take(kept), ends.take(kept)
    if masked:
        kept = np.flatnonzero(_masked(hashes, kinds, begins, ends))
        hashes, begins, ends = hashes.take(kept), begins.take(kept), ends.take(kept)
    offsets = starts_of(lengths)
    starts = np.searchsorted(begins, offsets)
    before = np.repeat(offsets[:-1], np.diff(starts))
    return Tokens(hashes, starts, begins - before, ends - before)


def _hashed(values: Hashes, begins: Positions, ends: Positions) -> Hashes:
    """A hash of each span: its characters' numbers times powers of the base, as differences of
    prefix sums, shifted to the span's begin.
    """
    size = max(AT_ONCE << 1, 1 << len(values).bit_length())
    powers, inverses = _base_powers(size)
    sums = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(np.multiply(values, powers[: len(values)], out=sums[1:]), out=sums[1:])
    return mixed((sums.take(ends) - sums.take(begins)) * inverses.take(begins))


def _set_commands(
    codes: NDArray[np.uint32],
    classes: NDArray[np.uint8],
    borders: NDArray[np.bool_],
    values: Hashes,
    cased: Hashes,
) -> None:
    r"""Makes one token of `\name` and of `\` with a symbol, in place, and two of the digits in
    `\frac12`.
    """
    slashes = np.flatnonzero(classes == BACKSLASH)
    if not len(slashes):
        return
    run_starts = np.r_[True, np.diff(slashes) > 1]
    first = slashes[run_starts][np.cumsum(run_starts) - 1]
    slashes = slashes[(slashes - first) % 2 == 0]  # in \\x the second one begins no command
    slashes = slashes[codes[slashes + 1] != 0]  # a text's last character
    following = slashes + 1
    borders[slashes] = True
    borders[following] = False
    named = classes[following] == LETTER
    borders[following[~named] + 1] = True
    classes[following[~named]] = BACKSLASH
    edges = np.flatnonzero(borders)
    ends = edges[np.searchsorted(edges, following[named])]
    sizes = ends - following[named]
    inside = np.repeat(following[named] - starts_of(sizes)[:-1], sizes) + np.arange(sizes.sum())
    values[inside] = cased[codes[inside]]
    _set_arguments(codes, classes, borders, ends)


def _set_arguments(
    codes: NDArray[np.uint32],
    classes: NDArray[np.uint8],
    borders: NDArray[np.bool_],
    ends: Positions,
) -> None:
    r"""Parts digits that TeX reads one by one, in place: `\frac12` and `\log_82`; `ends` are those
    of the commands.
    """
    fractions, logarithms = (
        ends[np.all([codes[ends - len(name) + i] == ord(c) for i, c in enumerate(name)], axis=0)]
        for name in ("frac", "log")
    )
    logarithms = logarithms[codes[logarithms] == ord("_")] + 1
    firsts = np.concatenate([fractions, logarithms])
    firsts = firsts[classes[firsts] == DIGIT]
    borders[firsts + 1] = True
    seconds = fractions[classes[fractions] == DIGIT] + 1
    borders[seconds[classes[seconds] == DIGIT] + 1] = True


class _Meanings(NamedTuple):
    """Tokens that say nothing (0) or the same as others, sorted by hash."""

    tokens: Hashes
    means: Hashes
    circle: np.uint64
    power: np.uint64


@cache
def _meanings() -> _Meanings:
    same = meanings()
    spellings = list(itertools.chain(same.keys(), (m or " " for m in same.values()), "°^"))
    values = [_spelled(spelling) for spelling in spellings]
    tokens = np.array(values[: len(same)], np.uint64)
    means = np.array(values[len(same) : 2 * len(same)], np.uint64)
    means[[not m for m in same.values()]] = 0
    order = np.argsort(tokens)
    return _Meanings(tokens[order], means[order], np.uint64(values[-2]), np.uint64(values[-1]))


def _spelled(token: str) -> int:
    """The hash of one token as it is written, before synonyms."""
    characters = _characters(True)
    codes = np.array([ord(c) for c in token])
    command = token.startswith("\\") and token[1:].isalpha()
    values = (characters.cased if command else characters.numbers)[codes]
    values[0] = characters.numbers[codes[0]]
    return int(_hashed(values, np.array([0]), np.array([len(token)]))[0])


def _meant(
    hashes: Hashes, kinds: NDArray[np.uint8], several: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Makes synonyms one, in place, and says which of the tokens say anything."""
    table = _meanings()
    asked = np.flatnonzero(several & (kinds >= BACKSLASH))
    found = np.searchsorted(table.tokens, hashes[asked])
    found = np.minimum(found, len(table.tokens) - 1)
    known = table.tokens[found] == hashes[asked]
    hashes[asked[known]] = table.means[found[known]]
    kept = hashes != 0
    powers = np.flatnonzero(hashes[:-1] == table.power)
    kept[powers[hashes[powers + 1] == table.circle]] = False  # 90^\circ is 90°
    return kept


def _masked(
    hashes: Hashes, kinds: NDArray[np.uint8], begins: Positions, ends: Positions
) -> NDArray[np.bool_]:
    """Makes every number the same, in place, and says which tokens stay; `1,234.5` is one."""
    digits = kinds == DIGIT
    hashes[digits] = 1
    kept = np.ones(len(hashes), bool)
    marks = np.isin(hashes, [_spelled("."), _spelled(",")])
    joined = marks[1:-1] & digits[:-2] & digits[2:]
    joined &= (ends[:-2] == begins[1:-1]) & (ends[1:-1] == begins[2:])
    kept[1:-1][joined] = False
    kept[2:][joined] = False
    return kept
