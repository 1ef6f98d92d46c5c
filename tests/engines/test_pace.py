"""The window of one server against a model of one: slots, a KV cache, lengths with a long tail."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from curate.engines.metrics import Gauges, read_gauges
from curate.engines.pace import Pace

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
vllm:num_requests_running{engine="0",model_name="m"} 11.0
vllm:num_requests_waiting{engine="0",model_name="m"} 21.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 21.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.957
vllm:num_preemptions_total{engine="0",model_name="m"} 23.0
vllm:num_preemptions_created{engine="0",model_name="m"} 1.76e+09
vllm:cache_config_info{block_size="128",engine="0",num_gpu_blocks="24"} 1.0
"""


def test_vllm_says_all() -> None:
    assert read_gauges(VLLM) == Gauges(11, 21, 0.957, 24 * 128, 23)
    with_size = VLLM.replace('num_gpu_blocks="24"', 'kv_cache_size_tokens="2900"')
    assert (read_gauges(with_size) or Gauges(0, 0)).kv_tokens == 2900


def test_data_parallel_engines_add_up() -> None:
    load = read_gauges(VLLM + VLLM.replace('engine="0"', 'engine="1"'))
    assert load == Gauges(22, 42, 0.957, 2 * 24 * 128, 46)


@pytest.mark.parametrize("text", ["", "<html>", "python_gc_objects_collected_total 3\n"])
def test_others_say_nothing(text: str) -> None:
    assert read_gauges(text) is None


PREFILL = 13_000
"""Tokens that are computed again in the time of one step: 8,000/s against 50 steps at 30/s."""


@dataclass
class Server:
    """Steps of one token for each running request; the newest is preempted when the cache is
    full."""

    slots: int
    kv: int
    seed: int = 0
    running: list[list[int]] = field(default_factory=list)
    waiting: list[list[int]] = field(default_factory=list)
    preemptions: int = 0
    busy: int = 0
    steps: float = 0.0
    made: int = 0

    def length(self) -> int:
        dice = self.dice = getattr(self, "dice", random.Random(self.seed))
        return min(32_768, max(50, int(dice.lognormvariate(8.4, 0.75))))

    @property
    def used(self) -> int:
        return sum(100 + done for done, _ in self.running)

    def step(self, tokens: int) -> list[int]:
        """Several tokens for everybody; the lengths of those that ended."""
        self.steps += 1
        while (
            self.waiting
            and len(self.running) < self.slots
            and self.used + 100 + self.waiting[0][0] <= self.kv
        ):
            self.running.append(self.waiting.pop(0))
            self.steps += (100 + self.running[-1][0]) / PREFILL
        self.busy += len(self.running)
        for request in self.running:
            request[0] += tokens
        ended = [r for r in self.running if r[0] >= r[1]]
        self.running = [r for r in self.running if r[0] < r[1]]
        while self.used > self.kv:
            newest = self.running.pop()
            self.waiting.insert(0, newest)
            self.preemptions += 1
        self.made += len(ended)
        return [length for _, length in ended]

    @property
    def load(self) -> Gauges:
        return Gauges(
            len(self.running), len(self.waiting), self.used / self.kv, self.kv, self.preemptions
        )


def run(server: Server, pace: Pace, samples: int, *, fixed: int | None = None) -> float:
    """Steps until all samples are there, with a look at the gauges every 4 steps of 50 tokens."""
    asked, began = 0, server.steps
    target = server.made + samples
    looked = server.steps
    while server.made < target:
        active = len(server.running) + len(server.waiting)
        while asked < samples and active < (fixed or pace.limit):
            server.waiting.append([0, server.length()])
            asked, active = asked + 1, active + 1
        for length in server.step(50):
            pace.ended(length, 100, 1.0, True)
        if server.steps - looked >= 4:
            looked = server.steps
            active = len(server.running) + len(server.waiting)
            pace.gauged(server.load, active, sum(r[0] for r in server.running))
    return server.steps - began


def test_free_slots_are_filled() -> None:
    server = Server(slots=256, kv=10**9)
    pace = Pace(8, 32_768)
    run(server, pace, 2000)
    assert 256 <= pace.limit <= 256 * 1.15


def test_a_full_cache_halves_preemptions_in_the_same_time() -> None:
    for seed in range(3):
        naive, ours = Server(64, 120_000, seed), Server(64, 120_000, seed)
        slow = run(naive, Pace(64), 600, fixed=64)
        quick = run(ours, Pace(32, 32_768), 600)
        assert naive.preemptions > 50
        assert ours.preemptions <= naive.preemptions / 2, (ours.preemptions, naive.preemptions)
        assert quick <= 1.10 * slow, (quick, slow)


def test_without_gauges_refusals_shrink_and_answers_grow_it() -> None:
    pace = Pace(32)
    for _ in range(64):
        pace.ended(100, 10, 0.1, True)
    grown = pace.limit
    assert grown > 32
    for _ in range(20):
        pace.busy()
    assert pace.limit <= grown / 2
    assert pace.shrunk >= 2


def test_one_refusal_in_twenty_is_chance() -> None:
    dice, pace = random.Random(0), Pace(32)
    for _ in range(2000):
        pace.busy() if dice.random() < 0.05 else pace.ended(100, 10, 0.1, True)
    assert pace.limit > 32


def test_without_gauges_a_queue_shows_in_the_first_token() -> None:
    pace = Pace(16)
    for _ in range(600):
        late = max(0.0, pace.limit - 64) * 0.2  # a server of 64 places queues the rest
        pace.ended(100, 10, 0.2 + late, True)
    assert 40 <= pace.limit <= 110


def test_an_unused_window_does_not_grow() -> None:
    pace = Pace(32)
    for _ in range(100):
        pace.ended(100, 10, 0.1, False)
    assert pace.limit == 32


def test_the_limit_of_the_requests_counts_however_early_the_load_is_known() -> None:
    pace = Pace(8)
    pace.expect(600)
    pace.gauged(Gauges(8, 0, 0.1, 3072, 0), 8, 80)
    pace.expect(600)
    assert pace.limit > 8, "600 tokens at most: the cache holds more than 8 at their mean age"
