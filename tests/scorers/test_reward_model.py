from __future__ import annotations

import importlib.util
import json
import math
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.errors import EngineError, RunError, UsageError
from curate.sample import Sample, Verdict
from curate.scorers import RewardModel, asking, scorer_from
from tests.engines.asking import QUICK
from tests.scorers.judging import PROMPT, answers
from tests.servers.openai_server import Reply, ScriptedServer


@pytest.fixture(autouse=True)
def askers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(asking, "PATIENCE", QUICK)
    yield
    asking.close_askers()


def classified(outputs: list[float]) -> Reply:
    """What vLLM answers with."""
    data = {"index": 0, "label": "LABEL_0", "probs": outputs, "num_classes": len(outputs)}
    said = {"model": "m", "data": [data], "usage": {"prompt_tokens": 7}}
    return Reply(content_type="application/json", body=json.dumps(said))


def rating(outputs: Callable[[str], list[float]]) -> ScriptedServer:
    """A classifier that gives these outputs to a response."""
    return ScriptedServer(lambda number, body: classified(outputs(body["messages"][-1]["content"])))


def at(server: ScriptedServer, store: Path, **changes: Any) -> RewardModel:
    return RewardModel(engine=server.url, model="m", store=str(store), **changes)


def test_one_output_is_a_sigmoid(tmp_path: Path) -> None:
    with rating(lambda text: [float(len(text) - 6)]) as server:
        model = at(server, tmp_path)
        said = model.judge_all([*answers("Light.", "Sunlight."), PROMPT.with_completion("<think>")])
        assert said == [
            Verdict(1 / (1 + math.exp(0)), "output 0"),
            Verdict(1 / (1 + math.exp(-3)), "output 3"),
            Verdict(0.0, "no response"),
        ]
        assert server.paths == ["/classify"] * 2
        assert all(body["use_activation"] is False for body in server.requests)
        assert [turn["role"] for turn in server.requests[0]["messages"]] == ["user", "assistant"]
        assert "Hm." not in str(server.requests)


def test_of_several_classes_one_is_good(tmp_path: Path) -> None:
    with rating(lambda text: [0.0, math.log(3.0), -math.inf if "odd" in text else -9e9]) as server:
        middle = at(server, tmp_path, label=1)
        said = middle.judge_all(answers("It scatters.", "An odd one."))
        assert said[0] == Verdict(0.75, "class 1 of 3")
        assert said[1].score is None
        assert at(server, tmp_path).judge(answers("It scatters.")[0]).score == 0.0
        with pytest.raises(UsageError, match="label=3, but the model has 3 classes"):
            at(server, tmp_path, label=3).judge(answers("It scatters.")[0])
        assert len(server.requests) == 2  # another class of the same outputs


def test_shown_the_reasoning_only_when_asked(tmp_path: Path) -> None:
    with rating(lambda text: [1.0 if "Hm." in text else -1.0]) as server:
        seen = [
            at(server, tmp_path, sees=s).judge(answers("A.")[0]).score
            for s in ("response", "completion")
        ]
    assert seen == [Verdict(1 / (1 + math.e)).score, Verdict(math.e / (1 + math.e)).score]


def test_a_replay_asks_nobody(tmp_path: Path) -> None:
    samples = answers(*(f"It scatters {n}." for n in range(40)), "It scatters 1.")
    with rating(lambda text: [float(len(text))]) as server:
        model = at(server, tmp_path, concurrency=8)
        first = model.judge_all(samples)
        assert len(server.requests) == 40
        assert server.connections <= 8 + 1  # one more asked which model it has
        assert model.judge_all(samples) == first
        assert len(server.requests) == 40
    asking.close_askers()
    assert model.judge_all(samples) == first


def test_what_the_server_refuses_is_not_judged(tmp_path: Path) -> None:
    def script(number: int, body: dict[str, Any]) -> Reply:
        if "long" in body["messages"][-1]["content"]:
            return Reply(status=400, body='{"error": {"message": "longer than 512 tokens"}}')
        return classified([0.0])

    with ScriptedServer(script) as server:
        said = at(server, tmp_path).judge_all(answers("Fine.", "A long one."))
    assert said[0].score == 0.5
    assert said[1] == Verdict(None, "the server refuses it: HTTP 400: longer than 512 tokens")


def test_faults_are_asked_again(tmp_path: Path) -> None:
    def script(number: int, body: dict[str, Any]) -> Reply:
        return Reply(status=503, body="busy") if number % 3 == 0 else classified([0.0])

    with ScriptedServer(script) as server:
        said = at(server, tmp_path).judge_all(answers(*(f"It scatters {n}." for n in range(9))))
    assert [verdict.score for verdict in said] == [0.5] * 9


def test_a_server_that_is_gone_or_no_classifier_stops_the_run(tmp_path: Path) -> None:
    with rating(lambda text: [0.0]) as server:
        model = at(server, tmp_path)
        model.judge(answers("It scatters.")[0])
        server.shut()
        with pytest.raises(EngineError, match=f"no engine answers at {server.url}"):
            model.judge(answers("It reflects.")[0])
    asking.close_askers()
    with ScriptedServer() as chat, pytest.raises(EngineError, match="--runner pooling"):
        at(chat, tmp_path).judge(answers("It reflects.")[0])
    with ScriptedServer(lambda n, body: Reply(status=404, body="Not Found")) as other:
        asking.close_askers()
        with pytest.raises(EngineError, match="HTTP 404"):
            at(other, tmp_path).judge(answers("It reflects.")[0])


def test_is_named_typed_and_checked() -> None:
    model = RewardModel(engine="http://a:8000/v1", model="m", label=0, sees="completion")
    assert model.name == "RewardModel:model=m,label=0,sees=completion"
    assert (
        scorer_from("RewardModel:engine=http://a:8000/v1,model=m,label=0,sees=completion") == model
    )
    assert pickle.loads(pickle.dumps(model)) == model
    assert not model.needs_gold
    for engine, says in (
        ("", "say who answers"),
        ("local", "neither an address"),
        ("vllm:m", "neither an address"),
        ("http://a", "did you mean http://a/v1"),
        ("transformers", "needs model=NAME"),
    ):
        with pytest.raises(UsageError, match=says):
            RewardModel(engine=engine)


HAS_TRANSFORMERS = all(importlib.util.find_spec(name) for name in ("torch", "transformers"))


@pytest.mark.skipif(HAS_TRANSFORMERS, reason="transformers is installed")
def test_without_transformers_it_says_what_to_install() -> None:
    with pytest.raises(RunError, match="pip install transformers torch"):
        RewardModel(engine="transformers", model="m").judge(answers("It scatters.")[0])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A random classifier of so many classes, with a tokenizer of words."""
    import importlib

    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    tokenizers: Any = importlib.import_module("tokenizers")

    def make(classes: int) -> Path:
        folder = tmp_path_factory.mktemp(f"classes{classes}")
        words = ["[UNK]", "[PAD]", "It", "scatters", "reflects", ".", "the", "sea", "sky"]
        inner = tokenizers.Tokenizer(
            tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]")
        )
        inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]"
        ).save_pretrained(folder)
        torch.manual_seed(1)
        transformers.LlamaForSequenceClassification(
            transformers.LlamaConfig(
                vocab_size=len(words),
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=64,
                num_labels=classes,
                pad_token_id=1,
                initializer_range=1.0,
            )
        ).save_pretrained(folder)
        return folder

    return make


@pytest.mark.skipif(not HAS_TRANSFORMERS, reason="needs torch and transformers")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("classes", [1, 3])
def test_with_transformers_on_this_machine(tiny: Callable[[int], Path], classes: int) -> None:
    model = RewardModel(engine="transformers", model=str(tiny(classes)))
    texts = ["It scatters.", "It reflects the sea.", "It " * 100, "the sky " * 9, "sea"] * 3
    samples: list[Sample] = [*answers(*texts), PROMPT.with_completion("<think>It")]
    together = model.judge_all(samples)
    alone = [model.judge(sample) for sample in samples]
    for one, other in zip(together, alone, strict=True):
        assert one.score == (
            other.score if other.score is None else pytest.approx(other.score, abs=1e-5)
        )
    assert together[2] == Verdict(None, "longer than the model can read")
    assert together[-1] == Verdict(0.0, "no response")
    scores = [v.score for v in together if v.score is not None]
    assert len({round(score, 5) for score in scores}) >= 4
    if classes == 3:
        folder = model.model
        shares = [
            RewardModel(engine="transformers", model=folder, label=i).judge(samples[0]).score
            for i in range(3)
        ]
        assert sum(share or 0.0 for share in shares) == pytest.approx(1.0, abs=1e-5)
