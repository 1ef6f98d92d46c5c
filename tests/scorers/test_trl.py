"""Scorers as rewards of the real TRL: its trainer runs with them, and its numbers are ours."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from curate.scorers import (
    CosineScaled,
    MathAnswer,
    RelativeLength,
    RepetitionPenalty,
    SoftOverlong,
    ThinkFormat,
    trl_rewards,
)
from tests.vllm.tiny_model import write_tiny_model

trl = pytest.importorskip("trl", reason="TRL is not installed")
theirs = pytest.importorskip("trl.rewards", reason="TRL is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # they are of the trainer

PIECES = [
    *("<think>", "</think>", "<think>\n", "\n</think>\n", "<answer>", "\n", " ", "so 3 + 4 "),
    *(f"\\boxed{{{x}}} is what I get. " for x in ("7", "8", r"\frac{14}{2}", "7.0", "14/2")),
    *("The final answer is $7$. ", "The answer is 7. ", "7 ", "", "$7$ ", "seven ", "is "),
    *(r"Final answer: \(8\). ", r"\boxed{"),
]
GOLDS = ["7", r"\frac{14}{2}", r"\boxed{7}", "$7$", "8", "forty two", "The answer is seven."]


def texts(n: int) -> list[str]:
    rng = random.Random(7)
    return ["".join(rng.choices(PIECES, k=rng.randint(0, 7))) for _ in range(n)]


def turns(said: list[str]) -> list[list[dict[str, str]]]:
    return [[{"role": "assistant", "content": text}] for text in said]


def test_the_form_is_what_trl_calls_one() -> None:
    said = texts(3000) + ["<think>" + text for text in texts(3000)]
    expected = theirs.think_format_reward(turns(said))
    assert trl_rewards.think_format_reward(completions=turns(said)) == expected
    assert 500 < sum(expected) < 5500


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_penalties_are_those_of_trl(n: int) -> None:
    rng = random.Random(n)
    ids = [rng.choices(range(4), k=rng.randint(0, 30)) for _ in range(500)]
    for name, params in [
        ("get_repetition_penalty_reward", {"ngram_size": n, "max_penalty": -0.5}),
        ("get_soft_overlong_punishment", {"max_completion_len": 20, "soft_punish_cache": 5 * n}),
    ]:
        expected = getattr(theirs, name)(**params)(completion_ids=ids)
        ours = getattr(trl_rewards, name)(**params)(completions=[""] * 500, completion_ids=ids)
        assert ours == pytest.approx(expected, abs=1e-9)
        assert len(set(expected)) > 5


RIGHTNESS = {
    "accuracy": (theirs.accuracy_reward, trl_rewards.accuracy_reward),
    "reasoning accuracy": (
        theirs.reasoning_accuracy_reward,
        trl_rewards.reasoning_accuracy_reward,
    ),
    "other delimiters": (
        partial(theirs.reasoning_accuracy_reward, reasoning_delimiters=["<answer>", "</think>"]),
        partial(
            trl_rewards.reasoning_accuracy_reward, reasoning_delimiters=["<answer>", "</think>"]
        ),
    ),
    "cosine": (
        theirs.get_cosine_scaled_reward(max_len=100),
        trl_rewards.get_cosine_scaled_reward(max_len=100),
    ),
}


@pytest.mark.parametrize("name", RIGHTNESS)
def test_rightness_is_that_of_trl(name: str) -> None:
    rng = random.Random(1)
    said = texts(1200)
    golds = [rng.choice(GOLDS) for _ in said]
    called: dict[str, Any] = {
        "completions": turns(said),
        "solution": golds,
        "completion_ids": [[1] * rng.randint(0, 130) for _ in said],
    }
    expected, ours = (reward(**called) for reward in RIGHTNESS[name])
    rows = zip(said, golds, expected, ours, strict=True)
    different = [row for row in rows if row[2] != row[3] and not _near(row[2], row[3])]
    assert not different, "\n".join(map(repr, different))
    assert None in expected and len({x for x in expected if x is not None}) > 1


def _near(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and abs(a - b) < 1e-9


DIFFERENT = [
    (r"\boxed{8} \boxed{7}", "7", 0.0, 1.0, "boxes side by side are one set there"),
    (r"\boxed{\frac{1}{2^{98}}}", r"$\frac{1}{2^{99}}$", 1.0, 0.0, "a false accept of math_verify"),
    (r"\boxed{x^2}", "x^2", None, 1.0, "a bare formula as gold is not read there"),
]


@pytest.mark.parametrize(
    ("text", "gold", "there", "here", "reason"), DIFFERENT, ids=[row[4] for row in DIFFERENT]
)
def test_where_we_differ_on_purpose(
    text: str, gold: str, there: float | None, here: float, reason: str
) -> None:
    assert theirs.accuracy_reward(turns([text]), [gold]) == [there]
    assert trl_rewards.accuracy_reward(completions=turns([text]), solution=[gold]) == [here]


REWARDS = [
    MathAnswer(),
    ThinkFormat(),
    CosineScaled(max_len=64),
    RelativeLength(),
    SoftOverlong(max_completion_len=64, soft_punish_cache=8),
    RepetitionPenalty(ngram_size=1, unit="tokens"),
]


def test_the_trainer_of_grpo_takes_our_scorers(tmp_path: Path) -> None:
    from datasets import Dataset

    transformers = pytest.importorskip("transformers", reason="TRL needs it")
    place = write_tiny_model(tmp_path / "tiny")
    rows = [
        {"prompt": [{"role": "user", "content": f"What is 3 + {n}?"}], "answer": gold}
        for n, gold in enumerate(["3", None])
    ]
    arguments = trl.GRPOConfig(
        output_dir=str(tmp_path / "out"),
        use_cpu=True,
        bf16=False,
        max_steps=2,
        logging_steps=1,
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=64,
        save_strategy="no",
        report_to=[],
        seed=1,
    )
    config = transformers.AutoConfig.from_pretrained(place)
    model = transformers.AutoModelForCausalLM.from_config(config).float()
    trainer = trl.GRPOTrainer(
        model=model,
        args=arguments,
        reward_funcs=list(REWARDS),
        processing_class=transformers.AutoTokenizer.from_pretrained(place),
        train_dataset=Dataset.from_list(rows),
    )
    trainer.train()
    logged = [row for row in trainer.state.log_history if "reward" in row]
    assert len(logged) == 2
    unjudged = 0
    for row in logged:
        found = {rule.__name__: row[f"rewards/{rule.__name__}/mean"] for rule in REWARDS}
        assert found["ThinkFormat"] == 0.0  # a model that no one has trained says nonsense
        assert found["SoftOverlong"] < -0.5  # to the limit, nearly always
        assert -1.0 <= found["RepetitionPenalty"] < 0.0
        assert found["MathAnswer"] in (0.0, None)
        unjudged += found["MathAnswer"] is None
        assert row["reward"] is not None and row["reward_std"] > 0
    assert unjudged == 1  # a step is a prompt, and one has no gold answer: the other rules count
