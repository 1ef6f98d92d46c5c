"""What the person who watches should hear while work goes on: a server that is out, a budget spent.

    notice("http://a:8000/v1 is out: connection refused")

On standard error, until a worker process says where its lines go instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable


def _to_standard_error(text: str) -> None:
    sys.stderr.write(f"curate: {text}\n")
    sys.stderr.flush()


_hear: Callable[[str], None] = _to_standard_error


def notice(text: str) -> None:
    """Says one line to the person who watches."""
    _hear(text)


def hear_notices(hear: Callable[[str], None]) -> None:
    """From now on, this process's notices go to `hear`."""
    global _hear
    _hear = hear
