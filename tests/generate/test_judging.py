"""Rules in `accept` that ask a model: many at a time, last, and only what the others accept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from curate.errors import EngineError, UsageError
from curate.sample import Sample, Verdict
from curate.scorers import Judge, Majority, ThinkFormat, asking
from curate.scorers.scorer import Scorer
from curate.select import Keep
from tests.engines.asking import QUICK
from tests.generate.test_generate import add, prompts, run
from tests.scorers.judging import judging, shown, verdict
from tests.servers.openai_server import Reply, ScriptedServer


@pytest.fixture(autouse=True)
def askers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(asking, "PATIENCE", QUICK)
    yield
    asking.close_askers()


def accept(judge: ScriptedServer, folder: Path) -> list[Keep]:
    rule = Judge(engine=judge.url, model="m", store=str(folder / "judged"))
    return [Keep(rule), Keep(ThinkFormat())]


def is_even(answer: str) -> str:
    return verdict("correct" if answer.rstrip("}.")[-1] in "02468" else "incorrect")


def name(sample: Sample) -> str:
    return sample.id


def golds(asked: list[Sample]) -> list[Sample]:
    return [replace(sample, answer="an even number") for sample in asked]


def test_the_judge_is_asked_last_about_many_at_a_time(tmp_path: Path) -> None:
    def judged(number: int, body: dict[str, Any]) -> Reply:
        return Reply([is_even(shown(body))], delay_s=0.3)

    asked = golds(prompts(24))
    with ScriptedServer(add) as server, ScriptedServer(judged) as judge:
        rules = accept(judge, tmp_path)
        first = run(tmp_path, server.url, asked, accept=rules, concurrency=8)
        texts = {shown(body) for body in judge.requests}
        assert judge.busiest >= 8
        replayed = run(tmp_path, server.url, asked, accept=rules, concurrency=3)
        assert {shown(body) for body in judge.requests} == texts
    assert sorted(replayed.samples, key=name) == sorted(first.samples, key=name)
    refused = first.funnel["samples"]["dropped"]
    assert refused["ThinkFormat"] > 0 and refused[rules[0].scorer.name] > 0
    for sample in first.samples:
        assert list(sample.verdicts) == [rule.scorer.name for rule in rules]
        assert sample.verdicts[rules[0].scorer.name].score == 1.0
    made = first.funnel["samples"]["made"]
    assert len(judge.requests) <= made - refused["ThinkFormat"]


def test_with_all_samples_every_rule_is_asked(tmp_path: Path) -> None:
    with ScriptedServer(add) as server, judging(is_even) as judge:
        rules = accept(judge, tmp_path)
        few = {"keep": "all", "samples": 3, "early_stop": False}
        outcome = run(tmp_path, server.url, golds(prompts(6)), accept=rules, **few)
        told = {shown(body) for body in judge.requests}
    assert outcome.funnel["samples"]["made"] == 18
    assert outcome.funnel["samples"]["dropped"]["ThinkFormat"] > 0
    said = {"".join(add(0, body).content) for body in server.requests}
    assert told == {Sample("p", "").with_completion(text).response for text in said}


def test_a_dead_judge_ends_the_run(tmp_path: Path) -> None:
    with ScriptedServer(add) as server:
        with judging(is_even) as judge:
            rules = accept(judge, tmp_path)
        with pytest.raises(EngineError, match=r"nobody|answer"):
            run(tmp_path, server.url, golds(prompts(6)), accept=rules)


def test_a_rule_that_compares_samples_cannot_accept(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Majority compares a prompt's samples.*after Generate"):
        run(tmp_path, "http://127.0.0.1:9/v1", prompts(1), accept=[Keep(Majority())])


@dataclass(frozen=True)
class Broken(Scorer):
    """A slow rule with a mistake in it."""

    batch = 2

    def judge(self, sample: Sample) -> Verdict:
        raise KeyError("no such thing")


def test_an_error_in_a_slow_rule_is_not_swallowed(tmp_path: Path) -> None:
    with ScriptedServer(add) as server, pytest.raises(KeyError, match="no such thing"):
        run(tmp_path, server.url, prompts(3), accept=[Keep(Broken())])
