"""A task on another machine, seen from both ends.

There, a worker process runs it, and what it says goes line by line into a file of the shared file
system. Here, the run reads those files and waits for the completion files.

    stages/02-Generate/said/00003.jsonl     {"started": "node7"}  {"numbers": {"decided": 12}}
    stages/02-Generate/logs/worker-00003.log
"""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from curate.errors import RunError, UsageError
from curate.run.local import Heard, Worker, died, dumps, failed
from curate.run.lock import held
from curate.run.task import StageSpec
from curate.step import Context

WRITE_EVERY_S = 2.0
"""Numbers are written no more often: each write is a request to the file server."""
BEAT_S = 5.0
"""Nor less often, so that a task that says nothing more is noticed."""
READ_EVERY_S = 1.0
ENDED_TOO_S = 0.5
"""Who cancels a task ends this process with the worker, and knows better why."""
LOCK_PATIENCE_S = 60.0
"""How long the worker of a killed attempt may take to go; it sees within a second that it is alone.
"""


@dataclass(frozen=True)
class Job:
    """The tasks of a stage as other machines need them."""

    folder: Path
    """The stage's, on the shared file system."""
    project: Path
    ranks: list[int]
    slots: int
    cpus: int = 1
    env: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable
    path: str = field(default_factory=lambda: os.environ.get("PYTHONPATH", ""))

    @property
    def payload(self) -> Path:
        return self.folder / "stage.pickle"

    @property
    def environment(self) -> dict[str, str]:
        """What every worker finds in its environment; its cores are its own for verdicts."""
        return {"CURATE_VERIFIERS": str(self.cpus)} | self.env | {"PYTHONPATH": self.path}


def lay_out(spec: StageSpec, context: Context) -> None:
    """What the machines need to find in the stage's folder, and nothing of an earlier attempt."""
    for file in (spec.folder / "said").glob("*.jsonl"):
        file.unlink()
    (spec.folder / "said").mkdir(parents=True, exist_ok=True)
    (spec.folder / "stage.pickle").write_bytes(dumps(spec, context))


def missing(spec: StageSpec) -> list[int]:
    """The tasks that have no completion file yet."""
    folder = spec.folder / "logs/completions"
    done = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
    return [rank for rank in range(spec.tasks) if f"{rank:05d}" not in done]


def perform(job: Job, rank: int) -> None:
    """Runs a task on this machine, in a worker of its own that goes when this process does.

    Raises RunError when it does not end well; the run has read why by then.
    """
    with only_one(job.folder / "said" / f"{rank:05d}.lock") as lock_fd:
        log = job.folder / "logs" / f"worker-{rank:05d}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        slot = job.ranks.index(rank) % job.slots
        with log.open("ab") as stderr:
            process = subprocess.Popen(
                [job.python, "-m", "curate.run.worker", str(slot)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=job.project,
                env=os.environ | job.environment,
                pass_fds=(lock_fd,),
            )
        worker = Worker(slot, process, log, rank)
        order = {"stage": str(job.payload), "rank": rank, "slots": job.slots}
        with (job.folder / "said" / f"{rank:05d}.jsonl").open("a") as said:
            try:
                relay(worker, order, said)
            except Exception as error:
                text = str(error)
                if str(log) not in text:
                    text += f" (task {rank} on {socket.gethostname()}; its log is {log})"
                write(said, {"error": text, "usage": isinstance(error, UsageError)})
                raise
            finally:
                process.kill()
                process.wait()


def only_one(path: Path) -> AbstractContextManager[int]:
    """Waits until no other attempt at this task works; its worker holds the lock as well."""
    return held(
        path,
        LOCK_PATIENCE_S,
        f"{path} is held by another attempt at this task; when nothing works on it any more (its "
        "machine went down), remove that file",
    )


def relay(worker: Worker, order: Mapping[str, Any], said: TextIO) -> None:
    """Gives the worker its task, and writes what it says until it is done."""
    parent, lines = os.getppid(), queue.Queue[str | None]()
    assert worker.process.stdin
    worker.listener = threading.Thread(target=listen, args=(worker, lines), daemon=True)
    worker.listener.start()
    write(said, {"started": socket.gethostname()})
    with suppress(BrokenPipeError):  # it says itself how it died
        worker.process.stdin.write(json.dumps(order) + "\n")
        worker.process.stdin.flush()
    numbers, written = {}, time.monotonic()
    while True:
        if os.getppid() != parent:  # what started it is gone, and starts the task again or not
            worker.process.kill()
            os._exit(1)
        message: dict[str, Any] = {}
        with suppress(queue.Empty):
            line = lines.get(timeout=0.5)
            if line is None:
                time.sleep(ENDED_TOO_S)
                raise died(worker)
            message = json.loads(line)
        numbers = message.get("numbers", numbers)
        if "error" in message:
            raise failed(worker, message["error"])
        if "notice" in message:
            write(said, message)
        if "done" in message:
            write(said, {"numbers": numbers, "done": True})
            return
        if time.monotonic() - written > (WRITE_EVERY_S if "numbers" in message else BEAT_S):
            written = time.monotonic()
            write(said, {"numbers": numbers})


def listen(worker: Worker, lines: queue.Queue[str | None]) -> None:
    assert worker.process.stdout
    for line in worker.process.stdout:
        if line.endswith("\n"):  # else torn by a kill
            lines.put(line)
    lines.put(None)


def write(said: TextIO, message: Mapping[str, Any]) -> None:
    """A line that other machines see soon."""
    said.write(json.dumps(message) + "\n")
    said.flush()
    os.fsync(said.fileno())


class Listening:
    """Hears what the tasks of a stage say, wherever they run."""

    def __init__(self, spec: StageSpec, heard: Heard, told: Callable[[str], None]) -> None:
        self._folder, self._heard, self._told = spec.folder / "said", heard, told
        self._read: dict[int, int] = {}
        self._hosts: dict[int, str] = {}
        self.last_word: dict[int, float] = {}
        """When each task that works was last heard of."""

    def listen(self) -> None:
        """Hands on what is new; raises what a task failed with."""
        for path in sorted(self._folder.glob("*.jsonl")):
            rank = int(path.stem)
            with path.open("rb") as file:
                file.seek(self._read.get(rank, 0))
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read[rank] = self._read.get(rank, 0) + len(whole)
            for line in whole.splitlines():
                self.last_word[rank] = time.monotonic()
                self._hear(rank, json.loads(line))

    def _hear(self, rank: int, message: Mapping[str, Any]) -> None:
        if "started" in message:
            if rank in self._hosts:
                lost = f"task {rank} was lost on {self._hosts[rank]} and"
                self._told(f"{lost} starts again on {message['started']}")
            self._hosts[rank] = message["started"]
        if "error" in message:
            raise (UsageError if message["usage"] else RunError)(message["error"])
        if "notice" in message:
            self._told(message["notice"])
        if "numbers" in message:
            self._heard(rank, message["numbers"])
        if "done" in message:
            del self.last_word[rank]


def watch(
    spec: StageSpec,
    listening: Listening,
    tick: Callable[[], None],
    look: Callable[[list[int]], None],
) -> None:
    """Returns when every task has its completion file; `look` is called every second with those
    that have none, and raises when they will not get one.
    """
    while True:
        listening.listen()
        left = missing(spec)
        if not left:
            return
        look(left)
        until = time.monotonic() + READ_EVERY_S
        while time.monotonic() < until:
            tick()
            time.sleep(0.1)
