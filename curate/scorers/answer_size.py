"""What the length rewards share: which rule says that an answer is right, and how long it is."""

from __future__ import annotations

from typing import Literal

from curate.sample import Sample
from curate.scorers.boxed_answer import BoxedAnswer
from curate.scorers.math_answer import MathAnswer
from curate.scorers.scorer import Scorer
from curate.text import words

Unit = Literal["tokens", "characters"]


def answer_rule(boxed: bool) -> Scorer:
    """The rule that says whether an answer is right: the final one, or the boxed one."""
    return BoxedAnswer() if boxed else MathAnswer()


def size(sample: Sample, unit: Unit) -> tuple[int, str]:
    """How long the completion is, and in what: words where its tokens were not counted."""
    if unit == "characters":
        return len(sample.text), "characters"
    if sample.completion_tokens is not None:
        return sample.completion_tokens, "tokens"
    return len(words(sample.text)), "words"
