"""Which of many short strings may stand in a text? Asked before anything dear looks for them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

_BITS = 18
"""20,000 characters have some 4,000 different trigrams: 1.5 % of the table."""


class Substrings:
    """Strings of three bytes and more, looked for together by the trigrams of their UTF-8.

    Sixty are told not to be in 20,000 characters in a tenth of the time of sixty searches.

    >>> names = Substrings(["deepmind", "openai"])
    >>> names.which("made by openai"), names.which("made here")
    (['openai'], [])
    """

    def __init__(self, strings: Iterable[str]) -> None:
        self._strings = list(strings)
        parts = [_trigrams(string) for string in self._strings]
        self._trigrams = np.concatenate(parts)
        self._starts = np.cumsum([0, *map(len, parts[:-1])])

    def which(self, text: str) -> list[str]:
        """Those that stand in the text."""
        present = np.zeros(1 << _BITS, bool)
        present[_trigrams(text)] = True
        may = np.logical_and.reduceat(present[self._trigrams], self._starts)
        return [s for s in map(self._strings.__getitem__, np.flatnonzero(may)) if s in text]


def _trigrams(text: str) -> np.ndarray:
    """A number for every three bytes in a row; none for a text of fewer."""
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8).astype(np.uint32)
    return ((data[:-2] * 2741 + data[1:-1]) * 89 + data[2:]) & ((1 << _BITS) - 1)
