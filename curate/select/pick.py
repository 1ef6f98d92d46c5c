"""`Pick`: a few samples of each prompt, by a stated rule.

Pick(2, by=("shortest", "longest"))     # the pair of CodeForces-CoTs' solutions_short_and_long
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from datatrove.data import Document

from curate.errors import UsageError
from curate.scorers.scorer import Scorer
from curate.select.draw import place
from curate.select.keep import Keep
from curate.step import Step, grouped

RULES = ("first", "shortest", "longest", "random", "best", "different")
NGRAM = 5
"""Tokens in a row whose share two answers are compared by; as many as datatrove's MinHash takes."""


class Pick(Step):
    """Keeps `per_prompt` samples of each prompt; the others are `surplus`.

    `by` is one of these, or several, which choose in turn, one sample each:

    - `first`: the smallest number of the sample;
    - `shortest`, `longest`: by completion tokens (characters where the engine gave no count);
    - `random`: by a hash of the sample's id and `seed`;
    - `best`: the highest score of `scorer`, by the verdict that is there or one that is made now;
      what cannot be judged comes last;
    - `different`: the sample whose most similar one among those chosen is the least similar
      (Jaccard of token 5-grams); where none is chosen yet, the shortest.

    Equal ones go by the number of the sample, and those chosen are given in that order.
    """

    is_grouped = True

    def __init__(
        self,
        per_prompt: int = 1,
        *,
        by: str | Sequence[str],
        scorer: Scorer | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.rules = (by,) if isinstance(by, str) else tuple(by)
        if unknown := [rule for rule in self.rules if rule not in RULES]:
            raise UsageError(f"Pick(by={unknown[0]!r}): choose one of {', '.join(RULES)}")
        if not self.rules or not 1 <= len(self.rules) <= max(per_prompt, 1):
            raise UsageError(
                f"Pick({per_prompt}, by={by!r}): at least one rule, and a sample for each"
            )
        if per_prompt < 1:
            raise UsageError(f"Pick(per_prompt={per_prompt}): at least 1")
        if (scorer is None) == ("best" in self.rules):
            raise UsageError(
                "Pick: by='best' and scorer=… belong together, "
                "as in Pick(by='best', scorer=MathAnswer())"
            )
        self.per_prompt, self.seed = per_prompt, seed
        self.best = Keep(scorer, 0.0) if scorer else None

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Any:
        for group in grouped(data):
            group.sort(key=lambda d: (d.metadata["k"], d.id))
            chosen = self._chosen(group) if len(group) > self.per_prompt else range(len(group))
            for i, document in enumerate(group):
                if i in chosen:
                    yield document
                else:
                    taken = ", ".join(group[c].id for c in sorted(chosen))
                    self.drop(document, "surplus", f"{', '.join(self.rules)}: {taken}")

    def _chosen(self, group: Sequence[Document]) -> list[int]:
        """The numbers of the samples that stay; all of them when a rule has none left."""
        orders = {rule: self._order(rule, group) for rule in self.rules if rule != "different"}
        differing = Differing(group) if "different" in self.rules else None
        chosen: list[int] = []
        for turn in range(self.per_prompt):
            rule = self.rules[turn % len(self.rules)]
            if rule == "different" and differing:
                chosen.append(differing.next(chosen))
            else:
                chosen.append(next(i for i in orders[rule] if i not in chosen))
        return chosen

    def _order(self, rule: str, group: Sequence[Document]) -> list[int]:
        """The samples with the preferred one first; equal ones stay in the order that they have."""
        if rule == "first":
            return list(range(len(group)))
        if rule == "random":
            keys: list[float] = [place(self.seed, d.id) for d in group]
        elif rule == "best" and self.best:
            verdicts = self.best.verdicts(group)
            keys = [1.0 if v is None or v.score is None else -v.score for v in verdicts]
        else:
            sign = 1 if rule == "shortest" else -1
            keys = [sign * length(d) for d in group]
        return sorted(range(len(group)), key=lambda i: keys[i])


def length(document: Document) -> int:
    """Completion tokens; characters where the engine gave no count."""
    return document.metadata.get("completion_tokens") or len(document.text)


class Differing:
    """How similar the samples of a prompt are to those chosen so far."""

    def __init__(self, group: Sequence[Document]) -> None:
        import numpy as np

        from curate.select.tokens import tokenize

        grams, starts = tokenize([d.text for d in group]).ngrams(NGRAM)
        self._grams = [np.unique(grams[start:end]) for start, end in pairwise(starts)]
        self._lengths = [length(d) for d in group]
        self._nearest = [0.0] * len(group)
        self._seen = 0

    def next(self, chosen: Sequence[int]) -> int:
        """The number of the sample that is least similar to those of `chosen`."""
        for other in chosen[self._seen :]:
            for i, grams in enumerate(self._grams):
                self._nearest[i] = max(self._nearest[i], jaccard(grams, self._grams[other]))
        self._seen = len(chosen)
        left = [i for i in range(len(self._grams)) if i not in chosen]
        if not chosen:
            return min(left, key=lambda i: self._lengths[i])
        return min(left, key=lambda i: self._nearest[i])


def jaccard(a: Any, b: Any) -> float:
    """Shared values of two sorted arrays over all values, in [0, 1]; two empty ones are equal."""
    import numpy as np

    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared) if len(a) or len(b) else 1.0
