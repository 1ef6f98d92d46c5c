"""Does a short response say the gold answer? For questions of fact, whose answers are words."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer
from curate.text import words

_DENIED = re.compile(r"\b(?:not|never|no|neither|nor|cannot|\w+n['\u2019]t)(?: \w+){0,2} ?$")
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True)
class TextAnswer(Scorer):
    """1.0 when a response of at most `longest` words says the gold answer, 0.0 when not; None
    without a gold answer.

    It is said as whole words, whatever the case; not where it is denied ("is not Paris", "isn't in
    Paris"). Of the prompt's further names for it (a list in its column `aliases`) one is enough. A
    longer response may name it in passing: for those there is `Judge`.

    >>> prompt = Sample("p", "What is the capital of France?", answer="Paris")
    >>> TextAnswer().judge(prompt.with_completion("It is Paris."))
    Verdict(score=1.0, reason='says Paris')
    >>> TextAnswer().judge(prompt.with_completion("The capital of France is Parish, not Paris."))
    Verdict(score=0.0, reason='does not say Paris')
    """

    needs_gold = True
    longest: int = 50
    """Sentences of 25 words are long; 50 leave room for one that answers and one that explains."""

    def __post_init__(self) -> None:
        if self.longest < 1:
            raise UsageError(f"TextAnswer: longest={self.longest} is at least 1 word")

    def judge(self, sample: Sample) -> Verdict:
        if problem := self.gold_problem(sample):
            return Verdict(None, problem)
        said = _folded(sample.response)
        if len(words(said)) > self.longest:
            return Verdict(0.0, f"more than {self.longest} words")
        aliases = sample.checks.get("aliases")
        names = [sample.answer or "", *(aliases if isinstance(aliases, list) else [])]
        for name in map(str, names):
            if _says(said, _folded(name)):
                return Verdict(1.0, f"says {name[:100]}")
        return Verdict(0.0, f"does not say {names[0][:100]}")

    def gold_problem(self, prompt: Sample) -> str | None:
        return None if (prompt.answer or "").strip() else "no gold answer"


def _folded(text: str) -> str:
    """Text in which equal words are equal: one form of each character, case and space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _says(said: str, name: str) -> bool:
    """True when the name stands in the text as words of its own, and is not denied there."""
    if not name:
        return False
    around = ("", "") if _UNSPACED.search(name) else (r"(?<!\w)", r"(?!\w)")
    found = re.finditer(around[0] + re.escape(name) + around[1], said)
    return any(
        not _DENIED.search(said[max(0, match.start() - 60) : match.start()]) for match in found
    )
