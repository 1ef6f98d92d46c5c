"""What a release would do: its version with the reason, its files, what is new of them, and what
stands in its way.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from curate.errors import RunError
from curate.sinks.difference import Difference, compare
from curate.sinks.difference_text import because
from curate.sinks.loading import with_release
from curate.sinks.prose import blocks, with_prose
from curate.sinks.release_folder import CHANGELOG, README, RECORD, Content, LocalFolder, Stored
from curate.sinks.release_record import Release, write_record
from curate.sinks.remote import Remote, State
from curate.sinks.versions import FIRST, Version

HEAD = "# Changelog"
_FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


@dataclass(frozen=True)
class Plan:
    """A release before it is made."""

    version: Version
    reason: str
    files: dict[str, Content]
    """Everything that the release consists of."""
    new: dict[str, Content]
    """What main does not have of it."""
    removed: tuple[str, ...]
    section: str
    """Its part of CHANGELOG.md."""
    title: str
    old_readme: str = ""


def make_plan(
    local: LocalFolder,
    remote: Remote,
    state: State | None,
    newest: Release | None,
    wanted: Version | None,
    *,
    overwrite: bool = False,
) -> Plan | None:
    """The release of a folder upon what the Hub has; None when nothing has changed.

    Raises RunError for a version that is too small, and for what somebody else has done to our
    files.
    """
    old_readme = remote.text(README, state.head) if state and README in state.files else ""
    old_log = remote.text(CHANGELOG, state.head) if state and CHANGELOG in state.files else ""
    card = with_prose(local.files[README].read().decode(), old_readme)
    difference = difference_to(local, remote, newest, card)
    version, reason = choose_version(newest, difference, wanted)
    if version is None:
        return None
    day = datetime.now(UTC).date().isoformat()
    section = (
        difference.changelog(str(version), day) if difference else first_section(local, version)
    )
    card = with_release(card, remote.repo, version.tag, list(local.rows_by_config))
    files = local.files | {
        README: Content(card.encode()),
        CHANGELOG: Content(with_section(old_log or local.changelog, section, version).encode()),
    }
    files[RECORD] = Content(write_record(version, newest, local, files))
    there = state.files if state else {}
    ours = {*newest.record.files, RECORD} if newest and newest.record else set[str]()
    plan = Plan(
        version,
        reason,
        files,
        {path: file for path, file in files.items() if not file.is_at(there.get(path))},
        tuple(sorted(path for path in ours if path in there and path not in files)),
        section,
        title_of(version, local),
        old_readme,
    )
    if state and not overwrite:
        refuse_conflicts(plan, state, newest, ours, remote)
    return plan


def choose_version(
    newest: Release | None, difference: Difference | None, wanted: Version | None
) -> tuple[Version | None, str]:
    """The version and why; None when nothing has changed and no version is asked for."""
    if newest is None or difference is None:
        return wanted or FIRST, "the first release"
    kind = difference.bump()
    if kind is None and wanted is None:
        return None, ""
    least = newest.version.after(kind or "patch")
    why = because(difference) if kind else "a new version is asked for, though nothing has changed"
    reason = f"{why}, since {newest.version.tag}"
    if wanted and wanted <= newest.version:
        raise RunError(
            f"{wanted.tag} is not above {newest.version.tag}, the newest release of the dataset; "
            f"the next one is {least.tag}: leave --version away, or give a larger one"
        )
    if wanted and wanted < least:
        raise RunError(
            f"{wanted.tag} is too small: {reason}, so the next version is {least.tag}; leave "
            "--version away, or give a larger one"
        )
    return wanted or least, reason


def difference_to(
    local: LocalFolder, remote: Remote, newest: Release | None, card: str
) -> Difference | None:
    """What changed since the newest release; None when there is none. What is the same here is not
    fetched.
    """
    if newest is None:
        return None
    if newest.record is None:
        raise RunError(
            f"{newest.version.tag} of {remote.repo} was not made by curate (it has no {RECORD}), "
            "so what changed since cannot be told; publish to another repository, or remove the tag"
        )
    with tempfile.TemporaryDirectory(prefix="curate-release-") as scratch:
        old, new = Path(scratch, newest.version.tag), Path(scratch, "new")
        for path, file in newest.record.files.items():
            here = local.files.get(path)
            same = here is not None and here.sha256 == file["sha256"]
            link(old / path, local.folder / path if same else remote.fetch(path, newest.commit))
        for path in local.files:
            if path != README:
                link(new / path, local.folder / path)
        told = with_release(card, remote.repo, newest.version.tag, list(local.rows_by_config))
        (new / README).write_text(told, encoding="utf-8")
        names = (newest.version.tag, "this folder")

        def report(numbers: Mapping[str, float]) -> None:
            local.report({"rows compared": numbers.get("rows", 0)})

        return compare(old, new, names=names, report=report)


def link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target.absolute())


def first_section(local: LocalFolder, version: Version) -> str:
    """What CHANGELOG.md says of a first release."""
    day = datetime.now(UTC).date().isoformat()
    return f"## {version} ({day})\n\nThe first release: {spell_rows(local)}.\n"


def with_section(old: str, section: str, version: Version) -> str:
    """The changelog with a section upon the others, in the place of one of the same version.

    >>> old = "# Changelog\\n\\n## 1.0.0\\n\\na\\n"
    >>> print(with_section(old, "## 1.1.0\\n\\nb\\n", Version(1, 1, 0)))
    # Changelog
    <BLANKLINE>
    ## 1.1.0
    <BLANKLINE>
    b
    <BLANKLINE>
    ## 1.0.0
    <BLANKLINE>
    a
    <BLANKLINE>
    """
    old = re.sub(rf"^## v?{re.escape(str(version))}\b.*?(?=^## |\Z)", "", old, flags=re.S | re.M)
    body = old.removeprefix(HEAD).strip("\n")
    return "\n\n".join(filter(None, (HEAD, section.strip("\n"), body))) + "\n"


def spell_rows(local: LocalFolder) -> str:
    """`812 rows`, or the rows of each config."""
    rows = local.rows_by_config
    if len(rows) < 2:
        return f"{local.rows:,} row{'s' * (local.rows != 1)}"
    return ", ".join(f"{sum(splits.values()):,} {name}" for name, splits in rows.items())


def title_of(version: Version, local: LocalFolder) -> str:
    return f"Release {version.tag}: {spell_rows(local)}"


def refuse_conflicts(
    plan: Plan, state: State, newest: Release | None, ours: set[str], remote: Remote
) -> None:
    """Raises RunError when the release would undo what somebody else did since the last one."""
    found = list(conflicts(plan, state.files, newest, ours, remote))
    if not found:
        return
    since = f"since {newest.version.tag}" if newest else "before the first release"
    raise RunError(
        f"somebody else has changed {remote.repo} {since}: {'; '.join(found[:5])}. Undo that on "
        "the Hub (prose in a card stays where it is between <!-- author: NAME --> and "
        "<!-- /author: NAME -->), or publish with --overwrite to replace it"
    )


def conflicts(
    plan: Plan, now: Mapping[str, Stored], newest: Release | None, ours: set[str], remote: Remote
) -> Iterator[str]:
    """What somebody else did that the release would undo, or that would be read with its rows."""
    before = newest.files if newest else {}
    for path in sorted(ours | set(plan.files)):
        wanted, there = plan.files.get(path), now.get(path)
        is_ours = path in ours or there is None
        kept = path == CHANGELOG or (is_ours and there == before.get(path))
        done = wanted.is_at(there) if wanted else there is None
        if kept or done:
            continue
        if path == README and not is_overwritten(plan.old_readme, newest, remote):
            continue
        yield f"{path} was {'changed' if there else 'removed'}"
    folders = {str(PurePosixPath(path).parent) for path in plan.files if path.endswith(".parquet")}
    for path in sorted(set(now) - ours - set(plan.files)):
        if path.endswith(".parquet") and str(PurePosixPath(path).parent) in folders:
            yield f"{path} is not of this dataset, but would be read with its rows"


def is_overwritten(there: str, newest: Release | None, remote: Remote) -> bool:
    """True when the README has text of somebody else outside the author's parts."""
    if newest is None or README not in newest.files:
        return bool(without_prose(_FRONT.sub("", there)))
    return without_prose(there) != without_prose(remote.text(README, newest.commit))


def without_prose(card: str) -> str:
    """The card without the author's blocks and without empty lines."""
    card = card.replace("\r\n", "\n")
    for block in reversed(list(blocks(card))):
        start = card.rindex("<!-- author:", 0, block.start)
        card = card[:start] + card[card.index("-->", block.end) + 3 :]
    return "\n".join(filter(None, map(str.strip, card.splitlines())))
