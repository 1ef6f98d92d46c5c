"""How to make a dataset again: the command, what it needs, what differs here, and what follows.

    curate reproduce runs/cold_start
    curate reproduce hub:me/cold-start@v1.1.0 --into again

Three things can come of it: the same bytes (all answers are in a sample store, or nothing was
generated), rows of the same distribution (the same model is asked the same), or neither.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

from curate.errors import RunError, UsageError
from curate.project import PYPROJECT, project_name
from curate.sinks.provenance import public_command
from curate.sinks.reproduce_record import Record
from curate.sinks.store_cover import Cover, cover

Outcome = Literal["byte-identical", "same distribution", "not reproducible"]
MARKS = {"same": "ok", "differs": "!=", "unknown": "? ", "missing": "--"}


class Finding(NamedTuple):
    """One thing that the rows depend on, as it is here."""

    subject: str
    state: Literal["same", "differs", "unknown", "missing"]
    said: str

    def __str__(self) -> str:
        return f"  {MARKS[self.state]} {self.said}"


def findings(record: Record) -> list[Finding]:
    """Everything that the rows depend on, as it is here."""
    return [
        *_files(record),
        *_inputs(record),
        *_benchmarks(record),
        *_packages(record),
        *_models(record),
        *_store(record),
    ]


def outcome(found: list[Finding]) -> tuple[Outcome, str]:
    """What comes of running the command again, and why.

    Other packages and files are no obstacle: they are installed or copied first.
    """
    lost = [f for f in found if f.state == "missing" and f.subject in ("file", "input")]
    if lost:
        return "not reproducible", f"{lost[0].said}"
    loose = [f for f in found if f.subject == "input" and f.state == "unknown"]
    if loose:
        return "not reproducible", f"what was read then cannot be told: {loose[0].said}"
    stores = [f for f in found if f.subject == "store"]
    but = "".join(f"; but {f.said}" for f in found if (f.subject, f.state) == ("input", "differs"))
    if not stores:
        why = "nothing is generated, and everything that is read is held fast"
        return "byte-identical", f"{why}{but}"
    if all(f.state == "same" for f in stores):
        why = "every answer comes from the sample store, no model is asked"
        return "byte-identical", f"{why}{but}"
    unknown = [f for f in found if f.subject == "model" and f.state == "unknown"]
    if unknown:
        return "not reproducible", f"without a sample store: {unknown[0].said}"
    why = "the same model is asked the same; its answers are drawn anew"
    return "same distribution", f"{why}{but}"


def command(record: Record) -> str | None:
    """The command that makes the rows again, in the project's root; None when a program ran it.

    Places of this machine are filled in where the run is here; HOST stands for a server.
    """
    told = public_command({"command": record.manifest.get("command")})
    if not told:
        return None
    own = record.own.get("parameters") or {}
    here = {Path(spec).name: path for spec, path in record.inputs.items() if path}
    words: list[str] = []
    for word in shlex.split(told):
        name, equals, value = word.partition("=")
        if equals and any(Path(part).name in here for part in value.split(";")):
            parts = (str(here.get(Path(p).name, Path(p)).absolute()) for p in value.split(";"))
            word = f"{name}={';'.join(parts)}"
        elif isinstance(own.get(name), str):
            word = f"{name}={own[name]}"
        words.append(word)
    words += [f"store={record.store.absolute()}"] if record.store else []
    return shlex.join(words)


def text(record: Record) -> str:
    """The whole answer, for a terminal."""
    found = findings(record)
    what, why = outcome(found)
    pipeline = record.manifest.get("pipeline") or {}
    git = (record.provenance.get("code") or {}).get("git")
    commit = f", git {git['commit'][:12]}{' with changes' if git['dirty'] else ''}" if git else ""
    lines = [f"{record.name}: {pipeline.get('name')} of {pipeline.get('file')}{commit}", ""]
    lines += ["In a folder with its files (--into FOLDER makes one):", ""]
    lines += [f"  {command(record) or 'it was not run by a command: see ' + str(pipeline)}", ""]
    for subject, title in TITLES.items():
        own = [finding for finding in found if finding.subject == subject]
        lines += [title, *map(str, own)] if own else []
    return "\n".join([*lines, "", f"Result: {what}: {why}."])


TITLES = {
    "file": "Files of the pipeline",
    "input": "What it reads",
    "package": "Packages",
    "model": "Models",
    "store": "Sample store",
}


def lay_out(record: Record, into: Path) -> str:
    """Makes a project folder with the pipeline's files, constraints.txt and a README; gives the
    command. UsageError when the folder holds something.
    """
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UsageError(f"{into} is not empty; name a new folder with --into FOLDER")
    told = command(record)
    try:
        for name, path in record.at_hand.items():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(path.read_bytes())
        for folder in {(into / n).parent for n in record.at_hand if n.endswith(".py")} - {into}:
            (folder / "__init__.py").touch()  # else a package of that name elsewhere comes first
        for name, path in record.inputs.items():
            inside = into / name
            if path and not inside.exists() and inside.resolve().is_relative_to(into.resolve()):
                inside.parent.mkdir(parents=True, exist_ok=True)
                inside.symlink_to(path.absolute())  # they may be large
        packages = constraints(record.manifest.get("packages") or {})
        ours = version_of("curate-datasets") or "0"
        head = PYPROJECT.format(name=project_name(into), version=ours)
        for name, content in (
            ("constraints.txt", "".join(f"{line}\n" for line in packages)),
            ("README.md", readme(record, told)),
            ("pyproject.toml", head),
        ):
            if not (into / name).exists():
                (into / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write to {into}: {error.strerror or error}") from None
    return f"cd {shlex.quote(str(into))} && {told}" if told else f"see {into / 'README.md'}"


def readme(record: Record, told: str | None) -> str:
    """What to do in the folder."""
    what, why = outcome(findings(record))
    return (
        f"# {(record.manifest.get('pipeline') or {}).get('name')} again\n\n"
        "```shell\n"
        "pip install -c constraints.txt curate-datasets[local,gym]\n"
        f"{told or '# it was not run by a command; see pipelines/'}\n"
        "```\n\n"
        f"What comes of it: {what}: {why}.\n"
    )


def constraints(packages: Mapping[str, str]) -> list[str]:
    """What pip takes: every package at the version that was used."""
    return [f"{name}=={number}" for name, number in sorted(packages.items()) if name != "python"]


def _files(record: Record) -> Iterator[Finding]:
    modules = record.manifest.get("modules") or {}
    data = {Path(spec).name for spec in record.inputs}
    others = {n: h for n, h in (record.manifest.get("files") or {}).items() if n not in data}
    hashes = {*record.hashes.values()}
    lost = [n for n, h in {**modules, **others}.items() if not {*h.split(",")} <= hashes]
    there = len(modules) + len(others) - len(lost)
    if there:
        yield Finding("file", "same", f"{there} of them as they were (sha256)")
    for name in lost:
        yield Finding("file", "missing", f"{name} is neither with the dataset nor here as it was")


def _inputs(record: Record) -> Iterator[Finding]:
    for entry in record.provenance.get("inputs") or []:
        spec = entry["spec"]
        if "commit" in entry:
            commit = entry["commit"]
            if commit is None:
                yield Finding("input", "unknown", f"{spec}: the commit was not recorded")
            else:
                yield Finding("input", "same", f"{spec} at commit {commit}")
        elif "reasoning_gym" in entry:
            yield _package_finding("input", "reasoning-gym", entry["reasoning_gym"], spec)
        elif entry.get("sha256") is None:
            yield Finding("input", "unknown", f"{spec}: its content was not recorded")
        else:
            said = f"(sha256 {entry['sha256'][:12]}…) is not here as it was"
            here = record.inputs[spec] is not None
            yield Finding(
                "input",
                "same" if here else "missing",
                f"{spec} is here as it was" if here else f"{spec} {said}",
            )


def _benchmarks(record: Record) -> Iterator[Finding]:
    """A run that can read more benchmarks may leave out more."""
    for note in record.provenance.get("decontamination") or []:
        checked, not_checked = (note.get(k) or {} for k in ("checked", "not_checked"))
        if checked:
            yield Finding("input", "same", f"{len(checked)} benchmarks at their revisions")
        if not_checked:
            names = ", ".join(sorted(not_checked)[:5]) + (", …" if len(not_checked) > 5 else "")
            said = f"{len(not_checked)} benchmarks were not checked then ({names})"
            yield Finding("input", "differs", f"{said}: where they can be read, more may go")


def _packages(record: Record) -> Iterator[Finding]:
    import platform

    packages = record.manifest.get("packages") or {}
    others: list[Finding] = []
    for name, number in sorted(packages.items()):
        here = platform.python_version() if name == "python" else version_of(name)
        if here != number:
            state = "differs" if here else "missing"
            others.append(Finding("package", state, f"{name} {number} (here: {here or 'none'})"))
    if len(others) < len(packages):
        yield Finding("package", "same", f"{len(packages) - len(others)} of them as they were")
    yield from others


def _package_finding(subject: str, name: str, number: str | None, spec: str) -> Finding:
    here = version_of(name)
    if number is None:
        return Finding(subject, "unknown", f"{spec}: the version of {name} was not recorded")
    same = here == number
    shown = spec if len(spec) <= 60 else f"{spec[:57]}…"
    also = "" if same else f" (here: {here or 'none'}; constraints.txt has it)"
    return Finding(subject, "same" if same else "differs", f"{shown} by {name} {number}{also}")


def _models(record: Record) -> Iterator[Finding]:
    engines = record.provenance.get("engines") or (
        {"Generate": record.manifest["engine"]} if record.manifest.get("engine") else {}
    )
    for label, engine in engines.items():
        model, revision = engine.get("model"), engine.get("revision")
        if revision is None:
            said = f"{label}: {model}, whose revision nobody recorded (model=NAME@REVISION does)"
            yield Finding("model", "unknown", said)
        else:
            yield Finding("model", "same", f"{label}: {model} at revision {revision}")


def _store(record: Record) -> Iterator[Finding]:
    if not record.provenance.get("engines") and not record.manifest.get("engine"):
        return
    if record.store is None:
        yield Finding("store", "missing", "none is known here; --store FOLDER names one")
        return
    found: Cover = cover(record.store, record.folder, record.run)
    state = "same" if found.missing == 0 else "missing"
    yield Finding("store", state, f"{record.store} has {found}")


def version_of(name: str) -> str | None:
    """The installed version of a package; None when there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
