"""What we keep: R1's rules as filters, every threshold with its source.

from filters import correct_answer, language_consistent, readable, think_format
Generate(..., accept=[think_format, correct_answer, *readable(), language_consistent()])
"""

from filters.format import (
    begin_of_thought_format,
    boxed_format,
    prefilled_format,
    r1_format,
    think_answer_format,
    think_format,
)
from filters.language import language_consistent, no_foreign_word
from filters.rules import plain_reasoning, publishable, readable
from filters.verifier import correct_answer

__all__ = [
    "begin_of_thought_format",
    "boxed_format",
    "correct_answer",
    "language_consistent",
    "no_foreign_word",
    "plain_reasoning",
    "prefilled_format",
    "publishable",
    "r1_format",
    "readable",
    "think_answer_format",
    "think_format",
]
