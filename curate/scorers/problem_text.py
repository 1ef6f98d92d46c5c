"""Is a problem whole, does it ask, is it of a sensible length, and does it keep its answer back?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from curate.errors import UsageError
from curate.sample import Sample
from curate.scorers.problem_rule import ASKS, EXACT, ProblemRule, parts
from curate.text import prose, words


@dataclass(frozen=True)
class UnfinishedProblem(ProblemRule):
    r"""1.0 when a problem is whole and asks something, 0.0 when it is empty, cut off or asks none.

    Cut off: its end is a comma, a colon, "and", "the" or the like, "…" within a sentence, or in the
    middle of a formula. That something is asked is required in mathematics, STEM and logic only; an
    expression without prose ("3 + 4 =") asks for its value.

    >>> UnfinishedProblem().judge(Sample(prompt_id="p", problem="Find the sum of the"))
    Verdict(score=0.0, reason='is cut off: …the sum of the')
    >>> told = Sample(prompt_id="p", problem="Let ABC be a triangle.", domain="math")
    >>> UnfinishedProblem().judge(told)
    Verdict(score=0.0, reason='asks nothing: Let ABC be a triangle.')
    >>> UnfinishedProblem().judge(Sample(prompt_id="p", problem="What is 3 + 4?")).score
    1.0
    """

    def fault(self, problem: str, sample: Sample) -> str | None:
        if not re.search(r"\w", problem):
            return "is empty"
        is_exact = sample.domain in EXACT
        if _CUT_OFF.search(problem) or _is_open(problem) or (is_exact and _DANGLES.search(problem)):
            return f"is cut off: …{problem[-60:].split(' ', 1)[-1]}"
        if not is_exact or ASKS.search(problem) or parts(problem)[0]:
            return None
        if len(prose(problem)) < 3 and len(_HAN.findall(problem)) < 6:
            return None
        return f"asks nothing: {problem[-100:]}"


_DANGLES = re.compile(r"[a-z] (?:to|of|in|by|for|on|at|as|into|between)$")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_CUT_OFF = re.compile(
    r"[,;、(\[{]$|[A-Za-z\u4e00-\u9fff] ?(?:\.\.\.|…)$|\bof a$|following:$"
    r"|(?<![-\"'`])\b(?:and|or|the|with|that|if|from|than|an|where|such|which|their|our|its|let|then"
    r"|when|because|will|has|have|who)$"
)


def _is_open(problem: str) -> bool:
    r"""True when a formula is not closed: an environment, `\[`, or a `$` before a command."""
    if problem.count(r"\begin{") > problem.count(r"\end{"):
        return True
    if len(re.findall(r"(?<!\\)\\\[", problem)) > problem.count(r"\]"):
        return True
    dollars = re.sub(r"\\.", "  ", problem)
    if dollars.count("$") % 2 == 0:
        return False
    rest = problem[dollars.rindex("$") + 1 :]
    return bool(re.search(r"\\[A-Za-z]{2,}|\\$|[=+^_]\s*$", rest))


@dataclass(frozen=True)
class AnswerInProblem(ProblemRule):
    r"""1.0 when a problem does not tell its answer, else 0.0.

    It does where it has a line "Answer: 7", "Solution: …" or "#### 7", a box with something in it,
    "the answer is" before the gold answer, or the gold answer itself where that is a longer
    expression (12 characters without spaces) and no option is to be chosen. How an answer is to be
    written ("Answer: $ANSWER", `\boxed{}`) tells nothing.

    >>> AnswerInProblem().judge(Sample(prompt_id="p", problem="What is 3 + 4?\nAnswer: 7"))
    Verdict(score=0.0, reason='tells its answer: Answer: 7')
    >>> AnswerInProblem().judge(Sample(prompt_id="p", problem="What is 3 + 4?", answer="7")).score
    1.0
    """

    def fault(self, problem: str, sample: Sample) -> str | None:
        if found := _TOLD.search(problem):
            return f"tells its answer: {problem[found.start() : found.end() + 60].strip()}"
        gold = _squeezed(sample.answer or "")
        stated = _STATED.search(problem)
        if gold and stated and _squeezed(problem[stated.end() :]).startswith(gold):
            return f"tells its answer: {problem[stated.start() : stated.end() + 60].strip()}"
        is_choice = {"options", "choices"} & sample.checks.keys() or parts(problem)[0]
        if len(gold) >= 12 and not is_choice and gold in _squeezed(problem):
            return f"holds its answer: {sample.answer}"
        return None


_TEMPLATE = (
    r"(?:\$?\\?(?:boxed\{)?[\[<{(\"']?\$?(?:your|the|final|answer|letter|x\b|\.\.\.|…|_)|[\[<_])"
)
_TOLD = re.compile(
    r"(?:^[\s*#]*|[(\[]\s*|(?<=[.?])\s+)"
    r"(?:(?:final |correct |model )?answer|ans|solution|答案|参考答案|解答)"
    rf"\s*[*]*[:=][\s*]*(?!{_TEMPLATE})\S"
    r"|^####\s*\S|\\boxed\{\s*(?!answer|your|\.\.\.|\\phantom|\\text\{|x?\}|\s|\\\w*space)[^}\s]",
    re.IGNORECASE | re.MULTILINE,
)
_STATED = re.compile(r"\banswer (?:is|was|=)[:\s]*|答案?(?:是|为|:)[:\s]*|\bA:\s*", re.IGNORECASE)


def _squeezed(text: str) -> str:
    r"""Without spaces, dollars, box and the commands that only set type."""
    return re.sub(r"\s|\$|\\(?:left|right|[,!;: ])|\\d?(?=frac)", "", text).lower()


@dataclass(frozen=True)
class ProblemLength(ProblemRule):
    """1.0 when a problem has from `minimum` to `maximum` words (or characters), else 0.0.

    A Han, kana or Thai character is a word, and what stands between spaces is.

    >>> ProblemLength(minimum=3).judge(Sample(prompt_id="p", problem="Solve."))
    Verdict(score=0.0, reason='1 words')
    >>> ProblemLength(minimum=3).judge(Sample(prompt_id="p", problem="What is 3 + 4?")).score
    1.0
    """

    minimum: int = 1
    maximum: int | None = None
    unit: Literal["words", "characters"] = "words"

    def __post_init__(self) -> None:
        if self.minimum < 0 or (self.maximum is not None and self.maximum < self.minimum):
            raise UsageError(
                f"ProblemLength: minimum={self.minimum}, maximum={self.maximum} leaves no length"
            )

    def fault(self, problem: str, sample: Sample) -> str | None:
        length = len(words(sample.problem) if self.unit == "words" else sample.problem)
        if length < self.minimum or (self.maximum is not None and length > self.maximum):
            return f"{length} {self.unit}"
        return None
