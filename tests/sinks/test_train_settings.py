"""What a trainer is told, and what is refused before anything runs."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from curate.errors import RunError, UsageError
from curate.scorers import MathAnswer
from curate.sinks import DPO, GRPO, SFT, Distill
from curate.sinks.launch import accelerate_config
from curate.sinks.training import Trainer
from curate.sinks.training_report import is_dataset
from curate.sinks.training_rows import write_rows
from curate.step import Context, unheard
from tests.sinks.training import answered, documents, question

REWARDS = [MathAnswer()]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/config.json").write_text("{}")
    return Context(out=tmp_path / "out", project=tmp_path, pipeline_dir=tmp_path)


REFUSED: dict[str, tuple[Callable[[], Trainer], str]] = {
    "a batch that cannot be divided": (
        lambda: SFT("tiny", batch=6, per_device=4),
        "a step of 6 rows cannot be divided",
    ),
    "a folder that others need": (lambda: SFT("tiny", out="dataset"), "no name for a folder"),
    "a folder elsewhere": (lambda: SFT("tiny", out="../x"), "no name for a folder"),
    "no device": (lambda: SFT("tiny", devices=0), "it is at least 1"),
    "no model": (lambda: SFT("./nothing"), "there is no model folder ./nothing"),
    "what we set": (lambda: SFT("tiny", output_dir="x"), "write out= instead"),
    "a student without a rate": (lambda: Distill("tiny"), "say learning_rate="),
    "a teacher of samples": (
        lambda: Distill("tiny", learning_rate=1e-4, teacher="x"),
        "on_policy=True",
    ),
    "settings of nobody": (
        lambda: GRPO("tiny", REWARDS, settings="r2"),
        "is not one of r1_zero, r1_stage_1",
    ),
    "a weight too many": (lambda: GRPO("tiny", REWARDS, [1, 1]), "2 weights for 1 rewards"),
    "no reward": (lambda: GRPO("tiny", []), "it takes a reward"),
    "a checkpoint in a rollout": (lambda: GRPO("tiny", REWARDS, save_steps=20), "choose 32"),
    "a template of several turns": (
        lambda: GRPO("tiny", REWARDS, template="few_shot"),
        "for a base model is one",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_anything_runs(case: str, context: Context) -> None:
    make, said = REFUSED[case]
    with pytest.raises(UsageError, match=said.replace("(", r"\(").replace("./", r"\./")):
        make().prepare(context)


@pytest.mark.skipif(not importlib.util.find_spec("trl"), reason="TRL is not installed")
def test_a_name_that_trl_does_not_have_is_refused_with_the_nearest(context: Context) -> None:
    with pytest.raises(UsageError, match="did you mean 'learning_rate'"):
        SFT("tiny", learnin_rate=1e-5).prepare(context)
    with pytest.raises(UsageError, match="did you mean 'rollout_steps'"):
        GRPO("tiny", REWARDS, rolout_steps=1).prepare(context)
    SFT("tiny", packing=True, warmup_steps=3).prepare(context)


def test_the_settings_are_those_of_r1() -> None:
    assert SFT("m").arguments_of_trl()["learning_rate"] == 5e-6
    assert SFT("m", learning_rate=1e-5).arguments_of_trl()["learning_rate"] == 1e-5
    assert (SFT("m").common.batch, SFT("m").common.max_length) == (64, 32_768)
    assert Distill("Qwen/Qwen2.5-Math-7B@main").arguments_of_trl()["learning_rate"] == 8e-5
    told = GRPO("m", REWARDS).arguments_of_trl()
    assert (told["beta"], told["ref_model_sync_steps"], told["save_steps"]) == (1e-3, 400, 16)
    assert GRPO("m", REWARDS).in_step() == 512
    assert GRPO("m", REWARDS, settings="r1_stage_2").arguments_of_trl()["temperature"] == 0.7
    assert "sync_ref_model" not in GRPO("m", REWARDS, lora=True).arguments_of_trl()
    assert "sync_ref_model" not in GRPO("m", REWARDS, beta=0.0).arguments_of_trl()
    assert DPO("m").common.batch == 128


def test_a_trainer_is_what_it_trains_not_where(context: Context) -> None:
    one = SFT("tiny", batch=8)
    assert one.identity() == SFT("tiny", batch=8, devices=2, per_device=2).identity()
    assert one.identity() != SFT("tiny", batch=8, learning_rate=1e-5).identity()
    assert one.identity() != SFT("tiny", batch=8, seed=1).identity()
    assert one.writes == ("student",)
    for step in (one, GRPO("tiny", REWARDS, template="r1_zero"), Distill("tiny", learning_rate=1)):
        step.prepare(context)
        assert pickle.loads(pickle.dumps(step)).identity() == step.identity()
    on_policy = Distill("tiny", on_policy=True, teacher="tiny", learning_rate=1e-4)
    assert on_policy.identity()["teacher"] == "tiny"
    with pytest.raises(RunError, match="trains once"):
        list(one.run(iter(()), 0, 2))


def test_a_base_model_is_asked_with_the_template_of_r1_zero(context: Context) -> None:
    step = GRPO("tiny", [MathAnswer()], template="r1_zero")
    step.prepare(context)
    row = next(iter(step.training_rows([question(3).to_row()])))
    assert row["prompt"].startswith("A conversation between User and Assistant.")
    assert row["prompt"].endswith("User: What is 3 + 4?. Assistant:")


def test_a_release_counts_only_for_its_own_rows(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from curate.sample import schema

    samples = [answered(n) for n in range(4)]
    (tmp_path / "dataset").mkdir()
    for name, kept in (("all", samples), ("some", samples[:3])):
        rows = [sample.to_row() for sample in kept]
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist(rows, schema=schema()), tmp_path / name / "a.parquet")
    for step in (SFT("m"), GRPO("m", REWARDS)):
        rows = write_rows(step, (s.to_row() for s in samples), tmp_path / "run", unheard)
        assert is_dataset(rows.ids, tmp_path / "all") and rows.count == 4
        assert not is_dataset(rows.ids, tmp_path / "some")
        assert [d.id for d in rows.documents()] == [s.id for s in samples]
    other = [*samples[:3], replace(samples[3], problem="x", answer="1")]
    again = write_rows(SFT("m"), (s.to_row() for s in other), tmp_path / "run", unheard)
    assert again.sha256 != rows.sha256 and len(documents(other)) == again.count


def test_the_configuration_of_accelerate_is_zero_3() -> None:
    import yaml

    said = yaml.safe_load(accelerate_config(8, deepspeed=True, has_gpu=True))
    assert said["distributed_type"] == "DEEPSPEED" and said["num_processes"] == 8
    assert said["deepspeed_config"]["zero_stage"] == 3
    assert yaml.safe_load(accelerate_config(2, False, False))["mixed_precision"] == "no"
