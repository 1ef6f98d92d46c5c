"""Benchmarks that a dataset must not hold: the registry that names them, and their items.

    [math-500]
    dataset = "HuggingFaceH4/MATH-500"
    revision = "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be"
    split = "test"
    question = ["problem"]
    solution = ["solution"]

A benchmark is read once from the Hub or from a file (`path`), and its items are kept in the cache,
under a name that says where they come from.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from curate.assets import cache_folder
from curate.errors import RunError, UsageError
from curate.sample import digest
from curate.sources.files import extension, open_files
from curate.sources.pin import hub_problem, is_commit, pin
from curate.sources.row import BadRow
from curate.step import Context

REGISTRY = "filters/benchmarks.toml"
"""Where a name is looked up when no registry is given with it, from the project's root."""
QUESTIONS = ("problem", "question", "prompt", "instruction", "text")
"""Columns of a file that is no registry's, the first that its rows have."""
SOLUTIONS = ("solution", "answer", "response", "completion")
VERSION = 1
"""Of the files in the cache; another one makes them anew."""


class Unreadable(RunError):
    """Why a benchmark cannot be read now."""


class Item(NamedTuple):
    """A text of a benchmark: the question of a row, or its solution."""

    name: str
    """`BENCHMARK/ROW`."""
    kind: str
    """`question`, `choices` (a question with its choices) or `solution`."""
    text: str


@dataclass(frozen=True)
class Benchmark:
    """Where the rows of a benchmark are, and which of their columns hold what."""

    name: str
    dataset: str | None = None
    config: str | None = None
    split: str = "test"
    revision: str | None = None
    files: tuple[str, ...] = ()
    """Files of the dataset's repository, where it needs more than its name to be loaded."""
    path: str | None = None
    """A local file that is read instead."""
    id: str | None = None
    question: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    solution: tuple[str, ...] = ()
    license: str | None = None
    file: Path | None = None
    """The local file, once found."""

    @property
    def origin(self) -> str:
        """Where it is read from, for people."""
        return Path(self.path).name if self.path else f"hub:{self.dataset}@{self.revision}"

    def found(self, context: Context) -> Benchmark:
        """The same with its local file looked up; Unreadable where that is missing."""
        if self.path is None:
            return self
        try:
            return replace(self, file=open_files(self.path, context).paths[0])
        except UsageError:
            raise Unreadable(f"there is no file {self.path} that can be read") from None


def read_registry(path: Path) -> dict[str, Benchmark]:
    """The benchmarks of a registry by name; UsageError says what is wrong with an entry."""
    known = {field.name for field in fields(Benchmark)} - {"name", "file"}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a registry of benchmarks: {error}") from None
    found: dict[str, Benchmark] = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {name} is no table; write [{name}] above its entries")
        for key in table.keys() - known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"use {', '.join(sorted(known))}"
            raise UsageError(f"{path}: [{name}] has no entry '{key}'; {hint}")
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in table.items()
        }
        for key in ("question", "choices", "solution", "files"):
            if isinstance(values.get(key, ()), str):
                values[key] = (values[key],)
        benchmark = Benchmark(name, **values)
        if not benchmark.path and not (benchmark.dataset and benchmark.revision):
            raise UsageError(f"{path}: [{name}] needs dataset and revision, or path")
        found[name] = benchmark
    return found


def benchmarks_of(spec: str | Sequence[str], context: Context) -> list[Benchmark]:
    """The benchmarks that a registry's path, files' paths and names stand for, each once.

    UsageError for a file that is not there, or a name that no registry has.
    """
    words = [w.strip() for w in ([spec] if isinstance(spec, str) else spec) for w in w.split(",")]
    words = [word for word in words if word]
    if not words:
        raise UsageError(
            f"Decontaminate(benchmarks={spec!r}): name a registry ({REGISTRY}), a data file or a "
            "benchmark of the registry"
        )
    found: dict[str, Benchmark] = {}
    for word in words:
        if word.endswith(".toml"):
            found |= {k: _located(b, context) for k, b in read_registry(context.find(word)).items()}
        elif "/" in word or extension(Path(word)):
            file = open_files(word, context)
            for path in file.paths:
                name = path.name.removesuffix(extension(path) or "")
                found[name] = Benchmark(name, path=str(path), file=path)
        else:
            found[word] = _named(word, context)
    return list(found.values())


def _named(name: str, context: Context) -> Benchmark:
    known = read_registry(context.find(REGISTRY))
    if name not in known:
        near = get_close_matches(name, known, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(known)}"
        raise UsageError(f"{REGISTRY} has no benchmark {name!r}; {hint}")
    return _located(known[name], context)


def _located(benchmark: Benchmark, context: Context) -> Benchmark:
    """The benchmark with its local file, where that is there."""
    try:
        return benchmark.found(context)
    except Unreadable:
        return benchmark


def items_file(benchmark: Benchmark, context: Context) -> Path:
    """The cached file of a benchmark's items, made now when it is not there; Unreadable."""
    benchmark = _at_commit(benchmark.found(context), context)
    said = {f.name: getattr(benchmark, f.name) for f in fields(benchmark) if f.name != "license"}
    content = _sha256(benchmark.file) if benchmark.file else None
    key = digest([VERSION, said | {"path": None, "file": content}])[:24]
    cached = cache_folder() / "benchmarks" / f"{benchmark.name}-{key}.arrow"
    if not cached.is_file():
        items = list(read_items(benchmark, context))
        if not any(item.kind != "solution" for item in items):
            columns = ", ".join(benchmark.question or QUESTIONS)
            raise Unreadable(f"{benchmark.origin} has no row with a question (columns {columns})")
        _write(items, cached)
    return cached


def _at_commit(benchmark: Benchmark, context: Context) -> Benchmark:
    """The same at a commit: a tag or branch would be kept in the cache for what it once was."""
    if benchmark.dataset is None or benchmark.revision is None or is_commit(benchmark.revision):
        return benchmark
    try:
        commit = pin(context, benchmark.dataset, benchmark.revision)
    except RunError as error:
        raise Unreadable(str(error)) from None
    return replace(benchmark, revision=commit)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(items: Sequence[Item], target: Path) -> None:
    """The items as an Arrow file that appears whole; RunError where there is no room for it."""
    import pyarrow as pa

    table = pa.table({name: [getattr(i, name) for i in items] for name in Item._fields})
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        os.replace(part, target)
    except OSError as error:
        raise RunError(
            f"cannot keep {target.name} in {target.parent}: {error.strerror or error}; make room, "
            "or set CURATE_CACHE to another folder"
        ) from None


def read_items(benchmark: Benchmark, context: Context) -> Iterator[Item]:
    """The questions and solutions of a benchmark's rows; Unreadable says why there are none."""
    for number, row in _rows(benchmark, context):
        row_id = row.get(benchmark.id or "id") or row.get("task_id") or number
        name = f"{benchmark.name}/{row_id}"
        question = _text_of(row, benchmark.question or QUESTIONS, is_any=not benchmark.question)
        if question:
            yield Item(name, "question", question)
        if question and (choices := _lettered(row, benchmark.choices)):
            yield Item(name, "choices", f"{question}\n{choices}")
        solution = _text_of(row, benchmark.solution or SOLUTIONS, is_any=not benchmark.solution)
        if solution and (benchmark.solution or not benchmark.question):
            yield Item(name, "solution", solution)


def _text_of(row: Mapping[str, Any], columns: Sequence[str], is_any: bool = False) -> str:
    """What some columns say, one below the other; with `is_any` the first that says something."""
    said = [text for name in columns if (text := _said(row.get(name)).strip())]
    return "\n".join(said[:1] if is_any else said)


def _lettered(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    """Choices as prompts have them, so that n-grams run over their ends."""
    choices = _text_of(row, columns).split("\n")
    return "\n".join(f"{chr(65 + i)}. {text}" for i, text in enumerate(choices) if text)


def _said(value: Any) -> str:
    """The text in a value: of a list its parts, of a turn its content, of choices their text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _said(value.get("content", value.get("text")))
    if isinstance(value, list | tuple):
        return "\n".join(filter(None, map(_said, value)))
    return ""


def _rows(benchmark: Benchmark, context: Context) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if benchmark.file is None:
        yield from _hub_rows(benchmark)
        return
    try:
        for place, value in open_files(str(benchmark.file), context).rows():
            if isinstance(value, BadRow):
                raise Unreadable(f"{benchmark.file.name} is damaged at {place}: {value.problem}")
            yield place.number, value
    except UsageError as error:  # by its name alone: the card says this
        said = str(error).replace(str(benchmark.file), benchmark.file.name)
        raise Unreadable(said) from None


def _hub_rows(benchmark: Benchmark) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a dataset on the Hub, at its revision."""
    import datasets

    if problem := hub_problem():
        raise Unreadable(f"cannot read {benchmark.origin}: {problem}")
    datasets.disable_progress_bars()
    try:
        place, files = f"{benchmark.dataset}@{benchmark.revision}", benchmark.files
        if files:
            data: Any = datasets.load_dataset(
                files[0].rpartition(".")[2].replace("jsonl", "json"),
                data_files={benchmark.split: [f"hf://datasets/{place}/{name}" for name in files]},
                split=benchmark.split,
            )
        else:
            data = datasets.load_dataset(
                benchmark.dataset or "",
                benchmark.config,
                split=benchmark.split,
                revision=benchmark.revision,
            )
        yield from enumerate(data, 1)
    # The client raises its transport's own errors as well. Whatever it is, the benchmark is listed
    # as not checked with this reason, or stops the run where it is required.
    except Exception as error:
        raise Unreadable(f"cannot read {benchmark.origin}: {_line(error)}") from error


def _line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
