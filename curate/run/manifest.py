"""What a run is: `OUT/manifest.json`, and the fingerprint that tells whether a directory holds this
very run.

The fingerprint holds the identity of the steps, the content of the files they read and the source
of the project's modules they use. Executor, workers, concurrency, URLs and places are not in it:
they do not change what the data is.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from curate import __version__
from curate.errors import RunError
from curate.run.load import Pipeline
from curate.run.plan import PlannedStage
from curate.sample import digest
from curate.sinks.atomic import write_text
from curate.sinks.provenance import installed
from curate.step import Step, plain

PACKAGES = ("datatrove", "math-verify", "pyarrow", "datasets", "xllamacpp", "reasoning-gym")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identity(pipeline: Pipeline, stages: list[PlannedStage]) -> dict[str, Any]:
    """Everything that says what the data is, in parts that can be compared one by one."""
    steps = [step for stage in stages for step in stage.steps]
    files = [file for step in steps if isinstance(step, Step) for file in step.files()]
    return {
        "pipeline": f"{pipeline.relative_file}@{pipeline.name}",
        "steps": [plain(step) for step in steps],
        "files": contents(files),
        "modules": {
            str(p.relative_to(pipeline.root)): sha256(p)
            for p in project_modules(pipeline.file, pipeline.root)
        },
    }


def contents(files: Iterable[Path]) -> dict[str, str]:
    """The hash of every file under its name; of several with one name, all of them in order."""
    found: dict[str, list[str]] = {}
    for file in dict.fromkeys(files):
        found.setdefault(file.name, []).append(sha256(file))
    return {name: ",".join(hashes) for name, hashes in found.items()}


def project_modules(file: Path, root: Path) -> list[Path]:
    """The pipeline's file and the project's files that it imports, directly or not; curate itself
    is not one.
    """
    own = Path(__file__).parents[1]
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        file = waiting.pop()
        if file in found or not file.is_relative_to(root) or file.is_relative_to(own):
            continue
        found.add(file)
        modules = (sys.modules.get(name) for name in imported_names(file))
        files = (getattr(module, "__file__", None) for module in modules)
        waiting += [Path(f).resolve() for f in files if f]
    return sorted(found)


def imported_names(file: Path) -> set[str]:
    """The dotted names that a source file may import; `from a import b` may mean a or a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    return names


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, one phrase each: `samples: 8 -> 4`, `filters/rules.py
    has changed`.
    """
    found: list[str] = []
    before, after = old.get("steps", []), new["steps"]
    if [name_of(s) for s in before] != [name_of(s) for s in after]:
        found.append("the list of steps is another")
    else:
        for a, b in zip(before, after, strict=True):
            if isinstance(a, dict) and isinstance(b, dict):
                keys = sorted(k for k in {*a, *b} if a.get(k) != b.get(k))
                found += [f"{name_of(b)} {k}: {short(a.get(k))} -> {short(b.get(k))}" for k in keys]
            elif a != b:
                found.append(f"{a} -> {b}")
    for kind in ("files", "modules"):
        names = {*old.get(kind, {}), *new[kind]}
        found += [
            f"{n} has changed"
            for n in sorted(names)
            if old.get(kind, {}).get(n) != new[kind].get(n)
        ]
    return found or ["the pipeline is another"]


def name_of(step: Any) -> str:
    return (
        str(step.get("step", "") or step.get("type", "")) if isinstance(step, dict) else str(step)
    )


def short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


class Manifest:
    """The manifest of a run directory; every change is on disk, whole, before the call returns."""

    def __init__(self, out: Path) -> None:
        self.path = out / "manifest.json"
        self.data: dict[str, Any] = {}
        if self.path.exists():
            try:
                self.data = json.loads(self.path.read_text())
            except (OSError, ValueError) as error:
                raise RunError(
                    f"{self.path} cannot be read ({error}); start again with --replace"
                ) from error

    def start(
        self, pipeline: Pipeline, values: Mapping[str, Any], said: dict[str, Any], command: str
    ) -> None:
        """A new run: what it is and nothing done yet."""
        doc = (pipeline.function.__doc__ or "").strip().split("\n\n")[0]
        self.data = {
            "curate_version": __version__,
            "pipeline": {"file": pipeline.relative_file, "name": pipeline.name, "doc": doc},
            "parameters": {k: plain(v) for k, v in values.items()},
            "command": command,
            "fingerprint": digest(said),
            "identity": said,
            "steps": said["steps"],
            "stages": [],
            "status": "running",
            "packages": installed(PACKAGES) | {"curate-datasets": __version__},
            "engine": None,
            "engines": {},
        }
        self.save()

    def save(self) -> None:
        write_text(self.path, json.dumps(self.data, indent=2, ensure_ascii=False) + "\n")

    def set(self, **values: Any) -> None:
        self.data |= values
        self.save()
