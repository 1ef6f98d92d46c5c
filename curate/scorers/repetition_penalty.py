"""How much of an answer was said before? As a penalty, the way trainers take it."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers.native_scale import NativeScale, Number


@dataclass(frozen=True)
class RepetitionPenalty(NativeScale):
    """`max_penalty` times the share of n-grams that stood there before; 0 for a text without one.

    Yeo et al. 2025 (arXiv 2502.03373, appendix C.2). Of `words`, lower-case, between blanks;
    `chinese`: words as jieba cuts them; `tokens`: the ids that a trainer gives, or a column
    `completion_ids`, None without; else never None. A verdict maps [max_penalty, 0] onto [0, 1].

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> rule = RepetitionPenalty(ngram_size=2)
    >>> rule.rewards([prompt.with_completion(s) for s in ("it is seven", "no no no no no")])
    [0.0, -0.75]
    >>> rule.judge(prompt.with_completion("no no no no no"))
    Verdict(score=0.25, reason='-0.75: 3 of 4 2-grams again')
    """

    ngram_size: int = 3
    max_penalty: float = -1.0
    unit: Literal["words", "chinese", "tokens"] = "words"

    def __post_init__(self) -> None:
        if self.ngram_size < 1:
            raise UsageError(f"RepetitionPenalty: ngram_size={self.ngram_size} is at least 1")
        if self.max_penalty > 0:
            raise UsageError(f"RepetitionPenalty: max_penalty={self.max_penalty} is at most 0")
        if self.unit == "chinese" and importlib.util.find_spec("jieba") is None:
            raise UsageError(
                "RepetitionPenalty: unit=chinese cuts words with jieba; pip install jieba"
            )

    @property
    def scale(self) -> tuple[float, float]:
        return self.max_penalty, 0.0

    def numbers(self, samples: Sequence[Sample]) -> list[Number]:
        return [self._number(sample) for sample in samples]

    def __call__(
        self, prompts: Any = None, completions: Any = (), completion_ids: Any = None, **columns: Any
    ) -> list[float | None]:
        """As any scorer; of `tokens` it is the `completion_ids` that count."""
        if self.unit == "tokens" and completion_ids is not None:
            return [self.number(ids).value for ids in completion_ids]
        return super().__call__(prompts, completions, completion_ids, **columns)

    def _number(self, sample: Sample) -> Number:
        if self.unit == "tokens":
            ids = sample.checks.get("completion_ids")
            return Number(None, "no completion_ids") if ids is None else self.number(ids)
        return self.number((_chinese_words if self.unit == "chinese" else _words)(sample.text))

    def number(self, units: Sequence[Any]) -> Number:
        """The penalty of these words or token ids."""
        n = self.ngram_size
        grams = len(units) - n + 1
        if grams < 1:
            return Number(0.0, f"fewer than {n} units")
        again = grams - len(set(zip(*(units[i:] for i in range(n)), strict=False)))
        return Number(
            again / grams * self.max_penalty or 0.0, f"{again} of {grams} {n}-grams again"
        )


def _words(text: str) -> list[str]:
    return text.lower().split()


def _chinese_words(text: str) -> list[str]:
    import jieba  # pyright: ignore[reportMissingImports]

    jieba.setLogLevel(logging.WARNING)  # it reports that it loads its dictionary
    return list(jieba.cut(text))
