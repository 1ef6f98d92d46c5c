"""Does the response give another answer than the reasoning came to?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from curate import text
from curate.sample import Sample, Verdict
from curate.scorers.math_answer import compare
from curate.scorers.scorer import Scorer


@dataclass(frozen=True)
class Contradiction(Scorer):
    r"""1.0 when reasoning and response give the same answer, 0.0 for two, None when one gives none.

    The reasoning's answer is its last `\boxed{…}` or what follows its last "the answer is"; equal
    is what `MathAnswer` takes for equal, in either direction. None as well where they differ and
    the reasoning goes on after its answer with a doubt ("wait", "but", "no,"), as it may have
    changed its mind without a word. Says nothing about which of the two is right.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> rule = Contradiction()
    >>> rule.judge(prompt.with_completion("<think>So the answer is 7.</think>It is 7.")).score
    1.0
    >>> rule.judge(prompt.with_completion("<think>So the answer is 7.</think>It is 8."))
    Verdict(score=0.0, reason='the reasoning says 7, the response 8')
    """

    def judge(self, sample: Sample) -> Verdict:
        if not sample.reasoning:
            return Verdict(None, "no reasoning")
        if sample.final_answer is None:
            return Verdict(None, "the response gives no answer")
        named = _named(sample.reasoning)
        if named is None:
            return Verdict(None, "the reasoning names no answer")
        said, doubted = named
        verdict = _same(said, sample.final_answer)
        if verdict.score is None:
            return verdict
        what = f"the reasoning says {said[:60]}, the response {sample.final_answer[:60]}"
        if verdict.score:
            return Verdict(1.0, what)
        return Verdict(None, f"{what}; it went on with a doubt") if doubted else Verdict(0.0, what)


def _same(said: str, answer: str) -> Verdict:
    """Equal in either direction: the reasoning may be the one that leaves the unit out."""
    verdict = compare(said, answer)
    return verdict if verdict.score else compare(answer, said)


def _named(reasoning: str) -> tuple[str, bool] | None:
    """The answer that it names last, and whether it doubts it afterwards; None if it names none."""
    *_, last = [None, *_NAMES.finditer(reasoning)]
    if last is None:
        return None
    rest = reasoning[last.start() :]
    said = text.final_answer(rest[:_SENTENCE] if last.group().startswith("\\") else _sentence(rest))
    if said is None or text.prose(said):
        return None
    return said, bool(_DOUBTS.search(rest[len(last.group()) :]))


def _sentence(rest: str) -> str:
    end = _END.search(rest)
    return rest[: end.start()] if end else rest[:_SENTENCE]


_SENTENCE = 1000
_NAMES = re.compile(
    r"\\boxed\s*\{|\banswers? (?:is|are|would be|should be|must be|comes? (?:out )?to)\b"
    r"|\banswer\W{0,3}:|答案(?:就?应?该?[是为]|:|\uff1a)",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?](?=\s|$)|[。\uff01\uff1f]|\n\n")
_DOUBTS = re.compile(
    r"\b(?:wait|but|hmm|however|actually|no(?=,)|let me (?:double[- ]?)?(?:check|verify|see)"
    r"|alternatively|hold on|mistake|wrong|recheck)\b|等等|不对|但|再检查|验证|错",
    re.IGNORECASE,
)
