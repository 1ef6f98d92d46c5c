"""Rules for some domains only: `Keep(domains=…)` and `ByDomain`, as filters and in `accept`."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from curate.errors import RunError, UsageError
from curate.sample import Sample, Verdict
from curate.scorers import Length, Majority, MathAnswer, ThinkFormat
from curate.scorers.scorer import Scorer
from curate.select import ByDomain, Keep
from curate.step import plain
from tests.generate.test_generate import add, prompts, run
from tests.select.passing import group, passed
from tests.servers.openai_server import Reply, ScriptedServer

SHORT = Keep(Length(maximum=2, unit="words"))
RIGHT = Keep(MathAnswer())
LONG = "so it is five I think"


def names(document: Any) -> list[str]:
    return [verdict["name"] for verdict in document.metadata["verdicts"]]


def test_samples_of_other_domains_pass_unjudged() -> None:
    keep = Keep(Length(maximum=2, unit="words"), domains=["math"])
    documents = group("two", LONG, domain="math") + group(LONG, prompt="q", domain="code")
    found = passed(keep, documents)
    assert found.ids == ["p-0", "q-0"]
    assert [names(d) for d in found.kept] == [[SHORT.scorer.name], []]
    assert [g.is_good for g in keep.grades(documents)] == [True, False, None]


def test_each_domain_has_rules_of_its_own() -> None:
    step = ByDomain(math=[SHORT, RIGHT], code=SHORT)
    documents = [
        *group("5", "6", LONG, domain="math", answer="5"),
        *group("x", LONG, prompt="q", domain="code"),
        *group("x", prompt="r", domain="general"),
    ]
    found = passed(step, documents)
    assert found.ids == ["p-0", "q-0"]
    assert [names(d) for d in found.kept] == [
        [SHORT.scorer.name, "MathAnswer"],
        [SHORT.scorer.name],
    ]
    assert found.reasons == {
        **{"p-1": "MathAnswer", "p-2": SHORT.scorer.name, "q-1": SHORT.scorer.name},
        "r-0": "ByDomain:no_rule",
    }
    assert [g.is_good for g in step.grades(documents)] == [True, False, False, True, False, None]


def test_what_has_no_rule_passes_only_when_that_is_said() -> None:
    documents = group("x", domain="general") + group(LONG, prompt="q", domain="general")
    assert passed(ByDomain(math=RIGHT, other=[]), documents).ids == ["p-0", "q-0"]
    assert passed(ByDomain(math=RIGHT, other=SHORT), documents).ids == ["p-0"]


def test_a_rule_that_compares_samples_sees_those_of_its_prompt() -> None:
    step = ByDomain(math=Keep(Majority()), other=[])
    documents = group("5", "5", "6", domain="math") + group("x", prompt="q", domain="code")
    assert step.is_grouped
    assert passed(step, documents).ids == ["p-0", "p-1", "q-0"]


def test_identity_tells_domains_apart_and_old_rules_are_as_they_were() -> None:
    assert "domains" not in RIGHT.identity()
    assert Keep(MathAnswer(), domains=["math"]).identity()["domains"] == ["math"]
    said = plain(ByDomain(math=RIGHT, other=[]))
    assert said == {"step": "ByDomain", "math": RIGHT.identity(), "other": []}
    assert json.loads(json.dumps(said)) == said
    assert plain(ByDomain(stem=RIGHT, other=[])) != said
    step = pickle.loads(pickle.dumps(ByDomain(math=[SHORT], other=[])))
    assert passed(step, group("5", domain="math")).ids == ["p-0"]


def domains(n: int) -> list[Sample]:
    """Sums, every other one called code and without a gold answer."""
    asked = prompts(n)
    return [replace(s, domain="code", answer=None) if i % 2 else s for i, s in enumerate(asked)]


@dataclass(frozen=True)
class NoSeven(Scorer):
    """1.0 for what has no 7; can tell early."""

    def judge(self, sample: Sample) -> Verdict:
        return Verdict(float("7" not in sample.text), "a 7" if "7" in sample.text else "")

    def hopeless(self, beginning: Sample, at_least: float) -> str | None:
        return "a 7" if "7" in beginning.text else None


def test_in_accept_a_prompt_is_judged_by_the_rules_of_its_domain(tmp_path: Path) -> None:
    rules = [Keep(ThinkFormat()), ByDomain(math=RIGHT, code=Keep(Length(maximum=1, unit="words")))]
    with ScriptedServer(add) as server:
        outcome = run(tmp_path, server.url, domains(6), accept=rules, keep="all")
    assert outcome.funnel["prompts"]["dropped"] == {"no_sample_accepted": 3}
    assert {s.domain for s in outcome.samples} == {"math"}
    assert {tuple(s.verdicts) for s in outcome.samples} == {("ThinkFormat", "MathAnswer")}
    assert set(outcome.funnel["samples"]["dropped"]) == {
        *("ThinkFormat", "MathAnswer", "Length:maximum=1,unit=words")
    }


def test_in_accept_a_prompt_without_rules_is_not_asked(tmp_path: Path) -> None:
    with ScriptedServer(add) as server:
        outcome = run(tmp_path, server.url, domains(4), accept=[ByDomain(math=RIGHT)])
        asked = {body["messages"][-1]["content"] for body in server.requests}
    assert outcome.funnel["prompts"]["dropped"]["ByDomain:no_rule"] == 2
    assert asked == {"What is 0 + 1?", "What is 2 + 3?"}


def test_in_accept_other_domains_are_neither_cut_nor_judged(tmp_path: Path) -> None:
    def sevens(number: int, body: dict[str, Any]) -> Reply:
        return Reply(["7 "] * 40)

    keep = Keep(NoSeven(), domains=["math"])
    with ScriptedServer(sevens) as server:
        outcome = run(tmp_path, server.url, domains(4), accept=[keep], samples=1, keep=1)
        again = run(tmp_path, server.url, domains(4), accept=[Keep(NoSeven())], samples=1, keep=1)
    assert [s.domain for s in outcome.samples] == ["code", "code"]
    assert all(s.finish_reason == "stop" and not s.verdicts for s in outcome.samples)
    assert again.samples == []


def test_an_answer_that_was_cut_serves_only_where_the_rule_is_in_force(tmp_path: Path) -> None:
    def sevens(number: int, body: dict[str, Any]) -> Reply:
        return Reply(["7 "] * 800, pause_s=0.002)

    asked = domains(2)
    with ScriptedServer(sevens) as server:
        cut = run(tmp_path, server.url, asked, accept=[Keep(NoSeven())], samples=1, keep=1)
        assert cut.samples == [] and cut.notes["numbers"]["cut"] == 2
        keep = Keep(NoSeven(), domains=["math"])
        whole = run(tmp_path, server.url, asked, accept=[keep], samples=1, keep=1)
    assert [(s.domain, s.finish_reason) for s in whole.samples] == [("code", "stop")]


@dataclass(frozen=True)
class Shrug(Scorer):
    """Judges nothing."""

    def judge(self, sample: Sample) -> Verdict:
        return Verdict(None, "no idea")


def test_the_share_of_unjudged_is_that_of_the_domain(tmp_path: Path) -> None:
    asked = [replace(s, domain="code" if i % 5 == 0 else "math") for i, s in enumerate(prompts(50))]
    rules = [ByDomain(math=RIGHT, code=Keep(Shrug()))]
    with (
        ScriptedServer(add) as server,
        pytest.raises(RunError, match=r"Shrug could not judge (2\d) of \1 "),
    ):
        run(tmp_path, server.url, asked, accept=rules, samples=2, keep="all")


def test_without_a_rule_nothing_is_called_correct(tmp_path: Path) -> None:
    with ScriptedServer(add) as server:
        outcome = run(tmp_path, server.url, prompts(2), accept=[], samples=3, keep="all")
    assert len(outcome.samples) == 6
    for sample in outcome.samples:
        assert (sample.samples_tried, sample.samples_correct, sample.pass_rate) == (3, None, None)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda: ByDomain(), "names no domain", id="nothing"),
        pytest.param(
            lambda: ByDomain(math=MathAnswer()),  # type: ignore[arg-type]
            "a rule is a Keep",
            id="a scorer",
        ),
        pytest.param(
            lambda: ByDomain(math=Keep(MathAnswer(), domains=["code"])), "of its own", id="domains"
        ),
        pytest.param(lambda: Keep(MathAnswer(), domains="math"), "is one word", id="a word"),
    ],
)
def test_arguments_that_make_no_sense(make: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make()
