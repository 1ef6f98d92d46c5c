r"""What the simulated model says: a pure function of a request's prompt, seed and limit.

<think>
 so the carry moves … wait, the sum …
</think>

The answer is \boxed{42}.

A token is a piece of text, mostly a word. Prose has no loop in it but the planted ones.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

OPEN, CLOSE = "<think>\n", "\n</think>\n\n"
CUT_AFTER = 512
"""Tokens after which a defect must have been seen: the oracle's cost of a defective answer."""


def _split(text: str) -> list[str]:
    return text.split()


_TURNS = [
    ". Wait,",
    ". Hmm,",
    ".\n\nSo",
    ".\n\nLet me check:",
    ". But",
    ". Okay,",
    "; then",
    ", so",
]
_WORDS = _split(
    "the a this that each first second next last total whole part value number sum carry digit"
    " column place unit ten hundred result term side step case rule idea way line point pair group"
    " count order sign half double equal greater smaller left right known given wanted simple"
    " careful quick exact rough final partial correct wrong same other add take move keep write"
    " read see find check compare split join change follow leave give make hold start stop turn"
    " is are was be becomes stays means gives needs has have had can could should would may must"
    " I we it they there here now again before after from into over under with without between"
    " because since if when while until as than not only also still just maybe perhaps indeed"
    " really exactly almost nearly roughly together apart above below once more less enough many"
    " few both either neither another every any some none one two three four five six seven eight"
    " nine zero thinking reasoning estimate bound guess hint pattern sequence answer question"
    " problem method formula approach mistake sense detail reason example version statement"
)
_ENGLISH = [f" {word}" for word in _WORDS] + _TURNS * 2
_CHINESE = _split(
    "我们 需要 考虑 这个 问题 首先 计算 然后 得到 结果 因此 可以 看出 两个 数字 相加 等于 但是"
    " 还要 检查 一下 步骤 是否 正确 所以 答案 应该 就是 如果 不对 再来 一次"
)
_SUM = re.compile(r"(-?\d+)\s*([-+*])\s*(-?\d+)")


@dataclass(frozen=True, kw_only=True)
class Speech:
    """How long the answers are, and what share of them has which defect."""

    mean_tokens: int = 6000
    sigma: float = 0.9
    """Of the logarithm: with it 4 % are longer than 20,000 tokens, and the longest of 32 has about
    26,000 (facts on R1's traces: mean 6,000, a tail beyond 20,000).
    """
    longest: int = 32_768
    loops: float = 0.0
    leaks: float = 0.0
    missing_tags: float = 0.0


@dataclass(frozen=True)
class Answer:
    """All that will be said to a request, token by token."""

    pieces: list[str]
    finish_reason: str
    is_right: bool
    """The boxed number is the gold one; False as well where no gold can be derived."""
    defect: str | None
    defect_at: int | None
    """Token with which the defect begins."""
    closes_at: int | None
    """Index of the closing tag's piece."""

    @property
    def is_good(self) -> bool:
        return self.is_right and self.defect is None and self.finish_reason == "stop"

    @property
    def needed_tokens(self) -> int:
        """What an oracle pays: all, or what stands `CUT_AFTER` tokens after a defect begins."""
        full = len(self.pieces)
        return full if self.defect_at is None else min(full, self.defect_at + CUT_AFTER)


def key_of(body: dict[str, Any]) -> str:
    """16 hex digits of what determines the answer, the limit left out."""
    asked = [body.get("messages", body.get("prompt")), body.get("seed")]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def problem_of(body: dict[str, Any]) -> str:
    """The text of the last turn, or the raw prompt."""
    return str(body["messages"][-1]["content"] if "messages" in body else body["prompt"])


def gold_of(problem: str) -> int | None:
    """The value of the last sum, difference or product in a text.

    >>> gold_of("What is 17 + 25? (#123)"), gold_of("What is -3 * 4?"), gold_of("Who?")
    (42, -12, None)
    """
    found = _SUM.findall(problem)
    if not found:
        return None
    left, sign, right = found[-1]
    a, b = int(left), int(right)
    return a + b if sign == "+" else a - b if sign == "-" else a * b


def answer_to(body: dict[str, Any], speech: Speech) -> Answer:
    """The whole answer to a request, cut at its `max_tokens`."""
    problem = problem_of(body)
    random = Random(key_of(body))
    limit = min(body.get("max_tokens") or speech.longest, speech.longest)
    mean = math.log(speech.mean_tokens) - speech.sigma**2 / 2
    length = min(max(int(random.lognormvariate(mean, speech.sigma)), 40), speech.longest)
    is_prefilled = "prompt" in body and problem.rstrip().endswith("<think>")
    shares = [speech.loops, speech.leaks, speech.missing_tags]
    defect = _draw(random, ["loop", "leak", "missing_tag"], shares)
    if defect == "missing_tag" and is_prefilled:
        defect = None
    ending, is_right = _ending(random, problem)
    opening = [] if is_prefilled or defect == "missing_tag" else [OPEN]
    pieces = opening + random.choices(_ENGLISH, k=length - len(opening) - len(ending)) + ending
    closes_at, begin = len(pieces) - len(ending), None
    if defect is not None:
        begin = 0 if defect == "missing_tag" else random.randrange(length // 5, length * 4 // 5)
    if defect == "loop" and begin is not None:
        pieces[begin:] = _again(random, limit - begin)
        closes_at, is_right = limit, False
    elif defect == "leak" and begin is not None:
        leak = _leak(random)
        pieces[begin:begin] = leak
        closes_at += len(leak)
    is_whole = len(pieces) <= limit and defect != "loop"
    if begin is not None and begin >= limit:
        defect = begin = None
    return Answer(
        pieces[:limit],
        "stop" if is_whole else "length",
        is_right and is_whole,
        defect,
        begin,
        closes_at if closes_at < limit else None,
    )


def _draw(random: Random, names: Sequence[str], shares: Sequence[float]) -> str | None:
    """One of the names, each with its share, or None for what is left."""
    left = random.random()
    for name, share in zip(names, shares, strict=True):
        left -= share
        if left < 0:
            return name
    return None


def _ending(random: Random, problem: str) -> tuple[list[str], bool]:
    """The closing tag and the boxed number; each problem has a solve rate, one half in the mean."""
    gold = gold_of(problem)
    rate = Random(f"rate of {problem}").uniform(0.1, 0.9)
    is_right = random.random() < rate
    wrong = random.choice([-10, -2, -1, 1, 2, 10])
    number = random.randrange(1000) if gold is None else gold if is_right else gold + wrong
    ending = [CLOSE, "The", " answer", " is", " \\boxed{", str(number), "}", "."]
    return ending, is_right and gold is not None


def _again(random: Random, count: int) -> list[str]:
    """A stretch of some words, said again and again; 40 words ten times are fewer than 512."""
    stretch = random.choices(_ENGLISH[: len(_WORDS)], k=random.randint(5, 40))
    return (stretch * (count // len(stretch) + 1))[: max(count, 0)]


def _leak(random: Random) -> list[str]:
    """A few sentences in Chinese."""
    return [
        piece
        for _ in range(random.randint(3, 8))
        for piece in (*random.choices(_CHINESE, k=random.randint(8, 16)), "。")
    ]
