"""Which answers stay?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.select.answers import Answers
    from curate.select.as_prompts import AsPrompts
    from curate.select.balance_lengths import BalanceLengths
    from curate.select.by_domain import ByDomain
    from curate.select.decontaminate import Decontaminate
    from curate.select.dedup import Dedup
    from curate.select.difficulty import Difficulty
    from curate.select.join import Join
    from curate.select.keep import Keep
    from curate.select.mix import Mix
    from curate.select.pairs import Pairs
    from curate.select.pass_rate import PassRate
    from curate.select.pick import Pick
    from curate.select.refuse import Refuse
    from curate.select.tags import Tags
    from curate.select.twins import Twins

__all__ = [
    "Answers",
    "AsPrompts",
    "BalanceLengths",
    "ByDomain",
    "Decontaminate",
    "Dedup",
    "Difficulty",
    "Join",
    "Keep",
    "Mix",
    "Pairs",
    "PassRate",
    "Pick",
    "Refuse",
    "Tags",
    "Twins",
]


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used."""
    import importlib
    import re

    if name in __all__:  # `ByDomain` stands in by_domain.py
        module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        return getattr(importlib.import_module(f"curate.select.{module}"), name)
    raise AttributeError(f"module 'curate.select' has no attribute {name!r}")
