"""The n-grams of benchmark items, on disk: built once, mapped into memory, looked up by batches.

    index = open_index([Path("…/math-500-….arrow")], n=8, numbers="kept")
    for place, item in index.candidates(telling(texts)): …

A folder of the cache holds the items' texts and tokens and, sorted, their n-grams with the items
that have them. Its name is a hash of what went in, so it never changes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.assets import cache_folder
from curate.errors import RunError
from curate.sample import digest
from curate.select.alignment import Reading, reading, telling
from curate.select.benchmarks import Item
from curate.select.tokens import Hashes, Positions, Tokens, starts_of
from curate.step import unheard

VERSION = 2

SHORT = 4
"""Tokens of the n-gram under which an item shorter than `n` is found; it is compared as a whole."""
SHORTEST = 3
"""Tokens of the shortest question that is looked for."""
SHORTEST_SOLUTION = 20
"""Of the shortest solution: "The answer is 42." is in many texts."""
SHORTEST_ALONE = 12
"""Of the shortest question that is looked for without its choices: "Which of these is true?" """
COMMON = 200
"""Items that may share an n-gram; one that more of them share tells nothing of either."""
MOST = 16
"""Items compared with a text: those with most of its n-grams."""


class Grams(NamedTuple):
    """N-grams, sorted, and for each the items that have it: `items[starts[i]:starts[i + 1]]`."""

    n: int
    hashes: Hashes
    starts: Positions
    items: NDArray[np.int32]
    seen: NDArray[np.uint8]
    """Bits at the hashes' first digits: most n-grams of a text are nowhere, and found so without a
    search (measured: a third of the time with 2 million n-grams).
    """

    def find(self, asked: Hashes) -> tuple[Positions, Positions]:
        """Which of the asked are there, and their places."""
        slots = (asked >> np.uint64(64 - slot_bits(len(self.hashes)))).astype(np.int64)
        known = np.flatnonzero(self.seen[slots >> 3] >> (slots & 7).astype(np.uint8) & 1)
        places = np.searchsorted(self.hashes, asked[known])
        places = np.minimum(places, len(self.hashes) - 1)
        same = self.hashes[places] == asked[known]
        return known[same], places[same]


def slot_bits(count: int) -> int:
    """Bits of a hash that choose its slot; at least eight slots for each."""
    return max(8, count.bit_length() + 3)


def _seen(hashes: Hashes) -> NDArray[np.uint8]:
    slots = np.zeros(1 << slot_bits(len(hashes)), bool)
    slots[(hashes >> np.uint64(64 - slot_bits(len(hashes)))).astype(np.int64)] = True
    return np.packbits(slots, bitorder="little")


class Candidate(NamedTuple):
    """A text that may hold an item, by their places; `shared` n-grams speak for it."""

    text: int
    item: int
    shared: int


@dataclass(frozen=True)
class Index:
    """An opened index; nothing of it is in memory before it is looked at."""

    folder: Path
    n: int

    def _array(self, name: str) -> NDArray[Any]:
        # As a plain array: numpy's own class for mapped files makes every slice dear.
        return np.asarray(np.load(self.folder / f"{name}.npy", mmap_mode="r"))

    @cached_property
    def _items(self) -> Any:
        import pyarrow as pa

        return pa.ipc.open_file(pa.memory_map(str(self.folder / "items.arrow"))).read_all()

    @cached_property
    def tokens(self) -> Tokens:
        """The telling tokens of all items."""
        return Tokens(*(self._array(name) for name in ("hashes", "starts", "begins", "ends")))

    @cached_property
    def _kinds(self) -> NDArray[np.uint8]:
        return self._array("kinds")

    @cached_property
    def grams(self) -> list[Grams]:
        """Of `n` tokens; then those of the items that have fewer."""
        return [
            Grams(n, *(self._array(f"{name}-{n}") for name in ("grams", "first", "having", "seen")))
            for n in gram_sizes(self.n)
        ]

    def __len__(self) -> int:
        return len(self.tokens.starts) - 1

    def item(self, i: int) -> Item:
        """The text of item `i`, and whose it is."""
        return Item(*(self._items[name][i].as_py() for name in Item._fields))

    def are_questions(self) -> NDArray[np.bool_]:
        """Which items are questions, without their choices."""
        return np.array(self._items["kind"].to_pylist(), str) == "question"

    def reading(self, i: int) -> Reading:
        """Item `i`, ready to be compared."""
        tokens = self.tokens
        part = slice(tokens.starts[i], tokens.starts[i + 1])
        return Reading(
            tokens.hashes[part], self._kinds[part], tokens.begins[part], tokens.ends[part]
        )

    def candidates(self, tokens: Tokens) -> list[Candidate]:
        """The items that each text shares an n-gram with, at most `MOST`, the likeliest first."""
        pairs = np.concatenate([_shared(grams, tokens, len(self)) for grams in self.grams])
        pairs, shared = np.unique(pairs, return_counts=True)
        texts, items = np.divmod(pairs, max(len(self), 1))
        order = np.lexsort((items, -shared, texts))
        texts, items, shared = texts[order], items[order], shared[order]
        rank = np.arange(len(texts)) - np.searchsorted(texts, texts)
        near = rank < MOST
        rows = zip(texts[near].tolist(), items[near].tolist(), shared[near].tolist(), strict=True)
        return [Candidate(*row) for row in rows]


def gram_sizes(n: int) -> list[int]:
    """The lengths of n-grams in an index.

    >>> gram_sizes(8)
    [8, 4, 3]
    """
    return [n, SHORT, SHORTEST]


def _shared(grams: Grams, tokens: Tokens, count: int) -> NDArray[np.int64]:
    """Pairs of text and item as `text * count + item`, one for every n-gram that they share."""
    asked, starts = tokens.ngrams(grams.n)
    if not len(grams.hashes) or not len(asked):
        return np.empty(0, np.int64)
    known, places = grams.find(asked)
    texts = np.searchsorted(starts, known, side="right") - 1
    first = grams.starts[places]
    sizes = grams.starts[places + 1] - first
    inside = np.arange(sizes.sum()) - np.repeat(starts_of(sizes)[:-1], sizes)
    items = grams.items[np.repeat(first, sizes) + inside]
    return np.repeat(texts, sizes) * count + items


def open_index(
    files: Sequence[Path],
    *,
    n: int,
    numbers: Literal["kept", "masked"] = "kept",
    report: Callable[[Mapping[str, float]], None] = unheard,
) -> Index:
    """The index of the items in `files`, built now where it is not in the cache.

    Several processes may build it at the same time; the first to end puts it in its place.
    """
    key = digest([VERSION, sorted(file.name for file in files), n, numbers])[:24]
    folder = cache_folder() / "benchmarks" / f"index-{key}"
    if not folder.is_dir():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            try:
                _build(sorted(files, key=lambda file: file.name), part, n, numbers, report)
                os.rename(part, folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        except OSError as error:
            if not folder.is_dir():  # else another process was faster
                raise RunError(
                    f"cannot keep the index of benchmarks in {folder.parent}: "
                    f"{error.strerror or error}; make room, or set CURATE_CACHE to another folder"
                ) from None
    return Index(folder, n)


def _build(
    files: Sequence[Path],
    folder: Path,
    n: int,
    numbers: Literal["kept", "masked"],
    report: Callable[[Mapping[str, float]], None],
) -> None:
    import pyarrow as pa

    none = pa.schema([(name, pa.string()) for name in Item._fields]).empty_table()
    tables = [pa.ipc.open_file(pa.memory_map(str(file))).read_all() for file in files]
    table = pa.concat_tables([none, *tables])
    texts, kinds = table["text"].to_pylist(), np.array(table["kind"].to_pylist())
    tokens = telling(texts, numbers=numbers)
    kept = _worth(tokens, kinds)
    table = table.take(kept)
    texts = table["text"].to_pylist()
    tokens = telling(texts, numbers=numbers)
    token_kinds = [np.empty(0, np.uint8)]
    for i, text in enumerate(texts):
        token_kinds.append(reading(tokens, i, text).kinds)
        if i % 1000 == 0:
            report({"items_indexed": i})
    arrays: dict[str, NDArray[Any]] = {name: getattr(tokens, name) for name in vars(tokens)}
    for gram in _grams(tokens, n):
        arrays |= {f"grams-{gram.n}": gram.hashes, f"first-{gram.n}": gram.starts}
        arrays |= {f"having-{gram.n}": gram.items, f"seen-{gram.n}": gram.seen}
    for name, array in {**arrays, "kinds": np.concatenate(token_kinds)}.items():
        np.save(folder / f"{name}.npy", array)
    place = str(folder / "items.arrow")
    with pa.OSFile(place, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _worth(tokens: Tokens, kinds: NDArray[Any]) -> NDArray[np.int64]:
    """Which items are looked for: not too short for their kind, and each text once."""
    sizes = np.diff(tokens.starts)
    least = np.where(kinds == "solution", SHORTEST_SOLUTION, SHORTEST)
    # A question with choices follows the question itself.
    has_choices = np.r_[kinds[1:] == "choices", False] if len(kinds) else np.zeros(0, bool)
    least = np.where(has_choices, SHORTEST_ALONE, least)
    seen: set[bytes] = set()
    kept: list[int] = []
    for i in np.flatnonzero(sizes >= least).tolist():
        text = tokens.of(i).tobytes()
        if text not in seen:
            seen.add(text)
            kept.append(i)
    return np.array(kept, np.int64)


def _grams(tokens: Tokens, n: int) -> list[Grams]:
    """The n-grams of items of at least `n` tokens, and one of each shorter item: its rarest."""
    sizes = np.diff(tokens.starts)
    found: list[Grams] = []
    longer = np.full(len(sizes), 1 << 30)
    for size in gram_sizes(n):
        hashes, starts = tokens.ngrams(size)
        items = np.repeat(np.arange(len(sizes), dtype=np.int32), np.diff(starts))
        chosen = (sizes >= size) & (sizes < longer)
        order = np.lexsort((items, hashes))
        hashes, items = hashes[order], items[order]
        fresh = np.r_[True, (np.diff(hashes) != 0) | (np.diff(items) != 0)][: len(items)]
        hashes, items = hashes[fresh], items[fresh]
        _, place, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        having = counts[place]
        order = np.lexsort((hashes, having, items))
        rarest = np.zeros(len(items), bool)
        rarest[order[np.r_[True, np.diff(items[order]) > 0][: len(order)]]] = True
        kept = chosen[items] & (rarest | ((size == n) & (having <= COMMON)))
        hashes, first = np.unique(hashes[kept], return_index=True)
        first = np.r_[first, kept.sum()].astype(np.int64)
        found.append(Grams(size, hashes, first, items[kept], _seen(hashes)))
        longer = np.minimum(longer, size)
    return found
