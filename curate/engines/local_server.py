"""The embedded model as a server: llama.cpp on loopback for as long as somebody holds its lease.

        python -m curate.engines.local_server '{"model": FILE, "name": …, "slots": 8, "folder": …}'

Two processes. One watches `lease` in the folder, a file on which every user holds a shared lock:
when it can lock the file for itself alone, nobody is left, and it ends both. The kernel drops a
lock with the process that held it, so a killed user counts as gone. The other one loads and serves;
it is apart because loading holds Python's interpreter lock for seconds (measured), and nothing else
in that process runs meanwhile.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import IO, Any, NoReturn

STATE = "state.json"
LEASE = "lease"
_LOOK_S = 0.25
_LINGER_S = 1.5
"""Without a user before it ends: a worker that goes on to its next task still finds it."""
_PR_SET_PDEATHSIG = 1


def main(arguments: dict[str, Any]) -> int:
    """Serves until nobody holds the lease; the status is that of the serving process."""
    watcher = os.getpid()
    server = os.fork()
    if server == 0:
        _serve(watcher, **arguments)
    return _watch(server, Path(arguments["folder"]))


def _watch(server: int, folder: Path) -> int:
    with (folder / LEASE).open("rb") as lease:
        last_used = time.monotonic()
        while True:
            ended, status = os.waitpid(server, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status) & 0xFF
            if not _lock(lease):
                last_used = time.monotonic()
            if time.monotonic() - last_used < _LINGER_S:
                fcntl.flock(lease, fcntl.LOCK_UN)
                time.sleep(_LOOK_S)
                continue
            # From here on a newcomer waits for this lock, so it cannot meet a server that is about
            # to end.
            (folder / STATE).unlink(missing_ok=True)
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)
            return 0


def _lock(lease: IO[bytes]) -> bool:
    """Takes the lease for this process alone; False while somebody uses it."""
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _serve(watcher: int, model: str, name: str, slots: int, folder: str) -> NoReturn:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != watcher:
        os._exit(1)
    # Threads that wait must sleep, not spin: with other work on the cores 2 spinning threads make 6
    # tokens/s for 48 processor seconds, where 2 that sleep make 34 for 13 (measured, 2 cores, load
    # 5). Read when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {name}
    params.n_parallel = slots
    params.n_ctx = 2048 * slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = cores()
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.use_jinja, params.endpoint_metrics, params.verbosity = True, True, -1
    server = xllamacpp.Server(params)
    state = {"url": f"{server.listening_address}/v1", "pid": os.getpid(), "name": name}
    part = Path(folder, f"{STATE}.part")
    part.write_text(json.dumps(state), encoding="utf-8")
    os.replace(part, Path(folder, STATE))
    while True:
        signal.pause()


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
