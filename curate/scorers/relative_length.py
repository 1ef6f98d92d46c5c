"""Is the answer right, and short beside the other answers to the same prompt?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from curate.sample import Sample, Verdict
from curate.scorers.answer_size import Unit, answer_rule, size
from curate.scorers.native_scale import NativeScale, Number


@dataclass(frozen=True)
class RelativeLength(NativeScale):
    r"""0.5 for the shortest answer to a prompt down to -0.5 for the longest; wrong ones 0 at most.

    The length reward of Kimi k1.5 (arXiv 2501.12599, section 2.3.3); all of one length are 0.
    Verdicts map it onto [0, 1]. `within="call"` compares all that is judged at once, whatever
    the prompt, as open-r1's does. None as `MathAnswer`, or with `boxed` as `BoxedAnswer`.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?", answer="7")
    >>> said = [r"\boxed{7}", r"It must be \boxed{7}.", r"\boxed{8}"]
    >>> RelativeLength(unit="characters").rewards([prompt.with_completion(s) for s in said])
    [0.5, -0.5, 0.0]
    """

    unit: Unit = "tokens"
    within: Literal["prompt", "call"] = "prompt"
    boxed: bool = False

    needs_gold: ClassVar[bool] = True
    needs_group: ClassVar[bool] = True

    @property
    def scale(self) -> tuple[float, float]:
        return -0.5, 0.5

    def gold_problem(self, prompt: Sample) -> str | None:
        return answer_rule(self.boxed).gold_problem(prompt)

    def numbers(self, samples: Sequence[Sample]) -> list[Number]:
        verdicts = answer_rule(self.boxed).judge_all(samples)
        sizes = [size(sample, self.unit) for sample in samples]
        groups = defaultdict[str, list[int]](list)
        for sample, (length, _) in zip(samples, sizes, strict=True):
            groups[self._group(sample)].append(length)
        return [
            _number(verdict, *measured, groups[self._group(sample)])
            for sample, verdict, measured in zip(samples, verdicts, sizes, strict=True)
        ]

    def _group(self, sample: Sample) -> str:
        return sample.problem if self.within == "prompt" else ""


def _number(verdict: Verdict, length: int, unit: str, lengths: list[int]) -> Number:
    if verdict.score is None:
        return Number(None, verdict.reason)
    shortest, longest = min(lengths), max(lengths)
    right = verdict.score == 1.0
    value = 0.0 if shortest == longest else 0.5 - (length - shortest) / (longest - shortest)
    beside = f"{length} {unit} beside {shortest} to {longest}"
    return Number(value if right else min(0.0, value), f"{'right' if right else 'wrong'}, {beside}")
