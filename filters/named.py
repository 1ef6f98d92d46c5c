"""Filters by their names, for command lines: `curate run pipelines/clean.py filters=readable`."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from curate.errors import UsageError
from curate.select import ByDomain, Keep

Rule = Keep | ByDomain


def named(names: str) -> list[Rule]:
    """The filters of this folder that a comma-separated list names; none for an empty one.

    A filter that is a function is called without arguments, so its thresholds are the defaults.

    >>> named("think_format, readable")
    [Keep:ThinkFormat, Keep:Finished, Keep:Length:maximum=32768, Keep:Repetition]
    """
    return [rule for name in names.split(",") if name.strip() for rule in _rules(name.strip())]


def _rules(name: str) -> Sequence[Rule]:
    import filters

    found = getattr(filters, name, None) if name in filters.__all__ else None
    try:
        made = found() if callable(found) and not isinstance(found, Rule) else found
    except TypeError as error:
        raise UsageError(f"the filter {name} needs arguments ({error}); write a pipeline") from None
    rules = [made] if isinstance(made, Rule) else made
    if isinstance(rules, list) and rules and all(isinstance(rule, Rule) for rule in rules):
        return rules
    near = get_close_matches(name, filters.__all__, 1)
    hint = f"did you mean {near[0]}?" if near else f"there is: {', '.join(filters.__all__)}"
    raise UsageError(f"filters has no filter '{name}'; {hint}")
