"""What is in a sample store: completions by model, and whether every record can be read back.

Reads everything once, front to back: 8 bytes of memory a record, for counting what is there twice.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from curate.engines.segments import Piece, is_at_rest, prefix, read_pieces
from curate.engines.store import unpack_completion
from curate.errors import StoreError, UsageError

QUIET_S = 2.0
PLAIN_EVERY_S = 10.0


class Source(NamedTuple):
    """Who was asked."""

    model: str
    revision: str | None
    kind: str | None
    """Null in records of before it was stored."""


@dataclass
class Holding:
    """What a store has of one model."""

    completions: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    bytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, other: Holding) -> None:
        self.completions += other.completions
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.bytes += other.bytes
        self.reasons += other.reasons


class Flaw(NamedTuple):
    """A stretch of a segment that cannot be read."""

    segment: Path
    offset: int
    bytes: int
    torn: bool
    """True for a record that its writer did not finish, which is no damage."""

    def __str__(self) -> str:
        what = "torn tail" if self.torn else "damaged"
        return f"{what}: {self.segment.name} at byte {self.offset:,} ({self.bytes:,} bytes)"


@dataclass
class Inventory:
    """What is in a sample store."""

    folder: Path
    segments: int = 0
    open_segments: int = 0
    """Segments that somebody may still write to."""
    bytes: int = 0
    torn: int = 0
    damaged: int = 0
    repeated: int = 0
    """Records of a key beyond its first."""
    holdings: dict[Source, Holding] = field(default_factory=dict)
    broken: set[Path] = field(default_factory=set)
    """Segments with damaged records."""


def take_inventory(folder: Path, say: Callable[[str], None] | None = None) -> Inventory:
    """Reads a store from end to end.

    Args:
        say: is told of each stretch that cannot be read, as it is found.
    """
    check_store(folder)
    segments = segments_of(folder)
    inventory = Inventory(folder, segments=len(segments))
    keys = array("Q")
    with Meter("reading", sum(path.stat().st_size for path in segments)) as meter:
        for path in segments:
            try:
                inventory.open_segments += not is_at_rest(path)
                for flaw in _read(path, inventory, keys, meter):
                    if say:
                        say(str(flaw))
            except FileNotFoundError:
                raise StoreError(f"{path} was merged into another; run the command again") from None
    inventory.repeated = len(keys) - len(np.unique(np.frombuffer(keys, "<u8")))
    return inventory


def _read(path: Path, inventory: Inventory, keys: array[int], meter: Meter) -> Iterator[Flaw]:
    for piece, _, payload in read_pieces(path):
        meter.advance(piece.bytes)
        inventory.bytes += piece.bytes
        if piece.header is not None and payload is not None:
            keys.append(prefix(piece.header.key))
            _add(inventory.holdings, piece, payload)
            continue
        if piece.torn:
            inventory.torn += 1
        else:
            inventory.damaged += 1
            inventory.broken.add(path)
        yield Flaw(path, piece.offset, piece.bytes, piece.torn)


def segments_of(folder: Path) -> list[Path]:
    """The segments of a store, in the order of their names."""
    return sorted(folder.glob("*.records"))


def check_store(folder: Path) -> None:
    """A folder that is no store is refused."""
    if not any([*folder.glob("*.records"), *folder.glob("compaction.lock")]):
        raise UsageError(
            f"{folder} is no sample store: nothing there ends in .records; a run has its store at"
            " runs/store in its project unless store= says otherwise"
        )


def _add(holdings: dict[Source, Holding], piece: Piece, payload: bytes) -> None:
    completion, asked = unpack_completion(payload)
    source = Source(asked["model"], asked["revision"], asked.get("kind"))
    holding = holdings.setdefault(source, Holding())
    holding.completions += 1
    holding.prompt_tokens += completion.prompt_tokens or 0
    holding.completion_tokens += completion.completion_tokens or 0
    holding.bytes += piece.bytes
    holding.reasons[completion.finish_reason] += 1


def describe(inventory: Inventory) -> str:
    """The inventory as text: a table, one line a model, and what else there is to say."""
    total = Holding()
    for holding in inventory.holdings.values():
        total.add(holding)
    usual = ("stop", "length", "cut", "refused")
    reasons = [*usual, *sorted(set(total.reasons) - set(usual))]
    head = ("model", "revision", "kind", "completions", "prompt tokens", "tokens", "MB", *reasons)
    rows = [
        (source.model, source.revision or "unknown", source.kind or "unknown", *_row(held, reasons))
        for source, held in sorted(inventory.holdings.items(), key=lambda pair: str(pair[0]))
    ]
    rows.append(("all", "", "", *_row(total, reasons)))
    written = f", {inventory.open_segments:,} of them open" if inventory.open_segments else ""
    lines = [
        f"{inventory.folder}: {_count(total.completions, 'completion')},"
        f" {inventory.bytes / 1e6:,.1f} MB in {_count(inventory.segments, 'segment')}{written}",
        "",
        *_table(head, rows),
        "",
    ]
    if inventory.repeated:
        lines.append(f"{_count(inventory.repeated, 'record')} of a key that has another one")
    if inventory.torn:
        lines.append(f"{_count(inventory.torn, 'torn tail')}, as killed writers leave: no damage")
    if inventory.damaged:
        lines.append(
            f"{_count(inventory.damaged, 'damaged stretch', 'damaged stretches')} in"
            f" {_count(len(inventory.broken), 'segment')}: what was there is asked for again"
        )
    return "\n".join(lines).rstrip()


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _row(held: Holding, reasons: list[str]) -> tuple[str, ...]:
    numbers = (held.completions, held.prompt_tokens, held.completion_tokens)
    return (
        *(f"{number:,}" for number in numbers),
        f"{held.bytes / 1e6:,.1f}",
        *(f"{held.reasons[reason]:,}" for reason in reasons),
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if n < 3 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]


class Meter:
    """Says on standard error how far a long reading is, from the third second on."""

    def __init__(self, verb: str, total_bytes: int) -> None:
        self._verb, self._total, self._done = verb, total_bytes, 0
        self._live = sys.stderr.isatty()
        self._started = time.monotonic()
        self._next = self._started + QUIET_S
        self._said = False

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.2 if self._live else PLAIN_EVERY_S)
        line = f"{self._verb}: {self._done / 1e6:,.0f} of {self._total / 1e6:,.0f} MB"
        if self._done > self._total / 100:  # of less, nothing can be forecast
            left_s = (now - self._started) * max(self._total / self._done - 1, 0)
            line += f", {left_s:,.0f} s left"
        sys.stderr.write(f"\r{line}\033[K" if self._live else f"{line}\n")
        sys.stderr.flush()
        self._said = True

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *error: object) -> None:
        if self._live and self._said:
            sys.stderr.write("\r\033[K")
