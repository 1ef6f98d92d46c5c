"""Does the reasoning look back at itself? Counted as DeepSeek-R1 counts it over its training."""

from __future__ import annotations

import re
from dataclasses import dataclass

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer


@dataclass(frozen=True)
class Reflection(Scorer):
    """min(1, markers of reflection in the reasoning / `enough`), not per word; never None.

    The markers are those of DeepSeek-R1 (v2, appendix C.2): wait, mistake, however, but, retry,
    error, verify, wrong, evaluate, check; and what stands for them in Chinese. Whole words only, in
    any case. Without tags the whole text is the reasoning. Of 70 real chains 62 have one, half at
    least 16, and the density goes from 0 to 45 in 1,000 words.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> rule = Reflection(enough=2)
    >>> rule.judge(prompt.with_completion("<think>8? Wait, that is wrong: 7.</think>7")).score
    1.0
    >>> rule.judge(prompt.with_completion("<think>It is 7, but let me see.</think>7"))
    Verdict(score=0.5, reason='1 marker: 1 but')
    """

    enough: int = 1

    def __post_init__(self) -> None:
        if self.enough < 1:
            raise UsageError(f"Reflection: enough={self.enough} is at least 1")

    def judge(self, sample: Sample) -> Verdict:
        reasoning = sample.text if sample.reasoning is None else sample.reasoning
        counts: dict[str, int] = {}
        for marker in _MARKERS.findall(reasoning):
            counts[marker.lower()] = counts.get(marker.lower(), 0) + 1
        total = sum(counts.values())
        often = sorted(counts, key=lambda marker: -counts[marker])[:5]
        which = ", ".join(f"{counts[marker]} {marker}" for marker in often)
        reason = f"{total} marker{'s' * (total != 1)}{': ' * bool(which)}{which}"
        return Verdict(min(1.0, total / self.enough), reason)


_MARKERS = re.compile(
    r"\b(?:wait|mistake|however|but|retry|error|verify|wrong|evaluate|check)\b"
    r"|等等|等一下|且慢|错误|错了|不对|然而|不过|但|重试|重新|验证|检验|评估|检查|核对",
    re.IGNORECASE | re.ASCII,
)
