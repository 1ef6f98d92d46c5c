"""Is an answer in the form that it should have? Strict: every tag once, nothing beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer, Watching
from curate.text import CLOSE, OPEN

Style = Literal["think", "think-answer", "r1", "prefilled", "boxed"]

ANSWER, END_ANSWER = "<answer>", "</answer>"


@dataclass(frozen=True)
class ThinkFormat(Scorer):
    r"""1.0 when the answer has the form of `style`, else 0.0; never None.

    `think`: `<think>…</think>` and a response, neither empty (DeepSeek-R1, section 2.2.2).
    `think-answer`: the response is one `<answer>…</answer>` (the template of R1-Zero, table 1).
    `r1`: `TOKEN reasoning TOKEN summary` (section 2.3.1 names no token; without `token` the think
    tags). `prefilled`: as `think`, but the chat template may have opened the tag. `boxed`: as
    `think`, and the response holds a `\boxed`.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> ThinkFormat().judge(prompt.with_completion("<think>3 + 4 = 7</think>It is 7."))
    Verdict(score=1.0, reason='')
    >>> ThinkFormat().judge(prompt.with_completion("<think>3 + 4 = 7</think>"))
    Verdict(score=0.0, reason='no response')
    """

    style: Style = "think"
    token: str | None = None

    def __post_init__(self) -> None:
        if self.token is not None and (self.style != "r1" or not self.token.strip()):
            raise UsageError("ThinkFormat: only style=r1 takes a token, and it is not blank")

    def judge(self, sample: Sample) -> Verdict:
        fault = self.lasting_fault(sample.text) or self._missing(sample.text)
        return Verdict(0.0, fault) if fault else Verdict(1.0)

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        return _Skeleton(self) if at_least > 0 else None

    @property
    def tags(self) -> tuple[str, str]:
        return (self.token, self.token) if self.token else (OPEN, CLOSE)

    def lasting_fault(self, text: str) -> str | None:
        """What no ending mends; the longer a text, the more of it."""
        opening, closing = self.tags
        if not text.startswith(opening):
            if not opening.startswith(text) and self.style != "prefilled":
                return f"does not begin with {opening}"
            if opening in text:
                return f"something before {opening}"
            if self.style != "prefilled":
                return None
        rest = text.removeprefix(opening)
        reasoning, closed, response = rest.partition(closing)
        if opening in reasoning or opening in response or closing in response:
            return "a tag twice"
        if closed and not reasoning.strip():
            return "no reasoning"
        return self._answer_fault(reasoning, response) if self.style == "think-answer" else None

    def _answer_fault(self, reasoning: str, response: str) -> str | None:
        if ANSWER in reasoning or END_ANSWER in reasoning:
            return "an answer inside of the reasoning"
        response = response.lstrip()
        if not response.startswith(ANSWER[: len(response)]):
            return f"something between {CLOSE} and {ANSWER}"
        answer, closed, after = response.removeprefix(ANSWER).partition(END_ANSWER)
        if ANSWER in answer or after.strip():
            return f"something after {END_ANSWER}" if after.strip() else "a tag twice"
        return "no answer" if closed and not answer.strip() else None

    def _missing(self, text: str) -> str | None:
        """What an ending could still bring, of a text without a lasting fault."""
        opening, closing = self.tags
        if not text.startswith(opening) and self.style != "prefilled":
            return f"no {opening}"
        _, closed, response = text.removeprefix(opening).partition(closing)
        if not closed:
            return f"no {closing}" if closing != opening else f"{opening} once only"
        if not response.strip():
            return "no response"
        if self.style == "think-answer" and END_ANSWER not in response:
            return f"no {END_ANSWER}"
        if self.style == "boxed" and r"\boxed{" not in response:
            return r"no \boxed in the response"
        return None


class _Skeleton:
    """The tags of a growing answer and, for all that stands between two of them, one character.

    No fault of the form depends on more, so each piece is looked at once.
    """

    def __init__(self, rule: ThinkFormat) -> None:
        self._rule = rule
        self._known = (
            {*rule.tags, ANSWER, END_ANSWER} if rule.style == "think-answer" else {*rule.tags}
        )
        self._split = re.compile(f"({'|'.join(map(re.escape, sorted(self._known)))})").split
        self._said = self._rest = ""
        self._fault: str | None = None

    def __call__(self, piece: str, tokens: int) -> str | None:
        if self._fault is not None:
            return self._fault
        *parts, last = self._split(self._rest + piece)
        held = self._begun(last)
        self._rest = last[len(last) - held :]
        for part in (*parts, last[: len(last) - held]):
            if part in self._known:
                self._said += part
            elif part and not self._said.endswith("x"):
                self._said = self._said.removesuffix(" ") + ("x" if part.strip() else " ")
        self._fault = self._rule.lasting_fault(self._said)
        return self._fault

    def _begun(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a tag."""
        longest = min(len(text), max(map(len, self._known)) - 1)
        ends = (text[len(text) - n :] for n in range(longest, 0, -1))
        return next((len(e) for e in ends if any(tag.startswith(e) for tag in self._known)), 0)
