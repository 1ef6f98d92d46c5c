"""Did the model end its answer by itself?"""

from __future__ import annotations

from dataclasses import dataclass

from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer


@dataclass(frozen=True)
class Finished(Scorer):
    """1.0 when the model ended its answer, 0.0 when it was cut off, None when nobody knows.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> Finished().judge(prompt.with_completion("It is 7.", finish_reason="stop")).score
    1.0
    >>> Finished().judge(prompt.with_completion("It is", finish_reason="length"))
    Verdict(score=0.0, reason='finish_reason is length')
    """

    def judge(self, sample: Sample) -> Verdict:
        if sample.finish_reason is None:
            return Verdict(None, "no finish_reason")
        if sample.finish_reason == "stop":
            return Verdict(1.0)
        return Verdict(0.0, f"finish_reason is {sample.finish_reason}")
