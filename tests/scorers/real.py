"""Real texts to count false alarms on: chains, solutions, problems, sentences of many languages."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[2] / "../shared/data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="no ../shared with real data")


def rows(name: str) -> Iterator[dict[str, Any]]:
    """The rows of one file of the data."""
    path = DATA / name
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    yield from map(json.loads, data.splitlines())


def texts(name: str, *columns: str) -> list[str]:
    """The texts of some columns of a file, without the empty ones."""
    return [row[column] for row in rows(name) for column in columns if row[column]]
