"""When what a program printed or returned is what was expected."""

from __future__ import annotations

import math
from typing import Any


def same_output(said: str, expected: str, tolerance: float) -> bool:
    r"""True when two outputs have the same words, decimal fractions up to a tolerance.

    Spaces, ends of lines and empty lines do not count, as for the checkers that most Codeforces
    problems use (wcmp, rcmp6: relative or absolute error 1e-6). Whole numbers are compared as
    they are written.

    >>> same_output("1  2\n3 \n", "1 2\n3", 1e-6), same_output("0.3333333", "0.33333333333", 1e-6)
    (True, True)
    >>> same_output("1000000", "1000001", 1e-6), same_output("yes", "YES", 1e-6)
    (False, False)
    """
    if said == expected:
        return True
    mine, theirs = said.split(), expected.split()
    return len(mine) == len(theirs) and all(
        a == b or _close_words(a, b, tolerance) for a, b in zip(mine, theirs, strict=True)
    )


def _close_words(a: str, b: str, tolerance: float) -> bool:
    """Only where a decimal fraction was expected; what stands for it may be a whole number."""
    if not any(mark in b for mark in ".eE") or len(a) > 400 or "_" in a or "_" in b:
        return False
    try:
        return close(float(a), float(b), tolerance)
    except ValueError:
        return False


def close(a: float, b: float, tolerance: float) -> bool:
    """Equal up to a relative or absolute error."""
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)


def same_value(said: Any, expected: Any, tolerance: float) -> bool:
    """True when a function's result is the expected one, which was written as JSON.

    So lists stand for tuples and sets too, and texts for the keys of a dict.

    >>> same_value((1, 0.1 + 0.2), [1, 0.3], 1e-6), same_value({1: "a"}, {"1": "a"}, 1e-6)
    (True, True)
    >>> same_value([2, 1], [1, 2], 1e-6), same_value("1", 1, 1e-6)
    (False, False)
    """
    if (isinstance(expected, float) and isinstance(said, int | float)) or isinstance(said, float):
        return isinstance(expected, int | float) and _close_numbers(said, expected, tolerance)
    if isinstance(expected, list | tuple):
        if isinstance(said, set | frozenset):
            said = sorted(said, key=repr)
            expected = sorted(expected, key=repr)
        return (
            isinstance(said, list | tuple)
            and len(said) == len(expected)
            and all(same_value(a, b, tolerance) for a, b in zip(said, expected, strict=True))
        )
    if isinstance(expected, dict):
        if not isinstance(said, dict) or len(said) != len(expected):
            return False
        mine = {_key(k): v for k, v in said.items()}
        return all(k in mine and same_value(mine[k], v, tolerance) for k, v in expected.items())
    return said == expected


def _close_numbers(a: float, b: float, tolerance: float) -> bool:
    try:
        return close(a, b, tolerance)
    except OverflowError:  # a whole number beyond the largest float
        return a == b


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
