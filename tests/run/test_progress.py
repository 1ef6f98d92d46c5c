from __future__ import annotations

import time
from collections import Counter

from curate.run.prices import Prices
from curate.run.progress import Progress

NUMBERS = {
    **{"decided": 50, "tried": 120, "accepted": 40, "sample_tokens": 60_000, "in_flight": 32},
    **{"completion_tokens": 1_000_000, "prompt_tokens": 500_000, "kv_percent": 91, "cut": 7},
    **{"preemptions": 3, "retries": 2, "from_store": 5},
}


def said(prices: Prices | None = None) -> str:
    progress = Progress("02-Generate", 200, prices)
    progress._started = time.monotonic() - 1800
    progress.heard(0, NUMBERS)
    return progress.sentence(progress.numbers())


def test_what_the_servers_do_is_said() -> None:
    assert said() == (
        "40 of 120 samples accepted, 1,500 tokens for each accepted, 32 in flight, "
        "KV cache 91 % full, 3 preempted, 7 cut early, 2 repeated, 5 from the store"
    )


def test_cost_so_far_and_in_all_by_the_hour() -> None:
    assert "8.0 GPU hours, 16.00 USD, about 64.00 USD in all" in said(
        Prices(gpus=16, gpu_hour_price=2.0)
    )


def test_cost_by_the_token() -> None:
    prices = Prices(price_per_million_input_tokens=1.0, price_per_million_output_tokens=2.0)
    assert "2.50 USD, about 10.00 USD in all" in said(prices)
    assert "GPU" not in said(prices)


def test_nothing_is_said_of_what_is_not_known() -> None:
    progress = Progress("01-Prompts", None, Prices(gpus=8))
    assert progress.sentence(Counter()) == ""
