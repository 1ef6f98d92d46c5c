"""`Tags`: what a problem is about and in which language, where nobody said so.

    {"problem": "Write a function that reverses a string."}     # domain: "code", language: "en"

Rules that are sure or silent: a domain is given where its signs outweigh those of every other by
a margin, and else the prompt keeps the one it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from datatrove.data import Document

from curate.errors import UsageError
from curate.sample import Sample
from curate.sources.language import written_in
from curate.step import Step

DOMAINS = ("math", "code", "stem", "logic", "general")
WEIGHTS = {"sure": 3.0, "common": 1.0}
LOOKED_AT = 8_000
"""Characters of a problem that are looked at."""
MARGIN = 2.0
"""So much more than the next domain's its signs must weigh: two common ones, or a sure one."""
COLUMNS = {
    **dict.fromkeys(("tests", "test", "entry_point", "test_cases", "input_output"), "code"),
    **{"nums": "logic", "names": "logic", "instruction_id_list": "general"},
}
"""Further columns of a prompt that only problems of one domain have."""
VERIFIERS = {
    **{"MathAnswer": "math", "CodeTests": "code", "Countdown": "logic", "KnightsKnaves": "logic"},
    **{"Instructions": "general"},
}


class Tags(Step):
    """Writes `domain` and `language` where they are not said; drops nothing.

    A domain is not said where it is null or `general`, which is what `Prompts` writes for rows
    without one. It becomes `math`, `code`, `stem` or `logic` by the verifier, the further columns,
    and the words and signs of the problem; where those are few or speak for two, it stays.

    A language is not said where it is null. `by="script"` needs no model and knows the plain cases
    (`curate.sources.language`), `by="model"` identifies (a model of 0.9 MB that is fetched once)
    and abstains below 20 letters.

    Measured on ../shared/data with the domain taken away: see docs/prompts.md.
    """

    def __init__(
        self,
        *,
        domain: bool = True,
        language: bool = True,
        by: Literal["script", "model"] = "script",
    ) -> None:
        super().__init__()
        if by not in ("script", "model"):
            raise UsageError(f"Tags(by={by!r}): 'script' or 'model'")
        self.domain, self.language, self.by = domain, language, by

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        for document in data:
            prompt = Sample.from_document(document)
            metadata = document.metadata
            if self.domain and metadata.get("domain") in (None, "general"):
                metadata["domain"] = domain_of(prompt) or "general"
            if self.language and metadata.get("language") is None:
                metadata["language"] = self._language(prompt.problem)
            yield document

    def _language(self, problem: str) -> str | None:
        if self.by == "script":
            return written_in(problem)
        from curate.scorers.languages import identify

        return identify(problem, min_letters=20).language


def domain_of(prompt: Sample) -> str | None:
    r"""`math`, `code`, `stem`, `logic` or `general` where that is plain, else None.

    >>> domain_of(Sample(prompt_id="p", problem=r"Simplify $\frac{x^2 - 1}{x - 1}$."))
    'math'
    >>> domain_of(Sample(prompt_id="p", problem="Write a Python function that adds two numbers."))
    'code'
    >>> domain_of(Sample(prompt_id="p", problem="Tell me about Paris.")) is None
    True
    """
    if prompt.verifier in VERIFIERS:
        return VERIFIERS[prompt.verifier]
    if column := next((name for name in prompt.checks if name in COLUMNS), None):
        return COLUMNS[column]
    weights = _weights(_DRAWING.sub(" ", prompt.problem)[:LOOKED_AT])
    first, second = sorted(weights, key=lambda domain: -weights[domain])[:2]
    return first if weights[first] - weights[second] >= MARGIN else None


def _weights(problem: str) -> dict[str, float]:
    """What the signs of each domain weigh; of one kind three distinct ones count at most."""
    found: dict[tuple[str, float], set[str]] = {}
    low = problem.lower()
    said = _WORD.findall(low)
    pairs = pairwise(said)
    triples = zip(said, said[1:], said[2:], strict=False)
    known = _words()
    for phrase in {*said, *map(" ".join, pairs), *map(" ".join, triples)} & known.latin.keys():
        found.setdefault(known.latin[phrase], set()).add(phrase)
    if not problem.isascii():
        for phrase, sign in known.chinese.items():
            if phrase in low:
                found.setdefault(sign, set()).add(phrase)
    for sign, pattern in SIGNS.items():
        found.setdefault(sign, set()).update(m.group() for m in pattern.finditer(problem))
    weights: dict[str, float] = dict.fromkeys(DOMAINS, 0.0)
    for (domain, weight), phrases in found.items():
        weights[domain] += weight * min(len(phrases), 3)
    return weights


class _Words(NamedTuple):
    """Expressions and whose they are: (domain, weight)."""

    latin: dict[str, tuple[str, float]]
    chinese: dict[str, tuple[str, float]]


@cache
def _words() -> _Words:
    words = _Words({}, {})
    text = Path(__file__).with_name("tag_words.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            head, phrases = line.split(":", 1)
            domain, kind = head.split()
            for phrase in phrases.split(","):
                table = words.latin if phrase.isascii() else words.chinese
                table[phrase.strip()] = domain, WEIGHTS[kind]
    return words


_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
_WORD = re.compile(r"[a-z][a-z'+#-]*")
SIGNS = {
    ("math", WEIGHTS["sure"]): re.compile(
        r"\$[^$\n]*(?:\\[a-z]|[=<>^_])[^$\n]*\$|\\\[|\\begin\{(?:align|[pb]matrix|cases|array)"
    ),
    ("math", WEIGHTS["common"]): re.compile(
        r"\$\d+|\$[^$\n]+\$|\d\s?%|\d\s*[-+*/\u00d7\u00f7=]\s*\d"
    ),
    ("code", WEIGHTS["sure"]): re.compile(
        r"^\s*(?:def|class) \w+.*:\s*$|^\s*(?:from \w+ )?import \w+|```|#include\b|>>> |\w\[\]\[",
        re.MULTILINE,
    ),
    ("stem", WEIGHTS["sure"]): re.compile(r"\d\s?(?:m/s|kJ|kg|mol|nm|eV|Hz|°C|mL|atm|kPa|Pa)\b"),
}
"""What no word list can say: formulas, arithmetic, lines of code, quantities with units."""
