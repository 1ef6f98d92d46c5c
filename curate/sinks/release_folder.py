"""A dataset folder as it is about to be released: its files, and what keeps them from being public.

Refused are a folder without rows, shards that are not those of the manifest (damaged, half copied,
put there by hand), tokens, and folders of this machine or of somebody's home in a text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from curate.errors import RunError, UsageError
from curate.sinks.layout import config_of, split_of
from curate.sinks.provenance import read_json
from curate.sinks.shards import read_rows
from curate.step import unheard

README, CHANGELOG = "README.md", "CHANGELOG.md"
MANIFEST, RECORD = ".curate/manifest.json", ".curate/release.json"
MADE_HERE = frozenset({CHANGELOG, RECORD})
"""What a release itself writes; of the folder it is not taken."""

TEXT_BYTES = 16_000_000
"""A larger file is not looked through for tokens: nothing that we write as text is so large."""
TOKEN = re.compile(
    r"\b(?:hf|api_org)_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{20,}|\bghp_[A-Za-z0-9]{20,}"
)
HOME = re.compile(r"(?:/home|/Users)/[\w.-]+|/root/\w[\w./-]*|[A-Za-z]:\\Users\\[\w.-]+")


class Stored(NamedTuple):
    """A file of the Hub at some commit."""

    oid: str
    """The git blob sha1 of its content; of a large file, of its pointer."""
    size: int
    sha256: str | None
    """Of a large file."""


@dataclass(frozen=True)
class Content:
    """What is to stand in a file: a file of this machine, or bytes made for the release."""

    source: Path | bytes

    @cached_property
    def size(self) -> int:
        if isinstance(self.source, bytes):
            return len(self.source)
        return self.source.stat().st_size

    @cached_property
    def sha256(self) -> str:
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        with self.source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @cached_property
    def blob_sha1(self) -> str:
        """Git's name for it.

        >>> Content(b"").blob_sha1
        'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
        """
        return hashlib.sha1(b"blob %d\0" % self.size + self.read()).hexdigest()

    def read(self) -> bytes:
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    def is_at(self, stored: Stored | None) -> bool:
        """True when the Hub has this very content there."""
        if stored is None or stored.size != self.size:
            return False
        return stored.sha256 == self.sha256 if stored.sha256 else stored.oid == self.blob_sha1


class LocalFolder:
    """A dataset folder on this machine; UsageError when it is none."""

    report: Callable[[Mapping[str, float]], None] = staticmethod(unheard)

    def __init__(self, folder: Path) -> None:
        is_run = (folder / "manifest.json").is_file() and not (folder / MANIFEST).is_file()
        self.folder = folder / "dataset" if is_run else folder
        if not (self.folder / MANIFEST).is_file():
            raise UsageError(
                f"{self.folder} is no dataset folder: it has no {MANIFEST}; give a run directory "
                "or its dataset/, as in curate publish runs/cold_start me/cold-start"
            )
        self.shards: dict[str, Mapping[str, Any]] = {
            shard["path"]: shard
            for shard in read_json(self.folder / MANIFEST, {}).get("shards", [])
        }
        self.rows = sum(shard["rows"] for shard in self.shards.values())
        self.files = {path: Content(self.folder / path) for path in self._paths()}

    def _paths(self) -> Iterator[str]:
        """All files but hidden ones, those of `.curate` apart, and what the release makes anew."""
        for path in sorted(self.folder.rglob("*")):
            inside = path.relative_to(self.folder)
            parts = inside.parts[1:] if inside.parts[0] == ".curate" else inside.parts
            is_hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
            if path.is_file() and not is_hidden and inside.as_posix() not in MADE_HERE:
                yield inside.as_posix()

    @cached_property
    def content(self) -> str:
        """A hash of all that is in it: two folders with the same one are the same release."""
        lines = [f"{file.sha256} {path}\n" for path, file in self.files.items()]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def rows_by_config(self) -> dict[str, dict[str, int]]:
        """Rows of each config's splits."""
        return rows_by_config(self.shards)

    @property
    def changelog(self) -> str:
        """The one that is there: entries of a person, or of the release that it was copied from."""
        path = self.folder / CHANGELOG
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def check(self) -> None:
        """Raises RunError for what must not be published."""
        if not self.rows:
            raise RunError(f"{self.folder} has no rows; an empty dataset is never released")
        if README not in self.files:
            raise RunError(f"{self.folder} has no {README}; run the pipeline again to write it")
        card = self.files[README].read().decode("utf-8", errors="replace")
        if not re.match(r"---\n(?:.*\n)*?configs:\n(?:.*\n)*?---\n", card):
            raise RunError(
                f"{README} in {self.folder} has no head that names `configs`, so every file would "
                "be taken for rows; use a template of cards/, which writes it"
            )
        self._check_shards()
        leaks = list(self._leaks())
        if leaks:
            more = f" (and {len(leaks) - 5} more)" if len(leaks) > 5 else ""
            raise RunError(
                f"{self.folder} says what must not be public: {'; '.join(leaks[:5])}{more}; take "
                "it out of the project's files or the card's template and run the pipeline again"
            )

    def _check_shards(self) -> None:
        there = {path for path in self.files if path.endswith(".parquet")}
        again = "run the pipeline again with --replace, or copy the folder again"
        if missing := sorted(set(self.shards) - there):
            raise RunError(f"{self.folder} lacks {missing[0]}, which its manifest names; {again}")
        if extra := sorted(there - set(self.shards)):
            raise RunError(
                f"{self.folder} holds {extra[0]}, which its manifest does not name; it would be "
                "read as rows of the dataset; move it away"
            )
        checked = 0
        for path, shard in self.shards.items():
            checked += self.files[path].size
            self.report({"MB checked": checked / 1e6})
            if self.files[path].sha256 != shard["sha256"]:
                raise RunError(
                    f"{path} in {self.folder} is not the file that was written (its sha256 is "
                    f"{self.files[path].sha256[:12]}…, the manifest says {shard['sha256'][:12]}…); "
                    f"{again}"
                )

    def _leaks(self) -> Iterator[str]:
        """Tokens, and folders of this machine or of a home, by file and line; what a row itself
        says is the dataset's text, not this machine's.
        """
        places = (Path.home(), self.folder.absolute().parent, Path.cwd())
        own = [re.escape(str(place)) for place in places if len(place.parts) > 2]
        home = re.compile("|".join((*own, HOME.pattern)))
        for path, file in self.files.items():
            if path.endswith(".parquet") or file.size > TEXT_BYTES:
                continue
            text = file.read().decode("utf-8", errors="ignore")
            for found in TOKEN.finditer(text):
                yield f"a token in {path}, line {line_of(text, found.start())}"
            for name, at in {m[0]: m.start() for m in home.finditer(text)}.items():
                if not self._is_in_rows(name):
                    yield f"the folder {name} in {path}, line {line_of(text, at)}"

    def _is_in_rows(self, text: str) -> bool:
        columns = ("problem", "answer", "check", "prompt", "completion")
        escaped = json.dumps(text, ensure_ascii=False)[1:-1]
        return any(
            text in (said := json.dumps(row, ensure_ascii=False)) or escaped in said
            for row in read_rows(self.folder, columns)
        )


def rows_by_config(shards: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Rows of each config's splits, by the shards' paths.

    >>> rows_by_config({"data/train-00000-of-00002.parquet": {"rows": 3},
    ...                 "data/train-00001-of-00002.parquet": {"rows": 4}})
    {'default': {'train': 7}}
    """
    found: dict[str, dict[str, int]] = {}
    for path, shard in sorted(shards.items()):
        splits, split = found.setdefault(config_of(path), {}), split_of(path)
        splits[split] = splits.get(split, 0) + shard["rows"]
    return found


def line_of(text: str, position: int) -> int:
    """The number of the line that a position is in, from 1."""
    return text.count("\n", 0, position) + 1
