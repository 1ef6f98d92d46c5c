"""Does an answer go step by step, in a way that shows?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer

_WORDS = r"Step \d+:|First,|Second,|Next,|Finally,"
_ANYWHERE = re.compile(rf"{_WORDS}|^[ \t]*(?:\d+[.)]|[-*\u2022])[ \t]", re.MULTILINE)
_OPEN_R1 = re.compile(rf"{_WORDS}|\A\d+\.|\n[-*]")


@dataclass(frozen=True)
class ReasoningSteps(Scorer):
    """The share of `steps` marks of a step that the completion has, at most 1.0; never None.

    Marks are `Step 1:`, a number or bullet that begins a line, and `First,` `Second,` `Next,`
    `Finally,`; three are open-r1's measure. `peer="open-r1"` counts as it does: of the numbers only
    one that begins the whole text, and any line that begins with `-` or `*`, a rule of dashes too.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> ReasoningSteps().judge(prompt.with_completion("1. Take 3.\\n2. Add 4.\\n3. It is 7.")).score
    1.0
    >>> ReasoningSteps().judge(prompt.with_completion("It is 7."))
    Verdict(score=0.0, reason='0 steps')
    """

    steps: int = 3
    peer: Literal["open-r1"] | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"ReasoningSteps: steps={self.steps} is at least 1")

    def judge(self, sample: Sample) -> Verdict:
        mark = _OPEN_R1 if self.peer else _ANYWHERE
        found = sum(1 for _ in mark.finditer(sample.text))
        return Verdict(min(1.0, found / self.steps), f"{found} steps")
