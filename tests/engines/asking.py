"""What the tests of engines and client ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from curate.engines.attempt import Patience
from curate.engines.client import Client
from curate.engines.engine import open_engine
from curate.engines.request import Completion, Request
from curate.engines.server import Engine
from curate.engines.store import Store

# The same order of things as in earnest, a hundred times faster.
QUICK = Patience(
    connect_s=1.0,
    first_token_s=1.0,
    stall_s=0.4,
    never_reached_s=0.3,
    trouble_s=1.5,
    first_delay_s=0.02,
    longest_delay_s=0.1,
)


def request(number: int, model: str = "m", revision: str | None = None, **changes) -> Request:
    messages = ({"role": "user", "content": f"What is {number} + 4?"},)
    sampling = {"temperature": 0.7, "top_p": 0.95, "max_tokens": 40, "seed": number}
    values = {"messages": messages, **sampling, **changes}
    return Request(model=model, revision=revision, **values)


def engine_at(url: str, store: Store, out: Path = Path("unused")) -> Engine:
    return open_engine(url, model="m", out=out, store=store, slots=4)


def take(client: Client) -> tuple[Any, Completion]:
    """The next answer with its tag."""
    while (item := client.next()) is None:
        pass
    return item


def ask_all(
    client: Client, numbers: range, watch: Callable[[str, int], str | None] | None = None, **changes
) -> dict[int, Completion]:
    """All answers by number."""
    for number in numbers:
        client.ask(number, request(number, **changes), lambda: watch)
    answers = {}
    while client.in_flight:
        tag, completion = take(client)
        assert tag not in answers
        answers[tag] = completion
    return answers
