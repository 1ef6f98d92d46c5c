"""Real steps of every trainer with a tiny student: the loss falls, rewards are heard."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curate.errors import RunError
from curate.sample import Sample, Verdict
from curate.scorers import MathAnswer, ThinkFormat
from curate.select.pairs import PREFIX
from curate.sinks import DPO, GRPO, SFT, Distill
from curate.sinks.grpo import neutral
from tests.sinks.training import answered, documents, place, question, ran, record

pytest.importorskip("trl", reason="TRL is not installed")
transformers: Any = importlib.import_module("transformers")
torch: Any = importlib.import_module("torch")
pytestmark = pytest.mark.filterwarnings("default")  # they are of the trainers

QUICK = {"batch": 4, "per_device": 4, "learning_rate": 5e-3}


def weights(folder: Path) -> dict[str, Any]:
    return transformers.AutoModelForCausalLM.from_pretrained(folder).state_dict()


def test_sft_learns_its_samples_and_yields_them_again(tmp_path: Path) -> None:
    samples = [answered(n) for n in range(4)]
    found = ran(SFT("tiny", max_steps=30, **QUICK), samples, tmp_path)
    assert [Sample.from_document(d) for d in found] == samples
    told, student = record(tmp_path), tmp_path / "out/student"
    assert told["loss"]["last"] < 0.6 * told["loss"]["first"]
    assert told["steps"] == 30 and len(told["curve"]["loss"]) == 30
    assert told["settings"]["trl"]["lr_scheduler_kwargs"] == {"min_lr_rate": 0.1}
    assert told["dataset"]["rows"] == 4 and told["dataset"]["licenses"] == {"mit": 4}
    assert (student / "ids.txt").read_text().split() == [sample.id for sample in samples]
    assert not list(student.glob("checkpoint*")) and not (student / "rows").exists()
    assert not (student / "training_args.bin").exists()
    said = transformers.AutoTokenizer.from_pretrained(student)
    assert said.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)
    assert weights(student).keys() == weights(tmp_path / "tiny").keys()


def test_the_same_seed_gives_the_same_model_and_it_is_trained_once(tmp_path: Path) -> None:
    samples = [answered(n) for n in range(8)]
    for out in ("a", "b"):
        ran(SFT("tiny", out=out, max_steps=3, **QUICK), samples, tmp_path)
    a, b = (weights(tmp_path / "out" / out) for out in ("a", "b"))
    assert all(torch.equal(a[name], b[name]) for name in a)
    before = (tmp_path / "out/a/training.json").stat().st_mtime_ns
    assert len(ran(SFT("tiny", out="a", max_steps=3, **QUICK), samples, tmp_path)) == 8
    assert (tmp_path / "out/a/training.json").stat().st_mtime_ns == before
    ran(SFT("tiny", out="a", max_steps=3, **QUICK), samples[:4], tmp_path)
    assert record(tmp_path, "a")["dataset"]["rows"] == 4


def test_lora_trains_an_adapter_and_merges_it(tmp_path: Path) -> None:
    samples = [answered(n) for n in range(4)]
    ran(SFT("tiny", lora={"r": 8}, max_steps=20, **QUICK), samples, tmp_path)
    told, student = record(tmp_path), tmp_path / "out/student"
    assert told["loss"]["last"] < 0.95 * told["loss"]["first"]
    assert (student / "adapter/adapter_model.safetensors").exists()
    before, after = weights(tmp_path / "tiny"), weights(student)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("proj" in name for name in changed)
    assert SFT("tiny", lora=True).arguments_of_trl()["learning_rate"] == pytest.approx(5e-5)


def test_grpo_is_rewarded_by_scorers(tmp_path: Path) -> None:
    prompts = [question(n) for n in range(3)] + [replace(question(3), answer=None)]
    twice = [*prompts, answered(1)]  # a sample of a prompt is that prompt
    step = GRPO(
        "tiny",
        [MathAnswer(), ThinkFormat("r1")],
        [1.0, 0.5],
        batch=2,
        generations=4,
        rollout_steps=2,
        per_device=8,
        max_completion_length=16,
        max_steps=4,
        reference_steps=2,
        save_steps=2,
    )
    assert len(ran(step, twice, tmp_path)) == 5
    told = record(tmp_path)
    assert told["dataset"]["rows"] == 4
    names = [rule.__name__ for rule in step.rewards]
    assert set(told["rewards"]) == {"reward", *(f"rewards/{name}/mean" for name in names)}
    assert told["rewards"][f"rewards/{names[1]}/mean"]["last"] == 0.0  # it says nonsense
    trl = told["settings"]["trl"]
    assert (trl["beta"], trl["learning_rate"], trl["temperature"]) == (0.001, 3e-6, 1.0)
    assert (trl["num_generations"], trl["steps_per_generation"]) == (4, 2)
    assert trl["reward_weights"] == [1.0, 0.5] and trl["ref_model_sync_steps"] == 2


class Stopped(Exception):
    """What ends a training in the middle here."""


def stop_at(step: int) -> Any:
    """Takes progress, and stops the training after a step."""

    def report(numbers: Any) -> None:
        if numbers.get("step") == step:
            raise Stopped

    return report


def early_letters(completions: Any, **columns: Any) -> list[float]:
    """A reward that differs from answer to answer: the share of letters from a to m."""
    texts = [turns[0]["content"] for turns in completions]
    return [sum("a" <= c <= "m" for c in text) / max(len(text), 1) for text in texts]


def test_grpo_continues_with_its_reference_and_its_luck(tmp_path: Path) -> None:
    def step(out: str) -> GRPO:
        return GRPO(
            "tiny",
            [early_letters],
            out=out,
            batch=2,
            generations=4,
            rollout_steps=2,
            per_device=8,
            max_completion_length=16,
            max_steps=6,
            reference_steps=2,
            save_steps=4,
            learning_rate=1e-3,
            beta=0.1,
        )

    prompts = [question(n) for n in range(8)]
    ran(step("whole"), prompts, tmp_path)
    broken = step("broken")
    broken.prepare(replace(place(tmp_path), report=stop_at(5)))
    with pytest.raises(Stopped):
        list(broken.run(iter(documents(prompts))))
    ran(step("broken"), prompts, tmp_path)
    whole, broken = record(tmp_path, "whole"), record(tmp_path, "broken")
    assert broken["resumed_from"] == 4
    assert whole["curve"]["kl"][3] > 0 == whole["curve"]["kl"][4]  # the reference was replaced
    for name in ("loss", "reward", "kl"):
        assert broken["curve"][name] == whole["curve"][name]


def test_a_reward_that_cannot_judge_is_neutral() -> None:
    nan = float("nan")
    rewards = torch.tensor([[1.0, 1.0], [nan, 1.0], [0.0, 1.0], [nan, nan]])
    found = neutral(rewards, 4)
    assert found[1, 0] == 0.5  # as the mean of its group: no advantage from this rule
    assert torch.isnan(found[3]).all()  # nothing judged it: TRL leaves it out
    unjudged = neutral(torch.tensor([[nan, 1.0], [nan, 0.0]]), 2)
    assert torch.isnan(unjudged[:, 0]).all()  # no gold answer: the other rule counts


def pair(n: int) -> list[Sample]:
    """Two answers of a prompt as `Pairs` gives them."""
    better = answered(n).with_verdicts({f"{PREFIX}Gap": Verdict(0.9)})
    text = "<think>I guess.</think>It is \\boxed{1}."
    worse = question(n).with_completion(text, id=f"{better.id}x", k=1, finish_reason="stop")
    return [better, worse.with_verdicts({f"{PREFIX}Gap": Verdict(0.1)})]


def test_dpo_learns_to_prefer(tmp_path: Path) -> None:
    samples = [half for n in range(4) for half in pair(n)]
    step = DPO("tiny", max_steps=12, **QUICK)
    assert len(ran(step, samples, tmp_path)) == 8
    told = record(tmp_path)
    assert told["dataset"]["rows"] == 4 and told["settings"]["trl"]["beta"] == 5.0
    assert told["rewards"]["rewards/margins"]["last"] > told["rewards"]["rewards/margins"]["first"]
    assert told["loss"]["last"] < told["loss"]["first"]
    with pytest.raises(RunError, match="no pair"):
        ran(step, samples[:-1], tmp_path)


def test_distillation_is_sft_or_on_policy(tmp_path: Path) -> None:
    samples = [answered(n) for n in range(4)]
    ran(Distill("tiny", max_steps=2, **QUICK), samples, tmp_path)
    assert record(tmp_path)["trainer"] == "Distill"
    step = Distill(
        "OUT/student",
        on_policy=True,
        teacher="tiny",
        out="on_policy",
        max_completion_length=8,
        max_steps=2,
        **QUICK,
    )
    assert len(ran(step, samples, tmp_path)) == 4
    assert record(tmp_path, "on_policy")["model"] == {
        "base": "OUT/student",
        "revision": None,
        "root": "tiny",
    }


def test_what_goes_wrong_is_said_with_the_next_step(tmp_path: Path) -> None:
    samples = [answered(n) for n in range(4)]
    with pytest.raises(RunError, match=r"(grad_norm|loss) is"):
        ran(SFT("tiny", max_steps=40, **{**QUICK, "learning_rate": 1e38}), samples, tmp_path)
    with pytest.raises(RunError, match="TRL cannot train with these settings"):
        ran(SFT("tiny", optim="nothing", **QUICK), samples, tmp_path)
    with pytest.raises(RunError, match="no trained model"):
        ran(SFT("OUT/other", **QUICK), samples, tmp_path)
    with pytest.raises(RunError, match="no row to train on"):
        ran(SFT("tiny", **QUICK), [question(1)], tmp_path)
    with pytest.raises(RunError, match=r"cut by the context length: 4 of 4"):
        ran(SFT("tiny", max_length=20, **QUICK), samples, tmp_path)
    few = GRPO("tiny", [MathAnswer()], generations=2)
    with pytest.raises(RunError, match="a rollout takes 512"):
        ran(few, samples, tmp_path)
