"""From a file name and `key=value` words to a pipeline's steps.

The file is imported by its dotted name with the project's root on the path, so that what it defines
can be pickled into any worker, and nothing runs at import.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

from curate.errors import CurateError, UsageError
from curate.project import find_root

PATHS = ("out", "store", "prompts", "data", "reasoning", "non_reasoning")
"""Parameters of shipped pipelines that hold a path, or several: typed ones count from the current
folder.
"""
NAMED = ("benchmarks",)
"""Those that hold names of things, some of which may be files."""


@dataclass(frozen=True)
class Pipeline:
    """A pipeline function and where it came from."""

    function: Callable[..., list[Any]]
    file: Path
    root: Path

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def relative_file(self) -> str:
        return self.file.relative_to(self.root).as_posix()

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.function).parameters

    @property
    def hints(self) -> dict[str, Any]:
        return typing.get_type_hints(self.function)

    def bind(self, typed: Mapping[str, Any]) -> dict[str, Any]:
        """Every parameter with its value: what was typed, else the default."""
        return {name: typed.get(name, p.default) for name, p in self.parameters.items()}


def load(target: str) -> Pipeline:
    """The pipeline that `FILE` or `FILE@NAME` names; without NAME the only one, else the one called
    like the file.
    """
    path, _, name = target.partition("@")
    file = Path(path).resolve()
    if not file.is_file():
        near = (
            nearest(file.name, [p.name for p in file.parent.glob("*.py")])
            if file.parent.is_dir()
            else ""
        )
        raise UsageError(f"there is no pipeline file {path}{near}")
    if file.suffix != ".py":
        raise UsageError(f"{path} is not a Python file; a pipeline is a function in a .py file")
    root = find_root(file)
    module = import_file(file, root)
    found = {
        n: f
        for n, f in vars(module).items()
        if getattr(f, "__curate_pipeline__", False) and f.__module__ == module.__name__
    }
    if not found:
        raise UsageError(
            f"{path} has no function marked with @pipeline (from curate import pipeline)"
        )
    if not name:
        name = next(iter(found)) if len(found) == 1 else file.stem
        if name not in found:
            choices = ", ".join(f"{path}@{n}" for n in found)
            raise UsageError(f"{path} has several pipelines; say which: {choices}")
    if name not in found:
        raise UsageError(f"{path} has no pipeline '{name}'{nearest(name, found)}")
    return Pipeline(found[name], file, root)


def import_file(file: Path, root: Path) -> types.ModuleType:
    """The file as the module of its dotted name; its root comes first on the path, here and in
    child processes.
    """
    dotted = ".".join(file.relative_to(root).with_suffix("").parts)
    if not all(part.isidentifier() for part in dotted.split(".")):
        raise UsageError(
            f"{file.name}: a pipeline's file and folders need names that Python can import, "
            f"not '{dotted}'"
        )
    sys.path.insert(0, str(root))
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(root), *(p for p in paths if p and p != str(root))]
    )
    try:
        module = importlib.import_module(dotted)
    except CurateError:
        raise
    except ModuleNotFoundError as error:
        if error.name and dotted.startswith(error.name):
            raise UsageError(
                f"{dotted} is hidden by another package of that name; add an empty "
                f"{file.parent.name}/__init__.py, or rename the folder"
            ) from error
        raise UsageError(f"{file.name} cannot be imported: {error}") from error
    except Exception as error:
        raise UsageError(
            f"{file.name} cannot be imported: {where(error, root)}{type(error).__name__}: {error}"
        ) from error
    if Path(module.__file__ or "").resolve() != file:
        raise UsageError(
            f"importing {dotted} gives {module.__file__}, not {file}: rename the folder or the file"
        )
    return module


def where(error: BaseException, root: Path) -> str:
    """`FILE:LINE: ` of the last place in the project where an error passed."""
    places = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    own = [
        p
        for p in places
        if Path(p.filename).is_relative_to(root) and "site-packages" not in p.filename
    ]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}: " if own else ""


def read_parameters(pipeline: Pipeline, words: Sequence[str]) -> dict[str, Any]:
    """The typed `key=value` words as values of the parameters' types; raises UsageError with the
    nearest name.
    """
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"'{word}' is not key=value; did you mean {name}=…?")
        if name not in pipeline.parameters:
            raise UsageError(
                f"{pipeline.name} has no parameter '{name}'{nearest(name, pipeline.parameters)}"
            )
        if name in values:
            raise UsageError(f"parameter '{name}' is given twice")
        hint = pipeline.hints[name]
        value = convert(name, text, hint)
        if isinstance(value, str | Path) and (name in PATHS or Path in options(hint)):
            value = type(value)(from_here(str(value), pipeline.root))
        elif isinstance(value, str) and name in NAMED:
            value = named_from_here(value, pipeline.root)
        values[name] = value
    return values


def from_here(text: str, root: Path) -> str:
    """Typed paths, with `;` between several, which count from the current folder, as the pipeline
    sees them; other specs stay as they are.
    """
    return ";".join(one_from_here(part.strip(), root) for part in text.split(";"))


def named_from_here(text: str, root: Path) -> str:
    """Typed names, with commas between them, of which some are files of the current folder."""
    parts = [part.strip() for part in text.split(",")]
    return ",".join(
        one_from_here(part, root) if Path(part).expanduser().exists() else part for part in parts
    )


def one_from_here(text: str, root: Path) -> str:
    if ":" in text.split("/")[0] or not text:
        return text
    path = Path(text).expanduser().absolute()
    path = Path(os.path.normpath(path))
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def options(hint: Any) -> tuple[Any, ...]:
    """The types that a hint allows: `int | None` gives (int, NoneType)."""
    return typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)


def convert(name: str, text: str, hint: Any) -> Any:
    """A typed word as a value of the hinted type."""
    allowed = options(hint)
    if type(None) in allowed and text.lower() in ("none", "null", ""):
        return None
    for kind in allowed:
        if typing.get_origin(kind) is Literal:
            chosen = next((v for v in typing.get_args(kind) if str(v) == text), None)
            if chosen is not None:
                return chosen
        elif typing.get_origin(kind) in (list, tuple):
            (item, *_) = typing.get_args(kind)
            return typing.get_origin(kind)(convert(name, part, item) for part in text.split(","))
        elif kind is bool and text.lower() in ("true", "false", "yes", "no", "1", "0"):
            return text.lower() in ("true", "yes", "1")
        elif kind in (int, float):
            try:
                return kind(text.replace("_", ""))
            except ValueError:
                continue
        elif kind in (str, Path):
            return kind(text)
    raise UsageError(f"{name}={text}: '{name}' takes {describe(hint)}")


def describe(hint: Any) -> str:
    """A type as a person would say it: `a whole number or none`."""
    names = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        Path: "a path",
        type(None): "none",
    }
    parts: list[str] = []
    for kind in options(hint):
        literal = typing.get_origin(kind) is Literal
        parts += (
            [str(v) for v in typing.get_args(kind)] if literal else [names.get(kind, str(kind))]
        )
    return " or ".join(parts)


def nearest(word: str, names: typing.Iterable[str]) -> str:
    """`; did you mean 'NAME'?` for a near miss, else the list of what there is."""
    names = list(names)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; there is: {', '.join(sorted(names))}" if names else ""
