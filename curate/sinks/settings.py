"""R1's training settings, and the check of what is given to TRL beside them.

Numbers are those of the DeepSeek-R1 paper (arXiv 2501.12948, v2) where nothing else is said.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from curate.errors import UsageError

CONTEXT = 32_768
"""Tokens of prompt and completion, in SFT and distillation (B.4.2, B.4.3)."""
BATCH = 64
"""Rows of a step, in SFT and distillation (B.4.2, B.4.3)."""

COSINE = {
    "lr_scheduler_type": "cosine_with_min_lr",
    "lr_scheduler_kwargs": {"min_lr_rate": 0.1},
}
"""To a tenth of the rate (B.4.2, B.4.3)."""

SFT = {"num_train_epochs": 2, "learning_rate": 5e-6, **COSINE}
"""B.4.2."""
DISTILL = {"num_train_epochs": 2, **COSINE}
"""2 to 3 epochs (B.4.3); the rate is the student's."""
STUDENTS = {
    "Qwen2.5-Math-1.5B": 1e-4,
    "Qwen2.5-Math-7B": 8e-5,
    "Qwen2.5-14B": 7e-5,
    "Qwen2.5-32B": 6e-5,
    "Llama-3.1-8B": 5e-5,
    "Llama-3.3-70B-Instruct": 2e-5,
}
"""Learning rates of distillation by the base model (table 6)."""

_RL = {
    "learning_rate": 3e-6,
    "lr_scheduler_type": "constant",
    "beta": 0.001,
    "temperature": 1.0,
    "max_completion_length": 32_768,
    "loss_type": "grpo",
    "num_train_epochs": 1,
}
GRPO: dict[str, dict[str, Any]] = {
    "r1_zero": _RL,
    "r1_stage_1": {**_RL, "epsilon": 10.0},
    "r1_stage_2": {**_RL, "epsilon": 10.0, "temperature": 0.7},
    "zero_qwen_32b": {**_RL, "learning_rate": 2e-6},
}
"""By stage: sections 2.1, 3.2.1 and 3.2.2, and B.4.1. The loss is the mean over each answer, as in
GRPO's formula (section 2.1); TRL's own default divides by tokens.
"""
GENERATIONS, QUESTIONS, ROLLOUT = 16, 32, 16
"""Answers to a question, questions of a step, and steps from one rollout: 8,192 answers, divided
into 16 batches and each used once (2.1)."""
REFERENCE_STEPS = 400
"""After so many steps the policy becomes the reference model (2.1)."""

DPO: dict[str, Any] = {
    "num_train_epochs": 1,
    "learning_rate": 5e-7,
    "lr_scheduler_type": "linear",
    "warmup_steps": 0.1,
    "beta": 5.0,
    "loss_type": ["sigmoid_norm"],
}
DPO_BATCH, DPO_CONTEXT = 128, 2_048
"""R1 has no DPO; these are Tülu 3's (arXiv 2411.15124, section 5), length-normalized."""

LORA: dict[str, Any] = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear"}
"""TRL's rank and alpha; all linear layers, since attention alone learns less (below)."""
LORA_RATE = 10
"""LoRA learns best at 10 times the rate of full training (Schulman, LoRA Without Regret, 2025)."""

OURS = {
    "output_dir": "out=",
    "per_device_train_batch_size": "per_device=",
    "gradient_accumulation_steps": "batch= (it follows from batch, per_device and devices)",
    "num_generations": "generations=",
    "steps_per_generation": "rollout_steps=",
    "generation_batch_size": "rollout_steps=",
    "reward_weights": "weights=",
    "data_seed": "seed=",
    "deepspeed": "deepspeed=True",
    "resume_from_checkpoint": "nothing: the same command continues",
    "push_to_hub": "curate publish",
    "teacher_model_name_or_path": "teacher=",
    "remove_unused_columns": "nothing",
    "do_eval": "an Evaluation of the model",
    "eval_strategy": "an Evaluation of the model",
    "load_best_model_at_end": "an Evaluation of the model",
}
"""Arguments of TRL that a trainer sets itself, and what to write in their place."""


def student_rate(model: str) -> float | None:
    """The learning rate of R1's distillation for a student; None for one that is not in table 6.

    >>> student_rate("meta-llama/Llama-3.1-8B"), student_rate("gpt2")
    (5e-05, None)
    """
    return STUDENTS.get(model.partition("@")[0].rstrip("/").rpartition("/")[2])


def check_arguments(step: str, config: str, given: Mapping[str, Any], own: Iterable[str]) -> None:
    """UsageError for an argument that neither the step nor TRL's class `config` takes.

    Where TRL is not installed (a machine that only submits jobs), the task finds it.
    """
    for name in given:
        if name in OURS:
            raise UsageError(f"{step}: {name} is set by curate; write {OURS[name]} instead")
    known = config_fields(config)
    for name in given if known else ():
        if name not in known:
            near = difflib.get_close_matches(name, [*known, *own], n=1, cutoff=0.5)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise UsageError(
                f"{step} has no parameter '{name}'{hint}; it takes {', '.join(own)}, and what "
                f"TRL's {config} takes"
            )


@cache
def config_fields(config: str) -> frozenset[str]:
    """The fields of a class of TRL's configuration, read from the source: importing it takes
    seconds. Empty where TRL is not installed.
    """
    module = config.removesuffix("Config").lower()
    files = [
        _source("trl", f"trainer/{module}_config.py"),
        _source("trl", "trainer/base_config.py"),
        _source("transformers", "training_args.py"),
    ]
    names = (config, "_BaseConfig", "TrainingArguments")
    found: set[str] = set()
    for file, name in zip(files, names, strict=True):
        if file is None:
            return frozenset()
        body = next(
            node.body
            for node in ast.parse(file.read_bytes()).body
            if isinstance(node, ast.ClassDef) and node.name == name
        )
        targets = (node.target for node in body if isinstance(node, ast.AnnAssign))
        found.update(t.id for t in targets if isinstance(t, ast.Name) and not t.id.startswith("_"))
    return frozenset(found)


def _source(package: str, path: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    places = (spec.submodule_search_locations if spec else None) or []
    return next((Path(p, path) for p in places if Path(p, path).is_file()), None)
