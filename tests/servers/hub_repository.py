"""What a Hub keeps of a dataset: commits with their whole trees, branches, tags, pull requests.

No network in it; `tests.servers.hub` speaks the protocol.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers.hub_xet import XetStore

LARGE_BYTES = 10_000_000
"""What is larger goes to the object store, whatever it is."""
LARGE_SUFFIXES = (".parquet", ".zst", ".gz", ".bin", ".arrow", ".zip", ".safetensors", ".npy")
IS_COMMIT = re.compile(r"[0-9a-f]{40}")


class Refused(Exception):
    """(status, code, what is said): an answer that the client turns into an error of its own."""


class Entry(NamedTuple):
    """A file of a commit."""

    oid: str
    """The git blob sha1 of its content; of a large file, of its pointer."""
    size: int
    sha256: str | None = None
    """Of a large file."""


@dataclass(frozen=True)
class Commit:
    id: str
    parent: str | None
    title: str
    message: str
    tree: Mapping[str, Entry]
    date: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}")


class Objects:
    """Large files on disk, under the sha256 that they are checked against.

    What the clients brought by Xet is rebuilt from its chunks when it is first asked for.
    """

    def __init__(self, folder: Path, xet: XetStore) -> None:
        self.folder, self.xet = folder, xet
        self.lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        return self.folder / sha256

    def has(self, sha256: str) -> bool:
        with self.lock:
            if not self.path(sha256).exists() and (file := self.xet.file(sha256)):
                part = self.folder / f"{sha256}.xet"
                self.xet.rebuild(file, part)
                self.put(sha256, part.read_bytes())
                part.unlink()
            return self.path(sha256).exists()

    def put(self, sha256: str, content: bytes) -> None:
        """Raises Refused for a content of another hash: a torn upload, say."""
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Refused(400, "BadRequest", "the content does not have this sha256")
        part = self.folder / f"{sha256}.{threading.get_ident()}.part"
        part.write_bytes(content)
        os.replace(part, self.path(sha256))

    def put_part(self, sha256: str, number: int, content: bytes) -> str:
        """Keeps a part of a large file; its ETag is to be named when all are there."""
        (self.folder / f"{sha256}.{number}").write_bytes(content)
        return hashlib.md5(content).hexdigest()

    def join(self, sha256: str, parts: Sequence[tuple[int, str]]) -> None:
        """Makes a file of its parts; Refused when one is missing or is not what was sent."""
        found = []
        for number, etag in sorted(parts):
            path = self.folder / f"{sha256}.{number}"
            content = path.read_bytes() if path.exists() else b""
            if hashlib.md5(content).hexdigest() != etag.strip('"'):
                raise Refused(400, "InvalidPart", f"part {number} is not there or is another one")
            found.append(content)
        self.put(sha256, b"".join(found))

    def get(self, sha256: str) -> bytes:
        return self.path(sha256).read_bytes()

    def size(self, sha256: str) -> int:
        return self.path(sha256).stat().st_size

    def remove(self, sha256: str) -> None:
        """Of a file that came by Xet only what was rebuilt: its chunks stay."""
        self.path(sha256).unlink(missing_ok=True)


def blob_sha1(content: bytes) -> str:
    """Git's name for a content.

    >>> blob_sha1(b"")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    """What git keeps of a large file."""
    version = "version https://git-lfs.github.com/spec/v1"
    return f"{version}\noid sha256:{sha256}\nsize {size}\n".encode()


def is_large(path: str, size: int, sample: bytes) -> bool:
    return size > LARGE_BYTES or path.endswith(LARGE_SUFFIXES) or b"\0" in sample


class Repository:
    """One dataset. Every change is made under a lock, whole or not at all."""

    def __init__(
        self, name: str, objects: Objects, *, private: bool = False, gated: str | bool = False
    ) -> None:
        self.name, self.objects = name, objects
        self.private, self.gated = private, gated
        self.granted: set[str] = set()
        """Names of the users who may read the files while it is gated."""
        self.commits: dict[str, Commit] = {}
        self.branches: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.pulls: dict[int, dict[str, Any]] = {}
        self.lock = threading.RLock()
        self._numbers = itertools.count()
        first = self._add(None, "initial commit", "", {})
        self.branches["main"] = first.id

    def history(self, revision: str = "main") -> list[Commit]:
        """The commits of a revision, the newest first."""
        found = [self.resolve(revision)]
        while found[-1].parent:
            found.append(self.commits[found[-1].parent])
        return found

    def resolve(self, revision: str) -> Commit:
        """The commit of a branch, tag, `refs/pr/N` or its own id."""
        pull = re.fullmatch(r"refs/pr/(\d+)", revision)
        if pull and int(pull[1]) in self.pulls:
            return self.commits[self.pulls[int(pull[1])]["head"]]
        name = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        id = self.branches.get(name) or self.tags.get(name)
        if id is None and IS_COMMIT.fullmatch(name) and name in self.commits:
            id = name
        if id is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return self.commits[id]

    def last_change(self, head: Commit, path: str) -> Commit:
        """The commit that brought a file as it is at `head`."""
        while head.parent and self.commits[head.parent].tree.get(path) == head.tree[path]:
            head = self.commits[head.parent]
        return head

    def content(self, entry: Entry) -> bytes:
        return self.objects.get(entry.sha256 or self._regular(entry.oid))

    def preupload(self, revision: str, files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """How each file is to be sent, and what stands there now."""
        tree = self.resolve(revision).tree
        said = []
        for file in files:
            sample = base64.b64decode(file.get("sample", ""))
            large = is_large(file["path"], file["size"], sample)
            there = tree.get(file["path"])
            oid = (there.sha256 if large else there.oid) if there else None
            mode = "lfs" if large else "regular"
            said.append(
                {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}
            )
        return said

    def commit(self, revision: str, lines: Sequence[Mapping[str, Any]]) -> Commit:
        """Applies the lines of a commit's body to a branch; 412 when its parent is not the head."""
        header = next(line["value"] for line in lines if line["key"] == "header")
        with self.lock:
            head = self.resolve(revision)
            parent = header.get("parentCommit")
            if parent and parent != head.id:
                raise Refused(412, "PreconditionFailed", "A commit has happened since")
            tree = dict(head.tree)
            for line in lines:
                self._apply(tree, line["key"], line["value"])
            new = self._add(head.id, header["summary"], header.get("description") or "", tree)
            pull = re.fullmatch(r"refs/pr/(\d+)", revision)
            if pull:
                self.pulls[int(pull[1])]["head"] = new.id
            else:
                self.branches[revision.removeprefix("refs/heads/")] = new.id
            return new

    def add_tag(self, name: str, revision: str) -> None:
        with self.lock:
            if name in self.tags:
                raise Refused(409, "Conflict", f"Tag reference exists already: {name}")
            self.tags[name] = self.resolve(revision).id

    def add_branch(self, name: str, revision: str) -> None:
        with self.lock:
            if name in self.branches:
                raise Refused(409, "Conflict", f"Reference already exists: {name}")
            self.branches[name] = self.resolve(revision).id

    def open_pull(self, title: str) -> int:
        with self.lock:
            number = len(self.pulls) + 1
            self.pulls[number] = {"title": title, "head": self.branches["main"], "status": "draft"}
            return number

    def merge_pull(self, number: int) -> Commit:
        """Brings what a pull request changed to main as one commit; 409 when main has changed the
        same.
        """
        with self.lock:
            pull, main = self.pulls[number], self.resolve("main")
            if pull["status"] != "open":
                raise Refused(409, "Conflict", f"this pull request is {pull['status']}")
            of_main = {commit.id for commit in self.history()}
            commits = self.history(f"refs/pr/{number}")
            base = next(commit for commit in commits if commit.id in of_main).tree
            head, tree = commits[0].tree, dict(main.tree)
            for path in {p for p in {*head, *base} if head.get(p) != base.get(p)}:
                if main.tree.get(path) not in (base.get(path), head.get(path)):
                    raise Refused(409, "Conflict", f"main has changed {path}")
                tree.pop(path, None)
                tree |= {path: head[path]} if path in head else {}
            new = self._add(main.id, f"{pull['title']} (#{number})", "", tree)
            self.branches["main"], pull["status"] = new.id, "merged"
            return new

    def squash(self, branch: str, message: str) -> None:
        with self.lock:
            head = self.resolve(branch)
            self.branches[branch] = self._add(None, message, "", head.tree).id

    def _add(
        self, parent: str | None, title: str, message: str, tree: Mapping[str, Entry]
    ) -> Commit:
        said = json.dumps([parent, title, sorted(tree.items()), next(self._numbers)])
        commit = Commit(hashlib.sha1(said.encode()).hexdigest(), parent, title, message, tree)
        self.commits[commit.id] = commit
        return commit

    def _apply(self, tree: dict[str, Entry], key: str, value: Mapping[str, Any]) -> None:
        path = value.get("path", "")
        if key == "file":
            content = base64.b64decode(value["content"])
            self.objects.put(self._remember(content), content)
            tree[path] = Entry(blob_sha1(content), len(content))
        elif key == "lfsFile":
            sha256 = value["oid"]
            if not self.objects.has(sha256):
                raise Refused(400, "BadRequest", f"the object of {path} was not uploaded: {sha256}")
            size = self.objects.size(sha256)
            tree[path] = Entry(blob_sha1(pointer(sha256, size)), size, sha256)
        elif key == "deletedFile":
            if tree.pop(path, None) is None:
                raise Refused(400, "BadRequest", f"there is no file {path}")
        elif key == "deletedFolder":
            for inside in [p for p in tree if p.startswith(path.rstrip("/") + "/")]:
                del tree[inside]

    def _remember(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        (self.objects.folder / f"{blob_sha1(content)}.blob").write_text(sha256)
        return sha256

    def _regular(self, oid: str) -> str:
        return (self.objects.folder / f"{oid}.blob").read_text()


def inside(tree: Mapping[str, Entry], folder: str, *, recursive: bool) -> Iterator[str]:
    """The paths of a folder in order; of what lies deeper only the next folder, with a slash."""
    start = f"{folder.strip('/')}/" if folder.strip("/") else ""
    seen: set[str] = set()
    for path in sorted(tree):
        if not path.startswith(start):
            continue
        first, slash, _ = path[len(start) :].partition("/")
        if slash and f"{start}{first}/" not in seen:
            seen.add(f"{start}{first}/")
            yield f"{start}{first}/"
        if recursive or not slash:
            yield path
