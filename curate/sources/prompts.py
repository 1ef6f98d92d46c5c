"""What is asked: prompts from files, from the Hub or made by reasoning-gym.

    Prompts("problems.jsonl.gz", limit=1000)
    Prompts("hub:open-r1/OpenR1-Math-220k@main?config=default", source="openr1-math")
    Prompts("reasoning-gym:chain_sum,gcd?size=500")
    Prompts("easy_stem.jsonl;easy_code.jsonl;reasoning-gym:syllogism", limit=90)  # 30 of each

A row needs `problem` or `messages`; see `curate.sources.row` for the others. A prompt's id is a
hash of what it says, so the order of rows, their file and the number of tasks do not change it.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from datatrove.data import Document

from curate.errors import RunError, UsageError
from curate.sample import Sample
from curate.sources import gym, hub
from curate.sources.files import FileSource, open_files
from curate.sources.row import BadRow, Defaults, Place, Source, read_row
from curate.sources.several import SeveralSources
from curate.sources.template import fill
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
        self._origins: dict[str, int] = {}
        self._origin, self._line, self._answer = array("I"), array("Q"), array("Q")

    def __len__(self) -> int:
        """How many distinct prompts have at most one answer."""
        return len(self._index) - len(self.conflicts)

    def add(self, place: Place, prompt: Sample) -> None:
        """Takes note of a row."""
        key, answer = int(prompt.prompt_id, 16), hash_of(prompt.answer)
        known = self._index.setdefault(key, len(self._index))
        if known < len(self._line):
            if self._answer[known] != answer:
                self.conflicts.setdefault(prompt.prompt_id, (self._place(known), place))
            return
        self._origin.append(self._origins.setdefault(place.origin, len(self._origins)))
        self._line.append(place.number)
        self._answer.append(answer)

    def first(self, prompt: Sample) -> Place:
        """Where a prompt stands for the first time."""
        known = self._index.get(int(prompt.prompt_id, 16))
        if known is None:
            raise RunError("the prompts changed while they were read; run the same command again")
        return self._place(known)

    def _place(self, known: int) -> Place:
        return Place(list(self._origins)[self._origin[known]], self._line[known])


def hash_of(answer: str | None) -> int:
    """64 bits of an answer; no answer is one of its own."""
    said = b"" if answer is None else b"=" + answer.strip().encode()
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "big")


class Prompts(Step):
    """Yields one document per distinct prompt; every other row is kept with what is wrong with it.

    Args:
        spec: a `.jsonl`, `.jsonl.gz`, `.jsonl.zst` or `.parquet` file or a folder of them,
        `hub:NAME@REVISION[?config=…&split=…]`,
            or `reasoning-gym:TASK[,TASK…][?param=value&…]` (10,000 rows a task with seed 0, where
            not said otherwise), or several of these with `;` between them, which take turns.
        limit: the first so many prompts; None for all.
        fields: what `{{field}}`s in the rows' texts stand for, such as the model's own name.
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
        fields: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        if limit is not None and limit < 1:
            raise UsageError(f"limit is the number of prompts to take, at least 1, not {limit}")
        self.spec = spec
        self.limit = limit
        self.source, self.domain, self.language = source, domain, language
        self.fields = dict(fields or {})

    def prepare(self, context: Context) -> None:
        """Opens what `spec` names; UsageError when it is not there or holds no questions."""
        super().prepare(context)
        parts = tuple(self._open(spec, context) for spec in self._specs)
        self.rows_of = parts[0] if len(parts) == 1 else SeveralSources(parts)
        self.rows_of.check()

    @property
    def _specs(self) -> list[str]:
        return [part.strip() for part in self.spec.split(";") if part.strip()] or [self.spec]

    def _open(self, spec: str, context: Context) -> Source:
        if spec.startswith(hub.PREFIX):
            return hub.open_hub(spec, streaming=self.limit is not None, context=context)
        if spec.startswith(gym.PREFIX):
            return gym.open_gym(spec, self.source, self.domain, self.language)
        return open_files(spec, context)

    def files(self) -> list[Path]:
        """The local files that are read, in order; none for the Hub and reasoning-gym."""
        if isinstance(self.rows_of, FileSource | SeveralSources):
            return list(self.rows_of.paths)
        return []

    def identity(self) -> dict[str, Any]:
        """The arguments, a file by its name alone: what it holds is hashed by the run."""
        called = (gym.PREFIX, hub.PREFIX)
        names = [spec if spec.startswith(called) else Path(spec).name for spec in self._specs]
        said = super().identity() | {"spec": ";".join(names)}
        is_gym = any(spec.startswith(gym.PREFIX) for spec in self._specs)
        return said | ({"reasoning_gym": gym.version()} if is_gym else {})

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
            prompt = read_row(filled(value, self.fields) if self.fields else value, defaults)
            if isinstance(prompt, BadRow):
                shown = json.dumps(value, ensure_ascii=False, default=str)
                prompt = BadRow(prompt.reason, prompt.problem, shown)
            yield place, prompt


def filled(value: Any, fields: Mapping[str, str]) -> Any:
    """A row with the fields in its texts filled.

    >>> filled({"problem": "Are you {{name}}?", "answer": None}, {"name": "Ada"})
    {'problem': 'Are you Ada?', 'answer': None}
    """
    if isinstance(value, str):
        return fill(value, fields)
    if isinstance(value, Mapping):
        return {k: filled(v, fields) for k, v in value.items()}
    return [filled(v, fields) for v in value] if isinstance(value, list) else value
