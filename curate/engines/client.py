"""The client: many requests in flight, one completion each, stored before anybody sees it.

    with Client(engine, store, concurrency=32) as client:
        client.ask(tag, request)              # from any thread; returns at once
        tag, completion = client.next()       # the next one that is finished, in whatever order

Its event loop has a thread of its own. Nothing is started and nobody is asked before the first
`ask`.
"""

from __future__ import annotations

import asyncio
import math
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import aiohttp

from curate.engines import wire
from curate.engines.engine import nobody
from curate.engines.request import Completion, Request
from curate.engines.server import Endpoint, Engine
from curate.engines.store import Store
from curate.engines.stream import Answer, Fault, Refused, is_clean
from curate.errors import EngineError
from curate.sample import Turn

Watch = Callable[[str], str | None]
"""Asked with the beginning of an answer: the rule that no ending can fulfil, or None to go on."""

_WATCH_EVERY = 200


@dataclass(frozen=True)
class Patience:
    """How long the client waits for what, in seconds."""

    connect_s: float = 10.0
    first_token_s: float = 1800.0
    """With a full KV cache a long request queues for many minutes (vLLM issue 20520)."""
    stall_s: float = 120.0
    """Between two tokens; never a limit on the whole, which a long answer would break."""
    never_reached_s: float = 10.0
    trouble_s: float = 120.0
    """Without any sign of life from an engine that had worked."""
    first_delay_s: float = 0.25
    longest_delay_s: float = 20.0
    attempts: int = 20
    """Of one request while others succeed; if one in three fails by chance, never 20 in a row."""


@dataclass(eq=False)
class _Job:
    tag: Any
    request: Request
    watch: Watch | None = None
    attempts: int = 0
    touched: float = math.inf
    answer: Answer = field(default_factory=Answer)
    task: asyncio.Task[None] | None = None
    is_stalled: bool = False


class Client:
    """Asks one engine, `concurrency` requests at a time; the number may be changed at any time."""

    def __init__(
        self, engine: Engine, store: Store, concurrency: int, *, patience: Patience | None = None
    ) -> None:
        self.engine = engine
        self.concurrency = concurrency
        self._store = store
        self._patience = patience or Patience()
        self._numbers = {"requests": 0, "prompt_tokens": 0, "completion_tokens": 0, "retries": 0}
        self._lock = threading.Lock()
        self._in_flight = 0
        self._waiting: deque[_Job] = deque()
        self._finished: queue.SimpleQueue[tuple[Any, Completion] | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_woken = False
        self._is_closed = False
        self._active: set[_Job] = set()
        self._has_worked = False
        self._trouble_since: float | None = None

    @property
    def in_flight(self) -> int:
        """How many were asked for and not handed out yet."""
        return self._in_flight

    def ask(self, tag: Any, request: Request, watch: Watch | None = None) -> None:
        """Asks for what the store does not have; the answer comes out of `next` with its tag."""
        if self._is_closed:
            raise RuntimeError("the client is closed")
        with self._lock:
            self._in_flight += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="client", daemon=True)
                self._thread.start()
        self._waiting.append(_Job(tag, request, watch))
        # With a full window whoever ends next takes it up; waking the loop costs as much as sending
        # a request.
        if self._loop is not None and not self._is_woken and len(self._active) < self.concurrency:
            self._is_woken = True
            self._call(self._fill)

    def next(self) -> tuple[Any, Completion]:
        """Waits for the next finished completion; raises EngineError when there will be none."""
        if not self._in_flight:
            raise RuntimeError("nothing was asked for")
        item = self._finished.get()
        if item is None:
            self._finished.put(None)
            assert self._error is not None
            raise self._error
        with self._lock:
            self._in_flight -= 1
        return item

    def numbers(self) -> dict[str, int]:
        """So far: requests sent, tokens in and out, and how many requests were repetitions."""
        return dict(self._numbers)

    def close(self) -> None:
        """Drops what is in flight, closes the connections and lets the engine go."""
        self._is_closed = True
        if self._thread is not None:
            self._call(self._cancel)
            self._thread.join(2.0)
        self.engine.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, function: Callable[[], None]) -> None:
        """Has the loop's thread call a function; nothing when it has ended."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(function)
            except RuntimeError:
                if not self._loop.is_closed():
                    raise

    def _run(self) -> None:
        """The thread: makes the engine ready, then asks until closed or until there is no hope."""
        try:
            self._store.prepare()
            endpoint = self.engine.start()
            asyncio.run(self._serve(endpoint))
        except BaseException as error:
            self._fail(error)

    async def _serve(self, endpoint: Endpoint) -> None:
        self._url = f"{endpoint.url}/chat/completions"
        self._is_over = asyncio.Event()
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._patience.connect_s),
            headers={
                **endpoint.headers,
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as self._session:
            self._loop = asyncio.get_running_loop()
            if self._is_closed:
                return
            self._fill()
            while not self._is_over.is_set():
                self._end_stalled()
                try:
                    await asyncio.wait_for(self._is_over.wait(), self._look_s())
                except TimeoutError:
                    continue
            tasks = [job.task for job in self._active if job.task]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _fail(self, error: BaseException) -> None:
        """There will be no more completions: the finished ones are handed out, then the error."""
        if self._error is None:
            self._error = error
            self._finished.put(None)
        self._call(self._cancel)

    def _cancel(self) -> None:
        self._is_over.set()

    def _fill(self) -> None:
        """Starts what waits while there is room."""
        self._is_woken = False
        while self._waiting and len(self._active) < self.concurrency and not self._is_over.is_set():
            job = self._waiting.popleft()
            self._active.add(job)
            job.task = asyncio.get_running_loop().create_task(self._work(job))

    async def _work(self, job: _Job) -> None:
        """One attempt; whatever comes of it, the place is free afterwards."""
        try:
            self._keep(job, await self._completion(job))
        except Fault as fault:
            try:
                await self._again(job, fault)
            except Exception as error:
                self._fail(error)
        except Exception as error:
            self._fail(error)
        finally:
            self._active.discard(job)
            self._fill()

    def _keep(self, job: _Job, completion: Completion) -> None:
        self._store.put(job.request, completion)
        self._numbers["prompt_tokens"] += completion.prompt_tokens or 0
        self._numbers["completion_tokens"] += completion.completion_tokens or 0
        self._finished.put((job.tag, completion))

    async def _completion(self, job: _Job) -> Completion:
        """What the engine says, a refusal included; Fault when it says nothing of use."""
        try:
            return await self._attempt(job)
        except Refused as refusal:
            # Before anything has worked it may be that this server refuses everything, and then no
            # sample is to blame.
            if not self._has_worked and (reason := await self._probe(job.request)):
                raise EngineError(
                    f"{self._url} refuses every request: {reason}; see whether it is an"
                    " OpenAI-compatible chat server that takes seed and stream_options"
                ) from None
            return _refusal(job.request, str(refusal))

    async def _probe(self, request: Request) -> str | None:
        """Why the engine does not answer even the plainest question; None when it does."""
        plain = replace(request, messages=(Turn(role="user", content="Hi"),), max_tokens=1)
        try:
            async with asyncio.timeout(self._patience.stall_s):
                await self._attempt(_Job(None, plain))
        except TimeoutError:
            return "it does not answer in time"
        except (Fault, Refused) as error:
            return str(error)
        return None

    async def _attempt(self, job: _Job) -> Completion:
        """One request over the wire."""
        job.answer = answer = Answer()
        job.touched = time.monotonic()
        self._numbers["requests"] += 1
        try:
            async with self._session.post(
                self._url, data=wire.body(job.request), allow_redirects=False
            ) as response:
                await wire.check(response)
                if rule := await self._read(job, response):
                    response.close()
                    return answer.cut(job.request.max_tokens, rule)
        except (aiohttp.ClientError, OSError) as error:
            if not answer.is_done:
                raise wire.fault(error) from None
        except asyncio.CancelledError:
            if not job.is_stalled:
                raise
            job.is_stalled = False
            if job.task:
                job.task.uncancel()
            if not answer.is_done:
                raise Fault("no token came in time") from None
        finally:
            job.touched = math.inf
        completion = answer.completion(job.request.max_tokens)
        self._note_life()
        return completion

    async def _read(self, job: _Job, response: aiohttp.ClientResponse) -> str | None:
        """Reads the stream to its end, or until the watch names a rule that it can never fulfil."""
        answer, asked_at = job.answer, 0
        async for data in response.content.iter_any():
            if answer.feed(data):
                job.touched = time.monotonic()
                self._trouble_since = None
            if job.watch and answer.length - asked_at >= _WATCH_EVERY:
                asked_at = answer.length
                text = answer.text
                if is_clean(text) and (rule := job.watch(text)):
                    self._note_life()
                    return rule
        return None

    def _note_life(self) -> None:
        self._has_worked = True
        self._trouble_since = None

    async def _again(self, job: _Job, fault: Fault) -> None:
        """Asks once more after a while; raises EngineError when the engine is beyond help.

        The place is free meanwhile.
        """
        if not self.engine.is_alive():
            raise EngineError(self.engine.describe_death())
        patience, now = self._patience, time.monotonic()
        self._trouble_since = self._trouble_since or now
        trouble_s = now - self._trouble_since
        if fault.is_unreachable and not self._has_worked and trouble_s > patience.never_reached_s:
            raise EngineError(nobody(self._url, fault))
        job.attempts += not fault.is_busy
        is_spent = job.attempts >= patience.attempts
        if is_spent or trouble_s > patience.trouble_s + fault.retry_after_s:
            if reason := await self._probe(job.request):
                raise EngineError(
                    f"the engine at {self._url} does not answer any more: {reason};"
                    " run the same command again when it does, and it continues"
                )
            if is_spent:
                why = f"no answer in {job.attempts} attempts: {fault}"
                return self._keep(job, _refusal(job.request, why))
        self._numbers["retries"] += 1
        delay = patience.first_delay_s * 2 ** min(job.attempts, 20)
        delay = min(delay, patience.longest_delay_s) * random.uniform(0.5, 1.0)
        loop = asyncio.get_running_loop()
        loop.call_later(max(delay, fault.retry_after_s), self._put_back, job)

    def _put_back(self, job: _Job) -> None:
        self._waiting.appendleft(job)
        self._fill()

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


def _refusal(request: Request, reason: str) -> Completion:
    """The completion of a request that will never have one."""
    return Completion(
        text="",
        finish_reason="refused",
        prompt_tokens=None,
        completion_tokens=None,
        max_tokens=request.max_tokens,
        error=reason,
    )
