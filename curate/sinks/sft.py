"""`SFT`: the completions of a dataset taught to a model, the loss on the completion only."""

from __future__ import annotations

import importlib
from typing import Any

from curate.sinks import settings
from curate.sinks.training import Trainer
from curate.sinks.training_job import Job, lora_config


class SFT(Trainer):
    """Supervised fine-tuning with R1's settings, on TRL's SFTTrainer.

    2 epochs at 5e-6, cosine to a tenth, 64 rows a step, context 32,768 (DeepSeek-R1 v2, B.4.2).
    Keywords are those of `curate.sinks.training.Common`, and TRL's:

        SFT("Qwen/Qwen2.5-Math-1.5B", learning_rate=1e-5, per_device=4)
    """

    def __init__(self, model: str, **options: Any) -> None:
        super().__init__(model, **options)

    def defaults(self) -> dict[str, Any]:
        return dict(settings.SFT)

    def arguments_for(self, job: Job) -> dict[str, Any]:
        return {"max_length": job.length}

    def build(self, job: Job, arguments: Any, tokenizer: Any, data: Any, watch: Any) -> Any:
        trl: Any = importlib.import_module("trl")
        return trl.SFTTrainer(
            model=job.model,
            args=arguments,
            processing_class=tokenizer,
            train_dataset=data,
            peft_config=lora_config(job),
            callbacks=[watch],
        )

    def collated(self, trainer: Any, head: Any) -> Any:
        data, args = trainer.train_dataset, trainer.args
        if args.packing or args.shuffle_dataset:  # there the rows stand in another order
            data = trainer._prepare_dataset(
                head, trainer.processing_class, args, args.packing, None, "proof"
            )
            return trainer.data_collator(list(data))
        return trainer.data_collator([data[i] for i in range(len(head))])
