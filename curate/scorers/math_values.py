r"""What a formula is worth: 50 digits at fixed points, without math_verify or sympy's parser.

The independent second opinion of `MathAnswer`: math_verify rounds to six places, so 1/2^99 equals
1/2^98 there, and drops what it cannot read, so `1 - \frac{1}{\mathrm{e}}` becomes 1. This reader
refuses (`Unreadable`) instead of dropping anything.
"""

from __future__ import annotations

import re
import zlib
from functools import cache
from typing import Any

DIGITS = 50
MAX_BITS = 100_000
"""Powers and factorials with more bits than this are not worked out: 10^(10^10) takes for ever."""
MAX_DEPTH = 60

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)|(?P<command>\\[A-Za-z]+)|(?P<word>[A-Za-z]+)"
    r"|(?P<mark>\*\*|[-+*/^_!()\[\]{}|%']))\s*"
)
_FUNCTION = "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp sqrt"
_FUNCTIONS = frozenset(_FUNCTION.split())
_GREEK_LETTERS = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi"
    " rho sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell"
)
_GREEK = frozenset(_GREEK_LETTERS.split())
_PRODUCT = frozenset(["*", r"\cdot", r"\times"])
_QUOTIENT = frozenset(["/", r"\div"])
_ENDS = frozenset([")", "]", "}", "|", "+", "-", "", "!", "^", "_", "%"])


class Unreadable(Exception):
    """The text holds something that this reader does not know."""


class TooLarge(Unreadable):
    """A power or factorial too large to be worked out."""


@cache
def _mp() -> Any:
    import mpmath

    context = mpmath.mp.clone()
    context.dps = DIGITS
    return context


def value_at(text: str, point: int) -> Any:
    r"""The value of a cleaned formula, its variables at test point `point`; raises Unreadable.

    >>> abs(value_at(r"\frac{1}{2} + \sqrt{2}^2", 0) - 2.5) < 1e-40
    True
    """
    reader = _Reader(text, point)
    value = reader.sum()
    if reader.token:
        raise Unreadable(reader.token)
    if not _mp().isfinite(value):
        raise Unreadable("not finite")
    return value


class _Reader:
    """A recursive-descent reader that evaluates as it goes."""

    def __init__(self, text: str, point: int) -> None:
        self.tokens = _tokens(text)
        self.position = 0
        self.point = point
        self.depth = 0

    @property
    def token(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self) -> str:
        token = self.token
        self.position += 1
        return token

    def skip(self, *tokens: str) -> bool:
        if self.token in tokens and self.token:
            self.position += 1
            return True
        return False

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise Unreadable(f"no {token}")

    def sum(self) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("nested too deep")
        value = self.product()
        while self.token in ("+", "-"):
            sign = -1 if self.take() == "-" else 1
            value += sign * self.product()
        self.depth -= 1
        return value

    def product(self) -> Any:
        value = self.signed()
        while True:
            if self.token in _PRODUCT:
                self.take()
                value *= self.signed()
            elif self.token in _QUOTIENT:
                self.take()
                value = self.divide(value, self.signed())
            elif self.token in _ENDS or self.token[0].isdigit() or self.token[0] == ".":
                return value
            else:
                value *= self.power()

    def signed(self) -> Any:
        if self.skip("-"):
            return -self.signed()
        self.skip("+")
        return self.power()

    def power(self) -> Any:
        value = self.postfix(self.base())
        if self.skip("^", "**"):
            exponent = self.exponent()
            return self.postfix(self.raised(value, exponent))
        return value

    def exponent(self) -> Any:
        """One group, signed number or symbol: in LaTeX `2^10` is 2^1 0, but people mean 2^10."""
        return -self.exponent() if self.skip("-") else self.base()

    def postfix(self, value: Any) -> Any:
        while True:
            if self.skip("!"):
                value = self.factorial(value)
            elif self.skip("%", r"\%"):
                value = value / 100
            else:
                return value

    def base(self) -> Any:
        token = self.take()
        if token[:1].isdigit() or token[:1] == ".":
            return self.number(token)
        if token == "(" or token == "[":
            value = self.sum()
            self.expect(")" if token == "(" else "]")
            return value
        if token == "{":
            value = self.sum()
            self.expect("}")
            return value
        if token == "|":
            value = self.sum()
            self.expect("|")
            return abs(value)
        if len(token) == 1 and token.isalpha():
            return self.symbol(token)
        if token.startswith("\\"):
            return self.command(token[1:])
        raise Unreadable(token or "nothing")

    def number(self, token: str) -> Any:
        if self.skip("_"):
            raise Unreadable("another base")
        value = _mp().mpf(token)
        # "2\frac{1}{2}" is two and a half when both are plain integers.
        ahead = self.tokens[self.position : self.position + 7]
        if "." not in token and len(ahead) == 7 and ahead[0] == r"\frac":
            _, left, top, right, left2, bottom, right2 = ahead
            if [left, right, left2, right2] == ["{", "}"] * 2 and (top + bottom).isdigit():
                self.position += 7
                return value + self.divide(_mp().mpf(top), _mp().mpf(bottom))
        return value

    def command(self, name: str) -> Any:
        mp = _mp()
        if name == "frac":
            top = self.group()
            return self.divide(top, self.group())
        if name == "sqrt":
            degree = 2
            if self.skip("["):
                degree = self.sum()
                self.expect("]")
            value = self.group()
            return mp.sqrt(value) if degree == 2 else self.raised(value, self.divide(1, degree))
        if name == "binom":
            n, k = self.group(), self.group()
            if abs(n) > 5000 or abs(k) > 5000:
                raise TooLarge("binom")
            return mp.binomial(n, k)
        if name == "pi":
            return +mp.pi
        if name in _FUNCTIONS:
            return self.function(name)
        if name in _GREEK:
            return self.symbol(name)
        raise Unreadable(name)

    def group(self) -> Any:
        """An argument of a command: a group in braces, or a single digit or symbol."""
        return self.base()

    def symbol(self, name: str) -> Any:
        mp = _mp()
        if name == "e":
            return +mp.e
        if name == "i":
            return mp.mpc(0, 1)
        if self.skip("_"):
            start = self.position
            depth = 0
            while self.token:
                depth += {"{": 1, "}": -1}.get(self.take(), 0)
                if depth <= 0:
                    break
            name += "_" + "".join(t for t in self.tokens[start : self.position] if t not in "{}")
        if self.skip("'"):
            name += "'"
        # Positive values: an identity of roots and logarithms need not hold on every branch.
        seed = zlib.crc32(f"{name}/{self.point}".encode())
        return mp.mpf(3 * 10**9 + seed) / (10**10 - 7)

    def function(self, name: str) -> Any:
        mp = _mp()
        base = None
        exponent = None
        while self.token in ("_", "^"):
            if self.take() == "_":
                base = self.base()
            else:
                exponent = self.exponent()
        value = self.argument()
        if exponent == -1:
            name, exponent = f"arc{name}", None
        name = {"arcarcsin": "sin", "arccot": "acot"}.get(name, name).replace("arc", "a")
        if name in ("log", "ln", "lg"):
            value = mp.log(value) / (
                mp.log(base) if base is not None else mp.log(10) if name == "lg" else 1
            )
        else:
            if name == "exp" and abs(value) > MAX_BITS:
                raise TooLarge("exp")
            function = getattr(mp, name, None)
            if function is None:
                raise Unreadable(name)
            value = function(value)
        return value if exponent is None else self.raised(value, exponent)

    def argument(self) -> Any:
        """What a function applies to: a group, or the product that follows (`\\sin 2x`)."""
        if self.token in ("(", "{", "[", "|"):
            return self.power()
        value = self.signed()
        while self.token and (self.token[0].isalnum() or self.token in (r"\pi", r"\frac")):
            value *= self.power()
        if self.token in _QUOTIENT:
            raise Unreadable("sin a/b")
        return value

    def divide(self, top: Any, bottom: Any) -> Any:
        if bottom == 0:
            raise Unreadable("division by zero")
        return top / bottom

    def raised(self, base: Any, exponent: Any) -> Any:
        if base == 0:
            if getattr(exponent, "real", exponent) <= 0:
                raise Unreadable("0 to a power that is not positive")
            return base
        if abs(exponent) * abs(_mp().log(abs(base))) > MAX_BITS:
            raise TooLarge("power")
        return base**exponent

    def factorial(self, value: Any) -> Any:
        if value != int(_mp().re(value)) or value < 0:
            raise Unreadable("factorial")
        if value > 5000:
            raise TooLarge("factorial")
        return _mp().factorial(value)


def _tokens(text: str) -> list[str]:
    """The tokens of a formula; a run of letters is a product, unless it names a function."""
    tokens: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise Unreadable(text[position])
        position = match.end()
        word = match["word"]
        if word in _FUNCTIONS or word == "pi":
            tokens.append("\\" + word)
        elif word and len(word) > 3:
            raise Unreadable(word)
        elif word:
            tokens.extend(word)
        else:
            tokens.append(match.group().strip())
    return tokens
