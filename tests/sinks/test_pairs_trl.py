"""Pairs train with the real TRL as they stand in the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sinks.test_pairs_folder import pair, write
from tests.vllm.tiny_model import write_tiny_model

trl = pytest.importorskip("trl", reason="TRL is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # they are of the trainer


def test_the_trainer_of_dpo_takes_the_rows_as_they_are(tmp_path: Path) -> None:
    from datasets import load_dataset

    transformers = pytest.importorskip("transformers", reason="TRL needs it")
    write(tmp_path, [half for number in range(4) for half in pair(number)])
    rows = load_dataset(str(tmp_path / "dataset"), split="train", cache_dir=str(tmp_path / "cache"))
    place = write_tiny_model(tmp_path / "tiny")
    config = transformers.AutoConfig.from_pretrained(place)
    model = transformers.AutoModelForCausalLM.from_config(config).float()
    model.save_pretrained(place)  # the trainer loads it once more, as the reference
    arguments = trl.DPOConfig(
        output_dir=str(tmp_path / "out"),
        use_cpu=True,
        bf16=False,
        max_steps=2,
        logging_steps=1,
        per_device_train_batch_size=2,
        save_strategy="no",
        report_to=[],
        seed=1,
    )
    trainer = trl.DPOTrainer(
        model=str(place),
        args=arguments,
        processing_class=transformers.AutoTokenizer.from_pretrained(place),
        train_dataset=rows,
    )
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert len(losses) == 2 and all(0.0 < loss < 2.0 for loss in losses)
