"""How enough good answers are got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.generate.code_tests import InputGenerators, TestInputs, ValidateTests
    from curate.generate.generate import Generate

__all__ = ["Generate", "InputGenerators", "TestInputs", "ValidateTests"]


def __getattr__(name: str) -> Any:
    """Loads a step when it is first used."""
    import importlib

    if name in __all__:
        module = "generate" if name == "Generate" else "code_tests"
        return getattr(importlib.import_module(f"curate.generate.{module}"), name)
    raise AttributeError(f"module 'curate.generate' has no attribute {name!r}")
