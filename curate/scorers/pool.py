"""Processes for verdicts that may hang: stopped in time, bounded in memory, replaced when dead.

    guarded(compare, gold, answer)                    # from any thread; Unjudged when it gives none
    guarded_all(compare, [(gold, a), (gold, b)])      # over several processes, results in order

Sympy can be led into hours of work and gigabytes by forty characters, and a thread cannot be
stopped. Neither `multiprocessing.Pool` (hangs when a worker dies) nor `concurrent.futures` (cannot
take back what runs) will do. Workers are plain child processes on pipes, so the main module is not
imported again and any thread may start them; an alarm inside counts processor time, so that a busy
machine changes no verdict; the kernel kills what does not hear it a second later, and the parent
what sleeps. A worker ends with its parent: by the end of its input.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from curate.engines.local_server import cores
from curate.errors import Unjudged
from curate.scorers import pool_worker

TIMEOUT_S = 5.0
"""math_verify's own default. Sound answers take 0.14 s at most (measured on 2,000 pairs)."""
SLACK, SLACK_S = 10, 30.0
"""Wall time that a worker may take for a second of processor time, and besides: machines stall."""
GROW_AFTER_S = 0.25
BACKLOG = 32
"""A worker takes a second to start, as long as some 32 calls take."""


def guarded(function: Callable[..., Any], *args: Any, timeout_s: float = TIMEOUT_S) -> Any:
    """What `function(*args)` gives, worked out in a process that can be killed.

    The function is a top-level one; it, its arguments and result pickle. It has `timeout_s` seconds
    of processor time. Raises Unjudged when there is no result, and what the function raises.
    """
    result = guarded_all(function, [args], timeout_s=timeout_s)[0]
    if isinstance(result, Unjudged):
        raise result
    return result


def guarded_all(
    function: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    *,
    timeout_s: float | None = TIMEOUT_S,
) -> list[Any]:
    """The results for each tuple of arguments, in order; an Unjudged stands where there is none."""
    if pool_worker.is_worker:
        return [pool_worker.limited(function, args, timeout_s) for args in arguments]
    calls = [pickle.dumps((function, args, timeout_s)) for args in arguments]
    return _shared_pool().results(calls, timeout_s)


class Pool:
    """At most `size` workers, shared by the threads of this process; made when they are needed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._change = threading.Condition()

    def results(self, calls: Sequence[bytes], timeout_s: float | None) -> list[Any]:
        """What the pickled calls give, in order; raises the first exception that one raised."""
        found: list[Any] = [None] * len(calls)
        waiting, busy = deque(enumerate(calls)), dict[_Worker, tuple[int, float]]()
        allowed = float("inf") if timeout_s is None else timeout_s * SLACK + SLACK_S
        try:
            while waiting or busy:
                while waiting and (worker := self._take(len(waiting), wait=not busy)):
                    index, call = waiting.popleft()
                    busy[worker] = index, time.monotonic() + allowed
                    worker.send(call)
                for worker in self._finished(busy):
                    index, deadline = busy[worker]
                    found[index] = worker.result(timeout_s, time.monotonic() >= deadline)
                    del busy[worker]
                    self._give_back(worker)
        finally:
            for worker in busy:  # only when this thread was interrupted
                worker.kill()
                self._give_back(worker)
        for result in found:
            if isinstance(result, _Raised):
                raise result.error
        return found

    def close(self) -> None:
        """Ends all workers, at exit; a thread that waits for one gets no verdict."""
        for worker in list(self._all):
            worker.kill()

    def _finished(self, busy: dict[_Worker, tuple[int, float]]) -> list[_Worker]:
        """The workers that said something, ended, or are past their deadline; waits for one."""
        poller = select.poll()
        workers = {worker.fileno(): worker for worker in busy}
        for fileno in workers:
            poller.register(fileno, select.POLLIN | select.POLLHUP)
        left_s = min(deadline for _, deadline in busy.values()) - time.monotonic()
        ready = {workers[fd] for fd, _ in poller.poll(max(0, min(left_s, GROW_AFTER_S)) * 1000)}
        now = time.monotonic()
        return [worker for worker, (_, end) in busy.items() if worker in ready or now >= end]

    def _take(self, backlog: int, *, wait: bool) -> _Worker | None:
        """An idle worker, a new one where the backlog is worth it, or None; `wait`: never None."""
        with self._change:
            while not self._idle:
                if len(self._all) < min(self.size, 1 + backlog // BACKLOG):
                    break
                if not wait:
                    return None
                if not self._change.wait(GROW_AFTER_S) and len(self._all) < self.size:
                    break
            if self._idle:
                return self._idle.pop()
            self._all.add(worker := _Worker())
            return worker

    def _give_back(self, worker: _Worker) -> None:
        with self._change:
            if worker.is_alive():
                self._idle.append(worker)
            else:
                self._all.discard(worker)
            self._change.notify()


class _Raised:
    """What the function raised."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Worker:
    """One child process and the pipes to it."""

    def __init__(self) -> None:
        paths = os.pathsep.join(filter(None, sys.path))
        read, write = os.pipe()
        self._life = os.fdopen(write, "wb")
        main = f"from curate.scorers.pool_worker import main; main({read})"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", main],
                pass_fds=(read,),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": paths},
                start_new_session=True,  # Ctrl-C is for the parent
            )
        finally:
            os.close(read)
        assert self._process.stdin and self._process.stdout
        self._calls, self._results = self._process.stdin, self._process.stdout

    def fileno(self) -> int:
        return self._results.fileno()

    def is_alive(self) -> bool:
        return not self._calls.closed and self._process.poll() is None

    def send(self, call: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # it is dead: reading its result will tell
            pool_worker.write(self._calls, call)

    def result(self, timeout_s: float | None, is_late: bool) -> Any:
        """The result that waits in the pipe, or an Unjudged with the reason why there is none."""
        said = None if is_late else pool_worker.read(self._results)
        if said is None:
            # What closed its pipe is about to be dead; its own status says why.
            code = self.kill(0.0 if is_late else 0.1)
            if is_late or -code == signal.SIGPROF:
                return Unjudged(f"no verdict within {timeout_s:g} s")
            return Unjudged(f"the verifier died ({_how(code)})")
        kind, value = pickle.loads(said)
        return _Raised(value) if kind == "raised" else value

    def kill(self, after_s: float = 0.0) -> int:
        """Ends the process unless it ends itself `after_s`; gives its exit status."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(after_s)
        self._process.kill()
        for pipe in (self._calls, self._results, self._life):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        return self._process.wait()


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"


def size() -> int:
    """How many workers this process may have: `$CURATE_VERIFIERS`, else one for each core."""
    if named := os.environ.get("CURATE_VERIFIERS"):
        return max(1, int(named))
    return cores()


_pool: Pool | None = None
_pool_lock = threading.Lock()


def _shared_pool() -> Pool:
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = Pool(size())
            atexit.register(_pool.close)
        return _pool


def _forget() -> None:
    """In a forked child: the workers are the parent's."""
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
