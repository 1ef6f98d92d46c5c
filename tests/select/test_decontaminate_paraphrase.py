"""What a model is asked of rows that share no n-gram with a benchmark."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.errors import EngineError, UsageError
from curate.scorers import asking
from curate.select.paraphrase import Paraphrase
from tests.engines.asking import QUICK
from tests.select.decontaminating import decontaminated, prompts
from tests.servers.openai_server import Reply, ScriptedServer

OTHER_WORDS = (
    "Rosa has not turned 75. Dividing her age by 2, by 3, by 4 or by 6 always leaves 1 over, while "
    "7 is a divisor of her age. Her age?"
)
TEXTS = [OTHER_WORDS, "Name the capital of Portugal.", "Who wrote the Lusiads?"]


@pytest.fixture(autouse=True)
def askers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(asking, "PATIENCE", QUICK)
    yield
    asking.close_askers()


def asked_at(server: ScriptedServer, folder: Path, **options: Any) -> Paraphrase:
    return Paraphrase(engine=server.url, store=str(folder / "store"), **options)


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        pytest.param('Both ask for 49. {"same": true}', 2, id="the same"),
        pytest.param('{"same": false}', 3, id="another"),
        pytest.param("I cannot say.", 3, id="unreadable"),
        pytest.param('At first {"same": true}, but no: {"same": false}', 3, id="the last counts"),
    ],
)
def test_the_model_decides(reply: str, kept: int, tmp_path: Path) -> None:
    with ScriptedServer(lambda number, body: Reply([reply])) as server:
        check = asked_at(server, tmp_path, nearest=1, at_least=0.3)
        ids, dropped = decontaminated(prompts(TEXTS), tmp_path, paraphrase=check)
        assert len(server.requests) == 1, "only about what is near an item"
        question = server.requests[0]["messages"][-1]["content"]
    assert len(ids) == kept
    assert OTHER_WORDS in question
    assert "If Rosa's age is divided by" in question
    if kept == 2:
        reason, detail = dropped["0" * 16]
        assert reason == "contaminated_by:bench/rosa"
        assert detail.startswith("m says the same in other words (cosine 0.")


def test_what_was_asked_once_needs_no_server(tmp_path: Path) -> None:
    with ScriptedServer(lambda number, body: Reply(['{"same": true}'])) as server:
        check = asked_at(server, tmp_path, at_least=0.3)
        first = decontaminated(prompts(TEXTS), tmp_path, paraphrase=check)
    asking.close_askers()
    with ScriptedServer(lambda number, body: Reply(status=500)) as server:
        again = asked_at(server, tmp_path, at_least=0.3)
        assert decontaminated(prompts(TEXTS), tmp_path, paraphrase=again) == first
        assert not server.requests


def test_nobody_answers(tmp_path: Path) -> None:
    check = Paraphrase(
        engine="http://127.0.0.1:9/v1", model="m", store=str(tmp_path / "store"), at_least=0.3
    )
    with pytest.raises(EngineError):
        decontaminated(prompts(TEXTS), tmp_path, paraphrase=check)


def test_its_identity_is_the_model_not_the_address() -> None:
    one = Paraphrase(engine="http://a/v1", model="m@1")
    assert one.identity() == Paraphrase(engine="http://b/v1", model="m@1").identity()
    assert one.identity() != Paraphrase(engine="http://a/v1", model="m@1", nearest=5).identity()
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize("options", [{}, {"engine": "http://a/v1", "nearest": 0}])
def test_arguments_that_make_no_sense(options: Any) -> None:
    with pytest.raises(UsageError, match="Paraphrase"):
        Paraphrase(**options)
