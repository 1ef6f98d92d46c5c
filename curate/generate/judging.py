"""Verdicts on samples: at once where a rule is quick, in threads where it waits for others."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from curate.engines.request import Completion, Request
from curate.generate.rollout import Rollout, rule_in_force
from curate.sample import Sample, Verdict
from curate.select.keep import Keep

AT_A_TIME = 64
"""Verdicts that are waited for at a time; a judge's server has places for about as many."""


class Judged(NamedTuple):
    """A finished sample and what the rules say of it."""

    sample: Sample
    verdicts: dict[str, Verdict]
    error: str | None = None
    """Why the engine refused to answer."""


class Judging:
    """Asks the rules of a prompt about its samples.

    Rules that run programs or ask a model (`batch` above 1) are slow: they are asked last, in
    threads, and unless `ask_all` only about what the quick ones accept.
    """

    def __init__(self, rules: Sequence[Keep], *, ask_all: bool) -> None:
        self.ask_all = ask_all
        slow = any(rule.scorer.batch > 1 for rule in rules)
        self._threads = ThreadPoolExecutor(AT_A_TIME, "judge") if slow else None
        self._finished: queue.SimpleQueue[tuple[Rollout, Judged | BaseException]] = (
            queue.SimpleQueue()
        )
        self.waiting = 0
        """Samples whose verdicts are being waited for."""

    def judge(
        self,
        rollout: Rollout,
        request: Request,
        completion: Completion,
        done: Callable[[], None],
    ) -> Judged | None:
        """The sample with its verdicts; None when that takes a while.

        Then `next` gives it, and `done` is called, from another thread, when it does.
        """
        sample = rollout.sample(request, completion)
        if completion.finish_reason == "refused":
            return Judged(sample, {}, completion.error or "")
        if completion.finish_reason == "cut":
            return Judged(sample, of_a_cut(rollout, sample, completion.cut_by))
        quick = [rule for rule in rollout.rules if rule.scorer.batch == 1]
        verdicts = {rule.scorer.name: rule.verdict(sample) for rule in quick}
        is_open = all(rule.accepts(verdicts[rule.scorer.name]) for rule in quick)
        is_all = len(quick) == len(rollout.rules)
        if self._threads is None or is_all or not (is_open or self.ask_all):
            return Judged(sample, verdicts)
        self.waiting += 1
        rollout.is_judging = True
        self._threads.submit(self._judge_slowly, rollout, sample, verdicts, done)
        return None

    def next(self, *, wait: bool) -> tuple[Rollout, Judged] | None:
        """A sample whose verdicts have come; raises what a rule raised."""
        try:
            rollout, judged = self._finished.get(block=wait)
        except queue.Empty:
            return None
        self.waiting -= 1
        rollout.is_judging = False
        if isinstance(judged, BaseException):
            raise judged
        return rollout, judged

    def close(self) -> None:
        if self._threads:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _judge_slowly(
        self,
        rollout: Rollout,
        sample: Sample,
        verdicts: dict[str, Verdict],
        done: Callable[[], None],
    ) -> None:
        try:
            slow = [rule for rule in rollout.rules if rule.scorer.batch > 1]
            found = {**verdicts, **{rule.scorer.name: rule.verdict(sample) for rule in slow}}
            # In the order of `accept`: the first rule that it breaks is the reason.
            ordered = {rule.scorer.name: found[rule.scorer.name] for rule in rollout.rules}
            self._finished.put((rollout, Judged(sample, ordered)))
        except BaseException as error:
            self._finished.put((rollout, error))
        done()


def of_a_cut(rollout: Rollout, sample: Sample, cut_by: str | None) -> dict[str, Verdict]:
    """What the rule says that cut an answer off: the fault shows in what it may become."""
    rule = next(rule for rule in rollout.rules if rule_in_force(rule) == cut_by)
    verdict = Verdict(0.0, "cut: no ending of it would be accepted")
    if rule.scorer.batch == 1 and not rule.accepts(said := rule.scorer.judge(sample)):
        verdict = said
    return {rule.scorer.name: verdict}
