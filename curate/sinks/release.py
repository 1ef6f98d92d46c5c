"""One release: compare, upload what is new, one commit, one tag, read back.

    publish(Path("runs/cold_start"), "me/cold-start")

Every attempt begins with a look at the Hub and does only what is still missing, so that a release
that was interrupted (killed, offline, answer lost, somebody was faster) is continued by doing it
again; nothing about it is kept here. `main` goes from one release to the next in one step: up to
COMMIT_FILES files in one commit, more through a pull request that is filled in parts, checked and
then merged.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from curate.errors import RunError
from curate.sinks.hub_errors import quiet, retried
from curate.sinks.release_folder import CHANGELOG, README, RECORD, Content, LocalFolder, Stored
from curate.sinks.release_plan import Plan, make_plan
from curate.sinks.release_record import Release, read_record, release_at, untagged
from curate.sinks.release_text import describe
from curate.sinks.remote import Gated, Remote, State, check_name
from curate.sinks.versions import Version, read_version
from curate.step import unheard

COMMIT_FILES = 100
"""Files of a commit that the Hub takes within its 60 s (hub-docs, storage-limits.md)."""


@dataclass(frozen=True)
class Wishes:
    """How a dataset is to be released."""

    version: str | None = None
    """None: what follows from the changes."""
    private: bool = False
    gated: Gated | None = None
    pull_request: bool = False
    """Propose it only; after the merge the same call tags it."""
    overwrite: bool = False
    """Replace what somebody else changed in our files."""
    verify: bool = False
    """Download the version afterwards and compare every file."""


class Released(NamedTuple):
    """What became of it."""

    repo: str
    version: str
    commit: str
    is_new: bool
    pull_request: str | None = None
    """The address of a pull request that waits to be merged."""

    def note(self) -> dict[str, str]:
        """What a run's manifest says of it."""
        said = {"repo": self.repo, "version": self.version, "commit": self.commit}
        return said | ({"pull_request": self.pull_request} if self.pull_request else {})


def publish(
    folder: Path,
    repo: str,
    wishes: Wishes = Wishes(),
    *,
    report: Callable[[Mapping[str, float]], None] = unheard,
    say: Callable[[str], None] = quiet,
) -> Released:
    """Releases a dataset folder (or a run's) as the next version of `repo`.

    Raises UsageError for wrong arguments, RunError for what must not or cannot be published; after
    a RunError or a kill the same call continues.
    """
    publisher = Publisher.of(folder, repo, wishes)
    total = float(sum(file.size for file in publisher.local.files.values()))
    publisher.local.report = report
    publisher.remote.report = lambda sent: report(
        {"MB sent": sent / 1e6, "MB at most": total / 1e6}
    )
    publisher.say = say
    publisher.me = publisher.remote.who() or ""
    publisher.local.check()
    return publisher.go()


def dry_run(folder: Path, repo: str, wishes: Wishes = Wishes()) -> str:
    """What `publish` would do; nothing is written, and a token that may only read is enough."""
    publisher = Publisher.of(folder, repo, wishes)
    publisher.remote.who(writes=False)
    publisher.local.check()
    return retried(publisher.foretell)


@dataclass
class Publisher:
    """One release in the making."""

    local: LocalFolder
    remote: Remote
    wishes: Wishes
    wanted: Version | None
    say: Callable[[str], None] = quiet
    me: str = ""
    _new: set[Version] = field(default_factory=set)
    """What this call itself has brought to main."""
    _plans: dict[tuple[str, str], Plan | None] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, repo: str, wishes: Wishes) -> Publisher:
        check_name(repo)
        wanted = read_version(wishes.version) if wishes.version else None
        return cls(LocalFolder(folder), Remote(repo), wishes, wanted)

    def go(self) -> Released:
        remote = self.remote
        done = retried(self.attempt, say=self.say, progress=lambda: remote.sent_bytes)
        if self.wishes.verify and not done.pull_request:
            retried(lambda: self.download(done), say=self.say)
        return done

    def attempt(self) -> Released:
        """Looks, and does what is missing."""
        state = self.open()
        if state is None:
            raise RunError(
                f"the name {self.remote.repo} is taken, but this token may not see what is there; "
                "choose another name, or ask its owner for access"
            )
        newest = self.newest(state)
        if done := self.already(state, newest):
            return done
        plan = self.plan(state, newest)
        if plan is None:
            assert newest
            return Released(self.remote.repo, str(newest.version), newest.commit, is_new=False)
        if self.wishes.pull_request or len(plan.new) + len(plan.removed) > COMMIT_FILES:
            return self.through_pull_request(plan, state)
        self.remote.send(plan.new)
        self._new.add(plan.version)
        commit = self.remote.commit(
            plan.new, plan.removed, title=plan.title, text=plan.section, parent=state.head
        )
        self.remote.tag(plan.version, commit)
        check_tree(plan, self.remote.files(plan.version.tag), plan.version.tag)
        return Released(self.remote.repo, str(plan.version), commit, is_new=True)

    def open(self) -> State | None:
        """The dataset, made where there is none, with every release on main tagged."""
        state = self.remote.look()
        if state is None:
            self.remote.create(private=self.wishes.private, gated=self.wishes.gated)
            return self.remote.look()
        self.remote.settle(state, private=self.wishes.private, gated=self.wishes.gated)
        if left := untagged(self.remote, state):
            version, commit = left
            self.remote.tag(version, commit)
            self.say(f"{version.tag} was on main without its tag; it has it now")
            return self.remote.look()
        return state

    def newest(self, state: State) -> Release | None:
        return release_at(self.remote, state, state.newest) if state.newest else None

    def already(self, state: State, newest: Release | None) -> Released | None:
        """The release that has this very content; RunError for a version that has another one."""
        asked = self.wanted if self.wanted in state.tags else None
        found = release_at(self.remote, state, asked) if asked else newest
        record = found.record if found else None
        if found is None or record is None or record.content != self.local.content:
            if asked:
                raise RunError(
                    f"{asked.tag} of {self.remote.repo} exists and has another content; a version "
                    "is never changed: leave --version away, or give one above "
                    f"{max(state.tags).tag}"
                )
            return None
        if self.wanted and self.wanted != found.version:
            return None
        record.check(found.files, f"{found.version.tag} of {self.remote.repo}")
        return Released(
            self.remote.repo, str(found.version), found.commit, is_new=found.version in self._new
        )

    def plan(self, state: State | None, newest: Release | None) -> Plan | None:
        """What is to be done; the comparison is made anew only when the Hub has moved on."""
        key = (state.head if state else "", newest.commit if newest else "")
        if key not in self._plans:
            self._plans[key] = make_plan(
                self.local,
                self.remote,
                state,
                newest,
                self.wanted,
                overwrite=self.wishes.overwrite,
            )
        return self._plans[key]

    def through_pull_request(self, plan: Plan, state: State) -> Released:
        """Fills a pull request in parts, checks it, and merges it unless it is only proposed."""
        number = self.pull_request(plan, state)
        revision = f"refs/pr/{number}"
        files = self.remote.files(revision)
        new = {path: file for path, file in plan.files.items() if not file.is_at(files.get(path))}
        removed = [path for path in plan.removed if path in files]
        all_parts = list(parts(new, removed))
        for at, (added, gone) in enumerate(all_parts, 1):
            self.remote.send(added, revision)
            self.remote.commit(
                added,
                gone,
                title=f"{plan.title} (part {at} of {len(all_parts)})",
                text="",
                parent=self.remote.history(revision)[0],
                revision=revision,
            )
        files = self.remote.files(revision)
        check_tree(plan, files, f"pull request {number}")
        if strange := set(files) - set(state.files) - set(plan.files):
            raise RunError(f"pull request {number} has {min(strange)}, which is not ours; close it")
        if self.remote.pull_requests(plan.title, self.me).get(number) == "draft":
            self.remote.set_status(number, "open")  # a draft cannot be merged
        url = f"{self.remote.address}/discussions/{number}"
        if self.wishes.pull_request:
            head = self.remote.history(revision)[0]
            return Released(self.remote.repo, str(plan.version), head, bool(all_parts), url)
        self._new.add(plan.version)
        self.remote.merge(number)
        return self.attempt()  # which finds it on main, tags it and reads it back

    def pull_request(self, plan: Plan, state: State) -> int:
        """The number of our pull request upon main as it is; older ones are closed."""
        found = None
        for number in self.remote.pull_requests(plan.title, self.me):
            if found is None and state.head in self.remote.history(f"refs/pr/{number}"):
                found = number
            else:
                self.remote.set_status(number, "closed")
        if found is None:
            found = self.remote.open_pull_request(plan.title, plan.section)
        return found

    def download(self, done: Released) -> None:
        """Fetches every file of the version afresh; RunError when one is not what was sent."""
        tag = f"v{done.version}"
        record = read_record(self.remote.text(RECORD, tag))
        fetched = 0
        for path, file in (record.files if record else {}).items():
            fetched += file["bytes"]
            self.local.report({"MB read back": fetched / 1e6})
            with tempfile.TemporaryDirectory(prefix="curate-verify-") as cache:
                got = Content(self.remote.fetch(path, tag, Path(cache)))
                if got.sha256 != file["sha256"]:
                    raise RunError(
                        f"{path} of {done.repo} at {tag} is not what was sent: its sha256 is "
                        f"{got.sha256[:12]}…, the release says {file['sha256'][:12]}…"
                    )

    def foretell(self) -> str:
        """The plan as text."""
        state = self.remote.look()
        newest = self.newest(state) if state else None
        if state and untagged(self.remote, state):
            return (
                f"main of {self.remote.repo} has a release without its tag; the next publish tags "
                "it first\n"
            )
        if state and (done := self.already(state, newest)):
            return f"nothing to do: {done.repo} has this content as v{done.version}\n"
        plan = self.plan(state, newest)
        if plan is None:
            return (
                f"nothing to do: nothing has changed since {newest.version.tag if newest else ''}\n"
            )
        return describe(plan, self.remote.repo, state, newest)


def parts(
    new: Mapping[str, Content], removed: list[str]
) -> Iterator[tuple[dict[str, Content], list[str]]]:
    """The changes in commits of COMMIT_FILES; what describes the data comes with the last."""
    last = (README, CHANGELOG, RECORD)
    order = [path for path in sorted(new) if path not in last] + [p for p in last if p in new]
    changes = [*removed, *order]
    for start in range(0, len(changes), COMMIT_FILES):
        part = changes[start : start + COMMIT_FILES]
        gone = [path for path in part if path in removed]
        yield {path: new[path] for path in part if path in new}, gone


def check_tree(plan: Plan, there: Mapping[str, Stored], where: str) -> None:
    """Raises RunError when what stands on the Hub is not what was sent."""
    wrong = [path for path, file in plan.files.items() if not file.is_at(there.get(path))]
    wrong += [path for path in plan.removed if path in there]
    if wrong:
        raise RunError(
            f"{where} on the Hub is not what was sent: {', '.join(wrong[:5])}; run the same "
            "command again, and tell the Hub's support when it stays"
        )
