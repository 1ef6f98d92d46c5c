"""The house keeps its shape: imports go one way, policy stays outside, heavy packages load late."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = (
    ("errors", "notice"),
    ("text",),
    ("sample",),
    ("step",),
    ("assets", "project"),
    ("engines",),
    ("sources", "scorers"),
    ("generate", "select"),
    ("sinks",),
    ("run",),
    ("arguments",),
    ("cli",),
)
"""Each may import the lines before it; parts of one line may not import each other both ways."""
LAYER = {name: n for n, names in enumerate(LAYERS) for name in names}
PUBLIC = {"Sample": "sample", "Verdict": "sample", "Stage": "step", "Step": "step"}
HEAVY = {
    *("torch", "trl", "transformers", "vllm", "ray", "xllamacpp", "matplotlib", "gradio"),
    *("datasets", "polars", "math_verify", "sympy", "reasoning_gym"),
}


class Import(NamedTuple):
    """One imported module and where it stands."""

    module: str
    path: Path
    line: int
    at_import: bool
    """True when importing the file imports the module too."""

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.module}"


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file, those inside functions and for type checkers too."""

    def is_skipped(node: ast.AST) -> bool:
        if isinstance(node, ast.If):
            return "TYPE_CHECKING" in ast.unparse(node.test)
        return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)

    def visit(node: ast.AST, at_import: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, path, child.lineno, at_import)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: write the import in full"
                for alias in child.names:
                    yield Import(f"{child.module}.{alias.name}", path, child.lineno, at_import)
            else:
                yield from visit(child, at_import and not is_skipped(child))

    return visit(ast.parse(path.read_text(encoding="utf-8")), True)


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def part_of(path: Path) -> str:
    """`engines` for curate/engines/store.py, `text` for curate/text.py."""
    return path.relative_to(ROOT / "curate").parts[0].removesuffix(".py")


def imported_part(module: str) -> str | None:
    """The part of `curate` that a module is of; None for other packages and `curate` itself."""
    parts = module.split(".")
    if parts[0] != "curate" or len(parts) == 1:
        return None
    name = PUBLIC.get(parts[1], "step" if parts[1:] == ["pipeline"] else parts[1])
    return None if name == "__version__" else name


def inner_imports() -> Iterator[tuple[str, str, Import]]:
    """Every import of one part of `curate` by another; the package's lazy front door aside."""
    for path in python_files("curate"):
        if (part := part_of(path)) in ("__init__", "__main__"):
            continue
        for found in imports_of(path):
            if (other := imported_part(found.module)) and other != part:
                yield part, other, found


def test_every_part_has_its_place_in_the_import_order() -> None:
    parts = {part_of(path) for path in python_files("curate")} - {"__init__", "__main__"}
    assert parts == set(LAYER)


def test_imports_go_one_way() -> None:
    edges = list(inner_imports())
    assert edges
    upward = [str(found) for part, other, found in edges if LAYER[other] > LAYER[part]]
    pairs = {(part, other) for part, other, _ in edges}
    both = [str(found) for part, other, found in edges if (other, part) in pairs]
    assert not upward
    assert not both


def test_project_knows_only_errors() -> None:
    assert {other for part, other, _ in inner_imports() if part == "project"} == {"errors"}


@pytest.mark.parametrize("folder", ["filters", "pipelines", "cards", "tests"])
def test_curate_never_imports_policy(folder: str) -> None:
    found = [i for path in python_files("curate") for i in imports_of(path)]
    assert found
    assert not [str(i) for i in found if i.module.split(".")[0] == folder]


def test_heavy_packages_are_imported_inside_functions() -> None:
    found = [i for path in python_files("curate") for i in imports_of(path) if i.at_import]
    assert not [str(i) for i in found if i.module.split(".")[0] in HEAVY]


@pytest.mark.parametrize("path", python_files("pipelines"), ids=lambda path: path.name)
def test_pipelines_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 80


def declared() -> tuple[set[str], set[str]]:
    """Distributions that pyproject.toml names: the core ones, and those of any extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in requirements}

    core = names(project["dependencies"])
    return core, core.union(*(names(extra) for extra in project["optional-dependencies"].values()))


def imported_distributions() -> set[str]:
    """Distributions that `curate/` imports anywhere, functions included."""
    found = {
        i.module.split(".")[0] for path in python_files("curate") for i in imports_of(path)
    } - {"curate", *sys.stdlib_module_names}
    known = importlib.metadata.packages_distributions()
    missing = found - known.keys()
    assert not missing, f"not installed here: {missing}"
    return {known[name][0].lower().replace("_", "-") for name in found}


def test_what_is_imported_is_declared() -> None:
    assert not imported_distributions() - declared()[1]


def test_core_dependencies_are_imported() -> None:
    silent = {"regex"}  # datatrove imports it without declaring it
    assert declared()[0] - imported_distributions() == silent


def test_what_is_declared_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pinned = {name.lower().replace("_", "-") for name in pins}
    # vllm brings an environment of its own, with other versions of half of these.
    assert declared()[1] - pinned == {"curate-datasets", "vllm"}


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after `code`."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}


def test_import_curate_is_light() -> None:
    loaded = modules_after("import curate")
    assert "curate" in loaded
    assert not loaded & (HEAVY | {"pyarrow", "datatrove", "pandas", "numpy", "aiohttp", "rich"})


def test_help_is_light() -> None:
    loaded = modules_after(
        "import sys\nfrom curate.cli import main\nsys.argv = ['curate', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
    )
    assert "argparse" in loaded
    assert not loaded & (HEAVY | {"pyarrow", "datatrove", "pandas", "numpy", "aiohttp"})
