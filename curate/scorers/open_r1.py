"""open-r1's reward set under its own names, with its own parameters and defaults.

    curate score get_cosine_scaled_reward:max_len=2000 FILE
    GRPOTrainer(reward_funcs=[accuracy_reward, get_repetition_penalty_reward(3, -1.0)], …)

The numbers are those of open-r1 (src/open_r1/rewards.py, April 2026), its quirks included, but for
what docs/verdicts-format.md lists: a gold answer that cannot be read is None in every one of them,
and rightness is what `BoxedAnswer` says.
"""

from __future__ import annotations

from typing import Literal

from curate.errors import UsageError
from curate.scorers.boxed_answer import BoxedAnswer
from curate.scorers.code_format import CodeFormat
from curate.scorers.cosine_scaled import CosineScaled
from curate.scorers.passed_tests import PassedTests
from curate.scorers.reasoning_steps import ReasoningSteps
from curate.scorers.relative_length import RelativeLength
from curate.scorers.repetition_penalty import RepetitionPenalty
from curate.scorers.soft_overlong import SoftOverlong
from curate.scorers.tag_count import TagCount
from curate.scorers.think_format import ThinkFormat

__all__ = [
    "accuracy_reward",
    "binary_code_reward",
    "cf_code_reward",
    "code_reward",
    "format_reward",
    "get_code_format_reward",
    "get_cosine_scaled_reward",
    "get_repetition_penalty_reward",
    "get_soft_overlong_punishment",
    "len_reward",
    "reasoning_steps_reward",
    "tag_count_reward",
]

accuracy_reward = BoxedAnswer()
"""Whether the boxed answer is right."""

format_reward = ThinkFormat(style="open-r1")
"""Whether thoughts and answer stand between their tags, each tag on a line of its own."""

tag_count_reward = TagCount(style="open-r1")
"""A quarter for each of the four tags that stands there once."""

reasoning_steps_reward = ReasoningSteps(peer="open-r1")
"""A third for each mark of a step."""

len_reward = RelativeLength(unit="characters", within="call", boxed=True)
"""Rightness, and length beside the other completions of the call."""

code_reward = PassedTests()
"""The share of the tests in `verification_info` that the program passes."""

binary_code_reward = PassedTests("pass_fail")
"""Whether it passes them all."""

cf_code_reward = PassedTests("weighted_sum", no_program=-1.0, no_compile=-0.1)
"""Codeforces problems by their `official_tests`."""


def get_cosine_scaled_reward(
    min_value_wrong: float = -1.0,
    max_value_wrong: float = -0.5,
    min_value_correct: float = 0.5,
    max_value_correct: float = 1.0,
    max_len: int = 1000,
) -> CosineScaled:
    """Rightness scaled by the number of characters; the cosine goes on beyond `max_len`."""
    return CosineScaled(
        max_len,
        min_value_wrong,
        max_value_wrong,
        min_value_correct,
        max_value_correct,
        unit="characters",
        clamp=False,
        boxed=True,
    )


def get_repetition_penalty_reward(
    ngram_size: int, max_penalty: float, language: Literal["en", "zh"] = "en"
) -> RepetitionPenalty:
    """The share of n-grams said before, of words between blanks, or (`zh`) of words by jieba."""
    if language not in ("en", "zh"):
        raise UsageError(f"get_repetition_penalty_reward: language={language} is not one of en, zh")
    return RepetitionPenalty(ngram_size, max_penalty, "chinese" if language == "zh" else "words")


def get_code_format_reward(language: str = "python") -> CodeFormat:
    """Whether there is a block of code of this language in the answer, in the form of open-r1."""
    return CodeFormat(language, style="open-r1")


def get_soft_overlong_punishment(max_completion_len: int, soft_punish_cache: int) -> SoftOverlong:
    """A penalty for the last `soft_punish_cache` tokens before the limit."""
    return SoftOverlong(max_completion_len, soft_punish_cache)
