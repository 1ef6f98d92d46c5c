"""The local executor: worker processes that are watched.

datatrove's own hangs for ever when a worker is killed. Here the death of a worker, by an error, a
signal or the memory killer, ends the run with a sentence; and when this process dies, its workers
see their standard input end and go. Workers stay from stage to stage: a start costs about a second.
"""

from __future__ import annotations

import json
import os
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
    """A worker process and the task that it works on."""

    slot: int
    process: subprocess.Popen[str]
    log: Path
    rank: int | None = None
    listener: threading.Thread | None = None


class Crew:
    """The workers of a run; leaving the context kills what is left of them.

    They hold `lock_fd`, the run directory's lock, as well: a new run waits until the last is gone.
    """

    at_once = os.cpu_count()

    def __init__(self, out: Path, lock_fd: int) -> None:
        self._logs, self._lock_fd = out / "logs", lock_fd
        self._workers: list[Worker] = []
        self._messages: queue.Queue[tuple[Worker, dict[str, Any] | None]] = queue.Queue()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
            assert worker.listener
            worker.listener.join()
            for pipe in (worker.process.stdin, worker.process.stdout):
                assert pipe
                pipe.close()

    def run_stage(
        self,
        spec: StageSpec,
        context: Context,
        workers: int,
        heard: Heard,
        tick: Callable[[], None],
        told: Callable[[str], None],
    ) -> None:
        """Runs a stage's tasks that have no completion file yet; returns when all have one.

        `tick` is called at least five times a second, `told` with what a person should hear.
        """
        done = spec.folder / "logs/completions"
        waiting = [r for r in range(spec.tasks) if not (done / f"{r:05d}").exists()]
        if not waiting:
            return
        payload = spec.folder / "stage.pickle"
        payload.write_bytes(dumps(spec, context))
        slots = min(workers, len(waiting))
        while len(self._workers) < slots:
            self._workers.append(self._start(len(self._workers)))
        left = set(waiting)
        for worker in self._workers[:slots]:
            self._send(worker, payload, waiting, slots)
        while left:
            tick()
            try:
                worker, message = self._messages.get(timeout=0.2)
            except queue.Empty:
                continue
            if message is None:
                raise died(worker)
            if "error" in message:
                raise failed(worker, message["error"])
            if "notice" in message:
                told(message["notice"])
            if "numbers" in message:
                heard(message["rank"], message["numbers"])
            if "done" in message:
                left.discard(message["rank"])
                self._send(worker, payload, waiting, slots)

    def _start(self, slot: int) -> Worker:
        """A worker in a session of its own, so that Ctrl-C reaches only the run."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"worker-{slot:02d}.log"
        with log.open("ab") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "curate.run.worker", str(slot)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
                pass_fds=(self._lock_fd,),
            )
        worker = Worker(slot, process, log)
        worker.listener = threading.Thread(target=self._listen, args=(worker,), daemon=True)
        worker.listener.start()
        return worker

    def _send(self, worker: Worker, payload: Path, waiting: list[int], slots: int) -> None:
        """Gives a worker the next task, if there is one."""
        worker.rank = waiting.pop(0) if waiting else None
        if worker.rank is None:
            return
        assert worker.process.stdin
        order = {"stage": str(payload), "rank": worker.rank, "slots": slots}
        try:
            worker.process.stdin.write(json.dumps(order) + "\n")
            worker.process.stdin.flush()
        except BrokenPipeError:
            raise died(worker) from None

    def _listen(self, worker: Worker) -> None:
        """Hands on what a worker says, then None when it says no more."""
        assert worker.process.stdout
        for line in worker.process.stdout:
            if line.endswith("\n"):  # else torn by a kill
                self._messages.put((worker, json.loads(line)))
        self._messages.put((worker, None))


def dumps(spec: StageSpec, context: Context) -> bytes:
    """A stage as bytes; raises UsageError for what the standard library cannot pickle."""
    try:
        return pickle.dumps((spec, context))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise UsageError(
            f"stage {spec.name} cannot be sent to a worker: {error}; steps take plain values and "
            "functions defined at the top of a module, no lambdas"
        ) from error


def failed(worker: Worker, error: Mapping[str, Any]) -> Exception:
    """What a worker says went wrong, as the exception that it was."""
    if error["usage"]:
        return UsageError(error["text"])
    if error.get("unexpected"):
        return RunError(
            f"task {worker.rank} failed: {error['text']}; the traceback is in {worker.log}"
        )
    return RunError(error["text"])


def died(worker: Worker) -> RunError:
    """The death of a worker in words."""
    code = worker.process.wait()
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    task = "" if worker.rank is None else f" in task {worker.rank}"
    memory = " (the system's memory killer does that)" if code == -signal.SIGKILL else ""
    return RunError(
        f"worker {worker.slot} {how}{memory}{task}; what it had finished is kept, "
        f"run the same command again to continue; its log is {worker.log}"
    )
