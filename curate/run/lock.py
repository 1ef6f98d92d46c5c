"""A lock that a file stands for, held by a process and by those that inherit its descriptor."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from curate.errors import RunError


@contextmanager
def held(path: Path, patience_s: float, says: str) -> Iterator[int]:
    """Gives the descriptor of the locked file; RunError(says) when another holds it for longer."""
    with path.open("w") as file:
        until = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise RunError(says) from None
                time.sleep(0.1)
        yield file.fileno()
