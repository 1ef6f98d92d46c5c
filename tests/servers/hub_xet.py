"""Xet without its server: the store on disk that the client itself brings, seen from the Hub.

A client that is told `casUrl: "local:///dir"` keeps its chunks in `dir` (hf_xet 1.8; undocumented).
The Hub learns from the shards there which Xet file a sha256 is, and rebuilds it with hf_xet's
download group. The store has a lock that one process holds while it uploads or downloads, so
readers get copies made of links; two processes cannot upload at the same time. It also keeps the
index of chunks (`shard-cache`) that a client otherwise has in its own cache: every client finds all
chunks that any client has uploaded.
"""

from __future__ import annotations

import importlib
import os
import shutil
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HEADER, HASH, RECORD = 48, 32, 48
END_OF_FILES = b"\xff" * HASH
HAS_VERIFICATION, HAS_SHA256 = 1 << 31, 1 << 30


class XetFile(NamedTuple):
    """A file of the store: its Xet hash as it is printed, and its bytes."""

    hash: str
    size: int


class XetStore:
    """The store that the clients upload to, and copies of it to read from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        self._known: dict[str, XetFile] = {}
        self._read: set[str] = set()
        self._copies = 0
        (folder / "store").mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Where clients upload to."""
        return f"local://{self.folder / 'store'}"

    def file(self, sha256: str) -> XetFile | None:
        """The Xet file with this content; None when no shard that was left here names it."""
        with self.lock:
            for path in (self.folder / "store").rglob("shards/*.mdb"):
                if path.name not in self._read:
                    self._known |= dict(files_of_shard(path.read_bytes()))
                    self._read.add(path.name)
            return self._known.get(sha256)

    def stored_bytes(self) -> int:
        """All chunks as they are stored: what the uploads brought that was new."""
        found = (self.folder / "store").rglob("xorbs/default.*")
        return sum(p.stat().st_size for p in found if not p.name.endswith(".tagset"))

    def copy(self) -> str:
        """The address of the store as it is now, for one reader."""
        with self.lock:
            self._copies += 1
            folder = self.folder / f"copy-{self._copies}"
            shutil.copytree(self.folder / "store", folder, copy_function=_link)
            return f"local://{folder}"

    def rebuild(self, file: XetFile, path: Path) -> None:
        """Writes a file of the store to `path`."""
        hf_xet: Any = importlib.import_module("hf_xet")  # which has no types
        group = hf_xet.XetSession().new_file_download_group(endpoint=self.copy())
        with group:
            group.start_download_file(hf_xet.XetFileInfo(file.hash, file.size), str(path))


def files_of_shard(content: bytes) -> Iterator[tuple[str, XetFile]]:
    """(sha256, file) of every file that a shard names.

    >>> from tests.servers.hub_xet import END_OF_FILES
    >>> list(files_of_shard(bytes(48) + END_OF_FILES))
    []
    """
    at = HEADER
    while (name := content[at : at + HASH]) != END_OF_FILES:
        flags, segments = struct.unpack_from("<II", content, at + HASH)
        first = at + RECORD
        sizes = [
            struct.unpack_from("<I", content, first + n * RECORD + 36)[0] for n in range(segments)
        ]
        at = first + segments * RECORD * (2 if flags & HAS_VERIFICATION else 1)
        if flags & HAS_SHA256:
            yield _printed(content[at : at + HASH]), XetFile(_printed(name), sum(sizes))
            at += RECORD


def _printed(name: bytes) -> str:
    """A hash as Xet prints it: four numbers, the low byte of each first on disk."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", name))


def _link(source: str, target: str) -> None:
    """Chunks and shards never change; the table of hashes (and caches that may go) does."""
    if source.endswith(".redb"):
        shutil.copyfile(source, target)
    else:
        os.link(source, target)
