r"""Is an answer in the form that it should have? Strict: every tag once, nothing beside them.

    think              <think>reasoning</think>response
    think-answer       <think>reasoning</think><answer>answer</answer>
    begin-of-thought   the same with the four tags of OpenThoughts
    open-r1, trl, verifiers   what those libraries' own format rewards let pass

`TagCount` is the soft rule of the same styles.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Literal

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer, Watching
from curate.text import CLOSE, OPEN

Style = Literal[
    "think",
    "think-answer",
    "r1",
    "prefilled",
    "boxed",
    "begin-of-thought",
    "open-r1",
    "trl",
    "verifiers",
]

ANSWER, END_ANSWER = "<answer>", "</answer>"
THOUGHT = ("<|begin_of_thought|>", "<|end_of_thought|>")
SOLUTION = ("<|begin_of_solution|>", "<|end_of_solution|>")
OPENED = f"{OPEN}\n"
TURN = f"\n{CLOSE}\n{ANSWER}\n"
"""What open-r1 wants between the reasoning and the answer."""

_TAGS: dict[str, tuple[str, ...]] = {
    "think-answer": (OPEN, CLOSE, ANSWER, END_ANSWER),
    "begin-of-thought": (*THOUGHT, *SOLUTION),
    "open-r1": (OPENED,),
}


@dataclass(frozen=True)
class ThinkFormat(Scorer):
    r"""1.0 when the answer has the form of `style`, else 0.0; never None.

    `think`: `<think>…</think>` and a response, neither empty (DeepSeek-R1, section 2.2.2).
    `think-answer`: the response is one `<answer>…</answer>` (the template of R1-Zero, table 1).
    `r1`: `TOKEN reasoning TOKEN summary` (section 2.3.1 names no token; without `token` the think
    tags). `prefilled`: as `think`, but the chat template may have opened the tag. `boxed`: as
    `think`, and the response holds a `\boxed`. `begin-of-thought`: as `think-answer` with
    `<|begin_of_thought|>`, `<|end_of_thought|>`, `<|begin_of_solution|>`, `<|end_of_solution|>`.
    `tags` are others for those of a style: two, or four for `think-answer`, with blanks between.

    `open-r1`, `trl`, `verifiers` say what `format_reward`, `think_format_reward` and the reward of
    `ThinkParser` say. They let pass a text after `</answer>`; an empty response and a second
    `</think>`; a blank response and reasoning.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> ThinkFormat().judge(prompt.with_completion("<think>3 + 4 = 7</think>It is 7."))
    Verdict(score=1.0, reason='')
    >>> ThinkFormat().judge(prompt.with_completion("<think>3 + 4 = 7</think>"))
    Verdict(score=0.0, reason='no response')
    >>> ThinkFormat("trl").judge(prompt.with_completion("<think>3 + 4 = 7</think>")).score
    1.0
    """

    style: Style = "think"
    token: str | None = None
    tags: str | None = None

    def __post_init__(self) -> None:
        check_tags("ThinkFormat", self.style, self.token, self.tags)

    def judge(self, sample: Sample) -> Verdict:
        fault = self.lasting_fault(sample.text) or self._missing(sample.text)
        return Verdict(0.0, fault) if fault else Verdict(1.0)

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        return _Skeleton(self) if at_least > 0 else None

    @property
    def marks(self) -> tuple[str, ...]:
        """The tags of the style, in order: two, or four with those of the answer."""
        return (self.token, self.token) if self.token else tags_of(self.style, self.tags)

    def lasting_fault(self, text: str) -> str | None:
        """What no ending mends; the longer a text, the more of it."""
        if self.style in ("open-r1", "trl", "verifiers"):
            return _peer_lasting_fault(self.style, text)
        opening, closing, *of_answer = self.marks
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
        return self._answer_fault(reasoning, response) if of_answer else None

    def _answer_fault(self, reasoning: str, response: str) -> str | None:
        _, closing, begin, end = self.marks
        if begin in reasoning or end in reasoning:
            return "an answer inside of the reasoning"
        response = response.lstrip()
        if not response.startswith(begin[: len(response)]):
            return f"something between {closing} and {begin}"
        answer, closed, after = response.removeprefix(begin).partition(end)
        if begin in answer or after.strip():
            return f"something after {end}" if after.strip() else "a tag twice"
        return "no answer" if closed and not answer.strip() else None

    def _missing(self, text: str) -> str | None:
        """What an ending could still bring, of a text without a lasting fault."""
        if self.style in ("open-r1", "trl", "verifiers"):
            return _peer_missing(self.style, text)
        opening, closing, *of_answer = self.marks
        if not text.startswith(opening) and self.style != "prefilled":
            return f"no {opening}"
        _, closed, response = text.removeprefix(opening).partition(closing)
        if not closed:
            return f"no {closing}" if closing != opening else f"{opening} once only"
        if not response.strip():
            return "no response"
        if of_answer and of_answer[1] not in response:
            return f"no {of_answer[1]}"
        if self.style == "boxed" and r"\boxed{" not in response:
            return r"no \boxed in the response"
        return None


def tags_of(style: str, tags: str | None = None) -> tuple[str, ...]:
    """The tags of a style, in order, or those that a user has for them."""
    return tuple(tags.split()) if tags else _TAGS.get(style, (OPEN, CLOSE))


def check_tags(scorer: str, style: str, token: str | None, tags: str | None) -> None:
    """UsageError for a token or tags that `style` cannot take."""
    if token is not None and (style != "r1" or not token.strip()):
        raise UsageError(f"{scorer}: only style=r1 takes a token, and it is not blank")
    if tags is None:
        return
    own, given = tags_of(style), tags.split()
    if style not in ("think", "think-answer", "prefilled", "boxed"):
        raise UsageError(
            f"{scorer}: style={style} has its own tags; "
            "style=think, think-answer, prefilled and boxed take others"
        )
    if len(given) != len(own):
        raise UsageError(f"{scorer}: tags={tags} are {len(given)}; style={style} has {len(own)}")
    pairs = itertools.permutations(given, 2)
    if any(a in b or any(a.endswith(b[:n]) for n in range(1, len(b))) for a, b in pairs):
        raise UsageError(f"{scorer}: tags={tags}: one is a part of another, or begins in it")
    if "," in tags:
        raise UsageError(f"{scorer}: tags={tags}: a comma ends the parameter on a command line")


def in_order(text: str, *parts: str) -> int:
    """Where the last of `parts` ends, each found after the one before it; -1 if one is missing."""
    at = 0
    for part in parts:
        found = text.find(part, at)
        if found < 0:
            return -1
        at = found + len(part)
    return at


def ends_a_line(text: str, end: str, start: int) -> bool:
    """True when `end` stands somewhere from `start` on, with nothing behind it on its line."""
    return text.find(f"{end}\n", start) >= 0 or (
        text.endswith(end) and len(text) - len(end) >= start
    )


def _peer_lasting_fault(style: str, text: str) -> str | None:
    opening = OPENED if style == "open-r1" else OPEN
    begun = text.lstrip() if style == "verifiers" else text
    if not begun.startswith(opening[: len(begun)]):
        return f"does not begin with {opening!r}"
    once = {"trl": (OPEN,), "verifiers": (OPEN, CLOSE)}.get(style, ())
    return "a tag twice" if any(text.count(tag) > 1 for tag in once) else None


def _peer_missing(style: str, text: str) -> str | None:
    if style == "open-r1":
        answer = in_order(text, OPENED, TURN)
        if answer < 0:
            return f"no {TURN!r} after {OPENED!r}"
        found = ends_a_line(text, f"\n{END_ANSWER}", answer)
        return None if found else f"no {END_ANSWER} on a line of its own"
    if OPEN not in text or CLOSE not in text:
        return f"no {CLOSE if OPEN in text else OPEN}"
    return "no response" if style == "verifiers" and text.endswith(CLOSE) else None


_SOME = "\0"
"""Stands for a text between two tags; no tag has it."""


class _Skeleton:
    """The tags of a growing answer and, for all that stands between two of them, one character.

    No fault of the form depends on more, so each piece is looked at once.
    """

    def __init__(self, rule: ThinkFormat) -> None:
        self._rule = rule
        self._known = frozenset(rule.marks)
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
            elif part and not self._said.endswith(_SOME):
                self._said = self._said.removesuffix(" ") + (_SOME if part.strip() else " ")
        self._fault = self._rule.lasting_fault(self._said)
        return self._fault

    def _begun(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a tag."""
        longest = min(len(text), max(map(len, self._known)) - 1)
        ends = (text[len(text) - n :] for n in range(longest, 0, -1))
        return next((len(e) for e in ends if any(tag.startswith(e) for tag in self._known)), 0)
