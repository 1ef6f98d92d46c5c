"""Scorers as rewards of the real TRL: its trainer runs with them, and its numbers are ours."""

from __future__ import annotations

import json
import math
import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from curate.cli import main
from curate.scorers import (
    CosineScaled,
    LanguageConsistency,
    MathAnswer,
    RelativeLength,
    RepetitionPenalty,
    Scorer,
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
        {"prompt": [{"role": "user", "content": f"What is 271828 + {n}?"}], "answer": gold}
        for n, gold in enumerate(["271828", None])  # nonsense may say 3
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
        generation_kwargs={"min_new_tokens": 64},
        save_strategy="no",
        report_to=[],
        seed=1,
    )
    transformers.set_seed(1)  # the trainer's own comes after the weights are drawn
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
        found = {type(rule).__name__: row[f"rewards/{rule.name}/mean"] for rule in REWARDS}
        assert found["ThinkFormat"] == 0.0  # a model that no one has trained says nonsense
        assert found["SoftOverlong"] == -1.0  # to the limit
        assert -1.0 <= found["RepetitionPenalty"] < 0.0
        assert found["MathAnswer"] in (0.0, None)
        unjudged += found["MathAnswer"] is None
        assert row["reward"] is not None and row["reward_std"] > 0
    assert unjudged == 1  # a step is a prompt, and one has no gold answer: the other rules count


TOLD = [
    MathAnswer(),
    ThinkFormat(),
    LanguageConsistency(min_words=2),
    LanguageConsistency(language="zh", min_words=2),
]
WEIGHTS = [1.0, 0.5, 0.25, 2.0]
SAID = [
    "3 and 4 make seven.\n</think>\n\nIt is \\boxed{7}.",
    "\u4e09 and \u56db make seven of them.\n</think>\n\nIt is \\boxed{8}.",
    "<think>\n3 and 4 make seven.\n</think>\n\n\\boxed{7^{70000000} - 3^{9^{9}}}",
    "3 and 4 make seven, so it is \\boxed{7}.",
]
TEMPLATE = (
    "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n<think>\n{% endif %}"
)


def said_by(trainer_prompts: list[Any], trainer: Any) -> dict[str, Any]:
    """Answers for TRL's `rollout_func`: the four of SAID for each prompt, instead of nonsense."""
    tokenizer = trainer.processing_class
    asked = [
        tokenizer(p)["input_ids"]
        if isinstance(p, str)
        else tokenizer.apply_chat_template(p, add_generation_prompt=True, return_dict=True)[
            "input_ids"
        ]
        for p in trainer_prompts
    ]
    said = [tokenizer(SAID[i % len(SAID)])["input_ids"] for i in range(len(asked))]
    return {
        "prompt_ids": asked,
        "completion_ids": said,
        "logprobs": [[0.0] * len(ids) for ids in said],
    }


def trained(rows: list[dict[str, Any]], folder: Path) -> tuple[list[Any], list[Any]]:
    """What GRPOTrainer logged of every completion, and in the mean of each step."""
    import pyarrow.parquet as pq
    from datasets import Dataset

    transformers = pytest.importorskip("transformers", reason="TRL needs it")
    place = write_tiny_model(folder / "tiny")
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    tokenizer.chat_template = TEMPLATE
    arguments = trl.GRPOConfig(
        output_dir=str(folder / "out"),
        use_cpu=True,
        bf16=False,
        max_steps=len(rows),
        logging_steps=1,
        per_device_train_batch_size=len(SAID),
        num_generations=len(SAID),
        reward_weights=WEIGHTS,
        log_completions=True,
        shuffle_dataset=False,
        save_strategy="no",
        report_to=[],
    )
    config = transformers.AutoConfig.from_pretrained(place)
    trainer = trl.GRPOTrainer(
        model=transformers.AutoModelForCausalLM.from_config(config).float(),
        args=arguments,
        reward_funcs=list(TOLD),
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(rows),
        rollout_func=said_by,
    )
    trainer.train()
    files = sorted((folder / "out/completions").glob("*.parquet"))
    completions = [row for path in files for row in pq.read_table(path).to_pylist()]
    return completions, [row for row in trainer.state.log_history if "reward" in row]


def scored(rule: Scorer, rows: list[dict[str, Any]], folder: Path) -> list[float | None]:
    """What `curate score` says of these rows."""
    path, out = folder / "rows.jsonl", folder / "scored.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["score", rule.name, str(path), "--out", str(out)]) == 0
    return [json.loads(line)["score"] for line in out.read_text().splitlines()]


@pytest.mark.parametrize("style", ["turns", "text"])
def test_what_the_trainer_logs_is_what_curate_score_says(style: str, tmp_path: Path) -> None:
    """Two rules of one class, a prompt that nobody can judge, `<think>` opened by the prompt; the
    trainer runs in a thread, where math_verify alone has no timeout.
    """
    asked: dict[str, Any] = {"prompt": "User: What is 3 + 4?\nAssistant: <think>\n"}
    if style == "turns":
        turns = [{"role": "user", "content": "What is 3 + 4?"}]
        asked = {"prompt": turns, "prefill": "<think>\n"}
    golds = ["7", None, "8"]
    with ThreadPoolExecutor(1) as thread:
        rows = [{**asked, "answer": gold} for gold in golds]
        completions, steps = thread.submit(trained, rows, tmp_path).result(timeout=300)
    judged = [{**asked, "answer": gold, "completion": text} for gold in golds for text in SAID]
    expected = [scored(rule, judged, tmp_path) for rule in TOLD]
    assert len(completions) == len(judged) == 12 and len(steps) == 3
    totals = [0.0] * len(judged)
    for rule, scores, weight in zip(TOLD, expected, WEIGHTS, strict=True):
        logged = [row[rule.name] for row in completions]
        none = [None if value is None or math.isnan(value) else value for value in logged]
        assert none == pytest.approx(scores)
        totals = [t + weight * (s or 0.0) for t, s in zip(totals, scores, strict=True)]
        for step, row in enumerate(steps):
            said = [s for s in scores[step * 4 : step * 4 + 4] if s is not None]
            mean = row[f"rewards/{rule.name}/mean"]
            assert mean == pytest.approx(sum(said) / len(said)) if said else mean is None
    for step, row in enumerate(steps):
        assert row["reward"] == pytest.approx(sum(totals[step * 4 : step * 4 + 4]) / 4)
    assert expected[0] == [1.0, 0.0, None, 0.0, *[None] * 4, 0.0, 1.0, None, 0.0]
    assert expected[1] == [1.0, 1.0, 1.0, 0.0] * 3
    assert expected[2] != expected[3]
