r"""Are two gold answers the same? `1/2` and `\frac{1}{2}` are, whoever wrote them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from curate.select.features import sequence
from curate.select.tokens import Hashes, tokenize

Named = tuple[int, int]
"""An answer's hash and a document that has it."""


def answer_hashes(answers: list[str | None]) -> Hashes:
    r"""A number for each answer, the same for LaTeX that only looks different; 0 without one.

    >>> a, b, none = answer_hashes([r"\dfrac{1}{2}", r"$\frac12$", None]).tolist()
    >>> a == b, none
    (True, 0)
    """
    tokens = tokenize([answer or "" for answer in answers])
    hashes = sequence(tokens.hashes, tokens.starts) | np.uint64(1)
    return np.where(np.diff(tokens.starts) > 0, hashes, np.uint64(0))


class SameAnswers:
    """Compares answers that are not spelled alike as `MathAnswer` does, each pair once."""

    def __init__(self, texts_of: Callable[[list[int]], list[str]]) -> None:
        self._texts_of = texts_of
        """The answers of documents, by their numbers."""
        self._known: dict[tuple[int, int], bool] = {}

    def same(self, a: Named, b: Named) -> bool:
        """True when the answers are equal; those that cannot be compared are different."""
        if a[0] == b[0]:
            return True
        key = (min(a[0], b[0]), max(a[0], b[0]))
        if key not in self._known:
            self._judge({key: (a[1], b[1])})
        return self._known[key]

    def prepare(self, answered: NDArray[np.uint64], documents: NDArray[np.int32]) -> None:
        """Compares the answers of many pairs of documents at once, which `same` then knows."""
        differ = (answered != 0).all(axis=1) & (answered[:, 0] != answered[:, 1])
        asked = {
            (min(hashes), max(hashes)): (pair[0], pair[1])
            for hashes, pair in zip(
                answered[differ].tolist(), documents[differ].tolist(), strict=True
            )
        }
        self._judge({key: pair for key, pair in asked.items() if key not in self._known})

    def _judge(self, asked: dict[tuple[int, int], tuple[int, int]]) -> None:
        # Loaded here: the readers of formulas are only needed where answers are compared.
        from curate.scorers.math_answer import compare_all, gold_answer

        if not asked:
            return
        documents = [document for pair in asked.values() for document in pair]
        texts = [gold_answer(text) or "" for text in self._texts_of(documents)]
        pairs = list(zip(texts[::2], texts[1::2], strict=True))
        for key, verdict in zip(asked, compare_all(pairs), strict=True):
            self._known[key] = verdict.score == 1.0
