"""The check that n-grams cannot make: does a model say that a row asks what a benchmark asks?

    Decontaminate(…, paraphrase=Paraphrase(engine="http://HOST:8000/v1", model="Qwen/Qwen3-32B"))

A row's nearest items are those that share its rare words and numbers, whatever their order; the
model sees the two and says whether they are one question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.engines.engine import check_engine
from curate.engines.request import Completion, Request
from curate.errors import UsageError
from curate.sample import Turn
from curate.scorers.asking import asker_of, name_of
from curate.select.alignment import telling
from curate.select.contamination_index import Index
from curate.select.tokens import Hashes, Positions

ASKED = """\
Below are two tasks. Are they the same task in other words, so that a right answer to one is a right
answer to the other? Other names, another order or another wording do not matter; other numbers,
conditions or another thing asked for do.

-----Task A-----
{row}

-----Task B-----
{item}

-----End-----
Reply with JSON: {{"same": true}} or {{"same": false}}."""
ANSWER = re.compile(r'"same"\s*:\s*(true|false)', re.IGNORECASE)
LONGEST = 4_000
"""Characters of a task that the model is shown."""


class Weighed(NamedTuple):
    """Tokens of the questions of an index with their weights, sorted, and who has them."""

    hashes: Hashes
    weights: NDArray[np.float64]
    starts: Positions
    items: NDArray[np.int64]
    norms: NDArray[np.float64]


@dataclass(frozen=True)
class Paraphrase:
    """Asks a model whether rows are benchmark items in other words.

    Args:
        engine, model, store, concurrency: as for `Generate` and `Judge`.
        nearest: items that a row is compared with at most.
        at_least: least cosine of the two, over words and numbers weighed by their rarity. Fewer
            rows are asked about with a higher one; see docs/decontamination.md.
    """

    engine: str = ""
    model: str | None = None
    store: str = "runs/store"
    concurrency: int | None = None
    nearest: int = 2
    at_least: float = 0.4
    max_tokens: int = 2048

    def __post_init__(self) -> None:
        if not self.engine:
            raise UsageError("Paraphrase: say who answers, as in engine='http://HOST:8000/v1'")
        check_engine(self.engine)
        if self.nearest < 1 or not 0 < self.at_least <= 1:
            raise UsageError(
                f"Paraphrase(nearest={self.nearest}, at_least={self.at_least}): at least 1 item, "
                "and a cosine above 0, at most 1"
            )

    def identity(self) -> Any:
        """Who is asked and what; never an address."""
        return name_of(self)

    def found(self, texts: Sequence[str], index: Index) -> Iterator[tuple[str, tuple[str, str]]]:
        """The texts that the model calls an item in other words: each with item and detail."""
        pairs = list(self.near(texts, index))
        if not pairs:
            return
        asker = asker_of(self.engine, self.model, self.store, self.concurrency)
        requests = [
            Request(
                messages=(Turn(role="user", content=_question(text, index.item(item).text)),),
                model=asker.engine.model,
                revision=asker.engine.revision,
                temperature=0.0,
                top_p=1.0,
                max_tokens=self.max_tokens,
                seed=0,
            )
            for text, item, _ in pairs
        ]
        seen: set[str] = set()
        for (text, i, near), reply in zip(pairs, asker.completions(requests), strict=True):
            if text not in seen and says_same(reply):
                seen.add(text)
                item = index.item(i)
                shown = " ".join(item.text.split())[:300]
                detail = f"{asker.engine.model} says the same in other words (cosine {near:.2f})"
                yield text, (item.name, f"{detail};\nbenchmark: {shown}")

    def near(self, texts: Sequence[str], index: Index) -> Iterator[tuple[str, int, float]]:
        """Each text with the items that it may be a paraphrase of, the nearest first."""
        weighed = weigh(index)
        tokens = telling(texts)
        for n, text in enumerate(texts):
            scores = _cosines(np.unique(tokens.of(n)), weighed)
            nearest = np.argsort(-scores, kind="stable")[: self.nearest].tolist()
            yield from ((text, i, float(scores[i])) for i in nearest if scores[i] >= self.at_least)


@lru_cache(maxsize=2)
def weigh(index: Index) -> Weighed:
    """The words and numbers of an index's questions, weighed by their rarity."""
    tokens, count = index.tokens, len(index)
    owners = np.repeat(np.arange(count), np.diff(tokens.starts))
    asked = index.are_questions()
    hashes, owners = tokens.hashes[asked[owners]], owners[asked[owners]]
    order = np.lexsort((owners, hashes))
    hashes, owners = hashes[order], owners[order]
    fresh = np.r_[True, (np.diff(hashes) != 0) | (np.diff(owners) != 0)][: len(hashes)]
    hashes, owners = hashes[fresh], owners[fresh]
    hashes, first, having = np.unique(hashes, return_index=True, return_counts=True)
    weights = np.log((1 + asked.sum()) / having)
    norms = np.sqrt(np.bincount(owners, np.repeat(weights**2, having), count))
    return Weighed(hashes, weights, np.r_[first, len(owners)], owners, norms)


def _cosines(tokens: Hashes, weighed: Weighed) -> NDArray[np.float64]:
    """How near a text's distinct tokens are to each item, from 0 to 1."""
    if not len(weighed.hashes):
        return np.zeros(len(weighed.norms))
    places = np.minimum(np.searchsorted(weighed.hashes, tokens), len(weighed.hashes) - 1)
    known = weighed.hashes[places] == tokens
    # A word that no item has is as rare as any can be.
    unknown = (~known).sum() * np.log(1 + (weighed.norms > 0).sum()) ** 2
    places = places[known]
    squares = weighed.weights[places] ** 2
    norm = np.sqrt(squares.sum() + unknown)
    sizes = np.diff(weighed.starts)[places]
    first = weighed.starts[places]
    parts = [weighed.items[i : i + n] for i, n in zip(first, sizes, strict=True)]
    owners = np.concatenate([np.empty(0, np.int64), *parts])
    sums = np.bincount(owners, np.repeat(squares, sizes), len(weighed.norms))
    return sums / np.maximum(weighed.norms * norm, 1e-9)


def _question(row: str, item: str) -> str:
    marked = [re.sub("^-----", " -----", t[:LONGEST], flags=re.MULTILINE) for t in (row, item)]
    return ASKED.format(row=marked[0], item=marked[1])


def says_same(reply: Completion) -> bool:
    """True when the reply's last verdict is that the two are one; nothing readable is no."""
    said = ANSWER.findall(reply.text)
    return bool(said) and said[-1].lower() == "true"
