"""The step that releases a run's dataset on the Hub.

DatasetFolder(card="cards/cold_start.md"),
Hub("me/cold-start"),
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from datatrove.data import Document

from curate.errors import UsageError
from curate.notice import notice
from curate.sinks.atomic import write_text
from curate.sinks.provenance import read_json
from curate.sinks.release import Wishes, publish
from curate.sinks.release_text import conclusion
from curate.sinks.remote import Gated, Remote, check_name
from curate.sinks.versions import read_version
from curate.step import Context, Step

RELEASE = "release.json"


class Hub(Step):
    """Releases OUT/dataset as the next version of `repo` and yields the documents as they came.

    `None` releases nothing. OUT/release.json and the note `release` say what became of it: `repo`,
    `version` and `commit`. A dataset without rows is not released. The same dataset again is the
    same release, so a repeated run changes nothing on the Hub.

    Args:
        version: `1.2.0`; None for the one that follows from what changed.
        private, gated: who may read it. An open dataset is closed, never the other way round.
        pull_request: propose the release instead; `curate publish` tags it after the merge.
    """

    is_sink = True
    in_pilot = False
    where = frozenset({"repo", "version", "private", "gated", "pull_request"})

    def __init__(
        self,
        repo: str | None,
        *,
        version: str | None = None,
        private: bool = False,
        gated: Gated | None = None,
        pull_request: bool = False,
    ) -> None:
        super().__init__()
        self.repo = repo
        self.is_whole = repo is not None  # type: ignore[misc]
        self.wishes = Wishes(version, private, gated, pull_request)

    def prepare(self, context: Context) -> None:
        """Refuses wrong arguments; before a run begins, a token that cannot publish too."""
        super().prepare(context)
        if self.repo is None:
            return
        check_name(self.repo)
        if self.wishes.version:
            read_version(self.wishes.version)
        if self.wishes.gated not in (None, "auto", "manual"):
            raise UsageError(f"Hub: gated is 'auto', 'manual' or None, not {self.wishes.gated!r}")
        is_done = read_json(context.out / "manifest.json", {}).get("status") == "done"
        if context.ledger is None and not is_done:  # not again in every task
            Remote(self.repo).who()

    def left(self) -> str | None:
        out = self.context.out if self.context else Path()
        if self.repo is None or read_json(out / RELEASE, {}).get("repo") == self.repo:
            return None
        return (
            f"the run in {out} is complete and was not released as {self.repo}; "
            f"release it with: curate publish {out} {self.repo}"
        )

    def run(
        self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        """Yields everything, so that the folder is complete, and then publishes it."""
        rows = 0
        for document in data or ():
            rows += 1
            yield document
        if self.repo is not None:
            self._publish(self.repo, rows)

    def _publish(self, repo: str, rows: int) -> None:
        context = self.context
        if context is None:
            raise RuntimeError(f"{self.label}: prepare() comes before run()")
        said: dict[str, Any] = {"repo": repo, "version": None, "commit": None}
        if rows:
            folder = context.out / "dataset"
            done = publish(folder, repo, self.wishes, report=context.report, say=notice)
            said = done.note()
            notice(conclusion(done))
        else:
            notice(f"{self.label}: the dataset has no rows; nothing is released")
        write_text(context.out / RELEASE, json.dumps(said, indent=2, sort_keys=True) + "\n")
        if context.ledger:
            context.ledger.note("release", said)
