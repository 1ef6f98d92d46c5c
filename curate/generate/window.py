"""Which samples are asked for now: the window of requests of one task, over many prompts.

A request holds a place, never a prompt: samples of a prompt go one after the other, those of many
prompts at a time. At the end of a run, when no new prompt is left for a free place, samples are
asked for ahead of their turn; what that may cost in vain is bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from curate.engines.client import Client
from curate.engines.request import Completion, Request
from curate.engines.store import Store
from curate.generate.budget import Budget
from curate.generate.judging import AT_A_TIME, Judged, Judging
from curate.generate.rollout import Rollout
from curate.generate.watch import Watch

SPECULATIVE = 0.05
"""At most this share of all tokens may go into samples that were asked for ahead of their turn."""


class Window:
    """Asks the store, then the client, and hands out the prompts as they are decided.

    Args:
        request: makes the request of a prompt's sample k.
        watch: makes what looks at a growing answer to a prompt, or None; for each attempt anew.
        judging: gives the verdicts on the next sample of a prompt, at once or after a while.
        decide: takes them; called in the order of k.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        budget: Budget,
        *,
        request: Callable[[Rollout, int], Request],
        watch: Callable[[Rollout], Watch | None],
        judging: Judging,
        decide: Callable[[Rollout, Judged], None],
    ) -> None:
        self.client, self.store, self.budget = client, store, budget
        self.request, self.watch = request, watch
        self.judging, self.decide = judging, decide
        self.numbers: Counter[str] = Counter()
        self._open: dict[int, Rollout] = {}
        """The prompts that have requests on their way, the oldest first."""

    def run(self, rollouts: Iterator[Rollout]) -> Iterator[Rollout]:
        """The prompts as they are decided, or as far as the budget went."""
        is_more = True
        while True:
            while is_more and self._has_room():
                rollout = next(rollouts, None)
                is_more = rollout is not None
                if rollout and self._advance(rollout):
                    yield rollout
            if not is_more:
                self._look_ahead()
            if not self.client.in_flight and not self.judging.waiting:
                yield from self._give_up()
                return
            yield from self._wait()
            if self.budget.left_s == 0:
                yield from self._give_up()

    def _has_room(self) -> bool:
        """Whether another prompt may be begun; what is being judged will ask again, or be done."""
        return self.client.room > 0 and self.judging.waiting < max(AT_A_TIME, self.client.capacity)

    def _wait(self) -> Iterator[Rollout]:
        """Waits for an answer or a verdict; the prompts that it decides."""
        if self.client.in_flight and (item := self.client.next(self.budget.left_s)):
            (rollout, request, k), completion = item
            if self._take(rollout, request, k, completion):
                yield rollout
        while self.judging.waiting:
            found = self.judging.next(wait=not self.client.in_flight)
            if found is None:
                return
            rollout, judged = found
            if rollout.is_closed:
                continue
            self.decide(rollout, judged)
            if self._advance(rollout):
                yield rollout

    def _take(self, rollout: Rollout, request: Request, k: int, completion: Completion) -> bool:
        """An answer has come; it waits for its turn. True when its prompt is decided."""
        ahead = rollout.jobs.pop(k).is_ahead
        tokens = completion.completion_tokens or 0
        self.numbers.update(paid=1, paid_tokens=tokens, speculative_tokens=tokens * ahead)
        self.budget.spend(tokens)
        rollout.ready[k] = request, completion
        return self._advance(rollout)

    def _advance(self, rollout: Rollout) -> bool:
        """Decides what is there, then asks for the next sample; True when the prompt is done."""
        while not rollout.is_decided:
            k = rollout.tried
            if k in rollout.jobs or rollout.is_judging:
                return False
            known = rollout.ready.pop(k, None)
            request = known[0] if known else self.request(rollout, k)
            completion = known[1] if known else self._stored(rollout, request)
            if completion is None:
                if self.budget.is_spent(self.client.in_flight):
                    rollout.is_out_of_budget = True
                    break
                self._ask(rollout, k, request)
                return False
            judged = self.judging.judge(rollout, request, completion, self.client.wake)
            if judged is None:
                self._open[id(rollout)] = rollout
                return False
            self.decide(rollout, judged)
        self._close(rollout)
        return True

    def _stored(self, rollout: Rollout, request: Request) -> Completion | None:
        completion = self.store.get(request, rollout.in_force)
        self.numbers["from_store"] += completion is not None
        return completion

    def _ask(self, rollout: Rollout, k: int, request: Request, *, is_ahead: bool = False) -> None:
        job = self.client.ask(
            (rollout, request, k),
            request,
            partial(self.watch, rollout),
            first=k > 0 and not is_ahead,
        )
        job.is_ahead = is_ahead
        self.numbers["speculative"] += is_ahead
        rollout.jobs[k] = job
        self._open[id(rollout)] = rollout

    def _close(self, rollout: Rollout) -> None:
        """Nothing more is needed of a prompt."""
        self._open.pop(id(rollout), None)
        rollout.is_closed = True
        for job in rollout.jobs.values():
            self.client.drop(job)
            if job.is_ahead:
                self.numbers["speculative_tokens"] += job.answer.tokens
        rollout.jobs.clear()

    def _look_ahead(self) -> None:
        """Fills places that would idle with samples whose turn has not come.

        Where all samples are wanted anyway that costs nothing; else only as far as `SPECULATIVE`.
        """
        free = self.client.capacity - self.client.in_flight
        if free <= 0 or self.budget.is_spent(self.client.in_flight):
            return
        allowed = self._allowance()
        for rollout in sorted(self._open.values(), key=lambda r: len(r.jobs)):
            is_ahead = rollout.keep is not None
            while free > 0 and (k := rollout.next_new) < rollout.samples:
                if is_ahead and allowed <= 0:
                    return
                request = self.request(rollout, k)
                if known := self._stored(rollout, request):
                    rollout.ready[k] = request, known
                    continue
                self._ask(rollout, k, request, is_ahead=is_ahead)
                free -= 1
                if is_ahead:
                    allowed -= 1
                    break

    def _allowance(self) -> int:
        """How many more answers may be asked for ahead of their turn, at the mean length so far."""
        paid, tokens = self.numbers["paid"], self.numbers["paid_tokens"]
        if not tokens:
            return 0
        mean = tokens / paid
        ahead = sum(job.is_ahead for r in self._open.values() for job in r.jobs.values())
        most = SPECULATIVE * (tokens + self.client.in_flight * mean)
        return int((most - self.numbers["speculative_tokens"]) / mean) - ahead

    def _give_up(self) -> Iterator[Rollout]:
        """What the budget left undecided."""
        for rollout in list(self._open.values()):
            self._close(rollout)
            yield rollout
