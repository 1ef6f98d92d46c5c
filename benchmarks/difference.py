"""How fast two datasets are compared, and in how much memory.

    python -m benchmarks.difference --rows 200000
    python -m benchmarks.difference --rows 10000000 --words 20 --keep /tmp/ten_million

Two dataset folders with all our columns, of that many rows; of the second one row in a thousand is
gone, new or has another verdict. Seconds are processor time of `compare` alone; memory is the
process's peak. With --keep the folders stay, and are used again when they are there.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.sample import schema
from curate.sinks.difference import compare

AT_ONCE = 20_000


def write(folder: Path, rows: int, words: int, *, changed: bool) -> None:
    """One dataset, several row groups in one shard."""
    folder.mkdir(parents=True)
    path = folder / "train-00000-of-00001.parquet"
    with pq.ParquetWriter(path, schema(), compression="zstd") as writer:
        for start in range(0, rows, AT_ONCE):
            writer.write_table(part(start, min(AT_ONCE, rows - start), words, changed))


def part(start: int, count: int, words: int, changed: bool) -> pa.Table:
    """Rows by their numbers, so that both folders agree without being held."""
    numbers = np.arange(start, start + count)
    if changed:  # one in a thousand is another row
        numbers = np.where(numbers % 1000 == 7, numbers + 10**9, numbers)
    draw = random.Random(start)
    vocabulary = [f"{draw.getrandbits(40):x}" for _ in range(500)]
    texts = [" ".join(draw.choices(vocabulary, k=words)) for _ in range(count)]
    ids = [f"{n:016x}" for n in numbers]
    turns = pa.array([[{"role": "user", "content": text[:200]}] for text in texts])
    scores = [0.0 if changed and n % 1000 == 3 else 1.0 for n in numbers]
    columns = {
        "id": pa.array([f"{one}-0" for one in ids]),
        "prompt_id": pa.array(ids),
        "k": pa.array(np.zeros(count, np.int32)),
        "problem": pa.array([text[:200] for text in texts]),
        "domain": pa.array(["math"] * count),
        "source": pa.array(["made"] * count),
        "prompt": turns,
        "completion": pa.array([[{"role": "assistant", "content": text}] for text in texts]),
        "completion_tokens": pa.array((numbers % 4000).astype(np.int32)),
        "verdicts": pa.array(
            [[{"name": "MathAnswer", "score": s, "reason": "equal"}] for s in scores],
            schema().field("verdicts").type,
        ),
    }
    arrays = [
        columns[f.name].cast(f.type) if f.name in columns else pa.nulls(count, f.type)
        for f in schema()
    ]
    return pa.Table.from_arrays(arrays, schema=schema())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--words", type=int, default=300, help="of a completion, 11 bytes each")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        for name in ("a", "b"):
            if not (folder / name).is_dir():
                write(folder / name / "data", options.rows, options.words, changed=name == "b")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.process_time()
        found = compare(folder / "a", folder / "b")
        seconds = time.process_time() - started
        size = sum(p.stat().st_size for p in folder.rglob("*.parquet"))
    told = {
        "rows": 2 * options.rows,
        "file MB": round(size / 1e6),
        "seconds": round(seconds, 1),
        "rows/s": round(2 * options.rows / seconds),
        "peak MB before": before // 1024,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "added, removed, changed": [
            found.added.rows,
            found.removed.rows,
            found.changed.rows,
        ],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
