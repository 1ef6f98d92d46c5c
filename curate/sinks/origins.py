"""Where a dataset comes from, for `.curate/provenance.json`: inputs at their revision, models,
code, checks. Nothing here names a machine, a folder or a person.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.sinks.audits import audits_of
from curate.sinks.provenance import public, public_command
from curate.sinks.statistics import Statistics

VERSION = 1
"""Of the form of the file."""
SAMPLING = ("temperature", "top_p", "max_tokens", "seed")
GENERATORS = ("Generate", "Magpie")
_GIT_S = 10


def provenance(
    manifest: Mapping[str, Any],
    statistics: Statistics,
    *,
    funnel: Sequence[Mapping[str, Any]] = (),
    audits: Sequence[Mapping[str, Any]] = (),
    project: Path | None = None,
) -> dict[str, Any]:
    """The content of `.curate/provenance.json`; what is not known is null or left out.

    `manifest` is the run's own, as the runner writes it; `project` is where its files stand, to ask
    git which commit they are of.
    """
    identity = manifest.get("identity") or {}
    notes = manifest.get("notes") or {}
    steps = list(walk(manifest.get("steps") or []))
    modules = dict(identity.get("modules") or {})
    return {
        "provenance_version": VERSION,
        "sources": sources(statistics),
        "inputs": inputs(steps, notes.get("datasets") or {}, identity.get("files") or {}),
        "models": [
            {"model": model, "revision": revision, "rows": rows}
            for (model, revision), rows in statistics.models.most_common()
        ],
        "engines": public(manifest.get("engines") or engines_of(manifest)),
        "generation": [generation(step) for step in steps if step.get("step") in GENERATORS],
        "files": dict(sorted((identity.get("files") or {}).items())),
        "verdicts": verdicts(statistics, audits),
        "decontamination": of_kind(notes, "decontamination"),
        "dedup": [dict(row) for row in funnel if str(row["step"]).startswith("Dedup")],
        "mix": of_kind(notes, "mix"),
        "code": {
            "command": public_command(manifest),
            "pipeline": {k: v for k, v in (manifest.get("pipeline") or {}).items() if k != "doc"},
            "modules": modules,
            "git": git_state(project, sorted(modules)) if project else None,
        },
        "curate_version": manifest.get("curate_version"),
        "packages": dict(manifest.get("packages") or {}),
    }


def walk(steps: Any) -> Any:
    """All steps of a list, those inside of others as well."""
    if isinstance(steps, Mapping):
        if "step" in steps:
            yield steps
        for value in steps.values():
            yield from walk(value)
    elif isinstance(steps, list | tuple):
        for step in steps:
            yield from walk(step)


def sources(statistics: Statistics) -> list[dict[str, Any]]:
    """Each source of prompts with its licence and rows, most rows first."""
    found: dict[tuple[str | None, str | None], int] = {}
    for (source, license, *_), rows in statistics.origins.items():
        found[source, license] = found.get((source, license), 0) + rows
    ordered = sorted(found.items(), key=lambda item: (-item[1], str(item[0])))
    return [{"source": s, "license": license, "rows": n} for (s, license), n in ordered]


def inputs(
    steps: Sequence[Mapping[str, Any]], commits: Mapping[str, str], files: Mapping[str, str]
) -> list[dict[str, Any]]:
    """What the pipeline reads, and what holds it fast: a commit, a hash, a package's version.

    >>> inputs([{"step": "Prompts", "spec": "hub:o/d@main?config=c"}], {"hub:o/d@main": "1c"}, {})
    [{'step': 'Prompts', 'spec': 'hub:o/d@main?config=c', 'commit': '1c'}]
    >>> inputs([{"step": "Prompts", "spec": "/data/a.jsonl"}], {}, {"a.jsonl": "5d"})
    [{'step': 'Prompts', 'spec': 'a.jsonl', 'sha256': '5d'}]
    """
    found: list[dict[str, Any]] = []
    for step in steps:
        for spec in filter(None, map(str.strip, str(step.get("spec") or "").split(";"))):
            told: dict[str, Any] = {"step": step["step"], "spec": public(spec)}
            if spec.startswith("hub:"):
                name = spec.partition("?")[0]
                told["commit"] = commits.get(name)
            elif spec.startswith("reasoning-gym:"):
                told["reasoning_gym"] = step.get("reasoning_gym")
            else:
                told["sha256"] = files.get(Path(spec).name)
            found.append(told)
    said = {entry["spec"].partition("?")[0] for entry in found}
    read = [name for name in sorted(commits) if name not in said]  # such as benchmarks
    return found + [{"step": None, "spec": name, "commit": commits[name]} for name in read]


def engines_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The one engine of a run that names its engines nowhere else."""
    return {"Generate": manifest["engine"]} if manifest.get("engine") else {}


def generation(step: Mapping[str, Any]) -> dict[str, Any]:
    """How samples were asked for."""
    kept = (*SAMPLING, "samples", "keep", "template", "system", "stop")
    return {"step": step["step"]} | {k: public(step[k]) for k in kept if k in step}


def verdicts(statistics: Statistics, audits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each rule with what it said, and how it fared against known verdicts."""
    found: list[dict[str, Any]] = []
    for name, judged in sorted(statistics.verdicts.items()):
        own = [dict(audit) for _, audit in audits_of([name], audits) if audit]
        told = {"judged": judged.judged, "unjudged": judged.unjudged, "mean": judged.mean}
        found.append({"name": name, **told, "audits": public(own)})
    return found


def of_kind(notes: Mapping[str, Any], kind: str) -> list[Any]:
    """A note, and the numbered ones of further steps of its kind."""
    own = [v for name, v in notes.items() if name == kind or name.startswith(f"{kind}#")]
    return public(own)


def git_state(project: Path, modules: Sequence[str]) -> dict[str, Any] | None:
    """The commit that the project's files are of, and whether the pipeline's own files differ from
    it; None where there is no git checkout.
    """

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(project), *words],
                capture_output=True,
                text=True,
                timeout=_GIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if not commit:
        return None
    changed = git("status", "--porcelain", "--", *modules) if modules else ""
    return {"commit": commit, "dirty": None if changed is None else bool(changed)}
