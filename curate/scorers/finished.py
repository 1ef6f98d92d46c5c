"""Did the model end its answer by itself?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer
from curate.text import braced, split_think


@dataclass(frozen=True)
class Finished(Scorer):
    r"""1.0 when the model ended its answer, 0.0 when it was cut off, None when nobody can know.

    The engine says so: `finish_reason` is `stop`, or what other engines call it. Where a file has
    none, the text tells: inside of the reasoning, a `\boxed{`, a formula or a block of code it was
    cut off; behind a sentence, a box or an answer element it has probably ended; else None.
    Measured on 70 chains and 12,500 solutions (MATH, GSM8K): of the whole ones 97 %, 90 % and 57 %
    have ended and none is cut off; of as many cut at a random space 5 %, 4 % and 3 % have ended.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> Finished().judge(prompt.with_completion("It is 7.", finish_reason="stop")).score
    1.0
    >>> Finished().judge(prompt.with_completion("It is", finish_reason="length"))
    Verdict(score=0.0, reason='finish_reason is length')
    >>> Finished().judge(prompt.with_completion("<think>It is"))
    Verdict(score=0.0, reason='no finish_reason; the reasoning is open')
    """

    def judge(self, sample: Sample) -> Verdict:
        if sample.finish_reason is None:
            return _by_text(sample.text)
        if sample.finish_reason.lower() in _ENDED:
            return Verdict(1.0)
        return Verdict(0.0, f"finish_reason is {sample.finish_reason}")


_ENDED = frozenset(["stop", "eos_token", "stop_sequence", "end_turn"])
"""OpenAI and vLLM; text-generation-inference (the second and third); Anthropic (the last two)."""
_ENDS = re.compile(r"[.!?。\uff01\uff1f][\"'\u201d\u2019)*\]]*\s*$|</answer>\s*$")
_BOX_ENDS = re.compile(r"[\s$.。)\]\\*]*$")


def _by_text(text: str) -> Verdict:
    if fault := _open(text):
        return Verdict(0.0, f"no finish_reason; {fault} is open")
    box = text.rfind(r"\boxed{")
    has_ended = _ENDS.search(text[-40:]) or (
        box >= 0 and _BOX_ENDS.match(text, braced(text, box + len(r"\boxed")))
    )
    if has_ended:
        return Verdict(1.0, "no finish_reason; the text has ended")
    return Verdict(None, "no finish_reason, and the text does not tell")


def _open(text: str) -> str | None:
    """What is open at the end, so that more was to come."""
    if split_think(text).shape == "truncated":
        return "the reasoning"
    box = text.rfind(r"\boxed{")
    if box >= 0 and braced(text, box + len(r"\boxed")) < 0:
        return "a box"
    if len(re.findall(r"^\s*```", text, re.MULTILINE)) % 2:
        return "a block of code"
    if text.rfind(r"\[") > text.rfind(r"\]") or text.rfind(r"\(") > text.rfind(r"\)"):
        return "a formula"
    return None
