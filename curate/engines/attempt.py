"""One request over the wire: sent, streamed, watched, and what came of it."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from curate.engines import wire
from curate.engines.fleet import Host
from curate.engines.http1 import Pool, Response
from curate.engines.request import Completion, Request
from curate.engines.stream import Answer, Fault, Refused
from curate.errors import EngineError
from curate.sample import Turn

Watch = Callable[[str, int], str | None]
"""Fed with the new text of an answer and its tokens so far: the rule that no ending can fulfil."""

Watching = Callable[[], Watch | None]
"""Makes the watch of one attempt: it remembers what it was fed, a repeated answer begins anew."""

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
    attempts: int = 200
    """Of one request while others succeed, a second or less apart. With faults in two requests of
    three, 20 in a row befall one request in 3,000; it must not lose its answer."""
    stall_attempts: int = 10
    """What an attempt counts that a server held up for minutes."""


@dataclass(eq=False)
class Job:
    """A request on its way; what `ask` gives and `drop` takes."""

    tag: Any
    request: Request
    watching: Watching | None = None
    attempts: int = 0
    touched: float = math.inf
    asked: float = 0.0
    first_s: float | None = None
    answer: Answer = field(default_factory=Answer)
    host: Host | None = None
    task: asyncio.Task[None] | None = None
    is_stalled: bool = False
    is_dropped: bool = False
    is_ahead: bool = False
    """Asked for before it was known to be needed."""


class Line:
    """Sends requests to servers; counts them in `numbers`."""

    def __init__(self, pool: Pool, patience: Patience, numbers: Counter[str]) -> None:
        self.pool, self.patience, self.numbers = pool, patience, numbers

    async def completion(self, job: Job, host: Host) -> Completion:
        """What the engine says, a refusal included; Fault when it says nothing of use."""
        try:
            return await self.attempt(job, host)
        except Refused as refused:
            # Before anything has worked it may be that this server refuses everything, and then no
            # sample is to blame.
            if not host.has_worked and (reason := await self.probe(job.request, host)):
                raise EngineError(
                    f"{host.url} refuses every request: {reason}; see whether it is an"
                    " OpenAI-compatible chat server that takes seed and stream_options"
                ) from None
            return refusal(job.request, str(refused))

    async def probe(self, request: Request, host: Host) -> str | None:
        """Why the engine does not answer even the plainest question; None when it does."""
        plain = replace(
            request, messages=(Turn(role="user", content="Hi"),), prefill="", max_tokens=1
        )
        try:
            async with asyncio.timeout(self.patience.stall_s):
                await self.attempt(Job(None, plain), host)
        except TimeoutError:
            return "it does not answer in time"
        except (Fault, Refused) as error:
            return str(error)
        return None

    async def attempt(self, job: Job, host: Host) -> Completion:
        """One request over the wire."""
        job.answer = answer = Answer(job.request.prefill)
        job.asked = job.touched = time.monotonic()
        job.first_s = None
        self.numbers["requests"] += 1
        limit = job.request.max_tokens
        host.pace.expect(limit)
        try:
            url = wire.address(host.url, job.request)
            body, headers = wire.body(job.request), host.endpoint.headers
            async with await self.pool.request("POST", url, body, headers) as response:
                await wire.check(url, response)
                if rule := await self._read(job, host, response):
                    return self._note_end(job, host, answer.cut(limit, rule))
        except OSError as error:
            if not answer.is_done:
                raise wire.fault(error) from None
        except asyncio.CancelledError:
            if not job.is_stalled:
                raise
            job.is_stalled = False
            if job.task:
                job.task.uncancel()
            if not answer.is_done:
                fault = Fault("no token came in time")
                fault.is_stall = True
                raise fault from None
        finally:
            job.touched = math.inf
        return self._note_end(job, host, answer.completion(limit))

    def _note_end(self, job: Job, host: Host, completion: Completion) -> Completion:
        """A good answer says how the server does."""
        now = time.monotonic()
        host.note_life()
        host.clock.ended(now - job.asked)
        tokens, prompt = completion.completion_tokens or 0, completion.prompt_tokens or 0
        is_full = host.active >= host.pace.limit
        host.pace.ended(tokens, prompt, job.first_s or now - job.asked, is_full)
        return completion

    async def _read(self, job: Job, host: Host, response: Response) -> str | None:
        """Reads the stream to its end, or until the watch names a rule that it can never fulfil."""
        answer, asked_at = job.answer, 0
        watch = job.watching() if job.watching else None
        async for data in response:
            if answer.feed(data):
                job.touched = time.monotonic()
                job.first_s = job.first_s or job.touched - job.asked
                host.trouble_since = None
            if watch and answer.length - asked_at >= _WATCH_EVERY and answer.is_orderly:
                asked_at = answer.length
                if rule := watch(answer.take(), answer.tokens):
                    return rule
        return None


def refusal(request: Request, reason: str) -> Completion:
    """The completion of a request that will never have one."""
    return Completion(
        text="",
        finish_reason="refused",
        prompt_tokens=None,
        completion_tokens=None,
        max_tokens=request.max_tokens,
        error=reason,
    )
