"""A server on this machine that its users share: the first starts it, it ends with the last.

Users meet in a folder of their own. Each holds a shared lock on `lease`; a watcher process, which
holds `watched`, ends the server when it can lock `lease` for itself alone. The kernel drops a lock
with the process that held it, so a killed user counts as gone. The server (or who starts it) writes
its address to `url`, the watcher how the server ended, if it ended by itself, to `status`.

    python -m curate.engines.lease FOLDER LINGER_S COMMAND…       what the watcher is started as
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import http.client
import os
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from curate.errors import EngineError

URL = "url"
_LEASE, _WATCHED, _STATUS, _WAS_READY = "lease", "watched", "status", "was_ready"
_LOOK_S = 0.25
_SAY_EVERY_S = 10.0
_TERMINATE_S = 10.0
"""After SIGTERM before SIGKILL: vLLM takes about 2 s to end all its processes (measured, CPU)."""
_PR_SET_CHILD_SUBREAPER = 36
_LAUNCHED = "== launched by curate: "

_held: weakref.WeakSet[IO[bytes]] = weakref.WeakSet()


def _close_held() -> None:
    """A forked child shares its parent's locks; it must not hold the engine after the parent."""
    for file in list(_held):
        file.close()


os.register_at_fork(after_in_child=_close_held)


@dataclass(eq=False)
class SharedServer:
    """One server for all processes of this user that say the same `identity`.

    Args:
        title: what it is called in messages.
        linger_s: how long it outlives its last user: one that goes on to its next task finds it.
        start_s: how long it may take until `GET /health` is 200.
        say: gets a line every 10 s while it starts, from the process that started it.
    """

    title: str
    identity: str
    log: Path
    linger_s: float
    start_s: float
    say: Callable[[str], None] | None = None
    url: str | None = None
    _lease: IO[bytes] | None = None
    folder: Path | None = None
    _watcher: subprocess.Popen[bytes] | None = None

    def start(self, command: Callable[[Path], Sequence[str]]) -> str:
        """The address of the running server, started with `command(folder)` if nobody did.

        EngineError when it cannot be, with what its log says.
        """
        folder = self.folder = self._meeting_place()
        lease = self._lease = (folder / _LEASE).open("ab")
        _held.add(lease)
        fcntl.flock(lease, fcntl.LOCK_SH)
        began = said = time.monotonic()
        has_waited = False
        while time.monotonic() - began < self.start_s:
            if self._lease is None:
                raise EngineError(f"{self.title} was closed while it started")
            if mark := _lock(folder / _WATCHED):
                with mark:
                    if self._watcher or (has_waited and _never_came_up(folder)):
                        raise EngineError(self._ended("did not start"))
                    self._launch(folder, command, mark)
            elif url := _ready(folder):
                (folder / _WAS_READY).touch()
                self.url = url
                return url
            has_waited = True
            if self._watcher and self.say and time.monotonic() - said > _SAY_EVERY_S:
                said = time.monotonic()
                last = last_line(self.log) or "nothing in its log yet"
                self.say(f"{self.title} is starting ({said - began:.0f} s): {last}")
            # The embedded model is ready in a second, vLLM in minutes.
            time.sleep(min(0.5, 0.02 + (time.monotonic() - began) / 50))
        raise EngineError(self._ended(f"is not ready after {self.start_s:.0f} s"))

    def is_alive(self) -> bool:
        """False once nothing listens any more."""
        return self.url is not None and listens(self.url)

    def describe_death(self) -> str:
        """One line on a server that is gone."""
        deadline = time.monotonic() + 1.0
        while self.folder and not (self.folder / _STATUS).exists():
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        return f"{self._ended('died')}; run the same command again to continue"

    def close(self) -> None:
        """Gives the lease back; the server ends when nobody else has one."""
        if self._lease is not None:
            self._lease.close()
            self._lease = None
        if self._watcher is not None:
            # It lingers, and others may use it: not ours to wait for, which Popen would warn of.
            self._watcher.returncode = self._watcher.poll() or 0

    def _ended(self, what: str) -> str:
        how = ""
        with contextlib.suppress(OSError, ValueError):
            status = int((self.folder or Path()).joinpath(_STATUS).read_text())
            how = f" (signal {-status})" if status < 0 else f" (exit status {status})"
        reason = telling_line(self.log)
        return f"{self.title} {what}{how}{reason and f': {reason}'}; its log: {self.log}"

    def _meeting_place(self) -> Path:
        name = f"curate-{os.getuid()}-{hashlib.sha256(self.identity.encode()).hexdigest()[:16]}"
        folder = Path(tempfile.gettempdir(), name)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
        except OSError as error:
            raise EngineError(
                f"cannot make {folder} for {self.title}: {error.strerror};"
                " make room, or set TMPDIR to another folder"
            ) from None
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise EngineError(f"{folder} is not a folder of this user; remove it or set TMPDIR")
        return folder

    def _launch(
        self, folder: Path, command: Callable[[Path], Sequence[str]], mark: IO[bytes]
    ) -> None:
        """Starts the watcher, which inherits the lock that says that the server is watched."""
        for name in (URL, _STATUS, _WAS_READY):
            (folder / name).unlink(missing_ok=True)
        words = command(folder)
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            log = self.log.open("ab")
            log.write(f"{_LAUNCHED}{shlex.join(words)}\n".encode())
            log.flush()
        except OSError as error:
            raise EngineError(f"cannot write {self.log}: {error.strerror}") from None
        watch = [sys.executable, "-m", "curate.engines.lease", str(folder), str(self.linger_s)]
        with log:
            self._watcher = subprocess.Popen(
                [*watch, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[mark.fileno()],
            )


def listens(url: str) -> bool:
    """True while a server has its port open, even when it is too busy to take a connection."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=2.0).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return True
    return True


def _ready(folder: Path) -> str | None:
    """The address of the server in `folder` once `GET /health` is 200."""
    try:
        url = (folder / URL).read_text(encoding="utf-8")
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=2.0)
        with contextlib.closing(connection):
            connection.request("GET", "/health")
            return url if connection.getresponse().status == 200 else None
    except (OSError, http.client.HTTPException):
        return None


def _never_came_up(folder: Path) -> bool:
    """True when the last server in `folder` ended by itself while its users waited for it."""
    return (folder / _STATUS).exists() and not (folder / _WAS_READY).exists()


def _lock(path: Path) -> IO[bytes] | None:
    """The file, locked for this process alone; None while somebody else has a lock on it."""
    file = path.open("ab")
    _held.add(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


_PREFIX = re.compile(r"^(\(\w[^()]*\bpid=\d+\) *)?((DEBUG|INFO|WARNING|ERROR) \S+ \S+ \[.*?\] ?)?")
_FAILURE = re.compile(
    r"[\w.]*(Error|Exception|Exit)(:|$)|(\S.*\b)?error: |Fatal |Killed|Aborted"
    r"|.*(exited|died) unexpectedly"
)
_EMPTY = re.compile(r"See root cause above|EngineDeadError|^SystemExit")
"""Failures that only say that there was another one."""


def telling_line(log: Path) -> str:
    """What a server that has ended said of it; empty when it wrote nothing since its start.

    The last line that names a failure, without the prefixes of vLLM's log, else the last line.
    """
    failure = hint = last = ""
    # All of it: a dying vLLM writes a traceback for every request, which may be many megabytes.
    with contextlib.suppress(OSError), log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith(_LAUNCHED):
                failure = hint = last = ""
                continue
            said = _shown(line)
            last = said or last
            if _FAILURE.match(said):
                failure, hint = (failure, said) if _EMPTY.search(said) else (said, hint)
    return (failure or hint or last)[:500]


def last_line(log: Path) -> str:
    """The last line that a server wrote, empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 10_000))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    last = next((said for line in reversed(lines) if (said := _shown(line))), "")
    return "" if last.startswith(_LAUNCHED) else last[:200]


def _shown(line: str) -> str:
    """A line without vLLM's prefix; of a progress bar, which writes over itself, the last state."""
    return _PREFIX.sub("", line.rstrip("\r\n").rpartition("\r")[2]).strip()


def main(folder: Path, linger_s: float, command: Sequence[str]) -> int:
    """Runs the server until it ends or nobody holds the lease; leaves no process of it behind."""
    if sys.platform == "linux":  # orphans among its processes become ours, so none is overlooked
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    server = subprocess.Popen(command, start_new_session=True).pid
    guard = _guard(server)
    with (folder / _LEASE).open("rb") as lease:
        status = _watch(server, lease, linger_s)
        if status is not None:
            part = folder / f"{_STATUS}.part"
            part.write_text(str(status), encoding="utf-8")
            os.replace(part, folder / _STATUS)
        # A lease that nobody has stays locked until all is over: a newcomer waits, and then starts
        # a server of its own.
        _end(server, guard)
        (folder / URL).unlink(missing_ok=True)
    os.kill(guard, signal.SIGKILL)
    return 0


def _watch(server: int, lease: IO[bytes], linger_s: float) -> int | None:
    """Returns how the server ended, or None, with the lease locked, when nobody uses it."""
    last_used = time.monotonic()
    while True:
        if server in (ended := _reap()):
            return ended[server]
        try:
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            last_used = time.monotonic()
        else:
            if time.monotonic() - last_used >= linger_s:
                return None
            fcntl.flock(lease, fcntl.LOCK_UN)
        time.sleep(_LOOK_S)


def _guard(server: int) -> int:
    """A process that ends the server when this one is killed; it reads a pipe that we hold open."""
    read, write = os.pipe()
    guard = os.fork()
    if guard:
        os.close(read)
        return guard
    os.setsid()
    os.close(write)
    os.read(read, 1)
    _end(server, os.getpid())
    os._exit(0)


def _end(server: int, guard: int) -> None:
    """Ends the server's process group and whatever left it: asked first, then killed."""
    for way in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _TERMINATE_S
        told = set()
        while time.monotonic() < deadline:
            _reap()
            # A process of a session of its own is our child as soon as its parent has ended.
            left = [pid for pid in (-server, *_children()) if pid != guard and _signal(pid, 0)]
            if not left:
                return
            for pid in left:
                if pid not in told or way == signal.SIGKILL:
                    _signal(pid, way)
                told.add(pid)
            time.sleep(0.05)


def _signal(pid: int, number: int) -> bool:
    """Sends a signal to a process, or below 0 to a group; False when nobody is there."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _reap() -> dict[int, int]:
    """The children that have ended, with their statuses: an exit code, or the signal below 0."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    return ended


def _children() -> list[int]:
    """This process's children, orphans that fell to it included; none where there is no /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = (
                path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
            )
            if int(parent) == os.getpid():
                found.append(int(path.parent.name))
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
