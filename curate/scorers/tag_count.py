r"""How many of the tags of a style does an answer have as often as it should? The soft rule.

`ThinkFormat` says all or nothing; a model that has not learned the form yet learns from a share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer, Watching
from curate.scorers.think_format import Style, check_tags, tags_of
from curate.text import CLOSE


@dataclass(frozen=True)
class TagCount(Scorer):
    r"""The share of the tags of `style` that stand there as often as they should; never None.

    Each tag once; the `token` of `r1` twice; `prefilled`: the opening tag at most once; `boxed`: a
    `\boxed` too; `trl`: the closing tag once or more often. Order and what stands between do not
    count. `open-r1` counts as its `tag_count_reward` does, with line breaks: `<think>\n`,
    `\n</think>\n`, `\n<answer>\n`, `\n</answer>`.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> TagCount().judge(prompt.with_completion("<think>3 + 4 = 7</think>It is 7.")).score
    1.0
    >>> TagCount("think-answer").judge(prompt.with_completion("<think>3 + 4</think>7</answer>"))
    Verdict(score=0.75, reason='<answer> 0 times')
    """

    style: Style = "think"
    token: str | None = None
    tags: str | None = None

    def __post_init__(self) -> None:
        check_tags("TagCount", self.style, self.token, self.tags)

    def judge(self, sample: Sample) -> Verdict:
        counts = [sample.text.count(part.tag) for part in self.parts]
        wrong = [
            f"{part.tag.strip()} {count} times"
            for part, count in zip(self.parts, counts, strict=True)
            if not part.least <= count <= part.most
        ]
        return Verdict(1 - len(wrong) / len(counts), ", ".join(wrong)[:200])

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        return _Counted(self.parts, at_least) if at_least > 0 else None

    @property
    def parts(self) -> list[Part]:
        """What is counted, and how often each may stand there."""
        if self.token:
            return [Part(self.token, 2, 2)]
        if self.style == "open-r1":
            tags = ("<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>")
        else:
            tags = tags_of(self.style, self.tags)
        parts = [Part(tag) for tag in tags]
        if self.style == "prefilled":
            parts[0] = Part(tags[0], least=0)
        elif self.style == "trl":
            parts[1] = Part(CLOSE, most=MANY)
        elif self.style == "boxed":
            parts.append(Part(r"\boxed{", most=MANY))
        return parts


MANY = 10**9


class Part(NamedTuple):
    """A tag and how often it may stand there."""

    tag: str
    least: int = 1
    most: int = 1


class _Counted:
    """Counts in a growing answer; a tag that stands there too often stays so."""

    def __init__(self, parts: list[Part], at_least: float) -> None:
        self._parts, self._at_least = parts, at_least
        self._counts = [0] * len(parts)
        self._rest = [""] * len(parts)

    def __call__(self, piece: str, tokens: int) -> str | None:
        for i, part in enumerate(self._parts):
            *before, last = (self._rest[i] + piece).split(part.tag)
            self._counts[i] += len(before)
            self._rest[i] = last[max(0, len(last) - len(part.tag) + 1) :]
        counted = zip(self._parts, self._counts, strict=True)
        often = [part.tag.strip() for part, count in counted if count > part.most]
        reachable = Verdict(1 - len(often) / len(self._parts))
        if reachable.reaches(self._at_least):
            return None
        return f"too often: {', '.join(often)}"[:200]
