"""What a dataset tells of how it was made, and what of it is at hand here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from curate.errors import UsageError
from curate.project import FOLDERS, template_root
from curate.sinks.difference_side import located
from curate.sinks.provenance import read_json


@dataclass(frozen=True)
class Record:
    """What a dataset, or the run that made it, tells of how it was made."""

    name: str
    folder: Path
    """The dataset's."""
    run: Path | None = None
    """The run directory, where that is here."""
    store: Path | None = None
    """The sample store that was used, or is to be looked into."""
    project: Path = field(default_factory=Path.cwd)
    """Where files that the dataset does not hold are looked for."""

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return read_json(self.folder / ".curate" / "manifest.json", {})

    @cached_property
    def provenance(self) -> dict[str, Any]:
        return read_json(self.folder / ".curate" / "provenance.json", {})

    @cached_property
    def own(self) -> dict[str, Any]:
        """The run's own manifest, with the places of this machine; empty where it is not here."""
        return read_json(self.run / "manifest.json", {}) if self.run else {}

    @property
    def kept(self) -> Path:
        """The pipeline's files as they were."""
        return self.folder / ".curate" / "files"

    @cached_property
    def hashes(self) -> dict[str, str]:
        """sha256 of every file that is at hand, by its path: kept with the dataset, else in the
        project, else in the template of new projects.
        """
        return {name: sha256(path) for name, path in self.at_hand.items()}

    @cached_property
    def at_hand(self) -> dict[str, Path]:
        """Path in the project -> file."""
        recorded = {**(self.manifest.get("files") or {}), **(self.manifest.get("modules") or {})}
        found = {
            path.relative_to(self.kept).as_posix(): path
            for path in sorted(self.kept.rglob("*"))
            if path.is_file()
        }
        names = {Path(path).name for path in (*found, *self.inputs)}
        for name, hash in recorded.items():
            if Path(name).name not in names and (other := self._elsewhere(name, hash)):
                found[other[0]] = other[1]
        return found

    @cached_property
    def inputs(self) -> dict[str, Path | None]:
        """The data files that were read, by the spec that names them, where they are here as they
        were.
        """
        entries = self.provenance.get("inputs") or []
        files = {e["spec"]: e["sha256"] for e in entries if e.get("sha256")}
        return {spec: self._data(spec, hashes.split(",")) for spec, hashes in files.items()}

    def _data(self, spec: str, hashes: list[str]) -> Path | None:
        own = str((self.own.get("parameters") or {}).get("prompts") or "").split(";")
        roots = (self.project, self.project / "pipelines", template_root())
        for place in (*(p.strip() for p in own if Path(p).name == Path(spec).name), spec):
            for path in (root / place for root in roots):
                if path.is_file() and sha256(path) in hashes:
                    return path
        return None

    def _elsewhere(self, name: str, hash: str) -> tuple[str, Path] | None:
        for root in (self.project, template_root()):
            for folder in (root / one for one in FOLDERS):
                for path in (root / name, folder / name, *folder.glob(f"*/{Path(name).name}")):
                    if path.is_file() and sha256(path) == hash:
                        return path.relative_to(root).as_posix(), path
        return None


def open_record(spec: str, *, store: str | None = None, project: Path | None = None) -> Record:
    """What there is of a dataset folder, a run or `hub:NAME@VERSION`; UsageError when it was not
    made by curate. `project` is where its files are looked for, else the current folder.
    """
    project = project or Path.cwd()
    path = located(spec)
    if not path.is_dir():
        raise UsageError(f"{spec} is no folder; name a dataset folder, a run or hub:NAME@VERSION")
    folder = path if (path / ".curate" / "manifest.json").is_file() else path / "dataset"
    manifest = folder / ".curate" / "manifest.json"
    if not manifest.is_file():
        raise UsageError(
            f"{spec} does not tell how it was made: it has no .curate/manifest.json; name a "
            "dataset that curate wrote, or its run"
        )
    run = manifest.resolve().parents[2]
    if store and not Path(store).is_dir():
        raise UsageError(f"there is no sample store {store}")
    record = Record(spec, folder, run if (run / "manifest.json").is_file() else None, None, project)
    used = store or (record.own.get("parameters") or {}).get("store")
    place = project / used if used else None
    return replace(record, store=place if place and place.is_dir() else None)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
