"""Does a row cost more among many? A large run, and small ones again and again, take turns.

    python -m benchmarks.scale_turns --rows 80000,800000 --lengths 0.1 --tasks 16

Two runs an hour apart say nothing where other tenants take a changing part of the processors: the
same 80,000 rows took 134 s and 242 s. Here one of both goes at a time, for a second the small and
for three the large, and the other is stopped (SIGSTOP), so that both see the same machine. Seconds
are those of its own turns; a small run that the end of the large one finds unfinished is left out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from benchmarks import scale_data
from benchmarks.scale import arguments_of, begin, family

TURN_S = 1.0
LARGE_TURNS = 3


class Turns:
    """A run of `curate` that goes only in its own turns; seconds of them by stage."""

    def __init__(self, data: Path, out: Path, tasks: int) -> None:
        self.out, self.cpu_s = out, 0.0
        self.seconds = defaultdict[str, float](float)
        self.log = out.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = begin(arguments_of(data, out, tasks, workers=2), log)
        self.signal(signal.SIGSTOP)

    def signal(self, number: signal.Signals) -> None:
        """To a parent before its children, so that none is born unseen."""
        for pid in family(self.process.pid):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def turn(self, seconds: float) -> bool:
        """True when it has ended; raises where it failed."""
        started = time.monotonic()
        self.signal(signal.SIGCONT)
        while True:
            time.sleep(0.02)
            ended, status, used = os.wait4(self.process.pid, os.WNOHANG)
            if ended or time.monotonic() - started > seconds:
                break
        if not ended:
            self.signal(signal.SIGSTOP)
        stages = sorted(path.name for path in (self.out / "stages").glob("*"))
        self.seconds[stages[-1] if stages else "start"] += time.monotonic() - started
        if ended and status:
            raise SystemExit(self.log.read_text()[-4000:])
        self.cpu_s = used.ru_utime + used.ru_stime
        return bool(ended)

    def kill(self) -> None:
        """Also one that is stopped; nothing where it has ended."""
        for pid in reversed(family(self.process.pid)):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


def compare(small: int, large: int, lengths: float, tasks: int, folder: Path) -> None:
    places = {count: folder / f"data-{count}" for count in (small, large)}
    for count, place in places.items():
        if not place.exists():
            scale_data.write(place, count, lengths=lengths)
    one, done = Turns(places[large], folder / "large", tasks), list[Turns]()
    other = Turns(places[small], folder / "small-0", tasks)
    try:
        while not one.turn(LARGE_TURNS * TURN_S):
            if other.turn(TURN_S):
                done.append(other)
                shutil.rmtree(other.out)
                other = Turns(places[small], folder / f"small-{len(done)}", tasks)
    finally:
        one.kill()
        other.kill()
    if not done:
        raise SystemExit(f"no run of {small:,} rows ended in time; choose fewer")
    rows = small * len(done)
    print(f"{'µs a row':<18} {small:>9,} x {len(done)} {large:>12,}")
    stages = {name: sum(turns.seconds[name] for turns in done) for name in sorted(one.seconds)}
    lines = {name: (seconds, one.seconds[name]) for name, seconds in stages.items()}
    lines["all"] = sum(stages.values()), sum(one.seconds.values())
    lines["processor time"] = sum(turns.cpu_s for turns in done), one.cpu_s
    for name, (a, b) in lines.items():
        a, b = a / rows * 1e6, b / large * 1e6
        print(f"{name:<18} {a:>13,.0f} {b:>12,.0f}   {a / b if b else 0:.2f} of the rows a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", default="80000,800000", help="the small number, the large one")
    parser.add_argument("--lengths", type=float, default=0.1, help="R1's lengths times this")
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument(
        "--folder", type=Path, help="where samples are, or are made; else temporary"
    )
    said = parser.parse_args()
    small, large = (int(n) for n in said.rows.split(","))
    with tempfile.TemporaryDirectory(dir=said.folder) as folder:
        for place in said.folder.glob("data-*") if said.folder else ():
            Path(folder, place.name).symlink_to(place.resolve())
        compare(small, large, said.lengths, said.tasks, Path(folder))


if __name__ == "__main__":
    main()
