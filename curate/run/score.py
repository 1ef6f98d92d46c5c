"""`curate score` and `curate audit`: the rows of a file judged, in order.

    {"answer": "7", "completion": "It is 7."}                       # a row, and what is written:
    {"answer": "7", "completion": "It is 7.", "score": 1.0, "reason": "7 is 7"}

A rule that may hang works in the pool's processes, several rows at a time; one that waits for a
server, or that needs a prompt's samples together, works here.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from curate.errors import RunError, Unjudged, UsageError
from curate.run.progress import Progress
from curate.sample import Sample, Verdict
from curate.scorers import pool
from curate.scorers.scorer import Scorer
from curate.sources.files import EXTENSIONS, FileSource, extension
from curate.sources.row import BadRow, Place, read_sample

SLICE = 32
"""Rows that one process gets at a time: answers to one problem stand together and share work."""
AHEAD = 8
"""Slices for each process before the next rows are read."""


class Scored(NamedTuple):
    """A row with what the scorer says of it."""

    place: Place
    row: dict[str, Any]
    score: float | None
    reason: str


@dataclass
class Summary:
    """What came of a file."""

    scorer: str
    rows: int = 0
    judged: int = 0
    total: float = 0.0
    full: int = 0
    """Rows with the score 1.0."""
    unjudged: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, scored: Scored) -> None:
        self.rows += 1
        if scored.score is None:
            self.unjudged[scored.reason] += 1
            return
        self.judged += 1
        self.total += scored.score
        self.full += scored.score == 1.0

    def __str__(self) -> str:
        lines = [f"{self.scorer}: {self.rows:,} rows in {self.seconds:,.1f} s"]
        if self.judged:
            mean = self.total / self.judged
            lines.append(f"{self.judged:,} judged: mean {mean:.4g}, {self.full:,} with score 1")
        if self.unjudged:
            lines.append(f"{self.unjudged.total():,} not judged (score null):")
            lines += [f"  {n:,} {reason}" for reason, n in self.unjudged.most_common(5)]
        return "\n".join(lines)


def score_file(
    scorer: Scorer, path: Path, *, out: Path | None = None, workers: int | None = None
) -> Summary:
    """Writes every row of `path` with `score` and `reason` to `out`, or to standard output.

    `out` is whole or not there. Raises UsageError for a file that cannot be read or written so.
    """
    summary, started = Summary(scorer.name), time.monotonic()
    with writing(out) as write:
        for scored in scores(scorer, path, workers=workers):
            summary.add(scored)
            write({**scored.row, "score": scored.score, "reason": scored.reason})
    summary.seconds = time.monotonic() - started
    return summary


def scores(scorer: Scorer, path: Path, *, workers: int | None = None) -> Iterator[Scored]:
    """The rows of a file with their scores, in order, with progress on standard error."""
    if workers:
        os.environ["CURATE_VERIFIERS"] = str(workers)
    progress = Progress(f"score {scorer.name}", None)
    rows, done = _rows(path), 0
    here = scorer.needs_group or scorer.batch > 1
    size = None if scorer.needs_group else max(SLICE * AHEAD * pool.size(), scorer.batch)
    try:
        while chunk := list(islice(rows, size)):
            samples = [sample for _, _, sample in chunk if isinstance(sample, Sample)]
            judged = iter(judge(scorer, samples) if here else _in_pool(scorer, samples))
            for place, row, sample in chunk:
                said = (None, sample.problem) if isinstance(sample, BadRow) else next(judged)
                yield Scored(place, row, *said)
            done += len(chunk)
            progress.heard(0, {"consumed": done})
            progress.tick()
    finally:
        progress.stop()


def judge(scorer: Scorer, samples: Sequence[Sample]) -> list[tuple[float | None, str]]:
    """Score and reason of each sample; the score on the rule's own scale, where it has one."""
    verdicts: list[Verdict] = scorer.judge_all(samples)
    own = type(scorer).rewards is not Scorer.rewards
    values = scorer.rewards(samples) if own else [verdict.score for verdict in verdicts]
    return [(value, v.reason) for value, v in zip(values, verdicts, strict=True)]


def _in_pool(scorer: Scorer, samples: Sequence[Sample]) -> Iterator[tuple[float | None, str]]:
    """The same, worked out in the pool's processes; a row that kills one is unjudged."""
    slices = [samples[i : i + SLICE] for i in range(0, len(samples), SLICE)]
    found = pool.guarded_all(judge, [(scorer, part) for part in slices], timeout_s=None)
    for part, judged in zip(slices, found, strict=True):
        if not isinstance(judged, Unjudged):
            yield from judged
            continue
        single = pool.guarded_all(judge, [(scorer, [sample]) for sample in part], timeout_s=None)
        for one in single:
            yield (None, str(one)) if isinstance(one, Unjudged) else one[0]


def _rows(path: Path) -> Iterator[tuple[Place, dict[str, Any], Sample | BadRow]]:
    """The rows with their samples; UsageError for what is no row, and when none can be judged."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    if not extension(path):
        raise UsageError(f"{path} is not a file of rows: its name must end in {_endings()}")
    is_any = False
    for place, value in FileSource(path, (path,)).rows():
        if isinstance(value, BadRow):
            raise UsageError(f"{path}, row {place.number}: {value.problem}")
        sample = read_sample(value)
        if isinstance(sample, BadRow) and not is_any:
            raise UsageError(
                f"{path}, row {place.number}: {sample.problem}; rows to judge need `completion`, "
                "most rules `answer` as well (docs/columns.md)"
            )
        is_any = True
        yield place, dict(value), sample
    if not is_any:
        raise UsageError(f"{path} is empty: it has no rows")


def _endings() -> str:
    return ", ".join(EXTENSIONS)


@contextmanager
def writing(out: Path | None) -> Iterator[Any]:
    """What takes a row and writes it: to a file that is whole or not there, or to the screen."""
    if out is None:
        yield lambda row: sys.stdout.write(_line(row))
        sys.stdout.flush()
        return
    kind = extension(out)
    if kind is None:
        raise UsageError(f"--out {out}: its name must end in {_endings()}")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    part = out.with_name(f".{out.name}.part")
    try:
        if kind == ".parquet":
            rows: list[dict[str, Any]] = []
            yield rows.append
            _write_parquet(rows, part)
        else:
            with _opened(part, kind) as file:
                yield lambda row: file.write(_line(row))
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _opened(path: Path, kind: str) -> IO[str]:
    if kind == ".jsonl.gz":
        return gzip.open(path, "wt", encoding="utf-8")
    if kind == ".jsonl.zst":
        import pyarrow as pa

        return io.TextIOWrapper(
            io.BufferedWriter(pa.output_stream(path, compression="zstd")),  # type: ignore[arg-type]
            encoding="utf-8",
        )
    return path.open("w", encoding="utf-8")


def _write_parquet(rows: Iterable[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pa.Table.from_pylist(list(rows))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RunError(
            f"these rows do not make a Parquet table ({error}); write .jsonl instead"
        ) from None
    pq.write_table(table, path, compression="zstd")
