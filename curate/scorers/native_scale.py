"""Rules whose numbers are not in [0, 1]: penalties below zero, a cosine from -1 to 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer


class Number(NamedTuple):
    """What a rule says on its own scale, or None with the reason why it cannot."""

    value: float | None
    reason: str


@dataclass(frozen=True)
class NativeScale(Scorer):
    """A rule with a scale of its own; subclasses have `numbers` and `scale`.

    TRL and `rewards` get the number itself. A verdict has it mapped linearly, `scale` onto [0, 1],
    and gives the number in the reason.
    """

    def numbers(self, samples: Sequence[Sample]) -> list[Number]:
        """The numbers of several samples, in order."""
        raise NotImplementedError

    @property
    def scale(self) -> tuple[float, float]:
        """The least and the largest number that there can be."""
        raise NotImplementedError

    def judge(self, sample: Sample) -> Verdict:
        return self.judge_all([sample])[0]

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        return [
            Verdict(self.score(value), reason if value is None else f"{value:.6g}: {reason}")
            for value, reason in self.numbers(list(samples))
        ]

    def rewards(self, samples: Sequence[Sample]) -> list[float | None]:
        return [number.value for number in self.numbers(samples)]

    def score(self, value: float | None) -> float | None:
        """Where in the scale a number lies: 0.0 the least, 1.0 the largest."""
        least, largest = self.scale
        if value is None or largest <= least:
            return value if value is None else 1.0
        return min(1.0, max(0.0, (value - least) / (largest - least)))
