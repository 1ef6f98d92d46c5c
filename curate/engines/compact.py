"""Compaction: many small segments become few large ones, and nothing that counts is lost.

Segments at rest are merged in the order of their names, up to `SEGMENT_BYTES` each. A merged one is
complete and on the disk under its final name before those it replaces go, so a kill at any instant
leaves every record there at least once, and the next compaction drops what is there twice. A
segment that somebody may write to is not touched. Running stores and other compactions go on.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from curate.engines.inventory import Meter, check_store, segments_of
from curate.engines.request import Request
from curate.engines.segments import (
    MERGED,
    Entry,
    entries,
    is_at_rest,
    lock,
    maker_of,
    pack_entry,
    prefix,
    read_pieces,
    segment_name,
)
from curate.engines.store import Record, Store
from curate.errors import StoreError

SEGMENT_BYTES = 1 << 30
"""A million traces of 20 kB then are 6 segments, and as much room as one must be free meanwhile."""


@dataclass
class Compaction:
    """What a compaction did."""

    merged: int = 0
    """Segments that are gone."""
    made: int = 0
    """Segments that hold what was in them."""
    kept: int = 0
    dropped: int = 0
    """Records that could never be served: others of the same key are, whatever is asked."""
    freed_bytes: int = 0
    left: int = 0
    """Segments that somebody may still write to."""
    set_aside: list[str] = field(default_factory=list)
    """Segments with damaged records, which stay under this name; the good ones were kept."""

    def __str__(self) -> str:
        lines = [
            f"{self.merged:,} segments became {self.made:,}: {self.kept:,} completions kept,"
            f" {self.dropped:,} dropped that could never be served,"
            f" {self.freed_bytes / 1e6:,.1f} MB freed"
            if self.merged
            else "nothing to compact"
        ]
        if self.left:
            lines.append(f"left as they are, as somebody may write to them: {self.left:,} segments")
        lines += [f"{name} had damaged records and can be removed" for name in self.set_aside]
        return "\n".join(lines)


def compact(
    folder: Path, *, damaged: Collection[Path] = (), segment_bytes: int = SEGMENT_BYTES
) -> Compaction:
    """Merges what is at rest; a second one finds nothing to do.

    Args:
        damaged: segments known to have damaged records, to be rewritten in any case.
    """
    check_store(folder)
    done = Compaction()
    with (folder / "compaction.lock").open("a") as guard:
        if lock(guard.fileno()) is False:
            raise StoreError(f"{folder} is being compacted already")
        _sweep(folder)
        present, merged = set(segments_of(folder)), -1
        # Once more after each time that something was done, as what was dropped made room; without
        # the segments that came meanwhile, or it might never end.
        while merged != done.merged:
            merged = done.merged
            resting = [
                path
                for path in segments_of(folder)
                if (path in present or maker_of(path) == MERGED) and is_at_rest(path)
            ]
            with Meter("compacting", sum(path.stat().st_size for path in resting)) as meter:
                for batch in _batches(resting, segment_bytes):
                    _merge(folder, batch, damaged, done, meter)
        done.left = sum(not is_at_rest(path) for path in segments_of(folder))
    return done


def _sweep(folder: Path) -> None:
    """Removes what killed compactions left: segments under way, and indexes of none."""
    for part in folder.glob("*.merging"):
        if is_at_rest(part):
            part.unlink(missing_ok=True)
    for index in folder.glob("*.index"):
        if not index.with_suffix(".records").exists():
            index.unlink(missing_ok=True)


def _batches(segments: Sequence[Path], limit: int) -> Iterator[list[Path]]:
    """Neighbours that fit into one segment; one that is larger is alone."""
    batch: list[Path] = []
    room = limit
    for path in segments:
        size = path.stat().st_size
        if batch and size > room:
            yield batch
            batch, room = [], limit
        batch.append(path)
        room -= size
    if batch:
        yield batch


def _merge(
    folder: Path, batch: list[Path], damaged: Collection[Path], done: Compaction, meter: Meter
) -> None:
    """One segment in place of several, or of one in which something can be dropped."""
    sizes = {path: path.stat().st_size for path in batch}
    with Store(folder) as store:
        drop = _superseded(store, batch, meter)
    dropped = sum(map(len, drop.values()))
    if len(batch) == 1 and sizes[batch[0]] and not dropped and batch[0] not in damaged:
        meter.advance(sizes[batch[0]])
        return
    # In the place of the first in the order of names, so that neighbours stay neighbours.
    part = folder / f"{segment_name(batch[0].stem.split('-')[0], MERGED)}.merging"
    broken: set[Path] = set()
    kept = _write(part, batch, drop, broken, meter)
    for path in batch:
        _remove(path, sizes[path], is_broken=path in broken)
    done.merged += len(batch)
    done.made += kept > 0
    done.kept += kept
    done.dropped += dropped
    after = part.with_suffix(".records").stat().st_size if kept else 0
    done.freed_bytes += sum(sizes.values()) - after
    done.set_aside += sorted(path.with_suffix(".damaged").name for path in broken)


def _write(
    part: Path, batch: list[Path], drop: dict[Path, np.ndarray], broken: set[Path], meter: Meter
) -> int:
    """The merged segment, on the disk under its final name; returns how many records it has."""
    final, beside = part.with_suffix(".records"), part.with_suffix(".index")
    try:
        with part.open("xb") as records, beside.open("xb") as index:
            lock(records.fileno())
            kept = sum(_copy(path, drop[path], records, index, broken, meter) for path in batch)
            for file in (records, index):
                file.flush()
                os.fsync(file.fileno())
            if kept:
                os.rename(part, final)
    finally:
        if not final.exists():
            part.unlink(missing_ok=True)
            beside.unlink(missing_ok=True)
    _sync(part.parent)
    return kept


def _copy(
    path: Path,
    drop: np.ndarray,
    records: BinaryIO,
    index: BinaryIO,
    broken: set[Path],
    meter: Meter,
) -> int:
    """Appends the records of a segment that are whole and not to be dropped; returns how many."""
    copied = 0
    for piece, data, payload in read_pieces(path):
        meter.advance(piece.bytes)
        if payload is None or piece.header is None:
            if not piece.torn:
                broken.add(path)
            continue
        at = int(drop.searchsorted(piece.offset))
        if at < len(drop) and drop[at] == piece.offset:
            continue
        entry = Entry(prefix(piece.header.key), records.tell(), piece.header.length)
        index.write(pack_entry(entry))
        records.write(data)
        copied += 1
    return copied


def _remove(path: Path, size: int, *, is_broken: bool) -> None:
    """Removes a segment that was merged; one with damage is kept under another name."""
    try:
        if path.stat().st_size != size:
            return  # its writer was alive after all, where locks are missing: merged next time
        if is_broken:
            os.rename(path, path.with_suffix(".damaged"))
        else:
            path.unlink()
        path.with_suffix(".index").unlink(missing_ok=True)
    except FileNotFoundError:
        pass  # removed by another compaction, where locks are missing


def _sync(folder: Path) -> None:
    """Puts the names in a folder on the disk."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _superseded(store: Store, batch: list[Path], meter: Meter) -> dict[Path, np.ndarray]:
    """Where, in the segments of a batch, the records are that can never be served; offsets."""
    repeated = store.repeated()
    inside = frozenset(batch)
    found = {path: array("Q") for path in batch}
    here = [np.intersect1d(entries(path)["key"], repeated) for path in batch]
    for number in np.unique(np.concatenate(here)).tolist():
        meter.advance(0)
        records = sorted(store.alike(number), key=lambda record: _rank(record, inside))
        for n, record in enumerate(records):
            if record.segment in inside and any(_covers(one, record) for one in records[:n]):
                found[record.segment].append(record.offset)
    return {path: np.unique(np.array(offsets, "<u8")) for path, offsets in found.items()}


def _rank(record: Record, inside: frozenset[Path]) -> tuple[bytes, bool, str, int]:
    """The smaller content hash counts; of equal records, one that is not being moved stays."""
    return record.header.content, record.segment in inside, record.segment.name, record.offset


def _covers(one: Record, other: Record) -> bool:
    """True when `one`, of the smaller rank, serves whatever `other` would.

    What a record serves is either one limit or every limit from some on, so these tell.
    """
    if one.header.key != other.header.key:
        return False
    if one.header.content == other.header.content:
        return True
    said = other.completion
    rules = frozenset([said.cut_by]) if said.cut_by else frozenset[str]()
    asked = [
        replace(_ANY, max_tokens=limit)
        for limit in (said.max_tokens, said.completion_tokens or 0, 1 << 62)
    ]
    return all(one.completion.serves(a, rules) for a in asked if said.serves(a, rules))


_ANY = Request(messages=(), model="", temperature=1, top_p=1, max_tokens=0, seed=0)
