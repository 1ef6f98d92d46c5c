"""`SFT`: the completions of a dataset taught to a model, the loss on the completion only."""

from __future__ import annotations

from typing import Any

from curate.sinks import settings
from curate.sinks.training import RowTrainer


class SFT(RowTrainer):
    """Supervised fine-tuning with R1's settings, on TRL's SFTTrainer.

    2 epochs at 5e-6, cosine to a tenth, 64 rows a step, context 32,768 (DeepSeek-R1 v2, B.4.2).
    Keywords are those of `curate.sinks.training.Common`, and TRL's:

        SFT("Qwen/Qwen2.5-Math-1.5B", learning_rate=1e-5, per_device=4)
    """

    def defaults(self) -> dict[str, Any]:
        return dict(settings.SFT)

    def collated(self, trainer: Any, head: Any) -> Any:
        data, args = trainer.train_dataset, trainer.args
        if args.packing or args.shuffle_dataset:  # there the rows stand in another order
            data = trainer._prepare_dataset(
                head, trainer.processing_class, args, args.packing, None, "proof"
            )
            return trainer.data_collator(list(data))
        return super().collated(trainer, head)
