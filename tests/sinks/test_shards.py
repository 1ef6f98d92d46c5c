"""Shards: one schema, prompts whole, the same bytes for the same rows."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from curate.sample import schema, sort_key
from curate.sinks import shards
from curate.sinks.shards import read_rows, write_shards
from curate.sinks.sorting import text_bytes
from tests.sinks.made import content, sample, samples

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
        group = file.metadata.row_group(0)
        columns = [group.column(n) for n in range(group.num_columns)]
        assert {column.compression for column in columns} == {"ZSTD"}
        assert all(column.has_offset_index for column in columns)
        ranged = {column.path_in_schema for column in columns if column.has_column_index}
        assert {"id", "prompt_id", "domain", "source", "completion_tokens", "pass_rate"} <= ranged
        texts = {"problem", "prompt.list.element.content", "completion.list.element.content"}
        assert not ranged & texts, "a page index would repeat whole texts"
        assert b"content_defined_chunking" in file.metadata.metadata


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 5_000)
    (shard,) = write_shards(ROWS, tmp_path, shard_bytes=1 << 30)
    with pq.ParquetFile(tmp_path / shard.path) as file:
        groups = [file.read_row_group(i).to_pylist() for i in range(file.num_row_groups)]
    assert len(groups) > 3
    assert all(sum(map(text_bytes, group[:-3])) < 5_000 for group in groups)
    prompts = [{row["prompt_id"] for row in group} for group in groups]
    assert sum(map(len, prompts)) == 50, "a prompt is in one of them"


def test_rows_of_a_new_source_leave_the_row_groups_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 20_000)
    rows = [
        sample(n, domain="math", source=source).to_row() for source in "ace" for n in range(100)
    ]
    more = [sample(n, domain="math", source="b").to_row() for n in range(100, 120)]
    few = [sample(n, domain="math", source="d").to_row() for n in range(120, 121)]

    def groups(name: str, given: list[dict[str, Any]]) -> list[set[str]]:
        (shard,) = write_shards(sorted(given, key=sort_key), tmp_path / name, shard_bytes=1 << 30)
        with pq.ParquetFile(tmp_path / name / shard.path) as file:
            tables = map(file.read_row_group, range(file.num_row_groups))
            return [set(table["id"].to_pylist()) for table in tables]

    before, after = groups("a", rows), groups("b", rows + more)
    new = {row["id"] for row in more}
    assert [group for group in after if not group & new] == before
    assert set.union(*(group for group in after if group & new)) == new
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 200_000)
    (shared,) = (group for group in groups("c", rows + few) if few[0]["id"] in group)
    assert len(shared) > 1, "one row is no row group"


def test_a_row_that_comes_leaves_most_bytes_and_shards_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 200_000)
    noise = random.Random(0)
    rows = [row | {"check": noise.randbytes(7_500).hex()} for row in ROWS]
    gone = next(row["prompt_id"] for row in rows[20:])
    fewer = [row for row in rows if row["prompt_id"] != gone]
    old = write_shards(rows, tmp_path / "a", shard_bytes=600_000)
    new = write_shards(fewer, tmp_path / "b", shard_bytes=600_000)
    assert len(new) > 4
    others = [shard for shard in new if shard.sha256 not in {s.sha256 for s in old}]
    assert len(others) <= 2
    before = b"".join((tmp_path / "a" / shard.path).read_bytes() for shard in old)
    for shard in others:
        after = (tmp_path / "b" / shard.path).read_bytes()
        windows = [after[i : i + 2048] for i in range(0, len(after) - 2048, 2048)]
        assert sum(window in before for window in windows) / len(windows) > 0.3


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
