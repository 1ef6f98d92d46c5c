"""Is an answer neither too short nor too long?"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.new_words import NewWords
from curate.scorers.scorer import Scorer, Watching
from curate.text import words


@dataclass(frozen=True)
class Length(Scorer):
    """1.0 when the whole completion has from `minimum` to `maximum` units, else 0.0; never None.

    With `soft` it falls from 1 to 0 over the last `soft` units before `maximum`: 1 + the soft
    overlong punishment of DAPO (Yu et al. 2025, arXiv 2503.14476, equation 13, L_cache = `soft`).

    `tokens` are the engine's count or, with `tokenizer` (a `tokenizer.json` or a name on the Hub),
    that one's; where there is neither (a file from elsewhere), words are counted.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> Length(maximum=5, unit="words").judge(prompt.with_completion("It is 7.")).score
    1.0
    >>> Length(maximum=5).judge(prompt.with_completion("It is 7.", completion_tokens=6))
    Verdict(score=0.0, reason='6 tokens')
    >>> Length(maximum=8, soft=4).judge(prompt.with_completion("7.", completion_tokens=5)).score
    0.75
    """

    minimum: int = 1
    maximum: int | None = None
    unit: Literal["tokens", "words", "characters"] = "tokens"
    soft: int = 0
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        if self.minimum < 0 or (self.maximum is not None and self.maximum < self.minimum):
            raise UsageError(
                f"Length: minimum={self.minimum}, maximum={self.maximum} leaves no length"
            )
        if self.soft < 0 or self.soft > (self.maximum or 0):
            raise UsageError(
                f"Length: soft={self.soft} is from 0 to maximum, which is {self.maximum}"
            )
        if self.tokenizer and self.unit != "tokens":
            raise UsageError(f"Length: a tokenizer counts tokens, not unit={self.unit}")

    def judge(self, sample: Sample) -> Verdict:
        length, unit = self._measure(sample)
        score = self.at_most(length) if length >= self.minimum else 0.0
        return Verdict(score, f"{length} {unit}")

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        if self.maximum is None or at_least <= 0 or self.tokenizer:
            return None  # a tokenizer may join what was two tokens before
        return _Counted(self, at_least)

    def at_most(self, length: int) -> float:
        """The score of a length that is not too short; the longer, the lower."""
        if self.maximum is None or length <= self.maximum - self.soft:
            return 1.0
        return max(self.maximum - length, 0) / self.soft if self.soft else 0.0

    def _measure(self, sample: Sample) -> tuple[int, str]:
        if self.unit == "characters":
            return len(sample.text), "characters"
        if self.tokenizer:
            tokens = _tokenizer(self.tokenizer).encode(sample.text, add_special_tokens=False)
            return len(tokens), "tokens"
        if self.unit == "tokens" and sample.completion_tokens is not None:
            return sample.completion_tokens, "tokens"
        return len(words(sample.text)), "words"


@cache
def _tokenizer(name: str) -> Any:
    if importlib.util.find_spec("tokenizers") is None:
        raise UsageError(f"Length: tokenizer={name} needs a package: pip install tokenizers")
    kind: Any = importlib.import_module("tokenizers").Tokenizer
    try:
        return kind.from_file(name) if Path(name).is_file() else kind.from_pretrained(name)
    except Exception as error:  # the package raises bare Exceptions
        raise UsageError(f"Length: tokenizer={name} cannot be loaded: {error}") from None


class _Counted:
    """The length of a growing answer; tokens are the engine's, which decide in the end too."""

    def __init__(self, rule: Length, at_least: float) -> None:
        self._rule, self._at_least = rule, at_least
        self._new, self._length = NewWords(), 0

    def __call__(self, piece: str, tokens: int) -> str | None:
        length, unit = tokens, self._rule.unit
        if unit == "characters":
            length = self._length = self._length + len(piece)
        elif unit == "words":
            self._length += len(self._new.feed(piece))
            length = self._length + bool(self._new.unfinished)
        still = Verdict(self._rule.at_most(length)).reaches(self._at_least)
        return None if still else f"{length} {unit}"
