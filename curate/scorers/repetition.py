"""Does an answer say the same again and again?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.new_words import NewWords
from curate.scorers.scorer import Scorer, Watching
from curate.text import words

_LEAST_WORDS = 100


@dataclass(frozen=True)
class Repetition(Scorer):
    """1 - the share of n-grams of words that stood there before; 0.0 for a loop; never None.

    The measure of Gopher (Rae et al. 2021, table A1), counted in n-grams. A loop is an n-gram that
    stands there `loop` times, wherever, or a stretch of any length that is said `in_a_row` times
    without a break, 100 words in all. Of 69 sound chains none says a 20-gram more than 5 times,
    and the longest repeat in a row is one of 28 words, said 2.1 times (59 words).

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> Repetition(n=3).judge(prompt.with_completion("3 + 4 is 7, I think.")).score
    1.0
    >>> Repetition(n=3).judge(prompt.with_completion("wait, no, " * 20))
    Verdict(score=0.0, reason='a loop: said 10 times: wait, no, wait,')
    """

    n: int = 20
    loop: int = 10
    in_a_row: int = 4

    def __post_init__(self) -> None:
        if self.n < 1 or self.loop < 2 or self.in_a_row < 2:
            raise UsageError(
                f"Repetition: n={self.n} is at least 1, loop={self.loop} and "
                f"in_a_row={self.in_a_row} at least 2"
            )

    def judge(self, sample: Sample) -> Verdict:
        said = _Said(self)
        if fault := said.add(words(sample.text)):
            return Verdict(0.0, fault)
        if not said.grams:
            return Verdict(1.0, f"fewer than {self.n} words")
        again = said.grams - said.different
        return Verdict(1 - again / said.grams, f"{again} of {said.grams} {self.n}-grams again")

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        return _Growing(self) if at_least > 0 else None


class _Said:
    """The n-grams of the words so far, each with how often it stood there and where last."""

    def __init__(self, rule: Repetition) -> None:
        self._rule = rule
        self._seen: dict[int, tuple[int, int]] = {}
        self._tail: list[str] = []
        self._period = self._run = 0
        self.grams = 0

    @property
    def different(self) -> int:
        return len(self._seen)

    def add(self, said: Sequence[str]) -> str | None:
        """Takes further words; says why they are a loop, if they are."""
        n, rule, seen = self._rule.n, self._rule, self._seen
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
                if times + 1 >= rule.loop:
                    return f"a loop: said {times + 1} times: {' '.join(gram)[:60]}"
                # Each n-gram of the run stood there `period` words before.
                length = run + n - 1 + period
                if length >= _LEAST_WORDS and length >= rule.in_a_row * period:
                    often = f"{length / period:.1f} times in a row, {period} words each"
                    return f"a loop: {often}: {' '.join(gram)[:60]}"
            grams += 1
        self.grams, self._period, self._run = grams, period, run
        return None


class _Growing:
    """The words of a growing answer; the last one may still grow, so it is not looked at."""

    def __init__(self, rule: Repetition) -> None:
        self._new, self._said = NewWords(), _Said(rule)
        self._fault: str | None = None

    def __call__(self, piece: str, tokens: int) -> str | None:
        if self._fault is None:
            self._fault = self._said.add(self._new.feed(piece))
        return self._fault
