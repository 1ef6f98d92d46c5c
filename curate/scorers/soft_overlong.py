"""Is an answer so long that the limit is near? A penalty that grows, instead of a cliff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.answer_size import size
from curate.scorers.native_scale import NativeScale, Number
from curate.scorers.scorer import Watching


@dataclass(frozen=True)
class SoftOverlong(NativeScale):
    """0 up to `max_completion_len - soft_punish_cache` tokens, falling to -1 at the limit.

    DAPO (arXiv 2503.14476, equation 13; there 16,384 tokens and 4,096 more to fall in). Longer
    ones are -1; never None: where no tokens were counted, words are. A verdict maps it onto [0, 1].

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> rule = SoftOverlong(max_completion_len=100, soft_punish_cache=20)
    >>> rule.rewards([prompt.with_completion("7", completion_tokens=n) for n in (80, 90, 101)])
    [0.0, -0.5, -1.0]
    >>> rule.judge(prompt.with_completion("7", completion_tokens=90))
    Verdict(score=0.5, reason='-0.5: 90 tokens')
    """

    max_completion_len: int = 20_480
    soft_punish_cache: int = 4_096

    def __post_init__(self) -> None:
        if not 0 <= self.soft_punish_cache <= self.max_completion_len:
            raise UsageError(
                f"SoftOverlong: soft_punish_cache={self.soft_punish_cache} is from 0 to "
                f"max_completion_len={self.max_completion_len}"
            )

    @property
    def scale(self) -> tuple[float, float]:
        return -1.0, 0.0

    def numbers(self, samples: Sequence[Sample]) -> list[Number]:
        sizes = [size(sample, "tokens") for sample in samples]
        return [Number(self.value(length), f"{length} {unit}") for length, unit in sizes]

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        return (lambda piece, tokens: self._too_long(tokens, at_least)) if at_least > 0 else None

    def _too_long(self, tokens: int, at_least: float) -> str | None:
        best = Verdict(self.score(self.value(tokens)))
        return None if best.reaches(at_least) else f"{tokens} tokens"

    def value(self, length: int) -> float:
        """The penalty of this length."""
        over = length - (self.max_completion_len - self.soft_punish_cache)
        if over <= 0:
            return 0.0
        return -1.0 if length > self.max_completion_len else -over / self.soft_punish_cache
