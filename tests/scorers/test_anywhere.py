"""Every scorer gives the same verdicts in threads and in spawned processes, as trainers call it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from curate.sample import Sample, Verdict
from curate.scorers import BoxedAnswer, MathAnswer, Scorer
from tests.scorers.samples import CUT, GOOD, PROMPT, SCORERS, good

EMPTY = PROMPT.with_completion("", finish_reason="stop", completion_tokens=0)


def verdicts(scorer: Scorer) -> list[Verdict]:
    samples: Sequence[Sample] = [GOOD, good(scorer), CUT, EMPTY]
    return [verdict for sample in samples for verdict in scorer.judge_all([sample, CUT])]


def all_verdicts() -> list[list[Verdict]]:
    return [verdicts(scorer) for scorer in SCORERS]


@pytest.fixture(scope="module")
def said_here() -> list[list[Verdict]]:
    return all_verdicts()


def test_the_same_verdicts_in_four_threads_at_once(said_here: list[list[Verdict]]) -> None:
    with ThreadPoolExecutor(4) as threads:
        said = [threads.submit(all_verdicts) for _ in range(4)]
        for one in said:
            assert one.result() == said_here


def test_the_same_verdicts_in_a_spawned_process(said_here: list[list[Verdict]]) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for scorer, verdict in zip(SCORERS, pool.map(verdicts, SCORERS), strict=True):
            assert verdict == verdicts(scorer), scorer.name


def test_what_would_hang_does_not_hang_a_thread() -> None:
    """math_verify has no timeout outside of the main thread; here a process is stopped."""
    hostile = PROMPT.with_completion(r"\boxed{7^{70000000} - 3^{9^{9}}}")
    with ThreadPoolExecutor(2) as threads:
        said = [threads.submit(rule.judge, hostile) for rule in (BoxedAnswer(), MathAnswer())]
        assert all(one.result(timeout=120).score in (0.0, None) for one in said)
    reward = BoxedAnswer()(completions=[hostile.text, GOOD.text], answer=["7", "7"])
    assert reward[0] in (0.0, None) and reward[1] == 1.0
