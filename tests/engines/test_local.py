"""The real embedded model: it serves, it ends with its last user, its death is told."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import Request as Call
from urllib.request import urlopen

import psutil
import pytest

pytest.importorskip(
    "xllamacpp", reason="the local engine (curate-datasets[local]) is not installed"
)

from curate.engines.client import Client
from curate.engines.local import LocalEngine
from curate.engines.store import Store
from curate.errors import EngineError
from curate.sample import Turn
from tests.engines.asking import QUICK, ask_all, request


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("CURATE_MODEL", raising=False)


def servers(tmp_path: Path) -> list[int]:
    """The processes that serve from this test's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "local_server" in command and str(tmp_path) in command:
            found.append(int(path.parent.name))
    return found


def serving(tmp_path: Path) -> int:
    """The process that answers, once somebody uses it; the others watch it."""
    while not list(tmp_path.glob("curate-*/was_ready")):
        time.sleep(0.02)
    watching = "curate.engines.lease"
    return next(p for p in servers(tmp_path) if watching not in psutil.Process(p).cmdline())


def seconds_until_gone(tmp_path: Path) -> float:
    started = time.monotonic()
    while servers(tmp_path):
        assert time.monotonic() - started < 20
        time.sleep(0.02)
    return time.monotonic() - started


def user_of(tmp_path: Path) -> subprocess.Popen[str]:
    """A process of its own that holds the engine until it is killed."""
    code = f"""
import time
from pathlib import Path
from curate.engines.local import LocalEngine
engine = LocalEngine(Path({str(tmp_path / "out")!r}), slots=2)
print("starting", flush=True)
print(engine.start()[0].url, flush=True)
time.sleep(100)
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_answers_with_seed_reason_and_usage_then_ends(tmp_path: Path) -> None:
    engine = LocalEngine(tmp_path / "out", slots=2)
    with Store(tmp_path / "store") as store:
        with Client(engine, store, 2) as client:
            same = {"model": engine.model, "revision": engine.revision, "max_tokens": 8}
            answers = ask_all(client, range(3), **same)
            assert all(a.finish_reason == "length" for a in answers.values())
            assert all(a.completion_tokens == 8 and a.text for a in answers.values())
            assert all((a.prompt_tokens or 0) > 20 for a in answers.values())
            assert answers[0].model == engine.model
            too_long = request(9, messages=({"role": "user", "content": "word " * 3000},), **same)
            client.ask("long", too_long)
            item = client.next()
            assert item
            refused = item[1]
            assert refused.finish_reason == "refused"
            assert "exceeds the available context" in (refused.error or "")
        assert seconds_until_gone(tmp_path) < 4
        assert len(store) == 4
    assert (tmp_path / "out" / "engine.log").exists()


def asked(url: str, slot: int, turns: tuple[Turn, ...]) -> int:
    """Tokens of the prompt that the slot knew already."""
    values = {"messages": turns, "max_tokens": 1, "id_slot": slot}
    call = Call(f"{url}/chat/completions", json.dumps(values).encode())
    call.add_header("Content-Type", "application/json")
    with urlopen(call) as answer:
        return int(json.load(answer)["usage"]["prompt_tokens_details"]["cached_tokens"])


def test_examples_are_read_once_for_all_slots(tmp_path: Path) -> None:
    """Of two templates on one server each; the second worker waits for the first."""
    engine = LocalEngine(tmp_path / "out", slots=3)
    for word in ("add", "subtract"):
        examples = Turn(role="system", content=f"{word} the numbers, as I have shown you " * 20)
        turns = [(examples, Turn(role="user", content=f"{n}, {n}")) for n in range(3)]
        first = request(0, messages=turns[0], model=engine.model, revision=engine.revision)
        with ThreadPoolExecutor() as pool:
            workers = [LocalEngine(tmp_path / "out", slots=3) for _ in range(2)]
            found = pool.map(LocalEngine.start, workers, (first, first))
            url, same = (endpoint.url for (endpoint,) in found)
        assert url == same
        assert all(asked(url, slot, turns[slot]) > 100 for slot in range(3))
        for worker in workers:
            worker.close()
    left = list(tmp_path.glob("curate-*/prompt-*"))
    assert [path.read_bytes() for path in left] == [b"read\n"] * 2


def test_gone_when_its_last_user_is_killed(tmp_path: Path) -> None:
    """Two users share one server; the first to start it may go before the second."""
    first = user_of(tmp_path)
    assert first.stdout
    first.stdout.readline()
    url = first.stdout.readline()
    second = user_of(tmp_path)
    assert second.stdout
    second.stdout.readline()
    assert second.stdout.readline() == url
    first.kill()
    first.communicate()
    time.sleep(1.0)
    assert servers(tmp_path), "the second user keeps it"
    second.kill()
    second.communicate()
    assert seconds_until_gone(tmp_path) < 4
    assert not list(tmp_path.glob("curate-*/url"))


def test_gone_when_its_user_is_killed_while_it_loads(tmp_path: Path) -> None:
    user = user_of(tmp_path)
    while not servers(tmp_path):
        time.sleep(0.005)
    user.kill()
    user.communicate()
    assert seconds_until_gone(tmp_path) < 4.5


def test_forked_child_does_not_keep_it(tmp_path: Path) -> None:
    engine = LocalEngine(tmp_path / "out", slots=2)
    engine.start()
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        engine.close()
        assert seconds_until_gone(tmp_path) < 4
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_killed_engine_is_told_and_the_next_run_starts_another(tmp_path: Path) -> None:
    engine = LocalEngine(tmp_path / "out", slots=2)
    with Store(tmp_path / "store") as store, Client(engine, store, 2, patience=QUICK) as client:
        for number in range(2):
            client.ask(number, request(number, max_tokens=2000))
        os.kill(serving(tmp_path), signal.SIGKILL)
        with pytest.raises(EngineError) as caught:
            while True:
                client.next()
        assert re.search(r"the local engine died \(signal 9\).*; its log: ", str(caught.value))
        assert "run the same command again to continue" in str(caught.value)
    again = LocalEngine(tmp_path / "out", slots=2)
    try:
        again.start()
        assert again.is_alive()
    finally:
        again.close()
    assert seconds_until_gone(tmp_path) < 4


def test_killed_watcher_takes_the_server_with_it(tmp_path: Path) -> None:
    engine = LocalEngine(tmp_path / "out", slots=2)
    try:
        engine.start()
        watcher = min(servers(tmp_path))
        os.kill(watcher, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while engine.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        engine.close()


def test_file_that_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"not a model")
    monkeypatch.setenv("CURATE_MODEL", str(tmp_path / "bad.gguf"))
    engine = LocalEngine(tmp_path / "out", slots=2)
    try:
        with pytest.raises(EngineError) as caught:
            engine.start()
    finally:
        engine.close()
    said = str(caught.value)
    assert re.search(
        r"^the local engine did not start \(exit status 1\): .*cannot load .*bad.gguf", said
    )
    assert said.endswith(str(tmp_path / "out/engine.log"))


def test_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"pip install 'curate-datasets\[local\]'"):
        LocalEngine(tmp_path / "out", slots=2).start()


def test_no_room_for_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    with pytest.raises(EngineError, match=r"cannot make .* set TMPDIR"):
        LocalEngine(tmp_path / "out", slots=2).start()
