"""What we keep: R1's rules as filters, every threshold with its source.

from filters import correct_answer, language_consistent, readable, think_format
Generate(..., accept=[think_format, correct_answer, *readable(), language_consistent()])
"""

from filters.benchmarks import BENCHMARKS
from filters.format import (
    begin_of_thought_format,
    boxed_format,
    prefilled_format,
    r1_format,
    think_answer_format,
    think_format,
)
from filters.general import AskedThinking, answers_well, general
from filters.language import language_consistent, no_foreign_word
from filters.mixes import R1_RL, R1_SFT
from filters.named import named
from filters.preferences import SEEN, Declines, pair_judges
from filters.prompts import answerable, contest_statement
from filters.rules import plain_reasoning, publishable, readable
from filters.verifier import (
    correct_answer,
    passes_tests,
    right_answer,
    right_choice,
    solves_puzzle,
)

__all__ = [
    "BENCHMARKS",
    "R1_RL",
    "R1_SFT",
    "SEEN",
    "AskedThinking",
    "Declines",
    "answerable",
    "answers_well",
    "begin_of_thought_format",
    "boxed_format",
    "contest_statement",
    "correct_answer",
    "general",
    "language_consistent",
    "named",
    "no_foreign_word",
    "pair_judges",
    "passes_tests",
    "plain_reasoning",
    "prefilled_format",
    "publishable",
    "r1_format",
    "readable",
    "right_answer",
    "right_choice",
    "solves_puzzle",
    "think_answer_format",
    "think_format",
]
