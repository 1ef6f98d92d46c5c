"""`.curate/release.json`: what a release says of itself, and the release that stands on the Hub.

{"version": "1.1.0", "parent": {"version": "1.0.0", "commit": "8f2c…"}, "content": "77ab…",
 "rows": {"default": {"train": 812}}, "files": {"README.md": {"bytes": 9120, "sha256": "…"}}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from curate.errors import RunError, UsageError
from curate.sinks.release_folder import RECORD, Content, LocalFolder, Stored
from curate.sinks.remote import Remote, State
from curate.sinks.versions import Version, read_version


class Record(NamedTuple):
    """A release by its own account."""

    version: Version
    content: str
    """The hash of the dataset folder that it was made of."""
    files: dict[str, dict[str, Any]]
    """Every file that is the release's, but this record, with `bytes` and `sha256`."""

    def check(self, tree: Mapping[str, Stored], where: str) -> None:
        """Raises RunError when a tree is not what the release says."""
        for path, file in self.files.items():
            there = tree.get(path)
            if (
                there is None
                or there.size != file["bytes"]
                or there.sha256 not in (None, file["sha256"])
            ):
                raise RunError(
                    f"{where} is not as its {RECORD} says: {path} is "
                    f"{'not the same' if there else 'not there'}; somebody has moved the tag"
                )


class Release(NamedTuple):
    """A version that stands on the Hub."""

    version: Version
    commit: str
    files: dict[str, Stored]
    record: Record | None
    """None when it was not made by curate."""


def read_record(text: str) -> Record | None:
    """The record of a release; None when the text is none."""
    try:
        said = json.loads(text)
        if not all(is_inside(path) for path in said["files"]):
            return None
        return Record(read_version(said["version"]), said["content"], said["files"])
    except (ValueError, KeyError, TypeError, UsageError):
        return None


def is_inside(path: str) -> bool:
    """True for a path that stays in its folder.

    >>> is_inside("data/a.parquet"), is_inside("../a"), is_inside("/a")
    (True, False, False)
    """
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts


def write_record(
    version: Version, parent: Release | None, local: LocalFolder, files: Mapping[str, Content]
) -> bytes:
    """The record of a release of `files`."""
    said = {
        "version": str(version),
        "parent": {"version": str(parent.version), "commit": parent.commit} if parent else None,
        "content": local.content,
        "rows": local.rows_by_config,
        "files": {
            path: {"bytes": file.size, "sha256": file.sha256} for path, file in files.items()
        },
    }
    return (json.dumps(said, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()


def release_at(remote: Remote, state: State, version: Version) -> Release:
    """The release that a tag names."""
    commit = state.tags[version]
    files = state.files if commit == state.head else remote.files(commit)
    record = read_record(remote.text(RECORD, commit)) if RECORD in files else None
    return Release(version, commit, files, record)


def untagged(remote: Remote, state: State) -> tuple[Version, str] | None:
    """The release that main has without its tag, and its commit: a publish ended between the two,
    or a pull request was merged. None when there is none.
    """
    if RECORD not in state.files or state.head in state.tags.values():
        return None
    record = read_record(remote.text(RECORD, state.head))
    if record is None or record.version in state.tags:
        return None
    commit = state.head
    for older in remote.history()[1:]:  # somebody may have committed since
        if older in state.tags.values():
            break
        if remote.stored(RECORD, older) != state.files[RECORD]:
            break
        commit = older
    return record.version, commit
