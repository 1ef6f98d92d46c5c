"""Which problems are worth asking? Those that stand for themselves and have one answer to check.

The rules begin where OpenThoughts-114k and NuminaMath clean (figures, links, "a) … b)", "answer:",
proofs), and read more closely. What they refuse of sound problems and find of faulty ones is
measured in docs/prompts.md.
"""

from curate.scorers import (
    AnswerInProblem,
    LinkInProblem,
    MissingContext,
    MissingFigure,
    MissingOptions,
    MultiPartProblem,
    ProblemLength,
    ProofProblem,
    UnfinishedProblem,
)
from curate.select import Keep

CHECKED = ("math", "stem", "science", "logic")
"""Domains in which an answer is one thing; a task of writing may well ask for several."""


def answerable(maximum: int = 2000) -> list[Keep]:
    """Keeps problems that can be answered from what they say, with one answer.

    `maximum`: words. Measured: the longest of 26,000 problems (self-instruct) has 1,002.
    """
    return [
        Keep(UnfinishedProblem()),
        Keep(ProblemLength(maximum=maximum)),
        Keep(ProofProblem(), domains=CHECKED),
        Keep(MultiPartProblem(), domains=CHECKED),
        Keep(MissingFigure()),
        Keep(LinkInProblem()),
        Keep(MissingOptions()),
        Keep(MissingContext()),
        Keep(AnswerInProblem()),
    ]


contest_statement = Keep(ProblemLength(minimum=200, unit="characters"), domains=("code",))
"""A programming task as contests state it: OpenThoughts-114k drops shorter ones.

Not for MBPP, of whose 974 one-line tasks one is that long.
"""
