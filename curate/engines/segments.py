"""The sample store on disk: append-only segments, one writer each, an index beside each.

    STORE/18a9…-7c1d2e3f-3e1-5b0c77aa.records   record = header (60 bytes), zstd frame
    STORE/18a9…-7c1d2e3f-3e1-5b0c77aa.index     entry  = key prefix, offset, length (20 bytes)

A record is one `write`, so a killed writer leaves at most one torn record, at the end. Nobody
repairs another's files: what is torn is ignored, and what the index lacks is found by walking the
headers from its last good entry. 20 bytes a record make a store of a million open in well under a
second, where reading 6 GB of records would take minutes.

The name of a segment: time, the machine's boot, process, chance. A writer holds an advisory lock on
its segment for as long as it may write to it; `is_at_rest` is what compaction asks.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import zstandard

from curate.errors import StoreError

MAGIC = b"crt1"
_HEADER = struct.Struct("<4sI32s16s")
_CHECK = struct.Struct("<I")
_ENTRY = struct.Struct("<QQI")
ENTRY = np.dtype([("key", "<u8"), ("offset", "<u8"), ("length", "<u4")])
HEADER_BYTES = _HEADER.size + _CHECK.size
# Measured on R1-style traces of 19 kB, one frame each: level 1 makes 3.25 times smaller, 3 makes
# 3.43, 9 makes 3.78 at five times the work; so a million completions of 20 kB take 6 GB. A trained
# dictionary would halve short answers (400 characters: 359 -> 182 bytes) and do nothing for these,
# at the price of records that cannot be read without it.
_LEVEL = 3
MERGED = "merged"
"""Stands in the name of a segment that compaction wrote, where others have the machine's boot."""
REST_S = 6 * 3600.0
"""Locks may be missing between machines (NFS mounted with `nolock`): a segment of another machine
is at rest when it has not changed for this long, several times what the longest answer takes.
"""
_threads = threading.local()


class Entry(NamedTuple):
    """Where a record lies in its segment; `length` is that of the frame, without the header."""

    key: int
    offset: int
    length: int


class Header(NamedTuple):
    """What stands before a frame; `content` is a hash of the payload."""

    length: int
    key: bytes
    content: bytes


def prefix(key: bytes) -> int:
    """The part of a key that the index holds."""
    return int.from_bytes(key[:8], "little")


def pack_entry(entry: Entry) -> bytes:
    """An entry of the index."""
    return _ENTRY.pack(*entry)


def content_hash(payload: bytes) -> bytes:
    """16 bytes that name a payload; they also prove that it was read back whole."""
    return hashlib.blake2b(payload, digest_size=16).digest()


def unpack_header(data: bytes) -> Header | None:
    """The header at the beginning of `data`; None when there is none or it is damaged."""
    if len(data) < HEADER_BYTES:
        return None
    magic, length, key, content = _HEADER.unpack_from(data)
    (check,) = _CHECK.unpack_from(data, _HEADER.size)
    if magic != MAGIC or check != zlib.crc32(data[: _HEADER.size]):
        return None
    return Header(length, key, content)


def unpack_payload(header: Header, frame: bytes) -> bytes | None:
    """The payload of a record; None when it is damaged."""
    try:
        decompressor = _threads.decompressor
    except AttributeError:
        # One a thread, as it must not be shared; a new one each time costs more than a short frame.
        decompressor = _threads.decompressor = zstandard.ZstdDecompressor()
    try:
        payload = decompressor.decompress(frame)
    except zstandard.ZstdError:
        return None
    return payload if content_hash(payload) == header.content else None


def segment_name(time_ns: str, maker: str) -> str:
    """A name that no other segment has, without suffix."""
    return f"{time_ns}-{maker}-{os.getpid():x}-{secrets.token_hex(4)}"


def maker_of(records: Path) -> str:
    """Of the name of a segment: where it was made, `MERGED`, or nothing if it does not say."""
    parts = records.stem.split("-")
    return parts[1] if len(parts) == 4 else ""


@cache
def this_boot() -> str:
    """Names the running kernel, within which advisory locks can be relied on; empty if unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii")[:8]
    except OSError:
        return ""


def lock(file: int) -> bool | None:
    """Takes the advisory lock of an open file; False if somebody has it, None without locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def is_at_rest(records: Path) -> bool:
    """True when nobody will write to a segment any more: its lock is free, and it was made under
    the running kernel or by compaction, or has not changed for `REST_S`.
    """
    try:
        with records.open("r+b") as file:  # NFS gives exclusive locks to those who may write only
            free = lock(file.fileno())
            idle_s = time.time() - os.fstat(file.fileno()).st_mtime
    except PermissionError:
        return False
    maker = maker_of(records)
    known = maker == MERGED or (maker != "" and maker == this_boot())
    return (known and free is True) or (free is not False and idle_s > REST_S)


class SegmentWriter:
    """A segment that this process alone appends to."""

    def __init__(self, folder: Path) -> None:
        name = segment_name(f"{time.time_ns():x}", this_boot())
        self.path = folder / f"{name}.records"
        part = folder / f"{name}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._records = os.open(part, flags, 0o644)
            lock(self._records)
            os.rename(part, self.path)  # nobody ever sees the segment without its lock
            self._index = os.open(self.path.with_suffix(".index"), flags, 0o644)
        except OSError as error:
            raise StoreError(_cannot_write(folder, error)) from None
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._end = 0

    def is_gone(self) -> bool:
        """True when somebody removed the segment: what is written to it would be lost."""
        try:
            return os.fstat(self._records).st_nlink == 0
        except OSError:
            return True

    def append(self, key: bytes, payload: bytes) -> Entry:
        """Writes one record; when it returns, a kill of this process loses nothing.

        After an error the segment may end in a torn record: it must not be written to again.
        """
        frame = self._compressor.compress(payload)
        header = _HEADER.pack(MAGIC, len(frame), key, content_hash(payload))
        record = header + _CHECK.pack(zlib.crc32(header)) + frame
        try:
            written = os.write(self._records, record)
        except OSError as error:
            raise StoreError(_cannot_write(self.path.parent, error)) from None
        if written < len(record):
            raise StoreError(_cannot_write(self.path.parent, OSError(28, "the disk is full")))
        entry = Entry(prefix(key), self._end, len(frame))
        self._end += written
        self._note(entry)
        return entry

    def _note(self, entry: Entry) -> None:
        """Writes the index; it may fail, as the record is safe and can be found without."""
        if self._index < 0:
            return
        try:
            whole = os.write(self._index, pack_entry(entry)) == _ENTRY.size
        except OSError:
            whole = False
        if not whole:
            os.close(self._index)
            self._index = -1

    def close(self) -> None:
        os.close(self._records)
        if self._index >= 0:
            os.close(self._index)


def _cannot_write(folder: Path, error: OSError) -> str:
    return (
        f"cannot write to the sample store {folder}: {error.strerror}; make room or choose"
        " another with store=FOLDER, then run the same command again"
    )


def entries(records: Path) -> np.ndarray:
    """Where every whole record of a segment lies, as an array of `ENTRY`."""
    try:
        known = np.fromfile(records.with_suffix(".index"), dtype=ENTRY)
    except FileNotFoundError:
        known = np.empty(0, ENTRY)
    size = records.stat().st_size
    ends = known["offset"] + known["length"] + HEADER_BYTES
    starts = np.concatenate([np.zeros(1, "<u8"), ends[:-1]]) if len(known) else ends
    wrong = np.flatnonzero((known["offset"] != starts) | (ends > size))
    if len(wrong):
        known, ends = known[: wrong[0]], ends[: wrong[0]]
    end = int(ends[-1]) if len(known) else 0
    found = _walk(records, end, size) if end < size else []
    return np.concatenate([known, np.array(found, dtype=ENTRY)]) if found else known


def _walk(records: Path, start: int, size: int) -> list[Entry]:
    """The whole records from `start` on."""
    with records.open("rb") as file:
        return [
            Entry(prefix(piece.header.key), piece.offset, piece.header.length)
            for piece in pieces(file, start, size)
            if piece.header
        ]


class Piece(NamedTuple):
    """A stretch of a segment: a record, or bytes that are none."""

    offset: int
    bytes: int
    header: Header | None
    torn: bool = False
    """True for a beginning of a record at the end of the segment, as a killed writer leaves it."""


def pieces(file: BinaryIO, start: int, size: int) -> Iterator[Piece]:
    """What a segment consists of between two places, without reading the frames."""
    offset = start
    while offset < size:
        file.seek(offset)
        beginning = file.read(HEADER_BYTES)
        header = unpack_header(beginning)
        if header is not None:
            end = offset + HEADER_BYTES + header.length
        elif offset + HEADER_BYTES > size and beginning[:4] == MAGIC[: len(beginning)]:
            end = size + 1
        else:
            end = _next_record(file, offset + 1, size)
        if end > size:
            yield Piece(offset, size - offset, None, torn=True)
        else:
            yield Piece(offset, end - offset, header)
        offset = end


def read_pieces(records: Path) -> Iterator[tuple[Piece, bytes, bytes | None]]:
    """The same from end to end, each with its bytes and, when a record is whole, its payload; the
    bytes of what is no record are not read.
    """
    with records.open("rb", buffering=1 << 20) as file:
        for piece in pieces(file, 0, os.fstat(file.fileno()).st_size):
            if piece.header is None:
                yield piece, b"", None
                continue
            file.seek(piece.offset)
            data = file.read(piece.bytes)
            yield piece, data, unpack_payload(piece.header, data[HEADER_BYTES:])


def _next_record(file: BinaryIO, offset: int, size: int) -> int:
    """The next place where a record begins; `size` when there is none."""
    step = 1 << 20
    while offset < size:
        file.seek(offset)
        at = file.read(step + len(MAGIC) - 1).find(MAGIC)
        if at < 0:
            offset += step
            continue
        file.seek(offset + at)
        if unpack_header(file.read(HEADER_BYTES)):
            return min(offset + at, size)
        offset += at + 1
    return size
