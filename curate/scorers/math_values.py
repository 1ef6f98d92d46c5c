r"""What a formula is worth: exact where it is rational, else 100 digits at fixed points.

The independent second opinion of `MathAnswer`, without math_verify or sympy's parser: math_verify
rounds to six places, so 1/2^99 equals 1/2^98 there, and drops what it cannot read, so
`1 - \frac{1}{\mathrm{e}}` becomes 1.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from curate.scorers.math_reader import NEGATIVE, Reader, Unreadable, number_of

DIGITS, MORE_DIGITS = 100, 300
"""Where two values differ by less than 1e-20, more digits tell cancellation from difference."""


class Value(NamedTuple):
    """A Fraction, or a number or matrix of mpmath; whether it depends on variables."""

    number: Any
    varies: bool


def value_at(text: str, point: int, digits: int = DIGITS) -> Value:
    r"""The value of a cleaned formula, its variables at test point `point`; raises Unreadable.

    >>> value_at(r"\frac{1}{2} + 2^{-1}", 0), value_at("x", 0).varies
    (Value(number=Fraction(1, 1), varies=False), True)
    """
    found = _value_at(text, point, digits)
    if isinstance(found, Unreadable):
        raise found.with_traceback(None)
    return found


@lru_cache(maxsize=8192)
def _value_at(text: str, point: int, digits: int) -> Value | Unreadable:
    """Kept for the gold answer's sake, and for lists, where each is compared with each."""
    try:
        reader = Reader(text, point, digits)
        number = reader.sum()
        if reader.token:
            raise Unreadable(reader.token)
        if not isinstance(number, Fraction) and not reader.is_finite(number):
            raise Unreadable("not finite")
        return Value(number, reader.varies)
    except Unreadable as error:
        return error
    except (ArithmeticError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
        return Unreadable(f"{type(error).__name__}: {error}")


def same_values(gold: str, answer: str) -> bool:
    r"""True when two cleaned formulas have the same value everywhere; raises Unreadable.

    Rational ones are compared exactly, others at up to four points: two different formulas of some
    size agree at none of them, unless they are made to.

    >>> same_values(r"\sqrt{8}", r"2\sqrt{2}"), same_values("(x+1)^2", "x^2+1")
    (True, False)
    """
    points = (0, 1, 2, NEGATIVE) if "|" in gold + answer else (0, 1, 2)
    for point in points:
        a, b = value_at(gold, point), value_at(answer, point)
        if not (_same(a.number, b.number) or _cancels(gold, answer, point)):
            return False
        if not a.varies and not b.varies:
            return True
    return True


def _same(a: Any, b: Any) -> bool:
    if _are_exact([a, b]):
        return a == b
    matrices = hasattr(a, "rows"), hasattr(b, "rows")
    if not any(matrices):
        return close(a, b)
    return all(matrices) and (a.rows, a.cols) == (b.rows, b.cols) and all(map(close, a, b))


def _cancels(gold: str, answer: str, point: int) -> bool:
    """True when a small difference is one of too few digits: it goes away with more of them."""
    distances = []
    for digits in (DIGITS, MORE_DIGITS):
        values = [value_at(text, point, digits).number for text in (gold, answer)]
        if any(hasattr(value, "rows") for value in values) or _are_exact(values):
            return False
        distances.append(abs(number_of(values[0], digits) - number_of(values[1], digits)))
        if distances[0] > 1e-20:
            return False
    return distances[1] < distances[0] * 1e-100


def _are_exact(values: list[Any]) -> bool:
    return all(isinstance(value, Fraction) for value in values)


def close(a: Any, b: Any) -> bool:
    """True when two numbers agree in 60 digits."""
    a, b = number_of(a, DIGITS), number_of(b, DIGITS)
    scale = max(abs(a), abs(b))
    return bool(scale == 0 or abs(a - b) <= 1e-60 * scale)
