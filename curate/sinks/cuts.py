"""Where sorted rows are cut into shards and row groups: at places that the rows themselves choose.

Cut by count, one row more would move every later end, and every later shard would be another file.
Here a prompt is the last of its piece when a hash of its name says so, so that two versions of a
dataset have the same pieces but for those where they differ and one or two behind them.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

from curate.sinks.sorting import text_bytes


class Cuts:
    """Gives each of the sorted rows the number of its piece; a prompt is never in two.

    A piece ends with the first prompt that takes it to `most` bytes of text, or before that: from
    a quarter of it on, after every prompt with a chance of its bytes in three eighths of `most`.
    Pieces have 0.57 of `most` on average, and 13 % of them are ended by `most` itself (both follow
    from the exponential distribution of the first success).

    With `by_source`, a source begins a piece of its own unless the one before has less than a 128th
    of `most`: rows of a new source then leave those of all others where they are.

    >>> def pieces(names):
    ...     cuts = Cuts(100)
    ...     numbers = [cuts({"prompt_id": name, "text": "12345678"}) for name in names]
    ...     return [numbers.count(n) for n in range(numbers[-1] + 1)]
    >>> names = [f"{n:02}" for n in range(40)]
    >>> pieces(names)
    [4, 4, 6, 4, 6, 4, 6, 4, 2]
    >>> pieces(names[1:])
    [3, 4, 6, 4, 6, 4, 6, 4, 2]
    """

    def __init__(self, most: int, *, by_source: bool = False) -> None:
        self.most = most
        self.least_of_source = most / 128 if by_source else math.inf
        self.source: str | None = None
        self.number = self.size = self.prompt_size = 0
        self.prompt_id: str | None = None

    def __call__(self, row: Mapping[str, Any]) -> int:
        if row["prompt_id"] != self.prompt_id:
            is_other = row.get("source") != self.source
            if self._ends() or (is_other and self.size >= self.least_of_source):
                self.number += 1
                self.size = 0
            self.prompt_id, self.prompt_size = row["prompt_id"], 0
            self.source = row.get("source")
        size = text_bytes(row)
        self.size += size
        self.prompt_size += size
        return self.number

    def _ends(self) -> bool:
        """Whether the prompt that has come to its end is the last of its piece."""
        least = self.most / 4
        if self.prompt_id is None or self.size < least:
            return False
        chance = self.prompt_size / ((self.most - least) / 2)
        return self.size >= self.most or zlib.crc32(self.prompt_id.encode()) / 2**32 < chance
