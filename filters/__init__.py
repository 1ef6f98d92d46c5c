"""What we keep: R1's rules as filters, every threshold with its source.

from filters import correct_answer, language_consistent, readable, think_format
Generate(..., accept=[think_format, correct_answer, *readable(), language_consistent()])
"""

from filters.format import r1_format, think_answer_format, think_format
from filters.language import language_consistent
from filters.rules import readable
from filters.verifier import correct_answer

__all__ = [
    "correct_answer",
    "language_consistent",
    "r1_format",
    "readable",
    "think_answer_format",
    "think_format",
]
