"""Does an answer say the same again and again?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer
from curate.text import words


@dataclass(frozen=True)
class Repetition(Scorer):
    """1 - the share of n-grams of words that stood there before; 0.0 for a loop; never None.

    The measure of Gopher (Rae et al. 2021, table A1), counted in n-grams. A loop is an n-gram that
    stands there `loop` times: one of any period is found, however long the text around it. Sound
    chains have at most 5 (69 of them measured).

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> Repetition(n=3).judge(prompt.with_completion("3 + 4 is 7, I think.")).score
    1.0
    >>> Repetition(n=3).judge(prompt.with_completion("wait, no, " * 20))
    Verdict(score=0.0, reason='a loop: said 19 times: wait, no, wait,')
    """

    n: int = 20
    loop: int = 10

    def __post_init__(self) -> None:
        if self.n < 1 or self.loop < 2:
            raise UsageError(f"Repetition: n={self.n} is at least 1, loop={self.loop} at least 2")

    def judge(self, sample: Sample) -> Verdict:
        said = words(sample.text)
        grams = self._grams(said)
        if fault := self._loop(said, grams):
            return Verdict(0.0, fault)
        if not grams:
            return Verdict(1.0, f"fewer than {self.n} words")
        again = len(grams) - len(set(grams))
        return Verdict(1 - again / len(grams), f"{again} of {len(grams)} {self.n}-grams again")

    def hopeless(self, beginning: Sample, at_least: float) -> str | None:
        # The last word may still grow.
        said = words(beginning.text)[:-1]
        return self._loop(said, self._grams(said)) if at_least > 0 else None

    def _grams(self, said: list[str]) -> list[int]:
        """The n-grams as hashes: a megabyte of tuples of 20 words would take 300 MB."""
        return [hash(gram) for gram in zip(*(said[i:] for i in range(self.n)), strict=False)]

    def _loop(self, said: list[str], grams: list[int]) -> str | None:
        if not grams:
            return None
        gram, times = Counter(grams).most_common(1)[0]
        if times < self.loop:
            return None
        start = grams.index(gram)
        return f"a loop: said {times} times: {' '.join(said[start : start + self.n])[:60]}"
