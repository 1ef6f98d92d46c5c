"""Which answers stay?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.select.dedup import Dedup
    from curate.select.keep import Keep
    from curate.select.pick import Pick

__all__ = ["Dedup", "Keep", "Pick"]


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used."""
    import importlib

    if name in __all__:
        return getattr(importlib.import_module(f"curate.select.{name.lower()}"), name)
    raise AttributeError(f"module 'curate.select' has no attribute {name!r}")
