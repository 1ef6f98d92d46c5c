"""How enough good answers are got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.generate.generate import Generate

__all__ = ["Generate"]


def __getattr__(name: str) -> Any:
    """Loads the step when it is first used."""
    if name == "Generate":
        from curate.generate.generate import Generate

        return Generate
    raise AttributeError(f"module 'curate.generate' has no attribute {name!r}")
