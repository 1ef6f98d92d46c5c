"""A process of the pool: works out one call after the other until its input ends.

Started by `curate.scorers.pool`. A message is its length in 8 bytes and a pickle: (function,
arguments, seconds) in, (kind, value) out.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import resource
import select
import signal
import struct
import sys
from collections.abc import Callable
from typing import IO, Any

from curate.errors import Unjudged

MEMORY = 4 << 30
"""Bytes of address space. The worst of 42 hostile formulas took 0.5 GB in 5 s (measured)."""
MERCY_S = 1.0
"""From the alarm, which Python hears between two instructions, to the kernel's signal."""
_LENGTH = struct.Struct("!Q")

is_worker = False


class _Alarm(BaseException):
    """The time is up; not an Exception, so that no `except Exception` in sympy holds it."""


def limited(
    function: Callable[..., Any], args: tuple[Any, ...], timeout_s: float | None
) -> Any | Unjudged:
    """What `function(*args)` gives within `timeout_s` seconds of processor time, or an Unjudged.

    In the main thread of a worker only: elsewhere no signal is heard.
    """
    try:
        if timeout_s is None:
            return function(*args)
        signal.setitimer(signal.ITIMER_PROF, timeout_s + MERCY_S)
        signal.setitimer(signal.ITIMER_VIRTUAL, timeout_s, 0.1)  # again, if something swallowed it
        try:
            return function(*args)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.setitimer(signal.ITIMER_PROF, 0)
    except _Alarm:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        return Unjudged(f"no verdict within {timeout_s:g} s")
    except MemoryError:
        return Unjudged(f"no verdict within {MEMORY >> 30} GiB of memory")
    except RecursionError:
        return Unjudged("nested too deep for a verdict")


def read(pipe: IO[bytes]) -> bytes | None:
    """The next message, or None at the end of the pipe."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    body = pipe.read(_LENGTH.unpack(head)[0])
    return body if len(body) == _LENGTH.unpack(head)[0] else None


def write(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(_LENGTH.pack(len(message)) + message)
    pipe.flush()


def main(life: int) -> None:
    """Answers calls until standard input ends, or its parent, which alone can write to `life`."""
    calls, results = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what a library prints must not stand among the results
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGVTALRM, _ring)
    _end_with_parent(life)
    # Before any time is taken: it needs a second, and an import that is broken off stays broken.
    import math_verify  # noqa: F401

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    global is_worker
    is_worker = True
    while (message := read(calls)) is not None:
        write(results, _answer(message))


def _end_with_parent(life: int) -> None:
    """The kernel ends this process, even in the middle of an instruction, with its parent.

    Nothing comes through the pipe `life` but its end; that raises SIGIO. In a pipe that calls come
    through the signal of a call can arrive after it was read.
    """
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([life], [], [], 0)[0]:  # it has ended already
        sys.exit()


def _answer(message: bytes) -> bytes:
    try:
        return pickle.dumps(("gave", limited(*pickle.loads(message))))
    except Exception as error:
        try:
            said = pickle.dumps(("raised", error))
            pickle.loads(said)  # some exceptions pickle and cannot be read again
            return said
        except Exception:
            return pickle.dumps(("raised", RuntimeError(f"{type(error).__name__}: {error}")))


def _ring(*_: Any) -> None:
    raise _Alarm
