"""The sample store on disk: append-only segments, one writer each, an index beside each.

    STORE/1a9f…-3e1-5b0c77aa.records   record = header (60 bytes), zstd frame
    STORE/1a9f…-3e1-5b0c77aa.index     entry  = key prefix, offset, length (20 bytes)

A record is one `write`, so a killed writer leaves at most one torn record, at the end. Nobody
repairs another's files: what is torn is ignored, and what the index lacks is found by walking the
headers from its last good entry. 20 bytes a record make a store of a million open in well under a
second, where reading 10 GB of records would take minutes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
import time
import zlib
from pathlib import Path
from typing import NamedTuple

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
# 3.43, 9 makes 3.78 at five times the work; so a million completions of 20 kB take 6 GB.
_LEVEL = 3


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
        payload = zstandard.ZstdDecompressor().decompress(frame)
    except zstandard.ZstdError:
        return None
    return payload if content_hash(payload) == header.content else None


class SegmentWriter:
    """A segment that this process alone appends to."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{time.time_ns():x}-{os.getpid():x}-{secrets.token_hex(4)}.records"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._records = os.open(self.path, flags, 0o644)
            self._index = os.open(self.path.with_suffix(".index"), flags, 0o644)
        except OSError as error:
            raise StoreError(_cannot_write(folder, error)) from None
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._end = 0

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
            whole = os.write(self._index, _ENTRY.pack(*entry)) == _ENTRY.size
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
    """The whole records from `start` on; damaged stretches are stepped over."""
    found: list[Entry] = []
    with records.open("rb") as file:
        offset = start
        while offset + HEADER_BYTES <= size:
            file.seek(offset)
            header = unpack_header(file.read(HEADER_BYTES))
            if header is None:
                offset = _next_magic(file, offset + 1, size)
                continue
            end = offset + HEADER_BYTES + header.length
            if end <= size:
                found.append(Entry(prefix(header.key), offset, header.length))
            offset = end
    return found


def _next_magic(file, offset: int, size: int) -> int:
    """The next place that may be a record's beginning; `size` when there is none."""
    step = 1 << 20
    while offset < size:
        file.seek(offset)
        at = file.read(step + len(MAGIC) - 1).find(MAGIC)
        if at >= 0:
            return offset + at
        offset += step
    return size
