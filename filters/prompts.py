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


def answerable(minimum: int = 2, maximum: int = 2000) -> list[Keep]:
    """Keeps problems that can be answered from what they say, with one answer.

    `minimum`, `maximum`: words. Measured: the shortest problems of MATH have 2 ("Compute
    $\\sin 60^\\circ$."), the longest of 26,000 (self-instruct) 1,002.
    """
    return [
        Keep(UnfinishedProblem()),
        Keep(ProblemLength(minimum=minimum, maximum=maximum)),
        Keep(ProofProblem(), domains=CHECKED),
        Keep(MultiPartProblem(), domains=CHECKED),
        Keep(MissingFigure()),
        Keep(LinkInProblem()),
        Keep(MissingOptions()),
        Keep(MissingContext()),
        Keep(AnswerInProblem()),
    ]


contest_statement = Keep(ProblemLength(minimum=200, unit="characters"), domains=("code",))
"""A programming task as contests state it: OpenThoughts-114k drops shorter ones (its code/prompts).

Not for MBPP, of whose 974 one-line tasks it would keep 20.
"""
