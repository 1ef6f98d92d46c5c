"""How much of a benchmark's item stands in a text, in order, with its numbers and its signs.

Two texts of one template share nearly all words and differ in a number or a sign: they are two
problems. An item that was marked up, cut at its end, or stands inside a longer text has its numbers
where they were. So the longest common subsequence of tokens says what is there, and what stands in
its gaps says whether it is the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.select.tokens import Hashes, Positions, Tokens, starts_of, tokenize

WORD, LETTER, DRAWING, DRAWN, NUMBER, SIGN = range(6)
"""Kinds of tokens; a letter is a single one, as names of variables are. `DRAWN` are the numbers in
the code of a drawing.
"""
WEIGHTS = np.array([1.0, 0.5, 0.1, 0.1, 1.0, 0.5])
"""A word or number says more than a letter or a sign, of which formulas have many. The code of a
drawing is long, and shared by different questions about it.
"""
CODE_OF_DRAWING = re.compile(
    r"\[asy\].*?(?:\[/asy\]|$)|\\begin\{(tikz\w*)\}.*?(?:\\end\{\1\}|$)", re.DOTALL
)

SET_APART = r". , ; : ? ! ' \" ( ) [ ] \{ \} * _ # | & …"
"""Marks that copies change: they are left out before anything is compared."""
SIGNS = r"+ - = < > ≤ ≥ ≠ / ^ \frac √ ± %"

SLACK = 20
"""Tokens of a text looked at beyond one and a half times the item's length: a sentence put in."""


class Reading(NamedTuple):
    """A text as it is compared: its telling tokens, their kinds and their characters."""

    hashes: Hashes
    kinds: NDArray[np.uint8]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]

    def part(self, begin: int, end: int) -> Reading:
        """Tokens `begin` to `end`."""
        part = slice(begin, end)
        return Reading(self.hashes[part], self.kinds[part], self.begins[part], self.ends[part])

    @property
    def weight(self) -> float:
        """All that it says."""
        return float(WEIGHTS[self.kinds].sum())


class Alignment(NamedTuple):
    """What of an item a text holds; spans are characters of the two."""

    coverage: float
    """Share of the item's weight that stands in the text, in order."""
    of_text: float
    """Share of the text's weight that is the item's."""
    other: float
    """Share of the item's numbers and signs in whose place others stand."""
    matched: int
    """Tokens of the item that stand in the text."""
    item: tuple[int, int]
    text: tuple[int, int]


NOTHING = Alignment(0.0, 0.0, 0.0, 0, (0, 0), (0, 0))


@cache
def _hashes_of(tokens: str) -> Hashes:
    return np.unique(tokenize([tokens]).hashes)


def is_among(hashes: Hashes, few: Hashes) -> NDArray[np.bool_]:
    """Which of many hashes are in a short sorted list."""
    found = np.minimum(np.searchsorted(few, hashes), len(few) - 1)
    return few[found] == hashes


def telling(texts: Sequence[str], *, numbers: Literal["kept", "masked"] = "kept") -> Tokens:
    """The tokens of texts without marks that copies change.

    >>> a, b = telling(["**Find** $(3, 4)$."]), telling(["find 3 4"])
    >>> a.hashes.tolist() == b.hashes.tolist()
    True
    """
    tokens = tokenize(texts, numbers=numbers)
    kept = ~is_among(tokens.hashes, _hashes_of(SET_APART))
    starts = before(kept)[tokens.starts]
    return Tokens(tokens.hashes[kept], starts, tokens.begins[kept], tokens.ends[kept])


def reading(tokens: Tokens, i: int, text: str) -> Reading:
    """Text `i` of a batch, ready to be compared."""
    part = slice(tokens.starts[i], tokens.starts[i + 1])
    hashes, begins, ends = tokens.hashes[part], tokens.begins[part], tokens.ends[part]
    kinds = np.where(ends - begins == 1, LETTER, WORD).astype(np.uint8)
    firsts = [text[begin] for begin in begins.tolist()]
    kinds[[first.isdigit() for first in firsts]] = NUMBER
    kinds[is_among(hashes, _hashes_of(SIGNS))] = SIGN
    for drawing in CODE_OF_DRAWING.finditer(text):
        inside = (begins >= drawing.start()) & (ends <= drawing.end())
        kinds[inside] = np.where(kinds[inside] == NUMBER, DRAWN, DRAWING)
    return Reading(hashes, kinds, begins, ends)


def align(item: Reading, text: Reading) -> Alignment:
    """The best place of an item in a text, and how much of it stands there.

    >>> def of(a, b):
    ...     tokens = telling([a, b])
    ...     found = align(reading(tokens, 0, a), reading(tokens, 1, b))
    ...     return round(found.coverage, 2), round(found.other, 2)
    >>> of("What is 12 divided by 4?", "Problem 3. What is $12$ divided\\nby 4?")
    (1.0, 0.0)
    >>> of("What is 12 divided by 4?", "What is 15 divided by 4?")
    (0.83, 0.5)
    """
    start, end = _window(item, text)
    near = text.part(start, end)
    pairs = common(item.hashes, near.hashes)
    if not len(pairs):
        return NOTHING
    ours, theirs = pairs[:, 0], pairs[:, 1]
    weight = float(WEIGHTS[item.kinds[ours]].sum())
    told = int((item.kinds >= DRAWN).sum())
    return Alignment(
        coverage=weight / item.weight,
        of_text=weight / text.weight,
        other=_others(item.kinds, near.kinds, pairs) / max(told, 1),
        matched=len(pairs),
        item=(int(item.begins[ours[0]]), int(item.ends[ours[-1]])),
        text=(int(near.begins[theirs[0]]), int(near.ends[theirs[-1]])),
    )


def before(which: NDArray[np.bool_]) -> Positions:
    """How many there are before each place, and in all."""
    return starts_of(which.astype(np.int64))


def _window(item: Reading, text: Reading) -> tuple[int, int]:
    """The tokens of a text among which most of the item's stand."""
    size = len(item.hashes) * 3 // 2 + SLACK
    if len(text.hashes) <= size:
        return 0, len(text.hashes)
    counts = before(is_among(text.hashes, np.unique(item.hashes)))
    start = int(np.argmax(counts[size:] - counts[:-size]))
    return start, start + size


def _others(item: NDArray[np.uint8], text: NDArray[np.uint8], pairs: NDArray[np.int64]) -> int:
    """How many of the item's numbers and signs have others in their place, or are missing between
    two tokens that are there; and how many were put between two, without a word beside them.
    """
    ours, theirs, worded = (
        before(item >= DRAWN),
        before(text >= DRAWN),
        before(text == WORD),
    )
    begins, ends = pairs[:-1] + 1, pairs[1:]
    missing = ours[ends[:, 0]] - ours[begins[:, 0]]
    put_in = theirs[ends[:, 1]] - theirs[begins[:, 1]]
    put_in[worded[ends[:, 1]] > worded[begins[:, 1]]] = 0
    inside = int(np.maximum(missing, put_in).sum())
    (i, j), (last_i, last_j) = pairs[0].tolist(), pairs[-1].tolist()
    ahead = min(ours[i], theirs[j] - theirs[max(0, j - i - 1)])
    rest = len(item) - last_i
    after = min(
        ours[-1] - ours[last_i + 1],
        theirs[min(len(text), last_j + rest + 1)] - theirs[last_j + 1],
    )
    return inside + int(ahead) + int(after)


def common(a: Hashes, b: Hashes) -> NDArray[np.int64]:
    """Positions (in a, in b) of a longest common subsequence.

    Bit-parallel, one step for each token of `b` (Hyyrö 2004, "Bit-parallel LCS-length computation
    revisited"): a bit that falls to 0 in row j says that token of `a` ends a longer one.
    """
    places: dict[int, int] = {}
    for i, token in enumerate(a.tolist()):
        places[token] = places.get(token, 0) | (1 << i)
    every = (1 << len(a)) - 1
    row, rows = every, []
    for token in b.tolist():
        if at := places.get(token, 0) & row:
            row = ((row + at) | (row - at)) & every
        rows.append(row)
    pairs: list[tuple[int, int]] = []
    i, j = len(a) - 1, len(b) - 1
    while i >= 0 and j >= 0:
        if rows[j] >> i & 1:
            i -= 1
        elif j and not rows[j - 1] >> i & 1:
            j -= 1
        else:
            pairs.append((i, j))
            i, j = i - 1, j - 1
    return np.array(pairs[::-1], np.int64).reshape(-1, 2)
