"""A classifier's opinion of a response: vLLM's `/classify`, or transformers in this process.

    RewardModel(engine="http://HOST:8000/v1", model="NAME")      # vllm serve NAME --runner pooling
    RewardModel(engine="transformers", model="NAME@REVISION")    # on this machine

An endpoint's answers go to the sample store, so a replay asks nobody. R1 uses such models for
helpfulness (which sees the response only) and safety (which sees the whole), never for what a rule
can check: a policy learns to please them (v2, sections 2.2 and 3.1).
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from curate.engines.request import Completion, Request
from curate.errors import RunError, UsageError
from curate.sample import Sample, Turn, Verdict
from curate.scorers.asking import Asking
from curate.scorers.classify import classify_all

LOCAL = "transformers"
_LOCAL_BATCH = 8
"""Responses in one pass here; a batch is padded to its longest."""
_LOADING = threading.Lock()

Classifier = Callable[[Sequence[tuple[Turn, ...]]], list[list[float]]]
"""The outputs for each conversation of a batch; none for one that is too long."""


@dataclass(frozen=True)
class RewardModel(Asking):
    """What a sequence classifier gives a response, from 0.0 to 1.0; None when it cannot read it.

    Of one output it is the sigmoid, of several the softmax of class `label` (by its place, the last
    one by default). No response is 0.0, unasked. None: a text that is too long for the model. With
    `sees=completion` the model is shown the reasoning too.

    Raises EngineError when nobody answers.
    """

    label: int = -1
    sees: Literal["response", "completion"] = "response"

    def _check_engine(self) -> None:
        if self.engine == LOCAL:
            if not self.model:
                raise UsageError("RewardModel: engine=transformers needs model=NAME or a folder")
        elif not self.engine.startswith(("http://", "https://")):
            raise UsageError(
                f"RewardModel: engine={self.engine!r} is neither an address such as"
                " http://HOST:8000/v1 (vllm serve NAME --runner pooling) nor 'transformers'"
            )
        else:
            super()._check_engine()

    def judge_all(self, samples: Iterable[Sample]) -> list[Verdict]:
        """All scores, asked for at the same time."""
        turns = [self._turns(sample) for sample in samples]
        asked = [turn for turn in turns if turn]
        score = self._locally if self.engine == LOCAL else self._remotely
        verdicts = iter(score(asked) if asked else ())
        return [next(verdicts) if turn else Verdict(0.0, "no response") for turn in turns]

    def _turns(self, sample: Sample) -> tuple[Turn, ...]:
        """The conversation with the response; empty when there is none."""
        said = sample.response if self.sees == "response" else sample.text
        question = sample.prompt or (Turn(role="user", content=sample.problem),)
        return (*question, Turn(role="assistant", content=said)) if said.strip() else ()

    def _verdict(self, outputs: Sequence[float]) -> Verdict:
        if not outputs:
            return Verdict(None, "longer than the model can read")
        if not all(map(math.isfinite, outputs)):
            return Verdict(None, f"the model gave {outputs[:8]}")
        if not -len(outputs) <= self.label < len(outputs):
            raise UsageError(
                f"RewardModel: label={self.label}, but the model has {len(outputs)} classes"
            )
        if len(outputs) == 1:
            return Verdict(sigmoid(outputs[0]), f"output {outputs[0]:.4g}")
        weights = [math.exp(value - max(outputs)) for value in outputs]
        share = weights[self.label] / sum(weights)
        return Verdict(share, f"class {self.label % len(outputs)} of {len(outputs)}")

    def _remotely(self, asked: Sequence[tuple[Turn, ...]]) -> list[Verdict]:
        asker = self.asker()
        model, revision = asker.engine.model, asker.engine.revision
        said = {"kind": "classify", "temperature": 0.0, "top_p": 1.0, "max_tokens": 0, "seed": 0}
        requests = [Request(messages=t, model=model, revision=revision, **said) for t in asked]
        return [self._read(completion) for completion in classify_all(asker, requests)]

    def _read(self, completion: Completion) -> Verdict:
        if completion.finish_reason == "refused":
            return Verdict(None, f"the server refuses it: {(completion.error or '')[:200]}")
        return self._verdict(json.loads(completion.text))

    def _locally(self, asked: Sequence[tuple[Turn, ...]]) -> list[Verdict]:
        with _LOADING:
            classifier = _classifier(self.model or "")
        order = sorted(range(len(asked)), key=lambda i: len(asked[i][-1]["content"]))
        verdicts: dict[int, Verdict] = {}
        for start in range(0, len(order), _LOCAL_BATCH):
            places = order[start : start + _LOCAL_BATCH]
            for place, outputs in zip(places, classifier([asked[i] for i in places]), strict=True):
                verdicts[place] = self._verdict(outputs)
        return [verdicts[i] for i in range(len(asked))]


def sigmoid(value: float) -> float:
    """1 / (1 + e^-value) for any value.

    >>> sigmoid(0.0), sigmoid(-10_000.0), sigmoid(10_000.0)
    (0.5, 0.0, 1.0)
    """
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


@cache
def _classifier(model: str) -> Classifier:
    """A model of transformers, loaded once a process; on a GPU where there is one."""
    missing = [name for name in (LOCAL, "torch") if importlib.util.find_spec(name) is None]
    if missing:
        raise RunError(
            f"engine=transformers needs {' and '.join(missing)}; run `pip install transformers"
            " torch`, or use a server with engine=http://HOST:PORT/v1"
        )
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module(LOCAL)
    name, _, revision = model.partition("@")
    where = {"revision": revision} if revision else {}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **where)
        network = transformers.AutoModelForSequenceClassification.from_pretrained(name, **where)
    except (OSError, ValueError) as error:
        raise RunError(f"RewardModel: cannot load {model}: {error}") from None
    network = network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    longest = getattr(network.config, "max_position_embeddings", None) or math.inf
    pad = tokenizer.pad_token_id
    network.config.pad_token_id = pad

    def tokens(turns: tuple[Turn, ...]) -> list[int]:
        if tokenizer.chat_template:
            text = tokenizer.apply_chat_template(list(turns), tokenize=False)
            return tokenizer(text, add_special_tokens=False)["input_ids"]
        question = "\n\n".join(turn["content"] for turn in turns[:-1])
        return tokenizer(question, turns[-1]["content"])["input_ids"]

    def outputs(rows: list[list[int]]) -> list[list[float]]:
        most = max(map(len, rows))
        padded = [row + [pad] * (most - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (most - len(row)) for row in rows]
        given = {"input_ids": padded, "attention_mask": mask}
        tensors = {k: torch.tensor(v, device=network.device) for k, v in given.items()}
        with torch.inference_mode():
            return network(**tensors).logits.float().tolist()

    def classify(batch: Sequence[tuple[Turn, ...]]) -> list[list[float]]:
        rows = [tokens(turns) for turns in batch]
        fit = [row for row in rows if len(row) <= longest]
        if pad is None:  # nothing to pad with, so nothing is padded
            found = iter([outputs([row])[0] for row in fit])
        else:
            found = iter(outputs(fit) if fit else ())
        return [next(found) if len(row) <= longest else [] for row in rows]

    return classify
