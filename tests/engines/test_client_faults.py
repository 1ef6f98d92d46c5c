"""Every way that a server can fail, and what the client makes of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from curate.engines.attempt import Patience
from curate.engines.client import Client
from curate.engines.store import Store
from curate.errors import EngineError
from tests.engines.asking import QUICK, ask_all, engine_at, request, take
from tests.servers.openai_server import Reply, Script, ScriptedServer


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / "store") as opened:
        yield opened


def serve(script: Script) -> ScriptedServer:
    return ScriptedServer(script)


def client_of(
    server: ScriptedServer, store: Store, concurrency: int = 4, patience: Patience = QUICK
) -> Client:
    return Client(engine_at(server.url, store), store, concurrency, patience=patience)


FAULTS = {
    "reset before anything": Reply((), ends="reset"),
    "reset in the middle": Reply(("a",), ends="reset"),
    "truncated stream": Reply(("a", "b"), ends="close"),
    "garbage": Reply(("a",), ends="garbage"),
    "error event": Reply(("a",), ends="error"),
    "stall": Reply(("a",), ends="hang"),
    "never a token": Reply((), ends="hang"),
    "slow loris": Reply(("a",), ends="drip"),
    "no answer at all": Reply(delay_s=30.0),
    "aborted": Reply(("a",), finish_reason="abort"),
    "wrong content type": Reply(content_type="text/html", body="<html>"),
    **{f"HTTP {code}": Reply(status=code) for code in (408, 409, 425, 429, 500, 502, 503)},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_fault_is_asked_again_while_others_go_on(store: Store, fault: Reply) -> None:
    """The second and third request fail; every other one, and then these too, come through."""
    with (
        serve(lambda n, body: fault if n in (1, 2) else Reply((f"{body['seed']}",))) as server,
        client_of(server, store) as c,
    ):
        answers = ask_all(c, range(12))
        assert {n: a.text for n, a in answers.items()} == {n: str(n) for n in range(12)}
        assert c.numbers()["retries"] == 2
        assert c.numbers()["requests"] == len(server.requests) == 14
    assert len(store) == 12


def test_all_faults_at_once_lose_nothing(store: Store) -> None:
    dice = random.Random(1)
    faults = [f for f in FAULTS.values() if f.ends not in ("hang", "drip") and not f.delay_s]

    def script(number: int, body: dict) -> Reply:
        good = Reply((f"{body['seed']}",))
        return dice.choice(faults) if number and dice.random() < 0.35 else good

    with serve(script) as server, client_of(server, store, concurrency=16) as c:
        answers = ask_all(c, range(300))
    assert {n: a.text for n, a in answers.items()} == {n: str(n) for n in range(300)}
    assert len(store) == 300


def test_done_counts_even_when_the_connection_stays(store: Store) -> None:
    reply = Reply(("a",), ends="hang_done")
    with serve(lambda n, body: reply) as server, client_of(server, store) as c:
        assert ask_all(c, range(2))[1].text == "a"
        assert c.numbers()["retries"] == 0


def test_retry_after_is_honoured(store: Store) -> None:
    times = []

    def script(number: int, body: dict) -> Reply:
        times.append(time.monotonic())
        return Reply(status=429, headers={"Retry-After": "1"}) if number == 0 else Reply()

    with serve(script) as server, client_of(server, store) as c:
        ask_all(c, range(1))
    assert times[1] - times[0] >= 1.0


@pytest.mark.parametrize("status", [400, 413, 422])
def test_refused_request_is_an_answer_and_is_stored(store: Store, status: int) -> None:
    body = '{"error": {"message": "too long:\\n8030 tokens", "code": 400}}'

    def script(number: int, asked: dict) -> Reply:
        return Reply(status=status, body=body) if asked["seed"] == 1 else Reply()

    with serve(script) as server, client_of(server, store, concurrency=1) as c:
        answer = ask_all(c, range(3))[1]
        assert (answer.finish_reason, answer.text) == ("refused", "")
        assert answer.error == f"HTTP {status}: too long: 8030 tokens"
        assert store.get(request(1)) == answer


def test_first_request_refused_by_a_good_server(store: Store) -> None:
    def script(number: int, body: dict) -> Reply:
        return Reply() if body["max_tokens"] == 1 else Reply(status=400, body="too long")

    with serve(script) as server, client_of(server, store) as c:
        assert ask_all(c, range(1))[0].finish_reason == "refused"


def test_server_that_refuses_everything_ends_the_run_and_poisons_nothing(store: Store) -> None:
    reply = Reply(status=400, body='{"error": {"message": "unknown field seed"}}')
    with serve(lambda n, body: reply) as server, client_of(server, store) as c:
        c.ask(0, request(0))
        with pytest.raises(EngineError, match="refuses every request: HTTP 400: unknown field"):
            take(c)
    assert len(store) == 0


def test_request_that_always_fails_is_refused_in_the_end(store: Store) -> None:
    """A prompt that crashes the server's tokenizer must not hold up the others for ever."""

    def script(number: int, body: dict) -> Reply:
        return (
            Reply(status=500, body="oops")
            if body["seed"] == 1 and body["max_tokens"] > 1
            else Reply()
        )

    quick = replace(QUICK, attempts=4)
    with serve(script) as server, client_of(server, store, patience=quick) as c:
        answers = ask_all(c, range(3))
    assert answers[1].error == "no answer in 4 attempts: HTTP 500: oops"
    assert [answers[n].text for n in (0, 2)] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        pytest.param(Reply(status=401), r"API key \(HTTP 401\); set \$CURATE_API_KEY", id="401"),
        pytest.param(Reply(status=403), r"API key \(HTTP 403\); set \$CURATE_API_KEY", id="403"),
        pytest.param(
            Reply(status=404, body="no such model"), "404: no such model; check", id="404"
        ),
        pytest.param(Reply(status=307, headers={"Location": "/x"}), "HTTP 307", id="redirect"),
    ],
)
def test_hopeless_status_ends_the_run_with_the_fix(
    store: Store, monkeypatch: pytest.MonkeyPatch, reply: Reply, message: str
) -> None:
    monkeypatch.delenv("CURATE_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serve(lambda n, body: reply) as server, client_of(server, store) as c:
        c.ask(0, request(0))
        with pytest.raises(EngineError, match=message) as caught:
            take(c)
        assert "\n" not in str(caught.value)
        with pytest.raises(EngineError):
            take(c)


def test_finished_ones_are_handed_out_before_the_error(store: Store) -> None:
    def script(number: int, body: dict) -> Reply:
        return Reply(status=401) if number == 5 else Reply()

    with serve(script) as server, client_of(server, store, concurrency=1) as c:
        for number in range(8):
            c.ask(number, request(number))
        assert [take(c)[0] for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(EngineError):
            take(c)


def test_key_is_sent_and_never_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    monkeypatch.setenv("CURATE_API_KEY", "sk-secret\n")
    with serve(lambda n, body: Reply(status=401, body="bad sk-secret")) as server:
        engine = engine_at(server.url, store)
        with Client(engine, store, 1, patience=QUICK) as c:
            c.ask(0, request(0))
            with pytest.raises(EngineError, match="does not accept the key in") as caught:
                take(c)
            assert "secret" not in f"{caught.value} {engine!r} {vars(engine)} {vars(c)}"
    assert server.headers[0]["authorization"] == "bearer sk-secret"


def test_nobody_there_is_one_clear_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curate.engines.engine._REACH_S", 0.6)
    with serve(lambda n, body: Reply()) as server:
        url = server.url
    with Client(engine_at(url, store), store, 2, patience=QUICK) as c:
        c.ask(0, request(0))
        with pytest.raises(EngineError, match=f"no engine answers at {url}: connection refused"):
            take(c)


def test_a_web_page_is_not_an_engine(store: Store) -> None:
    reply = Reply(content_type="text/html", body="<html>")
    with serve(lambda n, body: reply) as server, client_of(server, store) as c:
        c.ask(0, request(0))
        with pytest.raises(
            EngineError, match=r"no engine answers at .*: it answered with text/html"
        ):
            take(c)


def test_server_restart_is_survived(store: Store) -> None:
    with (
        serve(lambda n, body: Reply(delay_s=0.05)) as server,
        client_of(server, store) as c,
    ):
        for number in range(20):
            c.ask(number, request(number))
        done = [take(c)[0] for _ in range(5)]
        server.shut()
        time.sleep(0.3)
        server.open()
        while c.in_flight:
            done.append(take(c)[0])
        assert sorted(done) == list(range(20))


def test_server_that_never_comes_back_ends_the_run(store: Store) -> None:
    with serve(lambda n, body: Reply()) as server, client_of(server, store) as c:
        ask_all(c, range(3))
        server.shut()
        c.ask(3, request(3))
        with pytest.raises(EngineError, match=r"does not answer any more: Connection refused"):
            take(c)


def test_trouble_after_a_long_pause_is_not_held_against_it(store: Store) -> None:
    """The clock of the patience runs from the first fault, not from the last answer."""
    quick = replace(QUICK, trouble_s=0.3)
    with (
        serve(lambda n, body: Reply(status=500) if n == 1 else Reply()) as server,
        client_of(server, store, patience=quick) as c,
    ):
        ask_all(c, range(1))
        time.sleep(0.5)
        assert ask_all(c, range(1, 2))[1].text == "ok"


def test_an_answer_that_begins_anew_is_watched_anew(store: Store) -> None:
    def watching() -> Callable[[str, int], str | None]:
        seen: list[str] = []

        def watch(piece: str, tokens: int) -> str | None:
            seen.append(piece)
            return "twice" if "".join(seen).count("begin") > 1 else None

        return watch

    pieces = ["begin ", *["x" * 100] * 9]
    replies = [Reply(pieces[:-1], ends="reset"), Reply(pieces)]
    with serve(lambda n, body: replies[n]) as server, client_of(server, store) as c:
        c.ask(0, request(0), watching)
        assert take(c)[1].finish_reason == "stop"
    assert len(server.requests) == 2
