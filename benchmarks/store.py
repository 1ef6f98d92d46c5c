"""What the sample store costs: disk, memory, opening, look-ups, writing.

    python -m benchmarks.store --records 100000
    python -m benchmarks.store --records 200000 --bytes 400

Texts come from a word model whose exponent was chosen so that 20,000 bytes compress as real
traces do (zstd level 3, a frame each: 3.38 times smaller; DeepSeek-R1 on MATH-500: 3.28 for traces
of 15,000 to 25,000, 3.56 for the first 20,000 of longer ones). The folder is removed
afterwards. Writing and reading are processes of their own, so that memory is theirs; making texts
is not counted. Files are in the page cache when they are read.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zstandard

from curate.engines.request import Completion, Request
from curate.engines.store import Store

TRACES = Path(__file__).parents[1] / "../shared/data/traces_math500.jsonl.gz"
EXPONENT = 0.5
WORDS = 4_000
LOOKUPS = 20_000


class Written(NamedTuple):
    """Of writing: seconds in `put` (also of the processor), bytes of memory that it took."""

    wall_s: float
    cpu_s: float
    memory: int
    compression: float


class Read(NamedTuple):
    """Of reading: seconds to open, memory of an open store and at most, seconds a look-up."""

    open_s: float
    memory: int
    peak: int
    absent_s: float
    present_s: float


def words(random: np.random.Generator) -> list[str]:
    starts = [*"bcdfghklmnprstvw", "st", "tr", "ch"]
    syllables = [start + vowel for start in starts for vowel in (*"aeiou", "ea", "ou")]
    ends = ["", "", "n", "s", "r", "t"]
    return [
        "".join(random.choice(syllables, random.integers(1, 4))) + str(random.choice(ends))
        for _ in range(WORDS)
    ]


def texts(length: int, seed: int = 0) -> Iterator[str]:
    """Endless texts of words, the frequent ones far more frequent."""
    random = np.random.default_rng(seed)
    vocabulary = words(random)
    while True:
        ranks = (random.pareto(EXPONENT, length // 3) * 3).astype(np.int64) % WORDS
        yield " ".join(map(vocabulary.__getitem__, ranks.tolist()))[:length]


def compression(samples: Sequence[str]) -> float:
    """How many times smaller texts become, a frame each."""
    compressor = zstandard.ZstdCompressor(level=3)
    data = [sample.encode() for sample in samples]
    return sum(map(len, data)) / sum(len(compressor.compress(each)) for each in data)


def request(number: int) -> Request:
    return Request(
        messages=({"role": "user", "content": f"What is {number} + 4?"},),
        model="a-model",
        revision="0123456789abcdef",
        temperature=0.6,
        top_p=0.95,
        max_tokens=32_768,
        seed=number % 2**31,
    )


def completion(text: str) -> Completion:
    return Completion(
        text=text,
        finish_reason="stop",
        prompt_tokens=20,
        completion_tokens=len(text) // 4,
        max_tokens=32_768,
        model="a-model",
    )


def memory() -> int:
    """Bytes of this process in memory, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def write(folder: Path, records: int, length: int) -> Written:
    wall_s = cpu_s = 0.0
    source = texts(length)
    samples = [next(source) for _ in range(50)]
    with Store(folder) as store:
        before = 0
        for number in range(records):
            asked, said = request(number), completion(next(source))
            wall, cpu = time.perf_counter(), time.process_time()
            assert store.get(asked) is None
            store.put(asked, said)
            wall_s += time.perf_counter() - wall
            cpu_s += time.process_time() - cpu
            if number == 1000:
                before = memory()
        return Written(wall_s, cpu_s, memory() - before, compression(samples))


def read(folder: Path, records: int) -> Read:
    before = memory()
    start = time.perf_counter()
    with Store(folder) as store:
        open_s = time.perf_counter() - start
        grown = memory() - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
        assert len(store) == records
        absent_s = look_up(store, range(records, records + LOOKUPS), found=False)
        some = np.random.default_rng(1).integers(0, records, LOOKUPS // 4).tolist()
        return Read(open_s, grown, peak, absent_s, look_up(store, some, found=True))


def look_up(store: Store, numbers: Sequence[int], *, found: bool) -> float:
    """Seconds of one `get`, without the hash of the request, which is there by then."""
    asked = [request(number) for number in numbers]
    assert all(each.key for each in asked)
    start = time.perf_counter()
    for each in asked:
        assert (store.get(each) is not None) == found
    return (time.perf_counter() - start) / len(asked)


def real_compression(length: int) -> str:
    """What real traces of about that length give, where they are at hand."""
    if not TRACES.exists():
        return "traces not at hand"
    with gzip.open(TRACES, "rt", encoding="utf-8") as lines:
        traces = [json.loads(line)["response"] for line in lines]
    near = [trace[:length] for trace in traces if len(trace) >= 0.75 * length]
    return f"{compression(near):.2f} ({len(near)} real traces)" if near else "no trace as long"


def report(records: int, length: int, folder: Path, written: Written, got: Read) -> None:
    disk = sum(path.stat().st_size for path in folder.iterdir())
    million = 1e6 / records
    rows = (
        ("bytes of a text", f"{length:,}"),
        ("compression of the text", f"{written.compression:.2f}"),
        ("compression of traces", real_compression(length)),
        ("hash, get and put", f"{records / written.wall_s:,.0f}/s"),
        ("  time each, processor", f"{written.cpu_s / records * 1e6:,.0f} us"),
        ("  memory a record, writing", f"{written.memory / records:,.0f} bytes"),
        ("disk a record", f"{disk / records:,.0f} bytes"),
        ("open", f"{got.open_s:.2f} s"),
        ("memory a record, open", f"{got.memory / records:,.0f} bytes"),
        ("memory a record, while opening", f"{got.peak / records:,.0f} bytes"),
        ("get of an absent key", f"{got.absent_s * 1e6:,.1f} us"),
        ("get of a present key", f"{got.present_s * 1e6:,.0f} us"),
        ("a million on disk (linear)", f"{disk * million / 1e9:,.2f} GB"),
        ("a million opens in (linear)", f"{got.open_s * million:,.2f} s"),
    )
    print(f"{records:,} records in {folder}")
    for name, value in rows:
        print(f"  {name:32s}{value}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Disk, memory and time of the sample store.")
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--bytes", type=int, default=20_000, help="of each completion")
    parser.add_argument("--folder", type=Path, help="where to put it, for its file system")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as place,
        multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as fresh,
    ):
        folder = Path(place)
        written = fresh.apply(write, (folder, options.records, options.bytes))
        got = fresh.apply(read, (folder, options.records))
        report(options.records, options.bytes, folder, written, got)
    return 0


if __name__ == "__main__":
    sys.exit(main())
