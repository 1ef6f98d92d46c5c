"""TRL's reward functions under its own names, with its own parameters and defaults.

    from curate.scorers.trl_rewards import get_cosine_scaled_reward, think_format_reward
    curate score trl.get_cosine_scaled_reward:max_len=2000 FILE

The numbers are those of TRL 1.16, but that rightness is what `BoxedAnswer` says: it refuses what
math_verify wrongly takes for equal, and a timeout is None instead of wrong.
"""

from __future__ import annotations

from curate.scorers.boxed_answer import BoxedAnswer
from curate.scorers.cosine_scaled import CosineScaled
from curate.scorers.open_r1 import get_soft_overlong_punishment
from curate.scorers.repetition_penalty import RepetitionPenalty
from curate.scorers.think_format import ThinkFormat

__all__ = [
    "accuracy_reward",
    "get_cosine_scaled_reward",
    "get_repetition_penalty_reward",
    "get_soft_overlong_punishment",
    "reasoning_accuracy_reward",
    "think_format_reward",
]

accuracy_reward = BoxedAnswer()
"""Whether the boxed answer is right, wherever it stands."""

reasoning_accuracy_reward = BoxedAnswer(after="</think>")
"""Whether the boxed answer after the reasoning is right; 0.0 where the reasoning never ends."""

think_format_reward = ThinkFormat(style="trl")
"""Whether the completion begins with the one `<think>` and closes it."""


def get_cosine_scaled_reward(
    max_len: int,
    min_value_wrong: float = -1.0,
    max_value_wrong: float = -0.5,
    min_value_correct: float = 0.5,
    max_value_correct: float = 1.0,
) -> CosineScaled:
    """Rightness scaled by the number of tokens; longer than `max_len` is as `max_len`."""
    return CosineScaled(
        max_len, min_value_wrong, max_value_wrong, min_value_correct, max_value_correct, boxed=True
    )


def get_repetition_penalty_reward(
    ngram_size: int = 3, max_penalty: float = -1.0
) -> RepetitionPenalty:
    """The share of n-grams of token ids that stood there before."""
    return RepetitionPenalty(ngram_size, max_penalty, "tokens")
