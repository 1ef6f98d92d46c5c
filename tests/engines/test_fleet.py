"""Several servers behind one client: balance, death, return, another model."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from curate.engines.attempt import Patience
from curate.engines.client import Client
from curate.engines.engine import open_engine
from curate.engines.store import Store
from curate.errors import EngineError
from tests.engines.asking import QUICK, ask_all, request, take
from tests.servers.openai_server import Reply, Script, ScriptedServer


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as opened:
        yield opened


def answers(number: int, body: dict) -> Reply:
    return Reply((f"{body['seed']}",), delay_s=0.02)


def client_of(
    store: Store,
    *servers: ScriptedServer,
    concurrency: int | None = 8,
    patience: Patience = QUICK,
) -> Client:
    spec = ",".join(server.url for server in servers)
    engine = open_engine(spec, model="m", out=Path("unused"), store=store)
    return Client(engine, store, concurrency, start=8, patience=patience)


def serve(stack: ExitStack, *scripts: Script) -> list[ScriptedServer]:
    return [stack.enter_context(ScriptedServer(script)) for script in scripts]


@pytest.mark.parametrize("concurrency", [8, None])
def test_requests_are_spread_evenly(store: Store, concurrency: int | None) -> None:
    """Eight are answered at a time, when all have come: who is quick by chance gets no more."""
    asked: list[int] = []

    def in_eights(number: int, body: dict) -> Reply:
        asked.append(body["seed"])
        eight = len(asked) + -len(asked) % 8
        return Reply((f"{body['seed']}",), until=lambda: len(asked) >= eight)

    with ExitStack() as stack:
        servers = serve(stack, in_eights, in_eights, in_eights, in_eights)
        client = stack.enter_context(
            client_of(store, *servers, concurrency=concurrency, patience=Patience())
        )
        got = ask_all(client, range(80))
    assert {n: a.text for n, a in got.items()} == {n: str(n) for n in range(80)}
    counts = [len(server.requests) for server in servers]
    assert sum(counts) == 80
    assert max(counts) <= (2 if concurrency is None else 1) * min(counts), counts


@pytest.mark.parametrize("concurrency", [8, None])
def test_the_server_with_the_most_room_is_asked(store: Store, concurrency: int | None) -> None:
    """Each has room for two."""
    asked: list[int] = []

    def together(number: int, body: dict) -> Reply:
        asked.append(body["seed"])
        return Reply(until=lambda: len(asked) >= 4)

    with ExitStack() as stack:
        servers = serve(stack, together, together, together, together)
        client = stack.enter_context(
            client_of(store, *servers, concurrency=concurrency, patience=Patience())
        )
        ask_all(client, range(4))
    assert [len(server.requests) for server in servers] == [1, 1, 1, 1]


def test_a_slow_server_gets_fewer(store: Store) -> None:
    def slow(number: int, body: dict) -> Reply:
        return Reply((f"{body['seed']}",), delay_s=0.2)

    with ExitStack() as stack:
        servers = serve(stack, answers, slow)
        ask_all(stack.enter_context(client_of(store, *servers)), range(60))
    assert len(servers[0].requests) > 3 * len(servers[1].requests)


def test_a_dead_server_is_out_and_its_requests_are_moved(
    store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        servers = serve(stack, answers, answers)
        client = stack.enter_context(client_of(store, *servers))
        for number in range(60):
            client.ask(number, request(number))
        done = Counter(take(client)[0] for _ in range(10))
        servers[0].shut()
        while client.in_flight:
            done[take(client)[0]] += 1
    assert done == Counter(range(60)), "each once"
    assert f"{servers[0].url} is out" in capfd.readouterr().err


def test_a_returning_server_is_taken_back(store: Store) -> None:
    with ExitStack() as stack:
        servers = serve(stack, answers, answers)
        client = stack.enter_context(client_of(store, *servers))
        ask_all(client, range(8))
        servers[0].shut()
        ask_all(client, range(8, 24))
        before = len(servers[0].requests)
        servers[0].open()
        deadline, number = time.monotonic() + 15, 24
        while len(servers[0].requests) == before and time.monotonic() < deadline:
            ask_all(client, range(number, number + 8))
            number += 8
        assert len(servers[0].requests) > before


def test_a_server_that_was_never_there_is_no_trouble(store: Store) -> None:
    with ExitStack() as stack:
        (server,) = serve(stack, answers)
        gone = ScriptedServer()
        gone.__enter__()
        gone.__exit__()
        assert len(ask_all(stack.enter_context(client_of(store, server, gone)), range(20))) == 20


def test_all_dead_ends_the_run(store: Store) -> None:
    with ExitStack() as stack:
        servers = serve(stack, answers, answers)
        client = stack.enter_context(client_of(store, *servers))
        ask_all(client, range(8))
        for server in servers:
            server.shut()
        client.ask(9, request(9))
        with pytest.raises(EngineError, match="does not answer any more"):
            take(client)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_one_that_refuses_is_left_out_all_of_them_end_the_run(
    store: Store, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuses(number: int, body: dict) -> Reply:
        return Reply(status=status, body="no")

    with ExitStack() as stack:
        good, bad = serve(stack, answers, refuses)
        assert len(ask_all(stack.enter_context(client_of(store, good, bad)), range(20))) == 20
        assert len(bad.requests) <= 8, "asked no more once that was known"
        assert "it is left out" in capfd.readouterr().err
        both = serve(stack, refuses, refuses)
        client = stack.enter_context(client_of(store, *both))
        client.ask(30, request(30))
        with pytest.raises(EngineError, match=f"HTTP {status}"):
            take(client)


def test_a_broken_server_does_not_hold_up_the_others(store: Store) -> None:
    with ExitStack() as stack:
        servers = serve(stack, answers, lambda n, body: Reply(status=500, body="oops"))
        began = time.monotonic()
        assert len(ask_all(stack.enter_context(client_of(store, *servers)), range(60))) == 60
        assert time.monotonic() - began < 5


def test_another_model_behind_the_name_stops_the_run(store: Store) -> None:
    with (
        ScriptedServer(answers, root="/models/one") as one,
        ScriptedServer(answers, root="/models/two") as two,
    ):
        with client_of(store, one, two) as client:
            client.ask(0, request(0))
            with pytest.raises(EngineError, match=r"another model is behind the name 'm'"):
                take(client)
        with client_of(store, one) as client:
            ask_all(client, range(1))
        with client_of(store, two) as client:
            client.ask(1, request(1))
            with pytest.raises(EngineError, match=r"/models/two at .*, /models/one at the store"):
                take(client)


def test_another_model_that_comes_back_stops_the_run(store: Store) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(ScriptedServer(answers, root="/models/one"))
        two = stack.enter_context(ScriptedServer(answers, root="/models/one"))
        client = stack.enter_context(client_of(store, one, two))
        ask_all(client, range(8))
        two.shut()
        ask_all(client, range(8, 24))
        two.root = "/models/two"
        two.open()
        with pytest.raises(EngineError, match=r"/models/two"):
            deadline = time.monotonic() + 15
            for number in range(24, 10_000):
                assert time.monotonic() < deadline
                ask_all(client, range(number, number + 1))
