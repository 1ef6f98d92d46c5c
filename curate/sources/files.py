"""Prompt files: JSON lines (plain, gzip, zstd) and Parquet, row by row, with their lines."""

from __future__ import annotations

import datetime
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from curate.errors import UsageError
from curate.sources.row import BadRow, Place, Row, Rows, has_problem
from curate.step import Context

COMPRESSIONS = {".jsonl": None, ".jsonl.gz": "gzip", ".jsonl.zst": "zstd"}
EXTENSIONS = (*COMPRESSIONS, ".parquet")


@dataclass(frozen=True)
class FileSource:
    """A prompt file, or the prompt files of a folder in the order of their names."""

    path: Path
    paths: tuple[Path, ...]

    # A file is read to its end even when few prompts are wanted: a conflict further down must not
    # depend on the limit.
    reads_all = True

    @property
    def name(self) -> str:
        """The source of rows that name none: the file's name, without folder and extensions."""
        return self.path.name.removesuffix(extension(self.path) or "")

    def rows(self) -> Rows:
        """All rows, bad ones too; blank lines are none. UsageError for a damaged file."""
        for path in self.paths:
            yield from _parquet(path) if extension(path) == ".parquet" else _json_lines(path)

    def check(self) -> None:
        """UsageError when no row has `problem` or `messages`; reads up to the first that has."""
        first = None
        for row in self.rows():
            if has_problem(row.value):
                return
            first = first or row
        if first is None:
            raise UsageError(f"{self.path} is empty: it has no rows")
        if isinstance(first.value, BadRow):
            raise UsageError(
                f"{self.path} has no row with `problem` or `messages`; "
                f"{first.place}: {first.value.problem}"
            )
        raise UsageError(no_problem_text(str(self.path), list(first.value)))


def no_problem_text(name: str, columns: list[str]) -> str:
    """What to say of a source without questions: the columns it has, and which one may be meant."""
    meant = [c for c in columns if c in ("question", "prompt", "query", "instruction", "input")]
    hint = (
        f"rename the column `{meant[0]}`" if meant else "rename the column that holds the question"
    )
    return (
        f"{name} has no row with `problem` or `messages`; its columns are {', '.join(columns)}. "
        f"To use it, {hint} to `problem`"
    )


def open_files(spec: str, context: Context) -> FileSource:
    """The files that a path names; UsageError with the nearest name when there are none."""
    try:
        path = context.find(Path(spec).expanduser())
    except UsageError:
        _missing(spec, context)
    if path.is_dir():
        paths = tuple(p for p in sorted(path.iterdir()) if p.is_file() and extension(p))
        if not paths:
            raise UsageError(f"{path} holds no prompt files; they end in {', '.join(EXTENSIONS)}")
        return FileSource(path.resolve(), paths)
    if not extension(path):
        raise UsageError(
            f"{path} is not a prompt file: its name must end in {', '.join(EXTENSIONS)}"
            + ("; one JSON object a line is .jsonl" if path.suffix == ".json" else "")
        )
    return FileSource(path, (path,))


def extension(path: Path) -> str | None:
    """Which kind of prompt file a name stands for, None when for none."""
    return next((e for e in EXTENSIONS if path.name.endswith(e)), None)


def _missing(spec: str, context: Context) -> NoReturn:
    asked = context.project / Path(spec).expanduser()
    folder = asked.parent
    if not folder.is_dir():
        raise UsageError(f"there is no prompt file {spec}: the folder {folder} does not exist")
    names = sorted(p.name for p in folder.iterdir() if extension(p) or p.is_dir())
    near = get_close_matches(asked.name, names, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "a path counts from the project's root"
    raise UsageError(f"there is no prompt file {spec} in {folder}; {hint}")


def _json_lines(path: Path) -> Rows:
    number = 0
    try:
        for number, line in enumerate(_lines(path), 1):
            if text := line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip():
                yield Row(Place(path.name, number), _parse(text))
    except OSError as error:
        # pyarrow reports a stream that ends early (zstandard's own reader ends silently) or is not
        # what its name says.
        kind = COMPRESSIONS[extension(path) or ""]
        if kind and error.errno is None:
            raise UsageError(
                f"{path} is a torn or damaged {kind} file: it cannot be read past line {number} "
                f"({error}); copy or download it again"
            ) from None
        raise UsageError(f"cannot read {path}: {error}") from None


def _lines(path: Path) -> Iterator[bytes]:
    compression = COMPRESSIONS[extension(path) or ""]
    if compression is None:
        with path.open("rb") as file:
            yield from file
        return
    import pyarrow as pa

    with pa.input_stream(path, compression=compression) as stream:
        yield from io.BufferedReader(stream)


def _parse(line: bytes) -> Mapping[str, Any] | BadRow:
    """The object of a line, or what is wrong with it."""
    text = line.decode("utf-8", "replace")
    try:
        line.decode("utf-8")
        # Not orjson: it makes a float of an integer with more than 64 bits.
        value = json.loads(text, parse_constant=_not_a_number)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is not text
    except UnicodeDecodeError as error:
        return BadRow("not_json", f"not UTF-8: {error}", text)
    except UnicodeEncodeError:
        return BadRow("not_json", "half of a surrogate pair is not text", text)
    except (ValueError, RecursionError) as error:
        return BadRow("not_json", f"not JSON: {error}", text)
    if not isinstance(value, dict):
        return BadRow("not_an_object", f"a JSON {type(value).__name__}, not an object", text)
    return value


def _not_a_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _parquet(path: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            # Small batches: a row can hold whole conversations, and all of a batch is in memory as
            # Python objects.
            for batch in file.iter_batches(batch_size=1_000):
                for value in batch.to_pylist():
                    number += 1
                    yield Row(Place(path.name, number), _as_json(value))
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(
            f"cannot read {path} past row {number}: {error}; if it was copied, copy it again"
        ) from None


def _as_json(value: Any) -> Any:
    """The same value as JSON would hold it: dates and decimals as text, not-a-number as null."""
    if isinstance(value, dict):
        return {k: _as_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_json(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Decimal | datetime.date | datetime.time | datetime.timedelta):
        return str(value)
    return value
