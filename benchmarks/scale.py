"""What selection costs, and whether it finds what was planted: time, memory and disk by size.

    python -m benchmarks.scale --rows 2000,4000,8000
    python -m benchmarks.scale --rows 80000
    python -m benchmarks.scale --rows 80000,800000 --lengths 0.1
    python -m benchmarks.scale --rows 8000 --kill    # killed twice on the way

For each size: `benchmarks.scale_data` writes the samples, `curate run` takes them through
`benchmarks/scale_pipeline.py`, and the numbers are looked at from outside: memory of each process
(resident, of /proc, ten times a second), disk of the run directory (twice a second), processor time
of all processes, and what the host took of the machine's processors. Every row's fate is then
compared with what was planted in it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, NamedTuple

from benchmarks import scale_data
from benchmarks.scale_check import Found, check, sizes_of_mix

ROOT = Path(__file__).parents[1]
PIPELINE = "benchmarks/scale_pipeline.py"


class Cost(NamedTuple):
    """Of a run: seconds of the wall, of all its processes, and of the machine's processors while
    its host gave them to others; MB of the largest process and disk.
    """

    wall_s: float
    cpu_s: float
    stolen_s: float
    memory_mb: float
    disk_mb: float


class Watch:
    """Looks at the processes and the folder of a run while it goes."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path) -> None:
        self.process, self.out = process, out
        self.memory, self.disk = 0, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        looks = 0
        while not self._ended.wait(0.1):
            self.memory = max([self.memory, *map(resident, family(self.process.pid))])
            if looks % 5 == 0:
                self.disk = max(self.disk, folder_bytes(self.out))
            looks += 1


def family(pid: int) -> list[int]:
    """A process and all that it has started, as far as they live."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(c) for t in tasks for c in (t / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(p for child in children for p in family(child))]


def resident(pid: int) -> int:
    """Bytes in memory; 0 for a process that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def folder_bytes(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except OSError:  # removed or renamed in between
                continue
    return total


def stolen_seconds() -> float:
    """Since the machine started, of all processors (`steal` in /proc/stat)."""
    with Path("/proc/stat").open() as file:
        return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


def arguments_of(data: Path, out: Path, tasks: int, workers: int) -> list[str]:
    """Of a run of the pipeline, with half of the sound samples of each domain as its mix."""
    mix = (f"{name}={n}" for name, n in sizes_of_mix(data).items())
    return [f"data={data}", f"out={out}", *mix, "--tasks", str(tasks), "--workers", str(workers)]


def begin(arguments: list[str], stderr: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """`curate run` of this tree in a process of its own."""
    command = [sys.executable, "-m", "curate.cli", "run", PIPELINE, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr)


def run(arguments: list[str], out: Path, *, kill_after_s: float | None = None) -> Cost:
    """A run of `curate`, whole or killed with all its workers; raises when it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started, stolen = time.monotonic(), stolen_seconds()
    process = begin(arguments, subprocess.PIPE)
    assert process.stderr
    log: list[bytes] = []
    reader = threading.Thread(target=lambda: log.extend(process.stderr or ()))
    reader.start()
    with Watch(process, out) as watch:
        try:
            process.wait(kill_after_s)
        except subprocess.TimeoutExpired:
            for pid in reversed(family(process.pid)):
                os.kill(pid, signal.SIGKILL)
            process.wait()
    reader.join()
    if process.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(b"".join(log).decode()[-4000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(
        time.monotonic() - started,
        sum(getattr(after, n) - getattr(before, n) for n in ("ru_utime", "ru_stime")),
        stolen_seconds() - stolen,
        watch.memory / 1e6,
        watch.disk / 1e6,
    )


class Options(NamedTuple):
    lengths: float
    tasks: int
    workers: int
    kill: bool
    twice: bool
    data: Path | None


def measured(count: int, options: Options, folder: Path) -> None:
    """One size: makes, runs, checks and prints a line, and what was found of each kind."""
    data, out = options.data or folder / "data", folder / "out"
    if options.data:
        size = sum(file.stat().st_size for file in data.glob("samples/*.parquet")) / 1e6
    else:
        size = scale_data.write(data, count, lengths=options.lengths) / 1e6
    mix = sizes_of_mix(data)
    arguments = arguments_of(data, out, options.tasks, options.workers)
    killed = [run(arguments, out, kill_after_s=s) for s in ((20, 40) if options.kill else ())]
    cost = run(arguments, out)
    found = check(data, out, mix)
    wall, cpu, stolen = (sum(c[i] for c in (*killed, cost)) for i in (0, 1, 2))
    memory, disk = (max(c[i] for c in (*killed, cost)) for i in (3, 4))
    print(
        f"{count:>9,} {options.lengths:>5} {size:>8,.0f} {wall:>8,.0f} {cpu:>8,.0f} "
        f"{stolen:>8,.0f} {count / wall:>8,.0f} {cpu / count * 1000:>8.2f} "
        f"{memory:>8,.0f} {disk / size:>6.2f}",
        flush=True,
    )
    stages = json.loads((out / "manifest.json").read_text())["stages"]
    print("    wall s:", ", ".join(f"{stage['name']} {stage['seconds']:,.0f}" for stage in stages))
    show(found)
    if options.twice:
        first = digests(out)
        shutil.rmtree(out)
        run(arguments, out)
        print(f"    a second run is {'' if digests(out) == first else 'NOT '}byte-identical")


def digests(out: Path) -> list[str]:
    manifest = json.loads((out / "dataset/.curate/manifest.json").read_text())
    return [shard["sha256"] for shard in manifest["shards"]]


def show(found: Found) -> None:
    for kind, fates in found.fates.items():
        total = sum(fates.values())
        caught = found.caught(kind)
        print(f"    {kind or 'sound':<16} {total:>8,}  {caught / total:>7.2%}", dict(fates))
    print(f"    mix: {found.mix}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", default="2000,4000,8000", help="numbers of samples")
    parser.add_argument("--lengths", type=float, default=1.0, help="R1's lengths times this")
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill", action="store_true", help="kill -9 after 20 and after 40 s more")
    parser.add_argument("--twice", action="store_true", help="run again, compare the shards")
    parser.add_argument("--folder", type=Path, help="where to work; else a temporary folder")
    parser.add_argument("--data", type=Path, help="samples that benchmarks.scale_data has written")
    said = vars(parser.parse_args())
    counts, place = [int(n) for n in said.pop("rows").split(",")], said.pop("folder")
    chosen = Options(**said)
    print(
        f"{'rows':>9} {'len':>5} {'MB':>8} {'wall s':>8} {'cpu s':>8} {'stolen s':>8} "
        f"{'rows/s':>8} "
        f"{'cpu ms':>8} {'peak MB':>8} {'disk':>6}"
    )
    for count in counts:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            measured(count, chosen, Path(folder))


if __name__ == "__main__":
    main()
