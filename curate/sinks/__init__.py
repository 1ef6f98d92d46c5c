"""Where samples go: a folder of Parquet shards with a card that is made from the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.sinks.dataset_folder import DatasetFolder
    from curate.sinks.pairs_folder import PairsFolder

__all__ = ["DatasetFolder", "PairsFolder"]


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used."""
    import importlib

    modules = {"DatasetFolder": "dataset_folder", "PairsFolder": "pairs_folder"}
    if name in modules:
        return getattr(importlib.import_module(f"curate.sinks.{modules[name]}"), name)
    raise AttributeError(f"module 'curate.sinks' has no attribute {name!r}")
