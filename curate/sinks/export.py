"""A dataset in the format of another trainer: `curate export runs/cold_start llama-factory OUT`.

    trl            train-sft.parquet, train-rl.parquet           TRL's SFTTrainer, GRPOTrainer
    sharegpt       train-sft.jsonl                               axolotl, torchtune, Unsloth, …
    llama-factory  train-sft.jsonl and dataset_info.json         LLaMA-Factory
    verl           train-sft.parquet, train-rl.parquet           verl
    openrlhf       train-sft.jsonl, train-rl.jsonl               OpenRLHF

`sft` has a row for each sample, `rl` one for each prompt that has something to be judged by, `dpo`
(instead of both) one for each pair. The rows of further splits and configs get files of their own,
as in `reasoning-test-sft.parquet`. What the columns are: docs/exports.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from curate.errors import RunError, UsageError
from curate.sinks.atomic import replacing
from curate.sinks.export_rows import ROWS, Kind, Row
from curate.sinks.shards import ROW_GROUP_BYTES, rows_of, shard_paths
from curate.sinks.sorting import batches

if TYPE_CHECKING:
    import pyarrow

Format = Literal["trl", "sharegpt", "llama-factory", "verl", "openrlhf"]
FORMATS: tuple[str, ...] = get_args(Format)
IN_PARQUET = ("trl", "verl")
BATCH_BYTES = ROW_GROUP_BYTES // 4
"""Text that is in memory at once, while a file is written."""


class Exported(NamedTuple):
    """One file that was written, and its rows."""

    path: Path
    rows: int


def export(source: Path, form: str, out: Path) -> list[Exported]:
    """Writes the dataset folder (or run directory) `source` in the format `form` to the folder
    `out`, which appears when it is complete.

    Raises UsageError for what is no dataset or format, RunError for a dataset without rows.
    """
    if form not in FORMATS:
        raise UsageError(f"there is no format '{form}'; there are {', '.join(FORMATS)}")
    folder = source / "dataset" if (source / "dataset").is_dir() else source
    paths = shard_paths(folder) if folder.is_dir() else []
    if not paths:
        raise UsageError(f"{source} is no dataset: no folder with Parquet shards, and no run")
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is there already; name another folder, or remove it")
    written: list[Exported] = []
    with replacing(out) as part:
        for name, shards in groupby(paths, _name):
            written += _export(form, name, list(shards), part)
        if not any(exported.rows for exported in written):
            raise RunError(f"{source} has no rows")
        if form == "llama-factory":
            (part / "dataset_info.json").write_text(json.dumps(_about(written), indent=2) + "\n")
    return [Exported(out / exported.path.name, exported.rows) for exported in written]


def _name(path: Path) -> str:
    """What the files of a shard's config and split are called.

    >>> _name(Path("x/data/train-00000-of-00001.parquet"))
    'train'
    >>> _name(Path("x/reasoning/test-00000-of-00001.parquet"))
    'reasoning-test'
    """
    split = path.name.partition("-")[0].removesuffix(".parquet")
    return split if path.parent.name in ("data", "dataset") else f"{path.parent.name}-{split}"


def _export(form: str, name: str, shards: list[Path], part: Path) -> Iterator[Exported]:
    """Writes the files of one config and split."""
    import pyarrow.parquet as pq

    has = pq.read_schema(shards[0]).names
    kinds: tuple[Kind, ...] = ("dpo",) if "chosen" in has else ("sft", "rl")
    for kind in kinds:
        made: Callable[[Row], Row] | None = ROWS[form].get(kind)
        if made is None:
            continue
        rows = prompts(rows_of(shards)) if kind == "rl" else rows_of(shards)
        ending = "parquet" if form in IN_PARQUET else "jsonl"
        path = part / f"{name}-{kind}.{ending}"
        with (_parquet if form in IN_PARQUET else _jsonl)(path) as write:
            count = 0
            for batch in batches(map(made, rows), BATCH_BYTES):
                write(batch)
                count += len(batch)
        if count:
            yield Exported(path, count)


def prompts(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The first row of each prompt that has a gold answer, or a check and who knows it; rows of a
    prompt stand together.
    """
    last = None
    for row in rows:
        if row["prompt_id"] != last and (row["answer"] is not None or row["verifier"]):
            yield row
        last = row["prompt_id"]


@contextmanager
def _jsonl(path: Path) -> Iterator[Callable[[list[Row]], None]]:
    with path.open("w", encoding="utf-8") as file:
        yield lambda rows: file.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)


@contextmanager
def _parquet(path: Path) -> Iterator[Callable[[list[Row]], None]]:
    """A file with the columns of its first row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writers: list[pq.ParquetWriter] = []

    def write(rows: list[Row]) -> None:
        fields = writers[0].schema if writers else pa.schema(_fields(rows[0]))
        writers[:] = writers or [pq.ParquetWriter(path, fields, compression="zstd")]
        writers[0].write_table(pa.Table.from_pylist(rows, schema=fields))

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()


def _fields(row: Row) -> Iterator[pyarrow.Field]:
    """The columns of a row: turns, structs, whole numbers, and text (null too)."""
    import pyarrow as pa

    turns = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    for name, value in row.items():
        if isinstance(value, list):
            yield pa.field(name, turns)
        elif isinstance(value, dict):
            yield pa.field(name, pa.struct(list(_fields(value))))
        else:
            yield pa.field(name, pa.int64() if isinstance(value, int) else pa.string())


def _about(written: Iterable[Exported]) -> dict[str, Any]:
    """LLaMA-Factory's description of files: `dataset: train-sft`, `dataset_dir: OUT`."""
    ranked = {"chosen": "chosen", "rejected": "rejected"}
    return {
        exported.path.stem: {
            "file_name": exported.path.name,
            "formatting": "sharegpt",
            "ranking": exported.path.stem.endswith("-dpo"),
            "columns": {"messages": "conversations"}
            | (ranked if exported.path.stem.endswith("-dpo") else {}),
        }
        for exported in written
    }
