"""Is the answer right, and how short? A right one is worth less the longer it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.answer_size import Unit, answer_rule, size
from curate.scorers.native_scale import NativeScale, Number
from curate.scorers.scorer import Watching


@dataclass(frozen=True)
class CosineScaled(NativeScale):
    r"""Rightness scaled by length along a cosine (Yeo et al. 2025, arXiv 2502.03373, appendix C.1).

    From `max_value_correct` (right, no length) to `min_value_correct` (right, `max_len`), and from
    `min_value_wrong` (wrong, no length) to `max_value_wrong`: a wrong answer that tried longer is
    punished less. Longer than `max_len` is as `max_len`. A verdict maps the number onto [0, 1];
    None as `MathAnswer`, or with `boxed` as `BoxedAnswer`.

    `clamp=False` lets the cosine rise again beyond `max_len`, as open-r1's does. `tokens` are the
    engine's count; where there is none, words are counted.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7")
    >>> seven = prompt.with_completion(r"It is \boxed{7}.", completion_tokens=500)
    >>> CosineScaled().rewards([seven])
    [0.75]
    >>> CosineScaled().judge(seven)
    Verdict(score=0.875, reason='0.75: right, 500 tokens')
    >>> CosineScaled().rewards([prompt.with_completion("It is 8.", completion_tokens=500)])
    [-0.75]
    """

    max_len: int = 1000
    min_value_wrong: float = -1.0
    max_value_wrong: float = -0.5
    min_value_correct: float = 0.5
    max_value_correct: float = 1.0
    unit: Unit = "tokens"
    clamp: bool = True
    boxed: bool = False

    needs_gold: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.max_len < 1:
            raise UsageError(f"CosineScaled: max_len={self.max_len} is at least 1")

    def numbers(self, samples: Sequence[Sample]) -> list[Number]:
        verdicts = answer_rule(self.boxed).judge_all(samples)
        return [self._number(s, v) for s, v in zip(samples, verdicts, strict=True)]

    @property
    def scale(self) -> tuple[float, float]:
        ends = (
            *(self.min_value_wrong, self.max_value_wrong),
            *(self.min_value_correct, self.max_value_correct),
        )
        return min(ends), max(ends)

    def gold_problem(self, prompt: Sample) -> str | None:
        return answer_rule(self.boxed).gold_problem(prompt)

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        rises = not self.clamp or self.min_value_correct > self.max_value_correct
        if at_least <= 0 or rises or self.unit != "tokens":
            return None
        return lambda piece, tokens: self._too_long(tokens, at_least)

    def _too_long(self, tokens: int, at_least: float) -> str | None:
        best = max(self.value(True, tokens), self.min_value_wrong, self.max_value_wrong)
        return None if Verdict(self.score(best)).reaches(at_least) else f"{tokens} tokens"

    def _number(self, sample: Sample, verdict: Verdict) -> Number:
        if verdict.score is None:
            return Number(None, verdict.reason)
        length, unit = size(sample, self.unit)
        right = verdict.score == 1.0
        return Number(
            self.value(right, length), f"{'right' if right else 'wrong'}, {length} {unit}"
        )

    def value(self, right: bool, length: int) -> float:
        """The number of a right or wrong answer of this length."""
        progress = length / self.max_len
        cosine = math.cos(math.pi * (min(progress, 1.0) if self.clamp else progress))
        short, long = self.min_value_wrong, self.max_value_wrong
        if right:
            short, long = self.max_value_correct, self.min_value_correct
        return long + (short - long) * (1 + cosine) / 2
