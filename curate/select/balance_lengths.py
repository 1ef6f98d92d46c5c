"""`BalanceLengths`: over all pairs, the chosen answers are about as long as the rejected ones.

Whatever is trained on pairs whose better half is the longer one learns to like length. DeepSeek-R1
keeps the chosen and the rejected responses of comparable length (v2, section 3.1).
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from math import log, log1p
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.data import Document
from numpy.typing import NDArray

from curate.errors import RunError, UsageError
from curate.sample import Sample
from curate.select.pairs import Sees, score_of, seen_of
from curate.step import TwoPass

REPORT_EVERY = 1_000


class BalanceLengths(TwoPass):
    """Leaves out pairs until the mean ratio of lengths, chosen over rejected, is near 1.

    The mean is geometric, of the characters that the judge `sees`, in each domain for itself; it
    may be up to `within` above or below 1. The pairs that pull it away most are left out first, as
    `length_balance`, both halves. 5 % is about a word of a sentence, and a twentieth of what
    `Pairs` lets differ in one pair. Takes what `Pairs` gives.
    """

    def __init__(self, *, within: float = 0.05, sees: Mapping[str, Sees] | None = None) -> None:
        super().__init__()
        if not 0 < within < 1:
            raise UsageError(f"BalanceLengths(within={within}): a share above 0, below 1")
        self.within = within
        self.sees: dict[str, Sees] = dict(sees or {})

    def observe(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        keys, lengths, domains = array("Q"), array("d"), array("i")
        names: dict[str, int] = {}
        for number, document in enumerate(data, 1):
            lengths.append(self._signed_length(document))
            keys.append(key_of(document))
            domains.append(names.setdefault(document.metadata.get("domain") or "", len(names)))
            if self.context and number % REPORT_EVERY == 0:
                self.context.report({"samples": number})
            yield document
        columns = {"keys": keys, "lengths": lengths, "domains": domains, "names": list(names)}
        save(self.facts / f"{rank:05d}.npz", **columns)

    def decide(self, tasks: int) -> None:
        keys, lengths, domains = list[Any](), list[Any](), list[Any]()
        known: dict[str, int] = {}
        for rank in range(tasks):
            with np.load(self.facts / f"{rank:05d}.npz") as facts:
                numbers = [known.setdefault(str(name), len(known)) for name in facts["names"]]
                domains.append(np.array(numbers, np.int32)[facts["domains"]])
                keys.append(facts["keys"])
                lengths.append(facts["lengths"])
        left_out = unbalanced(
            np.concatenate(keys), np.concatenate(lengths), np.concatenate(domains), self.within
        )
        save(self.facts / "left_out.npz", keys=np.sort(left_out))

    def run(
        self, data: Iterable[Document], rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        with np.load(self.facts / "left_out.npz") as file:
            left_out = file["keys"]
        for document in data:
            key = np.uint64(key_of(document))
            at = int(np.searchsorted(left_out, key))
            if at < len(left_out) and left_out[at] == key:
                self.drop(document, "length_balance", "the lengths of its pair differ too much")
            else:
                yield document

    def _signed_length(self, document: Document) -> float:
        """The logarithm of the length, above 0 for the chosen one, below for the rejected."""
        sample = Sample.from_document(document)
        score = score_of(sample)
        if score is None:
            raise RunError(
                f"{self.label}: the sample {document.id} is of no pair; put Pairs(…) before it"
            )
        sees: Sees = self.sees.get(sample.domain, "response")
        size = log1p(len(seen_of(sample, sees)))
        return size if score > 0.5 else -size


def unbalanced(
    keys: NDArray[np.uint64],
    lengths: NDArray[np.float64],
    domains: NDArray[np.int32],
    within: float,
) -> NDArray[np.uint64]:
    """The keys of the pairs to leave out; each key comes twice, with the lengths of its halves."""
    pairs, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    ratios = np.asarray(np.bincount(inverse, lengths, len(pairs)), dtype=np.float64)
    domain = domains[first] if len(pairs) else domains
    found: list[NDArray[np.uint64]] = [pairs[:0]]
    for name in np.unique(domain):
        among = np.flatnonzero(domain == name)
        found.append(pairs[among[too_far(ratios[among], log(1 + within))]])
    return np.concatenate(found)


def too_far(ratios: NDArray[np.float64], limit: float) -> NDArray[np.int64]:
    """The numbers of the ratios without which the mean of the others is within the limit.

    The largest of the side that pulls go first, as few as it takes; where so few are left that the
    other side then pulls too much, its largest go next.

    >>> too_far(np.array([0.3, 0.0, -0.1, 0.2]), 0.05).tolist()
    [0]
    >>> too_far(np.array([-0.9, 0.4]), 0.2).tolist()
    [0, 1]
    """
    order = np.argsort(ratios, kind="stable")
    low, high = 0, len(order)  # those from low to high stay
    total = float(ratios.sum())
    while low < high and abs(total) > limit * (high - low):
        if total > 0:
            high -= 1
            total -= float(ratios[order[high]])
        else:
            total -= float(ratios[order[low]])
            low += 1
    return np.sort(np.concatenate([order[:low], order[high:]]))


def key_of(document: Document) -> int:
    """The prompt of a document as a number: its id is 16 hex digits."""
    return int(document.metadata["prompt_id"], 16)


def save(path: Path, **columns: Any) -> None:
    """Writes columns so that the file is there as a whole or not at all."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **columns)
    os.replace(part, path)
