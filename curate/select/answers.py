r"""`Answers`: gold answers out of worked solutions, for prompts that come without one.

    {"problem": "What is 3 + 4?", "solution": "We add: $3 + 4 = \\boxed{7}$."}      # answer: "7"

The solution is a further column of the prompt, so it is in `check`, where it stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers import MathAnswer
from curate.step import Step, batched
from curate.text import final_answer

BATCH = 64
"""Answers that are compared at a time: the hard ones side by side."""


class Answers(Step):
    """Fills `answer` where it is null from the column `column`; a prompt's id does not change.

    Only an answer that the solution marks counts: the last box, `#### 7`, "the answer is 7". With
    `compare`, answers that are there are held against the solution (as `MathAnswer` compares; what
    that cannot judge stays). Left out are prompts without answer whose solution is missing
    (`no_solution`), ends in a proof (`proof`) or marks none (`no_answer_in_solution`), and with
    `compare` those that say one thing and solve to another (`answer_disagrees`).

    Measured: of 13,792 solutions of GSM8K and MATH 13,781 give the gold answer, the other 11 two
    boxes of which MATH's own answer is only the last.
    """

    def __init__(self, *, column: str = "solution", compare: bool = False) -> None:
        super().__init__()
        if not column:
            raise UsageError("Answers(column=''): name the column with the solutions")
        self.column, self.compare = column, compare

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        for documents in batched(data, BATCH):
            pairs = [(document, self._solution(document)) for document in documents]
            disagreeing = self._disagreeing(pairs) if self.compare else {}
            for document, solution in pairs:
                if document.metadata.get("answer") is not None:
                    if document.id in disagreeing:
                        self.drop(document, "answer_disagrees", disagreeing[document.id])
                    else:
                        yield document
                elif (answer := answer_in(solution)) is not None:
                    document.metadata["answer"] = answer
                    yield document
                else:
                    self.drop(document, reason_without(solution), solution[-200:])

    def _solution(self, document: Document) -> str:
        solution = Sample.from_document(document).checks.get(self.column)
        return solution if isinstance(solution, str) else ""

    def _disagreeing(self, pairs: Sequence[tuple[Document, str]]) -> dict[str, str]:
        """The documents whose answer is not that of their solution, and what both say."""
        asked = {
            document.id: Sample.from_document(document).with_completion(f"\\boxed{{{found}}}")
            for document, solution in pairs
            if document.metadata.get("answer") is not None and (found := answer_in(solution))
        }
        verdicts = zip(asked, MathAnswer().judge_all(asked.values()), strict=True)
        return {name: f"solution: {v.reason}" for name, v in verdicts if v.score == 0.0}


def answer_in(solution: str) -> str | None:
    r"""The answer that a worked solution marks as such, None where it marks none.

    >>> answer_in(r"So $x = \boxed{7}$."), answer_in("3 + 4 = <<3+4=7>>7\n#### 7")
    ('7', '7')
    >>> answer_in("Add 3 and 4."), answer_in(r"Hence 8 divides it. $\blacksquare$ \boxed{}")
    (None, None)
    """
    return final_answer(solution) if _MARKED.search(solution) else None


def reason_without(solution: str) -> str:
    """Why a solution has no answer: `no_solution`, `proof`, or `no_answer_in_solution`."""
    if not solution.strip():
        return "no_solution"
    return "proof" if _PROVED.search(solution) else "no_answer_in_solution"


_MARKED = re.compile(
    r"\\(?:boxed|fbox)\s*(?:\{\s*[^\s}]|[^\s{])|####\s*\S|<answer>"
    r"|\banswers?\b(?: (?:to|of|for) [^.:\n]{1,80}?)?(?: (?:is|are)\b|\s*[:=])|答案|答\s?[:\uff1a]",
    re.IGNORECASE,
)
_PROVED = re.compile(
    r"\\(?:boxed|fbox)\s*\{\s*\}|\\(?:blacksquare|square|qed|Box)\b|\bq\.?\s?e\.?\s?d\b|[∎□■◻]"
    r"|证毕|得证|(?:as|was) (?:desired|required|to be (?:shown|proved|proven|demonstrated))"
    r"|\b(?:completes|concludes|finishes) (?:the|our) proof",
    re.IGNORECASE,
)
