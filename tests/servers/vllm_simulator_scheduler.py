"""How vLLM schedules: continuous batching in steps, one KV cache, preemption by recompute.

Time is counted in ticks of a few steps; a step makes one token for each running request, or
computes `prefill` tokens of a prompt. Nothing here knows of sockets or of seconds.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate

STEADY = (0.05, 0.9)
"""The steady phase: from this to that share of all tokens that were decoded."""


@dataclass(eq=False)
class Job:
    """A request on its way; `deliver(start, end)` is called with the tokens that a tick made."""

    prompt_tokens: int
    total: int
    deliver: Callable[[int, int], None]
    sent: int = 0
    uncomputed: int = 0
    is_aborted: bool = False
    is_finished: bool = False

    @property
    def size(self) -> int:
        """Its tokens in the KV cache."""
        return self.prompt_tokens + self.sent


@dataclass
class Counters:
    preemptions: int = 0
    recomputed_tokens: int = 0
    prompt_tokens: int = 0
    decoded_tokens: int = 0
    aborted: int = 0
    aborted_tokens: int = 0
    """Decoded for requests that nobody waited for to the end."""
    finished: int = 0
    prefix_queries: int = 0
    prefix_hits: int = 0


@dataclass
class Scheduler:
    """Who runs, who waits, who is preempted."""

    slots: int
    kv_tokens: int | None
    """None: without limit."""
    prefill: int
    quantum: int
    """Steps a tick."""
    counters: Counters = field(default_factory=Counters)
    waiting: deque[Job] = field(default_factory=deque)
    running: list[Job] = field(default_factory=list)
    used: int = 0
    _busy: array[int] = field(default_factory=lambda: array("I"))
    """Running requests in each tick since the first one."""
    _made: array[int] = field(default_factory=lambda: array("I"))
    """Tokens in each tick."""
    _has_aborted: bool = False

    @property
    def has_work(self) -> bool:
        return bool(self.running or self.waiting)

    def submit(self, job: Job, *, is_cached: bool) -> None:
        """Queues a request; one whose prompt is in the prefix cache has nothing to compute."""
        self.counters.prefix_queries += job.prompt_tokens
        self.counters.prefix_hits += job.prompt_tokens * is_cached
        job.uncomputed = 0 if is_cached else job.prompt_tokens
        self.waiting.append(job)

    def abort(self, job: Job) -> None:
        """Its client is gone: a running request is freed by the next tick."""
        if not job.is_aborted and not job.is_finished:
            job.is_aborted = self._has_aborted = True
            self.counters.aborted += 1
            self.counters.aborted_tokens += job.sent

    def idle(self, ticks: int) -> None:
        """Time that passed with nothing to do; what is before the first request does not count."""
        if self._busy:
            self._busy.extend([0] * ticks)
            self._made.extend([0] * ticks)

    def tick(self) -> None:
        """`quantum` steps."""
        self._drop_aborted()
        if not self._preempt():
            self._admit()
        self._busy.append(len(self.running))
        before, budget = self.counters.decoded_tokens, self.prefill * self.quantum
        for job in self.running:
            steps = self.quantum
            if job.uncomputed:
                computed = min(job.uncomputed, budget)
                job.uncomputed -= computed
                budget -= computed
                steps = 0 if job.uncomputed else budget // self.prefill
            self._decode(job, steps)
        self.running = [job for job in self.running if not job.is_finished]
        self._made.append(self.counters.decoded_tokens - before)

    def utilisation(self) -> dict[str, float]:
        """Busy slot-time over available slot-time, whole (first to last request) and steady."""
        sums = list(accumulate(self._made))
        total = sums[-1] if sums else 0
        start = next((i for i, made in enumerate(sums) if made >= STEADY[0] * total), 0)
        end = next((i for i, made in enumerate(sums) if made >= STEADY[1] * total), 0)
        whole, steady = self._busy, self._busy[start : end + 1]
        return {
            "busy_ticks": sum(whole),
            "available_ticks": len(whole) * self.slots,
            "whole": sum(whole) / max(len(whole) * self.slots, 1),
            "steady": sum(steady) / max(len(steady) * self.slots, 1),
        }

    def _decode(self, job: Job, steps: int) -> None:
        start = job.sent
        job.sent = min(start + steps, job.total)
        made = job.sent - start
        self.used += made
        self.counters.decoded_tokens += made
        if made:
            job.deliver(start, job.sent)
        if job.sent == job.total and not job.is_aborted:
            job.is_finished = True
            self.used -= job.size
            self.counters.finished += 1

    def _drop_aborted(self) -> None:
        if not self._has_aborted:
            return
        self._has_aborted = False
        self.waiting = deque(job for job in self.waiting if not job.is_aborted)
        self.used -= sum(job.size for job in self.running if job.is_aborted)
        self.running = [job for job in self.running if not job.is_aborted]

    def _growth(self, job: Job) -> int:
        return min(self.quantum, job.total - job.sent)

    def _free(self) -> int | None:
        """Room that is left when all that run have grown by a tick."""
        if self.kv_tokens is None:
            return None
        return self.kv_tokens - self.used - sum(self._growth(job) for job in self.running)

    def _preempt(self) -> bool:
        """Takes the newest out until the others can grow; its tokens must be computed again."""
        free, is_any = self._free(), False
        while free is not None and free < 0:
            job = self.running.pop()
            free += job.size + self._growth(job)
            self.used -= job.size
            self.counters.preemptions += 1
            self.counters.recomputed_tokens += job.size
            job.uncomputed = job.size
            self.waiting.appendleft(job)
            is_any = True
        return is_any

    def _admit(self) -> None:
        free = self._free()
        while self.waiting and len(self.running) < self.slots:
            job = self.waiting[0]
            if free is not None:
                free -= job.size + self._growth(job)
                if free < 0:
                    return
            self.running.append(self.waiting.popleft())
            self.used += job.size
            self.counters.prompt_tokens += 0 if job.sent else job.prompt_tokens
