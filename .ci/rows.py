"""Ends with an error when a dataset folder has no rows or no card: rows.py DIR."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq

folder = Path(sys.argv[1])
rows = sum(pq.read_metadata(shard).num_rows for shard in folder.glob("data/*.parquet"))
card = (folder / "README.md").read_text(encoding="utf-8")
sys.stdout.write(f"{folder}: {rows} rows, a card of {len(card.splitlines())} lines\n")
sys.exit(0 if rows and card.startswith("---\n") else "no rows, or a card without its front matter")
