from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from curate.engines.attempt import Patience
from curate.engines.client import NUMBERS, Client
from curate.engines.fleet import Fleet, Host
from curate.engines.store import Store
from curate.errors import StoreError
from tests.engines.asking import QUICK, ask_all, engine_at, request, take
from tests.servers.openai_server import Reply, Script, ScriptedServer

THINKING = Reply(("It is", " 7."), reasoning=("3 + 4", " = 7"))


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


def test_one_completion_a_request_with_all_that_is_known_of_it(store: Store) -> None:
    with serve(lambda n, body: Reply(("It", " is 7."))) as server, client_of(server, store) as c:
        answer = ask_all(c, range(1), stop=("x",))[0]
        assert answer.text == "It is 7."
        assert (answer.finish_reason, answer.model, answer.max_tokens) == ("stop", "m", 40)
        assert (answer.prompt_tokens, answer.completion_tokens) == (5, 2)
        numbers = c.numbers()
        assert {name: numbers[name] for name in NUMBERS} == {
            **dict.fromkeys(NUMBERS, 0),
            "requests": 1,
            "prompt_tokens": 5,
            "completion_tokens": 2,
        }
    sent = server.requests[0]
    assert sent == {
        "model": "m",
        "messages": [{"role": "user", "content": "What is 0 + 4?"}],
        "temperature": 0.7,
        "top_p": 0.95,
        "max_tokens": 40,
        "seed": 0,
        "n": 1,
        "stop": ["x"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_separate_reasoning_reads_as_if_tagged(store: Store, field: str) -> None:
    reply = replace(THINKING, reasoning_field=field)
    with serve(lambda n, body: reply) as server, client_of(server, store) as c:
        assert ask_all(c, range(1))[0].text == "<think>3 + 4 = 7</think>It is 7."


def test_without_usage_the_pieces_are_counted(store: Store) -> None:
    reply = Reply(("a", "b", "c"), usage=False, finish_reason="length")
    with serve(lambda n, body: reply) as server, client_of(server, store) as c:
        answer = ask_all(c, range(1))[0]
        assert (answer.prompt_tokens, answer.completion_tokens) == (None, 3)
        assert answer.finish_reason == "length"


def test_text_that_arrow_does_not_take_is_mended(store: Store) -> None:
    import pyarrow

    reply = Reply(("a\x00", "\ud83d", "\ude00", "\udc00b"))
    with serve(lambda n, body: reply) as server, client_of(server, store) as c:
        text = ask_all(c, range(1))[0].text
    assert text == "a\ufffd\U0001f600\ufffdb"
    assert pyarrow.array([text]).to_pylist() == [text]


def test_window_is_full_and_never_fuller(store: Store) -> None:
    most = 0

    def script(number: int, body: dict) -> Reply:
        nonlocal most
        most = max(most, len(c._active))
        return Reply(delay_s=0.02)

    with serve(script) as server, client_of(server, store, concurrency=3) as c:
        assert len(ask_all(c, range(20))) == 20
        assert server.connections <= 4, "connections are kept alive"
    assert most == 3


def test_in_the_store_before_it_is_handed_out(store: Store, tmp_path: Path) -> None:
    with serve(lambda n, body: Reply()) as server, client_of(server, store) as c:
        c.ask("tag", request(1))
        tag, answer = take(c)
        with Store(tmp_path / "store") as other:
            assert other.get(request(1)) == answer
        assert tag == "tag"


def test_nothing_is_opened_before_the_first_request(store: Store) -> None:
    with serve(lambda n, body: Reply()) as server, client_of(server, store) as c:
        assert c.numbers()["requests"] == 0
    assert server.connections == 0
    assert not store.path.exists()


def test_hopeless_stream_is_cut_and_its_connection_closed(store: Store) -> None:
    seen = []

    def watch(piece: str, tokens: int) -> str | None:
        seen.append(piece)
        return "Repetition" if "".join(seen).count("loop") > 100 else None

    reply = Reply(["loop "] * 2000, pause_s=0.002)
    with serve(lambda n, body: reply) as server, client_of(server, store) as c:
        answer = ask_all(c, range(1), watch)[0]
        assert (answer.finish_reason, answer.cut_by) == ("cut", "Repetition")
        assert 100 < answer.text.count("loop") < 200
        assert answer.completion_tokens == answer.text.count("loop")
        assert min(map(len, seen)) >= 200, "asked once in 200 characters"
        assert answer.text == "".join(seen)
        assert store.get(request(0)) is None
        assert store.get(request(0), frozenset({"Repetition"})) == answer
        for _ in range(100):
            if server.dropped:
                break
            time.sleep(0.02)
        assert server.dropped == 1


def test_watch_sees_separate_reasoning_as_text(store: Store) -> None:
    reply = Reply(reasoning=["x" * 150] * 4, pause_s=0.01)
    with serve(lambda n, body: reply) as server, client_of(server, store) as c:
        answer = ask_all(c, range(1), lambda new, n: "R" if new.startswith("<think>x") else None)[0]
        assert answer.cut_by == "R"


def test_full_store_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        serve(lambda n, body: Reply()) as server,
        Store(tmp_path / "file" / "store") as store,
        client_of(server, store) as c,
    ):
        c.ask(0, request(0))
        with pytest.raises(StoreError, match="cannot write to the sample store"):
            take(c)
    assert server.requests == [], "known before anything is paid for"


def test_error_in_a_watch_is_not_swallowed(store: Store) -> None:
    def watch(piece: str, tokens: int) -> str | None:
        raise ZeroDivisionError("a mistake in a rule")

    reply = Reply(["x" * 300])
    with serve(lambda n, body: reply) as server, client_of(server, store) as c:
        c.ask(0, request(0), lambda: watch)
        with pytest.raises(ZeroDivisionError):
            take(c)


def test_close_drops_what_is_in_flight_quickly(store: Store) -> None:
    with serve(lambda n, body: Reply(["a"] * 1000, pause_s=0.05)) as server:
        before = threading.active_count()
        c = client_of(server, store, concurrency=8)
        for number in range(8):
            c.ask(number, request(number))
        while len(server.requests) < 8:
            time.sleep(0.01)
        started = time.monotonic()
        c.close()
        assert time.monotonic() - started < 1.0
        assert threading.active_count() == before
        with pytest.raises(RuntimeError, match="closed"):
            c.ask(9, request(9))


def test_asking_from_many_threads(store: Store) -> None:
    with serve(lambda n, body: Reply()) as server, client_of(server, store) as c:
        threads = [
            threading.Thread(target=lambda s=s: [c.ask(n, request(n)) for n in range(s, s + 25)])
            for s in range(0, 100, 25)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {take(c)[0] for _ in range(100)} == set(range(100))
        with pytest.raises(RuntimeError, match="nothing was asked"):
            take(c)


def test_what_is_asked_first_while_the_loop_takes_a_job_is_neither_lost_nor_doubled(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pick, late = Fleet.pick, iter(range(100, 120))

    def pick_slowly(fleet: Fleet, active: int, *, avoid: Host | None = None) -> Host | None:
        if (tag := next(late, None)) is not None:  # as the other thread does, at the worst moment
            c.ask(tag, request(tag), first=True)
        return pick(fleet, active, avoid=avoid)

    monkeypatch.setattr(Fleet, "pick", pick_slowly)
    with serve(lambda n, body: Reply(("7",))) as server, client_of(server, store) as c:
        answers = ask_all(c, range(20))
        assert sorted(answers) == [*range(20), *range(100, 120)]
    assert len(server.requests) == 40
