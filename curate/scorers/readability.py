"""Can a person read the reasoning? DeepSeek-R1 drops "long paragraphs and code blocks"."""

from __future__ import annotations

from dataclasses import dataclass

from curate.errors import UsageError
from curate.sample import Sample, Verdict
from curate.scorers.new_words import NewWords
from curate.scorers.scorer import Scorer, Watching
from curate.text import CLOSE, OPEN, words


@dataclass(frozen=True)
class Readability(Scorer):
    """1.0 when the reasoning has no long paragraph and no code block, else 0.0; never None.

    DeepSeek-R1 (v1, section 2.3.3) filters chains with "long paragraphs, and code blocks" out and
    gives no number. A paragraph is what stands between line breaks, as chains of many models have
    no empty lines; longer than `paragraph_words` it is long: 500 words are a page. Measured on 70
    real chains of 6,300 paragraphs: half have 12 words, 99 % at most 155, and 4 chains have one of
    over 500 (669 to 1,780 words); none has a code block, of which `code_blocks` are let pass
    (None: any number). Reasoning is all before `</think>`; without tags, the whole text.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> Readability().judge(prompt.with_completion("<think>3 + 4 = 7</think>```7```")).score
    1.0
    >>> Readability().judge(prompt.with_completion("<think>I run:\\n```\\n3 + 4\\n```\\n</think>7"))
    Verdict(score=0.0, reason='code blocks in the reasoning: 1')
    """

    paragraph_words: int | None = 500
    code_blocks: int | None = 0

    def __post_init__(self) -> None:
        for name in ("paragraph_words", "code_blocks"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise UsageError(f"Readability: {name}={value} is at least 0, or None for any")

    def judge(self, sample: Sample) -> Verdict:
        reasoning, closed, rest = sample.text.rpartition(CLOSE)
        reasoning = (reasoning if closed else rest).lstrip().removeprefix(OPEN)
        if not any(fence in reasoning for fence in _FENCES) and not self._may_be_long(reasoning):
            return Verdict(1.0)
        fault = _Lines(self).add(f"{reasoning}\n")
        return Verdict(0.0, fault) if fault else Verdict(1.0)

    def _may_be_long(self, reasoning: str) -> bool:
        """False where no line has the words of a long paragraph; none has more than characters."""
        longest = self.paragraph_words
        return longest is not None and any(
            len(line) > longest and len(words(line)) > longest for line in reasoning.split("\n")
        )

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        return _Growing(self) if at_least > 0 else None


class _Lines:
    """The words of the line so far, and the code blocks so far; a fault stays one."""

    def __init__(self, rule: Readability) -> None:
        self._rule, self._new = rule, NewWords()
        self._start, self._words = "", 0
        self._blocks, self._is_code = 0, False

    def add(self, text: str) -> str | None:
        """Takes further text; says what cannot be read."""
        for number, line in enumerate(text.split("\n")):
            if number and (fault := self._more("\n")):
                return fault
            if number:
                self._start, self._words = "", 0
            if fault := self._more(line):
                return fault
        return None

    def _more(self, text: str) -> str | None:
        if len(self._start) < len(_FENCES[0]):
            self._start = (self._start + text).lstrip()[: len(_FENCES[0])]
            if self._start in _FENCES:
                self._is_code = not self._is_code
                self._blocks += self._is_code
        self._words += len(self._new.feed(text))
        longest, blocks = self._rule.paragraph_words, self._rule.code_blocks
        if blocks is not None and self._blocks > blocks:
            return f"code blocks in the reasoning: {self._blocks}"
        if longest is not None and self._words > longest and not self._is_code:
            return f"a paragraph of over {longest} words in the reasoning"
        return None


_FENCES = ("```", "~~~")


class _Growing:
    """The reasoning of a growing answer, between its first tags."""

    def __init__(self, rule: Readability) -> None:
        self._lines = _Lines(rule)
        self._head: str | None = ""
        self._held, self._is_over = "", False
        self._fault: str | None = None

    def __call__(self, piece: str, tokens: int) -> str | None:
        if self._fault is None and not self._is_over:
            text = self._held + self._begin(piece)
            end = text.find(CLOSE)
            self._is_over = end >= 0
            if end < 0:  # the last characters may be the beginning of the tag
                sizes = range(min(len(text), len(CLOSE) - 1), -1, -1)
                end = len(text) - next(n for n in sizes if text.endswith(CLOSE[:n]))
            self._held = text[end:]
            self._fault = self._lines.add(text[:end] + "\n" * self._is_over)
        return self._fault

    def _begin(self, piece: str) -> str:
        """The piece, held back while it may be the opening tag, and without it."""
        if self._head is None:
            return piece
        self._head = (self._head + piece).lstrip()
        if len(self._head) < len(OPEN) and OPEN.startswith(self._head):
            return ""
        piece, self._head = self._head.removeprefix(OPEN), None
        return piece
