"""A worker process: runs the tasks it is told to, one after the other.

It hears orders on standard input and says on standard output, one JSON line each, how far it is.
When standard input ends the run is gone, killed perhaps, and the worker goes too.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from curate.engines.local_server import cores
from curate.errors import CurateError, UsageError
from curate.notice import hear_notices
from curate.run.failures import say_oserror
from curate.run.task import run_task

REPORT_EVERY_S = 0.25


def main(slot: str) -> int:
    """Works until standard input ends or a task fails; the exit status is for nobody."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    lock = threading.Lock()

    def say(message: Mapping[str, Any]) -> None:
        with lock:
            pipe.write(json.dumps(message) + "\n")
            pipe.flush()

    hear_notices(lambda text: say({"notice": text}))
    orders: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=listen, args=(orders,), daemon=True).start()
    while True:
        order = orders.get()
        rank = order["rank"]
        reporter = Reporter(say, rank)
        # The workers share the cores for their verdicts as well.
        os.environ.setdefault("CURATE_VERIFIERS", str(max(1, cores() // order["slots"])))
        try:
            spec, context = pickle.loads(Path(order["stage"]).read_bytes())
            context = replace(context, slot=int(slot), slots=order["slots"], report=reporter)
            run_task(spec, rank, context)
        except Exception as error:
            say({"rank": rank, "error": describe(error)})
            with contextlib.suppress(OSError):  # the log may be on the disk that is full
                traceback.print_exc()
            return 1
        reporter.flush()
        say({"rank": rank, "done": True})


def listen(orders: queue.Queue[dict[str, Any]]) -> None:
    """Takes orders until standard input ends; then nobody waits for this process any more."""
    for line in sys.stdin:
        orders.put(json.loads(line))
    os._exit(1)


def describe(error: Exception) -> dict[str, Any]:
    """An error for the run that started this worker."""
    if isinstance(error, CurateError):
        return {"usage": isinstance(error, UsageError), "text": str(error)}
    if isinstance(error, OSError):
        return {"usage": False, "text": say_oserror(error)}
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    return {
        "usage": False,
        "unexpected": True,
        "text": f"{type(error).__name__}: {error} ({place})",
    }


class Reporter:
    """Sends the latest numbers of a task, at most four times a second."""

    def __init__(self, say: Any, rank: int) -> None:
        self._say, self._rank, self._sent = say, rank, 0.0
        self._numbers: dict[str, float] = {}

    def __call__(self, numbers: Mapping[str, float]) -> None:
        self._numbers.update(numbers)
        if time.monotonic() - self._sent >= REPORT_EVERY_S:
            self.flush()

    def flush(self) -> None:
        self._sent = time.monotonic()
        self._say({"rank": self._rank, "numbers": self._numbers})


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
