"""What a problem asks for: one thing that can be checked, or a proof, or several things."""

from __future__ import annotations

import re
from dataclasses import dataclass

from curate.sample import Sample
from curate.scorers.problem_rule import ASKED, IMPERATIVE, ProblemRule, parts, sentences_of


@dataclass(frozen=True)
class ProofProblem(ProblemRule):
    """1.0 when a problem asks for a result, 0.0 when all that it asks for is a proof.

    "Prove that x > 0, and find its least value" has a result. Languages: en, zh.

    >>> ask = "Let n be odd. Prove that 8 divides n^2 - 1."
    >>> ProofProblem().judge(Sample(prompt_id="p", problem=ask))
    Verdict(score=0.0, reason='asks for a proof: Prove that 8 divides n^2 - 1.')
    >>> ProofProblem().judge(Sample(prompt_id="p", problem="What is 3 + 4?")).score
    1.0
    """

    signs = ("pro", "show", "demonstrate", "verify", "establish", "justify", "deduce", "证")

    def fault(self, problem: str, sample: Sample) -> str | None:
        sentences = sentences_of(problem)
        proofs = [s for s in sentences if _PROOF.search(s)]
        if not proofs or any(_RESULT.search(_PROOF.sub(" ", s)) for s in sentences):
            return None
        return f"asks for a proof: {proofs[0].strip()}"


_SHOW = r"(?:prove|show|demonstrate|verify|establish|justify|deduce|disprove)"
_PROOF = re.compile(
    # At the beginning of a clause, not "he wants to prove that" or "the results show that".
    r"(?:^|[.;:,)]\s+|\b(?:then|and|please|also|hence|thus|first)\s+|\*\*)"
    rf"(?:prove or disprove|{_SHOW}(?: or {_SHOW})?"
    r"(?:,? (?:that|the|this|your|each|every|for|by|using|without|there|if|whether|or)\b"
    r"|,|:|\s*[$\\]))"
    r"|(?:give|provide|write|find) (?:a|an|the) (?:\w+ )?proof\b"
    rf"|(?:^|[.;:]\s+)(?:use|using|by|with)\b[^.?]{{1,80}}? (?:to )?{_SHOW} (?:that|the)\b"
    rf"|\b(?:asked|task is|goal is|want you|required) to {_SHOW}\b"
    r"|求证|试证|(?:^|[,。:;\s)]|请|并)证明(?!书|人|材料|文件|了)",
    re.IGNORECASE | re.MULTILINE,
)
_RESULT = re.compile(
    r"\?|(?:^|[.;:,]\s*|\b(?:and|then|hence|also|thus)\s+)"
    r"(?:find|determine|compute|calculate|evaluate|simplify|solve|express|what|how many)\b"
    r"|求(?!证)|计算|多少",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class MultiPartProblem(ProblemRule):
    """1.0 when a problem asks one thing, 0.0 when it asks several, each with an answer of its own.

    Those are parts, such as (a) … (b) … or (1) … (2) …, two of which ask, and two sentences that
    end in a question mark. Options and conditions that are lettered ask nothing; "Find x and y" is
    one question with a list for an answer.

    >>> ask = "Let f(x) = 2x. (a) Find f(3). (b) What is f(f(3))?"
    >>> MultiPartProblem().judge(Sample(prompt_id="p", problem=ask))
    Verdict(score=0.0, reason='2 parts ask: Find f(3). …')
    >>> ask = "Which is prime? (a) 4 (b) 5 (c) 6"
    >>> MultiPartProblem().judge(Sample(prompt_id="p", problem=ask)).score
    1.0
    """

    def fault(self, problem: str, sample: Sample) -> str | None:
        pieces, label = parts(problem)
        asking = [part for part in pieces if _PART_ASKS.search(part)]
        if pieces and not label.isupper() and _ALL_OF.search(problem[: problem.index(pieces[0])]):
            asking = pieces
        if len(asking) > 1:
            return f"{len(asking)} parts ask: {asking[0][:80]} …"
        if then := _THEN.search(problem):
            return f"asks again: {then.group().strip()}"
        told = _QUOTED.sub(" ", problem)
        questions = [s for s in sentences_of(told) if _QUESTION.search(s)]
        different = {" ".join(s.lower().split()) for s in questions}
        if len(different) > 1:
            return f"{len(different)} questions: {questions[0].strip()[:80]} …"
        return None


_DO = r"(?:compute|evaluate|simplify|solve|find|calculate|factor|expand|convert|determine)"
_ALL_OF = re.compile(rf"\b{_DO} (?:each|(?:all )?(?:of )?the following)\b[^.?]*$", re.IGNORECASE)
_THEN = re.compile(rf"(?:^|[.?]\s+){_DO}\b[^.?]*\.\s+Then,? (?:also )?{_DO}\b", re.IGNORECASE)
_QUOTED = re.compile(r"[\"“][^\"“”]{1,300}[\"”]|``.{1,300}?''|「[^「」]{1,300}」", re.DOTALL)
_QUESTION = re.compile(
    rf"^(?!\W*(?:that is|in other words|i\.e\.))(?=.*(?:\b{ASKED}\b"
    r"|\b(?:is|are|does|do|can) (?:the|there|it|this|x|\$)|多少|几|什么|哪|谁|吗|如何|怎)).*\?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_PART_ASKS = re.compile(
    rf"\?\W*$|^(?:hence |then |also |now |please )?(?:{IMPERATIVE}|{ASKED})\s+\S"
    rf"|\.\s+(?:{IMPERATIVE}|{ASKED})\s+\S|求|计算|多少|几|写出|化简|证明|解方程|判断|是否",
    re.IGNORECASE,
)
