"""A Hub on the loopback, for the real clients: commits, refs, large files, faults, a byte log.

    with Hub(folder) as hub:
        hub.environment            # what a client's process needs: HF_ENDPOINT, HF_TOKEN, …
        hub.faults.append(Fault("POST", "/commit/", status=503, times=2))
        hub.repositories["org/sums"].history()

Two servers, because the client takes the names of large files from a redirect only when it leads to
another host: the Hub itself on 127.0.0.1, the objects on localhost.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.hub_repository import Objects, Refused, Repository, blob_sha1, inside

TOKENS = {"hf_writer": "write", "hf_reader": "read"}
PAGE = 1_000
"""Entries of a tree in one answer, as the Hub has it."""


@dataclass
class Fault:
    """What goes wrong with requests that match; `after` such requests, `times` times."""

    method: str
    path: str
    """A regular expression, searched in the decoded path."""
    status: int | None = None
    """Refuse so, before anything is done; None: do the work and cut the connection."""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: int = 0
    times: int = 1
    cut_body: bool = False
    """Close the connection in the middle of the request's body."""
    before: Callable[[], None] | None = None
    """Called first: somebody else's commit, say."""

    def strikes(self, method: str, path: str) -> bool:
        if method != self.method or not re.search(self.path, path) or self.times <= 0:
            return False
        self.after -= 1
        if self.after >= 0:
            return False
        self.times -= 1
        return True


class Logged(NamedTuple):
    method: str
    path: str
    status: int
    bytes_in: int
    bytes_out: int


class Hub:
    """The servers and what they keep in `folder`; a context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = Objects(folder / "objects")
        self.repositories: dict[str, Repository] = {}
        self.faults: list[Fault] = []
        self.log: list[Logged] = []
        self.lock = threading.RLock()
        self._servers: list[ThreadingHTTPServer] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Hub:
        for handler, host in ((HubHandler, "127.0.0.1"), (ObjectHandler, "localhost")):
            bound: Any = type("Bound", (handler,), {"hub": self})
            server = ThreadingHTTPServer((host, 0), bound)
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            self._servers.append(server)
            self._threads.append(thread)
        return self

    def __exit__(self, *error: object) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].server_port}"

    @property
    def object_address(self) -> str:
        return f"http://localhost:{self._servers[1].server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """For a client's process, which reads it when it imports huggingface_hub."""
        return {
            "HF_ENDPOINT": self.address,
            "HF_TOKEN": "hf_writer",
            "HF_HOME": str(self.folder / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }

    def create(self, name: str, *, private: bool = False) -> Repository:
        with self.lock:
            if name in self.repositories:
                raise Refused(409, "Conflict", "You already created this dataset repo")
            self.repositories[name] = Repository(name, self.objects, private=private)
            return self.repositories[name]

    def sent(self, method: str = "", path: str = "") -> list[Logged]:
        """The requests of this method whose path matches."""
        log = list(self.log)
        return [x for x in log if x.method == (method or x.method) and re.search(path, x.path)]

    def uploaded_bytes(self) -> int:
        """What came into the object store."""
        return sum(x.bytes_in for x in self.sent("PUT", "/object/"))


class Cut(Exception):
    """The connection is to be closed without an answer."""


class Handler(BaseHTTPRequestHandler):
    """Reads every body whole, answers with a length, and keeps the log."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the hub keeps a log of its own."""

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _serve(self) -> None:
        url = urlsplit(self.path)
        self.raw_path, self.query = url.path, parse_qs(url.query, keep_blank_values=True)
        self.decoded = unquote(url.path)
        self.body, self._answered = b"", (0, 0)
        with self.hub.lock:
            fault = next(
                (f for f in self.hub.faults if f.strikes(self.command, self.decoded)), None
            )
        try:
            if fault and fault.cut_body:
                self.rfile.read(min(1_000, int(self.headers.get("Content-Length") or 0)))
                raise Cut
            self.body = self._read_body()
            if fault and fault.before:
                fault.before()
            if fault and fault.status:
                self._refuse(fault.status, "Fault", "a fault of the test", fault.headers)
            else:
                self._silent = bool(fault) and fault.before is None
                self._answer()
        except Refused as refused:
            self._refuse(*refused.args)
        except (Cut, ConnectionError):
            self.close_connection = True
        finally:
            status, sent = self._answered
            self.hub.log.append(Logged(self.command, self.decoded, status, len(self.body), sent))

    def _answer(self) -> None:
        raise NotImplementedError

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _json(self, value: Any, status: int = 200, headers: Mapping[str, str] = {}) -> None:
        said = {"Content-Type": "application/json", **headers}
        self._send(status, json.dumps(value).encode(), said)

    def _refuse(
        self, status: int, code: str, text: str, headers: Mapping[str, str] | None = None
    ) -> None:
        said = {"X-Error-Code": code, "X-Error-Message": text, **(headers or {})}
        self._silent = False
        self._json({"error": text}, status, said)

    def _content(self, content: bytes, headers: Mapping[str, str]) -> None:
        """A file or the part of it that is asked for."""
        headers = {**headers, "Accept-Ranges": "bytes"}
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if part is None:
            self._send(200, content, headers)
            return
        first, last = int(part[1]), min(int(part[2] or len(content)), len(content) - 1)
        if first >= len(content):
            self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._send(206, content[first : last + 1], headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        if self._silent:
            raise Cut
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self._answered = (status, len(body))

    _silent = False


class ObjectHandler(Handler):
    """The store of large files: `/object/SHA256`."""

    def _answer(self) -> None:
        sha256 = self.decoded.rpartition("/")[2]
        if self.command == "PUT":
            self.hub.objects.put(sha256, self.body)
            self._send(200, b"", {"ETag": f'"{sha256}"'})
        elif self.command == "POST":  # verify
            if not self.hub.objects.has(json.loads(self.body)["oid"]):
                raise Refused(404, "EntryNotFound", "the object is not there")
            self._json({})
        elif self.hub.objects.has(sha256):
            self._content(self.hub.objects.get(sha256), {"ETag": f'"{sha256}"'})
        else:
            raise Refused(404, "EntryNotFound", "the object is not there")


ROUTES: list[tuple[str, re.Pattern[str], str]] = []


def route(method: str, path: str) -> Callable[[Any], Any]:
    """Names the method and the raw path that a function answers; T and P as in the Hub's API."""

    bases = {"T": "/api/datasets/(?P<repo>[^/]+/[^/]+)", "P": "/datasets/(?P<repo>[^/]+/[^/]+?)"}

    def remember(function: Any) -> Any:
        pattern = bases.get(path[0], path[0]) + path[1:]
        ROUTES.append((method, re.compile(pattern), function.__name__))
        return function

    return remember


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

    def _right(self) -> str | None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip()
        if not token:
            return None
        if token not in TOKENS:
            raise Refused(401, "Unauthorized", "Invalid username or password.")
        return TOKENS[token]

    def _repository(self, name: str, *, write: bool = False) -> Repository:
        right = self._right()
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and right is None):
            status = 401 if right is None else 404
            raise Refused(status, "RepoNotFound", "Repository not found")
        if write and right != "write":
            raise Refused(403, "Forbidden", "this token may only read")
        return repository

    @property
    def said(self) -> dict[str, Any]:
        return json.loads(self.body) if self.body else {}

    @route("GET", "/api/whoami-v2")
    def whoami(self) -> None:
        right = self._right()
        if right is None:
            raise Refused(401, "Unauthorized", "Invalid username or password.")
        self._json(
            {"type": "user", "name": "org", "orgs": [], "auth": {"accessToken": {"role": right}}}
        )

    @route("POST", "/api/repos/create")
    def create(self) -> None:
        if self._right() != "write":
            raise Refused(403, "Forbidden", "this token may not create")
        said = self.said
        name = f"{said.get('organization') or 'org'}/{said['name']}"
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
        if "gated" in self.said:
            repository.gated = self.said["gated"]
        if "visibility" in self.said or "private" in self.said:
            repository.private = self.said.get("visibility") == "private" or bool(
                self.said.get("private")
            )
        self._json({})

    @route("POST", "/api/validate-yaml")
    def validate(self) -> None:
        import yaml

        found = re.match(r"\s*---\r?\n(.*?)\r?\n---", self.said["content"], re.DOTALL)
        errors = []
        try:
            said = yaml.safe_load(found[1]) if found else {}
            if not isinstance(said or {}, dict):
                errors.append({"message": "the metadata is not a mapping"})
        except yaml.YAMLError as error:
            errors.append({"message": str(error)})
        self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

    @route("GET", "T(?:/revision/(?P<revision>[^/]+))?")
    def info(self, repo: str, revision: str = "main") -> None:
        repository = self._repository(repo)
        head = repository.resolve(revision)
        self._json(
            {
                **{"id": repo, "sha": head.id, "private": repository.private, "tags": []},
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
        tree = self._repository(repo).resolve(revision).tree
        recursive = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        paths = list(inside(tree, path, recursive=recursive))
        if path and not paths:
            raise Refused(404, "EntryNotFound", f"{path} does not exist on {revision}")
        start = int(self.query.get("cursor", ["0"])[0])
        headers = {}
        if start + PAGE < len(paths):
            more = f"{self.hub.address}{self.raw_path}?recursive={recursive}&cursor={start + PAGE}"
            headers["Link"] = f'<{more}>; rel="next"'
        self._json([item(tree, p) for p in paths[start : start + PAGE]], headers=headers)

    @route("POST", "T/paths-info/(?P<revision>[^/]+)")
    def paths_info(self, repo: str, revision: str) -> None:
        tree = self._repository(repo).resolve(revision).tree
        if "json" in (self.headers.get("Content-Type") or ""):
            wanted = self.said["paths"]
        else:
            wanted = parse_qs(self.body.decode()).get("paths", [])
        found = []
        for path in [wanted] if isinstance(wanted, str) else wanted:
            if path in tree:
                found.append(item(tree, path))
            elif any(inside(tree, path, recursive=False)):
                found.append(item(tree, f"{path.rstrip('/')}/"))
        self._json(found)

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
        new = repository.commit(revision, lines)
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

    @route("GET", "P/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    def resolve(self, repo: str, revision: str, path: str) -> None:
        repository = self._repository(repo)
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
        self._send(302, b"", headers)

    def _object(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What the client is to do with one large file; without `actions` it is there."""
        sha256 = asked["oid"]
        if self.hub.objects.has(sha256):
            return dict(asked)
        href = f"{self.hub.object_address}/object/{sha256}"
        verify = {"href": f"{self.hub.object_address}/verify/{sha256}"}
        return {**asked, "actions": {"upload": {"href": href}, "verify": verify}}


def large(entry: Any) -> dict[str, Any]:
    return {"oid": entry.sha256, "sha256": entry.sha256, "size": entry.size, "pointerSize": 134}


def item(tree: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A file or folder as the tree has it."""
    if path.endswith("/"):
        name = path.rstrip("/")
        oid = hashlib.sha1(name.encode()).hexdigest()
        return {"type": "directory", "path": name, "oid": oid, "size": 0}
    entry = tree[path]
    found = {"type": "file", "path": path, "oid": entry.oid, "size": entry.size}
    return found | ({"lfs": large(entry)} if entry.sha256 else {})


def pull_request(repository: Repository, number: int) -> dict[str, Any]:
    date = repository.resolve("main").date
    return {
        **{"num": number, "title": repository.pulls[number]["title"], "status": "draft"},
        **{"isPullRequest": True, "author": {"name": "org"}, "createdAt": date, "events": []},
        **{"changes": {"base": "refs/heads/main"}, "repo": {"name": repository.name}},
        "url": f"/datasets/{repository.name}/discussions/{number}",
    }


def files_of(hub: Hub, name: str, revision: str = "main") -> Iterator[tuple[str, bytes]]:
    """The files that stand at a revision, for tests that look from inside."""
    repository = hub.repositories[name]
    for path, entry in sorted(repository.resolve(revision).tree.items()):
        yield path, repository.content(entry)
