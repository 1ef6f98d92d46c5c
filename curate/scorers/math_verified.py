"""What math_verify says of two answers; runs in a process of the pool, where it may hang."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from curate.scorers.math_agreement import same_atoms
from curate.scorers.math_numbers import clean

_ARITHMETIC = (ValueError, TypeError, ArithmeticError, AttributeError, NotImplementedError)


def is_parsed(gold: str) -> bool:
    """True when math_verify reads a gold answer; what it cannot parse it gives back as text."""
    return any(not isinstance(reading, str) for reading in _parsed_gold(gold))


def is_verified(gold: str, answer: str) -> bool | None:
    """math_verify's verdict; None where it says equal and the numbers on both sides are others.

    It drops what it cannot read, so that may be. An answer without anything that it can read is not
    the gold answer.
    """
    from math_verify import verify

    golds, answers = list(_parsed_gold(gold)), _parsed(answer)
    if not golds or not answers:
        return False
    # The pool keeps the time; math_verify's own timeouts look like wrong answers.
    try:
        same = verify(golds, answers, timeout_seconds=None, raise_on_error=True)
    except _ARITHMETIC:
        # One pair of readings cannot be compared ("12:00" is a division by zero); another may.
        same = verify(golds, answers, timeout_seconds=None)
    return False if not same else True if same_atoms(gold, answer) else None


@lru_cache(maxsize=4096)
def _parsed_gold(gold: str) -> tuple[Any, ...]:
    return tuple(_parsed(gold))


def _parsed(value: str) -> list[Any]:
    """What math_verify reads in an answer; empty when nothing."""
    import logging

    from math_verify import parse

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that it keeps no time

    formula = value if "$" in value or r"\(" in value or r"\[" in value else f"${clean(value)}$"
    timeout: Any = None
    return parse(formula, parsing_timeout=timeout)
