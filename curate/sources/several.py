"""Several sources of prompts as one: `easy_stem.jsonl;reasoning-gym:syllogism`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from curate.sources.row import Place, Row, Rows, Source


@dataclass(frozen=True)
class SeveralSources:
    """Row by row from each in turn, until all are spent: a limit takes as many of each."""

    parts: tuple[Source, ...]
    name = "several"

    @property
    def reads_all(self) -> bool:
        """Only as far as the limit when one of them cannot be read to its end."""
        return all(part.reads_all for part in self.parts)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The local files that are read."""
        return tuple(path for part in self.parts for path in getattr(part, "paths", ()))

    def check(self) -> None:
        """UsageError when one of them is not there or holds no questions."""
        for part in self.parts:
            part.check()

    def rows(self) -> Rows:
        """All rows; those that name no source have that of their part."""
        streams = {n: part.rows() for n, part in enumerate(self.parts)}
        while streams:
            for n, stream in list(streams.items()):
                if (row := next(stream, None)) is None:
                    del streams[n]
                else:
                    yield _of_part(row, n + 1, self.parts[n].name)


def _of_part(row: Row, number: int, source: str) -> Row:
    """The row with its part in its place, as two files may have one name, and with its source."""
    place = Place(f"[{number}] {row.place.origin}", row.place.number)
    if isinstance(row.value, Mapping) and not row.value.get("source"):
        return Row(place, {**row.value, "source": source})
    return Row(place, row.value)
