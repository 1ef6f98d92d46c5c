"""The client: many requests in flight, one completion each, stored before anybody sees it.

    with Client(engine, store, concurrency=32) as client:
        client.ask(tag, request)              # from any thread; returns at once
        tag, completion = client.next()       # the next one that is finished, in whatever order

Its event loop has a thread of its own. Nothing is started and nobody is asked before the first
`ask`.
"""

from __future__ import annotations

import asyncio
import enum
import queue
import random
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from curate.engines import wire
from curate.engines.attempt import Job, Line, Patience, Watching, refusal
from curate.engines.engine import nobody
from curate.engines.fleet import Fleet, Host
from curate.engines.http1 import Pool
from curate.engines.request import Completion, Request
from curate.engines.server import Endpoint, Engine
from curate.engines.store import Store
from curate.engines.stream import Fault
from curate.errors import EngineError

_WAKE_EVERY_S = 0.01
_SWITCH_S = 0.0005
NUMBERS = ("requests", "prompt_tokens", "completion_tokens", "retries", "cut", "dropped_tokens")


class _Word(enum.Enum):
    """What the loop says between completions."""

    MORE_ROOM = enum.auto()
    NO_MORE = enum.auto()


class Client:
    """Asks an engine's servers, `concurrency` requests at a time.

    With `concurrency=None` the window of each server finds its own size, from `start` on.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        concurrency: int | None,
        *,
        start: int = 32,
        patience: Patience | None = None,
    ) -> None:
        self.engine = engine
        self._total, self._start = concurrency, start
        self._store = store
        self._patience = patience or Patience()
        self._numbers: Counter[str] = Counter()
        self._numbers.update(dict.fromkeys(NUMBERS, 0))
        self._lock = threading.Lock()
        self._in_flight = 0
        self._waiting: deque[Job] = deque()
        self._finished: queue.SimpleQueue[tuple[Job, Completion] | _Word] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_woken, self._woken_at = False, 0.0
        self._is_closed = False
        self._active: set[Job] = set()
        self._fleet: Fleet | None = None

    @property
    def in_flight(self) -> int:
        """How many were asked for and not handed out yet."""
        return self._in_flight

    @property
    def capacity(self) -> int:
        """How many requests are sent at a time, as far as that is known now."""
        if self._total is not None:
            return self._total
        return self._fleet.capacity if self._fleet else self._start

    @property
    def room(self) -> int:
        """How many more it would take now.

        Half as many again as are sent may wait here: a place that falls free while an answer is
        judged is filled at once.
        """
        capacity = self.capacity
        return capacity + capacity // 2 + 1 - self._in_flight

    def ask(
        self, tag: Any, request: Request, watching: Watching | None = None, *, first: bool = False
    ) -> Job:
        """Asks for what the store does not have; the answer comes out of `next` with its tag.

        With `first` it goes before those that wait: a prompt that was begun is ended first, which
        keeps its beginning in the server's cache.
        """
        if self._is_closed:
            raise RuntimeError("the client is closed")
        job = Job(tag, request, watching)
        with self._lock:
            self._in_flight += 1
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, args=(request,), name="client", daemon=True
                )
                self._thread.start()
        (self._waiting.appendleft if first else self._waiting.append)(job)
        # Waking the loop costs as much as sending a request (the two threads trade Python's lock),
        # so those who ask in a burst do it once; `next` sees to the rest.
        if time.monotonic() - self._woken_at > _WAKE_EVERY_S:
            self._wake()
        return job

    def _wake(self) -> None:
        """Has the loop look at what waits; with a full window whoever ends next takes it up."""
        is_due = self._loop and self._waiting and not self._is_woken
        if is_due and len(self._active) < self.capacity:
            self._is_woken, self._woken_at = True, time.monotonic()
            self._call(self._fill)

    def next(self, timeout_s: float | None = None) -> tuple[Any, Completion] | None:
        """Waits for the next finished completion; raises EngineError when there will be none.

        None when there is more room than before, so that whoever has more to ask does, or when the
        time is over.
        """
        while True:
            if not self._in_flight:
                raise RuntimeError("nothing was asked for")
            try:
                item = self._finished.get_nowait()
            except queue.Empty:
                self._wake()
                try:
                    item = self._finished.get(timeout=timeout_s)
                except queue.Empty:
                    return None
            if item is _Word.MORE_ROOM:
                return None
            if item is _Word.NO_MORE:
                self._finished.put(_Word.NO_MORE)
                assert self._error is not None
                raise self._error
            job, completion = item
            with self._lock:
                if job.is_dropped:
                    continue
                self._in_flight -= 1
            return job.tag, completion

    def wake(self) -> None:
        """Has `next` return None though there is no answer: something else has come."""
        self._finished.put(_Word.MORE_ROOM)

    def drop(self, job: Job) -> None:
        """Asks no longer for what nobody needs any more; closing its stream frees the place."""
        with self._lock:
            if job.is_dropped:
                return
            job.is_dropped = True
            self._in_flight -= 1
        self._call(lambda: self._end_dropped(job))

    def numbers(self) -> dict[str, int]:
        """So far: requests sent, tokens in and out, streams cut, repetitions; and what is now."""
        found = {**self._numbers, "in_flight": len(self._active)}
        fleet = self._fleet
        if fleet is None:
            return found
        found["window"] = self.capacity
        found["window_shrunk"] = sum(host.pace.shrunk for host in fleet.hosts)
        loads = [host.gauges for host in fleet.hosts if host.gauges]
        if loads:
            found["server_running"] = int(sum(load.running for load in loads))
            found["server_waiting"] = int(sum(load.waiting for load in loads))
            found["preemptions"] = int(sum(host.preempted for host in fleet.hosts))
            found["kv_percent"] = int(100 * max(load.kv_usage or 0 for load in loads))
        return found

    def close(self) -> None:
        """Drops what is in flight, closes the connections and lets the engine go."""
        self._is_closed = True
        if self._thread is not None:
            self._call(self._cancel)
            self._thread.join(2.0)
        self.engine.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _call(self, function: Callable[[], None]) -> None:
        """Has the loop's thread call a function; nothing when it has ended."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(function)
            except RuntimeError:
                if not self._loop.is_closed():
                    raise

    def _run(self, first: Request) -> None:
        """The thread: makes the engine ready, then asks until closed or until there is no hope."""
        # It gives Python's lock away with every byte, and gets it back from a thread that judges
        # only after this interval: at the usual 5 ms streams would wait for verdicts.
        sys.setswitchinterval(min(_SWITCH_S, sys.getswitchinterval()))
        try:
            self._store.prepare()
            endpoints = self.engine.start(first)
            asyncio.run(self._serve(endpoints))
        except BaseException as error:
            self._fail(error)

    async def _serve(self, endpoints: tuple[Endpoint, ...]) -> None:
        fleet = Fleet(endpoints, self.engine.model, total=self._total, start=self._start)
        fleet.on_room = self._note_room
        self._is_over = asyncio.Event()
        async with Pool(self._patience.connect_s) as pool:
            self._loop = asyncio.get_running_loop()
            if self._is_closed:
                return
            self._fleet = fleet
            self._line = Line(pool, self._patience, self._numbers)
            attending = self._loop.create_task(fleet.attend(pool, self._tokens))
            attending.add_done_callback(self._attended)
            self._fill()
            while not self._is_over.is_set():
                self._end_stalled()
                self._fill()  # a server's pause may be over
                try:
                    await asyncio.wait_for(self._is_over.wait(), self._look_s())
                except TimeoutError:
                    continue
            tasks = [attending, *(job.task for job in self._active if job.task)]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _attended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._fail(error)

    def _note_room(self) -> None:
        self._fill()
        if len(self._active) < self.capacity:
            self._finished.put(_Word.MORE_ROOM)

    def _tokens(self, host: Host) -> int:
        """Tokens of the unfinished answers of a server; an event may hold several."""
        answers = [job.answer for job in self._active if job.host is host]
        return sum(max(answer.tokens, answer.length // 4) for answer in answers)

    def _fail(self, error: BaseException) -> None:
        """There will be no more completions: the finished ones are handed out, then the error."""
        if self._error is None:
            self._error = error
            self._finished.put(_Word.NO_MORE)
        self._call(self._cancel)

    def _cancel(self) -> None:
        self._is_over.set()

    def _fill(self) -> None:
        """Starts what waits while there is room."""
        self._is_woken = False
        fleet = self._fleet
        assert fleet is not None
        while self._waiting and not self._is_over.is_set():
            # Taken before it is looked at: the other thread puts jobs in front of it meanwhile.
            job = self._waiting.popleft()
            if job.is_dropped:
                continue
            host = fleet.pick(len(self._active), avoid=job.host)
            if host is None:
                self._waiting.appendleft(job)
                return
            job.host = host
            host.active += 1
            self._active.add(job)
            job.task = asyncio.get_running_loop().create_task(self._work(job, host))

    async def _work(self, job: Job, host: Host) -> None:
        """One attempt; whatever comes of it, the place is free afterwards."""
        try:
            self._keep(job, await self._line.completion(job, host))
        except Fault as fault:
            try:
                await self._again(job, host, fault)
            except Exception as error:
                self._fail(error)
        except EngineError as error:
            if self._fleet and self._fleet.bar(host, str(error)):
                self._waiting.appendleft(job)
            else:
                self._fail(error)
        except Exception as error:
            self._fail(error)
        finally:
            host.active -= 1
            self._active.discard(job)
            self._fill()

    def _keep(self, job: Job, completion: Completion) -> None:
        self._store.put(job.request, completion)
        self._numbers["prompt_tokens"] += completion.prompt_tokens or 0
        self._numbers["completion_tokens"] += completion.completion_tokens or 0
        self._numbers["cut"] += completion.finish_reason == "cut"
        self._finished.put((job, completion))

    async def _again(self, job: Job, host: Host, fault: Fault) -> None:
        """Asks once more after a while; raises EngineError when the engine is beyond help.

        The place is free meanwhile.
        """
        assert self._fleet is not None
        if not self.engine.is_alive():
            raise EngineError(self.engine.describe_death())
        patience, trouble_s = self._patience, host.trouble_s()
        self._fleet.note_fault(host, fault)
        others = any(h.is_up for h in self._fleet.hosts if h is not host)
        is_strange = fault.is_unreachable and not host.has_worked and not others
        if is_strange and trouble_s > patience.never_reached_s:
            raise EngineError(nobody(wire.address(host.url, job.request), fault))
        if not fault.is_busy:
            job.attempts += patience.stall_attempts if fault.is_stall else 1
        is_spent = job.attempts >= patience.attempts
        is_long = trouble_s > patience.trouble_s + fault.retry_after_s and not others
        if is_spent or is_long:
            reason = await self._line.probe(job.request, host)
            if reason and not others:
                raise EngineError(
                    f"the engine at {host.url} does not answer any more: {reason};"
                    " run the same command again when it does, and it continues"
                )
            if is_spent and not reason:
                why = f"no answer in {patience.attempts} attempts: {fault}"
                return self._keep(job, refusal(job.request, why))
        self._numbers["retries"] += 1
        self._put_back_later(job, fault, trouble_s, is_elsewhere=others)

    def _put_back_later(
        self, job: Job, fault: Fault, trouble_s: float, *, is_elsewhere: bool
    ) -> None:
        """After a pause that grows with the server's trouble, unless another can take it now.

        A server that answers others is not in trouble: then a request's own bad luck (of faults in
        two requests of three, say) must not cost minutes.
        """
        delay = self._patience.first_delay_s * 2 ** min(job.attempts, 2) + trouble_s
        delay = min(delay, self._patience.longest_delay_s) * random.uniform(0.5, 1.0)
        delay = max(delay, fault.retry_after_s)
        if is_elsewhere and job.attempts <= 2:
            delay = 0.0
        asyncio.get_running_loop().call_later(delay, self._put_back, job)

    def _put_back(self, job: Job) -> None:
        self._waiting.appendleft(job)
        self._fill()

    def _end_dropped(self, job: Job) -> None:
        if job in self._active and job.task:
            answer = job.answer
            self._numbers["dropped_tokens"] += max(answer.tokens, answer.length // 4)
            job.task.cancel()

    def _look_s(self) -> float:
        """How often to look for attempts that are silent."""
        return min(1.0, self._patience.stall_s / 4, self._patience.first_token_s / 4)

    def _end_stalled(self) -> None:
        """Ends attempts that have been silent for too long; they are made again."""
        now = time.monotonic()
        for job in list(self._active):
            limit = self._patience.stall_s if job.answer.tokens else self._patience.first_token_s
            if job.task and now - job.touched > (min(1.0, limit) if job.answer.is_done else limit):
                job.is_stalled = True
                job.task.cancel()
