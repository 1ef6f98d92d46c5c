"""A Hub on the loopback, for the real clients: commits, refs, large files, Xet, faults, a byte log.

    with Hub(folder) as hub:
        hub.environment            # what a client's process needs: HF_ENDPOINT, HF_TOKEN, …
        hub.faults.append(Fault("POST", "/commit/", status=503, times=2))
        hub.repositories["org/sums"].history()

To try a publish by hand, as a process of its own; it says what to type first:

    python -m tests.servers.hub FOLDER [--xet] [--multipart-mb 5]

Two servers, because the client takes the names of large files from a redirect only when it leads to
another host: the Hub itself on 127.0.0.1, the objects on localhost.
"""

from __future__ import annotations

import argparse
import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.servers.hub_api import HubHandler
from tests.servers.hub_faults import Fault, Logged
from tests.servers.hub_http import ObjectHandler
from tests.servers.hub_repository import Commit, Objects, Refused, Repository
from tests.servers.hub_xet import XetStore

__all__ = ["Fault", "Hub", "Logged", "files_of"]
MULTIPART_BYTES = 5_000_000_000
"""From here on the real Hub takes a large file in parts."""


class Hub:
    """The servers and what they keep in `folder`; a context.

    xet: `environment` lets the clients use Xet, else they are told to use LFS. Both always work.
    """

    def __init__(
        self, folder: Path, *, xet: bool = False, multipart_bytes: int = MULTIPART_BYTES
    ) -> None:
        self.folder = folder
        self.xet, self.multipart_bytes = xet, multipart_bytes
        self.xet_store = XetStore(folder / "xet")
        self.objects = Objects(folder / "objects", self.xet_store)
        self.repositories: dict[str, Repository] = {}
        self.faults: list[Fault] = []
        self.struck_by: list[Fault] = []
        self.log: list[Logged] = []
        self.lost: list[str] = []
        """sha256 of the objects that a fault made it forget."""
        self.watch: Callable[[Repository, str, Commit], None] | None = None
        """Called with (repository, revision, commit) when a commit was made, before its answer."""
        self.lock = threading.RLock()
        self._servers: list[ThreadingHTTPServer] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Hub:
        for handler, host in ((HubHandler, "127.0.0.1"), (ObjectHandler, "localhost")):
            bound: Any = type("Bound", (handler,), {"hub": self})
            server = Server((host, 0), bound)
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
            "HF_HUB_DISABLE_XET": "0" if self.xet else "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }

    def create(self, name: str, *, private: bool = False, gated: str | bool = False) -> Repository:
        with self.lock:
            if name in self.repositories:
                raise Refused(409, "Conflict", "You already created this dataset repo")
            new = Repository(name, self.objects, private=private, gated=gated)
            self.repositories[name] = new
            return new

    def struck(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets."""
        with self.lock:
            fault = next((f for f in self.faults if f.strikes(method, path)), None)
            if fault:
                self.struck_by.append(fault)
            return fault

    def forget(self, sha256: str) -> None:
        """Loses a large file, unless a commit has it."""
        with self.lock:
            trees = (c.tree for r in self.repositories.values() for c in r.commits.values())
            if not any(entry.sha256 == sha256 for tree in trees for entry in tree.values()):
                self.lost.append(sha256)
                self.objects.remove(sha256)

    def sent(self, method: str = "", path: str = "") -> list[Logged]:
        """The requests of this method whose path matches."""
        log = list(self.log)
        return [x for x in log if x.method == (method or x.method) and re.search(path, x.path)]

    def uploaded_bytes(self) -> int:
        """What came into the stores: bodies of LFS objects, and chunks that were new to Xet."""
        bodies = sum(x.bytes_in for x in self.sent("PUT", "^/(object|part)/"))
        return bodies + self.xet_store.stored_bytes()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error of the server; everything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def files_of(hub: Hub, name: str, revision: str = "main") -> Iterator[tuple[str, bytes]]:
    """The files that stand at a revision, for tests that look from inside."""
    repository = hub.repositories[name]
    for path, entry in sorted(repository.resolve(revision).tree.items()):
        yield path, repository.content(entry)


def main(arguments: list[str] | None = None) -> None:
    """Serves until it is stopped."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.hub")
    parser.add_argument("folder", type=Path, help="where objects and chunks are kept")
    parser.add_argument("--xet", action="store_true", help="clients upload by Xet")
    parser.add_argument("--multipart-mb", type=float, default=MULTIPART_BYTES / 1e6)
    said = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    parts = int(said.multipart_mb * 1e6)
    with Hub(said.folder.resolve(), xet=said.xet, multipart_bytes=parts) as hub:
        lines = [f"export {name}={shlex.quote(v)}" for name, v in hub.environment.items()]
        sys.stdout.write("\n".join([*lines, ""]))
        sys.stdout.flush()
        stopped.wait()


if __name__ == "__main__":
    main()
