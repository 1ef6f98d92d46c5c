"""Where samples go: a folder of Parquet shards with a card that is made from the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.sinks.dataset_folder import DatasetFolder

__all__ = ["DatasetFolder"]


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used."""
    import importlib

    if name == "DatasetFolder":
        return getattr(importlib.import_module("curate.sinks.dataset_folder"), name)
    raise AttributeError(f"module 'curate.sinks' has no attribute {name!r}")
