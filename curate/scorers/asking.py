"""Rules that ask a model for their verdicts: one client and one sample store an engine, a process.

    asker = asker_of(engine, model, store, concurrency)    # opened once, closed when Python ends
    completions = asker.completions(requests)              # in order, from any thread

What was ever answered is in the store: it is not asked for again, and needs no server.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from curate.engines.attempt import Patience
from curate.engines.client import Client
from curate.engines.engine import check_engine, engine_identity, open_engine
from curate.engines.request import Completion, Request
from curate.engines.server import Endpoint
from curate.engines.store import Store
from curate.errors import EngineError, UsageError
from curate.project import find_root
from curate.sample import Sample, Verdict
from curate.scorers.scorer import Scorer

PATIENCE = Patience()
_LOOK_S = 0.2
_WHERE = ("engine", "store", "concurrency")


@dataclass(frozen=True)
class Asking(Scorer):
    """A rule that asks a model. `engine`, `store` and `concurrency` say where, not what is said.

    Args:
        engine: as for `Generate`: addresses such as http://HOST:8000/v1, `vllm:MODEL` or `local`.
        model: `NAME` or `NAME@REVISION`; None takes the only one that the server has.
        store: the sample store, from the project's root.
        concurrency: requests at a time; None finds out.
    """

    batch: ClassVar[int] = 64
    """Two rounds of the 32 requests that a client begins with."""

    engine: str = ""
    model: str | None = None
    store: str = "runs/store"
    concurrency: int | None = None

    def __post_init__(self) -> None:
        kind = type(self).__name__
        if not self.engine:
            raise UsageError(f"{kind}: say who answers, as in engine=http://HOST:8000/v1,model=…")
        if self.concurrency is not None and self.concurrency < 1:
            raise UsageError(f"{kind}: concurrency={self.concurrency}: at least 1 at a time")
        self._check_engine()

    def _check_engine(self) -> None:
        check_engine(self.engine)

    @cached_property
    def name(self) -> str:
        """The class, who is asked, and parameters that are not default; never an address.

        So the verdicts of one model have one name wherever it runs.
        """
        return name_of(self)

    def identity(self) -> Any:
        """As the name: an address says nothing of the verdicts."""
        head, _, said = self.name.partition(":")
        return f"{head}({said})"

    def judge(self, sample: Sample) -> Verdict:
        return self.judge_all([sample])[0]

    def asker(self) -> Asker:
        """The open client and store of this process."""
        return asker_of(self.engine, self.model, self.store, self.concurrency)


class Asker:
    """An engine, its client and its store, for any number of threads at once."""

    def __init__(
        self, engine: str, model: str | None, store: Path, concurrency: int | None
    ) -> None:
        self.store, self.concurrency = Store(store), concurrency
        out = store / "judge"  # where an engine of our own keeps its log
        self.engine = open_engine(engine, model=model, out=out, store=self.store, slots=concurrency)
        fixed = concurrency or self.engine.slots
        start = fixed or self.engine.default_concurrency
        self._client = Client(self.engine, self.store, fixed, start=start, patience=PATIENCE)
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], Future[Completion]] = {}
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def is_closed(self) -> bool:
        """True when it answers no more, by an error or by `close`."""
        return self._error is not None

    def completions(self, requests: Sequence[Request]) -> list[Completion]:
        """What the store or the model says to each; equal requests are asked once, by whomever.

        Raises EngineError when there is nobody to answer.
        """
        found = {(r.key, r.max_tokens): r for r in requests}
        answers = {key: self._completion(key, request) for key, request in found.items()}
        return [_of(answers[request.key, request.max_tokens]) for request in requests]

    @cached_property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The servers, for questions that the client does not know how to ask; EngineError."""
        return self.engine.start()

    def _completion(
        self, key: tuple[str, int], request: Request
    ) -> Completion | Future[Completion]:
        with self._lock:
            if future := self._pending.get(key):
                return future
            # After a look at those on their way: what has just come back is in the store by then.
            if known := self.store.get(request):
                return known
            if self._error:
                raise self._error
            future = self._pending[key] = Future()
            self._client.ask(key, request)
            if self._thread is None:
                self._thread = threading.Thread(target=self._deliver, name="judge", daemon=True)
                self._thread.start()
        self._asked.put(None)
        return future

    def _deliver(self) -> None:
        """The thread: hands each answer to whoever waits for it, until closed or out of hope."""
        try:
            while not self.is_closed:
                self._asked.get()
                item = None
                while item is None and not self.is_closed:
                    item = self._client.next(_LOOK_S)
                if item is not None:
                    key, completion = item
                    with self._lock:
                        future = self._pending.pop(key, None)
                    if future is not None:
                        future.set_result(completion)
        except BaseException as error:  # whatever it is, somebody waits for an answer
            self._end(error)

    def _end(self, error: BaseException) -> None:
        """Nobody waits any longer; whoever asks next opens the engine anew."""
        with self._lock:
            self._error = self._error or error
            waiting = list(self._pending.values())
            self._pending.clear()
        self._asked.put(None)
        for future in waiting:
            future.set_exception(error)

    def close(self) -> None:
        """Ends the client, lets the engine go and closes the store."""
        self._end(EngineError("the judge was closed while it was asked"))
        self._client.close()
        if self._thread is not None:
            self._thread.join(2.0)
        self.store.close()


def _of(answer: Completion | Future[Completion]) -> Completion:
    return answer.result() if isinstance(answer, Future) else answer


_Key = tuple[int, str, str | None, Path, int | None]
_OPEN: dict[_Key, Asker] = {}
_OPENING = threading.Lock()


def asker_of(engine: str, model: str | None, store: str, concurrency: int | None) -> Asker:
    """This process's asker for an engine; opened when it is first needed or when it has failed."""
    # A child of a fork has its parent's askers without their threads; it opens its own.
    key = (os.getpid(), engine, model, in_project(store), concurrency)
    with _OPENING:
        asker = _OPEN.get(key)
        if asker is not None and asker.is_closed:
            asker.close()
            asker = None
        if asker is None:
            asker = _OPEN[key] = Asker(engine, model, in_project(store), concurrency)
        return asker


def close_askers() -> None:
    """Closes what this process has opened; the next question opens it again."""
    with _OPENING:
        for key in [key for key in _OPEN if key[0] == os.getpid()]:
            _OPEN.pop(key).close()


atexit.register(close_askers)


def _after_fork() -> None:
    global _OPENING
    _OPENING = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_after_fork)


def name_of(rule: Any) -> str:
    """How a rule that asks is named: by its model, and by what changes the verdicts."""
    identity = engine_identity(rule.engine)
    said = [] if identity == "endpoint" and rule.model else [f"engine={identity}"]
    for f in fields(rule):
        value = getattr(rule, f.name)
        if f.name not in _WHERE and (f.default is MISSING or value != f.default):
            said.append(f"{f.name}={value}")
    return f"{type(rule).__name__}:{','.join(said)}"


def in_project(path: str) -> Path:
    """A path as it is written in a pipeline: from the root of the project that we are in."""
    return find_root(Path.cwd() / "_") / Path(path).expanduser()


def asked_of(sample: Sample) -> Sample:
    """The sample with all that its model was asked as the problem, where that was several turns."""
    turns = [turn for turn in sample.prompt if turn["role"] != "system"]
    if len(turns) < 2:
        return sample
    said = "\n\n".join(f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns)
    return replace(sample, problem=said)
