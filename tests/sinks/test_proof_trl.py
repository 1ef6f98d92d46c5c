"""The proof on what the real TRL has: its copies of model families' templates, and its batches."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from curate.errors import RunError
from curate.sinks.export import export
from curate.sinks.proof import prove, prove_batch
from curate.sinks.shards import read_rows
from tests.sinks.families import FAMILIES, ROWS, WITH_SYSTEM, tokenizer_for
from tests.sinks.made import samples, write
from tests.vllm.tiny_model import write_tiny_model

trl = pytest.importorskip("trl", reason="TRL is not installed")
transformers = pytest.importorskip("transformers", reason="TRL needs it")
pytestmark = pytest.mark.filterwarnings("default")  # they are of the trainers

TEMPLATES = {
    path.stem: path.read_text()
    for path in sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja"))
    if not path.stem.endswith("_training")
}
VISION = {"idefics3", "llava_next", "smolvlm"}
"""Their turns are lists of parts."""
KEPT = {"cohere", "cohere2", "gptoss", "llama3", "llama3_1", "phi3", "qwen2_5", "gemma3", "lfm2"}
OPENED = {"deepseek_r1_distill", "deepseekv3", "qwen3_5_think", "qwen3_6", "nemotron_3_nano"}
MENDED = {"qwen3", "glm4moe", "gemma", "qwen3_5_nothink", *OPENED}
ENDS = ("<|im_end|>", "<\uff5cend\u2581of\u2581sentence\uff5c>", "<|eot_id|>", "<end_of_turn>")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("student") / "tiny")


def student(template: str, place: Path) -> Any:
    """A tokenizer with the special tokens that a template writes."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    tokens = set(re.findall(r"<\|?[\w\u2581]+\|?>|<\uff5c[^\uff5c]+\uff5c>|\[[A-Z_]+\]", template))
    tokenizer.add_tokens(sorted(tokens - {"<think>", "<tools>"}), special_tokens=True)
    tokenizer.eos_token = next((end for end in ENDS if end in template), tokenizer.eos_token)
    tokenizer.chat_template = template
    return tokenizer


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_real_family_is_kept_mended_or_refused(name: str, place: Path) -> None:
    tokenizer = student(TEMPLATES[name], place)
    if name in VISION:
        with pytest.raises(RunError, match="leaves out the user's turn"):
            prove(ROWS, tokenizer, max_length=None, kind="sft")
        return
    proof = prove([*ROWS, WITH_SYSTEM], tokenizer, max_length=None, kind="sft")
    proof.check()
    assert name not in KEPT or proof.template is None
    assert name not in MENDED or proof.template is not None
    assert bool(proof.prefill) == (name in OPENED) or name not in KEPT | MENDED or proof.findings
    trained = proof.example.partition("\u27e6")[2]
    assert "three and four</think>It is 7." in trained and "3 + 4, then" not in trained
    tokenizer.chat_template = proof.template or tokenizer.chat_template
    again = prove([*ROWS, WITH_SYSTEM], tokenizer, max_length=None, kind="sft")
    again.check()
    assert again.template is None


def of(name: str) -> str:
    return next(family for family in FAMILIES if name in family)


def settings(config: Any, folder: Path, **more: Any) -> Any:
    return config(
        output_dir=str(folder), use_cpu=True, bf16=False, max_steps=1, report_to=[], **more
    )


def model_at(place: Path, tokenizer: Any) -> Any:
    config = transformers.AutoConfig.from_pretrained(place)
    model = transformers.AutoModelForCausalLM.from_config(config).float()
    model.resize_token_embeddings(len(tokenizer))
    return model


def sft_batch(tokenizer: Any, place: Path, folder: Path, **more: Any) -> Any:
    """What SFTTrainer collates of all rows."""
    from datasets import Dataset

    trainer = trl.SFTTrainer(
        model=model_at(place, tokenizer),
        args=settings(trl.SFTConfig, folder, **more),
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(ROWS),
    )
    return trainer.data_collator(list(trainer.train_dataset))


@pytest.mark.parametrize("name", ["DeepSeek-R1-Distill", "Qwen3", "GLM-4.5", "gpt-oss", "Phi"])
def test_the_batch_of_the_sft_trainer(name: str, place: Path, tmp_path: Path) -> None:
    tokenizer = tokenizer_for(FAMILIES[of(name)], tmp_path / "student")
    own = tokenizer.chat_template
    tokenizer.chat_template = (
        prove(ROWS, tokenizer, max_length=500, kind="sft").template or tokenizer.chat_template
    )
    prove_batch(sft_batch(tokenizer, place, tmp_path, max_length=500), tokenizer, ROWS)
    with pytest.raises(RunError, match=r"cut|mask is empty|is not what"):
        prove_batch(sft_batch(tokenizer, place, tmp_path, max_length=60), tokenizer, ROWS)
    whole = sft_batch(tokenizer, place, tmp_path, max_length=500, completion_only_loss=False)
    with pytest.raises(RunError, match="the prompt is trained"):
        prove_batch(whole, tokenizer, ROWS)
    if name in ("DeepSeek-R1-Distill", "GLM-4.5"):
        tokenizer.chat_template = own
        with pytest.raises(RunError, match="not what the dataset says"):
            prove_batch(sft_batch(tokenizer, place, tmp_path, max_length=500), tokenizer, ROWS)


def test_a_packed_batch(place: Path, tmp_path: Path) -> None:
    tokenizer = tokenizer_for(FAMILIES[of("Llama-3")], tmp_path / "student")
    batch = sft_batch(tokenizer, place, tmp_path, max_length=2000, packing=True, padding_free=True)
    prove_batch(batch, tokenizer, ROWS)


def test_the_batch_of_the_dpo_trainer(place: Path, tmp_path: Path) -> None:
    from datasets import Dataset

    tokenizer = tokenizer_for(FAMILIES[of("DeepSeek-R1-Distill")], tmp_path / "student")
    rejected = [{"role": "assistant", "content": "<think>no idea</think>It is 8."}]
    rows = [
        {"id": r["id"], "prompt": r["prompt"], "chosen": r["completion"], "rejected": rejected}
        for r in ROWS
    ]
    raw = tokenizer.chat_template
    for template in (prove(rows, tokenizer, max_length=500, kind="dpo").template, raw):
        tokenizer.chat_template = template
        trainer = trl.DPOTrainer(
            model=model_at(place, tokenizer),
            ref_model=model_at(place, tokenizer),
            args=settings(trl.DPOConfig, tmp_path, max_length=500),
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(rows),
        )
        batch = trainer.data_collator(list(trainer.train_dataset))
        if template != raw:
            prove_batch(batch, tokenizer, rows)
            continue
        with pytest.raises(RunError, match="the reasoning is not in the trained tokens"):
            prove_batch(batch, tokenizer, rows)


def test_the_sft_trainer_reads_an_export_as_it_was(place: Path, tmp_path: Path) -> None:
    from datasets import Dataset

    write(tmp_path / "run", samples(4))
    ((path, _), *_) = export(tmp_path / "run", "trl", tmp_path / "out")
    rows = list(read_rows(tmp_path / "run/dataset"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    trainer = trl.SFTTrainer(
        model=model_at(place, tokenizer),
        args=settings(trl.SFTConfig, tmp_path / "sft"),
        processing_class=tokenizer,
        train_dataset=Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache")),
    )
    prove_batch(trainer.data_collator(list(trainer.train_dataset)), tokenizer, rows)
