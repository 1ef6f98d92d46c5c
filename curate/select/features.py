r"""What `Dedup` knows of a text: its n-grams and a few numbers that must agree.

A problem is more than its words. Its variables may have other names, so they are numbered in the
order in which they appear; and its numbers, signs and relations in their order are its `formula`,
which duplicates share: `2n-1` and `2n+1` differ there, `2t-1` and `2n-1` do not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.select.surface import surface
from curate.select.symbols import meanings
from curate.select.tokens import Hashes, Positions, Tokens, mixed, starts_of, tokenize

COMPLETION_TOKENS = 3
PROBLEM_TOKENS = 2
"""Tokens of an n-gram. Problems are short: see benchmarks/dedup.py for what other lengths find."""

Numbers = Literal["kept", "masked"]


class Features(NamedTuple):
    """What is compared of several texts, one entry a text; `grams` as `Tokens.ngrams` has them."""

    grams: Hashes
    starts: Positions
    whole: Hashes
    """Of all tokens in their order: equal for the same text in another spelling."""
    same: Hashes
    """What every pair of duplicates has in common: of problems numbers, signs and variables."""
    diagram: Hashes
    """Of the code of a problem's diagrams; 0 without any."""


def of_completions(texts: Sequence[str], numbers: Numbers) -> Features:
    """The features of completions: all their tokens."""
    tokens = tokenize(texts, numbers=numbers)
    none = np.zeros(len(texts), np.uint64)
    whole = sequence(tokens.hashes, tokens.starts)
    return Features(*tokens.ngrams(COMPLETION_TOKENS), whole, none, none)


def of_problems(texts: Sequence[str], numbers: Numbers, *, exact: bool = False) -> Features:
    """The features of problems: what they say, not how it is set or which letters it takes.

    With `exact` the letters and the punctuation count in `whole`.
    """
    seen = [surface(text) for text in texts]
    shown = [s.text for s in seen]
    tokens = tokenize(shown, numbers=numbers)
    kinds = _kinds(shown, tokens)
    hashes = np.where(kinds == VARIABLE, _renamed(shown, tokens, kinds), tokens.hashes)
    said = _part(tokens, hashes, kinds != PUNCTUATION)
    formula = _part(tokens, hashes, np.isin(kinds, (NUMBER, VARIABLE, SIGN)))
    drawn = [i for i, s in enumerate(seen) if s.diagrams]
    diagram = np.zeros(len(texts), np.uint64)
    if drawn:
        code = tokenize([seen[i].diagrams for i in drawn], latex=False)
        diagram[drawn] = sequence(code.hashes, code.starts) | np.uint64(1)
    told = tokens if exact else said
    whole = sequence(told.hashes, told.starts) ^ diagram
    same = sequence(formula.hashes, formula.starts)
    return Features(*_counted(*said.ngrams(PROBLEM_TOKENS)), whole, same, diagram)


def _counted(grams: Hashes, starts: Positions) -> tuple[Hashes, Positions]:
    """N-grams that come again in a text as features of their own: only so every word that is put
    between others takes a feature away.
    """
    owners = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((grams, owners))
    same = (grams[order[1:]] == grams[order[:-1]]) & (owners[order[1:]] == owners[order[:-1]])
    new = np.flatnonzero(np.r_[True, ~same][: len(order)])
    before = np.arange(len(order)) - np.repeat(new, np.diff(np.r_[new, len(order)]))
    counted = grams.copy()
    counted[order] += before.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return counted, starts


def sequence(hashes: Hashes, starts: Positions) -> Hashes:
    """One hash of each text's tokens in their order."""
    sizes = np.diff(starts)
    places = np.arange(len(hashes)) - np.repeat(starts[:-1], sizes)
    sums = np.zeros(len(hashes) + 1, np.uint64)
    np.cumsum(mixed(hashes + mixed(places.astype(np.uint64))), out=sums[1:])
    return mixed(sums[starts[1:]] - sums[starts[:-1]])


WORD, NUMBER, VARIABLE, SIGN, PUNCTUATION, NOTHING = range(6)
_NO_SIGNS = ',;:?"`\u2026\u3002\uff1f\u00bf\u00a1#&@'


def _part(tokens: Tokens, hashes: Hashes, kept: NDArray[np.bool_]) -> Tokens:
    """The tokens that are `kept`, with other hashes."""
    counts = np.concatenate([[0], np.cumsum(kept)])[tokens.starts]
    return Tokens(hashes[kept], counts, tokens.begins[kept], tokens.ends[kept])


@cache
def _classes() -> NDArray[np.uint8]:
    """Of every code point in the first planes: a word's letter, a digit, a sign, punctuation."""
    names = {"L": WORD, "M": WORD, "N": NUMBER, "P": PUNCTUATION, "S": SIGN}
    kinds = [names.get(unicodedata.category(chr(code))[0], NOTHING) for code in range(0x3100)]
    found = np.zeros(0x110000, np.uint8)
    found[: len(kinds)] = kinds
    found[[ord(c) for c in "()[]{}*/%-\\^_|<>=+"]] = SIGN
    found[[ord(c) for c in _NO_SIGNS]] = PUNCTUATION
    found[ord("\u03c0")] = SIGN
    return found


def _kinds(texts: Sequence[str], tokens: Tokens) -> NDArray[np.uint8]:
    """What each token is."""
    codes, at = _codes(texts, tokens)
    first, before, after = codes[at], codes[at - 1], codes[at + tokens.ends - tokens.begins]
    sizes = tokens.ends - tokens.begins
    classes = _classes()
    kinds = classes[first]
    commands = np.flatnonzero((first == ord("\\")) & (sizes > 1))
    kinds[commands] = _kinds_of_commands(tokens.hashes[commands])
    alone = (kinds == WORD) & (sizes == 1) & (first < 0x530)
    kinds[alone] = VARIABLE
    next_sizes = np.r_[sizes[1:], 0]
    next_kinds = np.r_[kinds[1:], PUNCTUATION]
    apart = (classes[before] == NOTHING) & (classes[after] == NOTHING)
    is_article = alone & np.isin(first, (ord("a"), ord("A"))) & apart
    next_letters = np.r_[classes[first[1:]] == WORD, False]
    kinds[is_article & next_letters & (next_sizes > 1)] = WORD
    beside_digits = (classes[before] == NUMBER) & (classes[after] == NUMBER)
    kinds[(first == ord(".")) & beside_digits] = SIGN
    kinds[(first == ord("!")) & (after != ord("!")) & _is_term(before, codes[at - 2])] = SIGN
    kinds[(first == ord("'")) & _is_term(before, codes[at - 2]) & (classes[after] != WORD)] = SIGN
    words = (classes[before] == WORD) & (classes[after] == WORD)
    kinds[(first == ord("-")) & words & (sizes == 1) & ~_is_term(before, codes[at - 2])] = (
        PUNCTUATION
    )
    dashes = (first == ord("-")) & apart
    kinds[dashes & (np.r_[PUNCTUATION, kinds[:-1]] == WORD) & (next_kinds == WORD)] = PUNCTUATION
    bars = np.isin(tokens.hashes, _bars())
    kinds[bars] = PUNCTUATION
    return kinds


def _is_term(code: NDArray[np.uint32], before: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """True for a digit, a closing bracket, or a letter that stands alone."""
    classes = _classes()
    alone = (classes[code] == WORD) & (classes[before] != WORD)
    return alone | (classes[code] == NUMBER) | np.isin(code, (ord(")"), ord("]"), ord("}")))


def _kinds_of_commands(hashes: Hashes) -> NDArray[np.uint8]:
    r"""What LaTeX's commands are: letters and names of functions what these are, others signs."""
    known, kinds = _commands()
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.where(known[places] == hashes, kinds[places], np.uint8(SIGN))


@cache
def _commands() -> tuple[Hashes, NDArray[np.uint8]]:
    means = sorted({m for m in meanings().values() if m and m[0] != "\\" and m != "\u03c0"})
    hashes = tokenize(means).hashes
    kinds = _classes()[[ord(m[0]) for m in means]]
    kinds[[len(m) == 1 and m.isalpha() for m in means]] = VARIABLE
    order = np.argsort(hashes)
    return hashes[order], kinds[order]


@cache
def _bars() -> Hashes:
    r"""Tokens that make a fraction, which `1/2`, `\frac12` and `{1 \over 2}` have in other places;
    its numbers stay.
    """
    return tokenize([r"/ \frac \over \lvert"]).hashes[:3]


def _codes(texts: Sequence[str], tokens: Tokens) -> tuple[NDArray[np.uint32], Positions]:
    """The code points of all texts with two zeros before and one after each, and where each token
    begins there.
    """
    joined = "\0\0" + "\0".join([*texts, ""])
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    offsets = starts_of(lengths)[:-1] + 2
    return codes, tokens.begins + np.repeat(offsets, np.diff(tokens.starts))


def _renamed(texts: Sequence[str], tokens: Tokens, kinds: NDArray[np.uint8]) -> Hashes:
    """For each variable a hash of its number in the order of first appearance in its text."""
    codes, at = _codes(texts, tokens)
    places = np.flatnonzero(kinds == VARIABLE)
    owners = np.repeat(np.arange(len(texts)), np.diff(tokens.starts))[places]
    letters = codes[at[places]].astype(np.uint64)  # A is not a, but \alpha is \u03b1
    letters = np.where(letters == ord("\\"), tokens.hashes[places], letters)
    letters = np.where(letters < 0x80, letters, tokens.hashes[places])
    letters = mixed(letters + mixed(owners.astype(np.uint64)))
    _, firsts, which = np.unique(letters, return_index=True, return_inverse=True)
    order = np.argsort(firsts, kind="stable")
    owner_of = owners[firsts[order]]
    begin = np.searchsorted(owner_of, owner_of)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order)) - begin
    found = np.zeros(len(kinds), np.uint64)
    found[places] = mixed(ranks[which].astype(np.uint64) + np.uint64(0x5EED))
    return found
