"""What differs besides the rows: rules and prompts, parameters, packages, model, card, licence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from difflib import ndiff
from typing import Any

from curate.sinks.difference_side import Side
from curate.sinks.provenance import spell

CARD = "README.md"
TOLD = (CARD, "LICENSE", "NOTICE", "croissant.json")
"""Files that go with the data; CHANGELOG.md is written when the rest is known."""
Pair = tuple[Any, Any]


@dataclass(frozen=True)
class About:
    """What differs in how two datasets were made, and in what is said of them."""

    files: Mapping[str, str]
    """Pipeline, rules, prompts by name: `added`, `removed` or `changed`."""
    told: tuple[str, ...]
    """Files beside the data that differ, the card among them."""
    parameters: Mapping[str, Pair]
    engine: Mapping[str, Pair]
    packages: Mapping[str, Pair]
    steps: tuple[str, ...]
    """`- Step(…)` before, `+ Step(…)` after."""
    shards: bool
    """The Parquet files are others, whatever their rows are."""

    def __bool__(self) -> bool:
        return any(bool(value) for value in vars(self).values())

    def json(self) -> dict[str, Any]:
        return asdict(self)


def about(before: Side, after: Side, *, shards: bool) -> About:
    """Compares what stands beside the rows; `shards` says that the data files are others."""
    old, new = before.manifest, after.manifest
    if not old or not new:  # one was not made by curate: there is nothing to compare
        old = new = {}
    return About(
        files=files_changed(kept_files(before), kept_files(after)),
        told=tuple(n for n in TOLD if before.file(n) != after.file(n)),
        parameters=changed(old.get("parameters"), new.get("parameters")),
        engine=changed(old.get("engine"), new.get("engine")),
        packages=changed(old.get("packages"), new.get("packages")),
        steps=steps_changed(old.get("steps"), new.get("steps")),
        shards=shards,
    )


def changed(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> dict[str, Pair]:
    """Names whose values differ, with both; null stands for none.

    >>> changed({"a": 1, "b": 2}, {"a": 1, "c": 3})
    {'b': (2, None), 'c': (None, 3)}
    """
    old, new = old or {}, new or {}
    names = dict.fromkeys([*old, *new])
    return {n: (old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n)}


def files_changed(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """What became of each file that is not the same."""
    return {
        name: "added" if a is None else "removed" if b is None else "changed"
        for name, (a, b) in sorted(changed(old, new).items())
    }


def kept_files(side: Side) -> dict[str, str]:
    """The pipeline's files as they were, by name with the hash of their content."""
    root = side.folder / ".curate" / "files"
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def steps_changed(old: Any, new: Any) -> tuple[str, ...]:
    """The steps that are not the same, as they are spelled.

    >>> steps_changed([{"step": "Pick", "n": 1}], [{"step": "Pick", "n": 2}])
    ('- Pick(n=1)', '+ Pick(n=2)')
    """
    before, after = ([spell(step) for step in steps or []] for steps in (old, new))
    return tuple(line for line in ndiff(before, after) if line[:1] in "+-")
