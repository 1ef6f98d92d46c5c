"""The Hub's own addresses, as far as the clients call them."""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlencode

from tests.servers.hub_answers import card_data, is_true, large, pull_request, tags_of
from tests.servers.hub_http import Handler
from tests.servers.hub_repository import (
    Commit,
    Refused,
    Repository,
    blob_sha1,
    inside,
)

PAGE = 1_000
"""Entries of a tree in one answer, as the Hub has it."""

ROUTES: list[tuple[str, re.Pattern[str], str]] = []


def route(method: str, path: str) -> Callable[[Any], Any]:
    """Names the method and the raw path that a function answers; T and P as in the Hub's API."""

    bases = {"T": "/api/datasets/(?P<repo>[^/]+/[^/]+)", "P": "/datasets/(?P<repo>[^/]+/[^/]+?)"}

    def remember(function: Any) -> Any:
        pattern = bases.get(path[0], path[0]) + path[1:]
        ROUTES.append((method, re.compile(pattern), function.__name__))
        return function

    return remember


class Caller(NamedTuple):
    """Who a token belongs to, and what it may do."""

    name: str
    role: str


OWNER = "org"
TOKENS = {
    "hf_writer": Caller(OWNER, "write"),
    "hf_reader": Caller(OWNER, "read"),
    "hf_stranger": Caller("stranger", "write"),
}


class HubHandler(Handler):
    """The Hub's own addresses, as far as the clients call them."""

    def _answer(self) -> None:
        method = "GET" if self.command == "HEAD" else self.command
        for wanted, pattern, name in ROUTES:
            if wanted == method and (found := pattern.fullmatch(self.raw_path)):
                groups = {k: unquote(v) for k, v in found.groupdict().items() if v is not None}
                getattr(self, name)(**groups)
                return
        raise Refused(404, "RepoNotFound", f"no such address: {self.command} {self.raw_path}")

    def _caller(self) -> Caller | None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip()
        if not token:
            return None
        if token not in TOKENS:
            raise Refused(401, "Unauthorized", "Invalid username or password.")
        return TOKENS[token]

    def _repository(self, name: str, *, write: bool = False, files: bool = False) -> Repository:
        """The dataset, if the caller may do what it asks for: see it, write, read the files."""
        caller = self._caller()
        repository = self.hub.repositories.get(name)
        stranger = caller is None or caller.name != OWNER
        if repository is None or (repository.private and stranger):
            status = 401 if caller is None else 404
            raise Refused(status, "RepoNotFound", "Repository not found")
        if write and (caller is None or stranger or caller.role != "write"):
            status = 401 if caller is None else 403
            raise Refused(status, "Forbidden", "you may only read, with this token")
        granted = not stranger or (caller and caller.name in repository.granted)
        if files and repository.gated and not granted:
            status = 401 if caller is None else 403
            raise Refused(status, "GatedRepo", "Access to this dataset is restricted")
        return repository

    @property
    def said(self) -> dict[str, Any]:
        return json.loads(self.body) if self.body else {}

    @route("GET", "/api/whoami-v2")
    def whoami(self) -> None:
        caller = self._caller()
        if caller is None:
            raise Refused(401, "Unauthorized", "Invalid username or password.")
        role = {"accessToken": {"role": caller.role}}
        self._json({"type": "user", "name": caller.name, "orgs": [], "auth": role})

    @route("POST", "/api/repos/create")
    def create(self) -> None:
        caller, said = self._caller(), self.said
        name = f"{said.get('organization') or (caller and caller.name)}/{said['name']}"
        if caller is None or caller.role != "write" or not name.startswith(f"{caller.name}/"):
            status = 401 if caller is None else 403
            raise Refused(status, "Forbidden", f"this token may not create {name}")
        private = said.get("visibility") == "private" or bool(said.get("private"))
        answer = {"url": f"{self.hub.address}/datasets/{name}", "name": name}
        try:
            self.hub.create(name, private=private)
        except Refused as refused:
            self._json(answer | {"error": refused.args[2]}, refused.args[0])
            return
        self._json(answer)

    @route("DELETE", "/api/repos/delete")
    def delete(self) -> None:
        name = f"{self.said.get('organization') or 'org'}/{self.said['name']}"
        self._repository(name, write=True)
        del self.hub.repositories[name]
        self._json({})

    @route("PUT", "T/settings")
    def settings(self, repo: str) -> None:
        repository = self._repository(repo, write=True)
        said = self.said
        if "gated" in said:
            if said["gated"] not in ("auto", "manual", False):
                raise Refused(400, "BadRequest", f"gated: {said['gated']}")
            repository.gated = said["gated"]
        if "visibility" in said or "private" in said:
            repository.private = said.get("visibility") == "private" or bool(said.get("private"))
        self._json({})

    @route("POST", "/api/validate-yaml")
    def validate(self) -> None:
        errors = []
        try:
            card_data(self.said["content"])
        except ValueError as error:
            errors.append({"message": str(error)})
        self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

    @route("GET", "T(?:/revision/(?P<revision>[^/]+))?")
    def info(self, repo: str, revision: str = "main") -> None:
        repository = self._repository(repo)
        head = repository.resolve(revision)
        card = head.tree.get("README.md")
        about = card_data(repository.content(card).decode()) if card else {}
        self._json(
            {
                **{"id": repo, "sha": head.id, "private": repository.private},
                **{"cardData": about, "tags": tags_of(about)},
                **{"gated": repository.gated, "disabled": False, "downloads": 0, "likes": 0},
                **{"lastModified": head.date, "createdAt": repository.history()[-1].date},
                "siblings": [
                    {"rfilename": path, "size": entry.size, "blobId": entry.oid}
                    | ({"lfs": large(entry)} if entry.sha256 else {})
                    for path, entry in sorted(head.tree.items())
                ],
            }
        )

    @route("GET", "T/refs")
    def refs(self, repo: str) -> None:
        found = self._repository(repo)

        def listed(kind: str, names: Mapping[str, str]) -> list[dict[str, str]]:
            return [
                {"name": n, "ref": f"refs/{kind}/{n}", "targetCommit": c} for n, c in names.items()
            ]

        self._json(
            {
                **{"branches": listed("heads", found.branches), "tags": listed("tags", found.tags)},
                **{"converts": [], "pullRequests": []},
            }
        )

    @route("POST", "T/tag/(?P<revision>[^/]+)")
    def tag(self, repo: str, revision: str) -> None:
        self._repository(repo, write=True).add_tag(self.said["tag"], revision)
        self._json({})

    @route("DELETE", "T/tag/(?P<name>[^/]+)")
    def untag(self, repo: str, name: str) -> None:
        if self._repository(repo, write=True).tags.pop(name, None) is None:
            raise Refused(404, "RevisionNotFound", f"there is no tag {name}")
        self._json({})

    @route("POST", "T/branch/(?P<name>[^/]+)")
    def branch(self, repo: str, name: str) -> None:
        start = self.said.get("startingPoint") or "main"
        self._repository(repo, write=True).add_branch(name, start)
        self._json({})

    @route("DELETE", "T/branch/(?P<name>[^/]+)")
    def unbranch(self, repo: str, name: str) -> None:
        if self._repository(repo, write=True).branches.pop(name, None) is None:
            raise Refused(404, "RevisionNotFound", f"there is no branch {name}")
        self._json({})

    @route("GET", "T/tree/(?P<revision>[^/]+)(?:/(?P<path>.*))?")
    def tree(self, repo: str, revision: str, path: str = "") -> None:
        head = self._repository(repo).resolve(revision)
        tree = head.tree
        recursive = is_true(self.query.get("recursive"))
        paths = list(inside(tree, path, recursive=recursive))
        if path and not paths:
            raise Refused(404, "EntryNotFound", f"{path} does not exist on {revision}")
        start = int(self.query.get("cursor", ["0"])[0])
        headers = {}
        if start + PAGE < len(paths):
            asked = {k: v[0] for k, v in self.query.items()} | {"cursor": str(start + PAGE)}
            more = f"{self.hub.address}{self.raw_path}?{urlencode(asked)}"
            headers["Link"] = f'<{more}>; rel="next"'
        expand = is_true(self.query.get("expand"))
        page = paths[start : start + PAGE]
        self._json([self._item(repo, head, p, expand=expand) for p in page], headers=headers)

    @route("POST", "T/paths-info/(?P<revision>[^/]+)")
    def paths_info(self, repo: str, revision: str) -> None:
        head = self._repository(repo).resolve(revision)
        if "json" in (self.headers.get("Content-Type") or ""):
            wanted, expand = self.said["paths"], bool(self.said.get("expand"))
        else:
            form = parse_qs(self.body.decode())
            wanted, expand = form.get("paths", []), is_true(form.get("expand"))
        found = []
        for path in [wanted] if isinstance(wanted, str) else wanted:
            if path in head.tree:
                found.append(path)
            elif any(inside(head.tree, path, recursive=False)):
                found.append(f"{path.rstrip('/')}/")
        self._json([self._item(repo, head, path, expand=expand) for path in found])

    @route("GET", "T/commits/(?P<revision>[^/]+)")
    def commits(self, repo: str, revision: str) -> None:
        history = self._repository(repo).history(revision)
        self._json(
            [
                {"id": c.id, "title": c.title, "message": c.message, "date": c.date, "authors": []}
                for c in history
            ]
        )

    @route("POST", "T/preupload/(?P<revision>[^/]+)")
    def preupload(self, repo: str, revision: str) -> None:
        repository = self._repository(repo, write=True)
        self._json({"files": repository.preupload(revision, self.said["files"])})

    @route("POST", r"P\.git/info/lfs/objects/batch")
    def batch(self, repo: str) -> None:
        self._repository(repo, write=True)
        self._json({"objects": [self._object(o) for o in self.said["objects"]]})

    @route("POST", "T/commit/(?P<revision>[^/]+)")
    def commit(self, repo: str, revision: str) -> None:
        repository = self._repository(repo, write=True)
        lines = [json.loads(line) for line in self.body.splitlines() if line.strip()]
        if "create_pr" in self.query:
            title = next(line["value"]["summary"] for line in lines if line["key"] == "header")
            revision = f"refs/pr/{repository.open_pull(title)}"
        if self.fault and self.fault.lose_object:
            large_files = [x["value"]["oid"] for x in lines if x["key"] == "lfsFile"]
            for sha256 in large_files[:1]:
                self.hub.forget(sha256)
        new = repository.commit(revision, lines)
        if self.hub.watch:
            self.hub.watch(repository, revision, new)
        url = f"{self.hub.address}/datasets/{repo}"
        answer: dict[str, Any] = {"commitOid": new.id, "commitUrl": f"{url}/commit/{new.id}"}
        if pull := re.fullmatch(r"refs/pr/(\d+)", revision):
            answer["pullRequestUrl"] = f"{url}/discussions/{pull[1]}"
        self._json({"success": True, **answer})

    @route("POST", "T/super-squash/(?P<revision>[^/]+)")
    def squash(self, repo: str, revision: str) -> None:
        message = self.said.get("message") or "Super-squash"
        self._repository(repo, write=True).squash(revision, message)
        self._json({})

    @route("POST", "T/discussions")
    def discuss(self, repo: str) -> None:
        repository = self._repository(repo, write=True)
        self._json(pull_request(repository, repository.open_pull(self.said["title"])))

    @route("GET", r"T/discussions/(?P<number>\d+)")
    def discussion(self, repo: str, number: str) -> None:
        repository = self._repository(repo)
        if int(number) not in repository.pulls:
            raise Refused(404, "EntryNotFound", f"there is no discussion {number}")
        self._json(pull_request(repository, int(number)))

    @route("GET", "T/discussions")
    def discussions(self, repo: str) -> None:
        repository = self._repository(repo)
        found = [pull_request(repository, number) for number in sorted(repository.pulls)]
        self._json({"count": len(found), "start": 0, "discussions": found})

    @route("POST", r"T/discussions/(?P<number>\d+)/status")
    def discussion_status(self, repo: str, number: str) -> None:
        repository = self._repository(repo, write=True)
        status = repository.pulls[int(number)]["status"] = self.said["status"]
        event = {"id": f"{number}0", "type": "status-change", "data": {"status": status}}
        of = pull_request(repository, int(number))
        self._json({"newStatus": event | {"author": of["author"], "createdAt": of["createdAt"]}})

    @route("POST", r"T/discussions/(?P<number>\d+)/merge")
    def merge(self, repo: str, number: str) -> None:
        repository = self._repository(repo, write=True)
        new = repository.merge_pull(int(number))
        if self.hub.watch:
            self.hub.watch(repository, "main", new)
        self._json({})

    @route("GET", "T/xet-write-token/(?P<revision>[^/]+)")
    def xet_write(self, repo: str, revision: str) -> None:
        self._repository(repo, write=True)
        self._xet_token(self.hub.xet_store.url)

    @route("GET", "T/xet-read-token/(?P<revision>[^/]+)")
    def xet_read(self, repo: str, revision: str) -> None:
        self._repository(repo, files=True).resolve(revision)
        self._xet_token(self.hub.xet_store.copy())

    def _xet_token(self, url: str) -> None:
        token, until = "xet-token", int(time.time()) + 3_600
        headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": token}
        headers["X-Xet-Token-Expiration"] = str(until)
        self._json({"casUrl": url, "exp": until, "accessToken": token}, headers=headers)

    @route("GET", "P/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    def resolve(self, repo: str, revision: str, path: str) -> None:
        repository = self._repository(repo, files=True)
        head = repository.resolve(revision)
        entry = head.tree.get(path)
        if entry is None:
            self._json({}, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": head.id})
            return
        if entry.sha256 is None:
            content = repository.content(entry)
            tag = {"ETag": f'"{blob_sha1(content)}"', "X-Repo-Commit": head.id}
            self._content(content, tag)
            return
        headers = {
            "Location": f"{self.hub.object_address}/object/{entry.sha256}",
            "X-Repo-Commit": head.id,
            "X-Linked-Etag": f'"{entry.sha256}"',
            "X-Linked-Size": str(entry.size),
        }
        if file := self.hub.xet_store.file(entry.sha256):
            url = f"{self.hub.address}/api/datasets/{repo}/xet-read-token/{head.id}"
            headers |= {"X-Xet-Hash": file.hash, "Link": f'<{url}>; rel="xet-auth"'}
        self._send(302, b"", headers)

    def _object(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What the client is to do with one large file; without `actions` it is there."""
        sha256 = asked["oid"]
        if self.hub.objects.has(sha256):
            return dict(asked)
        base, part_bytes = self.hub.object_address, self.hub.multipart_bytes
        upload: dict[str, Any] = {"href": f"{base}/object/{sha256}"}
        if asked["size"] > part_bytes:
            parts = range(1, math.ceil(asked["size"] / part_bytes) + 1)
            header = {str(n): f"{base}/part/{sha256}/{n}" for n in parts}
            header["chunk_size"] = str(part_bytes)
            upload = {"href": f"{base}/complete/{sha256}", "header": header}
        verify = {"href": f"{base}/verify/{sha256}"}
        return {**asked, "actions": {"upload": upload, "verify": verify}}

    def _item(self, repo: str, head: Commit, path: str, *, expand: bool) -> dict[str, Any]:
        """A file, or a folder with a slash at its end, as the tree has it."""
        if path.endswith("/"):
            name = path.rstrip("/")
            oid = hashlib.sha1(name.encode()).hexdigest()
            return {"type": "directory", "path": name, "oid": oid, "size": 0}
        entry = head.tree[path]
        found = {"type": "file", "path": path, "oid": entry.oid, "size": entry.size}
        if entry.sha256:
            found["lfs"] = large(entry)
            if file := self.hub.xet_store.file(entry.sha256):
                found["xetHash"] = file.hash
        if expand:
            last = self.hub.repositories[repo].last_change(head, path)
            found["lastCommit"] = {"id": last.id, "title": last.title, "date": last.date}
        return found
