from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from curate.engines import engine as engine_module
from curate.engines.engine import open_engine
from curate.engines.server import Endpoint, list_models
from curate.engines.store import Store
from curate.errors import AssetError, EngineError, UsageError
from tests.servers.openai_server import Reply, ScriptedServer


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / "store") as opened:
        yield opened


def opened(spec: str, store: Store, model: str | None = None):
    return open_engine(spec, model=model, out=Path("unused"), store=store, slots=8)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param("lokal", "there is no engine 'lokal'; use 'local' or addresses", id="typo"),
        pytest.param("", "there is no engine ''", id="empty"),
        pytest.param("vllm:?dtype=half", "names no model; use vllm:MODEL", id="vllm"),
        pytest.param("local:", "names no folder; write local:DIR", id="folder"),
        pytest.param("http://a/v1,http://a/v1/", "http://a/v1 stands there twice", id="twice"),
        pytest.param("http://a/v1,", "there is no engine ''", id="comma"),
        pytest.param("http://host:8000", "did you mean http://host:8000/v1?", id="no path"),
        pytest.param("http://host:8000/v1?x=1", "did you mean http://host:8000/v1?", id="query"),
        pytest.param("ftp://host/v1", "there is no engine", id="scheme"),
        pytest.param("http://host:port/v1", "is not an address", id="port"),
        pytest.param("http://[::1/v1", "is not an address", id="bracket"),
        pytest.param("http://me:word@host/v1", "holds no password; set", id="password"),
    ],
)
def test_what_is_no_engine_is_refused(store: Store, spec: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        opened(spec, store, model="m")
    assert message in str(caught.value)
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("model", ["", "@", "@r", "m@"])
def test_model_is_name_or_name_at_revision(store: Store, model: str) -> None:
    with pytest.raises(UsageError, match="neither NAME nor NAME@REVISION"):
        opened("http://h/v1", store, model)


def test_pinned_model_needs_no_server(store: Store) -> None:
    engine = opened("http://127.0.0.1:1/v1/", store, "Qwen/QwQ-32B@976055f")
    assert (engine.model, engine.revision) == ("Qwen/QwQ-32B", "976055f")
    assert (engine.kind, engine.default_concurrency) == ("chat", 32)
    assert opened("http://127.0.0.1:1/v1", store, "m").revision is None


def test_only_model_is_taken_and_remembered_for_the_replay(store: Store) -> None:
    with ScriptedServer(models=["one"]) as server:
        engine = opened(server.url, store)
        assert engine.model == "one"
        engine.start()
        url = server.url
    assert opened(url, store).model == "one"


def test_unknown_server_without_a_model(store: Store) -> None:
    with pytest.raises(
        EngineError, match=r"no engine answers at http://127.0.0.1:1/v1: connection"
    ):
        opened("http://127.0.0.1:1/v1", store)


@pytest.mark.parametrize(
    ("models", "message"),
    [(["a", "b"], "it serves a, b"), ([], "does not list"), (None, "does not list")],
    ids=["several", "none", "no route"],
)
def test_model_must_be_named(store: Store, models: list[str] | None, message: str) -> None:
    with (
        ScriptedServer(models=models) as server,
        pytest.raises(UsageError, match=f"model=NAME; it.*{message.removeprefix('it ')}"),
    ):
        opened(server.url, store)


def test_wrong_model_gives_the_list(store: Store) -> None:
    with ScriptedServer(models=["a", "b"]) as server:
        engine = opened(server.url, store, "c")
        with pytest.raises(EngineError, match="does not serve 'c'; it serves a, b"):
            engine.start()
    assert store.served(server.url) is None


def test_model_cannot_be_checked_without_the_route(store: Store) -> None:
    with ScriptedServer(models=None) as server:
        assert opened(server.url, store, "c").start()[0].url == server.url


def test_server_that_comes_up_late_is_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(models=["m"]) as server:
        engine = opened(server.url, store, "m")
        server.shut()
        monkeypatch.setattr(engine_module.time, "sleep", lambda s: server.open())
        assert engine.start()[0].url == server.url


def test_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with ScriptedServer(lambda n, body: Reply(), models=["m"]) as server:
        assert list_models(Endpoint(server.url)) == {"m": ""}


def test_local_is_known_without_its_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CURATE_MODEL", raising=False)
    monkeypatch.setattr("curate.engines.local.locate", None)
    engine = opened("local", store)
    assert (engine.model, engine.revision) == ("SmolLM2-135M-Instruct-Q4_1", "b179c9523d0e")
    assert (engine.kind, engine.default_concurrency) == ("chat", 8)
    assert opened("local", store, "SmolLM2-135M-Instruct-Q4_1@b179c9523d0e").revision
    with pytest.raises(UsageError, match=r"engine=local has one model, SmolLM2.*not 'other'"):
        opened("local", store, "other")


def test_own_model_has_its_own_name_and_revision(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_MODEL", str(tmp_path / "mine.gguf"))
    with pytest.raises(AssetError, match="CURATE_MODEL"):
        opened("local", store)
    (tmp_path / "mine.gguf").write_bytes(b"weights")
    engine = opened("local", store)
    assert (engine.model, engine.revision) == ("mine", hashlib.sha256(b"weights").hexdigest()[:12])
