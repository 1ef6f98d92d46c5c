"""Folders that appear under their name only when they are complete."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new, empty folder beside `folder` that takes its place when the block ends well, else goes
    away.

    What an attempt that was killed left behind is removed first. Killed at any instant, `folder` is
    the old one, the new one or (between two renames) absent; never a mixture. One writer at a time.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for pattern in ("part", "old"):
        for leftover in folder.parent.glob(f"{folder.name}.{pattern}-*"):
            shutil.rmtree(leftover)
    attempt = secrets.token_hex(4)
    part = folder.with_name(f"{folder.name}.part-{attempt}")
    old = folder.with_name(f"{folder.name}.old-{attempt}")
    part.mkdir()
    try:
        yield part
        _sync(part)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    _fsync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Writes a file that is whole or not there."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    _fsync(part)
    part.replace(path)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        _fsync(path)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
