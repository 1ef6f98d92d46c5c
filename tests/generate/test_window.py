"""Which samples are asked for, ahead of their turn too, and where a budget ends it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from curate.errors import UsageError
from curate.generate import Generate
from curate.generate.budget import Budget
from curate.scorers import MathAnswer, ThinkFormat
from curate.select import Keep
from curate.step import Context
from tests.generate.test_generate import prompts, run
from tests.servers.openai_server import Reply, ScriptedServer


def answer(body: dict[str, Any], *, right: bool = True, **how: Any) -> Reply:
    a, b = map(int, re.findall(r"\d+", body["messages"][-1]["content"])[-2:])
    total = a + b if right else a + b + 1
    return Reply([f"<think>{a} + {b}", f" = {total}.</think>", f"\\boxed{{{total}}}"], **how)


def test_a_place_is_never_held_by_a_prompt(tmp_path: Path) -> None:
    """Prompts of one slow and three quick samples each: places follow requests."""

    def script(number: int, body: dict[str, Any]) -> Reply:
        return answer(body, delay_s=0.4 if body["seed"] % 4 == 0 else 0.02)

    with ScriptedServer(script) as server:
        began = time.monotonic()
        outcome = run(tmp_path, server.url, prompts(24), samples=4, keep="all", concurrency=8)
        took = time.monotonic() - began
        waits = sum(0.4 if r["seed"] % 4 == 0 else 0.02 for r in server.requests)
    assert len(outcome.samples) == 96
    assert took < 1.6 * waits / 8 + 1.5


def test_all_samples_are_asked_at_once_when_there_is_nothing_else(tmp_path: Path) -> None:
    with ScriptedServer(lambda n, body: answer(body, delay_s=1.0)) as server:
        began = time.monotonic()
        outcome = run(tmp_path, server.url, prompts(2), samples=6, keep="all", concurrency=12)
        assert time.monotonic() - began < 4.5, "one after the other takes 6 s"
    assert len(outcome.samples) == 12
    assert outcome.notes["numbers"].get("speculative", 0) == 0, "all of them are wanted"


def test_ahead_of_their_turn_they_change_nothing(tmp_path: Path) -> None:
    """The last prompts have places to spare; what that brings is decided in the order of k."""

    def script(number: int, body: dict[str, Any]) -> Reply:
        last = "What is 39 " in body["messages"][-1]["content"]
        right = body["seed"] % 3 > 0
        return answer(body, right=right and not last, delay_s=0.1 if last else 0.005)

    asked = prompts(40)
    with ScriptedServer(script) as server:
        quick = run(tmp_path / "a", server.url, asked, samples=16, keep=1, concurrency=16)
        slow = run(tmp_path / "b", server.url, asked, samples=16, keep=1, concurrency=1)
    numbers = quick.notes["numbers"]
    assert numbers["speculative"] > 0
    assert numbers["speculative_tokens"] <= 0.05 * numbers["completion_tokens"] + 3
    assert slow.notes["numbers"].get("speculative", 0) == 0
    assert {s.id: s for s in quick.samples} == {s.id: s for s in slow.samples}
    assert quick.funnel == slow.funnel


def test_what_is_no_longer_needed_is_dropped_on_the_wire(tmp_path: Path) -> None:
    """Sample 1 of the last prompt is asked ahead and would take for ever; sample 0 is right, and
    comes when sample 1 has been asked for.
    """
    last: list[int] = []

    def script(number: int, body: dict[str, Any]) -> Reply:
        if "What is 59 " not in body["messages"][-1]["content"]:
            return answer(body)
        last.append(number)
        if len(last) == 1:
            return answer(body, until=lambda: len(last) > 1)
        return answer(body, pause_s=60.0)

    with ScriptedServer(script) as server:
        began = time.monotonic()
        outcome = run(tmp_path, server.url, prompts(60), samples=8, keep=1, concurrency=2)
        assert time.monotonic() - began < 10
    assert len(last) == 2
    assert len(outcome.samples) == 60


@pytest.mark.parametrize("budget", [{"budget_samples": 12}, {"budget_tokens": 36}])
def test_a_budget_ends_the_run_in_order(tmp_path: Path, budget: dict[str, int]) -> None:
    with ScriptedServer(lambda n, body: answer(body)) as server:
        asked = prompts(30)
        cut = run(tmp_path, server.url, asked, keep=1, concurrency=2, **budget)
        assert 10 <= len(server.requests) <= 14
        assert cut.funnel["prompts"]["dropped"] == {"budget_spent": 30 - len(cut.samples)}
        before = len(server.requests)
        more = run(tmp_path, server.url, asked, keep=1, concurrency=2, **budget)
        assert len(server.requests) - before <= 14
        ahead = sum(outcome.notes["numbers"]["speculative"] for outcome in (cut, more))
        paid = len(server.requests)
        assert 0 <= paid - len(more.samples) <= ahead, "what the store has is not paid again"
        whole = run(tmp_path, server.url, asked, keep=1)
        ahead += whole.notes["numbers"]["speculative"]
        assert 0 <= len(server.requests) - len(whole.samples) <= ahead
        assert len(whole.samples) == 30


def test_a_budget_of_time_does_not_wait_for_what_is_in_flight(tmp_path: Path) -> None:
    def script(number: int, body: dict[str, Any]) -> Reply:
        return answer(body, delay_s=0.1 if number % 2 else 30.0)

    with ScriptedServer(script) as server:
        began = time.monotonic()
        cut = run(tmp_path, server.url, prompts(400), keep=1, concurrency=4, budget_hours=1 / 3600)
        assert time.monotonic() - began < 8
    assert cut.funnel["prompts"]["dropped"]["budget_spent"] > 300


@pytest.mark.parametrize("name", ["tokens", "samples", "hours"])
def test_a_budget_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"budget_{name}=0: more than 0"):
        Budget(**{name: 0})


def test_prefill_begins_the_answer_in_a_chat(tmp_path: Path) -> None:
    def script(number: int, body: dict[str, Any]) -> Reply:
        assert body["messages"][-1] == {"role": "assistant", "content": "<think>\n"}
        assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
        return Reply(["0 + 1 = 1.</think>\\boxed{1}"])

    with ScriptedServer(script) as server:
        (sample,) = run(tmp_path, server.url, prompts(1), prefill="<think>\n", keep=1).samples
    assert sample.text == "<think>\n0 + 1 = 1.</think>\\boxed{1}"
    assert sample.prompt == ({"role": "user", "content": "What is 0 + 1?"},)


def test_raw_completions_send_the_text_as_it_is(tmp_path: Path) -> None:
    with ScriptedServer(lambda n, body: Reply(["0 + 1 = 1.</think>\\boxed{1}"])) as server:
        (sample,) = run(
            tmp_path, server.url, prompts(1), api="completions", prefill="<think>\n", keep=1
        ).samples
    (sent,) = server.requests
    assert sent["prompt"] == "What is 0 + 1?<think>\n"
    assert "messages" not in sent
    assert server.paths == ["/v1/completions"]
    assert sample.text == "<think>\n0 + 1 = 1.</think>\\boxed{1}"


def test_separate_reasoning_after_a_prefill_opens_no_second_tag(tmp_path: Path) -> None:
    reply = Reply(["\\boxed{1}"], reasoning=["0 + 1", " = 1."])
    with ScriptedServer(lambda n, body: reply) as server:
        (sample,) = run(tmp_path, server.url, prompts(1), prefill="<think>\n", keep=1).samples
    assert sample.text == "<think>\n0 + 1 = 1.</think>\\boxed{1}"


def test_what_there_is_no_route_for_is_refused() -> None:
    with pytest.raises(UsageError, match="api='text' is neither"):
        Generate("http://h/v1", accept=[Keep(ThinkFormat()), Keep(MathAnswer())], api="text")  # type: ignore[arg-type]


def test_tasks_in_turn_share_the_hours(tmp_path: Path) -> None:
    context = Context(tmp_path, tmp_path, tmp_path, tasks=4, slots=2)
    part = Budget(tokens=400, samples=40, hours=1.0).shared(context)
    assert (part.tokens, part.samples, part.hours) == (100, 10, 0.5)
