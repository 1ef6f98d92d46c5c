"""Which commit a branch or tag of a Hub dataset means: asked once a run, and the same ever after.

    OUT/stages/datasets/3f2a….json      {"spec": "hub:org/sums@main", "commit": "1c0f…"}

The record stands in the run directory before any row is read, so that all tasks, both passes of a
step and a rerun read the same rows, even when the branch has moved on. The run's manifest has it as
the note `datasets`.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from datatrove.utils.logging import logger

from curate.assets import cache_folder
from curate.errors import RunError
from curate.sample import digest
from curate.step import Context

PREFIX = "hub:"
FOLDER = "stages/datasets"
_COMMIT = re.compile(r"[0-9a-f]{40}")


def pinned(name: str, revision: str) -> str:
    """The commit (40 hex digits) that a revision of a Hub dataset means now; a commit is itself.

    Where the Hub cannot be reached, what it last meant on this machine. Raises RunError when
    nobody knows.
    """
    if is_commit(revision):
        return revision
    remembered = cache_folder() / "revisions" / f"{digest([_hub(), name, revision])[:24]}.txt"
    if problem := hub_problem():
        if not remembered.is_file():
            raise RunError(f"cannot read {PREFIX}{name}@{revision}: {problem}")
        commit = remembered.read_text()
        logger.warning(f"{problem}; {PREFIX}{name}@{revision} is {commit[:12]} as it last was here")
        return commit
    commit = _asked(name, revision)
    with suppress(OSError):  # a cache that cannot be written to is none
        os.replace(_part(remembered.parent, commit), remembered)
    return commit


def _hub() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT


@cache
def hub_problem() -> str | None:
    """Why the Hub cannot be reached, asked once a process: the client tries for long, for every
    dataset again (`load_dataset`: 24 seconds, measured).
    """
    from huggingface_hub import get_session

    try:
        get_session().head(_hub(), timeout=10)
    except Exception as error:  # the transport's own as well
        return f"the Hub cannot be reached: {first_line(error)}"
    return None


def _asked(name: str, revision: str) -> str:
    """What the Hub says; RunError says what is wrong."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    asked = f"{PREFIX}{name}@{revision}"
    try:
        commit = HfApi().dataset_info(name, revision=revision).sha
    except GatedRepoError:
        raise RunError(
            f"cannot read {asked}: {name} is gated; ask for access on its page, and set HF_TOKEN"
        ) from None
    except RepositoryNotFoundError:
        raise RunError(
            f"cannot read {asked}: there is no dataset {name}; check its name and, for a private "
            "one, HF_TOKEN"
        ) from None
    except RevisionNotFoundError:
        raise RunError(f"cannot read {asked}: {_revisions(name, revision)}") from None
    except Exception as error:  # the transport's own as well
        raise RunError(
            f"cannot read {asked}: {first_line(error)}; check the network and HF_ENDPOINT"
        ) from error
    if commit is None:
        raise RunError(f"cannot read {asked}: the Hub does not say which commit it is")
    return commit


def is_commit(revision: str) -> bool:
    """True for what can never mean something else.

    >>> is_commit("1c0f" * 10), is_commit("v1.0.0")
    (True, False)
    """
    return bool(_COMMIT.fullmatch(revision))


def pin(context: Context | None, name: str, revision: str) -> str:
    """The commit that a revision means in this run: the one on record, else as the Hub says now.

    Says with a warning when a revision on record means another commit by now.
    """
    if is_commit(revision):
        commit = revision
    elif context is None or not (context.out / "stages").is_dir():
        return pinned(name, revision)
    else:
        file = _file(context.out, f"{PREFIX}{name}@{revision}")
        if file.is_file():
            commit = json.loads(file.read_text())["commit"]
            if context.rank == 0:
                _tell_moved(name, revision, commit)
        else:
            commit = _record(file, f"{PREFIX}{name}@{revision}", pinned(name, revision))
    if context and context.ledger:
        own = {f"{PREFIX}{name}@{revision}": commit}
        context.ledger.note("datasets", pins(context.out) | own)
    return commit


def pins(out: Path) -> dict[str, str]:
    """The commits on record in a run directory: `hub:NAME@REVISION` -> commit."""
    records = (json.loads(p.read_text()) for p in sorted((out / FOLDER).glob("[!.]*.json")))
    return {record["spec"]: record["commit"] for record in records}


def first_line(error: Exception) -> str:
    """What an error of the client says, in one line."""
    return (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")


def _file(out: Path, spec: str) -> Path:
    return out / FOLDER / f"{digest(spec)[:24]}.json"


def _record(file: Path, spec: str, commit: str) -> str:
    """Keeps the commit unless another task was first, whose commit it is then."""
    part = _part(file.parent, json.dumps({"spec": spec, "commit": commit}))
    try:
        os.link(part, file)  # unlike os.replace, it never takes another's place
    except FileExistsError:
        return json.loads(file.read_text())["commit"]
    finally:
        os.unlink(part)
    return commit


def _part(folder: Path, text: str) -> str:
    """A file with a name of its own, to be put in its place whole."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=".", dir=folder)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return part


@cache
def _tell_moved(name: str, revision: str, commit: str) -> None:
    """Once a process; without a network there is nothing to tell."""
    if hub_problem():
        return
    try:
        now = _asked(name, revision)
    except RunError as error:
        logger.warning(f"{error}; this run stays with {commit[:12]}")
        return
    if now != commit:
        logger.warning(
            f"{PREFIX}{name}@{revision} is {now[:12]} by now; this run stays with {commit[:12]}, "
            "which it began with (--replace begins anew)"
        )


def _revisions(name: str, revision: str) -> str:
    """That there is no such revision, and which there are."""
    from huggingface_hub import HfApi

    try:
        refs = HfApi().list_repo_refs(name, repo_type="dataset")
    except Exception:  # the first error is the one to tell
        return f"it has no revision {revision!r}"
    known = [ref.name for ref in (*reversed(refs.tags), *refs.branches)]
    return f"it has no revision {revision!r}; it has {', '.join(known[:8])}"
