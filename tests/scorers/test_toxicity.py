"""Toxicity: what is made of a classifier's outputs, behind a real server on loopback."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.errors import UsageError
from curate.sample import Verdict
from curate.scorers import Toxicity, asking, scorer_from
from tests.engines.asking import QUICK
from tests.scorers.judging import PROMPT
from tests.servers.openai_server import Reply, ScriptedServer


@pytest.fixture(autouse=True)
def askers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(asking, "PATIENCE", QUICK)
    yield
    asking.close_askers()


def classifying(outputs: Callable[[str], list[float]]) -> ScriptedServer:
    """A classifier that gives these outputs to a text."""

    def reply(number: int, body: dict[str, Any]) -> Reply:
        probs = outputs(body["messages"][-1]["content"])
        data = {"index": 0, "label": "LABEL_0", "probs": probs, "num_classes": len(probs)}
        said = {"model": "m", "data": [data], "usage": {"prompt_tokens": 7}}
        return Reply(content_type="application/json", body=json.dumps(said))

    return ScriptedServer(reply)


def at(server: ScriptedServer, store: Path, **changes: Any) -> Toxicity:
    return Toxicity(engine=server.url, model="m", store=str(store), **changes)


def two_classes(text: str) -> list[float]:
    return [0.0, math.log(9.0) if "idiot" in text else -math.log(9.0)]


def test_the_worst_part_counts(tmp_path: Path) -> None:
    kind, rude = "You are right, my friend. " * 3, "You idiot! "
    with classifying(two_classes) as server:
        rule = at(server, tmp_path, part_words=5)
        said = rule.judge_all([PROMPT.with_completion(t) for t in (kind, kind + rude, "")])
        assert [verdict.score for verdict in said] == [
            pytest.approx(0.9),
            pytest.approx(0.1),
            1.0,
        ]
        assert said[1].reason == "toxic: 0.9"
        assert [len(body["messages"]) for body in server.requests] == [1] * len(server.requests)
        assert all(len(b["messages"][0]["content"].split()) <= 5 for b in server.requests)


def test_the_reasoning_is_shown_unless_told_otherwise(tmp_path: Path) -> None:
    thought = PROMPT.with_completion("<think>What an idiot.</think>You are right.")
    with classifying(two_classes) as server:
        assert at(server, tmp_path).judge(thought).score == pytest.approx(0.1)
        assert at(server, tmp_path, sees="response").judge(thought).score == pytest.approx(0.9)


def test_classes_that_do_not_exclude_each_other(tmp_path: Path) -> None:
    said = PROMPT.with_completion("You are right.")
    with classifying(lambda text: [math.log(3.0), 5.0, 5.0]) as server:
        rule = at(server, tmp_path, label=0, independent=True)
        assert rule.judge(said).score == pytest.approx(0.25)
        assert rule.name == "Toxicity:model=m,label=0,independent=True"
    with classifying(lambda text: [math.nan, 0.0]) as server:
        assert at(server, tmp_path / "other").judge(said).score is None


def test_a_part_that_is_not_read_leaves_it_unjudged(tmp_path: Path) -> None:
    with classifying(lambda text: [0.0, -math.inf if "odd" in text else 0.0]) as server:
        rule = at(server, tmp_path, part_words=2)
        said = rule.judge(PROMPT.with_completion("It is. An odd one."))
        assert isinstance(said, Verdict) and said.score is None


def test_it_pickles_and_is_named_as_it_is_typed() -> None:
    rule = Toxicity(engine="transformers", model="m", part_words=100)
    assert pickle.loads(pickle.dumps(rule)) == rule
    assert scorer_from("Toxicity:engine=transformers,model=m,part_words=100") == rule
    with pytest.raises(UsageError, match="part_words=0 is at least 1"):
        Toxicity(engine="transformers", model="m", part_words=0)
    with pytest.raises(UsageError, match="say who answers"):
        Toxicity()
