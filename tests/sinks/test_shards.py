"""Shards: one schema, prompts whole, the same bytes for the same rows."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.sample import schema, sort_key
from curate.sinks import shards
from curate.sinks.shards import read_rows, write_shards
from tests.sinks.made import content, samples

ROWS = sorted((s.to_row() for s in samples(50, per_prompt=3)), key=sort_key)


def test_no_prompt_is_in_two_shards_and_all_rows_are_in_order(tmp_path: Path) -> None:
    written = write_shards(ROWS, tmp_path, shard_bytes=5_000)
    paths = sorted((tmp_path / "data").iterdir())
    n = len(paths)
    assert n > 3
    assert [p.name for p in paths] == [f"train-{i:05d}-of-{n:05d}.parquet" for i in range(n)]
    prompts = [set(pq.read_table(p)["prompt_id"].to_pylist()) for p in paths]
    assert sum(map(len, prompts)) == len(set().union(*prompts)) == 50
    assert [r["id"] for r in read_rows(tmp_path)] == [r["id"] for r in ROWS]
    assert [s.path for s in written] == [f"data/{p.name}" for p in paths]
    assert [s.sha256 for s in written] == [
        hashlib.sha256(p.read_bytes()).hexdigest() for p in paths
    ]
    assert sum(s.rows for s in written) == len(ROWS)


def test_same_rows_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_shards(iter(ROWS), tmp_path / name, shard_bytes=10_000)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_a_shard_has_our_schema_zstd_and_a_page_index(tmp_path: Path) -> None:
    (shard,) = write_shards(ROWS, tmp_path, shard_bytes=1 << 30)
    with pq.ParquetFile(tmp_path / shard.path) as file:
        assert file.schema_arrow.equals(schema())
        column = file.metadata.row_group(0).column(0)
        assert column.compression == "ZSTD"
        assert column.has_offset_index and column.has_column_index
        assert b"content_defined_chunking" in file.metadata.metadata


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 5_000)
    (shard,) = write_shards(ROWS, tmp_path, shard_bytes=1 << 30)
    with pq.ParquetFile(tmp_path / shard.path) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert len(sizes) > 3
    assert max(sizes[:-1]) - min(sizes[:-1]) <= 3


def test_a_change_leaves_most_pages_as_they_were(tmp_path: Path) -> None:
    """Content-defined chunks: 61 % of the bytes are as they were, 2 % without (measured here)."""
    noise = random.Random(0)
    rows = [row | {"check": noise.randbytes(15_000).hex()} for row in ROWS]
    files = []
    for name, changed in (("a", rows), ("b", [rows[0] | {"check": "x" * 200_000}, *rows[1:]])):
        (shard,) = write_shards(changed, tmp_path / name, shard_bytes=1 << 30)
        files.append((tmp_path / name / shard.path).read_bytes())
    old, new = files
    windows = [old[i : i + 4096] for i in range(0, len(old) - 4096, 4096)]
    assert sum(window in new for window in windows) / len(windows) > 0.4


def test_without_rows_there_is_one_empty_shard(tmp_path: Path) -> None:
    (shard,) = write_shards((), tmp_path, shard_bytes=100)
    assert shard.path == "data/train-00000-of-00001.parquet"
    table = pq.read_table(tmp_path / shard.path)
    assert table.num_rows == 0
    assert table.schema.equals(schema())


def test_reading_takes_the_columns_that_are_there(tmp_path: Path) -> None:
    write_shards(ROWS[:2], tmp_path, shard_bytes=100)
    assert list(read_rows(tmp_path, ["id", "no such column"])) == [
        {"id": row["id"]} for row in ROWS[:2]
    ]
