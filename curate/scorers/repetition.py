"""Does an answer say the same again and again?"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.new_words import NewWords
from curate.scorers.scorer import Scorer, Watching
from curate.scorers.word_hashes import Numbers, WordHashes, gram_hashes, word_hashes
from curate.text import words

_LEAST_WORDS = 100
_LEAST_COUNTED_WORDS = 500
_LEAST_CHARACTERS = 600


@dataclass(frozen=True)
class Repetition(Scorer):
    """1 - the share of n-grams of words that stood there before; 0.0 for a loop; never None.

    The measure of Gopher (Rae et al. 2021, table A1), counted in n-grams. A loop is one of these:

    - an n-gram that stands there `loop` times, wherever;
    - a stretch of any length that is said `in_a_row` times without a break, 100 words in all;
    - one of 4 words and more that is said `counted` times but for its numbers ("Step 1: I add …"),
      500 words in all (a list of numbers is none);
    - without spaces, a stretch of characters that is said `in_a_row` times, 600 characters in all.

    Of 69 sound chains none says a 20-gram more than 5 times, the longest repeat in a row is one of
    28 words, said 2.1 times (59 words), and the longest but for its numbers one of 12, said 9 times
    (108 words); of 12,500 solutions of MATH and GSM8K a matrix of 26 rows (103 words).

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> Repetition(n=3).judge(prompt.with_completion("3 + 4 is 7, I think.")).score
    1.0
    >>> Repetition(n=3).judge(prompt.with_completion("wait, no, " * 20))
    Verdict(score=0.0, reason='a loop: said 10 times: wait, no, wait,')
    """

    n: int = 20
    loop: int = 10
    in_a_row: int = 4
    counted: int = 40

    def __post_init__(self) -> None:
        if self.n < 1 or min(self.loop, self.in_a_row, self.counted) < 2:
            raise UsageError(
                f"Repetition: n={self.n} is at least 1, loop={self.loop}, in_a_row={self.in_a_row}"
                f" and counted={self.counted} at least 2"
            )

    def judge(self, sample: Sample) -> Verdict:
        if (sound := self._sound(word_hashes(sample.text))) is not None:
            return sound
        looking = _Looking(self)
        fault = looking.add(words(sample.text), is_whole=True)
        for run in () if fault else _LONG_RUNS.finditer(sample.text):
            fault = fault or _Unspaced(self.in_a_row).add(run.group())
        if fault:
            return Verdict(0.0, fault)
        grams = looking.said.grams
        if not grams:
            return Verdict(1.0, f"fewer than {self.n} words")
        again = grams - looking.said.different
        return Verdict(1 - again / grams, f"{again} of {grams} {self.n}-grams again")

    def _sound(self, text: WordHashes) -> Verdict | None:
        """The verdict where plainly no loop is; else None, and the words are looked at in turn.

        Takes an eighth of the time, and most answers have no loop.
        """
        if text.longest_run >= _LEAST_CHARACTERS:
            return None
        ordered = np.sort(gram_hashes(text.unnumbered, _COUNTED_GRAM))
        again = int((ordered[1:] == ordered[:-1]).sum())
        # A loop's words stood there before, but for the first time and the first gram.
        if again > _LEAST_COUNTED_WORDS * (1 - 1 / self.counted) - _COUNTED_GRAM:
            return None
        grams = gram_hashes(text.words, self.n)
        if not len(grams):
            return Verdict(1.0, f"fewer than {self.n} words")
        ordered = np.sort(grams)
        again = int((ordered[1:] == ordered[:-1]).sum())
        if again and self._may_loop(grams):
            return None
        return Verdict(1 - again / len(grams), f"{again} of {len(grams)} {self.n}-grams again")

    def _may_loop(self, grams: Numbers) -> bool:
        """Whether one stands there `loop` times, or a stretch of them `in_a_row` times."""
        order = np.argsort(grams, kind="stable")
        same = grams[order[1:]] == grams[order[:-1]]
        number = np.arange(len(grams))
        # How many equal ones stand before each: its place since the last border between kinds.
        borders = np.concatenate(([True], ~same))
        before = number - np.maximum.accumulate(np.where(borders, number, 0))
        if before.max() + 1 >= self.loop:
            return True
        period = np.zeros(len(grams), np.int64)
        period[order[1:][same]] = (order[1:] - order[:-1])[same]
        borders = np.concatenate(([True], period[1:] != period[:-1]))
        run = number - np.maximum.accumulate(np.where(borders, number, 0)) + 1
        least = np.maximum(_LEAST_WORDS, self.in_a_row * period)
        return bool(((period > 0) & (run + self.n - 1 + period >= least)).any())

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        return _Growing(self) if at_least > 0 else None


class _Looking:
    """The words so far, and the same without their numbers."""

    def __init__(self, rule: Repetition) -> None:
        self.said = _Said(rule.n, rule.loop, rule.in_a_row, _LEAST_WORDS, 1)
        self._counted = _Said(_COUNTED_GRAM, sys.maxsize, rule.counted, _LEAST_COUNTED_WORDS, 4)
        self._waiting: list[str] = []

    def add(self, new: Sequence[str], *, is_whole: bool = False) -> str | None:
        """Takes further words; says why they are a loop, if they are."""
        self._waiting += new
        size = len(self._waiting)
        full = size if is_whole else size - size % _AT_ONCE
        fault = self.said.add(new)
        if fault is None and full:
            # Words have no spaces, so this is each word without its numbers.
            said = _NUMBER.sub("0", " ".join(self._waiting[:full])).split(" ")
            fault, self._waiting = self._counted.add(said), self._waiting[full:]
        return fault


_COUNTED_GRAM = 20
_AT_ONCE = 64
"""Words that are looked at together: one by one they cost twice as much."""
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class _Said:
    """The n-grams of the words so far, each with how often it stood there and where last."""

    def __init__(self, n: int, loop: int, in_a_row: int, least: int, shortest: int) -> None:
        self._n, self._loop, self._in_a_row = n, loop, in_a_row
        self._least, self._shortest = least, shortest
        self._seen: dict[int, tuple[int, int]] = {}
        self._tail: list[str] = []
        self._period = self._run = 0
        self.grams = 0

    @property
    def different(self) -> int:
        return len(self._seen)

    def add(self, said: Sequence[str]) -> str | None:
        """Takes further words; says why they are a loop, if they are."""
        n, seen = self._n, self._seen
        said = [*self._tail, *said]
        self._tail = said[-(n - 1) :] if n > 1 else []
        grams, period, run = self.grams, self._period, self._run
        for gram in zip(*(said[i:] for i in range(n)), strict=False):
            key = hash(gram)  # a megabyte of tuples of 20 words would take 300 MB
            known = seen.get(key)
            if known is None:
                seen[key] = grams, 1
                period = run = 0
            else:
                before, times = known
                seen[key] = grams, times + 1
                run = run + 1 if grams - before == period else 1
                period = grams - before
                if times + 1 >= self._loop:
                    return f"a loop: said {times + 1} times: {' '.join(gram)[:60]}"
                # Each n-gram of the run stood there `period` words before.
                length = run + n - 1 + period
                least = max(self._least, self._in_a_row * period)
                if length >= least and period >= self._shortest:
                    often = f"{length / period:.1f} times in a row, {period} words each"
                    return f"a loop: {often}: {' '.join(gram)[:60]}"
            grams += 1
        self.grams, self._period, self._run = grams, period, run
        return None


class _Unspaced:
    """Characters with no space between them, or spaces with no character.

    Looked at when a run of them has 600, 1200, 2400, … characters, so each is looked at twice.
    """

    def __init__(self, in_a_row: int) -> None:
        self._in_a_row = in_a_row
        self._run: list[str] = []
        self._is_space = False
        self._length, self._next = 0, _LEAST_CHARACTERS

    def add(self, piece: str) -> str | None:
        """Takes further text; says why it is a loop, if it is."""
        for part in _PARTS.findall(piece):
            if part[0].isspace() != self._is_space:
                self._run, self._is_space = [], not self._is_space
                self._length, self._next = 0, _LEAST_CHARACTERS
            self._run.append(part)
            self._length += len(part)
            while self._length >= self._next:
                self._run = ["".join(self._run)]
                if fault := self._loop(self._run[0][: self._next]):
                    return fault
                self._next *= 2
        return None

    def _loop(self, run: str) -> str | None:
        """The period is that of the last characters; what repeats reaches back from the end."""
        tail = run[-_TAIL:]
        before = run.rfind(tail, 0, len(run) - 1)
        period = len(run) - _TAIL - before
        length = max(_LEAST_CHARACTERS, self._in_a_row * period)
        if before < 0 or length > len(run) or run[period - length :] != run[-length:-period]:
            return None
        return (
            f"a loop: {self._in_a_row} times in a row, {period} characters each: {tail[:period]!r}"
        )


_PARTS = re.compile(r"\s+|\S+")
_LONG_RUNS = re.compile(r"\S{32,}|\s{32,}")
"""None of fewer than 600 characters matters; this finds those quickly, and few others."""
_TAIL = 32
"""Characters by which a stretch is known again; shorter ones recur in numbers and in tables."""


class _Growing:
    """The words of a growing answer; the last one may still grow, so it is not looked at."""

    def __init__(self, rule: Repetition) -> None:
        self._new, self._looking = NewWords(), _Looking(rule)
        self._unspaced = _Unspaced(rule.in_a_row)
        self._fault: str | None = None

    def __call__(self, piece: str, tokens: int) -> str | None:
        if self._fault is None:
            ended = self._new.feed(piece)
            self._fault = self._looking.add(ended) or self._unspaced.add(piece)
        return self._fault
