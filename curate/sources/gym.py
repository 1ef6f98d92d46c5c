"""reasoning-gym tasks as prompts: `reasoning-gym:chain_sum,gcd?min_terms=2&size=500`."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import metadata
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import unquote

from curate.errors import UsageError
from curate.sources.row import Place, Row, Rows

PREFIX = "reasoning-gym:"
DEFAULTS = {"size": 10_000, "seed": 0}
# Folders of reasoning_gym whose tasks ask for a number or an expression; of the others an answer is
# a plan, a grid, a word.
MATH = frozenset({"algebra", "arithmetic", "geometry", "probability"})


@dataclass(frozen=True)
class GymSource:
    """Tasks with their parameters; one task after the other gives a row, until all are spent."""

    tasks: tuple[str, ...]
    parameters: tuple[tuple[str, Any], ...]
    source: str | None = None
    domain: str | None = None
    language: str | None = None
    """These three go before what the task says."""

    name = "reasoning-gym"
    # Rows are made, not read (countdown: 73 a second), so no more than needed.
    reads_all = False

    def check(self) -> None:
        """UsageError when a task refuses its parameters."""
        for task in self.tasks:
            self._create(task)

    def rows(self) -> Rows:
        """The rows of all tasks, interleaved."""
        streams = {task: self._task_rows(task) for task in self.tasks}
        while streams:
            for task, stream in list(streams.items()):
                if (row := next(stream, None)) is None:
                    del streams[task]
                else:
                    yield row

    def _task_rows(self, task: str) -> Iterator[Row]:
        dataset = self._create(task)
        domain = "math" if category(type(dataset)) in MATH else "logic"
        for n in range(len(dataset)):
            item = dataset[n]
            # The index is a position, and a position is no part of what names a prompt.
            details = {k: v for k, v in item["metadata"].items() if k != "source_index"}
            columns = {
                **{"problem": item["question"], "answer": item["answer"]},
                **{"source": self.source or f"{PREFIX}{task}", "license": "Apache-2.0"},
                **{"domain": self.domain or domain, "language": self.language or "en"},
                **{"task": task, "metadata": _as_json(details)},
            }
            yield Row(Place(task, n + 1), columns)

    def _create(self, task: str) -> Any:
        import reasoning_gym

        try:
            return reasoning_gym.create_dataset(task, **DEFAULTS | dict(self.parameters))
        except (AssertionError, ValueError, TypeError) as error:
            raise UsageError(f"reasoning-gym task {task} refuses its parameters: {error}") from None


def version() -> str:
    """The version of reasoning-gym: another one makes other problems from the same seed."""
    return metadata.version("reasoning-gym")


def category(dataset: type) -> str:
    """The folder of reasoning_gym that a task's class lives in."""
    return dataset.__module__.split(".")[1]


def open_gym(
    spec: str, source: str | None = None, domain: str | None = None, language: str | None = None
) -> GymSource:
    """The tasks that a `reasoning-gym:` spec names; UsageError with the nearest name."""
    try:
        from reasoning_gym.factory import DATASETS
    except ImportError:
        raise UsageError(
            f"{spec} needs reasoning-gym: python -m pip install 'curate-datasets[gym]'"
        ) from None
    names, _, query = spec.removeprefix(PREFIX).partition("?")
    tasks = tuple(dict.fromkeys(name.strip() for name in names.split(",")))
    texts = dict(_pairs(spec, query))
    parameters: dict[str, Any] = {}
    for task in tasks:
        if task not in DATASETS:
            near = _nearest(task, list(DATASETS))
            raise UsageError(
                f"reasoning-gym has no task '{task}'{near}; its {len(DATASETS)} tasks are "
                f"{', '.join(sorted(DATASETS))}"
            )
        config = DATASETS[task][1]
        hints = get_type_hints(config)
        known = {field.name: field.default for field in dataclasses.fields(config)}
        for name, text in texts.items():
            if name not in known:
                near = _nearest(name, list(known))
                raise UsageError(
                    f"reasoning-gym task {task} has no parameter '{name}'{near}; "
                    f"it has {', '.join(known)}"
                )
            parameters[name] = _typed(text, hints[name], f"{task}: {name}")
    return GymSource(tasks, tuple(sorted(parameters.items())), source, domain, language)


def _pairs(spec: str, query: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, query.split("&")):
        name, equals, text = part.partition("=")
        if not equals:
            raise UsageError(f"{spec}: '{part}' is not param=value")
        # Not as in a web form: a plus is a plus (`operators=+,-`).
        yield unquote(name), unquote(text)


def _typed(text: str, hint: Any, what: str) -> Any:
    """A parameter's value from its text, as the task's own annotation wants it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if text == "None" else _typed(text, inner[0], what)
    if origin is Literal:
        if text not in inner:
            raise UsageError(f"{what} is one of {', '.join(inner)}, not '{text}'")
        return text
    if hint is tuple or origin in (list, tuple):
        return (origin or hint)(
            _typed(t, inner[0] if inner else str, what) for t in text.split(",")
        )
    read = READERS.get(hint)
    if read is None:
        raise UsageError(f"{what} cannot be given as text; its type is {hint}")
    try:
        return read(text)
    except (ValueError, KeyError):
        raise UsageError(f"{what} is a {hint.__name__}, not '{text}'") from None


READERS: dict[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    str: str,
    bool: lambda text: {"true": True, "1": True, "false": False, "0": False}[text.lower()],
}


def _as_json(value: Any) -> Any:
    """Metadata as JSON can hold it: some tasks put in tuples as keys, sets or their own objects."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(k): _as_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted((_as_json(v) for v in value), key=str)
    if hasattr(value, "tolist"):
        return _as_json(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _as_json(vars(value))
    return str(getattr(value, "value", value))


def _nearest(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else ""
