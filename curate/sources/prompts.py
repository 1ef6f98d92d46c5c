"""What is asked: prompts from files, from the Hub or made by reasoning-gym.

    Prompts("problems.jsonl.gz", limit=1000)
    Prompts("hub:open-r1/OpenR1-Math-220k@main?config=default", source="openr1-math")
    Prompts("reasoning-gym:chain_sum,gcd?size=500")

A row needs `problem` or `messages`; see `curate.sources.row` for the others. A prompt's id is a
hash of what it says, so the order of rows, their file and the number of tasks do not change it.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from datatrove.data import Document

from curate.errors import RunError, UsageError
from curate.sample import Sample
from curate.sources import gym, hub
from curate.sources.files import FileSource, open_files
from curate.sources.row import BadRow, Defaults, Place, Source, read_row
from curate.step import Context, Step

SHOWN_CHARACTERS = 2_000
"""How much of a bad row is kept to look at."""


class Survey:
    """Which prompts there are: where each first stands, and which have more than one answer.

    Numbers in arrays, because a lab's prompt file has millions of rows.
    """

    def __init__(self) -> None:
        self.conflicts: dict[str, tuple[Place, Place]] = {}
        self._index: dict[int, int] = {}
        self._origins: list[str] = []
        self._origin, self._line, self._answer = array("I"), array("Q"), array("Q")

    def __len__(self) -> int:
        """How many distinct prompts have at most one answer."""
        return len(self._index) - len(self.conflicts)

    def add(self, place: Place, prompt: Sample) -> None:
        """Takes note of a row; the rows of a file come together."""
        key, answer = int(prompt.prompt_id, 16), _hash(prompt.answer)
        known = self._index.setdefault(key, len(self._index))
        if known < len(self._line):
            if self._answer[known] != answer:
                self.conflicts.setdefault(prompt.prompt_id, (self._place(known), place))
            return
        if place.origin not in self._origins[-1:]:
            self._origins.append(place.origin)
        self._origin.append(len(self._origins) - 1)
        self._line.append(place.number)
        self._answer.append(answer)

    def first(self, prompt: Sample) -> Place:
        """Where a prompt stands for the first time."""
        known = self._index.get(int(prompt.prompt_id, 16))
        if known is None:
            raise RunError("the prompts changed while they were read; run the same command again")
        return self._place(known)

    def _place(self, known: int) -> Place:
        return Place(self._origins[self._origin[known]], self._line[known])


def _hash(answer: str | None) -> int:
    """64 bits of an answer; no answer is one of its own."""
    said = b"" if answer is None else b"=" + answer.strip().encode()
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "big")


class Prompts(Step):
    """Yields one document per distinct prompt; every other row is kept with what is wrong with it.

    Args:
        spec: a `.jsonl`, `.jsonl.gz`, `.jsonl.zst` or `.parquet` file or a folder of them,
        `hub:NAME@REVISION[?config=…&split=…]`,
            or `reasoning-gym:TASK[,TASK…][?param=value&…]` (10,000 rows a task with seed 0, where
            not said otherwise).
        limit: the first so many prompts; None for all.
        source, domain, language: for rows that do not say it. Without them the source is the name
        of the file, dataset or
            task, the domain is `math` where the answer is a number and else `general`, the language
            is told by script and common words where that is plain and else null.

    Two rows of one prompt with different answers are both dropped: nothing says which one is right.
    From a file limited or not the whole file is looked through for such rows; from the Hub and
    reasoning-gym only the rows up to the limit.
    """

    is_source = True
    counts_itself = True
    rows_of: Source
    """Opened by `prepare`."""

    def __init__(
        self,
        spec: str,
        *,
        limit: int | None = None,
        source: str | None = None,
        domain: str | None = None,
        language: str | None = None,
    ) -> None:
        super().__init__()
        if limit is not None and limit < 1:
            raise UsageError(f"limit is the number of prompts to take, at least 1, not {limit}")
        self.spec = spec
        self.limit = limit
        self.source, self.domain, self.language = source, domain, language

    def prepare(self, context: Context) -> None:
        """Opens what `spec` names; UsageError when it is not there or holds no questions."""
        super().prepare(context)
        self.rows_of = self._open(context)
        self.rows_of.check()

    def _open(self, context: Context) -> Source:
        if self.spec.startswith(hub.PREFIX):
            return hub.open_hub(self.spec, streaming=self.limit is not None)
        if self.spec.startswith(gym.PREFIX):
            return gym.open_gym(self.spec, self.source, self.domain, self.language)
        return open_files(self.spec, context)

    def files(self) -> list[Path]:
        """The local files that are read, in order; none for the Hub and reasoning-gym."""
        return list(self.rows_of.paths) if isinstance(self.rows_of, FileSource) else []

    def identity(self) -> dict[str, Any]:
        """The arguments, a file by its name alone: what it holds is hashed by the run."""
        said = super().identity()
        if self.spec.startswith(gym.PREFIX):
            return said | {"reasoning_gym": gym.version()}
        return said if self.spec.startswith(hub.PREFIX) else said | {"spec": Path(self.spec).name}

    def run(
        self, data: Iterable[Document] | None = None, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """The prompts in the order of their rows; a first pass finds which rows belong together."""
        seen = self._survey()
        yielded = 0
        for place, prompt in self._prompts():
            self.count("prompts", into=1)
            if isinstance(prompt, BadRow):
                bad = Document(text=prompt.text[:SHOWN_CHARACTERS], id="", metadata={})
                self.drop(bad, prompt.reason, f"{place}: {prompt.problem}")
            elif pair := seen.conflicts.get(prompt.prompt_id):
                detail = f"{place}: {pair[0]} and {pair[1]} ask the same and answer differently"
                self.drop(prompt.to_document(), "conflicting_answers", detail)
            elif (first := seen.first(prompt)) != place:
                self.drop(prompt.to_document(), "duplicate_prompt", f"{place}: the same as {first}")
            else:
                yielded += 1
                self.count("prompts", out=1)
                yield prompt.to_document()
                if yielded == self.limit:
                    return

    def _survey(self) -> Survey:
        """Which prompts there are; where reading is dear, no further than the limit needs."""
        seen = Survey()
        for place, prompt in self._prompts():
            if isinstance(prompt, Sample):
                seen.add(place, prompt)
            if len(seen) == self.limit and not self.rows_of.reads_all:
                break
        return seen

    def _prompts(self) -> Iterator[tuple[Place, Sample | BadRow]]:
        """Every row as a prompt or as what is wrong with it."""
        defaults = Defaults(self.source or self.rows_of.name, self.domain, self.language)
        for place, value in self.rows_of.rows():
            if isinstance(value, BadRow):
                yield place, value
                continue
            prompt = read_row(value, defaults)
            if isinstance(prompt, BadRow):
                shown = json.dumps(value, ensure_ascii=False, default=str)
                prompt = BadRow(prompt.reason, prompt.problem, shown)
            yield place, prompt
