"""The simulated vLLM, asked by hand: what is measured against it is only as good as it is."""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from curate.sample import Sample
from curate.scorers import Finished, ForeignScript, MathAnswer, Repetition, ThinkFormat
from tests.servers.vllm_simulator import VllmSimulator
from tests.servers.vllm_simulator_answers import OPEN, Speech, answer_to, gold_of
from tests.servers.vllm_simulator_http import AT_ONCE
from tests.servers.vllm_simulator_scheduler import Job, Scheduler

PROBLEM = "What is 17 + 25? (#123)"
SHORT = {"mean_tokens": 300, "sigma": 0.5, "step_s": 0.00002}


def body(seed: int = 0, problem: str = PROBLEM, **changes: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": problem}]
    return {"model": "m", "messages": messages, "seed": seed, "max_tokens": 9000, **changes}


def post(url: str, values: dict[str, Any]) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of one answer."""

    async def ask() -> tuple[int, dict[str, str], str]:
        path = "/completions" if "prompt" in values else "/chat/completions"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url + path, json=values) as response,
        ):
            return response.status, dict(response.headers), await response.text()

    return asyncio.run(ask())


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


def events(stream: str) -> list[dict[str, Any]]:
    *found, done = [line[6:] for line in stream.splitlines() if line.startswith("data: ")]
    assert done == "[DONE]"
    return [json.loads(event) for event in found]


def said(stream: str, field: str = "content") -> str:
    deltas = [event["choices"][0]["delta"] for event in events(stream) if event["choices"]]
    return "".join(delta.get(field, "") for delta in deltas)


def metric(url: str, name: str) -> float:
    lines = get(url.removesuffix("/v1") + "/metrics").splitlines()
    return float(next(line for line in lines if line.startswith(f"vllm:{name}{{")).split()[-1])


def until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# What is said


def test_answers_are_a_function_of_the_request() -> None:
    speech = Speech(loops=0.2, leaks=0.2, missing_tags=0.2)
    for seed in range(20):
        once = answer_to(body(seed), speech)
        assert once == answer_to(body(seed, temperature=0.6), speech)
        assert once.pieces[:100] == answer_to(body(seed, max_tokens=100), speech).pieces[:100]
    assert answer_to(body(1), speech) != answer_to(body(2), speech)


def test_lengths_are_those_of_r1() -> None:
    lengths = [len(answer_to(body(n, max_tokens=32_768), Speech()).pieces) for n in range(1500)]
    assert 5000 < statistics.mean(lengths) < 6600
    assert 0.02 < sum(n > 20_000 for n in lengths) / 1500 < 0.06
    assert max(lengths) <= 32_768


def test_half_of_the_answers_are_right_and_say_so() -> None:
    short = Speech(mean_tokens=60, sigma=0.1)
    rights = 0
    for number in range(1000):
        problem = f"What is {number} - 7? (#{number})"
        answer = answer_to(body(number, problem), short)
        assert answer.is_right == (f"boxed{{{number - 7}}}" in "".join(answer.pieces))
        rights += answer.is_right
    assert 430 < rights < 570
    assert gold_of("What is the capital of France?") is None


def test_prose_does_not_loop_and_planted_loops_do() -> None:
    prompt = Sample(prompt_id="p", problem=PROBLEM)
    speech = Speech(mean_tokens=2000, sigma=0.3, loops=1.0)
    for seed in range(8):
        clean = "".join(answer_to(body(seed), Speech()).pieces)
        assert Repetition().judge(prompt.with_completion(clean)).score == 1.0
        loop = answer_to(body(seed), speech)
        assert loop.defect_at is not None and loop.finish_reason == "length"
        assert len(loop.pieces) == 9000
        seen = prompt.with_completion("".join(loop.pieces[: loop.defect_at + 512]))
        assert Repetition().hopeless(seen, 0.9)
        before = prompt.with_completion("".join(loop.pieces[: loop.defect_at]))
        assert not Repetition().hopeless(before, 0.9)


@pytest.mark.parametrize("seed", range(4))
def test_planted_leaks_and_missing_tags(seed: int) -> None:
    leak = answer_to(body(seed, max_tokens=32_768), Speech(leaks=1.0))
    assert leak.defect_at is not None and leak.finish_reason == "stop"
    assert "".join(leak.pieces[: leak.defect_at]).isascii()
    assert not leak.pieces[leak.defect_at].isascii()
    assert leak.pieces[-1].isascii() and not leak.is_good
    bare = answer_to(body(seed, max_tokens=32_768), Speech(missing_tags=1.0))
    assert bare.defect_at == 0 and OPEN not in bare.pieces
    prompt = Sample(prompt_id="p", problem=PROBLEM)
    assert ThinkFormat().hopeless(prompt.with_completion("".join(bare.pieces)), 1.0)


def test_rules_accept_what_is_said_to_be_good_and_nothing_else() -> None:
    speech = Speech(mean_tokens=1000, sigma=0.5, loops=0.1, leaks=0.1, missing_tags=0.1)
    rules = [ThinkFormat(), MathAnswer(), Finished(), Repetition(), ForeignScript()]
    prompt = Sample(prompt_id="p", problem=PROBLEM, answer="42")
    defects = set()
    for seed in range(60):
        answer = answer_to(body(seed, max_tokens=4000), speech)
        text = "".join(answer.pieces)
        sample = prompt.with_completion(text, finish_reason=answer.finish_reason)
        scores = [rule.judge(sample).score or 0.0 for rule in rules]
        assert (min(scores) >= 0.9) == answer.is_good, (seed, scores)
        defects.add(answer.defect)
    assert defects == {None, "loop", "leak", "missing_tag"}


# How it is scheduled


def scheduled(jobs: int, total: int, **settings: Any) -> tuple[Scheduler, int]:
    """A scheduler that has done these jobs, and the ticks that it took."""
    scheduler = Scheduler(
        **{"slots": 4, "kv_tokens": None, "prefill": 100, "quantum": 10} | settings
    )
    for _ in range(jobs):
        scheduler.submit(Job(10, total, lambda start, end: None), is_cached=True)
    ticks = 0
    while scheduler.has_work:
        scheduler.tick()
        ticks += 1
        assert scheduler.kv_tokens is None or scheduler.used <= scheduler.kv_tokens
    assert scheduler.used == 0 and scheduler.counters.decoded_tokens == jobs * total
    return scheduler, ticks


def test_slots_are_shared_in_steps() -> None:
    scheduler, ticks = scheduled(jobs=8, total=100)
    assert ticks == 20
    assert scheduler.utilisation()["whole"] == 1.0
    scheduler, ticks = scheduled(jobs=5, total=100)
    assert scheduler.utilisation()["whole"] == pytest.approx(5 / 8)


def test_a_full_cache_preempts_the_newest_which_computes_again() -> None:
    roomy, ticks = scheduled(jobs=8, total=500, kv_tokens=4 * 510)
    assert roomy.counters.preemptions == 0
    short, longer = scheduled(jobs=8, total=500, kv_tokens=1000)
    assert short.counters.preemptions > 0 and longer > 1.3 * ticks
    assert short.counters.recomputed_tokens > 0
    order: list[str] = []
    scheduler = Scheduler(2, 100, 100, 10)
    for name in "ab":
        scheduler.submit(Job(10, 80, lambda s, e, name=name: order.append(name)), is_cached=True)
    while scheduler.has_work:
        scheduler.tick()
    assert order == ["a", "b"] * 4 + ["a"] * 4 + ["b"] * 5


def test_prefill_takes_steps_and_the_prefix_cache_saves_them() -> None:
    scheduler = Scheduler(1, None, 100, 10)
    made: list[int] = []
    scheduler.submit(Job(1500, 30, lambda start, end: made.append(end)), is_cached=False)
    scheduler.tick()
    assert made == []
    scheduler.tick()
    assert made == [5]
    scheduler.submit(Job(1500, 30, lambda start, end: None), is_cached=True)
    assert scheduler.counters.prefix_hits == 1500


# How it is served


def test_a_stream_says_what_a_whole_answer_says() -> None:
    with VllmSimulator(**SHORT, reasoning_field="reasoning_content") as server:
        status, _, stream = post(
            server.url, body(stream=True, stream_options={"include_usage": True})
        )
        whole = json.loads(post(server.url, body())[2])
    answer = answer_to(body(), Speech(mean_tokens=300, sigma=0.5))
    message = whole["choices"][0]["message"]
    assert status == 200
    assert message["content"] == said(stream)
    assert message["reasoning_content"] == said(stream, "reasoning_content")
    text = "<think>\n" + message["reasoning_content"] + "\n</think>\n\n" + message["content"]
    assert text == "".join(answer.pieces)
    assert events(stream)[-1]["usage"] == whole["usage"]
    assert whole["usage"]["completion_tokens"] == len(answer.pieces)
    assert whole["choices"][0]["finish_reason"] == answer.finish_reason == "stop"


def test_raw_completions_with_a_prefilled_tag_and_a_limit() -> None:
    raw = {"model": "m", "prompt": f"{PROBLEM}\n<think>\n", "seed": 1, "max_tokens": 50}
    with VllmSimulator(**SHORT) as server:
        choice = json.loads(post(server.url, raw)[2])["choices"][0]
        stream = post(server.url, {**raw, "stream": True})[2]
    assert choice["finish_reason"] == "length" and "<think>" not in choice["text"]
    assert "".join(event["choices"][0]["text"] for event in events(stream)) == choice["text"]


@pytest.mark.parametrize("is_stream", [True, False])
def test_who_leaves_frees_a_slot(is_stream: bool) -> None:
    with VllmSimulator(mean_tokens=20_000, sigma=0.1, slots=1, step_s=0.0005) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        asked = body(stream=is_stream, max_tokens=30_000)
        connection.request("POST", "/v1/chat/completions", json.dumps(asked))
        until(lambda: metric(server.url, "generation_tokens_total") > 0)
        assert metric(server.url, "num_requests_running") == 1
        connection.close()
        until(lambda: metric(server.url, "num_requests_running") == 0)
        stood = metric(server.url, "generation_tokens_total")
        time.sleep(0.2)
        assert metric(server.url, "generation_tokens_total") == stood
        stats = server.stats()
    assert stats["aborted"] == 1 and stats["aborted_tokens"] == stood
    assert [asked["cut_at"] for asked in stats["asked"].values()] == [[stood]]


def test_metrics_follow_a_short_cache() -> None:
    async def ask(url: str) -> int:
        async with aiohttp.ClientSession() as session:

            async def one(seed: int) -> str:
                async with session.post(
                    f"{url}/chat/completions", json=body(seed, max_tokens=1500)
                ) as response:
                    return (await response.json())["choices"][0]["message"]["content"]

            return len(await asyncio.gather(*(one(seed) for seed in range(24))))

    with VllmSimulator(**{**SHORT, "mean_tokens": 1000}, slots=16, kv_tokens=4000) as server:
        assert asyncio.run(ask(server.url)) == 24
        stats = server.stats()
        for name, key in {
            "num_preemptions_total": "preemptions",
            "generation_tokens_total": "decoded_tokens",
            "prompt_tokens_total": "prompt_tokens",
            "prefix_cache_hits_total": "prefix_hits",
        }.items():
            assert metric(server.url, name) == stats[key] > 0
        assert metric(server.url, "num_requests_waiting") == 0
        assert metric(server.url, "kv_cache_usage_perc") == 0
        assert 'kv_cache_size_tokens="4000"' in get(server.url.removesuffix("/v1") + "/metrics")
        assert post(server.url, body(max_tokens=4000))[0] == 400
    assert stats["finished"] == 24 and all(a["finished"] == 1 for a in stats["asked"].values())
    assert sum(a["full_tokens"] for a in stats["asked"].values()) == stats["decoded_tokens"]


@pytest.mark.parametrize("fault", AT_ONCE)
def test_faults_that_are_an_answer(fault: str) -> None:
    with VllmSimulator(**SHORT, faults={fault: 1.0}, retry_after_s=2) as server:
        status, headers, text = post(server.url, body())
        stats = server.stats()
    assert status == (200 if fault == "content_type" else int(fault))
    assert headers.get("Retry-After") == ("2" if fault in ("429", "503") else None)
    assert ("html" in text) == (fault == "content_type")
    assert stats["faults"] == {fault: 1} and stats["decoded_tokens"] == 0


@pytest.mark.parametrize("fault", ["reset", "truncated", "garbage", "hang", "drip"])
def test_faults_in_the_middle_of_an_answer(fault: str) -> None:
    async def ask(url: str) -> str:
        timeout = aiohttp.ClientTimeout(total=0.5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(f"{url}/chat/completions", json=body(stream=True)) as response,
        ):
            return await response.text()

    with VllmSimulator(**SHORT, faults={fault: 1.0}) as server:
        if fault in ("truncated", "garbage"):
            text = asyncio.run(ask(server.url))
            assert "[DONE]" not in text and ('{"choices": [}' in text) == (fault == "garbage")
        else:
            kind = aiohttp.ClientError if fault == "reset" else TimeoutError
            with pytest.raises(kind):
                asyncio.run(ask(server.url))
        until(lambda: server.stats()["running"] == 0)
        stats = server.stats()
    assert stats["faults"] == {fault: 1} and stats["aborted"] == 1 and stats["finished"] == 0


def test_faults_pass_when_asked_again() -> None:
    with VllmSimulator(**SHORT, faults={"500": 0.5}) as server:
        tries = 0
        while post(server.url, body())[0] != 200 or not tries:
            tries += 1
        (asked,) = server.stats()["asked"].values()
    assert asked["times"] == len(asked["faults"]) + asked["finished"]


def test_what_it_refuses() -> None:
    with VllmSimulator(**SHORT) as server:
        assert post(server.url, body(model="other"))[0] == 404
        assert post(server.url, body(n=4))[0] == 400
        assert post(server.url, {"model": "m"})[0] == 400
        assert json.loads(get(f"{server.url}/models"))["data"][0]["id"] == "m"
        assert get(server.url.removesuffix("/v1") + "/health") == ""


def test_it_is_a_process_too() -> None:
    command = [sys.executable, "-m", "tests.servers.vllm_simulator", "--mean-tokens", "200"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [*command, "--loops", "1.0"], stdout=subprocess.PIPE, cwd=root
    ) as process:
        assert process.stdout
        url = process.stdout.readline().decode().strip()
        try:
            post(url, body(max_tokens=100))
            stats = json.loads(get(url.removesuffix("/v1") + "/sim/stats"))
        finally:
            process.kill()
    (asked,) = stats["asked"].values()
    assert asked["defect"] == "loop" or asked["defect_at"] is None
    assert stats["finished"] == 1
