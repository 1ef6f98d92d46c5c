"""Is an answer neither too short nor too long?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.new_words import NewWords
from curate.scorers.scorer import Scorer, Watching
from curate.text import words


@dataclass(frozen=True)
class Length(Scorer):
    """1.0 when the whole completion has from `minimum` to `maximum` units, else 0.0; never None.

    `tokens` are the engine's count; where there is none (a file from elsewhere), words are counted.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> Length(maximum=5, unit="words").judge(prompt.with_completion("It is 7.")).score
    1.0
    >>> Length(maximum=5).judge(prompt.with_completion("It is 7.", completion_tokens=6))
    Verdict(score=0.0, reason='6 tokens')
    """

    minimum: int = 1
    maximum: int | None = None
    unit: Literal["tokens", "words", "characters"] = "tokens"

    def __post_init__(self) -> None:
        if self.minimum < 0 or (self.maximum is not None and self.maximum < self.minimum):
            raise UsageError(
                f"Length: minimum={self.minimum}, maximum={self.maximum} leaves no length"
            )

    def judge(self, sample: Sample) -> Verdict:
        length, unit = self._measure(sample)
        inside = self.minimum <= length and (self.maximum is None or length <= self.maximum)
        return Verdict(float(inside), f"{length} {unit}")

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        return _Counted(self.unit, self.maximum) if self.maximum and at_least > 0 else None

    def _measure(self, sample: Sample) -> tuple[int, str]:
        if self.unit == "characters":
            return len(sample.text), "characters"
        if self.unit == "tokens" and sample.completion_tokens is not None:
            return sample.completion_tokens, "tokens"
        return len(words(sample.text)), "words"


class _Counted:
    """The length of a growing answer; tokens are the engine's, which decide in the end too."""

    def __init__(self, unit: str, maximum: int) -> None:
        self._unit, self._maximum = unit, maximum
        self._new, self._length = NewWords(), 0

    def __call__(self, piece: str, tokens: int) -> str | None:
        length = tokens
        if self._unit == "characters":
            length = self._length = self._length + len(piece)
        elif self._unit == "words":
            self._length += len(self._new.feed(piece))
            length = self._length + bool(self._new.unfinished)
        return f"{length} {self._unit}" if length > self._maximum else None
