"""Where a row of a dataset goes: which config, and `train` or `test`.

data/train-00000-of-00003.parquet                      one config
reasoning/train-00000-of-00002.parquet                 several, by the domain of a row
reasoning/test-00000-of-00001.parquet                  prompts that are held out
unverified/train-00000-of-00001.parquet                a twin whose answers nobody checked
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from curate.errors import RunError, UsageError
from curate.sample import digest, sort_key
from curate.sinks.sorting import Sorter

Row = dict[str, Any]
Configs = Mapping[str, Iterable[str]]
"""Name of a config -> its domains."""

ONE = "data"
"""The folder of a dataset of one config, which is called `default`."""
UNVERIFIED = "unverified"
NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,62}")
"""Names of configs: they are folders, and keys of the card's head."""


@dataclass
class Layout:
    """The configs of a dataset in their order, and what is held out of each for a test.

    Args: configs: name -> domains; None for one config with all. test: the share of the prompts
    (below 1.0) or their number that are the split `test`; by a hash of `prompt_id`, so that a
    prompt stays in its split from version to version, whatever else comes or goes (with a number:
    unless a new prompt takes its place).
    """

    configs: Configs | None = None
    test: float | int | None = None
    _of_domain: dict[str, str] = field(default_factory=dict, repr=False)
    _lowest: list[int] = field(default_factory=list, repr=False)
    _held: set[int] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        for name, domains in (self.configs or {}).items():
            if not NAME.fullmatch(name) or name in (ONE, UNVERIFIED, "figures", "default"):
                raise UsageError(
                    f"configs={{{name!r}: …}}: a config is named with small letters, digits and _, "
                    f"and not {ONE}, default, figures or {UNVERIFIED}"
                )
            if isinstance(domains, str) or not list(domains):
                raise UsageError(f"configs={{{name!r}: …}}: a list of domains, not {domains!r}")
            for domain in domains:
                if (other := self._of_domain.setdefault(domain, name)) != name:
                    raise UsageError(f"configs: domain {domain!r} is in {other} and in {name}")
        if self.test is not None and not (
            0 < self.test < 1 if isinstance(self.test, float) else self.test >= 1
        ):
            raise UsageError(
                f"test={self.test}: a share of the prompts between 0.0 and 1.0, or their number"
            )

    @property
    def names(self) -> list[str]:
        """The folders of the configs, in order."""
        return list(self.configs) if self.configs else [ONE]

    def folder(self, row: Mapping[str, Any]) -> str:
        """The config of a row; RunError where its domain is of none."""
        if not self.configs:
            return ONE
        found = self._of_domain.get(row["domain"] or "")
        if found is None:
            known = ", ".join(self._of_domain)
            raise RunError(
                f"DatasetFolder: sample {row['id']} is of the domain {row['domain']!r}, which is "
                f"in no config (there are {known}); name it in configs={{…}}, or leave it out "
                "before"
            )
        return found

    def key(self, row: Mapping[str, Any]) -> Any:
        """Sorts rows by config, then as everywhere; `test` is put behind by `arranged`."""
        return (self.names.index(self.folder(row)), *sort_key(row))

    def saw(self, prompt_id: str) -> None:
        """Remembers a prompt where a number of them is held out; at most so many are kept."""
        if not isinstance(self.test, int):
            return
        place = -place_of(prompt_id)
        if place in self._held:
            return
        heap, held = self._lowest, self._held
        if len(heap) < self.test:
            heapq.heappush(heap, place)
        elif place > heap[0]:
            held.discard(heapq.heapreplace(heap, place))
        else:
            return
        held.add(place)

    def is_test(self, row: Mapping[str, Any]) -> bool:
        """Whether a row's prompt is held out; with a number, after all prompts were seen."""
        if self.test is None:
            return False
        place = place_of(row["prompt_id"])
        return place < self.test * 2**64 if isinstance(self.test, float) else -place in self._held

    def split(self, row: Mapping[str, Any]) -> str:
        return "test" if self.is_test(row) else "train"

    def stem(self, row: Mapping[str, Any]) -> str:
        """The beginning of the path of a row's shard."""
        return f"{self.folder(row)}/{self.split(row)}"

    def arranged(
        self,
        rows: Iterable[Row],
        scratch: Path,
        folder: Callable[[Row], str] | None = None,
    ) -> Iterator[Row]:
        """Rows that come config by config, in each those of `test` after all others."""
        if self.test is None:
            yield from rows
            return
        for _, members in groupby(rows, folder or self.folder):
            aside = Sorter[Row](scratch, memory_mb=64)
            for row in members:
                if self.is_test(row):
                    aside.add(row)
                else:
                    yield row
            yield from aside.rows()


def place_of(prompt_id: str) -> int:
    """Where a prompt stands among all that could be: 64 bits of a hash.

    >>> place_of("0a1b2c3d4e5f6071") == place_of("0a1b2c3d4e5f6071") < 2**64
    True
    """
    return int(digest(["test", prompt_id])[:16], 16)


def config_of(path: str) -> str:
    """The config of a shard's path.

    >>> config_of("data/train-00000-of-00001.parquet"), config_of("code/test-00000.parquet")
    ('default', 'code')
    """
    folder = PurePosixPath(path).parent.name
    return "default" if folder == ONE else folder


def split_of(path: str) -> str:
    """The split of a shard's path.

    >>> split_of("code/test-00000-of-00001.parquet")
    'test'
    """
    return PurePosixPath(path).name.partition("-")[0]
