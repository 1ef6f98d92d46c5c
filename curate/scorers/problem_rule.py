"""What the rules on problems share: they read the problem, before anything is generated from it.

Keep(ProofProblem())        # of prompts as well as of samples; 6 to 110 µs a problem
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer

EXACT = frozenset({"math", "stem", "logic", "science"})
"""Domains whose problems have an answer; elsewhere a bare noun phrase may be all that is said."""
LOOKED_AT = 20_000
"""Characters of a problem that are read; the longest of 26,000 in ../shared/data has 6,000."""


@dataclass(frozen=True)
class ProblemRule(Scorer):
    """A rule on the problem alone: 1.0 when it has no such fault, else 0.0; never None."""

    signs: ClassVar[tuple[str, ...]] = ()
    """Every faulty problem has one of these, in lower case; others are not looked at further."""

    def fault(self, problem: str, sample: Sample) -> str | None:
        """What is wrong with a problem (stripped, NFKC), or None."""
        raise NotImplementedError

    def judge(self, sample: Sample) -> Verdict:
        problem = sample.problem[:LOOKED_AT].strip()
        if not problem.isascii():
            problem = unicodedata.normalize("NFKC", problem)
        low = problem.lower()
        if self.signs and not any(sign in low for sign in self.signs):
            return Verdict(1.0)
        fault = self.fault(problem, sample)
        return Verdict(0.0, fault[:200]) if fault else Verdict(1.0)


IMPERATIVE = (
    r"(?:find|determine|compute|calculate|evaluate|simplify|solve|express|factor(?:ize|ise)?|expand"
    r"|estimate|give|state|identify|convert|round|prove|show|sketch|draw|graph|explain|describe"
    r"|choose|select|arrange|rewrite|rationalize|fill|complete|reduce|represent|enter|derive"
    r"|differentiate|integrate|construct|approximate|list|write|name|order|answer|decide|verify"
    r"|use|tell|classify|compare|help|create|make|add|subtract|multiply|divide)"
)
ASKED = (
    r"(?:what|which|whose|who|whom|where|why|how (?:many|much|long|far|old|often|fast|tall|large"
    r"|big|does|do|did|is|are|can|would|could|should))"
)
CHINESE_ASK = (
    r"(?:求|计算|多少|几|解方程|解不等式|写出|化简|是否|什么|哪|如何|怎|吗|填|判断|证明|算出|解:)"
)
ASKS = re.compile(
    rf"\?|\b(?:{IMPERATIVE}|{ASKED})\b|{CHINESE_ASK}|_{{2,}}|\( *\)|=\s*\$?$",
    re.IGNORECASE,
)
"""Something in a text that asks for something."""

_MARK = re.compile(
    r"(?:^|(?<=[\s.,;:。;:!?{$]))[(\[*]{0,3}"
    r"(?P<label>[a-hA-H]|[1-9]|i{1,3}|iv|vi{0,3}|I{1,3}|IV|VI{0,3}|Part [a-hA-H1-9])"
    r"(?:[)\]][.:]?|[.:、](?=\s)|\*\*)(?=\s|\S)",
    re.MULTILINE,
)
_RUNS: tuple[Sequence[str], ...] = (
    *("abcdefgh", "ABCDEFGH", "123456789"),
    ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii"),
    ("I", "II", "III", "IV", "V", "VI", "VII", "VIII"),
    *([f"Part {c}" for c in run] for run in ("abcdefgh", "ABCDEFGH", "123456789")),
)


def parts(problem: str) -> tuple[list[str], str]:
    """The parts that a problem is divided into by (a), (b), … or the like, and the first label.

    >>> parts("Let x = 3. (a) Find x + 1. (b) Find x + 2.")
    (['Find x + 1.', 'Find x + 2.'], 'a')
    >>> parts("Find f(a) + f(b).")
    ([], '')
    """
    marks = list(_MARK.finditer(problem))
    for run in _RUNS:
        chain: list[re.Match[str]] = []
        for mark in marks:
            if len(chain) < len(run) and mark["label"] == run[len(chain)]:
                chain.append(mark)
        if len(chain) >= 2:
            ends = [*(mark.start() for mark in chain[1:]), len(problem)]
            pieces = zip(chain, ends, strict=True)
            return [problem[m.end() : end].strip() for m, end in pieces], run[0]
    return [], ""


def sentences_of(problem: str) -> list[str]:
    """The sentences of a problem with their ends; a formula's full stops end none."""
    return [s for s in _SENTENCE.split(problem) if s.strip()]


_SENTENCE = re.compile(r"(?<=[.?!])(?=[\s$])\s*|(?<=[。?!])|\n\s*\n|(?<=\\\])\s*")
