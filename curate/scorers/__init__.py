"""How good is an answer? One rule a file: a frozen object that filters, accepts and rewards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.scorers.finished import Finished
    from curate.scorers.foreign_script import ForeignScript
    from curate.scorers.language_consistency import LanguageConsistency
    from curate.scorers.length import Length
    from curate.scorers.math_answer import MathAnswer
    from curate.scorers.repetition import Repetition
    from curate.scorers.scorer import Scorer, scorer_from
    from curate.scorers.think_format import ThinkFormat

__all__ = [
    "Finished",
    "ForeignScript",
    "LanguageConsistency",
    "Length",
    "MathAnswer",
    "Repetition",
    "Scorer",
    "ThinkFormat",
    "scorer_from",
]

_MODULES = {
    "Finished": "finished",
    "ForeignScript": "foreign_script",
    "LanguageConsistency": "language_consistency",
    "Length": "length",
    "MathAnswer": "math_answer",
    "Repetition": "repetition",
    "Scorer": "scorer",
    "ThinkFormat": "think_format",
    "scorer_from": "scorer",
}


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used."""
    import importlib

    if name in _MODULES:
        return getattr(importlib.import_module(f"curate.scorers.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'curate.scorers' has no attribute {name!r}")
