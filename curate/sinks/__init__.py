"""Where samples go: a folder of Parquet shards with a card that is made from the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.sinks.dataset_folder import DatasetFolder
    from curate.sinks.distill import Distill
    from curate.sinks.dpo import DPO
    from curate.sinks.evaluation import Evaluation
    from curate.sinks.grpo import GRPO
    from curate.sinks.hub import Hub
    from curate.sinks.pairs_folder import PairsFolder
    from curate.sinks.sft import SFT

__all__ = ["DPO", "GRPO", "SFT", "DatasetFolder", "Distill", "Evaluation", "Hub", "PairsFolder"]


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used."""
    import importlib

    modules = {
        "DPO": "dpo",
        "DatasetFolder": "dataset_folder",
        "Distill": "distill",
        "GRPO": "grpo",
        "SFT": "sft",
        "Evaluation": "evaluation",
        "Hub": "hub",
        "PairsFolder": "pairs_folder",
    }
    if name in modules:
        return getattr(importlib.import_module(f"curate.sinks.{modules[name]}"), name)
    raise AttributeError(f"module 'curate.sinks' has no attribute {name!r}")
