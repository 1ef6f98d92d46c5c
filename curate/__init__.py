"""curate: datasets for reasoning models, from prompts to a versioned release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.sample import Sample, Verdict
    from curate.step import Stage, Step, pipeline

__all__ = ["Sample", "Stage", "Step", "Verdict", "pipeline"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used: `import curate` alone stays cheap."""
    import importlib

    if name in ("Sample", "Verdict"):
        return getattr(importlib.import_module("curate.sample"), name)
    if name in ("Stage", "Step", "pipeline"):
        return getattr(importlib.import_module("curate.step"), name)
    raise AttributeError(f"module 'curate' has no attribute {name!r}")
