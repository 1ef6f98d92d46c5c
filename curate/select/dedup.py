"""`Dedup`: one of several answers that say the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from datatrove.data import Document

from curate.errors import UsageError
from curate.step import Step, grouped

SHINGLE = 3
"""Tokens in a row that count as one feature; short, because a toy's reasoning has 30 tokens in all.
"""


class Dedup(Step):
    """Drops samples whose completion repeats an earlier one of the same prompt, as
    `duplicate_of:ID`.

    Two completions are duplicates when the Jaccard similarity of their token 3-grams is at least
    `similarity`; 1.0 means equal after white space is folded. Symbols are tokens: `2n-1` and `2n+1`
    differ. The sample with the smaller number stays.
    """

    is_grouped = True

    def __init__(self, *, by: str, within: str, similarity: float = 0.9) -> None:
        super().__init__()
        if (by, within) != ("completion", "prompt"):
            raise UsageError(
                f"Dedup(by={by!r}, within={within!r}): only by='completion', within='prompt' exists"
            )
        if not 0 < similarity <= 1:
            raise UsageError(f"Dedup(similarity={similarity}): a share above 0, at most 1")
        self.similarity = similarity

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Any:
        for group in grouped(data):
            kept: list[tuple[str, str, frozenset[tuple[str, ...]]]] = []
            for document in sorted(group, key=lambda d: (d.metadata["k"], d.id)):
                folded = " ".join(document.text.split())
                grams = shingles(folded)
                twin = next((i for i, t, g in kept if self.same(folded, grams, t, g)), None)
                if twin:
                    self.drop(document, f"duplicate_of:{twin}")
                else:
                    kept.append((document.id, folded, grams))
                    yield document

    def same(
        self,
        a: str,
        a_grams: frozenset[tuple[str, ...]],
        b: str,
        b_grams: frozenset[tuple[str, ...]],
    ) -> bool:
        return a == b or (self.similarity < 1 and jaccard(a_grams, b_grams) >= self.similarity)


def tokens(text: str) -> list[str]:
    """Words, numbers and single symbols, in lower case; a Han or kana character is a token of its
    own.

    >>> tokens("Sum of 2n-1.")
    ['sum', 'of', '2', 'n', '-', '1', '.']
    """
    return re.findall(r"[぀-ヿ㐀-鿿]|\d+|[^\W\d_]+|\S", text.lower())


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """The token 3-grams of a text; a shorter text is one feature."""
    words = tokens(text)
    spans = range(max(1, len(words) - SHINGLE + 1))
    return frozenset(tuple(words[i : i + SHINGLE]) for i in spans)


def jaccard(a: frozenset[Any], b: frozenset[Any]) -> float:
    """Shared features over all features, in [0, 1].

    >>> jaccard(frozenset("ab"), frozenset("bc")) == 1 / 3
    True
    """
    return len(a & b) / len(a | b) if a or b else 1.0
