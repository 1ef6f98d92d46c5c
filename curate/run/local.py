"""The local executor: worker processes that are watched.

datatrove's own hangs for ever when a worker is killed. Here the death of a worker, by an error, a
signal or the memory killer, ends the stage with a sentence; and when this process dies, its workers
see their standard input end and go.
"""

from __future__ import annotations

import json
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.errors import RunError, UsageError
from curate.run.task import StageSpec
from curate.step import Context

Heard = Callable[[int, Mapping[str, float]], None]
"""Called with a task's number and its cumulative numbers."""


@dataclass
class Worker:
    slot: int
    process: subprocess.Popen[str]
    log: Path
    rank: int | None = None
    error: dict[str, Any] | None = None


def run_stage(
    spec: StageSpec,
    context: Context,
    workers: int,
    lock_fd: int,
    heard: Heard,
    tick: Callable[[], None],
) -> None:
    """Runs the tasks of a stage that have no completion file yet; returns when all have one.

    `lock_fd` is the run directory's lock, which the workers hold too: a new run waits until the
    last of them is gone.
    """
    waiting = [
        r for r in range(spec.tasks) if not (spec.folder / "logs/completions" / f"{r:05d}").exists()
    ]
    if not waiting:
        return
    logs = spec.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    payload = spec.folder / "stage.pickle"
    payload.write_bytes(dumps(spec, context))
    messages: queue.Queue[tuple[Worker, dict[str, Any] | None]] = queue.Queue()
    slots = min(workers, len(waiting))
    crew = [start(payload, slot, slots, logs, lock_fd, messages) for slot in range(slots)]
    try:
        conduct(crew, waiting, messages, heard, tick)
    finally:
        for worker in crew:
            worker.process.kill()
            worker.process.wait()
            for pipe in (worker.process.stdin, worker.process.stdout):
                if pipe:
                    pipe.close()


def dumps(spec: StageSpec, context: Context) -> bytes:
    try:
        return pickle.dumps((spec, context))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise UsageError(
            f"stage {spec.name} cannot be sent to a worker: {error}; steps take plain values and "
            "functions defined at the top of a module, no lambdas"
        ) from error


def start(
    payload: Path, slot: int, slots: int, logs: Path, lock_fd: int, messages: queue.Queue[Any]
) -> Worker:
    """A worker in a session of its own, so that Ctrl-C reaches only the run."""
    log = logs / f"worker-{slot:02d}.log"
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "curate.run.worker", str(payload), str(slot), str(slots)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
            pass_fds=(lock_fd,),
        )
    worker = Worker(slot, process, log)
    threading.Thread(target=read, args=(worker, messages), daemon=True).start()
    return worker


def read(worker: Worker, messages: queue.Queue[Any]) -> None:
    """Hands on what a worker says, then None when it says no more."""
    assert worker.process.stdout
    try:
        for line in worker.process.stdout:
            messages.put((worker, json.loads(line)))
    except ValueError:
        pass  # the pipe was closed under us, or a last line is torn: the worker is gone either way
    messages.put((worker, None))


def conduct(
    crew: list[Worker],
    waiting: list[int],
    messages: queue.Queue[tuple[Worker, dict[str, Any] | None]],
    heard: Heard,
    tick: Callable[[], None],
) -> None:
    """Gives ranks to idle workers until all are done; raises for the first worker that fails or
    dies.
    """
    left = set(waiting)
    while left:
        tick()
        try:
            worker, message = messages.get(timeout=0.2)
        except queue.Empty:
            continue
        if message is None:
            raise died(worker)
        if "error" in message:
            raise failed(worker, message["error"])
        if "numbers" in message:
            heard(message["rank"], message["numbers"])
            continue
        if message.get("done"):
            left.discard(message["rank"])
        worker.rank = waiting.pop(0) if waiting else None
        if worker.rank is not None:
            assert worker.process.stdin
            try:
                worker.process.stdin.write(f"{worker.rank}\n")
                worker.process.stdin.flush()
            except BrokenPipeError:
                raise died(worker) from None


def failed(worker: Worker, error: Mapping[str, Any]) -> Exception:
    if error["usage"]:
        return UsageError(error["text"])
    if error.get("unexpected"):
        return RunError(
            f"task {worker.rank} failed: {error['text']}; the traceback is in {worker.log}"
        )
    return RunError(error["text"])


def died(worker: Worker) -> RunError:
    code = worker.process.wait()
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    memory = " (the system's memory killer does that)" if code == -signal.SIGKILL else ""
    return RunError(
        f"worker {worker.slot} {how}{memory} in task {worker.rank}; what it had finished is kept, "
        f"run the same command again to continue; its log is {worker.log}"
    )
