"""The sentences of a text that grows, and the rules that look at one sentence at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_END = re.compile(r"(?<=[.!?])\s|(?<=[。\uff01\uff1f])|\n|(</?think>|</?answer>)")
_BEGUN = 8
"""Characters at the end that may be the beginning of a tag."""
_LONGEST = 1000
"""A longer sentence is cut at a space, so a text without an end costs no more than another."""


class NewSentences:
    """Takes a text in pieces and gives the sentences that have ended, and its tags.

    A sentence ends with a mark and a space behind it, a mark of Chinese, a line break or a tag.

    >>> new = NewSentences()
    >>> new.feed("<think>It is 3.5. Is"), new.feed(" it? I"), new.unfinished
    (['<think>', 'It is 3.5.'], ['Is it?'], 'I')
    """

    def __init__(self) -> None:
        self.unfinished = ""
        """The last sentence so far."""

    def feed(self, piece: str) -> list[str]:
        """The sentences that `piece` has ended."""
        *ended, last = _END.split(self.unfinished + piece)
        found = [part for said in ended if said for part in _cut(said)]
        *cut, self.unfinished = _cut(last, spare=_BEGUN)
        return found + cut


def sentences(text: str) -> list[str]:
    """All sentences of a text and its tags, in order."""
    return [sentence for sentence, _ in sentences_from(text, 0)]


def sentences_from(text: str, start: int) -> Iterator[tuple[str, int]]:
    """The sentences and tags from `start` on, one at a time, each with where it ends."""
    for end in _END.finditer(text, start):
        for part in _cut(text[start : end.start()]) if end.start() > start else ():
            yield part, end.start()
        if end[1]:
            yield end[1], end.end()
        start = end.end()
    for part in _cut(text[start:]):
        yield part, len(text)


class Sentencewise:
    """Watches a growing answer for a sentence that a rule finds fault with."""

    def __init__(self, fault_of: Callable[[str], str | None]) -> None:
        self._fault_of, self._new = fault_of, NewSentences()
        self._fault: str | None = None

    def __call__(self, piece: str, tokens: int) -> str | None:
        if self._fault is None:
            self._fault = next(filter(None, map(self._fault_of, self._new.feed(piece))), None)
        return self._fault


def _cut(said: str, spare: int = 0) -> list[str]:
    """A sentence in parts; where a tag may have begun, in the last `spare` ones, is no end."""
    parts, start = list[str](), 0
    while len(said) - start - spare > _LONGEST:
        at = said.rfind(" ", start + 1, start + _LONGEST)
        at = at if at > 0 else start + _LONGEST
        parts.append(said[start:at])
        start = at
    return [*parts, said[start:]]
