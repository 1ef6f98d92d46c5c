"""A dataset on the Hub, as a release sees it: its head, tags and files, and the few writes that a
release makes. The real client does the work; every call is one attempt.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from curate.errors import RunError, UsageError
from curate.sinks.hub_errors import Again, asking, no_token, retried
from curate.sinks.release_folder import Content, Stored
from curate.sinks.versions import Version, version_of_tag

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.hf_api import RepoFile

Gated = Literal["auto", "manual"]
KIND: Any = "dataset"
ALONE_BYTES = 1_000_000
"""A file of this size is sent by itself, before the commit, so that progress is seen and kept."""


class State(NamedTuple):
    """The dataset at one moment."""

    head: str
    files: dict[str, Stored]
    """Of the newest commit on main."""
    tags: dict[Version, str]
    """The commit of every version."""
    private: bool
    gated: str | bool

    @property
    def newest(self) -> Version | None:
        return max(self.tags, default=None)


@dataclass
class Remote:
    """The dataset `repo`."""

    repo: str
    report: Callable[[int], None] = lambda sent: None
    """Takes the bytes that have been sent so far."""
    sent_bytes: int = 0
    _sent: dict[tuple[str, str], CommitOperationAdd] = field(default_factory=dict)

    @property
    def api(self) -> HfApi:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()  # they would run through our own
        return HfApi(library_name="curate")

    @property
    def address(self) -> str:
        """Where a person reads it."""
        return f"{self.api.endpoint}/datasets/{self.repo}"

    def who(self, *, writes: bool = True) -> str | None:
        """The name behind the token; RunError without one, or with one that may only read.

        None without a token where nothing is to be written.
        """
        from huggingface_hub import get_token

        if not get_token():
            if writes:
                raise no_token()
            return None
        said = retried(self._ask_who)
        role = ((said.get("auth") or {}).get("accessToken") or {}).get("role")
        if writes and role == "read":
            raise RunError(
                f"the token of {said['name']} may only read; make one with the permission to write "
                "at https://huggingface.co/settings/tokens and set HF_TOKEN"
            )
        return said["name"]

    def _ask_who(self) -> dict[str, Any]:
        try:
            with asking(self.repo, "ask the Hub who you are"):
                return self.api.whoami()
        except Again as again:
            if not again.status:  # where nobody answers from the start, waiting does not help
                raise RunError(str(again)) from None
            raise

    def look(self) -> State | None:
        """The dataset as it is now; None when there is none that this token may see."""
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

        with asking(self.repo, f"read {self.repo}"):
            try:
                info = self.api.dataset_info(self.repo)
            except GatedRepoError:
                raise
            except RepositoryNotFoundError:
                return None
            refs = self.api.list_repo_refs(self.repo, repo_type=KIND)
        if not info.sha:
            raise Again(f"{self.repo} has no commit yet; run the same command again")
        tags = {v: t.target_commit for t in refs.tags if (v := version_of_tag(t.name))}
        return State(info.sha, self.files(info.sha), tags, bool(info.private), info.gated or False)

    def files(self, revision: str) -> dict[str, Stored]:
        """Every file at a revision."""
        from huggingface_hub.hf_api import RepoFile

        with asking(self.repo, f"list the files of {self.repo}"):
            tree = self.api.list_repo_tree(
                self.repo, repo_type=KIND, revision=revision, recursive=True
            )
            return {file.path: stored_as(file) for file in tree if isinstance(file, RepoFile)}

    def fetch(self, path: str, commit: str, cache: Path | None = None) -> Path:
        """A file at a commit as a local one, through the client's cache or the one named."""
        with asking(self.repo, f"fetch {path} of {self.repo}"):
            return Path(
                self.api.hf_hub_download(
                    self.repo, path, repo_type=KIND, revision=commit, cache_dir=cache
                )
            )

    def text(self, path: str, commit: str) -> str:
        with tempfile.TemporaryDirectory() as cache:
            return self.fetch(path, commit, Path(cache)).read_text(encoding="utf-8")

    def stored(self, path: str, commit: str) -> Stored | None:
        """One file at a commit."""
        from huggingface_hub.hf_api import RepoFile

        with asking(self.repo, f"read {path} of {self.repo}"):
            found = self.api.get_paths_info(self.repo, [path], repo_type=KIND, revision=commit)
        return next((stored_as(file) for file in found if isinstance(file, RepoFile)), None)

    def history(self, revision: str = "main") -> list[str]:
        """The commits of a revision, the newest first."""
        with asking(self.repo, f"read the history of {self.repo}"):
            found = self.api.list_repo_commits(self.repo, repo_type=KIND, revision=revision)
        return [commit.commit_id for commit in found]

    def create(self, *, private: bool, gated: Gated | None) -> None:
        """Makes the dataset. Access is settled before anything is in it."""
        with asking(self.repo, f"create {self.repo}"):
            self.api.create_repo(self.repo, repo_type=KIND, private=private, exist_ok=True)
        self.settle(None, private=private, gated=gated)

    def settle(self, state: State | None, *, private: bool, gated: Gated | None) -> None:
        """Closes the dataset as asked for; it is never opened wider than it is."""
        wanted: dict[str, Any] = {}
        if private and state and not state.private:
            wanted["private"] = True
        if gated and (state is None or state.gated != gated):
            wanted["gated"] = gated
        if wanted:
            with asking(self.repo, f"change who may read {self.repo}"):
                self.api.update_repo_settings(self.repo, repo_type=KIND, **wanted)

    def send(self, files: Mapping[str, Content], revision: str | None = None) -> None:
        """Uploads what is large, one file at a time; what this process has sent is not sent again.

        Nothing of it can be seen in the dataset before the commit.
        """
        from huggingface_hub import CommitOperationAdd

        for path, content in sorted(files.items()):
            key = (path, content.sha256)
            if key in self._sent or (content.size < ALONE_BYTES and not path.endswith(".parquet")):
                continue
            addition = CommitOperationAdd(path, content.source)
            with asking(self.repo, f"upload {path}"):
                self.api.preupload_lfs_files(
                    self.repo, [addition], repo_type=KIND, revision=revision, free_memory=False
                )
            if addition.upload_info.sha256.hex() != content.sha256:
                raise RunError(f"{path} was changed while it was sent; run the same command again")
            self._sent[key] = addition
            self.sent_bytes += content.size
            self.report(self.sent_bytes)

    def commit(
        self,
        files: Mapping[str, Content],
        removed: Iterable[str],
        *,
        title: str,
        text: str,
        parent: str,
        revision: str | None = None,
    ) -> str:
        """One commit with all of it upon `parent`; Again when that is no longer the newest."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        added = [
            self._sent.get((path, content.sha256)) or CommitOperationAdd(path, content.source)
            for path, content in sorted(files.items())
        ]
        operations = [*added, *(CommitOperationDelete(path) for path in sorted(removed))]
        try:
            with asking(self.repo, f"commit to {self.repo}"):
                done = self.api.create_commit(
                    self.repo,
                    operations,
                    repo_type=KIND,
                    revision=revision,
                    parent_commit=parent,
                    commit_message=title,
                    commit_description=text,
                )
        except Again as again:
            if again.status == 400:  # an object that was sent is not there: it is sent again
                self._sent.clear()
            raise
        return done.oid

    def tag(self, version: Version, commit: str) -> None:
        with asking(self.repo, f"tag {self.repo} with {version.tag}"):
            self.api.create_tag(
                self.repo,
                repo_type=KIND,
                tag=version.tag,
                revision=commit,
                tag_message=f"Release {version.tag}",
            )

    def pull_requests(self, title: str, author: str) -> dict[int, str]:
        """The author's own pull requests with this title: the number and status, `open` or
        `draft`, of those that are neither closed nor merged.
        """
        with asking(self.repo, f"list the pull requests of {self.repo}"):
            found = self.api.get_repo_discussions(
                self.repo, repo_type=KIND, discussion_type="pull_request", author=author
            )
            return {
                one.num: one.status
                for one in sorted(found, key=attrgetter("num"))
                if one.title == title and one.author == author and one.status in ("open", "draft")
            }

    def open_pull_request(self, title: str, text: str) -> int:
        with asking(self.repo, f"open a pull request in {self.repo}"):
            return self.api.create_pull_request(
                self.repo, title, repo_type=KIND, description=text
            ).num

    def set_status(self, number: int, status: Literal["open", "closed"]) -> None:
        with asking(self.repo, f"change pull request {number} of {self.repo}"):
            self.api.change_discussion_status(self.repo, number, status, repo_type=KIND)

    def merge(self, number: int) -> None:
        """Brings main to what the pull request has, in one step."""
        with asking(self.repo, f"merge pull request {number} of {self.repo}"):
            self.api.merge_pull_request(self.repo, number, repo_type=KIND)


def stored_as(file: RepoFile) -> Stored:
    return Stored(file.blob_id, file.size, file.lfs.sha256 if file.lfs else None)


def check_name(repo: str) -> None:
    """Raises UsageError for what cannot be the name of a dataset.

    >>> check_name("me/cold-start")
    >>> check_name("sums")
    Traceback (most recent call last):
        ...
    curate.errors.UsageError: 'sums' is no name of a dataset: it is OWNER/NAME, as in me/sums
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    owner, slash, name = repo.partition("/")
    if not (owner and slash and name):
        example = repo.strip("/") or "cold-start"
        raise UsageError(f"'{repo}' is no name of a dataset: it is OWNER/NAME, as in me/{example}")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UsageError(f"'{repo}' is no name of a dataset: {error}") from None
